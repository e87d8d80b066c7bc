"""Files, pipes and standard input opened for reading; gzip files are known by their first bytes, and decompressed."""

import contextlib
import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

STANDARD_INPUT = "-"
GZIP = b"\x1f\x8b"
MOST_INFLATED = 1032  # bytes that gzip makes of one at most


@contextlib.contextmanager
def open_binary(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file, a pipe, or standard input ("-") as a stream of bytes that can be rewound.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        When damage in a gzip file is reached.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(_opened(path))
            compressed = file.read(2) == GZIP
            file.seek(0)
            yield stack.enter_context(cast(BinaryIO, gzip.GzipFile(fileobj=file))) if compressed else file
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(f"{name_of(path)} is not a whole gzip file ({error}): fetch it again") from None


def name_of(path: str | Path) -> str:
    """Return what messages call a file."""
    return "standard input" if str(path) == STANDARD_INPUT else str(path)


def _opened(path: str | Path) -> BinaryIO:
    if str(path) == STANDARD_INPUT:
        if sys.stdin is None:  # closed by the caller: <&-
            raise ValueError("standard input is closed")
        return io.BytesIO(sys.stdin.buffer.read())
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; wanted a file")
    file = path.open("rb")
    if file.seekable():
        return file
    with file:
        return io.BytesIO(file.read())
