"""Loops that test_team.py and test_threads.py run in several threads, and the environment of programs that do."""

import _thread
import os
import time
from pathlib import Path

import hotloop
from hotloop.kernels import kernel
from hotloop.kernels.team import barrier, share

APART = 16  # how many words from one to the next, on cache lines of their own

FOLDERS = (Path(hotloop.__file__).parents[1], Path(__file__).parent)
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, FOLDERS))}


def count():
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else _thread._count()


def living():
    """Return how many threads this process has, those of teams included, of which `threading` does not know."""
    last, now = -1, count()
    while now != last:  # one of another test may be about to end
        time.sleep(0.005)
        last, now = now, count()
    return now


def ends_with(before):
    """Whether there are soon no more threads than before: one that has said that it ends still takes some us."""
    deadline = time.monotonic() + 20
    while count() > before and time.monotonic() < deadline:
        time.sleep(0.0005)
    return count() <= before


@kernel
def keep_step(thread, n_threads, words, steps, counts, faults):
    """Count, meet, and look at the others' counts: after barrier k they are k, or k + 1 where one is ahead.

    Returns how many barriers were passed. In `faults` is how often another thread was out of step.
    """
    for step in range(steps):
        counts[thread * APART] += 1
        if not barrier(words, n_threads):
            return step
        for other in range(n_threads):
            if not step + 1 <= counts[other * APART] <= step + 2:
                faults[thread] += 1
    return steps


@kernel
def wait(thread, n_threads, words):
    """Come to one barrier."""
    return barrier(words, n_threads)


@kernel
def work_in_phases(thread, n_threads, words, phases, amount, results):
    """Do `amount` steps of a chain of integers in all, shared by the threads, in each phase."""
    start, stop = share(amount, 1, thread, n_threads)
    chain = thread
    for _ in range(phases):
        for _ in range(start, stop):
            chain = chain * 6364136223846793005 + 1442695040888963407
        barrier(words, n_threads)
    results[thread] = chain


@kernel
def part(total, granule, thread, n_threads):
    """Return the share of a thread."""
    return share(total, granule, thread, n_threads)
