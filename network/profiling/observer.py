"""What an open profile notes of one fit: its spans, the clock of its loop, its losses, and looks at its gradients."""

import time
from contextlib import AbstractContextManager
from typing import Any

from hotloop.network.network import Network
from hotloop.network.profiling.diagnosis.snapshots import FitSnapshots
from hotloop.network.profiling.recording import Recording
from hotloop.network.training.fit import FitConfiguration
from hotloop.network.training.history import History

MOST_FITS = 50  # that are looked at


class Observer:
    """Observes one fit for a profile.

    Parameters
    ----------
    profile : Recording
        Open.
    net : Network
    plan : FitConfiguration
    """

    def __init__(self, profile: Recording, net: Network, plan: FitConfiguration) -> None:
        self._profile, self._net, self._plan = profile, net, plan
        self.clock = profile.clock_of(net, plan.task)
        self._moments: list[float] = []  # when each epoch ended
        self._health: FitSnapshots | None = None
        profile.n_fits += 1
        if profile.takes_snapshots and len(profile.fits) < MOST_FITS:
            self._health = FitSnapshots.of(net, plan)
            profile.fits.append(self._health)
        self._count_rate()

    def span(self, name: str, category: str = "python") -> AbstractContextManager[Any]:
        """Return a span of the timeline."""
        return self._profile.spans.span(name, category)

    def drawn(self, start: float) -> None:
        """Note that the order of an epoch has been drawn since the second `start`."""
        self._profile.spans.part("draw the order", start)

    def called(self, n_threads: int, start: float, row: int, rows: int) -> None:
        """Note a call of the compiled loop that has just ended: rows `row` to `row` + `rows` - 1 of an epoch."""
        self.clock.called(self._profile.spans, n_threads, start, row, rows, self._plan.task.rows)

    def limited(self, rows: int) -> int:
        """Return how many of so many rows to train in the next call: none beyond a look that is wanted."""
        wanted = None if self._health is None else self._health.rows_before(self._plan.task.progress)
        return min(rows, wanted) if wanted else rows

    def looked(self, arguments: tuple[Any, ...]) -> bool:
        """Train one batch and look at its gradients, if a look is due; return whether it was trained."""
        health, task = self._health, self._plan.task
        if health is None or not health.due(task.progress):
            return False
        taken = len(health.snapshots.items)
        trained = health.take(self._net, task, arguments, self.clock, self._profile.spans)
        if len(health.snapshots.items) > taken:
            look = health.snapshots.items[-1]
            self._profile.count("gradient norm", look.moment, look.gradient_norm)
            for layer, gradient in enumerate(look.gradient):
                self._profile.count(f"gradient, layer {layer + 1} (rms)", look.moment, gradient)
        return trained

    def epoch(self) -> None:
        """Note that an epoch has ended."""
        self._moments.append(time.perf_counter())

    def _count_rate(self) -> None:
        rate = float(self._plan.task.settings["learning_rate"][0])
        self._profile.count("learning rate", time.perf_counter(), rate)

    def ended(self, history: History) -> None:
        """Note how the fit ended."""
        self._count_rate()
        self._profile.histories.append((self._moments, history))
        if self._health is not None:
            self._health.history = history
            self._health.steps = int(self._plan.task.progress["step"][0]) - self._health.first
            self._health.final = self._net.parameters.copy()
            self._health.diverged = history.stop_reason == "diverged"
        if history.stop_reason != "epochs":
            names = {"converged": "early stop", "diverged": "NaN or infinity", "interrupted": "interrupted"}
            self._profile.mark(names[history.stop_reason], time.perf_counter(), {})
