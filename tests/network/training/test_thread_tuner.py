"""How many threads a fit tries, and what is kept of it; `test_thread_choice` tests which is chosen."""

import os
from itertools import pairwise
from types import SimpleNamespace

import numba
import numpy as np
import pytest
from thread_teams import at_most, ends_with, living

from hotloop import Network
from hotloop.kernels.tables import PROGRESS
from hotloop.network.training import team, thread_tuner
from hotloop.network.training.thread_choice import ThreadChoice
from hotloop.network.training.thread_tuner import WORK_OF_A_STARTED_THREAD, WORK_OF_A_THREAD, ThreadTuner, candidates

MUCH = 1e9  # work enough for any number of threads
ROW_WORK = 1e6


class Run:
    """A run at given speeds, rows a second by number of threads, on a clock that it moves; and what was called when."""

    def __init__(self, speeds, cores, monkeypatch):
        self.speeds, self.now, self.calls = speeds, 100.0, []
        self.records = []
        monkeypatch.setattr(numba.config, "DISABLE_JIT", 0)  # without the compiler "auto" is one thread
        monkeypatch.setattr(thread_tuner, "available_cores", lambda: cores)
        monkeypatch.setattr(thread_tuner, "time", SimpleNamespace(perf_counter=lambda: self.now))

    def function(self, thread, n_threads, words, rows, progress, left, clocks):
        """Act like `train_slice`, with no more than `left` rows to go."""
        self.records.append(progress[thread].copy())
        if thread == 0:
            rows = min(rows, left)
            self.calls.append((n_threads, rows, self.now))
            speed = self.speeds[n_threads]
            self.now += rows / (speed(rows) if callable(speed) else speed)
            progress["row"][0] += rows

    def go(self, current, seconds, epoch=10**12):
        """Call for so many seconds, in epochs of so many rows, and return the numbers of threads that were taken."""
        first, end, progress = len(self.calls), self.now + seconds, np.zeros(current.most, PROGRESS)
        while self.now < end:
            progress["row"] %= epoch
            current.call(self.function, (progress, epoch - progress["row"][0]), progress, lambda rows: rows)
        return [n_threads for n_threads, *_ in self.calls[first:]]


@pytest.fixture(autouse=True)
def nothing_learnt(monkeypatch):
    """Begin with an empty memory, and leave other tests theirs."""
    before = dict(thread_tuner._learnt)
    thread_tuner._learnt.clear()
    yield
    thread_tuner._learnt.clear()
    thread_tuner._learnt.update(before)


def tuner(n_threads, shape=None):
    return ThreadTuner(n_threads, ROW_WORK, 1000, shape=shape)


@pytest.mark.parametrize(("n_threads", "work", "cores", "expected"), [
    (1, MUCH, 8, [1]),
    (3, 0, 1, [3]),  # asked for: whatever the work and the cores
    ("auto", 0, 8, [1]),
    ("auto", 2 * WORK_OF_A_THREAD - 1, 8, [1]),
    ("auto", 2 * WORK_OF_A_THREAD, 8, [1, 2]),
    ("auto", 3 * WORK_OF_A_THREAD, 8, [1, 2, 3]),
    ("auto", 5 * WORK_OF_A_THREAD, 8, [1, 2, 4, 5]),
    ("auto", MUCH, 1, [1]),
    ("auto", MUCH, 2, [1, 2]),
    ("auto", MUCH, 3, [1, 2, 3]),
    ("auto", MUCH, 6, [1, 2, 4, 6]),
    ("auto", MUCH, 8, [1, 2, 4, 8]),
    ("auto", 1e15, 64, [1, 2, 4, 8, 16, 32, 64]),
])  # fmt: skip
def test_candidates(n_threads, work, cores, expected):
    assert candidates(n_threads, work, lambda: cores) == expected


