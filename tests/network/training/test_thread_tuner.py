"""How many threads a fit takes, and how long a compiled call is: on a simulated clock."""

from itertools import pairwise
from types import SimpleNamespace

import numba
import numpy as np
import pytest
from thread_teams import at_most, ends_with, living

from hotloop import Network
from hotloop.kernels.tables import PROGRESS
from hotloop.network.training import thread_tuner
from hotloop.network.training.thread_tuner import (
    LONGEST_REST,
    SHORTEST_REST,
    SLICE_SECONDS,
    TRIAL_SECONDS,
    WORK_OF_A_THREAD,
    ThreadTuner,
    candidates,
)

MUCH = 1e9  # work enough for any number of threads
ROW_WORK = 1e6


class Run:
    """A run at given speeds, rows a second by number of threads, on a clock that it moves; and what was called when."""

    def __init__(self, speeds, cores, monkeypatch):
        self.speeds, self.now, self.calls = speeds, 100.0, []
        self.records, self.disturbed = [], set()  # numbers of calls that take ten times as long
        monkeypatch.setattr(numba.config, "DISABLE_JIT", 0)  # without the compiler "auto" is one thread
        monkeypatch.setattr(thread_tuner, "available_cores", lambda: cores)
        monkeypatch.setattr(thread_tuner, "time", SimpleNamespace(perf_counter=lambda: self.now))

    def function(self, thread, n_threads, words, rows, progress, left, clocks):
        """Act like `train_slice`, with no more than `left` rows to go."""
        self.records.append(progress[thread].copy())
        if thread == 0:
            rows = min(rows, left)
            times = 10 if len(self.calls) in self.disturbed else 1
            self.calls.append((n_threads, rows, self.now))
            speed = self.speeds[n_threads]
            self.now += times * rows / (speed(rows) if callable(speed) else speed)
            progress["row"][0] += rows

    def go(self, current, seconds, epoch=10**12):
        """Call for so many seconds, in epochs of so many rows, and return the numbers of threads that were taken."""
        first, end, progress = len(self.calls), self.now + seconds, np.zeros(current.most, PROGRESS)
        while self.now < end:
            progress["row"] %= epoch
            current.call(self.function, (progress, epoch - progress["row"][0]), progress, lambda rows: rows)
        return [n_threads for n_threads, *_ in self.calls[first:]]


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


SPEEDS = [
    ({1: 1e6, 2: 1.9e6, 4: 3e6}, 4), ({1: 1e6, 2: 1.9e6, 4: 1.5e6}, 2), ({1: 1e6, 2: 0.9e6, 4: 0.3e6}, 1),
    ({1: 1e3, 2: 1.04e3, 4: 0.5e3}, 2), ({1: 1e3, 2: 1.02e3, 4: 1.02e3}, 1),  # less than 3 % is not worth it
]  # fmt: skip


@pytest.mark.parametrize(("speeds", "fastest"), SPEEDS)
def test_each_is_tried_and_the_fastest_goes_on(speeds, fastest, monkeypatch):
    run = Run(speeds, 4, monkeypatch)
    with ThreadTuner("auto", ROW_WORK, 1000) as current:
        taken = run.go(current, 60)
        assert taken[:6] == [1, 2, 4] * 2
        assert current.n_threads == fastest
        assert current.most == 4
    time = dict.fromkeys(speeds, 0.0)
    for (count, _, start), (_, _, end) in pairwise(run.calls[6:]):
        time[count] += end - start
    assert time[fastest] > 0.97 * sum(time.values())


@pytest.mark.parametrize("disturbed", range(4))
@pytest.mark.parametrize(("speeds", "fastest"), [({1: 1e6, 2: 1.5e6}, 2), ({1: 1.5e6, 2: 1e6}, 1)])
def test_a_disturbed_call_decides_nothing(speeds, fastest, disturbed, monkeypatch):
    run = Run(speeds, 2, monkeypatch)
    run.disturbed = {disturbed}
    with ThreadTuner("auto", ROW_WORK, 1000) as current:
        assert set(run.go(current, SHORTEST_REST)[4:]) == {fastest}


