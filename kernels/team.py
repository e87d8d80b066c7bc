"""Threads in step inside compiled code: a barrier, and the division of work.

A team is one array of words, which its caller makes with `new_team` and hands to every thread; nothing is global. A
barrier is one word that counts all arrivals: n threads pass it for the k-th time when it reaches k n. The first is for
all threads, the others for groups of them. A team of more than `FEW` threads arrives at the first by way of a word for
each `FEW` of them, whose last one goes on to the common word, so that no word is written by more than that many cores
in turn: a tree of two levels.

A barrier between threads with a core each takes 0.06 to 0.2 us where these share a cache, up to 0.6 elsewhere; a
parallel region of OpenMP takes 7. A thread that waits longer sleeps until it is woken. It does not call sched_yield,
which gives away the rest of its time slice: with other processes on both cores, phases of 50 us took 3800 us with it,
and take 100 to 170 without.
"""

import time
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from hotloop.kernels.jit import Array, inline

# The words of a barrier: 128 bytes apart, since a CPU may fetch cache lines of 64 in pairs, and none at an end of the
# array. Those of barrier b are 32 b further on.
ARRIVED, ASLEEP, APART = 16, 32, 32
FEW = 8  # threads that write to one word
# Typed, as literals would trigger another compilation: the group of all threads, and its word.
ALL: Any = np.int64(0)
FIRST: Any = np.int64(ARRIVED)
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


def new_team(n_threads: int = 1) -> Array:
    """Return the words of a team.

    Parameters
    ----------
    n_threads : int
        The most that will use them.

    Returns
    -------
    ndarray of int64
    """
    barriers = 1 + n_threads + (n_threads + FEW - 1) // FEW
    return np.zeros(ARRIVED + barriers * APART, np.int64)


def abandon(words: Array) -> None:
    """Release all threads that wait at a barrier of the team, now and later; from Python, in any thread.

    Parameters
    ----------
    words : ndarray of int64
        As made by `new_team`. Filled with zeros, when no thread uses them, they can be used again.
    """
    words[ARRIVED::APART] = LEFT


@inline
def barrier(words: Array, thread: int, n_threads: int) -> bool:
    """Wait until all `n_threads` (the same number at each barrier) have come; what each wrote is then visible to all.

    Returns False immediately if the team was abandoned: the kernel should then return. A team of one passes.
    """
    if n_threads <= FEW:
        return group_barrier(words, ALL, n_threads)
    branch, branches = thread // FEW, (n_threads + FEW - 1) // FEW
    size = min(FEW, n_threads - branch * FEW)
    before = atomic_add(words, ARRIVED + APART * (1 + n_threads + branch), 1)
    if before < 0:
        return False
    all_here = (before // size + 1) * branches
    if (before + 1) % size == 0:
        return arrive(words, FIRST, all_here)
    return wait(words, FIRST, all_here)


@inline
def group_barrier(words: Array, group: int, size: int) -> bool:
    """Do as `barrier` for the `size` threads of a group, of which no thread is in two; 0 is that of all threads."""
    if size == 1:
        return True
    at = ARRIVED + APART * group
    before = atomic_add(words, at, 1)
    if before < 0:
        return False
    all_here = (before // size + 1) * size
    if before + 1 == all_here:
        return passed(words, at)
    return wait(words, at, all_here)


@inline
def arrive(words: Array, at: int, all_here: int) -> bool:
    """Count an arrival at a word, and wait there."""
    before = atomic_add(words, at, 1)
    if before < 0:
        return False
    if before + 1 == all_here:
        return passed(words, at)
    return wait(words, at, all_here)


@inline
def passed(words: Array, at: int) -> bool:
    """Wake those who sleep at a word: the last thread has come."""
    if atomic_load(words, at + ASLEEP - ARRIVED) != 0:
        wake(words, at)
    return True


@inline
def wait(words: Array, at: int, all_here: int) -> bool:
    """Wait until the arrivals at a word are `all_here`; False if the team is abandoned."""
    spins, asleep = 0, at + ASLEEP - ARRIVED
    arrived = atomic_load(words, at)
    while 0 <= arrived < all_here:
        if spins < SPINS:
            pause()
            spins += 1
        else:
            atomic_add(words, asleep, 1)
            sleep(words, at, arrived, LONGEST_SLEEP, SLEEP)
            atomic_add(words, asleep, -1)
        arrived = atomic_load(words, at)
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
