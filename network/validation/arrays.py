"""Arrays that users pass: inputs and targets, each checked and converted here, once.

Every array that leaves this file is of one canonical type (one dtype, C order, writable, aligned), so that the kernels
are never compiled again for a Fortran-ordered, strided or read-only argument. Only inputs may stay as they are, bytes
or floats in C order, possibly mapped from a file: the kernels see their bytes, and convert each batch.
"""

from typing import Any, Protocol

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.validation.array_like import column_names, numeric
from hotloop.network.validation.printable import counted

AS_THEY_ARE = tuple(np.dtype(name) for name in ("uint8", "float32", "float64"))  # inputs that are not converted here
INT64 = np.dtype(np.int64)
BLOCK = 2**22  # bytes checked at a time, so that the check needs little memory beside the data


class TargetRules(Protocol):
    """What targets must be for a loss."""

    @property
    def name(self) -> str:
        """The loss."""

    @property
    def classifies(self) -> bool:
        """Whether targets are probabilities."""

    @property
    def takes_labels(self) -> bool:
        """Whether those of a row sum to 1, or an integer label stands for them."""

    @property
    def lowest_target(self) -> float:
        """The least that a target may be."""


def canonical(argument: str, array: Array, dtype: np.dtype[Any], of: Any = None) -> Array:
    """Return the array in the type that kernels are compiled for; every value must be finite in it."""
    _check_finite(argument, array, dtype, of=of)
    return _required(array, dtype)


def _required(array: Array, dtype: np.dtype[Any]) -> Array:
    if type(array) is np.ndarray and array.dtype == dtype and array.flags.carray:
        return array  # as `np.require` would, which takes 3 us to find it
    return np.require(array, dtype, ["C", "A", "W", "E"])


def inputs(X: Any, columns: int, dtype: np.dtype[Any], input_scale: float = 1.0, argument: str = "X") -> Array:
    """Check inputs, to (rows, columns). They stay as they are if they are bytes or floats in C order, mapped or not."""
    array = numeric(argument, X)
    if array.ndim == 1 and array.size == columns:
        raise ValueError(
            f"{argument} has shape {array.shape}; wanted (rows, {columns}): for one row use X.reshape(1, -1)"
        )
    if array.ndim != 2 or array.shape[1] != columns:
        raise ValueError(f"{argument} has shape {array.shape}; wanted (rows, {columns}), the network's inputs")
    if array.shape[0] == 0:
        raise ValueError(f"{argument} has no rows")
    _check_finite(argument, array, dtype, input_scale, X)
    if type(array) is np.ndarray and array.flags.c_contiguous and array.dtype in AS_THEY_ARE:
        return array  # as `np.require` would, which takes 3 us to find it
    return np.require(array, array.dtype if array.dtype in AS_THEY_ARE else dtype, ["C", "E"])


