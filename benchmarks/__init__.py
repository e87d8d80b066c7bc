"""hotloop's benchmarks, run by airspeed velocity: docs/benchmarking.md says how to write and run one.

Lower is better everywhere. Each benchmark and combination of parameters runs in a process of its own, on one thread
unless it is about threads. Sizes are frozen: parameters are only ever appended. `version` changes by hand when a
benchmark measures something else: results of other versions are not compared. The suite of the current commit times
older ones too; what such a commit does not have, `setup` leaves out by NotImplementedError.

Machine code is cached in a folder per commit inside asv's environment, which asv deletes with it.
"""

import inspect
import os
import pathlib
from typing import Any

ENVIRONMENT, COMMIT = os.environ.get("ASV_ENV_DIR", ""), os.environ.get("ASV_COMMIT", "")
if COMMIT:  # before Numba is imported
    os.environ["NUMBA_CACHE_DIR"] = str(pathlib.Path(ENVIRONMENT, "numba-cache", COMMIT))
    for name in os.environ:  # other than those that set where code is kept, or what hotloop does not use
        if name.startswith("NUMBA_") and name not in ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS"):
            raise RuntimeError(f"unset {name}: with it, other code would be timed than the one that users run")

from numba.core import event  # noqa: E402

import hotloop.kernels  # noqa: E402


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
