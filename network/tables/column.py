"""One column of a table: numbers, times, booleans, categories or text, whatever library it came from.

Missing values are NaN in floating-point numbers, flagged in whole numbers, and -1 among the codes of categories. A text
such as NA stands for one, as in a CSV file; a category that the data declare is what it says.
"""

import datetime
import decimal
import numbers
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hotloop.network.datasets.csv_dialect import is_missing as says_missing
from hotloop.network.validation.printable import cut, printable, with_article

Array: TypeAlias = npt.NDArray[Any]

NUMBER, DATE, DURATION, BOOLEAN, CATEGORY, TEXT = "number", "date", "duration", "boolean", "category", "text"
EPOCH, DAY = np.datetime64("1970-01-01", "D"), np.timedelta64(1, "D")
TYPES_OF_MISSING = ("NoneType", "NAType", "NaTType", "MaskedConstant")
TRUTHS = (False, True)


@dataclass(frozen=True, eq=False)
class Column:
    """The values of a column.

    Attributes
    ----------
    kind : str
        NUMBER; DATE, in days since 1970-01-01 UTC; DURATION, in days; BOOLEAN; CATEGORY, which the data declare as
        such; TEXT, which is all else.
    values : array (rows,)
        Numbers of any real dtype, or codes: the places in `categories`, -1 where there is none.
    categories : tuple
        What the codes stand for, all different.
    missing : array (rows,) of bool, optional
        Where whole numbers are missing.
    in_order : bool
        Whether the data gave the categories an order.
    """

    kind: str
    values: Array
    categories: tuple[Any, ...] = ()
    missing: Array | None = None
    in_order: bool = False

    @property
    def is_coded(self) -> bool:
        """Whether the values are codes."""
        return self.kind in (BOOLEAN, CATEGORY, TEXT)

    def take(self, rows: Any) -> "Column":
        """Return some rows."""
        return replace(self, values=self.values[rows], missing=None if self.missing is None else self.missing[rows])

    def gone(self) -> Array:
        """Return where values are missing: (rows,) of bool."""
        if self.is_coded:
            found: Array = self.values < 0
        elif self.values.dtype.kind == "f":
            found = np.isnan(self.values)
        else:
            found = np.zeros(len(self.values), np.bool_) if self.missing is None else self.missing
        return found

    def text(self, row: int) -> str:
        """Return a value as people write it; nothing for a missing one."""
        value = self.values[row]
        if self.gone()[row]:
            return ""
        if self.is_coded:
            return str(self.categories[value])
        if self.kind == DATE:
            moment = str(EPOCH.astype("datetime64[s]") + np.timedelta64(round(float(value) * 86400), "s"))
            return moment.removesuffix("T00:00:00").replace("T", " ")
        days = " days" if self.kind == DURATION else ""
        return (f"{value}" if value.dtype.kind in "iu" else f"{value:.6g}") + days

    def as_categories(self) -> "Column":
        """Return numbers, dates or durations as categories; what has codes stays as it is."""
        if self.is_coded:
            return self
        distinct, codes = np.unique(self.values, return_inverse=True)
        return Column(CATEGORY, np.where(self.gone(), -1, codes), tuple(distinct.tolist()))

    def counts(self) -> Array:
        """Return how often each category occurs."""
        return np.bincount(self.values[self.values >= 0], minlength=len(self.categories))