def _check_finite(argument: str, array: Array, dtype: np.dtype[Any], scale: float = 1.0, of: Any = None) -> None:
    """Raise unless every value is finite in `dtype`, and so is its product with `scale`; `of` is what users gave."""
    if scale == 1 and array.nbytes <= BLOCK and array.dtype == dtype and np.isfinite(array).all():
        return
    factor = dtype.type(scale)
    if array.dtype == np.uint8 and 255 * scale < float(np.finfo(dtype).max):
        return

    def finite(rows: Array) -> Array:
        values: Array = rows
        if scale != 1 or rows.dtype != dtype:
            with np.errstate(over="ignore"):
                values = rows.astype(dtype)
                values *= factor
        sound: Array = np.isfinite(values)
        return sound

    step = max(1, BLOCK * len(array) // max(1, array.size * dtype.itemsize))
    for start in range(0, len(array), step):
        sound = finite(array[start : start + step])
        if not sound.all():
            row, *column = (int(i) for i in np.argwhere(~sound)[0])
            first = (start + row, *column)
            count = sum(int((~finite(array[at : at + step])).sum()) for at in range(start, len(array), step))
            raise ValueError(_not_finite(argument, array, first, count, dtype, scale, column_names(of)))


def _not_finite(
    argument: str,
    array: Array,
    first: tuple[int, ...],
    count: int,
    dtype: np.dtype[Any],
    scale: float,
    names: list[Any] | None,
) -> str:
    """Say which value is not finite, and why."""
    place = f"row {first[0]}" + (f", column {first[1]}" if len(first) > 1 else "")
    place += f" ({names[first[1]]!r})" if names is not None and len(first) > 1 else ""
    with np.errstate(over="ignore"):
        value = dtype.type(array[first])
    why = ""
    if np.isfinite(value):
        why = f" (times the input_scale {scale:g} it is too large for {dtype})"
    elif np.isfinite(array[first]):
        why = f" ({array[first]} is too large for {dtype})"
    return f"{argument} must be finite: found {value} in {place}{why}, {count} in all; rows and columns count from 0"


def targets(
    y: Any, rows: int, outputs: int, loss: TargetRules, dtype: np.dtype[Any], argument: str = "y", beside: str = "X"
) -> tuple[Array, Array]:
    """Check and convert targets. Return (targets, no labels), or (no targets, labels) for integer labels."""
    array = numeric(argument, y, labels=True)
    if array.ndim == 0 or array.shape[0] != rows:
        found = "is a single number" if array.ndim == 0 else f"has {counted(array.shape[0], 'row')}"
        raise ValueError(f"{argument} {found}; {beside} has {counted(rows, 'row')}")
    if loss.takes_labels and array.ndim == 1:
        return np.empty((0, 0), dtype), _labels(array, outputs, argument)
    if array.ndim == 1 and outputs == 1:
        array = array.reshape(-1, 1)
    if array.ndim != 2 or array.shape[1] != outputs:
        alternative = f" or ({rows},) integer labels" if loss.takes_labels else ""
        if array.ndim == 1 and outputs > 1 and not loss.takes_labels and _are_classes(array, outputs):
            alternative = f"; whole numbers from 0 to {outputs - 1}, as here, are classes for loss='cross_entropy'"
        raise ValueError(f"{argument} has shape {array.shape}; wanted ({rows}, {outputs}){alternative}")
    result = canonical(argument, array, dtype, y)
    if loss.classifies and (result.min() < 0 or result.max() > 1):
        r, c = (int(i) for i in np.argwhere((result < 0) | (result > 1))[0])
        raise ValueError(
            f"{argument} must be probabilities, 0 to 1, for {loss.name}: found {result[r, c]:g} in row {r}, column {c}"
        )
    if loss.lowest_target > -np.inf and result.min() < loss.lowest_target:
        r, c = (int(i) for i in np.argwhere(result < loss.lowest_target)[0])
        raise ValueError(
            f"{argument} must be at least {loss.lowest_target:g} for {loss.name}: found {result[r, c]:g} in row {r}, "
            f"column {c}"
        )
    if loss.takes_labels:
        sums = result.sum(axis=1, dtype=np.float64)
        if np.abs(sums - 1).max() > 1e-3:
            r = int(np.argmax(np.abs(sums - 1) > 1e-3))
            raise ValueError(f"{argument} must sum to 1 in each row for {loss.name}: row {r} sums to {sums[r]:g}")
    return result, np.empty(0, np.int64)


def _are_classes(array: Array, classes: int) -> bool:
    """Whether each value could be the number of a class."""
    return bool(((array >= 0) & (array < classes) & (array == np.floor(array))).all()) if array.size else False


def _labels(array: Array, classes: int, argument: str) -> Array:
    if array.dtype.kind == "f":
        whole = np.isfinite(array) & (np.floor(array) == array)
        if not whole.all():
            r = int(np.argmin(whole))
            raise ValueError(f"{argument} must be whole numbers, the class of each row: found {array[r]} in row {r}")
    if array.dtype == INT64 and array.size and array.view(np.uint64).max() < classes:  # negative ones are large there
        return _required(array, INT64)
    if array.size and (array.min() < 0 or array.max() >= classes):
        r = int(np.argmax((array < 0) | (array >= classes)))
        raise ValueError(
            f"{argument} must be classes 0 to {classes - 1} (the network's outputs): found {array[r]} in row {r}"
        )
    return _required(array, INT64)