def test_a_short_fit_has_few_threads():
    """To start one takes as long as its share of such a fit."""
    assert candidates("auto", MUCH, lambda: 8, 2 * WORK_OF_A_STARTED_THREAD - 1) == [1]
    assert candidates("auto", MUCH, lambda: 8, 5 * WORK_OF_A_STARTED_THREAD) == [1, 2, 4, 5]
    assert candidates("auto", 3 * WORK_OF_A_THREAD, lambda: 8, 1e15) == [1, 2, 3]
    assert candidates(4, MUCH, lambda: 8, 0) == [4]


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_number_asked_for_is_kept(n_threads, monkeypatch):
    run = Run({1: 1e6, 2: 1e9, 3: 1e5}, 2, monkeypatch)
    with tuner(n_threads) as current:
        assert set(run.go(current, 20)) == {n_threads}
        assert (current.n_threads, current.most) == (n_threads, n_threads)


def test_the_fastest_is_found_and_goes_on(monkeypatch):
    run = Run({1: 1e6, 2: 1.9e6, 4: 1.5e6}, 4, monkeypatch)
    with tuner("auto") as current:
        assert current.most == 4
        run.go(current, 1)
        assert run.calls[0][0] == 4
        assert current.n_threads == 2
        taken = run.go(current, 1)
    assert taken.count(2) > 0.9 * len(taken)


def test_the_tail_of_an_epoch_is_no_comparison(monkeypatch):
    """Waking the threads takes 1 ms, most of the time of a few rows."""
    run = Run({1: 0.5e6, 2: lambda rows: rows / (rows / 1e6 + 1e-3)}, 2, monkeypatch)
    with tuner("auto") as current:
        run.go(current, 5, 28500)
    times = [(n, end - start) for (n, _, start), (_, _, end) in pairwise(run.calls)]
    assert sum(time for n, time in times if n == 2) > 0.9 * sum(time for _, time in times)


def test_threads_are_made_when_they_are_used_and_end_with_the_run(monkeypatch):
    run, before = Run({1: 1e6, 2: 2e6, 4: 1e6}, 4, monkeypatch), living()
    with tuner("auto") as current:
        alive = [living() - before]
        for _ in range(20):
            run.go(current, 1e-6)
            alive.append(living() - before)
        assert (alive[0], alive[1], alive[-1]) == (0, 3, 4)  # teams of 4 and 2; the caller is in both
    assert ends_with(before)


# What was learnt is kept.


def test_the_next_fit_of_a_shape_begins_with_what_was_learnt(monkeypatch):
    run = Run({1: 1e6, 2: 0.9e6, 4: 0.5e6}, 4, monkeypatch)
    with tuner("auto", shape="this") as current:
        run.go(current, 1)
    with tuner("auto", shape="this") as current:
        assert current.n_threads == 1
        assert set(run.go(current, 0.09)) == {1}
    with tuner("auto", shape="another") as current:
        assert current.n_threads == 4
    monkeypatch.setattr(thread_tuner, "available_cores", lambda: 2)
    with tuner("auto", shape="this") as current:
        assert current.n_threads == 2


def test_fits_of_a_call_each_learn_together(monkeypatch):
    run = Run({1: 1e6, 2: 0.9e6, 4: 0.5e6}, 4, monkeypatch)
    for _ in range(100):
        with tuner("auto", shape="this") as current:
            run.go(current, 1e-6, 2000)
    assert current.n_threads == 1
    assert sum(n == 1 for n, *_ in run.calls[-50:]) > 40


def test_what_is_kept_is_limited_and_the_oldest_goes(monkeypatch):
    run = Run({1: 1e6, 2: 2e6}, 2, monkeypatch)
    for shape in range(thread_tuner.MOST_KEPT + 5):
        for used in (shape, 3):
            with tuner("auto", shape=used) as current:
                run.go(current, 1e-6)
    kept = {shape for shape, *_ in thread_tuner._learnt}
    assert kept == {3, *range(6, thread_tuner.MOST_KEPT + 5)}


