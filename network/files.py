"""Writing files: none is ever seen half written, and what cannot be written is said before the work is done."""

import contextlib
import os
import secrets
from pathlib import Path


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that at any time it holds either the old content or all of the new."""
    target = Path(path)
    if target.is_symlink():
        target = target.resolve()  # the link stays one
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no directory {target.parent} to write {target.name} in")
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a directory; give the name of a file in it")
    if target.exists() and not target.is_file():
        raise OSError(f"{path} is a device or a pipe; give the name of a file")
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_file(path: Path, text: str) -> None:
    """Write a text file that takes the place of `path` once it is whole; write directly to a device or a pipe."""
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
    else:
        write_atomically(path.resolve(), text.encode())


def check_writable(path: Path) -> None:
    """Raise an OSError now, rather than after the work is done, if no file can be written at `path`."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the name of a file in it")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} in: make it first")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"the folder {path.parent} cannot be written to: choose another for {path.name}")
