"""The barrier keeps threads in step, lets them go when their team is abandoned, and shares cover the work."""

import os
import platform
import statistics
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from conftest import COMPILED, alone, llvm_code, needs_compiler
from hypothesis import given
from hypothesis import strategies as st
from programs import ENVIRONMENT
from step_kernels import APART, keep_group_step, keep_step, part, wait, work_in_phases

from hotloop.kernels.team import ARRIVED, ASLEEP, FEW, abandon, new_team
from hotloop.network.training.cores import available_cores
from hotloop.network.training.team import Team

PATIENCE = 60  # seconds that a test waits before it says that a thread hangs


def in_step(n_threads, steps):
    """Run `keep_step`, and return how many barriers thread 0 passed, each thread's count, and how often it failed."""
    counts, faults = np.zeros(n_threads * APART, np.int64), np.zeros(n_threads, np.int64)
    with Team(n_threads) as team:
        passed = team.run(keep_step, steps, counts, faults)
    return passed, counts[::APART].tolist(), faults.sum()


@pytest.mark.parametrize("n_threads", [1, 2, 3, FEW, FEW + 1, 3 * FEW])
def test_all_see_what_each_wrote_before_a_barrier(n_threads):
    """Of one word, and of a tree with a single thread in a branch, and with full ones."""
    steps = 2000 if COMPILED and n_threads <= FEW else 50
    assert in_step(n_threads, steps) == (steps, [steps] * n_threads, 0)


@pytest.mark.parametrize(("n_threads", "size"), [(4, 2), (6, 3), (12, 4), (3, 1)])
def test_groups_do_not_wait_for_each_other(n_threads, size):
    """Each group takes a number of steps of its own, and its members keep in step."""
    counts, faults = np.zeros(n_threads * APART, np.int64), np.zeros(n_threads, np.int64)
    with Team(n_threads) as team:
        team.run(keep_group_step, size, 30, counts, faults)
    assert counts[::APART].tolist() == [30 * (1 + thread // size) for thread in range(n_threads)]
    assert faults.sum() == 0


@pytest.mark.parametrize("n_threads", [2, 3 * FEW])
def test_an_abandoned_team_lets_all_go(n_threads):
    """Wherever in the tree they wait, in groups or all together."""
    words, answers = new_team(n_threads), []
    others = [
        threading.Thread(target=lambda thread=thread: answers.append(wait(thread, n_threads, words)), daemon=True)
        for thread in range(1, n_threads)
    ]
    for other in others:
        other.start()
    time.sleep(0.02)
    abandon(words)
    for other in others:
        other.join(PATIENCE)
    assert answers == [False] * (n_threads - 1)


@needs_compiler
@alone
def test_a_hundred_thousand_barriers():
    assert in_step(2, 100_000) == (100_000, [100_000] * 2, 0)


def test_one_thread_touches_no_word():
    words = new_team()
    abandon(words)
    before = words.copy()
    assert wait(0, 1, words) is True
    assert np.array_equal(words, before)


def waiting(words, seconds):
    """Return a thread that has been at a barrier of two for about so long, and the list its answer goes to."""
    answers = []
    waiter = threading.Thread(target=lambda: answers.append(wait(0, 2, words)), daemon=True)
    waiter.start()
    while words[ARRIVED] == 0:
        time.sleep(0.001)
    time.sleep(seconds)
    return waiter, answers


@pytest.mark.parametrize("seconds", [0, 0.05])  # while it spins, and long since asleep
def test_an_abandoned_team_lets_its_threads_go(seconds):
    words = new_team()
    waiter, answers = waiting(words, seconds)
    assert waiter.is_alive()
    abandon(words)
    waiter.join(PATIENCE)
    assert answers == [False]
    assert [wait(0, 2, words) for _ in range(5)] == [False] * 5


@pytest.mark.parametrize("seconds", [0, 0.05])
def test_the_last_to_come_releases_the_others(seconds):
    words = new_team()
    waiter, answers = waiting(words, seconds)
    assert wait(1, 2, words) is True
    waiter.join(PATIENCE)
    assert answers == [True]
    assert (words[ARRIVED], words[ASLEEP], words.sum()) == (2, 0, 2)


@needs_compiler
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread sleeps for a fixed time")
@alone
def test_a_sleeping_thread_is_woken():
    """And does not wait for the end of its longest sleep, 2 ms, of which it has half before it on average."""
    times = []
    for _ in range(21):
        words = new_team()
        waiter, _ = waiting(words, 0.01)
        start = time.perf_counter()
        wait(1, 2, words)
        waiter.join(PATIENCE)
        times.append(time.perf_counter() - start)
    assert statistics.median(times) < 0.6e-3


@needs_compiler
def test_a_waiting_thread_sleeps():
    """A second's waiting costs a few hundredths of a second of processor time; a spin would cost all of it."""
    words = new_team()
    threading.Timer(1.0, abandon, [words]).start()
    before = time.thread_time()
    assert wait(0, 2, words) is False
    assert time.thread_time() - before < 0.3


@needs_compiler
@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or available_cores() < 2, reason="compares threads that run on two cores"
)
@alone
def test_more_threads_than_cores():
    """Eight threads on two cores take little longer than two, for the same work in phases of about 50 us.

    Both are timed in turn, on the same two cores whatever the machine has.
    """

    def seconds(n_threads):
        with Team(n_threads) as team:
            start = time.perf_counter()
            team.run(work_in_phases, 400, amount, np.zeros(n_threads, np.int64))
            return time.perf_counter() - start

    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cores)[:2])
    try:
        amount = 1000
        one = min(seconds(1) for _ in range(5))
        amount = int(amount * 400 * 100e-6 / one)  # 100 us for one thread, 50 us for each of two
        pairs = [(seconds(8), seconds(2)) for _ in range(7)]
    finally:
        os.sched_setaffinity(0, cores)
    eight, two = (statistics.median(times) for times in zip(*pairs, strict=True))
    assert eight < 3 * two


