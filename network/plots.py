"""Pictures of a fit and of a network, drawn with matplotlib's pyplot.

In a notebook they appear below the cell; elsewhere ``matplotlib.pyplot.show()`` shows them, and ``figure.savefig`` of
the Axes that each function returns writes a file. `hotloop.plots` is the short way here.
"""

import math
import numbers
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.losses import loss_of
from hotloop.network.metrics.classification import confusion_matrix
from hotloop.network.metrics.named import probabilities, threshold
from hotloop.network.validation import arrays
from hotloop.network.validation.printable import shown
from hotloop.network.validation.targets import classes_of

# Okabe and Ito's palette, distinct to colour-blind readers; beyond it the markers differ.
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"]
MARKERS = "os^Dvph"
TRAINING, VALIDATION, BEST = COLOURS[0], COLOURS[1], "#666666"
SHARES = {
    "true": "share of the true class",
    "pred": "share of the predicted class",
    "all": "share of all rows",
}  # what `normalize` of a confusion matrix may be, and how the picture says it
NAMED_CELLS = 20  # classes up to which each cell has its number
GRID = 200  # points in each direction of a decision boundary


@contextmanager
def _explained() -> Iterator[None]:
    """Say what to do if matplotlib is not installed."""
    try:
        yield
    except ImportError as error:
        raise ImportError("pictures need matplotlib: python -m pip install 'hotloop[plot]'") from error


def pyplot() -> Any:
    """Return the module ``matplotlib.pyplot``; raise an ImportError that says what to do if there is none."""
    with _explained():
        from matplotlib import pyplot
    return pyplot


def figure(width: float, height: float) -> Any:
    """Return an empty figure that belongs to no window; raise as `pyplot` does."""
    with _explained():
        from matplotlib.figure import Figure
    return Figure(figsize=(width, height), layout="constrained")


def new_axes(width: float, height: float) -> Any:
    """Return the Axes of a new figure, which pyplot shows."""
    return pyplot().subplots(figsize=(width, height), layout="constrained")[1]


def plot_history(history: Mapping[str, Sequence[Any]]) -> Any:
    """Draw a fit by epoch: the losses, each metric, and the learning rate if it changed.

    Parameters
    ----------
    history : History
        Its `best_epoch` is marked, if it has one. Or a mapping of lists, or a data frame, such as that of a file of
        `CSVLogger`; without a column "epoch" its epochs are counted from 1.

    Returns
    -------
    array of matplotlib.axes.Axes
        One for each picture, the losses first.

    Raises
    ------
    TypeError
        If it is none of these.
    ValueError
        If no epoch was finished, or there is nothing to draw.
    """
    if not hasattr(history, "items"):
        raise TypeError(f"history must be a History, or a mapping of lists, got {shown(history)}")
    (first, column), *others = [*history.items()] or [("", ())]
    for name, values in others:
        if len(values) != len(column):
            found = f"{first!r} has {len(column)}, and {name!r} {len(values)}"
            raise ValueError(f"history must have lists of one length: {found}")
    if len(column) == 0:
        raise ValueError("there is nothing to draw: no epoch was finished")
    names = [name for name in history if name not in ("epoch", "seconds") and _numeric(history[name])]
    if not names:
        raise ValueError(f"history has no column of numbers to draw: it has {', '.join(history)}")
    titles = list(dict.fromkeys(name.removeprefix("val_") for name in names))
    if "learning_rate" in titles:
        titles.remove("learning_rate")
        titles += ["learning_rate"] * (len(set(history["learning_rate"])) > 1)
    columns = min(len(titles), 3)
    rows = math.ceil(len(titles) / columns)
    figure, grid = pyplot().subplots(
        rows, columns, figsize=(4.5 * columns + 0.5, 3.4 * rows), squeeze=False, layout="constrained"
    )
    drawn = grid.flat[: len(titles)]
    for axes, title in zip(drawn, titles, strict=True):
        draw_curves(history, title, axes)
    for axes in grid.flat[len(titles) :]:
        figure.delaxes(axes)
    return np.asarray(drawn)


def draw_curves(history: Mapping[str, Sequence[Any]], name: str, axes: Any) -> None:
    """Draw the column `name` of a history, and with it ``val_`` and the name, into given Axes."""
    best = getattr(history, "best_epoch", None)
    epochs = history["epoch"] if "epoch" in history else range(1, len(history[next(iter(history))]) + 1)
    marker = "o" if len(epochs) <= 25 else None
    found: list[tuple[Sequence[Any], str | None, str]] = [
        (history[column], label, colour)
        for column, label, colour in ((name, "training", TRAINING), (f"val_{name}", "validation", VALIDATION))
        if column in history and _numeric(history[column])
    ]
    if name == "learning_rate":
        found = [(values, None, colour) for values, _, colour in found]
    for values, label, colour in found:
        axes.plot(epochs, np.asarray(values, np.float64), color=colour, label=label, marker=marker, markersize=3)
    if best is not None:
        axes.axvline(best, color=BEST, linestyle=":", label=f"best epoch, {best}")
    axes.set_title(name.replace("_", " "))
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if len(epochs) == 1:
        axes.set_xticks(epochs)
    axes.grid(True, alpha=0.3)
    if name != "learning_rate" or best is not None:
        axes.legend(fontsize="small", framealpha=0.9)


