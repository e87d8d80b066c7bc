"""The latency of predicting one row, in a peer's process."""

import importlib

from benchmarks.comparison.cases import Array, Layers


class OneRow:
    """A module's ways to predict one row.

    The module's `one_row` returns functions by name. For one that predicts several times in a call, in compiled code,
    the module's `PREDICTIONS` has the number.
    """

    def __init__(self, module: str, layers: Layers, row: Array) -> None:
        found = importlib.import_module(f"benchmarks.comparison.{module}")
        self.ways = found.one_row(layers, row)
        self.predictions = getattr(found, "PREDICTIONS", {})

    def names(self) -> list[tuple[str, int]]:
        """Return the name of each way, and how often it predicts in a call."""
        return [(name, self.predictions.get(name, 1)) for name in self.ways]

    def output(self, name: str) -> Array:
        return self.ways[name]()

    def repeat(self, name: str, times: int) -> None:
        way = self.ways[name]
        for _ in range(times):
            way()
