"""The measured limits of one core of this machine: arithmetic, and the bandwidth of each level of memory.

A loop of F operations on B bytes takes at least max(F / peak, B / bandwidth), with the bandwidth of the level of memory
that holds its data: the roofline model (Williams, Waterman and Patterson, 2009). The number of bytes in use together
tells which level that is.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from hotloop.kernels import limits
from hotloop.kernels.matmul import MR, NR

REPEATS = 1000  # of the micro-kernel in one call: a fraction of a millisecond
ROUNDS = 20  # of which the fastest counts, since other load can only slow one down
TRIAD_BYTES = 3 * 2**27  # three arrays of 128 MB: far beyond what a core has of the last-level cache
CURVE_BYTES = [3 * 2**power for power in range(12, 26)]  # from 12 KB, within any first-level cache, to 96 MB
CURVE_ROUNDS, CURVE_MOVED = 5, 3 * 2**25  # bytes in a round of one or more passes
OVERHEAD = 0.25  # share of the roof below which neither arithmetic nor memory bounds a phase


def peak_flops(dtype: Any) -> float:
    """Return how many floating-point operations a second one core does from its first-level cache.

    A fused multiply-add counts as two.

    Parameters
    ----------
    dtype : {"float32", "float64"}
    """
    lanes = 64 // np.dtype(dtype).itemsize
    depth = int(limits.DEPTH)
    a, b = np.full(MR * depth, 1e-3, dtype), np.full(NR * lanes * depth, 1e-3, dtype)
    c = np.zeros(limits.ACCUMULATORS * lanes, dtype)
    return 2 * c.size * depth * REPEATS / fastest(partial(limits.multiply_adds, a, b, REPEATS, c))


def bandwidth(total: int = TRIAD_BYTES, passes: int = 1, rounds: int = ROUNDS) -> float:
    """Return how many bytes a second one core moves in c := a + 3 b, by default with arrays larger than any cache.

    Two arrays are read and one is written. That a CPU may read the third before it writes is not counted.

    Parameters
    ----------
    total : int
        Bytes of the three arrays.
    passes : int
        Over the arrays, in one call.
    rounds : int
        Calls, of which the fastest counts.
    """
    a, b, c = np.ones((3, total // 3 // 8))
    return passes * total / fastest(partial(limits.triad, a, b, passes, c), rounds)


def fastest(call: Callable[[], None], rounds: int = ROUNDS) -> float:
    """Return the least time of a call in seconds."""
    call()  # compiles, and touches the memory
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


@dataclass(frozen=True)
class Roof:
    """The limits of one core.

    Parameters
    ----------
    peak : float
        Floating-point operations a second.
    sizes, bandwidths : tuple of float
        Bytes in use together, and the bytes a second for each.
    """

    peak: float
    sizes: tuple[float, ...]
    bandwidths: tuple[float, ...]

    def bandwidth(self, in_use: float) -> float:
        """Return the bytes a second while `in_use` bytes are in use."""
        return float(np.interp(np.log(max(in_use, 1.0)), np.log(self.sizes), self.bandwidths))

    def share(self, seconds: float, flops: float, moved: float, in_use: float) -> tuple[float, str]:
        """Return the least time over the time taken, and what bounds it: compute, memory or overhead."""
        arithmetic, traffic = flops / self.peak, moved / self.bandwidth(in_use)
        share = max(arithmetic, traffic) / seconds
        return share, "overhead" if share < OVERHEAD else "compute" if arithmetic >= traffic else "memory"


_known: dict[str, Roof] = {}  # the best that was measured in this process


def measured(dtype: str, *, again: bool = False) -> Roof:
    """Return the limits of this machine, measured in about 0.3 s at the first call.

    `again` measures once more and keeps the better figures: other load on the machine can only slow a core down.
    """
    if again or dtype not in _known:
        curve = [bandwidth(size, max(1, CURVE_MOVED // size), CURVE_ROUNDS) for size in CURVE_BYTES]
        found = Roof(peak_flops(dtype), tuple(map(float, CURVE_BYTES)), tuple(curve))
        before = _known.get(dtype, found)
        best = tuple(map(max, before.bandwidths, found.bandwidths))
        _known[dtype] = Roof(max(before.peak, found.peak), found.sizes, best)
    return _known[dtype]