def _numeric(values: Sequence[Any]) -> bool:
    return all(isinstance(value, numbers.Real) for value in values)


def plot_learning_rates(sweep: Any, *, axes: Any = None) -> Any:
    """Draw the losses of a sweep over the learning rates, with the suggestions.

    Parameters
    ----------
    sweep : LearningRateSweep
        What `Network.find_learning_rate` returned.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
    """
    axes = new_axes(7, 4.5) if axes is None else axes
    count = max(sweep.counted, 1)
    axes.plot(sweep.rates, sweep.losses, color="0.8", linewidth=1, label="loss of each step")
    rates, smoothed = sweep.rates[:count], sweep.smoothed[:count]
    axes.plot(rates, smoothed, color="black", label="smoothed")
    for (rule, rate), marker, colour in zip(sweep.suggestions.items(), MARKERS, COLOURS, strict=False):
        if math.isfinite(rate):
            height = np.interp(math.log(rate), np.log(rates), smoothed)
            axes.plot(rate, height, marker, color=colour, markersize=8, label=f"{rule} {rate:.2g}")
    drawn = smoothed[np.isfinite(smoothed)]
    if drawn.size and drawn.max() > drawn.min():
        margin = (drawn.max() - drawn.min()) / 8
        axes.set_ylim(drawn.min() - margin, drawn.max() + margin)
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss")
    axes.grid(True, alpha=0.3)
    axes.legend(fontsize="small", framealpha=0.9)
    return axes


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
    _check_decides(net, "confusion matrix")
    outputs = np.asarray(net.predict(X))
    truth = _classes(net, y, len(outputs))
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
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(f"{np.trace(counts):.0f} of {counts.sum():.0f} rows right")
    return axes


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
    _check_decides(net, "decision boundary")
    points = arrays.inputs(X, 2, np.dtype(np.float64)).astype(np.float64)
    truth = _classes(net, y, len(points))
    n = max(2, net.sizes[-1])
    names = [str(label) for label in (range(n) if labels is None else labels)]
    if len(names) != n:
        raise ValueError(f"labels has {len(names)} names for {n} classes")
    lowest, highest = points.min(axis=0), points.max(axis=0)
    margin = np.where(highest > lowest, 0.1 * (highest - lowest), 1.0)
    (left, bottom), (right, top) = lowest - margin, highest + margin
    across, up = np.linspace(left, right, GRID), np.linspace(bottom, top, GRID)
    shares = _shares(net, np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)).reshape(GRID, GRID, n)
    if axes is None:
        axes = new_axes(6, 4.8)
    from matplotlib.colors import to_rgb

    colours = np.array([to_rgb(COLOURS[number % len(COLOURS)]) for number in range(n)])
    winner, sure = shares.argmax(axis=-1), (shares.max(axis=-1) - 1 / n) / (1 - 1 / n)
    picture = np.concatenate([colours[winner], 0.12 + 0.38 * sure[..., None]], axis=-1)
    axes.imshow(picture, extent=(left, right, bottom, top), origin="lower", aspect="auto", interpolation="nearest")
    for number in range(n if n > 2 else 1):
        lead = shares[..., number] - np.delete(shares, number, axis=-1).max(axis=-1)
        if lead.min() < 0 < lead.max():
            axes.contour(across, up, lead, levels=[0.0], colors="black", linewidths=1.2)
    for number in range(n):
        own = points[truth == number]
        axes.scatter(
            own[:, 0], own[:, 1], s=22, color=[colours[number]], marker=MARKERS[number % len(MARKERS)],
            edgecolors="black", linewidths=0.6, label=names[number],
        )  # fmt: skip
    columns = getattr(X, "columns", ("input 1", "input 2"))
    axes.set(xlabel=str(columns[0]), ylabel=str(columns[1]), xlim=(left, right), ylim=(bottom, top))
    axes.legend(title="class", fontsize="small", framealpha=0.9)
    return axes


def _check_decides(net: Any, what: str) -> None:
    """Raise a ValueError unless the network decides for one class."""
    loss, outputs = loss_of(net.loss), net.sizes[-1]
    if not loss.classifies or (outputs > 1 and not loss.takes_labels):
        raise ValueError(f"a {what} needs one class a row; the loss is {loss.name}, with {outputs} outputs")


def _classes(net: Any, y: Any, rows: int) -> Array:
    """Return the class of each row, checked as `Network.fit` checks it."""
    loss = loss_of(net.loss)
    return np.asarray(classes_of(*arrays.targets(y, rows, net.sizes[-1], loss, net.dtype), loss))


def _shares(net: Any, points: Array) -> Array:
    """Return the probability of each class, (rows, classes), two for one output."""
    outputs = np.asarray(net.predict(points.astype(net.dtype)))
    if net.activations[-1] == "identity":
        outputs = probabilities(outputs, loss_of(net.loss).takes_labels)
    return outputs if outputs.shape[1] > 1 else np.hstack([1 - outputs, outputs])
