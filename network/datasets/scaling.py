"""Mean and standard deviation of the columns of a table, and which of them are constant."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hotloop.network.datasets.csv_numbers import MANY, column_name
from hotloop.network.datasets.data_warning import note

Array: TypeAlias = npt.NDArray[Any]
Scaling: TypeAlias = "float | npt.NDArray[np.float64]"

ROUNDINGS = 8  # by which the values of a column may differ and still be one


def standardisation(name: str, raw: Array, columns: tuple[str, ...] | None) -> tuple[Scaling, Scaling]:
    """Return mean and standard deviation of each column, infinite for one that is constant: it becomes 0.

    A network learns nothing from such a column, so another value that turns up later must not disturb it.
    """
    constant = constant_columns(raw)
    nearly = [int(column) for column in np.flatnonzero(constant) if (raw[:, column] != raw[0, column]).any()]
    if nearly:
        shown = ", ".join(column_name(columns, index) if columns else f"input {index}" for index in nearly[:MANY])
        more = f" and {len(nearly) - MANY} more" if len(nearly) > MANY else ""
        note(f"{name}, {shown}{more}: all values are one number but for rounding, so they are taken to be constant")
    raw = raw.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        offset, scale = raw.mean(axis=0), raw.std(axis=0)
    offset[constant], scale[constant] = raw[0, constant], np.inf
    faults = np.flatnonzero(~constant & (~np.isfinite(scale) | (scale == 0.0)))
    if len(faults):
        raise ValueError(f"{name}: the numbers of input {faults[0]} are too large or too small to be standardised")
    return offset, scale


def constant_columns(values: Array) -> npt.NDArray[np.bool_]:
    """Say of each column whether its values differ by no more than a few roundings.

    A number that is computed in two ways, as 0.3 and 0.1 + 0.2, differs by some units in its last place. Whole numbers
    up to 2 / eps are exact, so that a difference of theirs is one: identifiers, seconds since 1970.
    """
    least, most = values.min(axis=0), values.max(axis=0)
    constant: npt.NDArray[np.bool_] = least == most
    if values.dtype.kind != "f":
        return constant
    eps = np.finfo(values.dtype).eps
    largest = np.maximum(np.abs(least), np.abs(most))
    with np.errstate(over="ignore"):
        nearly = (most - least <= ROUNDINGS * eps * largest) & ~constant
    for column in np.flatnonzero(nearly):
        exact = largest[column] <= 2 / eps and np.all(values[:, column] == np.rint(values[:, column]))
        constant[column] = not exact
    return constant
