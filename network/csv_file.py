"""Tables of numbers read from CSV files, with every fault named by line and column."""

import array
import csv
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]

DELIMITERS = ",;\t"
MISSING = frozenset({"", "?", "na", "n/a", "nan", "null"})
MANY = 12  # names that an error message lists before it breaks off


@dataclass(frozen=True, eq=False)
class Table:
    """The inputs of a CSV file, and the cells of its target column as they are written."""

    path: Path
    columns: tuple[str, ...] | None  # names of the inputs; None without a header
    target_column: int  # counted from 0
    target: str  # "column 'price'" or "column index 3", for messages
    inputs: FloatArray  # (rows, inputs) float64, finite
    cells: list[str]  # of the target column
    lines: list[int]  # line of the file on which each row ends


def read_table(path: str | Path, target: str | int | None = None) -> Table:
    """Read a CSV file that holds inputs and one target column.

    Parameters
    ----------
    path : str or Path
        UTF-8 text, with or without a header line, separated by commas, semicolons or tabs.
    target : str or int, optional
        Name of the target column, or its index counted from 0 (negative from the end); the last column by
        default. A target found by name makes the first line a header.

    Returns
    -------
    Table
        Inputs as float64, target cells as text.

    Raises
    ------
    ValueError
        If a row has another number of cells than the first, a value is missing or is no number, or there are
        no rows.
    FileNotFoundError
        If there is no such file.
    """
    path = Path(path)
    rows = _rows(path)
    line, first = _first_row(path, rows)
    place, named = _target_place(path, line, first, target)
    header = named or _is_header([cell for index, cell in enumerate(first) if index != place])
    names = _checked_names(path, line, first) if header else None
    width = len(first)
    places = [index for index in range(width) if index != place]
    body = rows if header else itertools.chain([(line, first)], rows)
    cells: list[str] = []
    lines: list[int] = []
    values = array.array("d")
    for line, row in body:
        _check_width(path, line, row, width)
        cell = row.pop(place).strip()
        if cell.lower() in MISSING:
            fail(path, line, column_name(names, place), "the target is missing: fill it in or drop the row")
        cells.append(cell)
        lines.append(line)
        values.extend(_numbers(path, line, row, names, places))
    if not cells:
        raise ValueError(f"{path} holds a header and no rows")
    return Table(
        path=path,
        columns=None if names is None else (*names[:place], *names[place + 1 :]),
        target_column=place,
        target=column_name(names, place),
        inputs=np.frombuffer(values, dtype=np.float64).reshape(len(cells), len(places)),
        cells=cells,
        lines=lines,
    )


def read_inputs(
    path: str | Path, n_inputs: int, columns: Sequence[str] | None, target_column: int | None
) -> FloatArray:
    """Read the inputs of a trained network from a CSV file.

    Parameters
    ----------
    path : str or Path
        With a header that names all of `columns`, those columns are taken, in any order, and others are left
        out. Otherwise the columns go by their places: as many as the network has inputs, or one more, the
        target among them at `target_column`.
    n_inputs : int
        Inputs of the network.
    columns : sequence of str or None
        Names of the inputs in training; None if they had none.
    target_column : int or None
        Where the target stood in training; the last column if None.

    Returns
    -------
    array (rows, n_inputs)
        float64, unscaled.

    Raises
    ------
    ValueError, FileNotFoundError
        As in `read_table`, or if the columns do not fit the network.
    """
    path = Path(path)
    rows = _rows(path)
    line, first = _first_row(path, rows)
    stripped = [cell.strip() for cell in first]
    if columns is not None and set(columns) <= set(stripped):
        header = True
        places = [stripped.index(name) for name in columns]
    else:
        place = n_inputs if target_column is None else target_column
        places = [index for index in range(len(first)) if index != place or len(first) != n_inputs + 1]
        header = _is_header([first[index] for index in places])
        if header and columns is not None:
            absent = [name for name in columns if name not in stripped]
            raise ValueError(f"{path} lacks {_listed('column', absent)} that the network was trained on")
        if len(places) != n_inputs:
            raise ValueError(
                f"{path} has {len(first)} columns; the network takes {n_inputs} inputs "
                f"(a table of {n_inputs + 1} columns, the target among them, fits too)"
            )
    names = stripped if header else None
    body = rows if header else itertools.chain([(line, first)], rows)
    values = array.array("d")
    n_rows = 0
    for line, row in body:
        _check_width(path, line, row, len(first))
        values.extend(_numbers(path, line, [row[index] for index in places], names, places))
        n_rows += 1
    if n_rows == 0:
        raise ValueError(f"{path} holds a header and no rows")
    return np.frombuffer(values, dtype=np.float64).reshape(n_rows, n_inputs)


