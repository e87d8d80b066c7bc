"""What all benchmarks share: set-up first, nothing compiled while timed, one core unless about threads."""

import inspect
import os
from typing import Any

from numba.core import event

import hotloop.kernels
from benchmarks import COMMIT


class Compiler(event.Listener):  # type: ignore[misc]
    """Counts how often the compiler was entered, to compile or to load machine code from the cache."""

    def __init__(self) -> None:
        self.entries = 0
        event.register("numba:compiler_lock", self)

    def on_start(self, event: Any) -> None:
        """Count it."""
        self.entries += 1

    def on_end(self, event: Any) -> None:
        """Do nothing; Numba calls it."""


COMPILER = Compiler()


class Benchmark:
    """Bodies of one line, each run once by `setup`, so that nothing is compiled while timed.

    A subclass makes its arrays in `prepare`, which is called before each sample and so must be quick: put slow parts
    into a `functools.cache`.
    """

    timeout = 300
    version = "1"
    exact = False  # the same in every run; `gate.py` allows no increase
    threads = 1
    entries = None

    def prepare(self, *parameters: Any) -> None:
        """Make what the bodies need; raise NotImplementedError if this commit or machine cannot run them."""

    def setup(self, *parameters: Any) -> None:
        if COMMIT and self.threads == 1:  # the last core, since systems prefer the first
            os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])
        self.prepare(*parameters)
        for name, body in inspect.getmembers(self, inspect.ismethod):
            if name.startswith("time_"):
                body(*parameters)
        self.entries = COMPILER.entries

    def teardown(self, *parameters: Any) -> None:
        if self.entries not in (None, COMPILER.entries):  # None where `setup` left the benchmark out
            raise RuntimeError(
                "the compiler was entered inside the timed part: `setup` must run everything that it runs"
            )


class Timing(Benchmark):
    """Seconds a call. asv tells a regression from noise if it has at least six samples of each commit."""

    rounds = 2  # processes, since they differ in where their memory lies
    repeat = (6, 20, 2.0)  # fewest, most, seconds in all; in each round
    sample_time = 0.02  # seconds: a sample repeats the body to fill it
    warmup_time = 0.05


def kernel(name: str) -> Any:
    """Return a kernel of `hotloop.kernels`; raise NotImplementedError if this commit has none of that name."""
    if not hasattr(hotloop.kernels, name):
        raise NotImplementedError(f"this commit has no kernel {name}")
    return getattr(hotloop.kernels, name)
