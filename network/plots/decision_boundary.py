"""Where a classifier of two inputs decides for which class."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.plots.classifier import classifier_of
from hotloop.network.plots.labels import ink, legend_below, shortened
from hotloop.network.plots.style import HEIGHT, WIDTH, new_axes, series, styled
from hotloop.network.validation import arrays

GRID = 200  # points in each direction


def plot_decision_boundary(net: Any, X: Any, y: Any, *, labels: Sequence[Any] | None = None, axes: Any = None) -> Any:
    """Draw where a classifier of two inputs decides for which class, the darker the surer, and the rows in it.

    Parameters
    ----------
    net : Network, or a fitted classifier
        Of two inputs. A network with a cross-entropy, and one class a row; or what has `predict` and ``classes_``, as
        hotloop's estimators and scikit-learn's classifiers. Without `predict_proba`, areas have one shade.
    X, y : array-like (N, 2), array-like (N,) or (N, outputs)
        As of `plot_confusion_matrix`. Columns of a frame name the axes.
    labels : sequence, optional
        The names of the classes; by default those of ``classes_``, or their numbers.
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
        If it has other than two inputs, does not decide for one class a row, or y has another class.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop import Network
    >>> from hotloop.plots import plot_decision_boundary
    >>> x = np.random.default_rng(0).normal(size=(50, 2))
    >>> net = Network([2, 8, 1], loss="binary_cross_entropy", seed=0)
    >>> axes = plot_decision_boundary(net, x, x[:, 0] > 0, labels=["left", "right"])
    >>> axes.get_xlabel(), axes.get_ylabel()
    ('input 1', 'input 2')
    """
    asked = classifier_of(net, "decision boundary", labels)
    if asked.n_inputs not in (2, None):
        raise ValueError(f"a decision boundary is drawn for 2 inputs; the network has {asked.n_inputs}")
    points = arrays.inputs(X, 2, np.dtype(np.float64)).astype(np.float64)
    truth, n = asked.truth(y, len(points)), len(asked.names)
    lowest, highest = points.min(axis=0), points.max(axis=0)
    margin = np.where(highest > lowest, 0.1 * (highest - lowest), 1.0)
    (left, bottom), (right, top) = lowest - margin, highest + margin
    across, up = np.linspace(left, right, GRID), np.linspace(bottom, top, GRID)
    grid = like(X, np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2), getattr(net, "dtype", None))
    shares = asked.shares(grid)
    shares = np.eye(n)[asked.predicted(grid)] if shares is None else shares
    shares = shares.reshape(GRID, GRID, n)
    with styled():
        own = axes is None
        axes = new_axes(WIDTH, HEIGHT) if axes is None else axes
        draw_areas(axes, across, up, shares)
        drawn = []
        for number, (colour, marker, _) in enumerate(series(n)):
            mine = points[truth == number]
            style = {"s": 22, "color": [colour], "edgecolors": "black", "linewidths": 0.6}
            drawn.append(axes.scatter(mine[:, 0], mine[:, 1], marker=marker, **style))
        columns = getattr(X, "columns", ("input 1", "input 2"))
        axes.set(xlabel=shortened(columns[0], 40), ylabel=shortened(columns[1], 30))
        axes.set(xlim=(left, right), ylim=(bottom, top))
        axes.grid(False)
        legend_below(axes, grow=own, title="class", handles=drawn, labels=[*map(shortened, asked.names)])
    return axes


def draw_areas(axes: Any, across: Array, up: Array, shares: Array) -> None:
    """Draw the area of each class by its probability (up, across, classes), and the lines between them."""
    from matplotlib.colors import to_rgb

    n = shares.shape[-1]
    colours = np.array([to_rgb(colour) for colour, *_ in series(n)])
    winner, sure = shares.argmax(axis=-1), (shares.max(axis=-1) - 1 / n) / (1 - 1 / n)
    picture = np.concatenate([colours[winner], 0.12 + 0.38 * sure[..., None]], axis=-1)
    extent = (across[0], across[-1], up[0], up[-1])
    axes.imshow(picture, extent=extent, origin="lower", aspect="auto", interpolation="nearest")
    for number in range(n if n > 2 else 1):
        lead = shares[..., number] - np.delete(shares, number, axis=-1).max(axis=-1)
        if lead.min() < 0 < lead.max():
            axes.contour(across, up, lead, levels=[0.0], colors=[ink(axes)], linewidths=1.2)


def like(X: Any, points: Array, dtype: Any) -> Any:
    """Return points as a frame with the columns of X, if it is one of pandas: a classifier may know them by name."""
    if hasattr(X, "columns") and hasattr(X, "iloc"):
        return type(X)(points, columns=X.columns)
    return points if dtype is None else points.astype(dtype)
