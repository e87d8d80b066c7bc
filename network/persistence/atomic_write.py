"""Writing files: no reader sees half a file, and what cannot be written is reported before the work is done."""

import contextlib
import os
import re
import secrets
import stat
from pathlib import Path
from typing import Any, BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

TEMPORARY = re.compile(r"\.hotloop-[0-9a-f]{16}\.tmp")  # of fixed length, however long the file's own name


def path_of(argument: str, value: Any) -> Path:
    """Return `value` as a Path, if it can be the name of a file."""
    name = value if isinstance(value, str) else getattr(value, "__fspath__", lambda: None)()
    if not isinstance(name, str):
        raise TypeError(f"{argument} must be a path such as 'model.safetensors', got {value!r}")
    if not name:
        raise ValueError(f"{argument} must not be empty; wanted a path such as 'model.safetensors'")
    try:
        os.fsencode(name)
        fits = "\0" not in name
    except UnicodeEncodeError:
        fits = False
    if not fits:
        raise ValueError(f"{argument} must be a path, got {name!r}, which holds a character that no path can have")
    return Path(name)


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that at any time, even after a power cut, it holds either the old content or all of the new.

    It keeps the mode and owner of the file that it replaces. What dead processes left in the folder is removed.
    """
    with _naming(path):
        target = _replaceable(Path(path))
        _sweep(target.parent)
        temporary, file = _temporary(target)
        try:
            with file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                if os.name == "nt":  # Windows does not rename an open file
                    file.close()
                os.replace(temporary, target)
        except BaseException:
            _remove(temporary)
            raise
        _sync_folder(target.parent)


def write_file(path: Path, text: str) -> None:
    """Write a text file that takes the place of `path` once it is whole; a device or a pipe is written to directly."""
    if _is_device(path):
        path.write_text(text, encoding="utf-8")
    else:
        write_atomically(path, text.encode())


def check_writable(path: Path) -> None:
    """Raise an OSError now, rather than after the work is done, if `write_file` could not write `path`."""
    if not _is_device(path):
        check_replaceable(path)
    elif not _may_write(path):
        raise PermissionError(f"{path} cannot be written to")


def check_replaceable(path: Path) -> None:
    """Raise an OSError now, rather than after the work is done, if `write_atomically` could not write `path`."""
    with _naming(path):
        temporary, file = _temporary(_replaceable(path))
        file.close()
        _remove(temporary)


def check_is_another(path: str, *sources: str) -> None:
    """Raise a ValueError if writing `path` would replace a file that is read."""
    files = [source for source in sources if source not in ("digits", "-") and os.path.isfile(source)]
    if any(os.path.exists(path) and os.path.samefile(path, source) for source in files):
        raise ValueError(f"{path} is also an input, and would be replaced: choose another name for the output")


def _is_device(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


@contextlib.contextmanager
def _naming(path: str | os.PathLike[str]) -> Any:
    """Let an OSError name the file that was to be written, not a temporary one or none."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _replaceable(path: Path) -> Path:
    """Return what `path` links to, or itself; raise an OSError unless a file can be made or replaced there."""
    target = Path(os.path.realpath(path)) if path.is_symlink() else path  # the link stays one
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the name of a file in it")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {target.parent} to write {target.name} in: make it first")
    with contextlib.suppress(FileNotFoundError):
        old = os.stat(target)  # raises if the name is too long
        if not stat.S_ISREG(old.st_mode):
            raise OSError(f"{path} is a device or a pipe: give the name of a file")
        if not _may_write(target):
            raise PermissionError(f"{path} is read-only: choose another name, or make it writable")
        folder = os.stat(target.parent)
        sticky = folder.st_mode & stat.S_ISVTX and not (_is_ours(old) or _is_ours(folder))
        if sticky and os.geteuid() != 0:
            raise PermissionError(f"{path} belongs to another user, and its folder lets nobody else replace it")
    return target


def _temporary(target: Path) -> tuple[Path, BinaryIO]:
    """Return a new file beside `target`, with its mode and owner, locked for as long as it is open."""
    try:
        old = os.stat(target)
    except FileNotFoundError:
        old = None
    while True:
        temporary = target.with_name(f".hotloop-{secrets.token_hex(8)}.tmp")
        try:
            mode = 0o666 if old is None else 0o600  # less the umask; a private file is private from the start
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
        except PermissionError:
            raise PermissionError(
                f"the folder {target.parent} cannot be written to: choose another for {target.name}"
            ) from None
        if old is not None and hasattr(os, "fchown"):
            with contextlib.suppress(OSError):  # only root may give files away
                os.fchown(descriptor, old.st_uid, old.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
        _lock(descriptor)
        if temporary.exists():  # no other process swept it before it was locked
            return temporary, open(descriptor, "wb")
        os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Remove the temporary files of this user's processes that died: those on which nobody holds a lock."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in [entry for entry in entries if TEMPORARY.fullmatch(entry.name)]:
            with contextlib.suppress(OSError):
                if not entry.is_file(follow_symlinks=False) or not _is_ours(entry.stat(follow_symlinks=False)):
                    continue
                descriptor = os.open(entry.path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
                try:
                    if _lock(descriptor):
                        os.unlink(entry.path)
                finally:
                    os.close(descriptor)


def _is_ours(status: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or status.st_uid == os.geteuid()


def _lock(descriptor: int) -> bool:
    """Return whether the file could be locked: no other process holds it, and the file system knows locks."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut, where the system can open a folder."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
