"""Loops that tests run in several threads."""

from hotloop.kernels import kernel
from hotloop.kernels.team import barrier, group_barrier, share

APART = 16  # words from one to the next, on separate cache lines


@kernel
def keep_step(thread, n_threads, words, steps, counts, faults):
    """Count, meet, and check the others' counts: after barrier k they are k, or k + 1 for a thread that is ahead.

    Returns how many barriers were passed. `faults` counts how often another thread was out of step.
    """
    for step in range(steps):
        counts[thread * APART] += 1
        if not barrier(words, thread, n_threads):
            return step
        for other in range(n_threads):
            if not step + 1 <= counts[other * APART] <= step + 2:
                faults[thread] += 1
    return steps


@kernel
def keep_group_step(thread, n_threads, words, size, steps, counts, faults):
    """Do as `keep_step` in groups: of the g-th, from 1, each thread counts g times as many steps."""
    group, first = thread // size, thread // size * size
    for step in range(steps * (1 + group)):
        counts[thread * APART] += 1
        if not group_barrier(words, 1 + group, size):
            return
        for other in range(first, first + size):
            if not step + 1 <= counts[other * APART] <= step + 2:
                faults[thread] += 1


@kernel
def wait(thread, n_threads, words):
    """Come to one barrier."""
    return barrier(words, thread, n_threads)


@kernel
def work_in_phases(thread, n_threads, words, phases, amount, results):
    """Do `amount` steps of a chain of integers in each phase, shared among the threads."""
    start, stop = share(amount, 1, thread, n_threads)
    chain = thread
    for _ in range(phases):
        for _ in range(start, stop):
            chain = chain * 6364136223846793005 + 1442695040888963407
        barrier(words, thread, n_threads)
    results[thread] = chain


@kernel
def part(total, granule, thread, n_threads):
    """Return the share of a thread."""
    return share(total, granule, thread, n_threads)
