"""Threads in step inside compiled code: a barrier, and the division of work.

A team is one array of words, which its caller makes with `new_team` and hands to every thread; nothing is global. One
word counts all arrivals at barriers: n threads pass the k-th barrier when it reaches k n.

A barrier between threads with a core each takes 0.06 to 0.2 us where these share a cache, up to 0.6 elsewhere; a
parallel region of OpenMP takes 7. A thread that waits longer sleeps until it is woken. It does not call sched_yield,
which gives away the rest of its time slice: with other processes on both cores, phases of 50 us took 3800 us with it,
and take 100 to 170 without.
"""

import time
from typing import TYPE_CHECKING

import numba
import numpy as np

from hotloop.kernels.jit import Array, inline

# The words in use: 128 bytes apart, since a CPU may fetch cache lines of 64 in pairs, and none at an end of the array.
ARRIVED, ASLEEP, WORDS = 16, 32, 48
LEFT = -(2**62)  # the arrivals of an abandoned team: below zero, however many arrive later
# How often a waiting thread spins before it sleeps: about 10 us, the cost of sleeping and being woken. More would take
# time from a thread on the same core.
SPINS = 300
# us: its longest sleep, since nothing wakes it when its team is abandoned; and its sleep where there is no futex.
LONGEST_SLEEP, SLEEP = 2000, 50

if TYPE_CHECKING or numba.config.DISABLE_JIT:

    def atomic_load(words: Array, index: int) -> int:
        """Return words[index]. What was written before it is then seen as well."""
        return int(words[index])

    def atomic_add(words: Array, index: int, value: int) -> int:
        """Add to words[index], and return what it was.

        Here that may be too little if other threads arrive meanwhile, but not by a whole barrier, which needs this
        thread too: at worst `barrier` does not notice that it is the last.
        """
        before, word = int(words[index]), words[index : index + 1]
        np.add(word, value, out=word)  # in one piece: NumPy keeps the GIL for small arrays
        return before

    def pause() -> None:
        """Tell the CPU that this thread waits in a loop, if it has an instruction for that."""
        time.sleep(0)  # here: let other threads have the interpreter

    def sleep(words: Array, index: int, value: int, longest: int, fixed: int) -> None:
        """Sleep until woken, but not if words[index] is no longer `value`. `longest` and `fixed` are in us."""
        time.sleep(fixed * 1e-6)

    def wake(words: Array, index: int) -> None:
        """Wake the threads that sleep at words[index]."""

else:
    from hotloop.kernels.lowering.team import atomic_add, atomic_load, pause, sleep, wake


def new_team() -> Array:
    """Return the words of a team, of any number of threads.

    Returns
    -------
    ndarray of int64
    """
    return np.zeros(WORDS, np.int64)


def abandon(words: Array) -> None:
    """Release all threads that wait at a barrier of the team, now and later; from Python, in any thread.

    Parameters
    ----------
    words : ndarray of int64
        As made by `new_team`. Filled with zeros, when no thread uses them, they can be used again.
    """
    words[ARRIVED] = LEFT


@inline
def barrier(words: Array, n_threads: int) -> bool:
    """Wait until all `n_threads` (the same number at each barrier) have come; what each wrote is then visible to all.

    Returns False immediately if the team was abandoned: the kernel should then return. A team of one passes.
    """
    if n_threads == 1:
        return True
    before = atomic_add(words, ARRIVED, 1)
    if before < 0:
        return False
    all_here = (before // n_threads + 1) * n_threads
    if before + 1 == all_here:
        if atomic_load(words, ASLEEP) != 0:
            wake(words, ARRIVED)
        return True
    spins = 0
    arrived = atomic_load(words, ARRIVED)
    while 0 <= arrived < all_here:
        if spins < SPINS:
            pause()
            spins += 1
        else:
            atomic_add(words, ASLEEP, 1)
            sleep(words, ARRIVED, arrived, LONGEST_SLEEP, SLEEP)
            atomic_add(words, ASLEEP, -1)
        arrived = atomic_load(words, ARRIVED)
    return arrived >= 0


@inline
def share(total: int, granule: int, thread: int, n_threads: int) -> tuple[int, int]:
    """Return the start and the stop of the share of range(total) that `thread` has.

    The shares are disjoint, cover the range in the order of the threads, start at multiples of `granule`, and differ by
    at most one granule; the last granule may be partial.
    """
    granules = (total + granule - 1) // granule
    start = granules * thread // n_threads * granule
    stop = granules * (thread + 1) // n_threads * granule
    return start, min(stop, total)
