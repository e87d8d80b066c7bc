"""The suite of this checkout, on the package of a commit."""

import gc
import time
from collections.abc import Callable
from typing import Any

import hotloop
from benchmarks.comparison.measure import repetitions
from benchmarks.comparison.verdicts import Listed
from benchmarks.suite import Entry, entries


class Peer:
    """One benchmark at a time: `make`, then `value` or `sample`, then `end`."""

    def __init__(self, package: str) -> None:
        if not hotloop.__file__.startswith(package):
            raise RuntimeError(f"imported {hotloop.__file__}, wanted the package in {package}")
        self.entries = {entry.name: entry for entry in entries()}

    def catalog(self) -> list[Listed]:
        """Return all benchmarks."""
        return [listed(entry) for entry in self.entries.values()]

    def make(self, name: str) -> str:
        """Set up a benchmark; return why it is left out here, or an empty string."""
        entry: Entry = self.entries[name]
        self.subject, self.parameters = entry.owner(), entry.parameters
        self.body: Callable[..., Any] = getattr(self.subject, entry.body)
        try:
            self.subject.setup(*self.parameters)
        except NotImplementedError as error:
            return str(error)
        return ""

    def value(self) -> float:
        """Return the value of a ``track_`` body."""
        return float(self.body(*self.parameters))

    def calls(self, seconds: float) -> int:
        """Return how many calls of the body fill `seconds`."""
        return repetitions(seconds, min(self.sample(1) for _ in range(3)))

    def sample(self, calls: int) -> float:
        """Return the mean seconds of a call, over `calls` calls."""
        body, parameters = self.body, self.parameters
        gc.disable()
        try:
            began = time.perf_counter()
            for _ in range(calls):
                body(*parameters)
            return (time.perf_counter() - began) / calls
        finally:
            gc.enable()

    def end(self) -> None:
        """Tear the benchmark down."""
        self.subject.teardown(*self.parameters)


def listed(entry: Entry) -> Listed:
    """Return what another process needs to know of a benchmark."""
    return Listed(entry.name, entry.body, getattr(entry.owner, "unit", "us"), entry.owner.exact)