def share_of_two(run):
    """Return the part of the time that two threads had."""
    times = [(n, end - start) for (n, _, start), (_, _, end) in pairwise(run.calls)]
    return sum(time for n, time in times if n == 2) / sum(time for _, time in times)


def test_a_choice_that_is_slow_after_its_trial_is_given_up(monkeypatch):
    """With another process on the cores: fast while that sleeps."""
    run = Run({1: 1e6, 2: lambda rows: 2e6 if rows < 1e4 else 0.7e6}, 2, monkeypatch)
    with ThreadTuner("auto", ROW_WORK, 1000) as current:
        run.go(current, 10)
    assert share_of_two(run) < 0.25
    run = Run({1: 1e6, 2: lambda rows: 2e6 if rows < 1e4 else 1.1e6}, 2, monkeypatch)
    with ThreadTuner("auto", ROW_WORK, 1000) as current:
        run.go(current, 10)
    assert share_of_two(run) > 0.95


@pytest.mark.parametrize("epoch", [1000, 1550, 1580, 1600, 1620, 3000, 3100])
def test_the_tail_of_an_epoch_is_no_trial(epoch, monkeypatch):
    """Waking the threads takes 60 us, most of the time of a few rows."""
    run = Run({1: 515e3, 2: lambda rows: rows / (rows / 850e3 + 60e-6)}, 2, monkeypatch)
    with ThreadTuner("auto", ROW_WORK, 1000) as current:
        run.go(current, 5, epoch)
    assert share_of_two(run) > 0.9


def test_the_first_call_on_more_threads_than_cores_is_short(monkeypatch):
    """A step may then take milliseconds."""
    run = Run({64: 1000.0}, 2, monkeypatch)
    with ThreadTuner(64, 10.0, 1) as current:
        run.go(current, 1)
    assert run.calls[0][1] == thread_tuner.FIRST_MICRO_BATCHES
    assert run.calls[1][1] == pytest.approx(1000 * SLICE_SECONDS, rel=0.1)


def test_the_others_are_tried_again_at_longer_and_longer_intervals(monkeypatch):
    run = Run({1: 1e6, 2: 2e6}, 2, monkeypatch)
    with ThreadTuner("auto", ROW_WORK, 1000) as current:
        run.go(current, 30)
    trials = [start for count, _, start in run.calls if count == 1][:: thread_tuner.CALLS_OF_A_TRIAL]
    rests = [later - before for before, later in pairwise(trials)]
    expected = [0.1, 0.2, 0.4, 0.8, 1.6, *[LONGEST_REST] * (len(rests) - 5)]
    assert len(rests) > 12
    assert all(rest <= found < rest + 3 * SLICE_SECONDS for found, rest in zip(rests, expected, strict=True))
    assert sum(b - a for (n, _, a), (_, _, b) in pairwise(run.calls) if n == 1) < 0.01 * 30 + TRIAL_SECONDS


def test_the_choice_changes_with_the_speeds(monkeypatch):
    """Another process comes, and goes: after at most the longest rest, and a trial of each."""
    run = Run({1: 1e6, 2: 1.9e6, 4: 3.5e6}, 4, monkeypatch)
    with ThreadTuner("auto", ROW_WORK, 1000) as current:
        run.go(current, 20)
        assert current.n_threads == 4
        for speeds, fastest in [({1: 1e6, 2: 0.8e6, 4: 0.2e6}, 1), ({1: 1e6, 2: 2e6, 4: 1e6}, 2)]:
            run.speeds = speeds
            run.go(current, LONGEST_REST + 1)
            assert current.n_threads == fastest
            run.go(current, 20)
            assert current.n_threads == fastest