def of_array(label: str, values: Array) -> Column:
    """Return the column of a one-dimensional NumPy array; `label` is what messages call it."""
    if isinstance(values, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(values)
        return without(of_array(label, values.data), mask) if mask.any() else of_array(label, values.data)
    if values.ndim != 1:
        raise ValueError(f"{label} has shape {values.shape}; wanted (rows,)")
    kind = values.dtype.kind
    if kind == "f" and values.dtype.itemsize > 8:
        with np.errstate(over="ignore"):  # what is too large for float64 becomes infinite, which is found later
            return Column(NUMBER, values.astype(np.float64))
    if kind in "iuf":
        return Column(NUMBER, values)
    if kind == "b":
        return Column(BOOLEAN, values.astype(np.int8), TRUTHS)
    if kind == "M":
        if values.dtype.str[-2] in "YMW":
            values = values.astype("datetime64[D]")
        return Column(DATE, (values - EPOCH) / DAY)
    if kind == "m":
        return Column(DURATION, values / DAY)
    if kind in "OUT":
        return of_objects(label, values.tolist())
    if kind == "S":
        return of_objects(label, _decoded(label, values))
    what = {"c": "complex numbers", "V": "records"}.get(kind, f"values of dtype {values.dtype}")
    raise TypeError(f"{label} holds {what}: give each part a column of numbers")


def _decoded(label: str, values: Array) -> list[str]:
    """Return bytes as the text that they are in UTF-8."""
    try:
        texts: list[str] = np.char.decode(values, "utf-8").tolist()
    except UnicodeDecodeError as error:
        row = values.tolist().index(error.object)
        raise ValueError(f"{label} holds bytes in row {row} that are not UTF-8 text: decode them") from None
    return texts


def without(column: Column, missing: Array) -> Column:
    """Return the column with further missing values."""
    if column.is_coded:
        return replace(column, values=np.where(missing, np.asarray(-1, column.values.dtype), column.values))
    if column.values.dtype.kind == "f":
        return replace(column, values=np.where(missing, np.asarray(np.nan, column.values.dtype), column.values))
    return replace(column, missing=missing if column.missing is None else column.missing | missing)


def of_objects(label: str, values: Sequence[Any]) -> Column:
    """Return the column of Python objects, without those that `is_missing`."""
    try:
        distinct = list(dict.fromkeys(values))
    except TypeError:
        row = next(row for row, value in enumerate(values) if not _is_hashable(value))
        kind = type(values[row]).__name__
        raise TypeError(f"{label} holds {with_article(kind)} in row {row}: give each of its entries a column") from None
    present, places = merged(distinct, is_missing)
    place_of = dict(zip(distinct, places, strict=True))
    codes = np.fromiter(map(place_of.__getitem__, values), np.int32, len(values))
    return of_codes(label, codes, present)


def of_codes(label: str, codes: Array, distinct: Sequence[Any]) -> Column:
    """Return the column whose row i has the value distinct[codes[i]], or none where the code is -1."""
    distinct = [value.to_timestamp() if type(value).__name__ == "Period" else value for value in distinct]
    types = {type(value) for value in distinct}
    if not types:
        return Column(NUMBER, np.full(len(codes), np.nan))
    if types <= {bool, np.bool_}:
        truths = np.array([*distinct, False]).astype(np.int8)
        return Column(BOOLEAN, np.where(codes < 0, np.int8(-1), truths[codes]), TRUTHS)
    if all(issubclass(kind, (numbers.Real, decimal.Decimal, np.bool_)) for kind in types):
        return _numbers(label, codes, distinct)
    if all(issubclass(kind, (datetime.date, np.datetime64)) for kind in types):
        days = np.array([*map(_days_since_epoch, distinct), np.nan])
        return Column(DATE, days[codes])
    if all(issubclass(kind, (datetime.timedelta, datetime.time, np.timedelta64)) for kind in types):
        return Column(DURATION, np.array([*map(_days, distinct), np.nan])[codes])
    for value in distinct:
        if isinstance(value, (complex, np.complexfloating)):
            raise TypeError(f"{label} holds complex numbers: give each part a column")
        if _has_no_text(type(value)):
            row, kind = int(np.argmax(codes == distinct.index(value))), type(value).__name__
            raise TypeError(f"{label} holds an object of class {kind} in row {row}: give numbers or text")
    return Column(TEXT, codes, tuple(distinct))


def stripped(value: Any) -> Any:
    """Return a text without spaces around it, as a CSV file has it; anything else as it is."""
    return str.__str__(value).strip() if isinstance(value, str) else value


def merged(values: Sequence[Any], gone: Callable[[Any], bool]) -> tuple[list[Any], list[int]]:
    """Return the different values, texts stripped, and the place of each among them; those that are `gone` have -1."""
    found = [stripped(value) for value in values]
    present = list(dict.fromkeys(value for value in found if not gone(value)))
    places = {value: place for place, value in enumerate(present)}
    return present, [places.get(value, -1) for value in found]


def is_missing(value: Any) -> bool:
    """Say whether a Python object stands for a missing value: None, NaN, NaT, NA; blank text, or one that says so."""
    if isinstance(value, str):
        return says_missing(value)
    if type(value).__name__ in TYPES_OF_MISSING:
        return True
    return isinstance(value, (float, np.generic, decimal.Decimal)) and bool(value != value)


def _numbers(label: str, codes: Array, distinct: Sequence[Any]) -> Column:
    """Return a column of numbers, whole ones beyond 2**53 exactly."""
    try:
        as_floats = np.array([*map(float, distinct), np.nan])
    except OverflowError:
        raise ValueError(f"{label} holds a number that is too large for float64: scale it") from None
    if np.nanmax(np.abs(as_floats)) > 2**53 and all(isinstance(value, (int, np.integer)) for value in distinct):
        unsigned = min(distinct) >= 0
        try:
            exact = np.array([*distinct, 0], np.uint64 if unsigned else np.int64)
        except OverflowError:
            return Column(NUMBER, as_floats[codes])
        return Column(NUMBER, exact[codes], missing=codes < 0 if (codes < 0).any() else None)
    return Column(NUMBER, as_floats[codes])


def _days_since_epoch(value: Any) -> float:
    """Return the days from 1970-01-01 to a date or a time; one with a time zone counts in UTC."""
    offset = np.timedelta64(0, "us")
    if isinstance(value, datetime.datetime) and (beyond := value.utcoffset()) is not None:
        value, offset = value.replace(tzinfo=None), np.timedelta64(beyond, "us")
    return float((np.datetime64(value, "us") - EPOCH - offset) / DAY)


def _days(value: Any) -> float:
    if isinstance(value, datetime.time):
        seconds = value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6
        return seconds / 86400
    return value / datetime.timedelta(days=1) if isinstance(value, datetime.timedelta) else float(value / DAY)


def _has_no_text(kind: Any) -> bool:
    """Whether an object of this class is shown by its address only."""
    return kind.__repr__ is object.__repr__ and kind.__str__ is object.__str__


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def shown(value: Any) -> str:
    """Return a value of a column as messages show it."""
    text = printable(value if isinstance(value, str) else str(value))
    text = cut(text, 40)
    return repr(text) if isinstance(value, str) else text
