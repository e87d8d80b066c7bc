"""What is recorded while a profile is open, and the plain data made of it."""

import numbers
from functools import cached_property
from typing import Any

import numba

from hotloop.network.network import Network
from hotloop.network.profiling import rows as row_sums
from hotloop.network.profiling.calibration import Calibration, clock_kind, read_both, seconds_of_a_read
from hotloop.network.profiling.diagnosis.snapshots import FitSnapshots
from hotloop.network.profiling.phase_clock import PhaseClock
from hotloop.network.profiling.roofline import Roof, measured
from hotloop.network.profiling.rows import Row
from hotloop.network.profiling.spans import Spans, Thinned
from hotloop.network.profiling.work import Work
from hotloop.network.training.history import History
from hotloop.network.training.loop_arguments import LoopArguments
from hotloop.network.validation.printable import sizes_as_word

ROOT = "profile"
MOST_MARKS = 4096
# Measure the roofs again at most this often while a phase exceeds its roof by more than TRUSTED, in %.
MOST_MEASURES, TRUSTED = 4, 102.0


class Recording:
    """The spans, clocks, snapshots, counters and marks of a profile, from `begin` to `end`.

    Attributes
    ----------
    takes_snapshots : bool
        Whether fits take snapshots of their gradients.
    spans : Spans
    fits : list of FitSnapshots
        Those with snapshots, of `n_fits` in all.
    counters : dict of str to Thinned
        Moments and values.
    marks : Thinned
        Moments, names and arguments.
    histories : list
        For each fit when its epochs ended, and its history.
    began : float
        When, in seconds of `time.perf_counter`.
    seconds : float
        Wall time from begin to end.
    has_ended : bool
        Whether it has.
    """

    def __init__(self, *, takes_snapshots: bool = True) -> None:
        self.takes_snapshots = takes_snapshots
        self.spans = Spans()
        self.fits: list[FitSnapshots] = []
        self.n_fits = 0
        self.counters: dict[str, Thinned[tuple[float, float]]] = {}
        self.marks: Thinned[tuple[float, str, dict[str, Any]]] = Thinned(MOST_MARKS)
        self.histories: list[tuple[list[float], History]] = []
        self.began = self.seconds = 0.0
        self._clocks: dict[tuple[Any, ...], PhaseClock] = {}
        self._calibration: Calibration | None = None
        self.has_ended = False

    # While it is open.

    def begin(self) -> None:
        """Read the clocks and open the first span."""
        self._kind = clock_kind()
        self._read_seconds = seconds_of_a_read(self._kind)
        self._first = read_both(self._kind)
        self._root = self.spans.span(ROOT).__enter__()
        self.began = self._root.start

    def end(self) -> None:
        """Close all spans and read the clocks again."""
        self._root.__exit__()
        del self._root  # nothing that is kept, copied or pickled
        self.spans.over = True
        for clock in self._clocks.values():
            clock.settle()
        for moments, history in self.histories:
            self._note_epochs(moments, history)
        self.seconds = self.spans.tree[ROOT,].seconds
        self._calibration = Calibration.since(self._kind, self._first)
        self.has_ended = True

    def count(self, name: str, moment: float, value: float) -> None:
        """Note a value for a counter track of the trace."""
        self.counters.setdefault(name, Thinned()).add((moment, value))

    def mark(self, name: str, moment: float, arguments: dict[str, Any]) -> None:
        """Note an instant for the trace."""
        self.marks.add((moment, name, arguments))

    def clock_of(self, net: Network, data: LoopArguments) -> PhaseClock:
        """Return the clock for runs of this kind, at this place in the program."""
        network = sizes_as_word(net.sizes)
        key = self.spans.path, network, Work(data)
        if key not in self._clocks:
            self._clocks[key] = PhaseClock(self.spans.path, network, data, self._kind, self._read_seconds)
        return self._clocks[key]

    def _note_epochs(self, moments: list[float], history: History) -> None:
        for moment, record in zip(moments, history.epochs, strict=False):
            for name, value in record.items():
                # The learning rate has been counted within the epochs; a callback may add what is no number.
                if name not in ("epoch", "learning_rate", "seconds") and isinstance(value, numbers.Real):
                    self.count(name.replace("_", " "), moment, float(value))
            self.mark("epoch", moment, {"epoch": int(record["epoch"]), "loss": record["loss"]})

    # When it has ended.

    @property
    def calibration(self) -> Calibration:
        """How ticks become seconds.

        Raises
        ------
        RuntimeError
            If it has not ended; so does all below.
        """
        if self._calibration is None:
            raise RuntimeError("the profile has not ended: read it after the with block")
        return self._calibration

    @property
    def clocks(self) -> list[PhaseClock]:
        """The clocks of all runs."""
        self.calibration  # noqa: B018 (raises unless it has ended)
        return [clock for clock in self._clocks.values() if clock.calls]

    @cached_property
    def roofs(self) -> dict[str, Roof]:
        """The measured limits of a core, by dtype; none in plain Python."""
        return self._roofs(again=False)

    def _roofs(self, *, again: bool) -> dict[str, Roof]:
        dtypes = {str(clock.dtype) for clock in self.clocks} or {"float32"}
        return {dtype: measured(dtype, again=again) for dtype in sorted(dtypes) if not numba.config.DISABLE_JIT}

    @cached_property
    def _rows(self) -> list[Row]:
        calibration = self.calibration
        for _ in range(MOST_MEASURES):
            found = row_sums.rows(self.spans, self.clocks, calibration, self.roofs, self.seconds)
            shares = [row["roof_percent"] or 0.0 for row in found if row["kind"] == "kernel"]
            if max(shares, default=0.0) <= TRUSTED:
                break
            self.roofs = self._roofs(again=True)  # the machine was slower when they were measured
        return found

    @property
    def rows(self) -> list[Row]:
        """The rows of the table as plain data: see `Profile.rows`."""
        return [dict(row) for row in self._rows]
