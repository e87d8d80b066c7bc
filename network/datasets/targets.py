"""Targets of a data set: class numbers with the classes' names, or values."""

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hotloop.network.datasets.csv_dialect import BOOLEANS, value_of
from hotloop.network.datasets.csv_numbers import fail
from hotloop.network.datasets.csv_table import Target
from hotloop.network.datasets.data_warning import note

Array: TypeAlias = npt.NDArray[Any]
Targets: TypeAlias = tuple[Array, tuple[str, ...] | None]

TASKS = {"classification": "classes", "regression": "values"}  # what targets are taken for
FEW_CLASSES = 20  # whole numbers of a CSV column are classes up to here


def csv_targets(table: Target, task: str | None) -> Targets:
    """Return class numbers and class names as they are written, or float64 values and None."""
    decimal = table.dialect.decimal or "."
    if task != "classification" and (values := _fractions(table.cells, decimal)) is not None:
        return values, None
    written = {cell: value_of(cell, decimal) for cell in set(table.cells)}
    booleans = {cell for cell in written if cell.lower() in BOOLEANS}
    truths = len(booleans) == len(written)
    if not truths:  # among other targets, True and False are not numbers
        written.update(dict.fromkeys(booleans))
    found = [written[cell] for cell in table.cells]
    text = [row for row, value in enumerate(found) if value is None]
    if task == "classification" or (task is None and (truths or len(text) == len(found))):
        return _written_classes(table, None if text else found)
    if text and task == "regression":
        fault = f"{table.cells[text[0]]!r} is not a number, so the target can only be classes (a cross-entropy loss)"
        fail(table.name, table.lines[text[0]], table.target, fault, table.unit)
    values = np.array([value for value in found if value is not None])
    labels = _are_few_and_whole(table.cells, values)
    if text:
        return _mixed(table, text, labels)
    for row in np.flatnonzero(~np.isfinite(values))[:1]:
        fault = f"{table.cells[row]} is not finite: fill it in or drop the row"
        fail(table.name, table.lines[row], table.target, fault, table.unit)
    return _written_classes(table, found) if task is None and labels else (values, None)


def _fractions(cells: list[str], decimal: str) -> Array | None:
    """Return the cells as finite numbers if not all are whole, else None: a shortcut that takes a tenth of the time."""
    try:
        values = np.array(list(map(float, cells if decimal == "." else [cell.replace(",", ".") for cell in cells])))
    except ValueError:
        return None
    sound = np.isfinite(values).all() and not np.array_equal(values, np.rint(values))
    joined = "".join(cells)
    return values if sound and "_" not in joined and (decimal == "." or "." not in joined) else None


def _mixed(table: Target, text: Sequence[int], labels: bool) -> Targets:
    """Return the classes of a target that mixes numbers and text, or raise if a text looks like a fault."""
    counts = Counter(table.cells[row] for row in text)
    if not labels or min(counts.values()) == 1:
        rare = min(text, key=lambda row: counts[table.cells[row]])
        fault = (
            f"{table.cells[rare]!r} is not a number, but {len(table.cells) - len(text)} of {len(table.cells)} targets "
            "are: correct it, or if these are classes choose a loss for classes (task='classification', "
            "--loss cross_entropy)"
        )
        fail(table.name, table.lines[rare], table.target, fault, table.unit)
    note(f"{table.name}, {table.target}: numbers and text ({table.cells[text[0]]!r}), taken to be classes")
    return _written_classes(table, None)


def _written_classes(table: Target, values: Sequence[float | None] | None) -> Targets:
    """Return class numbers, and the names as written: in the order of the `values`, else alphabetical."""
    by_name = dict(zip(table.cells, values or table.cells, strict=True))
    names = sorted(by_name, key=lambda name: (by_name[name], name))
    same = [pair for pair in itertools.pairwise(names) if values and by_name[pair[0]] == by_name[pair[1]]]
    if same:
        pair = " and ".join(map(repr, same[0]))
        note(f"{table.name}, {table.target}: {pair} are taken to be two classes, though they are the same number")
    _check_classes(f"{table.name}, {table.target}", names, len(table.cells))
    if not table.columns and table.dialect.header is None:
        counts = Counter(table.cells)
        first = counts.pop(table.cells[0])
        if values is None and first == 1 and min(counts.values()) > 1:
            raise ValueError(
                f"{table.name}, line {table.lines[0]}: is it a header? {table.cells[0]!r} is the target of no "
                "other row: pass header=True or header=False (--header yes or no)"
            )
    numbers = {name: number for number, name in enumerate(names)}
    return np.fromiter((numbers[cell] for cell in table.cells), np.int64, len(table.cells)), tuple(names)


def npz_targets(path: str | Path, name: str, y: Array, task: str | None, dtype: np.dtype[Any]) -> Targets:
    """Return class numbers and class names, or values and None."""
    where = f"{path}, array {name!r}"
    fits = y.dtype.kind in "biufUS" and y.ndim in (1, 2)
    wanted = "numbers (rows,) or (rows, outputs), or text (rows,)"
    _check(fits, f"{where}: found dtype {y.dtype} and shape {y.shape}; wanted {wanted}")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.dtype.kind in "US":
        fits = y.ndim == 1 and task != "regression"
        _check(fits, f"{where}: text can only be classes (rows,), for a cross-entropy loss")
        return _classes(path, f"array {name!r}", y.astype(np.str_))
    if y.ndim == 1 and (task == "classification" or (task is None and y.dtype.kind in "biu")):
        return _classes(path, f"array {name!r}", y)
    return y.astype(dtype), None


def _are_few_and_whole(cells: Sequence[str], values: Array) -> bool:
    few = len(set(cells)) <= min(FEW_CLASSES, len(cells) // 2)
    return few and bool(np.all(np.isfinite(values)) and np.all(values == np.rint(values)))


def _classes(path: str | Path, target: str, values: Array) -> Targets:
    """Return class numbers (int64) and class names, numbers in their order, text in alphabetical order."""
    distinct, numbers = np.unique(values, return_inverse=True)
    if values.dtype.kind == "f" and np.all(distinct == np.rint(distinct)):
        names = [f"{value:.0f}" for value in distinct]
    else:
        names = [str(value) for value in distinct]
    _check_classes(f"{path}, {target}", names, len(values))
    return numbers.astype(np.int64), tuple(names)


def _check_classes(where: str, names: Sequence[str], rows: int) -> None:
    _check(len(names) > 1, f"{where}: one class only, {names[0]!r}; wanted two or more")
    _check(
        len(names) < rows,
        f"{where}: {rows} rows hold as many different values: these are not classes; "
        "choose another target, or a regression loss for numbers",
    )


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
