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
from hotloop.network.training.loop_arguments import LoopArguments

MOST_FITS = 50  # that have snapshots
MARKS = {"converged": "early stop", "diverged": "NaN or infinity"}


class ProfileObserver(Observer):
    """Observes the present thread for an open profile."""

    def __init__(self, profile: Recording) -> None:
        super().__init__(threading.get_ident())
        self.profile = profile

    def span(self, name: str) -> AbstractContextManager[Any]:
        """Return a span of the profile."""
        return self.profile.spans.span(name)

    def forward(self, data: LoopArguments, n_threads: int) -> AbstractContextManager[Any]:
        """Return a span for the calls that compute outputs."""
        return self.profile.spans.span("forward, all layers", "forward", *forward_work(data), n_threads)

    def of_gradient(self, network: Any, data: LoopArguments) -> CallObserver:
        """Return what gives the calls for one gradient a clock."""
        return ClockedCalls(self.profile, network, data)

    def of_fit(self, fit: FitProgress, data: LoopArguments) -> FitObserver:
        """Return what observes one fit."""
        return ProfiledFit(self.profile, fit, data)


def current() -> Recording | None:
    """Return the profile that this thread has opened; not one whose context was copied into it."""
    return next((observer.profile for observer in active() if isinstance(observer, ProfileObserver)), None)


class ClockedCalls(CallObserver):
    """Gives calls of the training loop a clock, and notes them, until the profile ends: a callback may end it."""

    def __init__(self, profile: Recording, network: Any, data: LoopArguments) -> None:
        self._profile, self._data = profile, data
        self._clock = profile.clock_of(network, data)

    @property
    def has_ended(self) -> bool:
        """Whether the profile has ended."""
        return self._profile.spans.over

    def clocks(self, n_threads: int) -> Array | None:
        """Return the clock for the next call."""
        return None if self.has_ended else self._clock.of(n_threads)

    def called(self, n_threads: int, start: float, row: int, rows: int) -> None:
        """Note a call that has just ended."""
        if not self.has_ended:
            self._clock.called(self._profile.spans, n_threads, start, row, rows, self._data.rows)


class ProfiledFit(ClockedCalls, FitObserver):
    """Observes one fit for a profile.

    Parameters
    ----------
    profile : Recording
        Open.
    fit : FitProgress
    data : LoopArguments
        Of the fit.
    """

    def __init__(self, profile: Recording, fit: FitProgress, data: LoopArguments) -> None:
        super().__init__(profile, fit.network, data)
        self._net = fit.network
        self._moments: list[float] = []  # when each epoch ended
        self._snapshots: FitSnapshots | None = None
        profile.n_fits += 1
        if profile.takes_snapshots and len(profile.fits) < MOST_FITS:
            self._snapshots = FitSnapshots.of(self._net, data, fit.epochs)
            profile.fits.append(self._snapshots)
        self._count_rate()

    def limit(self, rows: int) -> int:
        """Return how many of `rows` rows to train in the next call: none beyond a snapshot that is wanted."""
        wanted = None if self._snapshots is None or self.has_ended else self._snapshots.rows_before(self._data.progress)
        return min(rows, wanted) if wanted else rows

    def take_batch(self, run: Training) -> bool:
        """Train one batch and take a snapshot, if one is due; return whether it was trained."""
        snapshots, data = self._snapshots, self._data
        if snapshots is None or self.has_ended or not snapshots.due(data.progress):
            return False
        taken = len(snapshots.snapshots.items)
        trained = snapshots.take(self._net, data, run, self._clock, self._profile.spans)
        if len(snapshots.snapshots.items) > taken:
            snapshot = snapshots.snapshots.items[-1]
            self._profile.count("gradient norm", snapshot.moment, snapshot.gradient_norm)
            for layer, gradient in enumerate(snapshot.gradient):
                self._profile.count(f"gradient, layer {layer + 1} (rms)", snapshot.moment, gradient)
        return trained

    def on_epoch_begin(self, fit: FitProgress) -> None:
        """Note that the order of the epoch has been drawn since it began."""
        if not self.has_ended:
            self._profile.spans.part("draw the order", fit.epoch_start)

    def on_epoch_end(self, fit: FitProgress) -> None:
        """Note when the epoch ended."""
        self._moments.append(time.perf_counter())

    def on_fit_end(self, fit: FitProgress) -> None:
        """Note how the fit ended."""
        history = fit.history
        self._count_rate()
        self._profile.histories.append((self._moments, history))
        if self._snapshots is not None:
            self._snapshots.history = history
            self._snapshots.steps = int(self._data.progress["step"][0]) - self._snapshots.first
            self._snapshots.final = self._net.parameters.copy()
            self._snapshots.diverged = history.stop_reason == "diverged"
        if history.stop_reason != "epochs":
            self._profile.mark(MARKS.get(history.stop_reason, history.stop_reason), time.perf_counter(), {})

    def _count_rate(self) -> None:
        self._profile.count("learning rate", time.perf_counter(), float(self._data.settings["learning_rate"][0]))
