"""How a profile observes its thread: spans around what networks do, a clock for the compiled loop, and snapshots."""

import threading
import time
from contextlib import AbstractContextManager
from typing import Any

from hotloop.kernels.jit import Array
from hotloop.kernels.records import Training
from hotloop.network.profiling.diagnosis.snapshots import FitSnapshots
from hotloop.network.profiling.recording import Recording
from hotloop.network.profiling.work import forward_work
from hotloop.network.training.callbacks import CallObserver, FitObserver, FitProgress, Observer, active
from hotloop.network.training.history import CONVERGED, DIVERGED, EPOCHS
from hotloop.network.training.loop_arguments import LoopArguments

MOST_FITS = 50  # that have snapshots
MARKS = {CONVERGED: "early stop", DIVERGED: "NaN or infinity"}


class ProfileObserver(Observer):
    """Observes the present thread for an open profile."""

    def __init__(self, recording: Recording) -> None:
        super().__init__(threading.get_ident())
        self.recording = recording

    def span(self, name: str) -> AbstractContextManager[Any]:
        """Return a span of the profile."""
        return self.recording.spans.span(name)

    def forward(self, data: LoopArguments, n_threads: int) -> AbstractContextManager[Any]:
        """Return a span for the calls that compute outputs."""
        return self.recording.spans.span("forward, all layers", "forward", *forward_work(data), n_threads)

    def of_gradient(self, network: Any, data: LoopArguments) -> CallObserver:
        """Return what gives the calls for one gradient a clock."""
        return ClockedCalls(self.recording, network, data)

    def of_fit(self, fit: FitProgress, data: LoopArguments) -> FitObserver:
        """Return what observes one fit."""
        return ProfiledFit(self.recording, fit, data)


def current() -> Recording | None:
    """Return the profile that this thread has opened; not one whose context was copied into it."""
    return next((observer.recording for observer in active() if isinstance(observer, ProfileObserver)), None)


class ClockedCalls(CallObserver):
    """Gives calls of the training loop a clock, and notes them, until the profile ends: a callback may end it."""

    def __init__(self, recording: Recording, network: Any, data: LoopArguments) -> None:
        self._recording, self._data = recording, data
        self._clock = recording.clock_of(network, data)

    def clocks(self, n_threads: int) -> Array | None:
        """Return the clock for the next call."""
        return None if self._recording.has_ended else self._clock.of(n_threads)

    def called(self, n_threads: int, start: float, row: int, rows: int) -> None:
        """Note a call that has just ended."""
        if not self._recording.has_ended:
            self._clock.called(self._recording.spans, n_threads, start, row, rows, self._data.rows)


class ProfiledFit(ClockedCalls, FitObserver):
    """Observes one fit for a profile.

    Parameters
    ----------
    recording : Recording
        Open.
    fit : FitProgress
    data : LoopArguments
        Of the fit.
    """

    def __init__(self, recording: Recording, fit: FitProgress, data: LoopArguments) -> None:
        super().__init__(recording, fit.network, data)
        self._net, self._fit, self._begun = fit.network, fit, fit.step
        self._moments: list[float] = []  # when each epoch ended
        self._snapshots: FitSnapshots | None = None
        recording.n_fits += 1
        if recording.takes_snapshots and len(recording.fits) < MOST_FITS and fit.rows is not None:
            self._snapshots = FitSnapshots.of(self._net, data, fit.epochs)
            recording.fits.append(self._snapshots)
        self._count_rate(fit)

    def rows_of_call(self, fit: FitProgress, rows: int) -> int:
        """Return how many of `rows` rows to train in the next call: none beyond a snapshot that must be taken."""
        snapshots, step = self._snapshots, fit.step - self._begun
        if snapshots is None or step + min(rows, fit.rows_left) / snapshots.batch_size < snapshots.next_step:
            return rows
        left = (int(snapshots.next_step) - step) * snapshots.batch_size
        left -= int(self._data.progress["row"][0]) % snapshots.batch_size
        return min(rows, left) if left > 0 and not self._recording.has_ended else rows

    def take_batch(self, run: Training) -> bool:
        """Train one batch and take a snapshot, if one is due; return whether it was trained."""
        snapshots, data = self._snapshots, self._data
        if snapshots is None or not snapshots.due(self._fit.step - self._begun) or self._recording.has_ended:
            return False
        if data.progress["row"][0] % snapshots.batch_size:  # in the middle of a batch
            return False
        taken = len(snapshots.snapshots.items)
        snapshots.take(self._net, data, run, self._clock, self._recording.spans)
        if len(snapshots.snapshots.items) > taken:
            snapshot = snapshots.snapshots.items[-1]
            self._recording.count("gradient norm", snapshot.moment, snapshot.gradient_norm)
            for layer, gradient in enumerate(snapshot.gradient):
                self._recording.count(f"gradient, layer {layer + 1} (rms)", snapshot.moment, gradient)
        return True

    def on_call_end(self, fit: FitProgress) -> None:
        """Note the learning rate where it has changed."""
        if len(self._data.steps) == 1 and fit.learning_rate_factor == self._factor:
            return  # nothing can have changed: it takes 3 us to read
        if fit.learning_rate != self._rate and not self._recording.has_ended:
            self._count_rate(fit)

    def on_epoch_begin(self, fit: FitProgress) -> None:
        """Note that the order of the epoch has been drawn since it began."""
        if not self._recording.has_ended:
            self._recording.spans.part("draw the order", fit.epoch_start)

    def on_epoch_end(self, fit: FitProgress) -> None:
        """Note when the epoch ended."""
        self._moments.append(time.perf_counter())

    def on_fit_end(self, fit: FitProgress) -> None:
        """Note how the fit ended."""
        history = fit.history
        self._count_rate(fit)
        self._recording.histories.append((self._moments, history))
        if self._snapshots is not None:
            self._snapshots.history = history
            self._snapshots.steps = int(self._data.progress["step"][0]) - self._snapshots.first
            self._snapshots.final = self._net.parameters.copy()
            self._snapshots.diverged = history.stop_reason == DIVERGED
        if history.stop_reason != EPOCHS:
            self._recording.mark(MARKS.get(history.stop_reason, history.stop_reason), time.perf_counter(), {})

    def _count_rate(self, fit: FitProgress) -> None:
        self._rate, self._factor = fit.learning_rate, fit.learning_rate_factor
        self._recording.count("learning rate", time.perf_counter(), self._rate)
