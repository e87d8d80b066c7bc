"""The in-kernel clock: how long each phase of a training step took, by layer and thread, in ticks of a counter.

The clock of a run is one int64 array (threads, words), which its caller owns, or None: loops that are handed None are
compiled without it. Each thread has a row: what its caller sets (`KIND`, `LAYERS`, `STRIDE`, `FIRST`, `CAPACITY`), what
is counted, a log of laps for as many as there is room, and the histograms.

Laps follow each other: a lap is the time since the lap before, so that those of a micro-batch add up to it. Reading the
counter takes about 12 ns in a virtual machine, where a phase of a small network takes 200. So after the `FIRST`
micro-batches one in `STRIDE` is timed, and the caller scales by `TOTAL`, the ticks from the start of each call to its
end.

One lap during which another process had the core would spoil a sum of laps: it may be a thousand times as long, and is
scaled as well. Each phase and layer therefore has a histogram of its laps, with their number and their sum for each
power of two, by which the caller tells such laps from the others. There is one more for the `FIRST` micro-batches,
which touch pages and caches for the first time, and are not scaled.
"""

import time
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from hotloop.kernels.jit import Array, inline, kernel
from hotloop.kernels.views import row

GATHER, FORWARD, LOSS, BACKWARD, WEIGHT_GRADIENT, UPDATE, DESCENT, WAIT, PHASES = range(9)
COUNTER, MONOTONIC = range(2)  # the two kinds of clock
# The words of a row. LEFT is how many micro-batches pass before one is timed, LAST the tick of the last lap, HISTOGRAMS
# where those of the current micro-batch begin, LOG where the log does.
(
    KIND, LAYERS, STRIDE, FIRST, LEFT, TIMED, LAST, MICRO_BATCHES, SAMPLED, ENTERED, TOTAL, LOGGED, CAPACITY,
    HISTOGRAMS, LOG,
) = range(15)  # fmt: skip
BINS = 32  # of a histogram: bin b > 0 has laps of 2^(b - 1) to 2^b - 1 ticks, the last all longer ones
BEGIN = -1  # in the log, in place of a lap: a micro-batch begins
APART = 16  # words of two cache lines, which a CPU may fetch together: two threads' rows share none

if TYPE_CHECKING or numba.config.DISABLE_JIT:

    def cycle_counter() -> int:
        """Return the CPU's counter, which has ticked at a constant rate since some moment."""
        return time.perf_counter_ns()

    def monotonic_clock() -> int:
        """Return the nanoseconds since some moment, as `time.perf_counter_ns` does on Linux."""
        return time.perf_counter_ns()

    def bit_length(value: int) -> int:
        """Return the number of bits of a non-negative integer."""
        return int(value).bit_length()

else:
    from hotloop.kernels.lowering.clock import bit_length, cycle_counter, monotonic_clock


def new_clock(n_threads: int, n_layers: int, kind: int, stride: int = 1, capacity: int = 0, first: int = 0) -> Array:
    """Return a clock at zero.

    Parameters
    ----------
    n_threads, n_layers : int
    kind : int
        `COUNTER`, or `MONOTONIC` on a CPU without a reliable counter.
    stride : int
        One micro-batch in this many is timed, the first among them.
    capacity : int
        Laps that the log of a thread has room for.
    first : int
        This many micro-batches are all timed, before the stride begins.

    Returns
    -------
    ndarray of int64 (n_threads, words)
    """
    words = LOG + 2 * capacity + 2 * PHASES * n_layers * BINS * 2
    clock = np.zeros((n_threads, -(-words // APART) * APART + APART), np.int64)
    clock[:, KIND], clock[:, LAYERS], clock[:, STRIDE], clock[:, CAPACITY] = kind, n_layers, stride, capacity
    clock[:, FIRST] = first
    return clock


def log(clock: Array) -> Array:
    """Return the laps that a thread logged (laps, 2): which phase and layer, or `BEGIN`, and the tick at its end."""
    return clock[LOG : LOG + 2 * int(clock[LOGGED])].reshape(-1, 2)


def histograms(clocks: Array) -> tuple[Array, Array]:
    """Return how many laps there were in each bin, and the sums of their ticks.

    Returns
    -------
    tuple of two ndarrays of int64 (threads, 2, PHASES, layers, BINS)
        The second axis has the `FIRST` micro-batches and those after them.
    """
    n_layers, start = int(clocks[0, LAYERS]), LOG + 2 * int(clocks[0, CAPACITY])
    shape = (len(clocks), 2, PHASES, n_layers, BINS, 2)
    found = clocks[:, start : start + 2 * PHASES * n_layers * BINS * 2].reshape(shape)
    return found[..., 0], found[..., 1]


@kernel
def read(kind: int, counts: Array) -> None:
    """counts[i] = ticks, overwritten: a clock read over and over, for its calibration."""
    for i in range(counts.size):
        counts[i] = _now(kind)


@inline
def _now(kind: int) -> int:
    return monotonic_clock() if kind == MONOTONIC else cycle_counter()


@inline
def of_thread(clocks: Array | None, thread: int) -> Any:
    """Return the row of a thread, or None."""
    if clocks is None:
        return None
    return row(clocks, thread)


@inline
def enter(clock: Array | None) -> None:
    """Note that a call begins."""
    if clock is not None:
        clock[ENTERED] = _now(clock[KIND])


@inline
def leave(clock: Array | None) -> None:
    """Add the time of the call to the total."""
    if clock is not None:
        clock[TOTAL] += _now(clock[KIND]) - clock[ENTERED]


@inline
def begin_micro_batch(clock: Array | None) -> None:
    """Count a micro-batch, and start the laps if it is to be timed."""
    if clock is not None:
        clock[MICRO_BATCHES] += 1
        first = clock[MICRO_BATCHES] <= clock[FIRST]
        clock[TIMED] = first or clock[LEFT] == 0
        if clock[TIMED] != 0:
            clock[HISTOGRAMS] = LOG + 2 * clock[CAPACITY]
            if not first:
                clock[LEFT] = clock[STRIDE]
                clock[HISTOGRAMS] += 2 * BINS * PHASES * clock[LAYERS]
            clock[SAMPLED] += 1
            clock[LAST] = _now(clock[KIND])
            _log(clock, BEGIN)
        if not first:
            clock[LEFT] -= 1


@inline
def lap(clock: Array | None, phase: int, layer: int) -> None:
    """Add the time since the last lap to the histogram of a phase of a layer, if the micro-batch is timed."""
    if clock is not None:  # noqa: SIM102 (the compiler drops what None never reaches only if this is the whole condition)
        if clock[TIMED] != 0:
            which, last = phase * clock[LAYERS] + layer, clock[LAST]
            histogram = clock[HISTOGRAMS] + 2 * BINS * which
            now = _now(clock[KIND])
            clock[LAST] = now
            ticks = max(now - last, 0)
            at = histogram + 2 * min(bit_length(ticks), BINS - 1)
            clock[at] += 1
            clock[at + 1] += ticks
            _log(clock, which)


@inline
def _log(clock: Array, which: int) -> None:
    """Note a lap and when it ended, if there is room."""
    if clock[LOGGED] < clock[CAPACITY]:
        at = LOG + 2 * clock[LOGGED]
        clock[at], clock[at + 1] = which, clock[LAST]
        clock[LOGGED] += 1
