"""Ends a fit after a time."""

import math
import time

from hotloop.network.training.callbacks import Callback, FitProgress
from hotloop.network.training.history import TIME


class TimeLimit(Callback):
    """Stops a fit, for the reason "time", at the end of the first compiled call or epoch after `max_seconds`.

    Its time begins with the first epoch, after the kernels have been compiled or loaded.
    """

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds, self._end = max_seconds, math.inf

    def on_epoch_begin(self, fit: FitProgress) -> None:
        """Start the clock, in the first epoch."""
        if self._end == math.inf:
            self._end = time.perf_counter() + self._max_seconds

    def on_call_end(self, fit: FitProgress) -> None:
        """Look at the clock."""
        if time.perf_counter() >= self._end:
            fit.stop(TIME)

    def on_epoch_end(self, fit: FitProgress) -> None:
        """Look at the clock after the validation."""
        self.on_call_end(fit)
