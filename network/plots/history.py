"""A fit by epoch: losses, metrics, learning rate."""

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hotloop.network.plots.labels import ink, legend, shortened
from hotloop.network.plots.style import BLUE, GREY, HEIGHT, RED, WIDTH, pyplot, styled, whole_decades
from hotloop.network.validation.printable import shown

TRAINING = "training", (BLUE, "o", "-")  # colour, marker, line
VALIDATION = "validation", (RED, "s", "--")
LOGARITHMIC = ("loss", "log_loss", "mse", "rmse", "mae", "gradient_norm", "learning_rate")
DECADES = 100  # these have a logarithmic axis if their largest is above so many times their smallest
MARKED = 25  # epochs up to which each has a marker
SINGLE_COLUMN = 3  # pictures that stand below each other, and not in two columns
LONGEST_TITLE = 45  # characters
PANEL = 2.2  # inches that each is high


class Pictures(np.ndarray):
    """An array of Axes that says how many it has, and nothing in a notebook, which shows the picture itself."""

    def __repr__(self) -> str:
        """Return a line, not the Axes."""
        return f"<array of {self.size} Axes>"

    def _ipython_display_(self) -> None:
        """Show nothing beside the picture."""


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

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.plots import plot_history
    >>> history = Network([1, 1], seed=0).fit([[0.0], [1.0]], [1.0, 0.0], epochs=3)
    >>> axes = plot_history(history)
    >>> axes[0].get_xlabel()
    'epoch'
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
    columns = 1 if len(titles) <= SINGLE_COLUMN else 2
    rows = math.ceil(len(titles) / columns)
    with styled():
        height = HEIGHT if rows == 1 else PANEL * rows
        figure, grid = pyplot().subplots(rows, columns, figsize=(WIDTH, height), squeeze=False, layout="constrained")
        drawn = grid.flat[: len(titles)]
        for axes, title in zip(drawn, titles, strict=True):
            draw_curves(history, title, axes, named=len(titles) == 1)
        for axes in grid.flat[len(titles) :]:
            figure.delaxes(axes)
        if len(titles) > 1:
            lines: dict[str, Any] = {}
            for axes in drawn:
                lines |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
            options = {"ncols": len(lines), "labelcolor": ink(drawn[0]), "framealpha": 0}
            figure.legend(lines.values(), lines, loc="outside upper center", **options)
    return np.asarray(drawn).view(Pictures)


def draw_curves(history: Mapping[str, Sequence[Any]], name: str, axes: Any, named: bool = True) -> None:
    """Draw the column `name` of a history, and ``val_`` with the name, into given Axes; if `named` with a legend."""
    best = getattr(history, "best_epoch", None)
    epochs = history["epoch"] if "epoch" in history else range(1, len(history[next(iter(history))]) + 1)
    found = {
        column: np.asarray(history[column], np.float64)
        for column in (name, f"val_{name}")
        if column in history and _numeric(history[column])
    }
    for column, values in found.items():
        label, (colour, marker, line) = VALIDATION if column.startswith("val_") else TRAINING
        axes.plot(
            epochs, values, color=colour, linestyle=line, marker=marker if len(epochs) <= MARKED else None,
            label=None if name == "learning_rate" else label,
        )  # fmt: skip
    if best is not None:
        axes.axvline(best, color=GREY, linestyle=":", linewidth=1.2, label=f"best epoch, {best}")
    axes.set_title(shortened(name.replace("_", " "), LONGEST_TITLE))
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if len(epochs) == 1:
        axes.set_xticks(epochs)
    finite = [value for values in found.values() for value in values[np.isfinite(values)]]
    if name in LOGARITHMIC and finite and 0 < min(finite) * DECADES < max(finite):
        axes.set_yscale("log")
        whole_decades(axes)
    if named and axes.get_legend_handles_labels()[1]:
        legend(axes)


def _numeric(values: Sequence[Any]) -> bool:
    return all(isinstance(value, numbers.Real) for value in values)
