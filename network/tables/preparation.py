"""A table of mixed columns as the matrix of numbers that a network takes, prepared as for the training rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hotloop.network.tables.column import BOOLEAN, CATEGORY, DATE, DURATION, NUMBER, TEXT, Array, Column, shown
from hotloop.network.tables.decisions import Encoding, check_finite, decide, missing_in
from hotloop.network.tables.encodings import Dropped, Measured, OneHot
from hotloop.network.tables.reading import as_numbers, as_times
from hotloop.network.tables.table import Table
from hotloop.network.validation import arguments
from hotloop.network.validation.printable import counted

MAX_CATEGORIES = 100
ROWS_OF_A_BLOCK = 4096  # written at a time, column by column, so that they stay in the cache
MANY = 12  # names that a message lists
VERSION = 1
FORMS: dict[str, type[Encoding]] = {form.form: form for form in (Dropped, Measured, OneHot)}


@dataclass(frozen=True)
class ColumnReport:
    """What became of a column.

    Attributes
    ----------
    name : str
        Or its index, where there are no names.
    kind : str
        What it was taken for: number, date, duration, boolean, category or text.
    note : str
        What was done with it, in words.
    n_inputs : int
        How many columns of the matrix it has.
    first_input : int
        The first of them.
    n_missing : int
        Of the training rows.
    inputs : slice
        The columns of the matrix.
    """

    name: str
    kind: str
    note: str
    n_inputs: int
    first_input: int
    n_missing: int

    @property
    def inputs(self) -> slice:
        """The columns of the matrix."""
        return slice(self.first_input, self.first_input + self.n_inputs)


class Preparation:
    """How a table becomes a matrix; `fit` decides it from the training rows.

    Numbers, dates and durations (in days) are scaled by median and quartiles and smoothly clipped to -3 to 3; a missing
    one is the median, and flagged in one more input if training had missing ones. Dates that span several days, weeks
    or years have sines and cosines of these. Categories and text are one-hot, or one input if there are two, as for
    booleans, and scaled alike; a missing or unknown category is 0 in all.

    Attributes
    ----------
    names : tuple of str or None
        Of the columns in training.
    n_inputs : int
        Columns of the matrix.
    columns : tuple of ColumnReport
    """

    def __init__(
        self,
        names: tuple[str, ...] | None,
        labels: Sequence[str],
        encodings: Sequence[Encoding],
        n_missing: Sequence[int],
        offset: Array,
        scale: Array,
    ) -> None:
        self.names, self._labels = names, tuple(labels)
        self._encodings, self._n_missing = tuple(encodings), tuple(n_missing)
        self._offset, self._scale = offset, scale
        ends = np.cumsum([encoding.n_inputs for encoding in self._encodings], dtype=np.int64).tolist()
        self._starts = (0, *ends[:-1])
        self.n_inputs = ends[-1] if ends else 0

    @property
    def columns(self) -> tuple[ColumnReport, ...]:
        """What became of each column."""
        rows = zip(self._labels, self._encodings, self._starts, self._n_missing, strict=True)
        return tuple(ColumnReport(name, of.kind, of.note, of.n_inputs, start, gone) for name, of, start, gone in rows)

    @property
    def encodings(self) -> tuple[Encoding, ...]:
        """The encoding of each column."""
        return self._encodings

    @property
    def scaling(self) -> tuple[Array, Array]:
        """Offset and scale of each input, as its column's encoding takes them: two arrays (n_inputs,) of float64."""
        return self._offset, self._scale

    @property
    def unused(self) -> tuple[str, ...]:
        """Names of the columns that became no input, so that a table may lack them."""
        return tuple(name for name, of in zip(self.names or (), self._encodings, strict=False) if not of.n_inputs)

    @property
    def needed(self) -> tuple[str, ...] | None:
        """Names of the columns that a table must have; None if they had no names."""
        if self.names is None:
            return None
        return tuple(name for name, of in zip(self.names, self._encodings, strict=True) if of.n_inputs)

    def __repr__(self) -> str:
        """Return how many columns became how many inputs."""
        return f"<Preparation of {counted(len(self._encodings), 'column')} as {counted(self.n_inputs, 'input')}>"

    @classmethod
    def fit(
        cls,
        table: Table,
        categorical: Sequence[str | int] | None = None,
        *,
        max_categories: int = MAX_CATEGORIES,
        numeric_bins: int = 0,
    ) -> Self:
        """Decide from the training rows.

        Parameters
        ----------
        table : Table
            At least one row.
        categorical : sequence of str or int, or of bool, optional
            The columns that hold categories though they hold numbers, or whose text is not to be read as numbers or
            dates: names, indices, or a flag for each column.
        max_categories : int
            Of which a column has inputs at most; the rarer ones share one.
        numeric_bins : int, default 0
            Into how many bins a column of numbers is divided, each with an input, beside the input that the number
            itself has: the piecewise-linear encoding. The edges are quantiles, so that the bins hold equally many
            training rows; fewer, where values recur. 0 or 1 for none.

        Raises
        ------
        ValueError
            If there is nothing to learn from: no rows, no columns, no column that varies; if a number is infinite, a
            few texts are among numbers, or there is no such column.
        """
        max_categories = arguments.whole_number("max_categories", max_categories, 2)
        numeric_bins = arguments.whole_number("numeric_bins", numeric_bins, 0)
        forced = _places_of(categorical, table)
        if len(table) == 0 or not table.columns:
            rows_and_columns = f"{counted(len(table), 'row')} and {counted(len(table.columns), 'column')}"
            raise ValueError(f"{table.source} has {rows_and_columns}; wanted at least one of each")
        encodings: list[Encoding] = []
        missing: list[int] = []
        offset: list[float] = []
        scale: list[float] = []
        for index in range(len(table.columns)):
            encoding, column = decide(table, index, index in forced, max_categories, numeric_bins)
            encodings.append(encoding)
            missing.append(missing_in(column))
            if not isinstance(encoding, Dropped):
                offsets, scales = encoding.scales(column)
                offset += offsets
                scale += scales
        labels = [table.name(index) for index in range(len(table.columns))]
        made = cls(table.names, labels, encodings, missing, np.array(offset, np.float64), np.array(scale, np.float64))
        if made.n_inputs == 0:
            reports = "; ".join(f"{report.name}: {report.note}" for report in made.columns[:MANY])
            raise ValueError(f"{table.source} has no column to learn from: {reports}")
        return made

    def transform(self, table: Table, *, dtype: npt.DTypeLike = np.float32) -> Array:
        """Return the matrix (rows, n_inputs), of the dtype and in C order, finite.

        Columns are found by name where training had names and the table has; others are ignored, and those that became
        no input may lack. Without names columns are found by their places.

        Parameters
        ----------
        table : Table
        dtype : {float32, float64}
            What is computed in float64 is rounded to it.

        Raises
        ------
        ValueError
            If columns are missing, or a value is not of the kind that the column had in training, or is infinite.
        """
        out = np.empty((len(table), self.n_inputs), dtype)
        sources = [(index, encoding.source(column), encoding) for index, _, column, encoding in self._used(table)]
        for start in range(0, len(table), ROWS_OF_A_BLOCK):
            rows = slice(start, start + ROWS_OF_A_BLOCK)
            for index, source, encoding in sources:
                inputs = slice(self._starts[index], self._starts[index] + encoding.n_inputs)
                encoding.write(source.take(rows), out[rows, inputs], self._offset[inputs], self._scale[inputs])
        return out

    def surprises(self, table: Table) -> list[str]:
        """Return a line for each column that holds what training had none of: unknown categories, missing values."""
        lines: list[str] = []
        for index, place, column, encoding in self._used(table):
            lines += _surprises(f"{table.source}, {table.label(place)}", column, encoding, self._n_missing[index])
        return lines

    def _used(self, table: Table) -> Iterator[tuple[int, int, Column, Measured | OneHot]]:
        """Yield each column that became an input: its index in training, its place in the table, and its encoding."""
        for index, (place, encoding) in enumerate(zip(self._places_in(table), self._encodings, strict=True)):
            if not isinstance(encoding, Dropped):
                column = table.columns[place]
                if isinstance(encoding, Measured):
                    column = _measured_like(table, place, column, encoding)
                yield index, place, column, encoding

    def _places_in(self, table: Table) -> list[int]:
        """Return where each of the columns is in a table."""
        wanted, found = self.names, table.names
        if wanted is not None and found is not None:
            where = {name: place for place, name in enumerate(found)}
            unused = {*self.unused}
            absent = [name for name in wanted if name not in where and name not in unused]
            if absent:
                names = ", ".join(map(repr, absent[:MANY])) + f" and {len(absent) - MANY} more" * (len(absent) > MANY)
                s = "s" if len(absent) > 1 else ""
                raise ValueError(f"{table.source} lacks column{s} {names} that training had")
            return [where.get(name, -1) for name in wanted]
        if len(table.columns) != len(self._encodings):
            raise ValueError(
                f"{table.source} has {counted(len(table.columns), 'column')}; in training it had {len(self._encodings)}"
            )
        return list(range(len(table.columns)))

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return all that `from_state` needs: what JSON can hold, and arrays by name."""
        columns = [
            {
                "form": encoding.form,
                "kind": encoding.kind,
                "note": encoding.note,
                "missing": missing,
                **encoding.settings(),
            }
            for encoding, missing in zip(self._encodings, self._n_missing, strict=True)
        ]
        config = {"version": VERSION, "named": self.names is not None, "labels": list(self._labels), "columns": columns}
        return config, {"offset": self._offset, "scale": self._scale}

    @classmethod
    def from_state(cls, config: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Return the preparation that `state` described; it gives the same bits.

        Raises
        ------
        ValueError
            If the state is not one that `state` returns.
        """
        if config.get("version") != VERSION:
            raise ValueError(f"a preparation of version {config.get('version')!r}; this hotloop reads {VERSION}")
        encodings: list[Encoding] = []
        for column in config["columns"]:
            settings = {name: value for name, value in column.items() if name not in ("form", "missing")}
            if column["form"] == OneHot.form:
                settings["keys"] = tuple((kind, text) for kind, text in settings.pop("categories"))
            if column["form"] == Measured.form:
                settings["periods"] = tuple(settings["periods"])
            encodings.append(FORMS[column["form"]](**settings))
        labels, missing = tuple(config["labels"]), [column["missing"] for column in config["columns"]]
        made = cls(labels if config["named"] else None, labels, encodings, missing, arrays["offset"], arrays["scale"])
        for name in ("offset", "scale"):
            if arrays[name].shape != (made.n_inputs,) or arrays[name].dtype != np.float64:
                raise ValueError(f"the {name} has shape {arrays[name].shape}; wanted float64 ({made.n_inputs},)")
        return made


