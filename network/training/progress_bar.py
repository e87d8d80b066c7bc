"""The progress bar of a fit: on standard error, or below the cell of a notebook."""

import io
import os
import threading
from typing import Any

from tqdm import tqdm

from hotloop.network.training.callbacks import Callback, FitProgress
from hotloop.network.training.display import in_notebook
from hotloop.network.training.history import short

# From the widest to the narrowest: the first that leaves the bar some columns, or has none, is taken.
FORMATS = (
    "{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]",
    "{desc}{percentage:3.0f}%|{bar}| {remaining} left, {rate_fmt}{postfix}",
    "{desc}|{bar}| {remaining} left, {rate_fmt}{postfix}",
    "{desc}{remaining}, {rate_fmt}{postfix}",
)
UNSEEN = ("epoch", "learning_rate", "seconds")  # of the record
REDRAWN = 0.25  # seconds: each takes up to a millisecond, and training waits for it
NARROWEST_BAR = 8
NOTEBOOK_COLUMNS = 110


class Bar(tqdm):  # type: ignore[misc]
    """A progress bar in one line, with its own lock, and without a thread that monitors it."""

    monitor_interval = 0

    def __str__(self) -> str:
        """Return the line, with what fits into the width; no number is cut."""
        state = self.format_dict
        width = state["ncols"]
        if not width:
            return str(super().__str__())
        for bar_format in FORMATS:
            room = 0 if "{bar}" not in bar_format else NARROWEST_BAR
            short = {"unit": ""} if bar_format in FORMATS[2:] else {}
            text = self.format_meter(**state | short | {"ncols": None, "bar_format": bar_format.replace("{bar}", "")})
            if len(text) + room <= width:
                return str(self.format_meter(**state | short | {"bar_format": bar_format}))
        shown = text.split(", ")
        while len(shown) > 1 and len(", ".join(shown)) > width:
            shown.pop()
        return ", ".join(shown)[:width]


class NotebookBar(Bar):
    """The same line below the cell of a notebook, in an output that is replaced; it needs no widgets."""

    def __init__(self, **options: Any) -> None:
        self._output: Any = None
        super().__init__(
            file=io.StringIO(), ascii=False, **options | {"dynamic_ncols": False, "ncols": NOTEBOOK_COLUMNS}
        )

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Show the present state."""
        from IPython.display import display

        text = {"text/plain": str(self) if msg is None else msg}
        if self._output is None:
            self._output = display(text, raw=True, display_id=True)
        else:
            self._output.update(text, raw=True)


def _new_lock() -> None:
    Bar.set_lock(threading.RLock())


_new_lock()
if hasattr(os, "register_at_fork"):
    # Each new bar takes the lock. At a fork it may be held by a thread that the child does not have.
    os.register_at_fork(after_in_child=_new_lock)


class ProgressBar(Callback):
    """Shows the epoch, the samples a second, and the last epoch's record."""

    def __init__(self) -> None:
        self._bar: Bar | None = None

    def on_epoch_begin(self, fit: FitProgress) -> None:
        """Show the number of the epoch; the bar's time begins with the first, after compiling."""
        if self._bar is None:
            done, all_rows = self._done(fit), None if fit.rows is None else fit.epochs * fit.rows
            kind = NotebookBar if in_notebook() else Bar
            self._bar = kind(
                total=all_rows, initial=done, unit=" samples", unit_scale=True, dynamic_ncols=True, mininterval=REDRAWN
            )
        self._bar.set_description(f"epoch {fit.epoch}/{fit.epochs}", refresh=False)

    def on_call_end(self, fit: FitProgress) -> None:
        """Count the samples."""
        if self._bar is not None:
            self._bar.update(self._done(fit) - self._bar.n)

    @staticmethod
    def _done(fit: FitProgress) -> int:
        """Return how many samples have been trained, also where the rows of an epoch are not known yet."""
        return (fit.epoch - 1) * (fit.rows or 0) + fit.rows_done

    def on_epoch_end(self, fit: FitProgress) -> None:
        """Show the record."""
        if self._bar is not None:
            shown = {name: short(value) for name, value in fit.record.items() if name not in UNSEEN}
            self._bar.set_postfix(shown, refresh=False)

    def on_fit_end(self, fit: FitProgress) -> None:
        """Close the bar, which leaves it on the screen."""
        if self._bar is not None:
            self._bar.close()