def test_nothing_is_kept_that_is_not_learnt(monkeypatch):
    """Of a number that was asked for, of a fit without a call, and where threads could not be started."""
    run = Run({1: 1e6, 2: 2e6}, 2, monkeypatch)
    with tuner(2, shape=1) as current:
        run.go(current, 1e-6)
    with tuner("auto", shape=1):
        pass
    at_most(0, monkeypatch)
    with tuner("auto", shape=1) as current:
        run.go(current, 1)
        assert current.n_threads == 1
    assert not thread_tuner._learnt


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_learns_anew():
    """It shares the cores with its parent."""
    thread_tuner._learnt["shape"] = ThreadChoice([1, 2], 1.0, 1)
    process = os.fork()
    if process == 0:
        os._exit(len(thread_tuner._learnt))
    assert os.waitpid(process, 0)[1] == 0
    assert len(thread_tuner._learnt) == 1


def test_all_threads_begin_with_the_record_of_the_first(monkeypatch):
    run = Run({3: 1e6}, 1, monkeypatch)
    with tuner(3) as current:
        progress = np.zeros(3, PROGRESS)
        progress[0] = (40, 7, 0.5, 0.25, 0, 1.5, 3, 2.5, 5)
        current.call(run.function, (progress, 10), progress, lambda rows: rows)
    assert [tuple(record) for record in run.records] == [(40, 7, 0.5, 0.25, 0, 1.5, 3, 2.5, 5)] * 3
    assert progress["row"].tolist() == [50, 40, 40]


# In a fit.


@pytest.mark.parametrize("n_threads", [1, 2, 5, np.int64(3)])
def test_the_history_says_how_many_threads_trained(n_threads):
    history = Network([2, 3, 1], seed=0).fit(np.ones((9, 2)), np.ones(9), n_threads=n_threads, epochs=2, progress=False)
    assert history.n_threads == n_threads


def test_the_history_of_auto():
    """There is no work here for a second thread."""
    history = Network([2, 3, 1], seed=0).fit(np.ones((9, 2)), np.ones(9), epochs=2, progress=False)
    assert history.n_threads == 1


def test_cores_are_counted_where_there_is_a_choice_alone(monkeypatch):
    """It takes as long as a small fit."""

    def forbidden():
        raise AssertionError("counted")

    monkeypatch.setattr(numba.config, "DISABLE_JIT", 0)
    monkeypatch.setattr(thread_tuner, "available_cores", forbidden)
    assert ThreadTuner(2, ROW_WORK, 1000).n_threads == 2
    assert ThreadTuner("auto", 1.0, 1000).n_threads == 1
    with pytest.raises(AssertionError, match="counted"):
        ThreadTuner("auto", ROW_WORK, 1000)


@pytest.mark.parametrize(("others", "most"), [(0, 1), (1, 2), (2, 2), (4, 4)])
def test_auto_goes_on_with_the_threads_that_can_be_had(others, most, monkeypatch):
    """A trial of 1, 2 and 4 threads, in teams that take 1 and 3 more; the fastest of what there is goes on."""
    run, before, start = Run({1: 1e6, 2: 2e6, 4: 3e6}, 4, monkeypatch), living(), team.start_new_thread

    def limited(function, arguments):
        if arguments[0] > others:
            raise RuntimeError("can't start new thread")
        return start(function, arguments)

    monkeypatch.setattr(team, "start_new_thread", limited)
    with tuner("auto") as current:
        taken = run.go(current, 30)
        assert set(taken) == {1, 2, 4} & set(range(most + 1))
        assert (current.n_threads, current.most) == (most, most)
    assert ends_with(before)


def test_a_number_that_was_asked_for_is_started_at_once(monkeypatch):
    at_most(1, monkeypatch)
    with pytest.raises(RuntimeError, match="cannot start thread 3 of 3"), ThreadTuner(3, ROW_WORK, 1000):
        pass
