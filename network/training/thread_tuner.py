"""How many threads a fit uses, and how many rows it trains in one compiled call: both measured during the fit.

The result does not depend on either, to the bit, so nothing is lost by trying. A fit begins with short calls on each
number of threads that is worth a trial, goes on with the fastest, and tries all again now and then: another process may
have started or ended. In a trial each number has two calls in turn, and the faster counts, since what disturbs one call
rarely disturbs the next. A choice that then proves slower than another was in the trial is given up: beside another
process, two threads are fast while it sleeps, and slow on average.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numba

from hotloop.kernels.jit import Array
from hotloop.network.training.callbacks import FitObserver, clocks_of
from hotloop.network.training.cores import available_cores
from hotloop.network.training.team import Team, ThreadStartError

SLICE_SECONDS = 0.03  # one compiled call: short enough for Ctrl-C and the progress bar, long enough to cost nothing
TRIAL_SECONDS = 0.003
CALLS_OF_A_TRIAL = 2
# From one trial to the next, doubling while the choice holds. Trials on half the cores then cost under 1 %.
SHORTEST_REST, LONGEST_REST = 0.1, 2.0
GAIN = 1.03  # how much faster another number of threads must be
# Floating-point operations in a micro-batch, for each thread of a trial: about 5 us, against two to four barriers.
WORK_OF_A_THREAD = 1_000_000
WORK_OF_A_PREDICTING_THREAD = 5 * 10**7  # parameters times rows: about 0.5 ms
# To size the first call: floating-point operations a second, and additional seconds a row.
FIRST_GUESS, FIRST_OVERHEAD = 5e9, 2e-6
# Micro-batches of the first call on several threads: with more of them than cores a barrier may take milliseconds.
FIRST_MICRO_BATCHES = 16
# Calls after which a choice has shown its speed, and the factor by which giving it up delays the next trial.
PROOF, RELAPSE = 2, 4


def enough_for(work: float, of_a_thread: int, cores: Callable[[], int]) -> int:
    """Return how many threads have enough work and a core each; the cores are counted only if there is work for two.

    Counting reads files, which takes as long as a small fit.
    """
    most = int(work / of_a_thread)
    return 1 if most < 2 else min(most, cores())


def candidates(n_threads: int | str, work: float, cores: Callable[[], int]) -> list[int]:
    """Return the numbers of threads to try: the one asked for, or for "auto" 1, 2, 4, ... and the most.

    Parameters
    ----------
    n_threads : int or "auto"
    work : float
        Floating-point operations in a micro-batch.
    cores : callable
        Returns how many this process may use.
    """
    if isinstance(n_threads, int):
        return [n_threads]
    most = enough_for(work, WORK_OF_A_THREAD, cores)
    return sorted({most, *(2**k for k in range(most.bit_length()) if 2**k <= most)})


def for_prediction(n_threads: int | str, work: int) -> int:
    """Return how many threads predict, none of which waits for another; `work` is parameters times rows."""
    if isinstance(n_threads, int):
        return n_threads
    return enough_for(work, WORK_OF_A_PREDICTING_THREAD, available_cores)


class ThreadTuner:
    """The threads of one fit, as a context that ends them.

    Parameters
    ----------
    n_threads : int or "auto"
    row_work : float
        Floating-point operations a row.
    rows : int
        Rows in a micro-batch.

    Attributes
    ----------
    n_threads : int
        The present choice.
    observers : sequence of FitObserver
        May give the clocks of a call, and note it.
    """

    def __init__(self, n_threads: int | str, row_work: float, rows: int) -> None:
        self._asked_for = n_threads != "auto"
        counts = candidates(n_threads, row_work * rows, available_cores if not numba.config.DISABLE_JIT else lambda: 1)
        self.n_threads = counts[0]
        self._speeds = dict.fromkeys(counts, 0.0)  # rows a second when last measured
        self._guess = 1 / (row_work / FIRST_GUESS + FIRST_OVERHEAD)
        self._best: dict[int, float] = {}  # rows a second in the trial at hand, or the last
        self._micro_batch = rows
        self._since = (0, 0, 0.0)  # calls, rows and seconds since the last trial
        self._untried = self._trial()
        self._rest, self._next_trial = SHORTEST_REST, 0.0
        self.observers: Sequence[FitObserver] = ()
        self._teams: dict[int, Team] = {}

    def __enter__(self) -> "ThreadTuner":
        """Start the threads if their number was given; for "auto" each is started when it is first used.

        Raises
        ------
        ThreadStartError
            If they cannot be started.
        """
        if self._asked_for:
            self._team(self.n_threads)
        return self

    def __exit__(self, *exception: object) -> None:
        """End the threads."""
        self.close()

    def close(self) -> None:
        """End the threads."""
        while self._teams:
            self._teams.popitem()[1].__exit__()

    @property
    def most(self) -> int:
        """The largest number of threads that may be used."""
        return max(self._speeds)

    def call(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        progress: Array,
        limit: Callable[[int], int] | None = None,
    ) -> None:
        """Call ``function(thread, n_threads, words, rows, *arguments, clocks)`` in a team, and learn its speed.

        ``progress["row"][0]`` says how far it has come; the other threads' records are made equal to the first.
        `limit` returns how many of `rows` rows the call may train; None for all.
        """
        team = self._next_team()
        count = team.n_threads
        rows, clocks = self._rows(count), clocks_of(self.observers, count) if self.observers else None
        if limit is not None:
            rows = limit(rows)
        if count > 1:
            progress[:] = progress[0]
        start, began = int(progress["row"][0]), time.perf_counter()
        try:
            team.run(function, rows, *arguments, clocks)
        finally:  # also after Ctrl-C: what was trained has been timed
            for observer in self.observers:
                observer.called(count, began, start, int(progress["row"][0]) - start)
        now, done = time.perf_counter(), int(progress["row"][0]) - start
        # The tail of an epoch is a poor trial: it may be one step, and waking the threads most of its time.
        self._learn(count, done, max(now - began, 1e-6), now, whole=done >= rows or start == 0)

    def _next_team(self) -> Team:
        """Return the team for the next call: for "auto" a smaller one if the threads cannot be started."""
        while True:
            count = self._untried[0] if self._untried else self.n_threads
            try:
                return self._team(count)
            except ThreadStartError:
                self._give_up(count)

    def _give_up(self, count: int) -> None:
        """Stop trying this many threads or more: they cannot be started."""
        self._speeds = {n: speed for n, speed in self._speeds.items() if n < count}
        self.n_threads = min(self.n_threads, max(self._speeds))
        self._untried, self._best = self._trial(), {}

    def _team(self, count: int) -> Team:
        if count not in self._teams:
            self._teams[count] = Team(count).__enter__()
        return self._teams[count]

    def _rows(self, count: int) -> int:
        speed = self._speeds[count] or self._speeds[self.n_threads] or self._guess
        rows = max(1, int(speed * (TRIAL_SECONDS if self._untried else SLICE_SECONDS)))
        return rows if self._speeds[count] or count == 1 else min(rows, FIRST_MICRO_BATCHES * self._micro_batch)

    def _trial(self) -> list[int]:
        """Return the numbers of threads of a trial's calls."""
        return list(self._speeds) * CALLS_OF_A_TRIAL if len(self._speeds) > 1 else []

    def _learn(self, count: int, rows: int, seconds: float, now: float, *, whole: bool) -> None:
        self._speeds[count] = rows / seconds
        if self._untried:
            if whole:
                self._untried = self._untried[1:]
                self._best[count] = max(self._best.get(count, 0.0), rows / seconds)
            if not self._untried:
                best = max(self._best, key=self._best.__getitem__)
                changes = self._best[best] > GAIN * self._best[self.n_threads]
                self._rest = SHORTEST_REST if changes else min(2 * self._rest, LONGEST_REST)
                self.n_threads = best if changes else self.n_threads
                self._next_trial, self._since = now + self._rest, (0, 0, 0.0)
        elif now >= self._next_trial:
            self._untried, self._best = self._trial(), {}
        elif self._best:
            calls, rows, seconds = self._since[0] + 1, self._since[1] + rows, self._since[2] + seconds
            self._since = (calls, rows, seconds)
            other = max(self._best.keys() - {count}, key=self._best.__getitem__)
            if calls >= PROOF and GAIN * rows / seconds < self._best[other]:
                self._best[count], self.n_threads, self._since = rows / seconds, other, (0, 0, 0.0)
                self._rest = min(RELAPSE * self._rest, LONGEST_REST)
                self._next_trial = now + self._rest