def _places_of(categorical: Sequence[str | int] | None, table: Table) -> set[int]:
    """Return the places of the columns that are forced to be categories."""
    if categorical is None:
        return set()
    if isinstance(categorical, str):
        raise TypeError(f"categorical is the text {categorical!r}; wanted a list of columns: [{categorical!r}]")
    if not isinstance(categorical, Iterable):
        raise TypeError(f"categorical is {categorical!r}; wanted a list of columns: [{categorical!r}]")
    found, n_columns = list(categorical), len(table.columns)
    if found and all(isinstance(entry, (bool, np.bool_)) for entry in found):
        if len(found) != n_columns:
            flags, columns = counted(len(found), "flag"), counted(n_columns, "column")
            raise ValueError(f"categorical has {flags}; {table.source} has {columns}")
        return {place for place, flag in enumerate(found) if flag}
    return {_place_of(entry, table, n_columns) for entry in found}


def _place_of(entry: Any, table: Table, n_columns: int) -> int:
    """Return the place of a column that is given by its name, a text, or by its place."""
    names, name = table.names or (), str(entry)
    is_place = isinstance(entry, (int, np.integer)) and not isinstance(entry, (bool, np.bool_))
    if not is_place:
        if name in names and isinstance(entry, (str, tuple)):  # a frame may have tuples for names
            return names.index(name)
        has = f"has {', '.join(map(repr, names[:MANY]))}" if names else "has no names of columns"
        raise ValueError(f"categorical names {entry!r}; {table.source} {has}")
    place = int(entry)
    if name in names and names.index(name) != place:
        raise ValueError(
            f"categorical has {place}, which is the name of one column of {table.source} and maybe the place of "
            f"another: give names as text, {name!r}"
        )
    if not -n_columns <= place < n_columns:
        raise ValueError(f"categorical has the index {place}; {table.source} has columns 0 to {n_columns - 1}")
    return place % n_columns


