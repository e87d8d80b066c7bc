"""A team of threads that runs a compiled loop in step."""

import os
import weakref
from _thread import start_new_thread
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from hotloop.kernels.jit import Array
from hotloop.kernels.team import abandon, new_team
from hotloop.network.training.cores import cores_for_others
from hotloop.network.training.thread_stack import with_large_stack


@dataclass
class _Run:
    """One run of a team: what its threads do, and with what result."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    n_threads: int
    words: Array
    cores: list[set[int]]  # for each thread but the first
    placed: list[set[int]]  # the same, as it was last set: setting it takes 1 us
    result: Any = None
    errors: list[BaseException] = field(default_factory=list)
    begun: set[int] = field(default_factory=set)
    ended: set[int] = field(default_factory=set)
    news: "SimpleQueue[None]" = field(default_factory=SimpleQueue)  # an item for each thread that has ended

    def take_part(self, thread: int) -> None:
        """Do the part of `thread`, unless it has begun."""
        if thread in self.begun:
            return
        self.begun.add(thread)
        try:
            if thread > 0 and self.cores and self.cores[thread - 1] != self.placed[thread - 1]:
                with suppress(OSError):  # the cores allowed have changed meanwhile
                    os.sched_setaffinity(0, self.cores[thread - 1])
                    self.placed[thread - 1] = self.cores[thread - 1]
            result = self.function(thread, self.n_threads, self.words, *self.arguments)
            if thread == 0:
                self.result = result
        except BaseException as error:
            self.fail(error)
        finally:
            self.ended.add(thread)
            self.news.put(None)

    def fail(self, error: BaseException) -> None:
        """Keep the error, and release the threads that wait for another."""
        self.errors.append(error)
        abandon(self.words)


class ThreadStartError(RuntimeError):
    """The system grants this process no more threads."""


class Team:
    """Threads that run one function together, again and again; thread 0 is the caller.

    The others live from the start of the ``with`` statement to its end. Nothing is shared with other teams, or with a
    process that is forked meanwhile, which may have teams too. One caller at a time runs a team. On Linux a run sets
    the affinity of the other threads where it is to change, never the caller's.

    Parameters
    ----------
    n_threads : int
        At least 1. With 1, no thread is started.
    fewest : int, optional
        Go on with this many threads if no more can be started; by default all are needed.

    Attributes
    ----------
    n_threads : int
        How many there are.
    words : ndarray of int64
        The memory of `kernels.team.barrier`: zeros at the start of a run.
    """

    def __init__(self, n_threads: int, fewest: int | None = None) -> None:
        self.n_threads = n_threads
        self.words = new_team(n_threads)
        self._fewest = n_threads if fewest is None else fewest
        self._inboxes: list[SimpleQueue[Any]] = []
        self._placed: list[set[int]] = [set() for _ in range(1, n_threads)]
        self._started, self._process = 0, 0
        self._ended: set[int] = set()
        self._news: SimpleQueue[None] = SimpleQueue()  # an item for each thread that has ended

    def __enter__(self) -> "Team":
        """Start the threads.

        Raises
        ------
        ThreadStartError
            If not even the fewest could be started; none is left then.
        """
        try:
            self._process = os.getpid()
            for thread in range(1, self.n_threads):
                inbox: SimpleQueue[Any] = SimpleQueue()
                self._inboxes.append(inbox)  # first, so that the thread is told to end in any case
                # Ends the thread of a team that Ctrl-C kept from entering or leaving its with statement. Not __del__,
                # in which Python would drop a Ctrl-C.
                forgotten = weakref.ref(self, inbox.put)
                try:
                    # Not threading.Thread, whose start() loses the thread if Ctrl-C comes while it waits.
                    with_large_stack(start_new_thread, _serve, (thread, inbox, self._ended, self._news, forgotten))
                except RuntimeError as error:
                    self._inboxes.pop()
                    if thread < self._fewest:
                        raise ThreadStartError(
                            f"cannot start thread {thread + 1} of {self.n_threads} ({error}): lower n_threads, or "
                            "raise the limit on threads (ulimit -u, or the pids limit of the container)"
                        ) from None
                    self.n_threads = thread
                    break
                self._started += 1
            return self
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *exception: object) -> None:
        """End the threads, also if Ctrl-C comes meanwhile.

        If it comes before the first line, the threads end with the last reference to their team.
        """
        try:
            self._end()
        except BaseException:
            self._end()
            raise

    def _end(self) -> None:
        abandon(self.words)  # no thread waits at a barrier, unless Ctrl-C came twice
        for inbox in self._inboxes:
            inbox.put(None)
        while len(self._ended) < self._started and self._process == os.getpid():  # a forked process has none of them
            self._news.get()
        self._inboxes, self._started, self._ended, self._news = [], 0, set(), SimpleQueue()

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call ``function(thread, n_threads, words, *arguments)`` once in each thread, and wait for all.

        If one raises, those that wait at a barrier are released. So are they by Ctrl-C, once the call that thread 0 is
        in has returned.

        Parameters
        ----------
        function : callable
            A compiled function, or one in Python.
        *arguments
            The same for each thread.

        Returns
        -------
        object
            What `function` returned in thread 0.

        Raises
        ------
        BaseException
            The first one raised, in any thread.
        RuntimeError
            If the threads do not run: outside the team's ``with`` statement, or in a forked process.
        """
        if self.n_threads == 1:
            return function(0, 1, self.words, *arguments)
        if len(self._inboxes) < self.n_threads - 1 or self._process != os.getpid():
            raise RuntimeError("the threads of this team do not run: use it in its with statement and process")
        self.words.fill(0)
        cores = cores_for_others(self.n_threads)
        run = _Run(function, arguments, self.n_threads, self.words, cores, self._placed)
        others = set(range(1, self.n_threads))
        while True:
            try:
                for inbox in self._inboxes:
                    inbox.put(run)  # for the second time after Ctrl-C, which may have come before the first
                run.take_part(0)
                while not run.ended >= others:
                    run.news.get()
                break
            except BaseException as error:  # Ctrl-C, outside of `function`
                run.fail(error)
        if run.errors:
            raise run.errors.pop(0)
        return run.result


def _serve(thread: int, inbox: "SimpleQueue[Any]", ended: set[int], news: "SimpleQueue[None]", forgotten: Any) -> None:
    """Take part in each run, until something else comes: a function, since a method would keep the team alive."""
    while isinstance(run := inbox.get(), _Run):
        run.take_part(thread)
        del run
    ended.add(thread)
    news.put(None)
