"""What the columns of a table become: numbers as they are measured, categories one-hot, or nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from hotloop.network.tables.categories import Key, key_of, texts_of
from hotloop.network.tables.column import BOOLEAN, Array, Column
from hotloop.network.tables.scales import bin_edges, in_bin, inverse, robust, robust_of_counts, scaled

ONE_HOT, SIGNED = np.array([0.0, 1.0]), np.array([-1.0, 0.0, 1.0])


@dataclass(frozen=True)
class Dropped:
    """No input at all; the note says why."""

    form: ClassVar[str] = "dropped"
    kind: str
    note: str
    n_inputs: ClassVar[int] = 0

    def settings(self) -> dict[str, Any]:
        """Return what else a file keeps."""
        return {}


@dataclass(frozen=True)
class Measured:
    """Numbers, dates or durations: an input with the value, waves of periods, and an input that flags missing values.

    The inputs are, before they are scaled: x; for each period p, in days, sin(2 pi x / p) and cos(2 pi x / p); and 1
    where x is missing, else 0. After them come, not scaled, those of the piecewise-linear encoding: for each bin from a
    to b, 2 e - 1 with e = (x - a) / (b - a), cut off at 0 and 1.
    """

    form: ClassVar[str] = "measured"
    kind: str
    note: str
    value: bool = True  # whether there is an input with it: not if it is constant
    origin: int = 0  # subtracted from whole numbers that float64 cannot hold
    periods: tuple[float, ...] = ()
    flag: bool = False
    quantiles: int = 0  # equal shares of the training rows, between which the edges of bins are
    bins: int = 0  # between edges that differ

    @property
    def n_inputs(self) -> int:
        """Number of inputs."""
        return self.value + 2 * len(self.periods) + self.flag + self.bins

    def settings(self) -> dict[str, Any]:
        """Return what else a file keeps."""
        return {
            "value": self.value, "origin": self.origin, "periods": list(self.periods), "flag": self.flag,
            "quantiles": self.quantiles, "bins": self.bins,
        }  # fmt: skip

    def floats(self, column: Column) -> Array:
        """Return the values as float64, less the origin, NaN where they are missing; always a new array."""
        values = column.values
        if self.origin:
            floats = (values.astype(np.longdouble) - self.origin).astype(np.float64)
        else:
            floats = values.astype(np.float64)
        if column.missing is not None:
            floats[column.missing] = np.nan
        return floats

    def raw(self, floats: Array) -> Iterator[Array]:
        """Yield the inputs (rows,) before they are scaled, NaN where the value is missing, the flag never."""
        if self.value:
            yield floats
        for period in self.periods:
            angle = floats * (2 * np.pi / period)
            yield np.sin(angle)
            yield np.cos(angle)
        if self.flag:
            yield np.isnan(floats).astype(np.float64)

    def scales(self, column: Column) -> tuple[list[float], list[float]]:
        """Return offset and scale of each input, from the training rows; of a bin its lower edge and 1 / its width."""
        floats = self.floats(column)
        found = [robust(raw[~np.isnan(raw)]) for raw in self.raw(floats)]
        if self.bins:
            edges = bin_edges(floats[~np.isnan(floats)], self.quantiles)
            found += zip(edges[:-1].tolist(), inverse(np.diff(edges)).tolist(), strict=True)
        return [offset for offset, _ in found], [scale for _, scale in found]

    def source(self, column: Column) -> Column:
        """Return what `write` takes, of a part of the rows."""
        return column

    def write(self, column: Column, out: Array, offset: Array, scale: Array) -> None:
        """Write the scaled inputs; a missing value is the median, which is 0."""
        floats = self.floats(column)
        gone = np.isnan(floats)
        any_gone = bool(gone.any())
        for place, raw in enumerate(self.raw(floats)):
            inputs = scaled(raw, offset[place], scale[place])
            if any_gone:
                np.copyto(inputs, 0.0, where=np.isnan(inputs))
            out[:, place] = inputs
        if self.bins:
            np.copyto(floats, offset[0], where=gone)
            for place in range(self.n_inputs - self.bins, self.n_inputs):
                out[:, place] = in_bin(floats, offset[place], scale[place])


@dataclass(frozen=True)
class OneHot:
    """Categories: an input for each, or one of -1 and +1 if there are two; missing ones are 0 in all.

    Attributes
    ----------
    keys : tuple of (kind, text)
        The categories, in order.
    other : bool
        Whether one more input is for all other categories, known and unknown.
    """

    form: ClassVar[str] = "one-hot"
    kind: str
    note: str
    keys: tuple[Key, ...]
    other: bool = False
    _places: dict[Key, int] = field(init=False, repr=False, compare=False)
    _by_text: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Build what categories are looked up in."""
        places = {key: place for place, key in enumerate(self.keys)}
        by_text: dict[str, int] = {}
        for rank in range(3):  # a surer text of one category goes before a less sure one of another
            for key, place in places.items():
                for text in texts_of(key)[rank : rank + 1]:
                    by_text.setdefault(text, place)
        object.__setattr__(self, "_places", places)
        object.__setattr__(self, "_by_text", by_text)

    @property
    def is_signed(self) -> bool:
        """Whether two categories are the signs of one input."""
        return len(self.keys) == 2 and not self.other

    @property
    def n_inputs(self) -> int:
        """Number of inputs."""
        return 1 if self.is_signed else len(self.keys) + self.other

    def settings(self) -> dict[str, Any]:
        """Return what else a file keeps."""
        return {"categories": [list(key) for key in self.keys], "other": self.other}

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that some category is found under."""
        return tuple(self._by_text)

    def place_of(self, value: Any) -> int:
        """Return the place of a category, -1 if it is unknown."""
        if self.kind == BOOLEAN and isinstance(value, str):
            value = value.strip().lower()
        key = key_of(value)
        if key in self._places:
            return self._places[key]
        return next((self._by_text[text] for text in texts_of(key) if text in self._by_text), -1)

    def codes(self, column: Column) -> tuple[Array, Array]:
        """Return the place of each row's category, -1 for a missing one, and the categories that are unknown.

        An unknown category has the place after the last.
        """
        column = column.as_categories()
        values, distinct = column.values, column.categories
        places = np.array([*map(self.place_of, distinct), 0], np.int64)
        unknown = np.flatnonzero(places[:-1] < 0)
        places[unknown] = len(self.keys)
        places[-1] = -1
        unknown = unknown[np.isin(unknown, values)]
        return places[values], np.array([distinct[place] for place in unknown.tolist()], np.object_)

    def scales(self, column: Column) -> tuple[list[float], list[float]]:
        """Return offset and scale of each input, from the training rows."""
        codes = self.codes(column)[0]
        counts = np.bincount(codes + 1, minlength=len(self.keys) + 2)
        if self.is_signed:
            offset, scale = robust_of_counts(SIGNED, np.array([counts[1], counts[0] + counts[3], counts[2]]))
            return [offset], [scale]
        ones = counts[1 : 1 + self.n_inputs]
        found = [robust_of_counts(ONE_HOT, np.array([len(codes) - n, n])) for n in ones]
        return [offset for offset, _ in found], [scale for _, scale in found]

    def source(self, column: Column) -> Column:
        """Return what `write` takes, of a part of the rows: the categories by their places."""
        return Column(self.kind, self.codes(column)[0], self.keys)

    def write(self, column: Column, out: Array, offset: Array, scale: Array) -> None:
        """Write the scaled inputs."""
        out[:] = scaled(self.raw(), offset, scale).astype(out.dtype)[column.values]

    def raw(self) -> Array:
        """Return the inputs before they are scaled: a row for each category, other or unknown ones, missing ones."""
        return np.array([[-1.0], [1.0], [0.0], [0.0]]) if self.is_signed else np.eye(len(self.keys) + 2, self.n_inputs)
