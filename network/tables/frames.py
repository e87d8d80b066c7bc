"""Columns of data frames, read through narwhals, which speaks with pandas, polars, Arrow and others."""

from collections.abc import Collection
from typing import Any

import numpy as np

from hotloop.network.tables.column import (
    CATEGORY,
    NUMBER,
    Column,
    is_missing,
    merged,
    of_array,
    of_codes,
    of_objects,
    without,
)
from hotloop.network.tables.names import checked_names, column_label


def _narwhals() -> Any:
    try:
        import narwhals.stable.v2 as narwhals
    except ImportError:
        raise ImportError(
            "data frames are read through narwhals, which is not installed: pip install 'hotloop[sklearn]'"
        ) from None
    return narwhals


def of_frame(X: Any, only: Collection[str] | None = None) -> tuple[list[Column], list[str], int]:
    """Return the columns of a frame, their names, and the number of rows; of the columns those named in `only`."""
    nw = _narwhals()
    if hasattr(X, "to_struct_array") and not hasattr(X, "to_batches"):  # a record batch of Arrow
        import pyarrow

        X = pyarrow.Table.from_batches([X])
    X = _with_columns(X, only)
    try:
        frame = nw.from_native(X, eager_only=True)
    except TypeError:
        call = next((name for name in ("collect", "compute", "to_arrow_table") if hasattr(X, name)), None)
        what = f"X is a {type(X).__module__.split('.')[0]} {type(X).__name__}"
        if call is not None:
            raise TypeError(f"{what}, not yet computed: give X.{call}()") from None
        raise TypeError(f"{what}; wanted a data frame, a dict of columns, or an array (rows, columns)") from None
    named = zip(checked_names(frame.columns, only), frame.iter_columns(), strict=True)
    read = {name: series for name, series in named if only is None or name in only}
    names = list(read)
    columns = [_of_series(column_label(names, index), series, nw) for index, series in enumerate(read.values())]
    return columns, names, len(frame)


def _with_columns(X: Any, only: Collection[str] | None) -> Any:
    """Return a frame of pandas or Arrow with the columns in `only`: narwhals refuses any two of one name."""
    of_pandas = hasattr(X, "iloc")
    if not of_pandas and not hasattr(X, "column_names"):
        return X
    names = checked_names(list(X.columns if of_pandas else X.column_names), only)
    if only is None:
        return X
    places = [place for place, name in enumerate(names) if name in only]
    return X.iloc[:, places] if of_pandas else X.select(places)


def of_series(label: str, values: Any) -> Column:
    """Return the column of a series of pandas, polars or Arrow, or of another library."""
    nw = _narwhals()
    if hasattr(values, "__arrow_c_array__") and hasattr(values, "to_pylist"):  # Arrow's arrays of one chunk
        import pyarrow

        values = pyarrow.chunked_array([values])
    try:
        series = nw.from_native(values, series_only=True)
    except TypeError:
        return of_array(label, np.asarray(values))
    return _of_series(label, series, nw)


def _of_series(label: str, series: Any, nw: Any) -> Column:
    dtype = series.dtype
    if isinstance(dtype, (nw.List, nw.Array, nw.Struct)) or dtype == nw.Binary:
        raise TypeError(f"{label} holds values of type {dtype}: give each of their parts a column")
    if isinstance(dtype, (nw.Categorical, nw.Enum)) or dtype in (nw.Categorical, nw.Enum):
        return _of_categories(label, series, nw)
    if dtype in (nw.Int128, nw.UInt128):  # which NumPy lacks
        return of_objects(label, series.to_list())
    if dtype.is_integer() or dtype == nw.Boolean:
        missing = series.is_null().to_numpy()
        any_missing = bool(missing.any())
        if any_missing:
            series = series.fill_null(False if dtype == nw.Boolean else 0)
        column = of_array(label, np.asarray(series.to_numpy(), np.bool_ if dtype == nw.Boolean else None))
        return without(column, missing) if any_missing else column
    if dtype.is_float():
        values = series.to_numpy()
        return Column(NUMBER, values if values.dtype.kind == "f" else values.astype(np.float64))
    return of_array(label, np.asarray(series.to_numpy()))


def _of_categories(label: str, series: Any, nw: Any) -> Column:
    """Return a column of categories; pandas and an enumeration give them an order."""
    native = series.to_native()
    if hasattr(native, "cat") and hasattr(native.cat, "codes"):  # pandas
        return _declared(label, native.cat.codes.to_numpy(), native.cat.categories.tolist(), True)
    values = series.to_list()
    in_order = isinstance(series.dtype, nw.Enum)
    found = list(series.dtype.categories if in_order else dict.fromkeys(value for value in values if value is not None))
    places = {value: code for code, value in enumerate(found)}
    codes = np.fromiter((places.get(value, -1) for value in values), np.int32, len(values))
    return _declared(label, codes, found, in_order)


def _declared(label: str, codes: Any, categories: list[Any], in_order: bool) -> Column:
    """Return the column of declared categories; missing values and blank text are none, True and False booleans."""
    if categories and all(isinstance(category, (bool, np.bool_)) for category in categories):
        return of_codes(label, codes, categories)
    present, places = merged(categories, lambda value: value == "" if isinstance(value, str) else is_missing(value))
    codes = np.array([*places, -1], np.int32)[codes]
    return Column(CATEGORY, codes, tuple(present), in_order=in_order)
