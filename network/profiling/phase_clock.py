"""The clocks of the compiled training loop: its time by phase, layer and thread, and some steps in full."""

import math
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np

from hotloop.kernels import clock
from hotloop.kernels.codes import NO_UPDATE
from hotloop.kernels.jit import Array
from hotloop.network.profiling.calibration import Calibration
from hotloop.network.profiling.estimate import ticks_of_phases
from hotloop.network.profiling.spans import BATCH, Event, Path, Spans, Thinned
from hotloop.network.profiling.work import Counts, Work
from hotloop.network.training.loop_arguments import LoopArguments

LOOP = "compiled loop"
SHARE = 0.004  # of a step that reading the clock may take, assuming that a step runs at QUICKEST FLOP/s
QUICKEST = 2e11
LAPS_OF_A_GROUP = 8  # more in a wide layer, whose columns a group of threads shares between four barriers
FIRST_MICRO_BATCHES = 32  # all timed: they touch pages and caches first, and short fits have no more
LOGGED_STEPS, LOGGED_THREADS = 2, 8  # in a call, of the steps that are timed
# Logs, and after the first the seconds between them: to copy one takes 10 us, and the epochs of a small network are
# calls of less than 1 ms.
MOST_LOGS, FIRST_LOGS, LOG_SECONDS = 256, 32, 0.01
INTERRUPTED = clock.PHASES  # not a phase of the loop: what `estimate` finds
PHASE_NAMES = {
    clock.GATHER: "gather",
    clock.FORWARD: "forward",
    clock.LOSS: "loss",
    clock.BACKWARD: "backward",
    clock.WEIGHT_GRADIENT: "weight gradient",
    clock.UPDATE: "update",
    clock.DESCENT: "weight gradient + update",
    clock.WAIT: "wait for other threads",
    INTERRUPTED: "interruptions",
}
LAYERLESS = (clock.GATHER, clock.LOSS, clock.WAIT, INTERRUPTED)


@dataclass(frozen=True)
class Step:
    """One step of one thread in full: when it began, and when each lap ended, in seconds of `time.perf_counter`."""

    thread: int
    begin: float
    laps: list[tuple[int, int, float]]  # phase, layer, end


@dataclass
class Phase:
    """What a phase of a layer took: seconds of wall time, and the work in them."""

    phase: int
    layer: int
    calls: int
    seconds: float
    flops: float
    bytes: float

    @property
    def name(self) -> str:
        """Its name."""
        return PHASE_NAMES[self.phase]


