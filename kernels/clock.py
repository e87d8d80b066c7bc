"""The in-kernel clock: how long each phase of a training step took, by layer and thread, in ticks of a counter.

The clock of a run is one int64 array (threads, words), which its caller owns, or None. Loops that are handed None are
compiled without it: nothing is left of the calls below. Each thread has a row: what its caller sets (`KIND`, `LAYERS`,
`STRIDE`, `CAPACITY`), what is counted, the ticks of each phase and layer, and a log of laps for as many as there is
room.

Laps follow each other: a lap is the time since the lap before, so that those of a chunk add up to it. Reading the
counter takes some 12 ns in a virtual machine, where a phase of a small network takes 200: one chunk in `STRIDE` is
timed, and the caller scales by `TOTAL`, the ticks from the beginning of each call to its end.
"""

import time
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from hotloop.kernels.jit import Array, inline, kernel
from hotloop.kernels.views import row

GATHER, FORWARD, LOSS, BACKWARD, WEIGHT_GRADIENT, UPDATE, DESCENT, WAIT, PHASES = range(9)
COUNTER, MONOTONIC = range(2)  # the two kinds of clock
# The words of a row. LEFT is how many chunks go by before one is timed, LAST the tick of the last lap.
KIND, LAYERS, STRIDE, LEFT, TIMED, LAST, CHUNKS, SAMPLED, ENTERED, TOTAL, LOGGED, CAPACITY, LAPS = range(13)
BEGIN = -1  # in the log, in place of a lap: a chunk begins
APART = 16  # words of two cache lines, which a CPU may fetch together: the rows of two threads share none

if TYPE_CHECKING or numba.config.DISABLE_JIT:

    def cycle_counter() -> int:
        """Return the CPU's counter, which has ticked at a constant rate since some moment."""
        return time.perf_counter_ns()

    def monotonic_clock() -> int:
        """Return the nanoseconds since some moment, as `time.perf_counter_ns` does on Linux."""
        return time.perf_counter_ns()

else:
    from hotloop.kernels.counters import cycle_counter, monotonic_clock


def new_clock(n_threads: int, n_layers: int, kind: int, stride: int = 1, capacity: int = 0) -> Array:
    """Return a clock at zero.

    Parameters
    ----------
    n_threads, n_layers : int
    kind : int
        `COUNTER`, or `MONOTONIC` on a CPU without a counter that can be trusted.
    stride : int
        Of so many chunks one is timed, the first among them.
    capacity : int
        Laps that the log of a thread has room for.

    Returns
    -------
    ndarray of int64 (n_threads, words)
    """
    words = LAPS + PHASES * n_layers + 2 * capacity
    clock = np.zeros((n_threads, -(-words // APART) * APART + APART), np.int64)
    clock[:, KIND], clock[:, LAYERS], clock[:, STRIDE], clock[:, CAPACITY] = kind, n_layers, stride, capacity
    return clock


@kernel
def read(kind: int, counts: Array) -> None:
    """Read a clock over and over: counts[i] := ticks, for its calibration."""
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
def begin_chunk(clock: Array | None) -> None:
    """Count a chunk, and start the laps if it is one to be timed."""
    if clock is not None:
        clock[CHUNKS] += 1
        clock[TIMED] = clock[LEFT] == 0
        if clock[TIMED] != 0:
            clock[LEFT] = clock[STRIDE]
            clock[SAMPLED] += 1
            clock[LAST] = _now(clock[KIND])
            _log(clock, BEGIN)
        clock[LEFT] -= 1


@inline
def lap(clock: Array | None, phase: int, layer: int) -> None:
    """Add the time since the last lap to a phase of a layer, if the chunk is timed."""
    if clock is not None:  # noqa: SIM102 (the compiler drops what None never reaches, by this test alone)
        if clock[TIMED] != 0:
            now, which = _now(clock[KIND]), phase * clock[LAYERS] + layer
            clock[LAPS + which] += now - clock[LAST]
            clock[LAST] = now
            _log(clock, which)


@inline
def _log(clock: Array, which: int) -> None:
    """Note a lap and when it ended, if there is room."""
    if clock[LOGGED] < clock[CAPACITY]:
        at = LAPS + PHASES * clock[LAYERS] + 2 * clock[LOGGED]
        clock[at], clock[at + 1] = which, clock[LAST]
        clock[LOGGED] += 1
