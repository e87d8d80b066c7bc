"""Arrays of numbers from what users hold: frames, tables, series, tensors, lists.

Objects of other libraries are recognised by their attributes; none of those libraries is imported.
"""

import decimal
import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.validation.memory import in_words
from hotloop.network.validation.printable import cut, printable, with_article

WANTED = "wanted real numbers (float, integer or bool)"
FILL_IN = "fill it in or drop the row"
REMEDIES = {
    "text": "encode it as numbers, for example a column of 0 and 1 for each category (pandas.get_dummies), or take "
    "hotloop.estimators.TabularClassifier or TabularRegressor, which do",
    "labels": "number the classes: classes, y = numpy.unique(y, return_inverse=True)",
    "categories": "encode them, for example with pandas.get_dummies, or as numbers that they are with .astype(float), "
    "or take hotloop.estimators.TabularClassifier or TabularRegressor",
    "times": "take numbers, for example the days since a first one: (t - t.min()) / numpy.timedelta64(1, 'D')",
    "complex numbers": "give real and imaginary parts as two columns",
}
MANY = 12  # columns that an error message lists


@dataclass
class _Fault:
    """Why something is not an array of numbers."""

    what: str  # "text"
    value: str  # the first one, as a message shows it
    row: int
    column: int | None = None
    remedy: str = ""


def numeric(argument: str, value: Any, labels: bool = False) -> Array:
    """Return `value` as an array of real numbers.

    Parameters
    ----------
    argument : str
        What it is called, for messages.
    value : array_like
        An array, or a frame, table or series of pandas, polars or Arrow, a tensor, nested sequences.
    labels : bool
        Whether it may be the classes of the rows, for the remedy in a message.

    Raises
    ------
    TypeError
        If it holds something other than numbers; the message has row and column of the first such value.
    ValueError
        If a value is missing, or rows differ in length.
    """
    if type(value) is np.ndarray and value.dtype.kind in "biuf":
        return value
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{argument} is a masked array; fill or drop what is missing first")
    _check_can_be_an_array(argument, value)
    columns = _columns(value)
    if columns is not None and not _is_homogeneous(value):
        return _from_columns(argument, columns)
    array = _as_array(argument, value)
    found = _numbers(array, getattr(value, "dtype", None), labels)
    if isinstance(found, _Fault):
        raise _error(argument, array, value, found)
    return found


def column_names(value: Any) -> list[Any] | None:
    """Return the names of the columns of a frame or table; None of anything else."""
    columns = _columns(value)
    return None if columns is None else [name for name, _ in columns]


def _columns(value: Any) -> list[tuple[Any, Any]] | None:
    """Return the columns of a frame or table with their names."""
    if hasattr(value, "iloc") and getattr(value, "ndim", 0) == 2:  # pandas
        return list(value.items())
    if hasattr(value, "get_columns"):  # polars
        return [(column.name, column) for column in value.get_columns()]
    if hasattr(value, "column_names") and hasattr(value, "itercolumns"):  # Arrow
        return list(zip(value.column_names, value.itercolumns(), strict=True))
    return None


def _is_homogeneous(value: Any) -> bool:
    """Whether a frame of pandas makes one array of numbers, often without a copy."""
    if not hasattr(value, "iloc"):
        return False
    kinds = {dtype.kind if isinstance(dtype, np.dtype) else "other" for dtype in value.dtypes}
    return kinds <= {"i", "u", "f"} or kinds == {"b"}


def _check_can_be_an_array(argument: str, value: Any) -> None:
    """Raise a TypeError for what NumPy cannot convert, or converts with a silent loss; say what to call."""
    name = argument.split()[-1]
    if hasattr(value, "toarray") and not hasattr(value, "__array__"):
        size = math.prod(value.shape) * getattr(value.dtype, "itemsize", 8)
        raise TypeError(
            f"{argument} is a sparse matrix; wanted a dense array: give {name}.toarray(), which takes {in_words(size)}"
        )
    if hasattr(value, "requires_grad") and hasattr(value, "detach"):  # torch
        steps = {
            ".to_dense()": str(value.layout) != "torch.strided",
            ".detach()": value.requires_grad,
            ".cpu()": value.device.type != "cpu",
            ".float()": "bfloat16" in str(value.dtype) or "float8" in str(value.dtype),
        }
        if any(steps.values()):
            calls = "".join(call for call, needed in steps.items() if needed)
            gradient = ", requires grad" if value.requires_grad else ""
            what = f"{value.dtype}, {value.layout}, on {value.device}{gradient}"
            raise TypeError(f"{argument} is a tensor ({what}) that NumPy cannot read: give {name}{calls}")
    for call in ("collect", "compute"):  # polars, dask
        if hasattr(value, call) and hasattr(type(value), "columns") and _columns(value) is None:
            raise TypeError(
                f"{argument} is {with_article(type(value).__name__)}, not yet computed: give {name}.{call}()"
            )


def _as_array(argument: str, value: Any) -> Array:
    try:
        array = np.asarray(value)
    except Exception as error:  # whatever another library raises
        lengths = _lengths(value)
        if len(set(lengths)) > 1:
            row = next(row for row, length in enumerate(lengths) if length != lengths[0])
            first, other = ("no entries" if n is None else f"{n} entries" for n in (lengths[0], lengths[row]))
            raise ValueError(
                f"{argument} is not an array of numbers: row 0 has {first}, and row {row} has {other}"
            ) from None
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"{argument} is not an array of numbers: {printable(str(error))}") from None
    if array.dtype.kind == "O" and array.ndim == 0:
        raise TypeError(f"{argument} has dtype object; {WANTED}: found {_shown(type(value))}")
    return array


