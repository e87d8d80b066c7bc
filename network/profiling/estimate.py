"""How the ticks of each thread divide among the phases, estimated from the micro-batches that were timed.

A lap in which another process had the core, or the system interrupted, says nothing about the phase that it hit. Such a
lap is recognised by its length, and counts as a usual one of its phase. The excess counts as interruption, and so does
what the other micro-batches took beyond what the timed ones predict.
"""

import numpy as np

from hotloop.kernels import clock
from hotloop.kernels.jit import Array

# A lap is interrupted if it is `LONGER` times as long as the usual ones, plus `SLACK` seconds. Usual are those in the
# bin of a high quantile, not of the median: half of a phase's laps may be short by nature (the loss has two in a
# micro-batch, the last micro-batch of a batch may be one row), but a tenth of them is not long by nature.
LONGER, SLACK, QUANTILE = 5.0, 1e-6, 0.9
# A wait longer than this many times the work of the busiest thread in a micro-batch, plus the seconds that waking a
# thread takes, is not due to how the work is divided.
LONGEST_WAIT, WAKING = 2.0, 1e-4
# Share of what the timed micro-batches predict: if the others took more beyond it, that counts as interrupted, else as
# scatter.
SCATTER = 0.05
SHORTEST = np.exp2(np.arange(clock.BINS) - 1.0)  # the least ticks of a lap in each bin


def interrupted_bins(counts: Array, sums: Array, timed: Array, rate: float) -> Array:
    """Return which bins of the histograms (threads, PHASES, layers, BINS) hold interrupted laps.

    `timed` is how many micro-batches of each thread were timed, `rate` the ticks a second.
    """
    reached = counts.cumsum(axis=-1) >= QUANTILE * counts.sum(axis=-1, keepdims=True)
    usual = reached.argmax(axis=-1)[..., np.newaxis]
    mean = np.take_along_axis(sums, usual, -1) / np.maximum(np.take_along_axis(counts, usual, -1), 1)
    found: Array = LONGER * mean + SLACK * rate <= SHORTEST
    work = np.delete(np.where(found, 0, sums), clock.WAIT, axis=1).sum(axis=(1, 2, 3)) / np.maximum(timed, 1)
    waits = counts[:, clock.WAIT]
    shorter = waits.cumsum(axis=-1) - waits  # the shortest count as usual whatever they took
    found[:, clock.WAIT] = (LONGEST_WAIT * work.max() + WAKING * rate <= SHORTEST) & (shorter > 0)
    return found


def ticks_of_phases(clocks: Array, rate: float) -> tuple[Array, Array]:
    """Return the ticks of each thread in each phase of each layer, and in interruptions.

    Parameters
    ----------
    clocks : int64 array from `hotloop.kernels.clock.new_clock`
    rate : float
        Ticks a second.

    Returns
    -------
    phases : ndarray (threads, PHASES, layers)
    interruptions : ndarray (threads,)
        Of both, a thread's ticks add up to its `TOTAL`.
    """
    total, timed = clocks[:, clock.TOTAL].astype(float), clocks[:, clock.SAMPLED]
    counts, sums = (part.astype(float) for part in clock.histograms(clocks))
    cut = interrupted_bins(counts.sum(axis=1), sums.sum(axis=1), timed, rate)[:, np.newaxis]
    kept, kept_ticks = np.where(cut, 0, counts).sum(axis=-1), np.where(cut, 0, sums).sum(axis=-1)
    mean = kept_ticks.sum(axis=1, keepdims=True) / np.maximum(kept.sum(axis=1, keepdims=True), 1)
    usual = kept_ticks + (counts.sum(axis=-1) - kept) * mean  # (threads, first or later micro-batches, phases, layers)
    interrupted = sums.sum(axis=(1, 2, 3, 4)) - usual.sum(axis=(1, 2, 3))

    first = np.minimum(clocks[:, clock.MICRO_BATCHES], clocks[:, clock.FIRST])
    scale = (clocks[:, clock.MICRO_BATCHES] - first) / np.maximum(timed - first, 1)
    phases = usual[:, 0] + usual[:, 1] * scale[:, np.newaxis, np.newaxis]
    expected = phases.sum(axis=(1, 2))
    beyond = total - interrupted - expected
    interrupted = np.clip(interrupted + np.where(beyond > SCATTER * expected, beyond, 0), 0, total)
    phases *= ((total - interrupted) / np.where(expected > 0, expected, 1))[:, np.newaxis, np.newaxis]
    return phases, interrupted
