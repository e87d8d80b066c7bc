"""Whether a classifier is right as often as its probabilities say: the reliability diagram."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.plots.classifier import classifier_of
from hotloop.network.plots.labels import brief, ink, legend, shortened
from hotloop.network.plots.style import BLUE, GREY, SMALL, WIDTH, new_axes, styled
from hotloop.network.validation import arguments

TURNED = 12  # bins from which on their counts stand upright


def plot_calibration(
    net: Any, X: Any, y: Any, *, bins: int = 10, labels: Sequence[Any] | None = None, axes: Any = None
) -> Any:
    r"""Draw how often a classifier is right over how sure it is, and how many rows each bin has.

    The expected calibration error, in the title, is ``ECE = sum_b n_b / N |a_b - p_b|``, over bins b of equal width:
    n_b rows of N, p_b their mean probability, a_b the share of them that is right. On the diagonal a = p.

    With two classes p is the probability of the second, and a the share of the rows that are of it. With more, p is the
    probability of the predicted class (the top label), and a the share of the rows that are of the class predicted.

    Parameters
    ----------
    net : Network, or a fitted classifier
        A network with a cross-entropy, and one class a row; or what has `predict_proba` and ``classes_``, as hotloop's
        estimators and scikit-learn's classifiers.
    X, y : array-like (N, inputs), array-like (N,) or (N, outputs)
        As of `plot_confusion_matrix`. Take rows that the classifier was not trained on.
    bins : int, default 10
        Of equal width, from 0 to 1, 2 to 25.
    labels : sequence, optional
        The names of the classes; by default those of ``classes_``, or their numbers.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure. The counts are drawn above.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If `net` is none of these.
    ValueError
        If it does not decide for one class a row or has no probabilities, or y has another class.

    Notes
    -----
    Source: Guo, Pleiss, Sun, Weinberger (2017), On calibration of modern neural networks, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop import Network
    >>> from hotloop.plots import plot_calibration
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> net = Network([2, 1], loss="binary_cross_entropy", seed=0)
    >>> axes = plot_calibration(net, x, x.sum(axis=1) > 0)
    >>> axes.get_ylabel()
    'share of class 1, a'
    """
    bins = arguments.whole_number("bins", bins, 2, 25)
    asked = classifier_of(net, "reliability diagram", labels)
    shares = asked.shares(X)
    if shares is None:
        raise ValueError("a reliability diagram needs probabilities; the classifier has no predict_proba")
    truth = asked.truth(y, len(shares))
    if shares.shape[1] == 2:
        sure, right = shares[:, 1], truth == 1
        second = shortened(asked.names[1])
        words = f"probability of class {second}, mean p", f"share of class {second}, a"
    else:
        sure, right = shares.max(axis=1), truth == shares.argmax(axis=1)
        words = "probability of the predicted class, mean p", "share that is right, a"
    counts, mean, share = reliability(sure, right, bins)
    filled = counts > 0
    error = float(counts[filled] @ np.abs(share - mean)[filled]) / len(sure)
    with styled():
        axes = new_axes(WIDTH, 4.6) if axes is None else axes
        axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.2, label="a = p, well calibrated")
        axes.plot(mean[filled], share[filled], "o-", color=BLUE, markersize=5, label="bins")
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.03, 1.03), xlabel=words[0], ylabel=words[1])
        legend(axes)
        draw_counts(axes, counts, rf"ECE = $\sum_b\, \frac{{n_b}}{{N}}\, |a_b - p_b|$ = {error:.3f}")
        axes.get_figure(root=True).draw_without_rendering()  # to make room for what stands above
    return axes


def reliability(sure: Array, right: Array, bins: int) -> tuple[Array, Array, Array]:
    """Return how many rows each bin has, their mean probability, and the share that is right; NaN without rows."""
    if not ((sure >= 0) & (sure <= 1)).all():
        raise ValueError("a reliability diagram needs probabilities of 0 to 1; a row has others")
    place = np.minimum((sure * bins).astype(np.intp), bins - 1)
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        return counts, np.bincount(place, sure, bins) / counts, np.bincount(place, right, bins) / counts


def draw_counts(axes: Any, counts: Array, title: str) -> None:
    """Draw a bar with its number for each bin, and a title, above given Axes."""
    above = axes.inset_axes([0, 1.04, 1, 0.24], sharex=axes)
    middles = (np.arange(len(counts)) + 0.5) / len(counts)
    above.bar(middles, counts, width=0.86 / len(counts), color=GREY)
    for middle, count in zip(middles, counts, strict=True):
        above.annotate(
            brief(count), (middle, count), (0, 2), textcoords="offset points", ha="center", va="bottom",
            fontsize=SMALL, rotation=90 if len(counts) > TURNED else 0, color=ink(axes),
        )  # fmt: skip
    above.set(ylim=(0, counts.max() * (1.8 if len(counts) > TURNED else 1.35)), ylabel="rows $n_b$")
    above.tick_params(axis="x", labelbottom=False, bottom=False)
    above.set_yticks([])
    above.grid(False)
    above.set_facecolor("none")
    above.yaxis.label.set_color(ink(axes))
    above.spines["left"].set_visible(False)
    above.spines["bottom"].set_color(axes.spines["bottom"].get_edgecolor())
    above.set_title(title, color=ink(axes), pad=12)