def fail(path: Path, line: int, column: str, what: str) -> NoReturn:
    """Raise the ValueError for a cell: where, then what."""
    raise ValueError(f"{path}, line {line}, {column}: {what}")


def column_name(names: Sequence[str] | None, index: int) -> str:
    """Return the words for a column in a message: by its name where there is a header."""
    return f"column index {index}" if names is None else f"column {names[index]!r}"


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of each row that is not blank."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    line = 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            delimiter = _delimiter(file)
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, skipinitialspace=delimiter != "\t", strict=True)
            for cells in reader:
                line = reader.line_num
                if len(cells) > 1 or (cells and cells[0].strip()):
                    yield line, cells
        except csv.Error as error:
            raise ValueError(f"{path}, line {line + 1}: not a row of a CSV file ({error})") from None
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not UTF-8 text ({error.reason}): save it as UTF-8") from None


def _delimiter(file: Iterator[str]) -> str:
    """Return the delimiter that splits the first line that is not blank into the most cells."""
    line = next((line for line in file if line.strip()), "")
    counts = [len(next(csv.reader([line], delimiter=delimiter), [])) for delimiter in DELIMITERS]
    return DELIMITERS[counts.index(max(counts))]


def _first_row(path: Path, rows: Iterator[tuple[int, list[str]]]) -> tuple[int, list[str]]:
    try:
        return next(rows)
    except StopIteration:
        raise ValueError(f"{path} is empty") from None


def _target_place(path: Path, line: int, first: list[str], target: str | int | None) -> tuple[int, bool]:
    """Return the index of the target column, and whether it was found by name (a header then)."""
    if len(first) < 2:
        raise ValueError(f"{path}, line {line}: one column; wanted two or more, an input and the target")
    if target is None:
        return len(first) - 1, False
    if isinstance(target, str):
        names = [cell.strip() for cell in first]
        if names.count(target) == 1:
            return names.index(target), True
        if names.count(target) > 1:
            raise ValueError(f"{path}, line {line}: two columns are named {target!r}: rename one")
        try:
            target = int(target)
        except ValueError:
            raise ValueError(
                f"{path}, line {line}: no column is named {target!r}; found {_listed('column', names)}. "
                f"In a file without a header, give the target's index, 0 to {len(first) - 1}"
            ) from None
    if not -len(first) <= target < len(first):
        raise ValueError(f"{path}: target index is {target}; the columns are 0 to {len(first) - 1}")
    return target % len(first), False


def _is_header(cells: list[str]) -> bool:
    """Say whether the cells of the inputs are names: none of them is a number, and not all are missing."""
    named = any(cell.strip().lower() not in MISSING for cell in cells)
    return named and not any(_is_number(cell) for cell in cells)


def _checked_names(path: Path, line: int, first: list[str]) -> list[str]:
    names = [cell.strip() for cell in first]
    for index, name in enumerate(names):
        if not name:
            what = f"column index {index} has no name: name it, or remove it if it counts the rows"
            raise ValueError(f"{path}, line {line}: {what}")
        if names.index(name) != index:
            raise ValueError(f"{path}, line {line}: two columns are named {name!r}: rename one")
    return names


def _check_width(path: Path, line: int, row: list[str], width: int) -> None:
    if len(row) != width:
        raise ValueError(f"{path}, line {line}: {len(row)} cells where the first row has {width}")


def _is_number(cell: str) -> bool:
    try:
        return "_" not in cell and math.isfinite(float(cell))
    except ValueError:
        return False


def _numbers(path: Path, line: int, row: list[str], names: Sequence[str] | None, places: Sequence[int]) -> list[float]:
    """Return the cells as finite floats, or raise for the first that is none; `places` are their columns."""
    try:
        values = list(map(float, row))
        # Python reads "1_000" as a number; in a table it is more likely a name.
        if all(map(math.isfinite, values)) and "_" not in "".join(row):
            return values
    except ValueError:
        pass
    place, cell = next((place, cell) for place, cell in zip(places, row, strict=True) if not _is_number(cell))
    column = column_name(names, place)
    if cell.strip().lower() in MISSING:
        fail(path, line, column, "the value is missing: fill it in or drop the row")
    try:
        float(cell.replace("_", "x"))
    except ValueError:
        hint = "inputs must be numbers: encode the column as numbers or remove it"
        if names is None and line == 1:
            hint = "line 1 reads as values, since it holds numbers (a target given by name makes it a header)"
        fail(path, line, column, f"{cell.strip()!r} is not a number; {hint}")
    fail(path, line, column, f"{cell.strip()} is not finite: fill in a number or drop the row")


def _listed(noun: str, names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:MANY])
    rest = f" and {len(names) - MANY} more" if len(names) > MANY else ""
    return f"{noun}{'s' if len(names) > 1 else ''} {shown}{rest}"