def _lengths(value: Any) -> list[int | None]:
    """Return the length of each row, None of a number; nothing of what has no rows."""
    try:
        return [len(row) if hasattr(row, "__len__") and not isinstance(row, str) else None for row in value]
    except TypeError:
        return []


def _from_columns(argument: str, columns: Sequence[tuple[Any, Any]]) -> Array:
    """Return the columns as one array, or raise an error that names all columns of something else."""
    arrays, faults = [], []
    for index, (_, column) in enumerate(columns):
        found = _numbers(_as_array(argument, column), column.dtype if hasattr(column, "dtype") else None, False)
        if isinstance(found, _Fault):
            found.column = index
            faults.append(found)
        else:
            arrays.append(found)
    if faults:
        shown = [
            f"column {columns[fault.column or 0][0]!r} holds {fault.what} ({fault.value} in row {fault.row})"
            for fault in faults[:MANY]
        ]
        more = f" and {len(faults) - MANY} more" if len(faults) > MANY else ""
        remedies = "; ".join(dict.fromkeys(fault.remedy for fault in faults))
        kind = ValueError if all(fault.remedy == FILL_IN for fault in faults) else TypeError
        raise kind(f"{argument} wants numbers: {', '.join(shown)}{more}; {remedies}")
    if not arrays:
        return np.empty((0, 0))
    out = np.empty((len(arrays[0]), len(arrays)), np.result_type(*arrays))
    for index, array in enumerate(arrays):
        out[:, index] = array
    return out


def _numbers(array: Array, dtype: Any, labels: bool) -> Array | _Fault:
    """Return the array as real numbers, or the fault in it."""
    kind = array.dtype.kind
    if not labels and getattr(dtype, "categories", None) is not None:  # of pandas and polars
        return _first(array, "categories")
    if kind in "biuf":
        return array
    if kind == "O":
        return _from_objects(array, labels)
    if kind in "UST":
        return _first_text(array, labels)
    return _first(array, {"M": "times", "m": "times", "c": "complex numbers"}.get(kind, "records"))


def _from_objects(array: Array, labels: bool) -> Array | _Fault:
    """Return an array of Python objects as float64 if each is a number, or the fault of the first that is not."""
    types = {type(value) for value in array.flat}
    if all(issubclass(kind, (numbers.Real, np.bool_, decimal.Decimal)) for kind in types):
        try:
            return array.astype(np.float64)
        except OverflowError:
            largest = next(place for place, value in np.ndenumerate(array) if not _is_float(value))
            return _fault(array, largest, "a number too large for float64", "scale it")
    for place, value in np.ndenumerate(array):
        if value is None or type(value).__name__ in ("NAType", "NaTType") or value is np.ma.masked:
            return _fault(array, place, "a missing value", FILL_IN)
        if isinstance(value, (str, bytes)):
            return _fault(array, place, "text", REMEDIES["labels" if labels else "text"])
        if not isinstance(value, (numbers.Real, np.bool_, decimal.Decimal)):
            break
    what = (
        "times"
        if hasattr(value, "isoformat") or hasattr(value, "total_seconds")
        else f"values of class {type(value).__name__}"
    )
    if hasattr(value, "__len__"):
        return _fault(array, place, f"{len(value)} values", "give each a column, in rows of one length")
    return _fault(array, place, what, REMEDIES.get(what, "give numbers"))


def _is_float(value: Any) -> bool:
    try:
        float(value)
    except OverflowError:
        return False
    return True


def _first_text(array: Array, labels: bool) -> _Fault:
    """Return the fault of the first text that is not a number: numbers beside it became text, too."""
    for place, value in np.ndenumerate(array):
        try:
            float(value)
        except ValueError:
            return _fault(array, place, "text", REMEDIES["labels" if labels else "text"])
    fault = _first(array, "text")
    fault.remedy = "convert it to numbers: numpy.asarray(values, dtype=float)"
    return fault


def _first(array: Array, what: str) -> _Fault:
    remedy = REMEDIES.get(what, "give a column for each field")
    return _fault(array, (0,) * array.ndim, what, remedy) if array.size else _Fault(what, "none", 0, None, remedy)


def _fault(array: Array, place: tuple[int, ...], what: str, remedy: str) -> _Fault:
    return _Fault(what, _shown(array[place]), place[0] if place else 0, place[1] if len(place) > 1 else None, remedy)


def _shown(value: Any) -> str:
    """Return a value as a message shows it, shortened."""
    try:
        if isinstance(value, np.character):
            value = value.item()
        text = printable(str(value) if isinstance(value, np.generic) else repr(value))
    except Exception:  # an object of any class, or a whole number of more than 4300 digits
        return with_article(type(value).__name__)
    return cut(text, 60)


def _error(argument: str, array: Array, value: Any, fault: _Fault) -> Exception:
    """Return the error for an array or a series."""
    place = f"row {fault.row}" + (f", column {fault.column}" if fault.column is not None else "")
    if array.ndim == 0:
        place = "it"
    if fault.remedy == FILL_IN:
        return ValueError(f"{argument} must be finite: found {fault.value} in {place}, a missing value: {FILL_IN}")
    dtype = "categories" if fault.what == "categories" else array.dtype
    return TypeError(
        f"{argument} has dtype {dtype}; {WANTED}: found {fault.what}, {fault.value} in {place}; {fault.remedy}"
    )
