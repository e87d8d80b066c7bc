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
class _Job:
    """One run of a team: what its threads do, and what came of it."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    n_threads: int
    words: Array
    cores: set[int]
    result: Any = None
    errors: list[BaseException] = field(default_factory=list)
    begun: set[int] = field(default_factory=set)
    ended: set[int] = field(default_factory=set)
    news: "SimpleQueue[None]" = field(default_factory=SimpleQueue)  # an item for each thread that has ended

    def do(self, thread: int) -> None:
        """Do the part of `thread`, if it has not been begun."""
        if thread in self.begun:
            return
        self.begun.add(thread)
        try:
            if thread > 0 and self.cores:
                with suppress(OSError):  # the cores allowed have changed meanwhile
                    os.sched_setaffinity(0, self.cores)
            result = self.function(thread, self.n_threads, self.words, *self.arguments)
            if thread == 0:
                self.result = result
        except BaseException as error:
            self.fail(error)
        finally:
            self.ended.add(thread)
            self.news.put(None)

    def fail(self, error: BaseException) -> None:
        """Keep the error and release the threads that wait for one that will not come."""
        self.errors.append(error)
        abandon(self.words)


class ThreadStartError(RuntimeError):
    """The system lets this process have no more threads."""


class Team:
    """Threads that run one function together, over and over; thread 0 is the caller's own.

    The others live from the beginning of the ``with`` statement to its end. Nothing is shared with other teams, nor
    with a process that is forked meanwhile, which may have its own. One caller at a time runs a team. On Linux each run
    sets the affinity of the other threads, never that of its caller.

    Parameters
    ----------
    n_threads : int
        At least 1. With 1, no thread is made.
    fewest : int, optional
        With how many threads to go on where no more can be started; by default all are needed.

    Attributes
    ----------
    n_threads : int
        How many there are.
    words : ndarray of int64
        What `kernels.team.barrier` works on: zeros at the start of a run.
    """

    def __init__(self, n_threads: int, fewest: int | None = None) -> None:
        self.n_threads = n_threads
        self.words = new_team()
        self._fewest = n_threads if fewest is None else fewest
        self._jobs: list[SimpleQueue[Any]] = []
        self._started, self._process = 0, 0
        self._ended: set[int] = set()
        self._news: SimpleQueue[None] = SimpleQueue()  # an item for each thread that has ended

    def __enter__(self) -> "Team":
        """Start the threads.

        Raises
        ------
        ThreadStartError
            If not even the fewest could be started; none is then left.
        """
        try:
            self._process = os.getpid()
            for thread in range(1, self.n_threads):
                jobs: SimpleQueue[Any] = SimpleQueue()
                self._jobs.append(jobs)  # first, so that the thread is told to end whatever comes
                # Ends the thread of a team that Ctrl-C kept from entering its with statement, or from leaving it. No
                # __del__, in which Python would drop a Ctrl-C.
                forgotten = weakref.ref(self, jobs.put)
                try:
                    # Not threading.Thread, whose start() leaves the thread behind if Ctrl-C comes while it waits.
                    with_large_stack(start_new_thread, _serve, (thread, jobs, self._ended, self._news, forgotten))
                except RuntimeError as error:
                    self._jobs.pop()
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

        It may come even before the first line: the threads then end with the last reference to their team.
        """
        try:
            self._end()
        except BaseException:
            self._end()
            raise

    def _end(self) -> None:
        abandon(self.words)  # nobody waits at a barrier, unless Ctrl-C came twice
        for jobs in self._jobs:
            jobs.put(None)
        while len(self._ended) < self._started and self._process == os.getpid():  # a forked process has none of them
            self._news.get()
        self._jobs, self._started, self._ended, self._news = [], 0, set(), SimpleQueue()

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call ``function(thread, n_threads, words, *arguments)`` once in each thread, and wait for all.

        If one raises, those that wait at a barrier are released; so does Ctrl-C, once the call that it finds thread 0
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
            The first that was raised in any thread.
        RuntimeError
            If the team's threads do not run: outside its ``with`` statement, or in a forked process.
        """
        if self.n_threads == 1:
            return function(0, 1, self.words, *arguments)
        if len(self._jobs) < self.n_threads - 1 or self._process != os.getpid():
            raise RuntimeError("the threads of this team do not run: use it in its with statement and process")
        self.words.fill(0)
        job = _Job(function, arguments, self.n_threads, self.words, cores_for_others(self.n_threads))
        others = set(range(1, self.n_threads))
        while True:
            try:
                for jobs in self._jobs:
                    jobs.put(job)  # for the second time after Ctrl-C, which may have come before the first
                job.do(0)
                while not job.ended >= others:
                    job.news.get()
                break
            except BaseException as error:  # Ctrl-C, outside of `function`
                job.fail(error)
        if job.errors:
            raise job.errors.pop(0)
        return job.result


def _serve(thread: int, jobs: "SimpleQueue[Any]", ended: set[int], news: "SimpleQueue[None]", forgotten: Any) -> None:
    """Do the parts of one thread, until there is no job: a function, since a method would keep the team alive."""
    while isinstance(job := jobs.get(), _Job):
        job.do(thread)
        del job
    ended.add(thread)
    news.put(None)
