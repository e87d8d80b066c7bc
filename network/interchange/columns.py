"""The preparation of a table's columns for source code, where each column is given as a number."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.interchange.layers import Layer, refuse
from hotloop.network.tables.column import BOOLEAN, DATE, DURATION, NUMBER
from hotloop.network.tables.encodings import Dropped, Measured, OneHot
from hotloop.network.tables.preparation import Preparation
from hotloop.network.tables.scales import scaled

UNITS = {DATE: "days since 1970-01-01 UTC", DURATION: "days"}
MOST_CATEGORIES = 1000  # that a comment lists


@dataclass(frozen=True)
class Value:
    """An input that a column of numbers has, of `hotloop.network.tables.encodings.Measured`.

    Parameters
    ----------
    kind : {"value", "sine", "cosine", "missing", "bin"}
    offset, scale : float
    more : float
        The frequency of a sine or cosine; for a bin what a missing number is taken for.
    """

    kind: str
    offset: float
    scale: float
    more: float = 0.0


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, dates or durations: its name, what is given for it, and its inputs."""

    name: str
    words: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class CategoryColumn:
    """A column of categories: its name, what is given for it, the numbers that stand for them, and their inputs.

    `rows` (categories + 2, inputs) are those of each category, then of an unknown and of a missing one.
    """

    name: str
    words: str
    numbers: Array
    rows: Array


@dataclass(frozen=True)
class Prepare(Layer):
    """Columns of a table become the inputs of a network, `n_inputs` of them."""

    columns: tuple[NumberColumn | CategoryColumn, ...]
    n_inputs: int

    def lines(self) -> Iterator[str]:
        """Yield what is to be given for each column."""
        for place, column in enumerate(self.columns):
            yield f"{place}: {column.name}: {column.words}"


def prepare(preparation: Preparation) -> Prepare:
    """Return a preparation as a layer.

    Raises
    ------
    ValueError
        If a column cannot be given as a number; it is named.
    """
    columns: list[NumberColumn | CategoryColumn] = []
    offset, scale = preparation.scaling
    for report, encoding in zip(preparation.columns, preparation.encodings, strict=True):
        numbers = offset[report.inputs], scale[report.inputs]
        if isinstance(encoding, Measured):
            columns.append(_numbers(report.name, encoding, *numbers))
        elif not isinstance(encoding, Dropped):
            columns.append(_categories(report.name, encoding, *numbers))
    return Prepare(tuple(columns), preparation.n_inputs, place="the preparation of the table")


def _numbers(name: str, encoding: Measured, offset: Array, scale: Array) -> NumberColumn:
    if encoding.origin:
        refuse(f"column {name!r}", "holds whole numbers beyond 2**53, which no floating-point number tells apart")
    waves = [(kind, 2 * np.pi / period) for period in encoding.periods for kind in ("sine", "cosine")]
    kinds: list[tuple[str, float]] = [("value", 0.0)] * encoding.value + waves + [("missing", 0.0)] * encoding.flag
    kinds += [("bin", float(offset[0]))] * encoding.bins
    values = [Value(kind, float(o), float(s), more) for (kind, more), o, s in zip(kinds, offset, scale, strict=True)]
    return NumberColumn(name, f"{UNITS.get(encoding.kind, 'a number')}; NaN if missing", tuple(values))


def _categories(name: str, encoding: OneHot, offset: Array, scale: Array) -> CategoryColumn:
    kinds = {kind for kind, _ in encoding.keys}
    if kinds == {NUMBER}:
        given: list[Any] = [float(text) for _, text in encoding.keys]
        words = "one of " + ", ".join(text for _, text in encoding.keys[:MOST_CATEGORIES])
        places = [*range(len(given))]
    elif kinds == {BOOLEAN}:
        given, words = [0.0, 1.0], "0 or 1"
        places = [encoding.place_of(bool(number)) for number in given]
    else:
        given, places = [*range(len(encoding.keys))], [*range(len(encoding.keys))]
        words = ", ".join(f"{place} = {text}" for place, (_, text) in enumerate(encoding.keys[:MOST_CATEGORIES]))
    rows = scaled(encoding.raw(), offset, scale)
    unknown, missing = len(encoding.keys), len(encoding.keys) + 1
    order = [place if place >= 0 else unknown for place in places] + [unknown, missing]
    return CategoryColumn(
        name, f"{words}; another number if unknown, NaN if missing", np.array(given, float), rows[order]
    )
