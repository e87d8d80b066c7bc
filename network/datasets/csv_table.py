"""Tables read from CSV files, of numbers or of mixed columns, with every fault named by line and column."""

import array
import contextlib
import csv
import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from hotloop.network.datasets.csv_columns import CellsOfColumn, Columns
from hotloop.network.datasets.csv_dialect import (
    MISSING,
    Dialect,
    examine,
    has_header,
    line_that_is_not_utf8,
    lines_of,
    open_text,
)
from hotloop.network.datasets.csv_numbers import FILL_IN, MANY, Fault, FloatArray, Numbers, column_name, fail
from hotloop.network.datasets.data_warning import note
from hotloop.network.datasets.open_binary import name_of, open_binary
from hotloop.network.validation.printable import counted, printable

UNKNOWN = Dialect()
MISSING_TARGET = "the target is missing"


@dataclass(frozen=True, eq=False)
class Target:
    """The cells of a file's target column as they are written, and what messages and models call things."""

    name: str  # of the file
    columns: tuple[str, ...] | None  # names of the inputs; None without a header
    target_column: int  # counted from 0
    target: str  # "column 'price'" or "column index 3", for messages
    cells: list[str]  # of the target column
    lines: Sequence[int]  # line of the file on which each row ends
    dialect: Dialect
    unit: str = "line"  # what messages count by


@dataclass(frozen=True, eq=False)
class Table(Target):
    """The inputs and the target of a CSV file of numbers."""

    inputs: FloatArray = field(default_factory=lambda: np.empty((0, 0)))  # (rows, inputs) float64, finite


@dataclass(frozen=True, eq=False)
class MixedTable(Target):
    """The inputs and the target of a CSV file of mixed columns."""

    inputs: Sequence[CellsOfColumn] = ()


@dataclass
class _Rows:
    """The rows of an open file: the first row, and an iterator over the rest."""

    name: str
    dialect: Dialect
    sample: list[list[str]]
    first: list[str]
    line: int  # of the first
    rest: Iterator[tuple[int, list[str]]]

    def header(self, places: Sequence[int]) -> bool:
        """Say whether the first row is a header, if the inputs are the columns `places`."""
        if self.dialect.header is not None:
            return self.dialect.header
        return has_header(self.name, self.sample or [self.first], places, self.dialect.decimal or ".")

    def body(self, header: bool) -> Iterator[tuple[int, list[str]]]:
        """Return the rows of values, each as wide as the first."""
        return self.rest if header else itertools.chain([(self.line, self.first)], self.rest)


def read_table(path: str | Path, target: str | int | None = None, known: Dialect = UNKNOWN) -> Table:
    """Read a CSV file that holds inputs and one target column.

    Parameters
    ----------
    path : str or Path
        Text in UTF-8, or with a byte order mark, plain or gzipped; "-" for standard input.
    target : str or int, optional
        Name of the target column, or its index counted from 0 (negative from the end); the last column by
        default. A target found by name makes the first line a header.
    known : Dialect
        How the file is written, as far as that is known.

    Returns
    -------
    Table
        Inputs as float64, target cells as text.

    Raises
    ------
    ValueError
        If a row has another number of cells than the first, a value is missing or is not a number, there are no rows,
        or two readings fit.
    FileNotFoundError
        If there is no such file.
    """
    with _open(path, known, _has_target(target), Dialect()) as rows:
        place, names, described = _described(rows, target)
        places = [index for index in range(len(rows.first)) if index != place]
        numbers = Numbers(rows.name, rows.dialect.decimal or ".", rows.line, names, places)
        for line, row in rows.body(names is not None):
            cell = row.pop(place).strip()
            if cell.lower() in MISSING:
                numbers.faults.setdefault(place, Fault(line, MISSING_TARGET, FILL_IN)).rows += 1
            described["cells"].append(cell)
            described["lines"].append(line)
            numbers.append(line, row)
        return Table(**described, inputs=numbers.array(len(described["cells"]), described["lines"]))


def read_mixed_table(
    path: str | Path, target: str | int | None = None, known: Dialect = UNKNOWN, missing: Collection[str] = ()
) -> MixedTable:
    """Read a CSV file of mixed columns; the parameters are those of `read_table`, with further words for missing."""
    with _open(path, known, _has_target(target), Dialect()) as rows:
        place, names, described = _described(rows, target)
        columns = Columns(rows.name, rows.dialect.decimal or ".", missing)
        targets = described["cells"]
        for line, row in rows.body(names is not None):
            targets.append(row.pop(place).strip())
            described["lines"].append(line)
            columns.append(row)
        if gone := {cell for cell in {*targets} if columns.is_missing(cell)}:
            missed = [index for index, cell in enumerate(targets) if cell in gone]
            more = f" (and in {counted(len(missed) - 1, 'more row')})" if len(missed) > 1 else ""
            fail(rows.name, described["lines"][missed[0]], described["target"], f"{MISSING_TARGET}{more}: {FILL_IN}")
        return MixedTable(**described, inputs=columns.columns(described["lines"], described["columns"]))


