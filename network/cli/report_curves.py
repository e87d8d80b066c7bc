"""The curves of a report: losses, metrics and learning rate by epoch, as pictures and as numbers."""

from collections.abc import Callable
from typing import Any

from hotloop.network.html.elements import Html, details, element, joined, table
from hotloop.network.html.page import region
from hotloop.network.html.picture import matplotlib_defaults, picture
from hotloop.network.plots.history import draw_curves
from hotloop.network.plots.style import figure, styled
from hotloop.network.training.history import History, short, spread

MOST_EPOCHS = 100  # of the table


def curves_part(history: History) -> Html:
    """Return the pictures, and a table of the epochs."""
    if not history.epochs:
        return element("p", "No epoch was finished.")
    names = list(dict.fromkeys(name.removeprefix("val_") for name in history if name not in ("epoch", "seconds")))
    if len(set(history["learning_rate"])) == 1:
        names.remove("learning_rate")

    def drawing(name: str) -> Callable[[Any], None]:
        return lambda axes: draw_curves(history, name, axes)

    pictures = [drawn(drawing(name), f"curve-{name}", _title(name), _described(history, name)) for name in names]
    return joined(element("div", *pictures, class_="pictures"), details("The numbers", _epochs(history)))


def drawn(draw: Callable[[Any], None], name: str, title: str, description: str, numbers: Html | None = None) -> Html:
    """Return what a function draws into Axes as an element of the page; see `picture`."""
    with matplotlib_defaults(), styled():
        empty = figure()
        draw(empty.subplots())
        return picture(empty, name, title, description, numbers)


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _described(history: History, name: str) -> str:
    """Return where a curve begins, where it ends, and which epoch was the best."""
    parts = []
    for column, what in ((name, "training"), (f"val_{name}", "validation")):
        if column in history:
            values = history[column]
            what = "" if name == "learning_rate" else f"{what} "
            parts.append(f"{what}{short(values[0])} in the first epoch, {short(values[-1])} in the last")
    best = "" if history.best_epoch is None else f"; the best epoch was {history.best_epoch}"
    text = f"{'; '.join(parts)}{best}."
    return text[0].upper() + text[1:]


def _epochs(history: History) -> Html:
    places = spread(len(history.epochs), MOST_EPOCHS)
    epochs = history["epoch"]
    if history.best_epoch in epochs:
        places = sorted({*places, epochs.index(history.best_epoch)})
    names = list(history)
    rows = [
        [f"{history[name][at]:.0f}" if name == "epoch" else short(history[name][at]) for name in names] for at in places
    ]
    marked = {row: "best" for row, at in enumerate(places) if epochs[at] == history.best_epoch}
    heads = [name.replace("val_", "validation ").replace("_", " ") for name in names]
    caption = "Epochs" if len(places) == len(epochs) else f"{len(places)} of {len(epochs)} epochs"
    return region("Epochs", table(heads, rows, caption=caption, marked=marked))
