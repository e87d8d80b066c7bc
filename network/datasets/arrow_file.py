"""Parquet and Arrow files, read with pyarrow."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hotloop.network.validation.printable import printable

PARQUET, IPC = (".parquet", ".pq"), (".arrow", ".feather", ".ipc")
ARROW_FILES = PARQUET + IPC
OF_STREAM = b"\xff\xff\xff\xff"  # how Arrow's stream format begins


@contextmanager
def opened_parquet(path: Any) -> Iterator[Any]:
    """Yield a Parquet file of pyarrow."""
    arrow = import_pyarrow()
    with _damage_in(path, "Parquet"), arrow.parquet.ParquetFile(path) as file:
        yield file


@contextmanager
def opened_ipc(path: Any) -> Iterator[tuple[list[str], Iterable[Any]]]:
    """Yield the names and the record batches of a file in Arrow's file format, or in its stream format."""
    arrow = import_pyarrow()
    with _damage_in(path, "an Arrow file"), arrow.memory_map(str(path)) as mapped:
        is_stream = mapped.read(len(OF_STREAM)) == OF_STREAM
        mapped.seek(0)
        with arrow.ipc.open_stream(mapped) if is_stream else arrow.ipc.open_file(mapped) as file:
            if is_stream:
                yield file.schema.names, file
            else:
                yield file.schema.names, (file.get_batch(index) for index in range(file.num_record_batches))


@contextmanager
def _damage_in(path: Any, what: str) -> Iterator[None]:
    """Turn what pyarrow raises for a damaged file into one error that names the file."""
    arrow = import_pyarrow()
    try:
        yield
    except (arrow.ArrowException, OSError) as error:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) is not None:
            raise  # of the system, which says what it is
        raise ValueError(f"{path} cannot be read as {what} ({printable(str(error))})") from None


def read_arrow(path: Any) -> Any:
    """Return a Parquet or Arrow file as a table of pyarrow."""
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no file {path}")
    if str(path).lower().endswith(PARQUET):
        with opened_parquet(path) as file:
            return file.read()
    with opened_ipc(path) as (names, parts):
        arrow, batches = import_pyarrow(), list(parts)
        return arrow.Table.from_batches(batches) if batches else arrow.table({name: [] for name in names})


def import_pyarrow() -> Any:
    """Import pyarrow with the modules that are used here, or say how to get it."""
    try:
        import pyarrow
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError:
        raise ImportError("Parquet and Arrow files need pyarrow: pip install 'hotloop[arrow]'") from None
    return pyarrow
