"""What all benchmarks have in common: set up first, nothing compiled while timed, one core unless about threads."""

import inspect
import os
from typing import Any

from numba.core import event

import hotloop.kernels
from benchmarks import COMMIT


class Compiler(event.Listener):  # type: ignore[misc]
    """Counts how often the compiler was entered, be it to compile or to load machine code from the cache."""

    def __init__(self) -> None:
        self.entries = 0
        event.register("numba:compiler_lock", self)

    def on_start(self, event: Any) -> None:
        """Hear that the compiler is entered."""
        self.entries += 1

    def on_end(self, event: Any) -> None:
        """Hear that it is left."""


COMPILER = Compiler()


class Benchmark:
    """What every benchmark has: bodies of one line, run once by `setup`, so that nothing is compiled while timed.

    A subclass prepares its arrays in `prepare`, which is called before each sample and so must be quick: what takes
    long is kept in `functools.cache`.
    """

    timeout = 300
    version = "1"
    exact = False  # the same in every run: `gate.py` allows no increase
    threads = 1
    entries = None

    def prepare(self, *parameters: Any) -> None:
        """Make what the bodies need; raise NotImplementedError if this commit or machine cannot run them."""

    def setup(self, *parameters: Any) -> None:
        if COMMIT and self.threads == 1:  # one core: the last, since systems like the first
            os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])
        self.prepare(*parameters)
        for name, body in inspect.getmembers(self, inspect.ismethod):
            if name.startswith("time_"):
                body(*parameters)
        self.entries = COMPILER.entries

    def teardown(self, *parameters: Any) -> None:
        if self.entries not in (None, COMPILER.entries):  # None where `setup` left the benchmark out
            raise RuntimeError("the compiler was entered inside the timed part: have `setup` run all that it runs")


class Timing(Benchmark):
    """Seconds a call. asv tells a regression from noise when it has six samples or more of either commit."""

    rounds = 2  # processes, which differ in where their memory lies
    repeat = (6, 20, 2.0)  # at least, at most, seconds in all; each in both rounds
    sample_time = 0.02  # seconds: a sample repeats the body to fill it
    warmup_time = 0.05


def kernel(name: str) -> Any:
    """Return a kernel of `hotloop.kernels`, or leave the benchmark out where this commit has none of that name."""
    if not hasattr(hotloop.kernels, name):
        raise NotImplementedError(f"this commit has no kernel {name}")
    return getattr(hotloop.kernels, name)
