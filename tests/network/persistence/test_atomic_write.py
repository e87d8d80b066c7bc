"""Files that are written whole or not at all: modes, what dead processes left, faulty paths."""

import errno
import fcntl
import os
import resource
import secrets
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from users import as_nobody

from hotloop.network.persistence import atomic_write as files
from hotloop.network.persistence.atomic_write import (
    check_replaceable,
    check_writable,
    path_of,
    write_atomically,
    write_file,
)


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


# Modes and owners.


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o660, 0o640, 0o755])
def test_the_mode_of_a_file_is_kept(mode, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_atomically(path, b"new")
    assert (mode_of(path), path.read_bytes()) == (mode, b"new")


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_new_file_has_the_mode_of_the_umask(umask, tmp_path):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "file", b"new")
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "file") == 0o666 & ~umask


def test_a_private_file_is_private_while_it_is_written(tmp_path, monkeypatch):
    path, modes, opened = tmp_path / "file", [], os.open
    path.write_bytes(b"old")
    path.chmod(0o600)

    def watch(name, *arguments, **options):
        descriptor = opened(name, *arguments, **options)
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return descriptor

    monkeypatch.setattr(os, "open", watch)
    write_atomically(path, b"new")
    assert modes[0] == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_of_a_file_is_kept(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    os.chown(path, 65534, 65533)
    path.chmod(0o640)
    write_atomically(path, b"new")
    assert (path.stat().st_uid, path.stat().st_gid, mode_of(path)) == (65534, 65533, 0o640)


# Names.


@pytest.mark.parametrize("length", [1, 241, 242, 255])
def test_names_of_any_length(length, tmp_path):
    path = tmp_path / ("n" * length)
    check_replaceable(path)
    write_atomically(path, b"new")
    assert [file.name for file in tmp_path.iterdir()] == ["n" * length]
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("check", [check_writable, check_replaceable, lambda path: write_atomically(path, b"")])
def test_a_name_that_is_too_long(check, tmp_path):
    path = tmp_path / ("n" * 256)
    with pytest.raises(OSError, match=r"File name too long: '.*n{256}'") as caught:
        check(path)
    assert caught.value.errno == errno.ENAMETOOLONG
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(("value", "exception", "match"), [
    (None, TypeError, "path must be a path such as 'model.safetensors', got None"),
    (5, TypeError, "got 5"), (b"x", TypeError, "got b'x'"), (["x"], TypeError, "got \\['x'\\]"),
    ("", ValueError, "path must not be empty"),
    ("a\0b", ValueError, r"path must be a path, got 'a\\x00b', which holds a character that no path can"),
    ("a\ud800", ValueError, r"path must be a path, got 'a\\ud800'"),
])  # fmt: skip
def test_what_is_no_path(value, exception, match):
    with pytest.raises(exception, match=match):
        path_of("path", value)


def test_what_is_a_path():
    class OfBytes:
        def __fspath__(self):
            return b"x"

    assert path_of("path", "x") == path_of("path", Path("x")) == Path("x")
    assert path_of("path", "\udcff") == Path("\udcff")  # bytes that are not UTF-8, as os.listdir returns them
    with pytest.raises(TypeError, match="path must be a path"):
        path_of("path", OfBytes())


# Places where nothing can be written.


@pytest.mark.parametrize("write", [check_replaceable, lambda path: write_atomically(path, b"new")])
def test_what_cannot_be_replaced(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, mode in (("shut", 0o555), ("sticky", 0o1777)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(mode)
    for name, mode in (("kept", 0o444), ("sticky/others", 0o666)):
        (tmp_path / name).write_bytes(b"old")
        (tmp_path / name).chmod(mode)
    os.mkfifo(tmp_path / "pipe")
    tmp_path.chmod(0o755)
    wanted = [
        ("shut/x", "the folder shut cannot be written to: choose another for x"),
        ("kept", "kept is read-only: choose another name, or make it writable"),
        ("no/x", "there is no folder no to write x in: make it first"), ("kept/x", "there is no folder kept"),
        ("shut", "shut is a folder"),
        ("pipe", "pipe is a device or a pipe: give the name of a file"),
    ]  # fmt: skip
    if os.geteuid() == 0:
        wanted.append(("sticky/others", "belongs to another user, and its folder lets nobody else replace it"))
    before = {path: path.lstat().st_ino for path in tmp_path.rglob("*")}
    with as_nobody():
        for name, match in wanted:
            with pytest.raises(OSError, match=match):
                write(Path(name))
    assert {path: path.lstat().st_ino for path in tmp_path.rglob("*")} == before


def test_a_link_to_nowhere(tmp_path):
    (tmp_path / "link").symlink_to("no/x")
    with pytest.raises(FileNotFoundError, match=f"there is no folder {tmp_path}/no to write x in"):
        check_replaceable(tmp_path / "link")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match=r"Too many levels of symbolic links: .*loop"):
        check_replaceable(tmp_path / "loop")


def test_a_failure_names_the_file(tmp_path, monkeypatch):
    """And not the temporary one; the system's ENOSPC names none."""
    path = tmp_path / "file"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(OSError, match=f"No space left on device: '{path}'") as caught:
            write_atomically(path, b"new")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
    try:
        with pytest.raises(OSError, match=f"File too large: '{path}'"):
            write_atomically(path, bytes(10**6))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not [*tmp_path.iterdir()]


def test_devices_are_written_directly(tmp_path, monkeypatch):
    """Never tested on /dev/null: a fault would remove it."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        check_writable(tmp_path / "pipe")
        write_file(tmp_path / "pipe", "text")
        assert os.read(reader, 100) == b"text"
    finally:
        os.close(reader)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
    (tmp_path / "pipe").chmod(0o444)
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    with as_nobody(), pytest.raises(PermissionError, match="pipe cannot be written to"):
        check_writable(Path("pipe"))


# On the disk.


def test_the_file_then_the_name_reach_the_disk(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("folder" if os.path.isdir(f"/dev/fd/{fd}") else
                                                              os.fstat(fd).st_size), fsync(fd)))  # fmt: skip
    monkeypatch.setattr(os, "replace", lambda *names: (order.append("rename"), replace(*names)))
    write_atomically(tmp_path / "file", b"12345")
    assert order == [5, "rename", "folder"]


def test_a_file_system_without_locks_or_folders_to_sync(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    fsync = os.fsync
    monkeypatch.setattr(fcntl, "flock", unsupported)
    monkeypatch.setattr(os, "fsync", lambda fd: unsupported() if os.path.isdir(f"/dev/fd/{fd}") else fsync(fd))
    left = tmp_path / ".hotloop-0123456789abcdef.tmp"
    left.write_bytes(b"perhaps in use")
    write_atomically(tmp_path / "file", b"new")
    assert ((tmp_path / "file").read_bytes(), left.exists()) == (b"new", True)


# What killed processes leave.

KILLED = """
import os, signal, sys
from hotloop.network.persistence.atomic_write import write_atomically
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
write_atomically(sys.argv[1], b"new")
"""


def test_what_a_killed_process_left_is_swept(tmp_path):
    path, others = tmp_path / "file", ["file.tmp", ".hotloop.tmp", ".hotloop-0123456789ABCDEF.tmp", ".hotloop-12.tmp"]
    for name in others:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / ".hotloop-aaaaaaaaaaaaaaaa.tmp").mkdir()
    (tmp_path / ".hotloop-bbbbbbbbbbbbbbbb.tmp").symlink_to("file.tmp")
    kept = {path.name for path in tmp_path.iterdir()}
    path.write_bytes(b"old")
    sources = str(Path(files.__file__).parents[2])
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, env=os.environ | {"PYTHONPATH": sources})
    left = {path.name for path in tmp_path.iterdir()} - kept - {"file"}
    assert len(left) == 1
    assert files.TEMPORARY.fullmatch(*left)
    assert path.read_bytes() == b"old"
    write_atomically(tmp_path / "another", b"new")
    assert {path.name for path in tmp_path.iterdir()} == kept | {"file", "another"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_what_another_user_left_is_his(tmp_path):
    left = tmp_path / ".hotloop-0123456789abcdef.tmp"
    left.write_bytes(b"")
    os.chown(left, 65534, 65534)
    write_atomically(tmp_path / "file", b"new")
    assert left.exists()


def test_a_file_that_is_being_written_is_not_swept(tmp_path, monkeypatch):
    """Two processes save together; in the second attempt the temporary file is swept before it could be locked."""
    first, second = tmp_path / "first", tmp_path / "second"
    replace, locks = os.replace, []

    def save_another(*names):
        monkeypatch.setattr(os, "replace", replace)
        write_atomically(second, b"second")
        replace(*names)

    monkeypatch.setattr(os, "replace", save_another)
    write_atomically(first, b"first")
    assert (first.read_bytes(), second.read_bytes()) == (b"first", b"second")
    flock = fcntl.flock

    def sweep_before(descriptor, flags):
        if not locks:
            locks.append(descriptor)
            files._sweep(tmp_path)
        flock(descriptor, flags)

    monkeypatch.setattr(fcntl, "flock", sweep_before)
    tokens = iter(["0" * 16, "1" * 16])
    monkeypatch.setattr(secrets, "token_hex", lambda _: next(tokens))
    write_atomically(first, b"again")
    assert next(tokens, None) is None
    assert first.read_bytes() == b"again"
    assert {path.name for path in tmp_path.iterdir()} == {"first", "second"}