def test_less_than_the_gain_changes_nothing(monkeypatch):
    run = Run({1: 1e6, 2: 2e6}, 2, monkeypatch)
    with ThreadTuner("auto", ROW_WORK, 1000) as current:
        run.go(current, 5)
        run.speeds = {1: 2.05e6, 2: 2e6}
        run.go(current, 10)
        assert current.n_threads == 2
        run.speeds = {1: 2.07e6, 2: 2e6}
        run.go(current, 10)
        assert current.n_threads == 1


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_number_asked_for_is_kept(n_threads, monkeypatch):
    run = Run({1: 1e6, 2: 1e9, 3: 1e5}, 2, monkeypatch)
    with ThreadTuner(n_threads, ROW_WORK, 1000) as current:
        assert set(run.go(current, 20)) == {n_threads}
        assert (current.n_threads, current.most) == (n_threads, n_threads)


@pytest.mark.parametrize("speed", [50.0, 1e4, 1e7])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_length_of_a_call(n_threads, speed, monkeypatch):
    """The first is sized by the work, those after it by the speed of the call before, also when that has changed."""
    run = Run({n_threads: speed}, 2, monkeypatch)
    with ThreadTuner(n_threads, ROW_WORK, 1000) as current:
        run.go(current, 10)
        run.speeds = {n_threads: 8 * speed}
        run.go(current, 2)
    seconds_a_row = ROW_WORK / thread_tuner.FIRST_GUESS + thread_tuner.FIRST_OVERHEAD
    assert 0.5 * SLICE_SECONDS < run.calls[0][1] * seconds_a_row < SLICE_SECONDS
    lengths = [end - start for (_, _, start), (_, _, end) in pairwise(run.calls)]
    changed = next(i for i, (_, rows, _) in enumerate(run.calls) if i > 1 and rows > 2 * run.calls[i - 1][1])
    steady = [*lengths[1 : changed - 1], *lengths[changed:]]
    assert all(abs(length - SLICE_SECONDS) <= 1 / speed + 1e-9 for length in steady)


def test_the_length_of_a_trial(monkeypatch):
    run = Run({1: 1e6, 2: 2e6, 3: 3e6}, 3, monkeypatch)
    with ThreadTuner("auto", ROW_WORK, 1000) as current:
        run.go(current, 10)
    lengths = [(n, end - start) for (n, _, start), (_, _, end) in pairwise(run.calls)]
    assert {n for n, _ in lengths} == {1, 2, 3}
    short = [n for n, length in lengths[3:] if length == pytest.approx(TRIAL_SECONDS, rel=1e-3)]
    long = [n for n, length in lengths[3:] if length == pytest.approx(SLICE_SECONDS, rel=1e-3)]
    assert len(short) + len(long) == len(lengths[3:])
    assert set(long) == {3}
    assert short.count(1) == short.count(2) == short.count(3) > 10


def test_a_call_has_a_row_at_least(monkeypatch):
    run = Run({1: 1e-3}, 1, monkeypatch)
    with ThreadTuner(1, 1e13, 1) as current:
        run.go(current, 3000)
    assert {rows for _, rows, _ in run.calls} == {1}


def test_threads_are_made_when_they_are_used_and_end_with_the_run(monkeypatch):
    run, before = Run({1: 1e6, 2: 2e6, 4: 3e6}, 4, monkeypatch), living()
    with ThreadTuner("auto", ROW_WORK, 1000) as current:
        alive = []
        for _ in range(4):
            run.go(current, 1e-6)
            alive.append(living() - before)
        assert alive == [0, 1, 4, 4]
    assert ends_with(before)


def test_all_threads_begin_with_the_record_of_the_first(monkeypatch):
    run = Run({3: 1e6}, 1, monkeypatch)
    with ThreadTuner(3, ROW_WORK, 1000) as current:
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
    run, before = Run({1: 1e6, 2: 2e6, 4: 3e6}, 4, monkeypatch), living()
    at_most(others, monkeypatch)
    with ThreadTuner("auto", ROW_WORK, 1000) as current:
        taken = run.go(current, 30)
        assert set(taken) == {1, 2, 4} & set(range(most + 1))
        assert (current.n_threads, current.most) == (most, most)
    assert ends_with(before)


def test_a_number_that_was_asked_for_is_started_at_once(monkeypatch):
    at_most(1, monkeypatch)
    with pytest.raises(RuntimeError, match="cannot start thread 3 of 3"), ThreadTuner(3, ROW_WORK, 1000):
        pass
