"""Which classes are taken for which."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hotloop.network.metrics.classification import confusion_matrix
from hotloop.network.metrics.named import threshold
from hotloop.network.plots.classifier import check_decides, true_classes
from hotloop.network.plots.style import new_axes, styled

SHARES = {
    "true": "share of the true class",
    "pred": "share of the predicted class",
    "all": "share of all rows",
}  # what `normalize` may be, and how the picture says it
NAMED_CELLS = 20  # classes up to which each cell has its number


def plot_confusion_matrix(
    net: Any, X: Any, y: Any, *, labels: Sequence[Any] | None = None, normalize: str | None = None, axes: Any = None
) -> Any:
    """Draw how many rows of each true class (down) are put into each class (across).

    Parameters
    ----------
    net : Network
        With a cross-entropy, and one class a row.
    X, y : array-like (N, inputs), array-like (N,) or (N, outputs)
        As `Network.evaluate` takes them.
    labels : sequence, optional
        The names of the classes; by default their numbers.
    normalize : {"true", "pred", "all"}, optional
        Draw shares: of the rows of each true class, of those put into a class, or of all. By default counts.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
    """
    if normalize is not None and normalize not in SHARES:
        raise ValueError(f"normalize must be one of {', '.join(SHARES)}, or None; got {normalize!r}")
    check_decides(net, "confusion matrix")
    outputs = np.asarray(net.predict(X))
    truth = true_classes(net, y, len(outputs))
    counts = confusion_matrix(truth, outputs if outputs.shape[1] > 1 else outputs > threshold(net.activations[-1]))
    n = len(counts)
    names = [str(label) for label in (range(n) if labels is None else labels)]
    if len(names) != n:
        raise ValueError(f"labels has {len(names)} names for {n} classes")
    sums = {"true": counts.sum(axis=1, keepdims=True), "pred": counts.sum(axis=0), "all": counts.sum()}
    shown = counts
    if normalize is not None:
        whole = np.broadcast_to(sums[normalize], counts.shape)
        shown = np.divide(counts, whole, out=np.zeros_like(counts), where=whole > 0)
    with styled():
        if axes is None:
            side = min(12.0, 2.5 + 0.45 * n)
            axes = new_axes(side + 1.2, side)
        from matplotlib.colors import PowerNorm

        # The square root, for the few rows that are wrong would look like none.
        most = 1 if normalize in ("true", "pred") else None
        image = axes.imshow(shown, cmap="Blues", norm=PowerNorm(0.5, vmin=0, vmax=most))
        axes.figure.colorbar(image, ax=axes, shrink=0.8, label="rows" if normalize is None else SHARES[normalize])
        if n <= NAMED_CELLS:
            for (row, column), value in np.ndenumerate(shown):
                text = f"{value:.0f}" if normalize is None else f"{100 * value:.0f} %" if value else "0"
                dark = image.norm(value) > 0.55
                axes.text(column, row, text, ha="center", va="center", color="white" if dark else "black", fontsize=8)
        slanted = {"rotation": 45, "ha": "right"} if max(map(len, names)) > 3 else {}
        axes.set_xticks(range(n), names, **slanted)
        axes.set_yticks(range(n), names)
        axes.grid(False)
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")
        axes.set_title(f"{np.trace(counts):.0f} of {counts.sum():.0f} rows right")
    return axes