CACHED = """
import threading, sys
from step_kernels import wait
from hotloop.kernels.team import abandon, new_team
words = new_team()
threading.Timer(0.1, abandon, [words]).start()
print(wait(0, 2, words), sum(wait.stats.cache_hits.values()))
"""


@needs_compiler
def test_the_barrier_comes_from_the_cache():
    """With the names of the C library's functions, whose addresses differ from process to process."""
    wait(0, 1, new_team())  # compiled here, unless it was before
    done = subprocess.run([sys.executable, "-c", CACHED], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "1"]


@needs_compiler
def test_what_the_compiled_barrier_waits_with():
    code = llvm_code(wait, 0, 1, new_team())
    assert "load atomic i64" in code
    assert "atomicrmw add" in code
    assert ("@syscall(" if sys.platform == "linux" else "@usleep(") in code
    assert platform.machine() != "x86_64" or "x86.sse2.pause" in code


WITHOUT = """
import numpy as np
from llvmlite import binding
binding.address_of_symbol = lambda name: None
from conftest import llvm_code
from step_kernels import APART, keep_step
from hotloop.kernels.team import new_team
from hotloop.network.training.team import Team
with Team(2) as team:
    counts, faults = np.zeros(2 * APART, np.int64), np.zeros(2, np.int64)
    print(team.run(keep_step, 10, counts, faults), faults.sum())
code = llvm_code(keep_step, 0, 1, new_team(), 1, counts, faults)
print("load atomic i64" in code, "@syscall(" in code, "@usleep(" in code)
"""


@needs_compiler
def test_a_platform_without_the_functions(tmp_path):
    """Where the process does not have them, as on Windows, a call would end it; the barrier does without."""
    environment = ENVIRONMENT | {"NUMBA_CACHE_DIR": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", WITHOUT], env=environment, capture_output=True, text=True, timeout=120)
    assert (run.stdout.split(), run.stderr) == (["10", "0", "True", "False", "False"], "")


@given(st.integers(0, 2000), st.sampled_from([1, 6, 16]), st.integers(1, 40))
def test_shares_cover_the_work(total, granule, n_threads):
    parts = [part(total, granule, thread, n_threads) for thread in range(n_threads)]
    assert [index for start, stop in parts for index in range(start, stop)] == list(range(total))
    assert all(start % granule == 0 for start, stop in parts if start < stop)
    granules = [-(-(stop - start) // granule) for start, stop in parts]
    assert max(granules) - min(granules) <= 1