def _measured_like(table: Table, place: int, column: Column, encoding: Measured) -> Column:
    """Return a column as numbers of the kind that it had in training."""
    if column.kind != encoding.kind and missing_in(column) < len(table):
        if encoding.kind == NUMBER and column.kind in (TEXT, CATEGORY, BOOLEAN):
            column = as_numbers(table, place)
        elif encoding.kind in (DATE, DURATION) and column.kind in (TEXT, CATEGORY):
            column = as_times(table, place, encoding.kind)
        else:
            raise ValueError(
                f"{table.source}, {table.label(place)} holds values of kind {column.kind}; in training: {encoding.kind}"
            )
    elif column.kind != encoding.kind:
        column = Column(encoding.kind, np.full(len(table), np.nan))
    check_finite(table, place, column)
    return column


def _surprises(label: str, column: Column, encoding: Measured | OneHot, n_missing: int) -> list[str]:
    """Return what is to be said of a column that holds what training had none of."""
    lines = []
    missing = missing_in(column)
    if missing and not n_missing:
        taken = "the median" if isinstance(encoding, Measured) else "no category"
        lines.append(f"{label}: {counted(missing, 'missing value')}, where training had none, taken as {taken}")
    if isinstance(encoding, OneHot):
        unknown = encoding.codes(column)[1]
        if len(unknown) and not encoding.other:
            names = ", ".join(map(shown, unknown[:MANY])) + ", ..." * (len(unknown) > MANY)
            lines.append(f"{label}: unknown categories, taken as missing: {names}")
    return lines
