"""Teams of threads: whether one is sound, how many threads there are, and interrupts at random moments."""

import _thread
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from conftest import COMPILED
from step_kernels import APART, keep_step

from hotloop.network.training import team as threads

STEPS = 2000 if COMPILED else 30


def parts_done(team, *arguments):
    """Run a function that notes how it was called, and return the notes in the order of the threads."""
    notes = []

    def note(thread, n_threads, words, *arguments):
        notes.append((thread, n_threads, words is team.words, threading.get_ident(), *arguments))
        return f"by {thread}"

    assert team.run(note, *arguments) == "by 0"
    return sorted(notes)


def works(team):
    """Whether all threads of the team keep step."""
    counts, faults = np.zeros(team.n_threads * APART, np.int64), np.zeros(team.n_threads, np.int64)
    passed = team.run(keep_step, STEPS, counts, faults)
    return passed == STEPS and set(counts[::APART]) == {STEPS} and not faults.any()


def count():
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else _thread._count()


def living():
    """Return how many threads this process has, including those of teams, which `threading` does not know."""
    last, now = -1, count()
    while now != last:  # one of another test may be about to end
        time.sleep(0.005)
        last, now = now, count()
    return now


def ends_with(before):
    """Whether there are soon no more threads than before: a thread that ends still takes some microseconds."""
    deadline = time.monotonic() + 20
    while count() > before and time.monotonic() < deadline:
        time.sleep(0.0005)
    return count() <= before


def at_most(others, monkeypatch):
    """Let all teams together start no more than `others` threads."""
    start, left = threads.start_new_thread, [None] * others

    def limited(*given):
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        return start(*given)

    monkeypatch.setattr(threads, "start_new_thread", limited)


@contextmanager
def interrupted_by_an_alarm():
    """Yield a function that raises KeyboardInterrupt after so many microseconds; called with 0, it cancels that."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        yield lambda microseconds: signal.setitimer(signal.ITIMER_REAL, microseconds * 1e-6)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
