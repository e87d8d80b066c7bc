"""Which classes are taken for which."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.metrics.classification import pair_counts
from hotloop.network.plots.classifier import classifier_of
from hotloop.network.plots.labels import LONGEST, brief, contrasting, shortened
from hotloop.network.plots.style import SMALL, WIDTH, new_axes, styled

SHARES = {
    "true": "share of the true class",
    "pred": "share of the predicted class",
    "all": "share of all rows",
}  # what `normalize` may be, and how the picture says it
NAMED_CELLS = 12  # classes up to which each cell has its number
LEAST, LARGEST = 0.2, 0.8  # inches of a class
ROOM = 0.32  # inches that a number takes
LONGEST_OF_MANY = 14  # characters of a name


def plot_confusion_matrix(
    net: Any, X: Any, y: Any, *, labels: Sequence[Any] | None = None, normalize: str | None = None, axes: Any = None
) -> Any:
    """Draw how many rows of each true class (down) are put into each class (across).

    Colours are by the square root, so that the few rows that are wrong are seen. Up to 12 classes each cell has its
    number.

    Parameters
    ----------
    net : Network, or a fitted classifier
        A network with a cross-entropy, and one class a row; or what has `predict` and ``classes_``, as hotloop's
        estimators and scikit-learn's classifiers.
    X, y : array-like (N, inputs), array-like (N,) or (N, outputs)
        As `Network.evaluate` takes them; for a classifier as its `predict` takes X, and y with classes of ``classes_``.
    labels : sequence, optional
        The names of the classes; by default those of ``classes_``, or their numbers.
    normalize : {"true", "pred", "all"}, optional
        Draw shares: of the rows of each true class, of those put into a class, or of all. By default counts.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If `net` is none of these.
    ValueError
        If it does not decide for one class a row, or y has another class.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop import Network
    >>> from hotloop.plots import plot_confusion_matrix
    >>> net = Network([2, 8, 3], loss="cross_entropy", seed=0)
    >>> axes = plot_confusion_matrix(net, np.eye(2), [0, 2], labels=["red", "green", "blue"])
    >>> axes.get_xlabel()
    'predicted class'
    """
    if normalize is not None and normalize not in SHARES:
        raise ValueError(f"normalize must be one of {', '.join(SHARES)}, or None; got {normalize!r}")
    asked = classifier_of(net, "confusion matrix", labels)
    predicted, n = asked.predicted(X), len(asked.names)
    truth = asked.truth(y, len(predicted))
    names = [shortened(name, LONGEST_OF_MANY if n > 6 else LONGEST) for name in asked.names]
    counts = pair_counts(truth, predicted, n)
    sums = {"true": counts.sum(axis=1, keepdims=True), "pred": counts.sum(axis=0), "all": counts.sum()}
    shown = counts
    if normalize is not None:
        whole = np.broadcast_to(sums[normalize], counts.shape)
        shown = np.divide(counts, whole, out=np.zeros(counts.shape), where=whole > 0)
    with styled():
        if axes is None:
            letters = 0.08 * max(map(len, names))
            side = n * min(LARGEST, max(ROOM if n <= NAMED_CELLS else LEAST, (WIDTH - 0.6 - letters) / n))
            bar = 0.9 * (n > NAMED_CELLS)
            axes = new_axes(side + 0.6 + letters + bar, side + 0.7 + letters * (0.3 if letters < 0.3 else 0.8))
        draw_cells(axes, shown, names, None if normalize is None else SHARES[normalize])
        axes.set_title(f"{np.trace(counts)} of {counts.sum()} rows right")
    return axes


def draw_cells(axes: Any, cells: Array, names: Sequence[str], share: str | None) -> None:
    """Draw the cells, counts or shares of what `share` says, with their colours' bar, and the names of the classes."""
    from matplotlib.colors import PowerNorm
    from matplotlib.ticker import PercentFormatter

    n = len(cells)
    most = 1 if share in (SHARES["true"], SHARES["pred"]) else max(cells.max(), 1 if share is None else 1e-9)
    image = axes.imshow(cells, cmap="Blues", norm=PowerNorm(0.5, vmin=0, vmax=most))
    if n <= NAMED_CELLS:
        for (row, column), value in np.ndenumerate(cells):
            percent = f"{100 * value:.0f}{' %' * (n <= 6)}"
            text = brief(value) if share is None else percent if value else "0"
            colour = contrasting(image.cmap(image.norm(value)))
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=SMALL)
    else:
        formatter = None if share is None else PercentFormatter(1)
        axes.figure.colorbar(image, ax=axes, shrink=0.8, label=share or "rows", format=formatter)
    turned: dict[str, Any] = {}
    if max(map(len, names)) > 3:
        turned = {"rotation": 90} if n > 8 else {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(n), names, **turned)
    axes.set_yticks(range(n), names)
    axes.tick_params(length=0)
    axes.grid(False)
    axes.set_xlabel("predicted class" + (f"\n(cells: {share}, in %)" if share and n <= NAMED_CELLS else ""))
    axes.set_ylabel("true class")