def _has_target(target: str | int | None) -> Callable[[list[str]], bool]:
    """Return a function that says whether a first row has two columns or more, the target among them."""

    def fits(first: list[str]) -> bool:
        by_name = isinstance(target, str) and not target.lstrip("-").isdecimal()
        return len(first) > 1 and (not by_name or target in [cell.strip() for cell in first])

    return fits


def _described(rows: _Rows, target: str | int | None) -> tuple[int, list[str] | None, dict[str, Any]]:
    """Return the place of the target, the names of all columns, and what a `Target` holds, its rows to be filled in."""
    place, named = _target_place(rows, target)
    header = named or rows.header([index for index in range(len(rows.first)) if index != place])
    names = _checked_names(rows) if header else None
    dialect = rows.dialect
    return place, names, {
        "name": rows.name,
        "columns": None if names is None else (*names[:place], *names[place + 1 :]),
        "target_column": place,
        "target": column_name(names, place),
        "cells": [],
        "lines": array.array("q"),
        "dialect": Dialect(True if named else dialect.header, dialect.separator, dialect.decimal),
    }  # fmt: skip


def read_inputs(
    path: str | Path,
    n_inputs: int,
    columns: Sequence[str] | None,
    target_column: int | None,
    known: Dialect = UNKNOWN,
    like: Dialect = UNKNOWN,
) -> FloatArray:
    """Read the inputs of a trained network from a CSV file.

    Parameters
    ----------
    path : str or Path
        If its header names all of `columns`, these are read, in any order, and others are ignored. Otherwise columns
        are found by position: as many as the network has inputs, or one more, with the target at `target_column`.
    n_inputs : int
        Inputs of the network.
    columns : sequence of str or None
        Names of the inputs in training; None if they had none.
    target_column : int or None
        Position of the target in training; the last column if None.
    known : Dialect
        How the file is written, as far as that is known.
    like : Dialect
        How the training file was written; decides where two readings fit.

    Returns
    -------
    array (rows, n_inputs)
        float64, unscaled.

    Raises
    ------
    ValueError, FileNotFoundError
        As in `read_table`, or if the columns do not fit the network.
    """
    with _open_inputs(path, n_inputs, columns, target_column, known, like) as (rows, places, names):
        numbers = Numbers(rows.name, rows.dialect.decimal or ".", rows.line, names, places)
        lines = array.array("q")
        for line, row in rows.body(names is not None):
            numbers.append(line, [row[index] for index in places])
            lines.append(line)
        return numbers.array(len(lines), lines)


def read_mixed_inputs(
    path: str | Path,
    n_columns: int,
    columns: Sequence[str] | None,
    target_column: int | None,
    known: Dialect = UNKNOWN,
    like: Dialect = UNKNOWN,
    missing: Collection[str] = (),
    unused: Collection[str] = (),
) -> tuple[str, Sequence[str] | None, Sequence[CellsOfColumn], Sequence[int]]:
    """Return name, names of columns, cells of columns and lines of a CSV file, for a network that takes such a table.

    The parameters are those of `read_inputs`, with further words for `missing`, and `unused` columns: they may lack,
    and are not read if the others are found by their names.
    """
    opened = _open_inputs(path, n_columns, columns, target_column, known, like, unused)
    with opened as (rows, places, names):
        cells = Columns(rows.name, rows.dialect.decimal or ".", missing)
        lines = array.array("q")
        for line, row in rows.body(names is not None):
            cells.append([row[index] for index in places])
            lines.append(line)
        found = columns if names is None else [names[index] for index in places]
        return rows.name, found, cells.columns(lines, found), lines


@contextlib.contextmanager
def _open_inputs(
    path: str | Path,
    n_inputs: int,
    columns: Sequence[str] | None,
    target_column: int | None,
    known: Dialect,
    like: Dialect,
    unused: Collection[str] = (),
) -> Iterator[tuple[_Rows, list[int], list[str] | None]]:
    """Open a file, and yield its rows, where the inputs are in them, and the names in its header, if it has one."""
    wanted = None if columns is None or known.header is False else set(columns) - set(unused)

    def fits(first: list[str]) -> bool:
        return len(first) in (n_inputs, n_inputs + 1) or (
            wanted is not None and wanted <= {cell.strip() for cell in first}
        )

    with _open(path, known, fits, like) as rows:
        first = [cell.strip() for cell in rows.first]
        if columns is not None and wanted is not None and wanted <= set(first):
            header = True
            where = {name: index for index, name in enumerate(first) if name in wanted}
            if len(where) < sum(name in wanted for name in first):
                twice = next(name for index, name in enumerate(first) if name in wanted and where[name] != index)
                raise ValueError(f"{rows.name}, line {rows.line}: two columns are named {twice!r}: rename one")
            places = [where[name] for name in columns if name in wanted]
        else:
            place = n_inputs if target_column is None else target_column
            places = [index for index in range(len(first)) if index != place or len(first) != n_inputs + 1]
            header = rows.header(places)
            if header and columns is not None:
                named = set(first)
                absent = [name for name in columns if name not in named and name not in unused]
                raise ValueError(f"{rows.name} lacks {_listed('column', absent)} that the network was trained on")
            if len(places) != n_inputs:
                raise ValueError(
                    f"{rows.name} has {counted(len(first), 'column')}; the network takes {counted(n_inputs, 'input')} "
                    f"(or {n_inputs + 1} columns, with the target)"
                )
            if columns is not None:
                note(f"{rows.name} has no header: its columns are taken to be {_listed('column', columns)}")
        yield rows, places, first if header else None


