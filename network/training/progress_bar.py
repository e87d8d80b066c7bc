"""The progress bar of a fit, on standard error."""

import os
import threading

from tqdm import tqdm

from hotloop.network.training.callbacks import Callback, FitProgress
from hotloop.network.training.history import short


class Bar(tqdm):  # type: ignore[misc]
    """A progress bar with its own lock, and without a thread that monitors it."""

    monitor_interval = 0


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
            done, all_rows = (fit.epoch - 1) * fit.rows + fit.rows_done, fit.epochs * fit.rows
            self._bar = Bar(total=all_rows, initial=done, unit=" samples", unit_scale=True, dynamic_ncols=True)
        self._bar.set_description(f"epoch {fit.epoch}/{fit.epochs}", refresh=False)

    def on_call_end(self, fit: FitProgress) -> None:
        """Count the samples."""
        if self._bar is not None:
            self._bar.update((fit.epoch - 1) * fit.rows + fit.rows_done - self._bar.n)

    def on_epoch_end(self, fit: FitProgress) -> None:
        """Show the record."""
        if self._bar is not None:
            shown = {name: short(value) for name, value in fit.record.items() if name not in ("epoch", "seconds")}
            self._bar.set_postfix(shown, refresh=False)

    def on_fit_end(self, fit: FitProgress) -> None:
        """Close the bar, which leaves it on the screen."""
        if self._bar is not None:
            self._bar.close()
