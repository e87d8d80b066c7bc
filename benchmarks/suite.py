"""The benchmarks, found as asv finds them: methods of classes in this folder's modules."""

import importlib
import inspect
import itertools
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import benchmarks

KINDS = ("time_", "timeraw_", "track_", "peakmem_")


@dataclass(frozen=True)
class Entry:
    """A benchmark with one combination of its parameters."""

    module: str
    owner: Any  # the class
    body: str
    parameters: tuple[Any, ...]

    @property
    def benchmark(self) -> str:
        """What asv calls the benchmark."""
        return f"{self.module}.{self.owner.__name__}.{self.body}"

    @property
    def name(self) -> str:
        """What asv's --bench searches: ``module.Class.body('parameter', ...)``."""
        return full_name(self.benchmark, [repr(value) for value in self.parameters])


def full_name(benchmark: str, parameters: list[str]) -> str:
    """Return a benchmark's name with its parameters, each as `repr` writes it."""
    return f"{benchmark}({', '.join(parameters)})" if parameters else benchmark


def owners() -> Iterator[tuple[str, Any]]:
    """Yield module name and class of every class with benchmarks."""
    for found in pkgutil.iter_modules(benchmarks.__path__):
        module = importlib.import_module(f"benchmarks.{found.name}")
        for _, owner in inspect.getmembers(module, inspect.isclass):
            if owner.__module__ == module.__name__ and any(name.startswith(KINDS) for name in dir(owner)):
                yield found.name, owner


def entries() -> Iterator[Entry]:
    """Yield every benchmark with every combination of its parameters."""
    for module, owner in owners():
        for body in (name for name in dir(owner) if name.startswith(KINDS)):
            for values in itertools.product(*getattr(owner, "params", [])):
                yield Entry(module, owner, body, values)
