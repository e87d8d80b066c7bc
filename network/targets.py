"""Targets of a data set: class numbers with the classes' names, or values."""

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hotloop.network.csv_file import Table, fail

Array: TypeAlias = npt.NDArray[Any]
Targets: TypeAlias = tuple[Array, tuple[str, ...] | None]

TASKS = (None, "classification", "regression")
FEW_CLASSES = 20  # whole numbers of a CSV column are classes up to here


def csv_targets(table: Table, task: str | None) -> Targets:
    """Return class numbers and class names, or float64 values and None."""
    values = np.empty(len(table.cells))
    for row, cell in enumerate(table.cells):
        try:
            values[row] = float(cell)
        except ValueError:
            if task == "regression":
                fault = f"{cell!r} is not a number, so the target can only be classes (a cross-entropy loss)"
                fail(table.path, table.lines[row], table.target, fault)
            return _classes(table.path, table.target, np.array(table.cells))
    for row in np.flatnonzero(~np.isfinite(values))[:1]:
        fault = f"{table.cells[row]} is not finite: fill it in or drop the row"
        fail(table.path, table.lines[row], table.target, fault)
    if task == "classification" or (task is None and _are_few_and_whole(values)):
        return _classes(table.path, table.target, values)
    return values, None


def npz_targets(path: str | Path, name: str, y: Array, task: str | None, dtype: str) -> Targets:
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


def _are_few_and_whole(values: Array) -> bool:
    distinct = np.unique(values)
    few = len(distinct) <= min(FEW_CLASSES, len(values) // 2)
    return few and bool(np.all(distinct == np.rint(distinct)))


def _classes(path: str | Path, target: str, values: Array) -> tuple[Array, tuple[str, ...]]:
    """Return class numbers (int64) and class names, numbers in their order, text in alphabetical order."""
    distinct, numbers = np.unique(values, return_inverse=True)
    _check(len(distinct) > 1, f"{path}, {target}: one class only, {str(distinct[0])!r}; wanted two or more")
    _check(
        len(distinct) < len(values),
        f"{path}, {target}: {len(values)} rows hold as many different values: these are no classes; "
        "choose another target, or a regression loss for numbers",
    )
    if values.dtype.kind == "f" and np.all(distinct == np.rint(distinct)):
        return numbers.astype(np.int64), tuple(f"{value:.0f}" for value in distinct)
    return numbers.astype(np.int64), tuple(str(value) for value in distinct)


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
