"""Which number of threads is chosen, and what the comparisons cost: on a simulated machine, with no threads at all."""

import random

import pytest

from hotloop.network.training import thread_choice
from hotloop.network.training.thread_choice import LONGEST_REST, SLICE_SECONDS, ThreadChoice

# us a step by the number of threads, and the rows of a step. The first five were measured on a server of 16 cores.
MACHINES = {
    "784-128-10": ({1: 125, 2: 147, 4: 120, 8: 110, 16: 116}, 32),
    "784-512-512-10": ({1: 3104, 2: 2016, 4: 1307, 8: 1141, 16: 979}, 128),
    "784-512-512-10, large batch": ({1: 27177, 2: 17836, 4: 11755, 8: 7523, 16: 5898}, 1024),
    "1024-1024-1024-10": ({1: 22653, 2: 12795, 4: 7126, 8: 5924, 16: 5091}, 256),
    "2048-2048-2048-10": ({1: 217484, 2: 168971, 4: 93810, 8: 70096, 16: 53429}, 512),
    "linear": ({1: 3000, 2: 1500, 4: 750, 8: 375, 16: 188}, 128),
    "no more than 4": ({1: 3000, 2: 1500, 4: 750, 8: 750, 16: 750}, 128),
    "none": ({1: 200, 2: 300, 4: 500, 8: 900, 16: 1700}, 128),
    "two slower": ({1: 1000, 2: 1080}, 128),
    "two faster": ({1: 1000, 2: 800}, 128),
}
WAKE = 30e-6  # seconds at the beginning of a call, for all threads but the first