class PhaseClock:
    """The clocks of all runs of one kind: one network, one method, one place in the tree of spans.

    Parameters
    ----------
    path : tuple of str
        The spans in which the compiled loop is called.
    network : str
        Its sizes.
    data : LoopArguments
    kind : int
        Which clock: see `calibration.clock_kind`.
    read_seconds : float
        How long reading it takes.
    """

    def __init__(self, path: Path, network: str, data: LoopArguments, kind: int, read_seconds: float) -> None:
        self.path, self.network = path, network
        self.work = Work(data)
        self.dtype = data.workspace.dtype
        self._counts: dict[int, Counts] = {}  # by number of threads
        self.calls = 0
        self._kind, self._layers = kind, data.layers.size
        self._laps, self._read_seconds = (3 + self.work.summed) * self._layers + 5, read_seconds
        epoch = self.work.micro_batches_of_an_epoch(data.rows)
        self._turns = epoch * -(-self.work.batch_size // self.work.micro_batch)
        self._capacity = LOGGED_STEPS * 2 * self._laps
        self._clocks: dict[int, Array] = {}
        self._walls: dict[int, float] = {}  # seconds of all calls, by number of threads
        self._calls: list[tuple[int, float, float, int, int, int]] = []  # noted, and not yet processed
        self.events: Thinned[Event] = Thinned()  # the calls themselves
        # When a call began, in seconds and ticks, and what its threads logged.
        self.logs: Thinned[tuple[float, int, list[Array]]] = Thinned(MOST_LOGS)
        self._next_log = 0.0  # when it may begin

    def stride(self, n_threads: int) -> int:
        """Return of how many micro-batches one is timed."""
        if self.work.mixed:  # one micro-batch of an epoch is unlike the others, and must be timed too
            return 1
        laps = self._laps + (n_threads > 1) * LAPS_OF_A_GROUP * self._layers
        found = max(1, math.ceil(laps * self._read_seconds * n_threads * QUICKEST / (SHARE * self.work.step_flops())))
        while math.gcd(found, self._turns) > 1:  # else the same ones of each epoch, or of each batch
            found += 1
        return found

    def of(self, n_threads: int) -> Array:
        """Return the clock for the next call, in `n_threads` threads."""
        if n_threads not in self._clocks:
            self._clocks[n_threads] = clock.new_clock(
                n_threads, self._layers, self._kind, self.stride(n_threads), self._capacity, FIRST_MICRO_BATCHES
            )
            self._walls[n_threads] = 0.0
        clocks = self._clocks[n_threads]
        clocks[0, clock.LOGGED] = 0
        if n_threads > 1:
            clocks[1:, clock.LOGGED], clocks[1:, clock.LEFT] = 0, clocks[0, clock.LEFT]
        return clocks

    def called(self, spans: Spans, n_threads: int, start: float, row: int, rows: int, total: int) -> None:
        """Note a call that began at `start` and trained `rows` rows from `row` on, of an epoch's `total`."""
        stop = time.perf_counter()
        spans.open[-1].inner += stop - start
        self._calls.append((n_threads, start, stop, row, rows, total))
        if len(self._calls) == BATCH:
            self.settle()
        if start >= self._next_log and self.logs.wanted():
            clocks, self._next_log = self._clocks[n_threads], start + LOG_SECONDS * (self.logs.added > FIRST_LOGS)
            logs = [clock.log(mine).copy() for mine in clocks[:LOGGED_THREADS]]
            self.logs.items.append((start, int(clocks[0, clock.ENTERED]), logs))

    def settle(self) -> None:
        """Process the calls that were noted."""
        work = self.work
        for n_threads, start, stop, _, rows, _ in self._calls:
            self._walls[n_threads] += stop - start
            if self.events.wanted():
                self.events.items.append(Event(LOOP, start, stop, "loop", {"threads": n_threads, "rows": rows}))
        for (n_threads, row, rows, total), times in Counter((call[0], *call[3:]) for call in self._calls).items():
            counts = self._counts.setdefault(n_threads, Counts())
            counts.add(row, rows, total, work.batch_size, work.micro_batch, summed=work.summed, times=times)
        self.calls += len(self._calls)
        self._calls.clear()

    @property
    def counts(self) -> Counts:
        """How much was trained."""
        return sum(self._counts.values(), Counts())

    def steps(self, calibration: Calibration) -> list[Step]:
        """Return the steps that were logged in full; the log may have ended within the last.

        Their ticks count from the moment at which thread 0 entered the call, a few microseconds after the call began.
        """
        found, rate = [], calibration.rate
        for start, entered, logs in self.logs.items:
            for thread, kept in enumerate(logs):
                entries = kept.tolist()
                begins = [at for at, (which, _) in enumerate(entries) if which == clock.BEGIN]
                ends = [*begins[1:], *([len(entries)] if len(entries) < self._capacity else [])]
                for begin, end in zip(begins, ends, strict=False):
                    moments = [start + (tick - entered) / rate for _, tick in entries[begin:end]]
                    laps = [
                        (*divmod(which, self._layers), moment)
                        for (which, _), moment in zip(entries[begin + 1 : end], moments[1:], strict=True)
                    ]
                    if laps:
                        found.append(Step(thread, moments[0], laps))
        return found

    @property
    def kind(self) -> tuple[str, str, str]:
        """The network's sizes, its dtype, and the update method."""
        return self.network, str(self.dtype), self.work.method.label

    def wall(self) -> float:
        """Return the seconds of all calls."""
        return sum(self._walls.values())

    def sampled(self) -> tuple[int, int]:
        """Return how many micro-batches were timed, and how many there were."""
        rows = [clocks[0] for clocks in self._clocks.values()]
        return sum(int(r[clock.SAMPLED]) for r in rows), sum(int(r[clock.MICRO_BATCHES]) for r in rows)

    def bytes_in_use(self) -> float:
        """Return the bytes that a thread touches in a step, on average."""
        parts = [seconds * self.work.bytes_of_a_thread(n) for n, seconds in self._walls.items()]
        return sum(parts) / self.wall()

    def thread_seconds(self) -> float:
        """Return the seconds of all calls, each times its number of threads."""
        return sum(n * seconds for n, seconds in self._walls.items())

    def phases(self, calibration: Calibration) -> list[Phase]:
        """Return what each phase took. With n threads, a second of one thread counts as 1 / n seconds of wall time.

        The micro-batches that were timed say how the ticks of whole calls divide among the phases.
        """
        seconds, interrupted, counts = np.zeros(clock.PHASES * self._layers), 0.0, self.counts
        for n_threads, clocks in self._clocks.items():
            ticks, lost = ticks_of_phases(clocks, calibration.rate)
            seconds += ticks.sum(axis=0).ravel() / calibration.rate / n_threads
            interrupted += float(lost.sum()) / calibration.rate / n_threads
        if self.work.method.code == NO_UPDATE:  # the time that it takes to find that there is no update
            gradient, update = (phase * self._layers for phase in (clock.WEIGHT_GRADIENT, clock.UPDATE))
            seconds[gradient : gradient + self._layers] += seconds[update : update + self._layers]
            seconds[update : update + self._layers] = 0
        found = []
        for which in np.flatnonzero(seconds):
            phase, layer = divmod(int(which), self._layers)
            parts = [self.work.of(phase, layer, part, n_threads) for n_threads, part in self._counts.items()]
            flops, moved = (sum(part) for part in zip(*parts, strict=True))
            calls = {
                clock.WEIGHT_GRADIENT: counts.summed_micro_batches,
                clock.UPDATE: counts.summed_updates,
                clock.DESCENT: counts.micro_batches - counts.summed_micro_batches,
            }.get(phase, counts.micro_batches)
            found.append(Phase(phase, layer, calls, float(seconds[which]), flops, moved))
        if interrupted > 0:
            found.append(Phase(INTERRUPTED, 0, 0, interrupted, 0.0, 0.0))
        return found
