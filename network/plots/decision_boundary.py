"""Where a classifier of two inputs decides for which class."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hotloop.network.plots.classifier import check_decides, shares_of, true_classes
from hotloop.network.plots.style import MARKERS, PALETTE, ink, legend, new_axes, styled
from hotloop.network.validation import arrays

GRID = 200  # points in each direction


def plot_decision_boundary(net: Any, X: Any, y: Any, *, labels: Sequence[Any] | None = None, axes: Any = None) -> Any:
    """Draw where a network with two inputs decides for which class, the darker the surer, and the rows in it.

    Parameters
    ----------
    net : Network
        With two inputs, a cross-entropy, and one class a row.
    X, y : array-like (N, 2), array-like (N,) or (N, outputs)
        As `Network.evaluate` takes them.
    labels : sequence, optional
        The names of the classes; by default their numbers.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
    """
    if net.sizes[0] != 2:
        raise ValueError(f"a decision boundary is drawn for 2 inputs; the network has {net.sizes[0]}")
    check_decides(net, "decision boundary")
    points = arrays.inputs(X, 2, np.dtype(np.float64)).astype(np.float64)
    truth = true_classes(net, y, len(points))
    n = max(2, net.sizes[-1])
    names = [str(label) for label in (range(n) if labels is None else labels)]
    if len(names) != n:
        raise ValueError(f"labels has {len(names)} names for {n} classes")
    lowest, highest = points.min(axis=0), points.max(axis=0)
    margin = np.where(highest > lowest, 0.1 * (highest - lowest), 1.0)
    (left, bottom), (right, top) = lowest - margin, highest + margin
    across, up = np.linspace(left, right, GRID), np.linspace(bottom, top, GRID)
    shares = shares_of(net, np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)).reshape(GRID, GRID, n)
    with styled():
        if axes is None:
            axes = new_axes(4.8, 4.0)
        from matplotlib.colors import to_rgb

        colours = np.array([to_rgb(PALETTE[number % len(PALETTE)]) for number in range(n)])
        winner, sure = shares.argmax(axis=-1), (shares.max(axis=-1) - 1 / n) / (1 - 1 / n)
        picture = np.concatenate([colours[winner], 0.12 + 0.38 * sure[..., None]], axis=-1)
        axes.imshow(picture, extent=(left, right, bottom, top), origin="lower", aspect="auto", interpolation="nearest")
        for number in range(n if n > 2 else 1):
            lead = shares[..., number] - np.delete(shares, number, axis=-1).max(axis=-1)
            if lead.min() < 0 < lead.max():
                axes.contour(across, up, lead, levels=[0.0], colors=[ink(axes)], linewidths=1.2)
        for number in range(n):
            own = points[truth == number]
            axes.scatter(
                own[:, 0], own[:, 1], s=22, color=[colours[number]], marker=MARKERS[number % len(MARKERS)],
                edgecolors="black", linewidths=0.6, label=names[number],
            )  # fmt: skip
        columns = getattr(X, "columns", ("input 1", "input 2"))
        axes.set(xlabel=str(columns[0]), ylabel=str(columns[1]), xlim=(left, right), ylim=(bottom, top))
        legend(axes, title="class")
    return axes