class Machine:
    """A clock, and how fast a loop runs."""

    def __init__(self, steps, batch, noise=0.0, seed=0, disturbed=()):
        self.steps, self.batch, self.noise = steps, batch, noise
        self.micro_batch, self.now, self._random = min(batch, 256), 0.0, random.Random(seed)
        self.disturbed = disturbed  # from when to when, and how many times slower

    def choice(self):
        return ThreadChoice(sorted(self.steps), self.batch / self.steps[1] * 1e6 / 1.5, self.micro_batch)

    def call(self, count, rows):
        """Let the time of a call pass, and return the rows that it trained, and the seconds."""
        rows = -(-rows // self.micro_batch) * self.micro_batch
        step = self.steps[count]
        seconds = (step(rows) if callable(step) else step) * 1e-6 * rows / self.batch
        seconds *= max(0.3, self._random.gauss(1, self.noise))
        for start, stop, times in self.disturbed:
            seconds *= times if start <= self.now < stop else 1
        seconds += WAKE if count > 1 else 0
        self.now += seconds
        return rows, seconds

    def fit(self, choice, seconds, calls=None):
        """Train for so many seconds, and return the rows a second; `calls` notes (number of threads, seconds)."""
        began, rows, called = self.now, 0, set()
        while self.now < began + seconds:
            count, wanted = choice.plan()
            done, took = self.call(count, wanted)
            choice.learn(count, done, took, cold=count not in called and (count > 1 or not called))
            called.add(count)
            rows += done
            if calls is not None:
                calls.append((count, took))
        return rows / (self.now - began)

    def best(self):
        """Return the rows a second of the best number, known from the beginning."""
        alone = ThreadChoice([min(self.steps, key=self.steps.get)], 1e4, self.micro_batch)
        return Machine(self.steps, self.batch).fit(alone, 5)


def excess(fits):
    """Return the mean of the best speed over that of each fit, minus 1."""
    ratios = [best / found for best, found in fits]
    return sum(ratios) / len(ratios) - 1


@pytest.mark.parametrize("name", MACHINES)
def test_a_run_of_ten_seconds_is_at_most_two_percent_slower_than_the_best(name):
    machine = Machine(*MACHINES[name])
    choice = machine.choice()
    assert machine.best() / machine.fit(choice, 10) < 1.02


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_short_fits_of_a_known_shape_are_within_five_percent(name, noise):
    """The first of them comes after one second."""
    fits = []
    for seed in range(20 if noise else 1):
        machine = Machine(*MACHINES[name], noise, seed)
        choice, best = machine.choice(), machine.best()
        machine.fit(choice, 1)
        for _ in range(20):
            choice = choice.copy()
            fits.append((best, machine.fit(choice, 0.1)))
    assert excess(fits) < 0.05


def test_the_first_fit_of_a_tenth_of_a_second():
    """It begins with the most threads: right where they gain, dear where they do not."""
    for name, (steps, batch) in MACHINES.items():
        machine = Machine(steps, batch)
        limit = 1.5 if name == "none" else 1.1
        assert machine.best() / machine.fit(machine.choice(), 0.1) < limit, name


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("most", [3, 1000])
def test_fits_of_one_call(name, most):
    """Programs that call fit for an epoch of a few steps: each call is the first of its threads."""
    steps, batch = MACHINES[name]
    machine = Machine(steps, batch)
    choice = machine.choice()
    for _ in range(200):
        choice = choice.copy()
        count, rows = choice.plan()
        done, seconds = machine.call(count, min(rows, most * batch))
        choice.learn(count, done, seconds, cold=True)
    assert steps[choice.n_threads] < 1.05 * min(steps.values())


@pytest.mark.parametrize(("before", "after"), [
    ("linear", "none"), ("none", "linear"), ("784-128-10", "none"), ("none", "no more than 4"),
    ("two slower", "two faster"), ("two faster", "two slower"),
])  # fmt: skip
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_the_choice_follows_the_machine(before, after, noise):
    for seed in range(5):
        steps, batch = MACHINES[before]
        machine = Machine(steps, batch, noise, seed)
        choice = machine.choice()
        machine.fit(choice, 20)
        machine.steps, machine.batch = MACHINES[after]
        machine.fit(choice, 2 * LONGEST_REST)
        speed = machine.fit(choice, 10)
        assert machine.best() / speed < 1.05


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("disturbed", [(0.0, 1.0, 3), (1.0, 2.0, 2), (0.0, 0.02, 10), (2.0, 2.01, 10)])
def test_a_machine_that_is_slow_for_a_while(name, disturbed):
    """Another process, or a virtual machine that waits: as long as it slows all numbers of threads, none is wrong."""
    machine = Machine(*MACHINES[name], disturbed=[disturbed])
    choice = machine.choice()
    machine.fit(choice, disturbed[1] + 0.3)
    assert machine.best() / machine.fit(choice, 5) < 1.03


@pytest.mark.parametrize("disturbed", range(5, 14))
def test_a_disturbed_call_does_not_change_the_choice(disturbed):
    machine = Machine({1: 1000, 2: 900}, 128)
    choice, calls = machine.choice(), []
    while len(calls) < 40:
        count, wanted = choice.plan()
        rows, seconds = machine.call(count, wanted)
        choice.learn(count, rows, seconds * (10 if len(calls) == disturbed else 1))
        calls.append(count)
    assert choice.n_threads == 2
    assert sum(count == 1 for count in calls) < 12


def test_equal_numbers_stay():
    """Less than the gain changes nothing."""
    machine = Machine({1: 1000, 2: 985, 4: 980}, 128)
    choice, calls = machine.choice(), []
    machine.fit(choice, 10, calls)
    machine.steps = {1: 985, 2: 975, 4: 1000}
    machine.fit(choice, 10, calls)
    assert choice.n_threads == 4
    machine.steps = {1: 600, 2: 975, 4: 1000}
    machine.fit(choice, 10, calls)
    assert choice.n_threads == 1


def test_a_hopeless_number_has_one_call():
    """And none beyond it is tried."""
    machine = Machine(*MACHINES["2048-2048-2048-10"])
    choice, calls = machine.choice(), []
    machine.fit(choice, 0.5, calls)
    assert [count for count, _ in calls if count != 16] == [8]
    calls.clear()
    machine.fit(choice, 25, calls)
    assert 2 <= [count for count, _ in calls].count(8) <= 8
    assert {count for count, _ in calls} == {8, 16}


def test_the_dearer_a_comparison_the_longer_the_rest():
    machine = Machine(*MACHINES["none"])
    choice, calls = machine.choice(), []
    machine.fit(choice, 60, calls)
    lost = sum(seconds * (1 - 200 / machine.steps[count]) for count, seconds in calls)
    assert lost < 0.02 * 60
    often = [sum(n == count for n, _ in calls) for count in (2, 4, 8, 16)]
    assert often == sorted(often, reverse=True)
    assert often[-1] >= 5


def test_a_choice_that_is_slow_after_its_comparison_is_given_up():
    """With another process on the cores: fast while that sleeps."""
    short = 128 * SLICE_SECONDS / 3 / 1e-3
    for slow, share in ((1400, (0.0, 0.1)), (900, (0.9, 1.0))):
        machine = Machine({1: 1000, 2: lambda rows, slow=slow: 500 if rows < short else slow}, 128)
        choice, calls = ThreadChoice([1, 2], 1e5, 128), []
        machine.fit(choice, 30, calls)
        of_two = sum(seconds for count, seconds in calls if count == 2) / 30
        assert share[0] <= of_two <= share[1] + 0.01


def test_the_length_of_a_call():
    machine = Machine({1: 10}, 10)
    choice, calls = ThreadChoice([1], 1e5, 10), []
    machine.fit(choice, 1, calls)
    assert all(seconds == pytest.approx(SLICE_SECONDS, rel=0.01) for _, seconds in calls[1:])
    assert calls[0][1] == pytest.approx(SLICE_SECONDS / 10, rel=0.01)  # the guess was ten times too low


def test_the_first_call_on_several_threads_is_short():
    """With more threads than cores a step may take milliseconds."""
    choice = ThreadChoice([64], 1e9, 100)
    assert choice.plan() == (64, thread_choice.FIRST_MICRO_BATCHES * 100)
    choice.learn(64, 400, 0.04)
    assert choice.plan() == (64, 300)


def test_a_call_has_a_row_at_least():
    choice = ThreadChoice([1], 1e-3, 1)
    assert choice.plan() == (1, 1)


def test_the_tail_of_an_epoch_is_no_comparison():
    """Waking the threads may have been most of its time."""
    choice = ThreadChoice([1, 2], 1e5, 10)
    for _ in range(50):
        count, _ = choice.plan()
        choice.learn(count, 10, 10 / {1: 1e5, 2: 1e4}[count], whole=False)
    assert (choice.n_threads, count) == (2, 2)


def test_numbers_that_cannot_be_started():
    machine = Machine({1: 400, 2: 200, 4: 100}, 128)
    choice, calls = machine.choice(), []
    choice.give_up(4)
    assert (choice.counts, choice.n_threads) == ([1, 2], 2)
    machine.fit(choice, 3, calls)
    assert {count for count, _ in calls} == {1, 2}
    choice.give_up(2)
    calls.clear()
    machine.fit(choice, 3, calls)
    assert {count for count, _ in calls} == {1}


def test_a_copy_goes_on_by_itself():
    machine = Machine(*MACHINES["none"])
    choice = machine.choice()
    machine.fit(choice, 0.01)
    before, copy = choice.plan(), choice.copy()
    machine.fit(copy, 1)
    assert (choice.plan(), copy.n_threads) == (before, 1)
    machine.fit(choice, 1)
    assert choice.n_threads == 1
