"""Tables of mixed columns, made from whatever users hold: frames, dicts of columns, arrays, lists of rows."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from hotloop.network.tables.column import Array, Column, of_array, of_objects
from hotloop.network.tables.names import checked_names, column_label
from hotloop.network.validation.memory import in_words
from hotloop.network.validation.printable import counted


class Table:
    """Columns of one length, with or without names.

    Attributes
    ----------
    columns : tuple of Column
    names : tuple of str or None
        None for arrays, whose columns are known by their places.
    source : str
        What messages call it: "X", or the name of a file, whose lines they then name.
    indices : sequence of int
        What messages call columns without names.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        names: Sequence[str] | None,
        n_rows: int,
        source: str = "X",
        lines: Array | None = None,
        unit: str = "line",
        indices: Sequence[int] | None = None,
    ) -> None:
        self.columns = tuple(columns)
        self.names = None if names is None else tuple(names)
        self.source = source
        self.indices = range(len(self.columns)) if indices is None else indices
        self._n_rows, self._lines, self._unit = n_rows, lines, unit

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._n_rows

    def take(self, rows: Any) -> "Table":
        """Return some rows, chosen as NumPy does it: by their numbers, by an array of bool, or by a slice."""
        n_rows = len(np.empty(self._n_rows, np.bool_)[rows])
        lines = None if self._lines is None else self._lines[rows]
        columns = [column.take(rows) for column in self.columns]
        return Table(columns, self.names, n_rows, self.source, lines, self._unit, self.indices)

    def label(self, index: int) -> str:
        """Return what messages call a column."""
        return column_label(self.names, index if self.names is not None else self.indices[index])

    def name(self, index: int) -> str:
        """Return the name of a column, or its index."""
        return str(self.indices[index]) if self.names is None else self.names[index]

    def where(self, row: int) -> str:
        """Return what messages call a row: the line of a file, or its number."""
        return f"row {row}" if self._lines is None else f"{self._unit} {self._lines[row]}"

    def place(self, index: int, row: int) -> str:
        """Return what messages call a value."""
        return f"{self.source}, {self.where(row)}, {self.label(index)}"


def table_of(X: Any, only: Collection[str] | None = None) -> Table:
    """Return X as a table.

    Parameters
    ----------
    X : frame, dict of columns, array (rows, columns), sequence of rows, or Table
        A frame or table of pandas, polars, Arrow, or any other library that narwhals knows and that is in memory. An
        array may be structured, masked, or hold objects or text. None, NaN, NaT, NA and blank text are missing.
    only : collection of str, optional
        Names of the columns to read, if X has names; others may hold anything.

    Raises
    ------
    TypeError
        If X is none of these, or a column holds lists, complex numbers or the like; if it is sparse or not computed.
    ValueError
        If two columns have one name, or columns differ in length.
    ImportError
        If X is a frame and narwhals is not there.
    """
    if isinstance(X, Table):
        return X
    if isinstance(X, np.ndarray):
        return _of_array(X, only)
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        size = 8 * int(np.prod(X.shape))
        raise TypeError(f"X is a sparse matrix; wanted a dense array: give X.toarray(), which takes {in_words(size)}")
    if isinstance(X, Mapping):
        return _of_mapping(X, only)
    if isinstance(X, (list, tuple)):
        if X and all(isinstance(row, Mapping) for row in X):
            raise TypeError("X is a list of dicts, one for each row: give pandas.DataFrame(X)")
        return _of_array(_array_of_rows(X))
    if getattr(X, "ndim", 2) == 2 and any(hasattr(type(X), name) for name in ("columns", "__arrow_c_stream__")):
        from hotloop.network.tables.frames import of_frame

        return Table(*of_frame(X, only))
    array = np.asarray(X)
    if array.ndim == 0:
        raise TypeError(
            f"X is of type {type(X).__name__}; wanted a data frame, a dict of columns, or an array (rows, columns)"
        )
    return _of_array(array)


def _of_array(X: Array, only: Collection[str] | None = None) -> Table:
    if X.dtype.names is not None and X.ndim == 1:
        names = [name for name in checked_names(X.dtype.names, only) if only is None or name in only]
        return Table([of_array(column_label(names, i), X[name]) for i, name in enumerate(names)], names, len(X))
    if X.ndim != 2:
        hint = ": numpy.reshape(X, (-1, 1)) makes one column of it, numpy.reshape(X, (1, -1)) one row"
        hint *= X.ndim == 1
        raise ValueError(f"X has shape {X.shape}; wanted (rows, columns){hint}")
    if type(X) is np.ndarray and X.dtype.kind in "iuf":
        X = np.asfortranarray(X)  # columns are gone over several times: from rows each costs as much as this copy
    return Table([of_array(column_label(None, i), X[:, i]) for i in range(X.shape[1])], None, len(X))


def _array_of_rows(rows: Sequence[Any]) -> Array:
    """Return a sequence of rows as an array: of objects, if not all are numbers, for text would swallow the numbers."""
    try:
        array = np.asarray(rows)
        return array if array.dtype.kind in "biuf" else np.array(rows, dtype=np.object_)
    except ValueError:
        lengths = [len(row) if hasattr(row, "__len__") else 0 for row in rows]
        row = next((row for row, length in enumerate(lengths) if length != lengths[0]), 0)
        if row == 0:
            raise ValueError("X is not a table: an entry of a row holds several values") from None
        raise ValueError(
            f"X is not a table: row 0 has {counted(lengths[0], 'value')}, row {row} has {lengths[row]}"
        ) from None


def _of_mapping(X: Mapping[Any, Any], only: Collection[str] | None) -> Table:
    named = zip(checked_names(list(X), only), X.values(), strict=True)
    read = {name: values for name, values in named if only is None or name in only}
    names = list(read)
    columns = [_of_any(column_label(names, index), values) for index, values in enumerate(read.values())]
    lengths = [len(column.values) for column in columns]
    for index, length in enumerate(lengths):
        if length != lengths[0]:
            first, other = column_label(names, 0), column_label(names, index)
            raise ValueError(f"X is not a table: {first} has {counted(lengths[0], 'row')}, {other} has {length}")
    return Table(columns, names, lengths[0] if lengths else 0)


def _of_any(label: str, values: Any) -> Column:
    """Return the column of an array, a series, or a sequence of Python objects."""
    if isinstance(values, np.ndarray):
        return of_array(label, values)
    if isinstance(values, (list, tuple, range)):
        return of_objects(label, values)
    if isinstance(values, str) or not hasattr(values, "__len__"):
        raise TypeError(f"{label} is of type {type(values).__name__}; wanted an array, a series or a list")
    from hotloop.network.tables.frames import of_series

    return of_series(label, values)
