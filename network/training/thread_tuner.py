"""How many threads a fit uses, and how many rows it trains in one compiled call: both measured during the fit.

`ThreadChoice` learns the fastest number. What it has learnt is kept for the next fit of the same shape, since many
programs call `fit` for an epoch at a time.
"""

import math
import os
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numba

from hotloop.kernels.jit import Array
from hotloop.network.training.callbacks import FitObserver, clocks_of
from hotloop.network.training.cores import available_cores
from hotloop.network.training.team import Team, ThreadStartError
from hotloop.network.training.thread_choice import ThreadChoice

# Floating-point operations in a micro-batch, for each thread of a trial: about 5 us, against two to four barriers.
WORK_OF_A_THREAD = 1_000_000
WORK_OF_A_STARTED_THREAD = 2 * 10**7  # in a whole fit: 0.2 to 2 ms, against about 50 us to start and end a thread
WORK_OF_A_PREDICTING_THREAD = 5 * 10**7  # parameters times rows: about 0.5 ms
# To size the first call: floating-point operations a second, and additional seconds a row.
FIRST_GUESS, FIRST_OVERHEAD = 5e9, 2e-6
MOST_KEPT = 64

_learnt: dict[Hashable, ThreadChoice] = {}  # by shape, the one used last at the end
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_learnt.clear)  # which shares the cores with its parent


def cores_to_try() -> int:
    """Return how many cores a fit may use: in plain Python one, since its threads take turns."""
    return 1 if numba.config.DISABLE_JIT else available_cores()


def enough_for(work: float, of_a_thread: int, cores: Callable[[], int]) -> int:
    """Return how many threads have enough work and a core each; the cores are counted only if there is work for two.

    Counting reads files, which takes as long as a small fit.
    """
    most = int(work / of_a_thread)
    return 1 if most < 2 else min(most, cores())


def candidates(n_threads: int | str, work: float, cores: Callable[[], int], work_of_fit: float = math.inf) -> list[int]:
    """Return the numbers of threads to try: the one asked for, or for "auto" 1, 2, 4, ... and the most.

    Parameters
    ----------
    n_threads : int or "auto"
    work : float
        Floating-point operations in a micro-batch.
    cores : callable
        Returns how many this process may use.
    work_of_fit : float, optional
        Floating-point operations in the whole fit.
    """
    if isinstance(n_threads, int):
        return [n_threads]
    most = enough_for(min(work, work_of_fit * WORK_OF_A_THREAD / WORK_OF_A_STARTED_THREAD), WORK_OF_A_THREAD, cores)
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
    micro_batch : int
        Rows.
    rows : int, optional
        That the fit trains, in all epochs, if it is known.
    shape : hashable
        What decides how fast the loop is, beside the number of threads: what is learnt is kept under it.

    Attributes
    ----------
    observers : sequence of FitObserver
        May give the clocks of a call, and note it.
    """

    def __init__(
        self, n_threads: int | str, row_work: float, micro_batch: int, rows: float = math.inf, shape: Hashable = None
    ) -> None:
        self._asked_for = n_threads != "auto"
        counts = candidates(n_threads, row_work * micro_batch, cores_to_try, row_work * rows)
        self._key = (shape, *counts) if len(counts) > 1 else None
        learnt = None if self._key is None else _learnt.get(self._key)
        guess = 1 / (row_work / FIRST_GUESS + FIRST_OVERHEAD)
        # A copy: another thread may fit a network of this shape.
        self._choice = ThreadChoice(counts, guess, micro_batch) if learnt is None else learnt.copy()
        self.observers: Sequence[FitObserver] = ()
        self._teams: dict[int, Team] = {}
        self._called: set[int] = set()  # the teams that have run

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
        """End the threads, and keep what was learnt."""
        while self._teams:
            self._teams.popitem()[1].__exit__()
        if self._key is not None and self._called:
            _learnt.pop(self._key, None)
            _learnt[self._key] = self._choice
            for key in list(_learnt)[:-MOST_KEPT]:
                _learnt.pop(key, None)
            self._key = None

    @property
    def n_threads(self) -> int:
        """The present choice."""
        return self._choice.n_threads

    @property
    def most(self) -> int:
        """The largest number of threads that may be used."""
        return self._choice.counts[-1]

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
        team, rows = self._next_team()
        count = team.n_threads
        clocks = clocks_of(self.observers, count) if self.observers else None
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
        seconds, done = max(time.perf_counter() - began, 1e-6), int(progress["row"][0]) - start
        cold = count not in self._called and (count > 1 or not self._called)
        self._called.add(count)
        # The tail of an epoch is a poor trial: it may be one step, and waking the threads most of its time.
        self._choice.learn(count, done, seconds, whole=done >= rows or start == 0, cold=cold)

    def _next_team(self) -> tuple[Team, int]:
        """Return the team for the next call, and its rows: for "auto" a smaller one if threads cannot be started."""
        while True:
            count, rows = self._choice.plan()
            try:
                return self._team(count), rows
            except ThreadStartError:
                if self._asked_for:
                    raise
                self._choice.give_up(count)
                self._key = None  # the next fit may start more

    def _team(self, count: int) -> Team:
        if count not in self._teams:
            self._teams[count] = Team(count).__enter__()
        return self._teams[count]
