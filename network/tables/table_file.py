"""Tables of mixed columns from files: CSV, Parquet and Arrow."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from hotloop.network.datasets.arrow_file import ARROW_FILES, read_arrow
from hotloop.network.datasets.csv_columns import CellsOfColumn
from hotloop.network.datasets.csv_dialect import Dialect
from hotloop.network.datasets.csv_numbers import FILL_IN, fail
from hotloop.network.datasets.csv_table import (
    MISSING_TARGET,
    UNKNOWN,
    Target,
    read_mixed_inputs,
    read_mixed_table,
)
from hotloop.network.tables.categories import number_in
from hotloop.network.tables.column import BOOLEAN, DATE, DURATION, NUMBER, Column, of_objects, without
from hotloop.network.tables.decisions import check_finite, missing_in
from hotloop.network.tables.names import checked_names, column_label
from hotloop.network.tables.preparation import Preparation
from hotloop.network.tables.table import Table, table_of
from hotloop.network.validation.printable import counted


def read_table_file(
    path: str | Path, target: str | None = None, known: Dialect = UNKNOWN, missing: Collection[str] = ()
) -> tuple[Table, Target]:
    """Return the inputs and the target of a file.

    Parameters
    ----------
    path : str or Path
        A CSV file, "-" for standard input, or a Parquet or Arrow file.
    target : str, optional
        Name of the target column, or its index counted from 0; the last by default.
    known : Dialect
        How a CSV file is written, as far as that is known.
    missing : collection of str
        Words that stand for a missing value, besides those that always do.

    Raises
    ------
    ValueError
        If the file is not well formed, or a target is missing.
    """
    if is_arrow(path):
        return _read_arrow_table(path, target, missing)
    found = read_mixed_table(path, target, known, missing)
    indices = [index for index in range(len(found.inputs) + 1) if index != found.target_column]
    return _table(found.name, found.columns, found.inputs, found.lines, indices), found


def read_inputs_file(
    path: str | Path,
    preparation: Preparation,
    target_column: int | None,
    known: Dialect = UNKNOWN,
    like: Dialect = UNKNOWN,
    missing: Collection[str] = (),
) -> Table:
    """Return the table in a file for a network that was trained on such a table; see `read_inputs`."""
    if is_arrow(path):
        table = _arrow_table(path, preparation.needed)
        columns = [_without_words(column, missing) for column in table.columns]
        return Table(columns, table.names, len(table), str(path), np.arange(len(table)), "row")
    names, n_columns = preparation.names, len(preparation.columns)
    return _table(
        *read_mixed_inputs(path, n_columns, names, target_column, known, like, missing, preparation.unused)
    )  # fmt: skip


def is_arrow(path: str | Path) -> bool:
    """Say whether this is the name of a Parquet or Arrow file."""
    return Path(path).name.lower().endswith(ARROW_FILES)


def _table(
    name: str,
    names: Sequence[str] | None,
    columns: Sequence[CellsOfColumn],
    lines: Sequence[int],
    indices: Sequence[int] | None = None,
) -> Table:
    """Return the table of a CSV file."""
    made = [
        Column(NUMBER, cells) if isinstance(cells, np.ndarray) else of_objects(column_label(names, index), cells)
        for index, cells in enumerate(columns)
    ]
    return Table(made, names, len(lines), name, np.asarray(lines), indices=indices)


def _arrow_table(path: str | Path, only: Collection[str] | None = None) -> Table:
    """Return the columns of a Parquet or Arrow file, or raise a ValueError that names the file."""
    try:
        found = read_arrow(path)
        checked_names(found.column_names, only, str(path))
        table = table_of(found, only)
    except (TypeError, ValueError) as error:  # of a column; a fault of the file, not of a call
        message = str(error)
        raise ValueError(message if message.startswith(str(path)) else f"{path}: {message}") from None
    return Table(table.columns, table.names, len(table), str(path), np.arange(len(table)), "row")


def _read_arrow_table(path: str | Path, target: str | None, missing: Collection[str]) -> tuple[Table, Target]:
    whole = _arrow_table(path)
    names = whole.names or ()
    if len(names) < 2:
        raise ValueError(f"{path}: {len(names)} column; wanted two or more, an input and the target")
    place = _target_place(path, target, names)
    label, column = f"column {names[place]!r}", _without_words(whole.columns[place], missing)
    if n_missing := missing_in(column):
        row = int(column.gone().argmax())
        more = f" (and in {counted(n_missing - 1, 'more row')})" if n_missing > 1 else ""
        fail(str(path), row, label, f"{MISSING_TARGET}{more}: {FILL_IN}", "row")
    if len(whole) == 0:
        raise ValueError(f"{path} holds no rows")
    if column.kind in (DATE, DURATION):
        raise ValueError(f"{path}, {label}: the target holds {column.kind}s: make them numbers, or text for classes")
    check_finite(whole, place, column)
    rows = range(len(whole))
    others = [index for index in range(len(names)) if index != place]
    inputs = tuple(names[index] for index in others)
    columns = [_without_words(whole.columns[index], missing) for index in others]
    table = Table(columns, inputs, len(whole), str(path), np.arange(len(whole)), "row")
    return table, Target(str(path), inputs, place, label, _texts(column), rows, UNKNOWN, "row")


def _target_place(path: str | Path, target: str | None, names: Sequence[str]) -> int:
    if target is None:
        return len(names) - 1
    if target in names:
        return names.index(target)
    if target.lstrip("-").isdecimal() and -len(names) <= int(target) < len(names):
        return int(target) % len(names)
    raise ValueError(f"{path}: no column is named {target!r}; it has {', '.join(map(repr, names))}")


def _texts(column: Column) -> list[str]:
    """Return the values as a CSV file has them."""
    if column.is_coded:
        texts = list(map(str, column.categories))
        return [texts[code] for code in column.values.tolist()]
    return [str(int(value)) if value == int(value) else repr(value) for value in column.values.tolist()]


def _without_words(column: Column, missing: Collection[str]) -> Column:
    """Return a column without the caller's words for missing values."""
    words = {word.strip() for word in missing}
    if not column.is_coded or column.kind == BOOLEAN:
        numbers = [value for word in words if (value := number_in(word)) is not None]
        return without(column, np.isin(column.values, numbers)) if numbers and column.kind == NUMBER else column
    gone = np.array([*(str(value).strip() in words for value in column.categories), False])
    return without(column, gone[column.values]) if gone.any() else column