@contextlib.contextmanager
def _open(path: str | Path, known: Dialect, fits: Callable[[list[str]], bool], like: Dialect) -> Iterator[_Rows]:
    """Open a file, find out how it is written, and read its first row."""
    name = printable(name_of(path))
    with open_binary(path) as file:
        try:
            text = open_text(name, file)
            dialect, sample, skipped = examine(name, text, known, fits, like)
            rest = _not_blank(name, text, dialect.separator or ",", skipped)
            for line, first in rest:
                if _ends_with_separator(sample):
                    note(f"{name}: each line ends with {dialect.separator!r}, which is taken to start no other column")
                    first, rest, sample = first[:-1], _shortened(name, rest), [row[:-1] for row in sample]
                yield _Rows(name, dialect, sample, first, line, rest)
                return
            raise ValueError(f"{name} is empty")
        except UnicodeDecodeError as error:
            where = f", line {line_that_is_not_utf8(file)}" if error.encoding == "utf-8" else ""
            raise ValueError(
                f"{name}{where}: not {error.encoding.upper()} text ({error.reason}): save it as UTF-8, for example "
                "with iconv -f LATIN1 -t UTF-8"
            ) from None


def _not_blank(name: str, text: TextIO, separator: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of each row that is not blank; all must be as wide as the first."""
    reader = csv.reader(lines_of(text), delimiter=separator, skipinitialspace=separator != "\t", strict=True)
    line, width = skipped, 0
    try:
        for cells in reader:
            line = skipped + reader.line_num
            if len(cells) > 1 or (cells and cells[0].strip()):
                if len(cells) != width:
                    if width:
                        raise ValueError(f"{name}, line {line}: {len(cells)} cells where the first row has {width}")
                    width = len(cells)
                yield line, cells
    except csv.Error as error:
        raise ValueError(f"{name}, line {line + 1}: not a row of a CSV file ({error})") from None


def _ends_with_separator(sample: Sequence[list[str]]) -> bool:
    return len(sample) > 1 and all(len(row) > 2 and not row[-1].strip() for row in sample)


def _shortened(name: str, rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows without their last cell, which is empty."""
    for line, row in rows:
        if row.pop().strip():
            raise ValueError(f"{name}, line {line}: a value after the last separator, where the first lines have none")
        yield line, row


def _target_place(rows: _Rows, target: str | int | None) -> tuple[int, bool]:
    """Return the index of the target column, and whether it was found by name (a header then)."""
    first, where = rows.first, f"{rows.name}, line {rows.line}"
    if len(first) < 2:
        hint = "" if rows.dialect.separator == " " else " (separator= or --separator says what is between them)"
        raise ValueError(f"{where}: one column; wanted two or more, an input and the target{hint}")
    if target is None:
        return len(first) - 1, False
    if isinstance(target, str):
        names = [cell.strip() for cell in first]
        if names.count(target) > 1:
            raise ValueError(f"{where}: two columns are named {target!r}: rename one")
        if target in names and rows.dialect.header is not False:
            return names.index(target), True
        try:
            target = int(target)
        except ValueError:
            raise ValueError(
                f"{where}: no column is named {target!r}; found {_listed('column', names)}. "
                f"In a file without a header, give the target's index, 0 to {len(first) - 1}"
            ) from None
    if not -len(first) <= target < len(first):
        raise ValueError(f"{rows.name}: target index is {target}; the columns are 0 to {len(first) - 1}")
    return target % len(first), False


def _checked_names(rows: _Rows) -> list[str]:
    names = [cell.strip() for cell in rows.first]
    where = f"{rows.name}, line {rows.line}"
    seen: set[str] = set()
    for index, name in enumerate(names):
        if not name:
            raise ValueError(f"{where}: column index {index} has no name: name it, or remove it if it counts the rows")
        if name in seen:
            raise ValueError(f"{where}: two columns are named {name!r}: rename one")
        seen.add(name)
    return names


def _listed(noun: str, names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:MANY])
    rest = f" and {len(names) - MANY} more" if len(names) > MANY else ""
    return f"{noun}{'s' if len(names) > 1 else ''} {shown}{rest}"
