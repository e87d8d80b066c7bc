"""Data larger than memory: files, or Arrow record batches, read a part at a time and anew in each epoch."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from hotloop.network.datasets.arrow_file import IPC, PARQUET, import_pyarrow, opened_ipc, opened_parquet
from hotloop.network.datasets.csv_dialect import value_of
from hotloop.network.datasets.csv_table import read_table
from hotloop.network.datasets.npz_file import numbers, read_arrays, rows_of
from hotloop.network.datasets.scaling import ROUNDINGS, Scaling
from hotloop.network.validation import arguments
from hotloop.network.validation.printable import with_article

Array: TypeAlias = npt.NDArray[Any]
Part: TypeAlias = tuple[str, tuple[str, ...] | None, Array, Array]  # where it is from, names of the inputs, X, y

ROWS = 65536
CSV, NPZ = (".csv", ".tsv", ".csv.gz", ".tsv.gz"), (".npz",)


class Stream:
    """Raw inputs and targets, a part (X, y) at a time, for `Network.fit`; each pass reads the data anew.

    A part is a whole CSV or NPZ file, which is read as a whole, or `rows` rows of a Parquet file, an Arrow file or an
    Arrow object. Nothing is scaled: see `scaling`.

    Parameters
    ----------
    source : path, Arrow object, or sequence of them
        Files .npz, .csv, .tsv (also .gz), .parquet, .arrow or .feather; or a table, a dataset, record batches or a
        reader of pyarrow. Arrow files may be in the file format or the stream format. A reader can be read once, so it
        is not for several epochs, nor for `scaling` before `fit`. Parquet and Arrow files need pyarrow:
        ``pip install 'hotloop[arrow]'``.
    target : str, optional
        Name of the target's column, or of the array of an NPZ file beside "x"; the last column, or "y", by default.
    columns : sequence of str, optional
        The inputs, by name and in this order; by default all other columns, in the order of the first file.
    classes : sequence, optional
        The classes as the data write them, text or numbers; the target becomes their places, 0, 1, ... Without it
        targets must be numbers.
    rows : int, default 65536
        Rows in a part of a Parquet file, an Arrow file or an Arrow object; the last part has what is left.

    Attributes
    ----------
    reads_once : bool
        Whether a source is a reader, which can be read once.

    Examples
    --------
    >>> import numpy, tempfile
    >>> from hotloop import Network
    >>> from hotloop.datasets import Stream
    >>> folder, random = tempfile.mkdtemp(), numpy.random.default_rng(0)
    >>> for part in range(3):
    ...     x = random.normal(size=(100, 4))
    ...     numpy.savez(f"{folder}/{part}.npz", x=x, y=x.sum(axis=1))
    >>> data = Stream([f"{folder}/{part}.npz" for part in range(3)])
    >>> net = Network([4, 8, 1], seed=0)
    >>> len(net.fit(data, epochs=2, batch_size=10, progress=False)["loss"])
    2
    >>> data.rows_of_parts()
    [100, 100, 100]
    >>> data.scaling().offset.shape
    (4,)
    """

    def __init__(
        self,
        source: Any,
        target: str | None = None,
        *,
        columns: Sequence[str] | None = None,
        classes: Sequence[Any] | None = None,
        rows: int = ROWS,
    ) -> None:
        self._sources = list(source) if isinstance(source, (list, tuple)) else [source]
        if not self._sources:
            raise ValueError("source is empty: give a file or several")
        self._kinds = [_kind_of(one) for one in self._sources]
        self.reads_once, self._was_read = any(kind is READER for kind in self._kinds), False
        self.target, self.rows = target, arguments.whole_number("rows", rows, 1)
        if isinstance(columns, str):
            raise TypeError(f"columns must be a sequence of names, got the text {columns!r}: write [{columns!r}]")
        self.columns = None if columns is None else tuple(columns)
        self.classes = None if classes is None else tuple(classes)
        if self.classes is not None and len({*map(str, self.classes)}) < max(2, len(self.classes)):
            raise ValueError(f"classes must be two or more different ones, got {list(self.classes)}")

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        """Read the parts (X, y), each X in the dtype of the data."""
        for _, X, y in self._parts():
            yield X, y

    def rows_of_parts(self) -> list[int] | None:
        """Return how many rows each part has; None for a reader, which would be read up.

        Parquet, Arrow and NPZ files say it in what they have beside the data. CSV files are read.
        """
        if self.reads_once:
            return None
        counts: list[int] = []
        for source, kind in zip(self._sources, self._kinds, strict=True):
            rows = kind.rows(self, source)
            if kind.in_parts:
                full, left = divmod(rows, self.rows)
                counts += [self.rows] * full + [left] * (left > 0)
            else:
                counts += [rows] * (rows > 0)
        return counts

    def scaling(self) -> Scaling:
        """Return the scaling to mean 0 and standard deviation 1 of each input, from one pass over the data.

        Its `offset` and `scale` are what a network takes as `input_offset` and `input_scale`; the scale of a constant
        input, up to rounding, is 0. Sums are in float64, merged part by part. Source: Chan, Golub and LeVeque (1983),
        equation 2.1.
        """
        n, mean, squares = 0, np.zeros(0), np.zeros(0)
        least = most = mean
        for _, X, _ in self._parts():
            part = X.astype(np.float64)
            if n == 0:
                mean, squares = np.zeros(part.shape[1]), np.zeros(part.shape[1])
                least, most = part.min(axis=0), part.max(axis=0)
            m, part_mean = len(part), part.mean(axis=0)
            step = part_mean - mean
            mean = mean + step * m / (n + m)
            squares = squares + ((part - part_mean) ** 2).sum(axis=0) + step**2 * n * m / (n + m)
            least, most, n = np.minimum(least, part.min(axis=0)), np.maximum(most, part.max(axis=0)), n + m
        deviation = np.sqrt(squares / max(n, 1))
        constant = most - least <= ROUNDINGS * np.finfo(np.float64).eps * np.maximum(abs(least), abs(most))
        return Scaling(mean, np.where(constant, 0.0, 1 / np.where(constant, 1.0, deviation)))

    def _parts(self) -> Iterator[tuple[str, Array, Array]]:
        """Read the parts, their inputs in one order, their targets as numbers."""
        wanted, width, found = self.columns, None, False
        if self.reads_once and self._was_read:
            raise ValueError(
                "a RecordBatchReader can be read once, and was: give the table, the dataset or the files that it reads"
            )
        self._was_read = True
        for source, kind in zip(self._sources, self._kinds, strict=True):
            for where, names, X, y in kind.read(self, source):
                if len(X) == 0:
                    continue
                found = True
                if wanted is None and names is not None:
                    wanted = names
                if wanted is not None and names is not None and names != wanted:
                    missing = [name for name in wanted if name not in names]
                    if missing:
                        raise ValueError(f"{where} has no column {missing[0]!r}; it has {', '.join(names)}")
                    X = X[:, [names.index(name) for name in wanted]]
                elif self.columns is not None and names is None:
                    raise ValueError(f"{where} has no names of columns: omit columns=")
                width = X.shape[1] if width is None else width
                if X.shape[1] != width:
                    raise ValueError(f"{where} has {X.shape[1]} inputs a row; the parts before have {width}")
                y = self._numbered(where, y)
                _check_finite(f"{where}: y", y)
                yield where, X, y
        if not found:
            raise ValueError("the data have no rows")

    def _numbered(self, where: str, y: Array) -> Array:
        """Return targets as numbers: the places of `classes`, if these were given."""
        if self.classes is None:
            if y.dtype.kind in "biuf":
                return y
            try:
                return y.astype(np.float64)
            except (TypeError, ValueError):
                row = next(row for row, value in enumerate(y) if not _is_number(value))
                raise ValueError(
                    f"{where}: the target {y[row]!r} in row {row} is not a number: "
                    "pass classes=[...], the classes in the order of their numbers"
                ) from None
        places = {_written(name): place for place, name in enumerate(self.classes)}
        distinct, inverse = np.unique(np.array([_written(value) for value in y.tolist()]), return_inverse=True)
        for name in distinct:
            if str(name) not in places:
                raise ValueError(f"{where}: the target {str(name)!r} is none of the classes {list(self.classes)}")
        return np.array([places[str(name)] for name in distinct], np.int64)[inverse]


def _check_finite(argument: str, array: Array, names: Sequence[str] | None = None) -> None:
    """Raise a ValueError that names the first number that is not finite, if there is one."""
    if array.dtype.kind != "f":
        return
    with np.errstate(all="ignore"):
        if np.isfinite(array.sum()):  # without an array of flags; a sum may overflow
            return
    for row, *columns in np.argwhere(~np.isfinite(array))[:1].tolist():
        place = f"row {row}" + "".join(f", column {column}" for column in columns)
        name = "" if names is None else f" ({names[columns[0]]!r})"
        raise ValueError(f"{argument} must be finite: found {array[(row, *columns)]} in {place}{name}")


def _written(value: Any) -> str:
    """Return a class as text, the same for 1, 1.0 and True as numbers of one value are."""
    return f"{float(value):g}" if isinstance(value, (int, float)) and float(value).is_integer() else str(value)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _npz(stream: Stream, path: Any) -> Iterator[Part]:
    """Read an NPZ file as one part."""
    name = "y" if stream.target is None else stream.target
    arrays = read_arrays(path, ["x", name])
    x, y = numbers(path, "x", arrays["x"]), arrays[name]
    if len(x) != len(y):
        raise ValueError(f"{path}: x has {len(x)} rows and {name} has {len(y)}")
    yield str(path), None, x, y


def _rows_of_npz(stream: Stream, path: Any) -> int:
    return rows_of(path, "x")


def _csv(stream: Stream, path: Any) -> Iterator[Part]:
    """Read a CSV file as one part."""
    table = read_table(path, stream.target)
    decimal = table.dialect.decimal or "."
    values = [value_of(cell, decimal) for cell in table.cells]
    as_numbers = stream.classes is None and None not in values
    y = np.array(values if as_numbers else table.cells, np.float64 if as_numbers else np.object_)
    yield table.name, table.columns, table.inputs, y


def _rows_of_csv(stream: Stream, path: Any) -> int:
    return len(read_table(path, stream.target).cells)


def _parquet(stream: Stream, path: Any) -> Iterator[Part]:
    """Read a Parquet file part by part."""
    with opened_parquet(path) as file:
        yield from _of_batches(stream, str(path), file.schema_arrow.names, file.iter_batches(batch_size=stream.rows))


def _ipc(stream: Stream, path: Any) -> Iterator[Part]:
    """Read an Arrow file part by part, mapped into memory."""
    with opened_ipc(path) as (names, batches):
        yield from _of_batches(stream, str(path), names, batches)


def _rows_of_parquet(stream: Stream, path: Any) -> int:
    with opened_parquet(path) as file:
        return int(file.metadata.num_rows)


def _rows_of_ipc(stream: Stream, path: Any) -> int:
    with opened_ipc(path) as (_, batches):
        return sum(batch.num_rows for batch in batches)


def _arrow(stream: Stream, source: Any) -> Iterator[Part]:
    """Read a table, a dataset, a reader or a record batch of pyarrow."""
    if hasattr(source, "scanner"):  # a dataset
        batches = source.to_batches(batch_size=stream.rows)
    elif hasattr(source, "to_batches"):  # a table
        batches = source.to_batches(max_chunksize=stream.rows)
    elif hasattr(source, "read_next_batch"):
        batches = source
    else:
        batches = [source]
    yield from _of_batches(stream, with_article(type(source).__name__), source.schema.names, batches)


def _rows_of_arrow(stream: Stream, source: Any) -> int:
    return int(source.count_rows() if hasattr(source, "scanner") else source.num_rows)


def _of_batches(stream: Stream, where: str, names: Sequence[str], batches: Any) -> Iterator[Part]:
    """Cut record batches into parts of inputs and targets."""
    target = names[-1] if stream.target is None else stream.target
    if target not in names:
        raise ValueError(f"{where} has no column {target!r} for the target; it has {', '.join(names)}")
    inputs = [name for name in names if name != target] if stream.columns is None else list(stream.columns)
    missing = [name for name in inputs if name not in names]
    if missing:
        raise ValueError(f"{where} has no column {missing[0]!r}; it has {', '.join(names)}")
    from hotloop.network.validation.array_like import numeric  # beside it Numba is loaded

    table_of, first = import_pyarrow().Table.from_batches, 0
    for part in _in_parts(batches, stream.rows):
        table = table_of(part)
        rows = f"{where}, rows {first} to {first + table.num_rows - 1}"
        column = table.column(target)
        if column.null_count:
            raise ValueError(f"{rows}: the target {target!r} is missing in {column.null_count} of them")
        X = numeric(f"{rows}: X", table.select(inputs))
        _check_finite(f"{rows}: X", X, inputs)
        y = column.to_numpy() if stream.classes is None else np.array(column.to_pylist(), np.object_)
        first += table.num_rows
        yield rows, tuple(inputs), X, y


def _in_parts(batches: Iterable[Any], rows: int) -> Iterator[list[Any]]:
    """Cut and join record batches: each part has so many rows, the last what is left."""
    part, left = [], rows
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            part.append(batch.slice(start, left))
            start, left = start + part[-1].num_rows, left - part[-1].num_rows
            if left == 0:
                yield part
                part, left = [], rows
    if part:
        yield part


class _Kind(NamedTuple):
    """A kind of source: what reads it, what counts its rows, and whether it is read in parts of `Stream.rows` rows."""

    read: Callable[[Stream, Any], Iterator[Part]]
    rows: Callable[[Stream, Any], int]
    in_parts: bool


PARQUET_FILE, IPC_FILE = _Kind(_parquet, _rows_of_parquet, True), _Kind(_ipc, _rows_of_ipc, True)
CSV_FILE, NPZ_FILE = _Kind(_csv, _rows_of_csv, False), _Kind(_npz, _rows_of_npz, False)
ARROW_OBJECT, READER = _Kind(_arrow, _rows_of_arrow, True), _Kind(_arrow, _rows_of_arrow, True)


def _kind_of(source: Any) -> _Kind:
    """Return the kind of a source, or raise an error unless there is one."""
    if not isinstance(source, (str, os.PathLike)):
        if hasattr(source, "schema") and hasattr(source, "read_next_batch"):
            return READER
        if hasattr(source, "schema") and (hasattr(source, "to_batches") or hasattr(source, "num_rows")):
            return ARROW_OBJECT
        raise TypeError(
            f"source must be a path or an Arrow object, or a list of them; got {with_article(type(source).__name__)}"
        )
    path = Path(source)
    name = path.name.lower()
    for endings, kind in ((PARQUET, PARQUET_FILE), (IPC, IPC_FILE), (CSV, CSV_FILE), (NPZ, NPZ_FILE)):
        if name.endswith(endings):
            if not path.exists():
                raise FileNotFoundError(f"there is no file {source}")
            return kind
    known = ", ".join((*NPZ, *CSV, *PARQUET, *IPC))
    raise ValueError(f"{source}: unknown kind of file; wanted one of {known}")
