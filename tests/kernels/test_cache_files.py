"""The files of the cache: which are trusted, and what becomes of damaged and old ones.

All in this process, for tiny functions.
"""

import json
import os
import pickle
import resource
import shutil
import time
import warnings
from collections import namedtuple
from contextlib import contextmanager
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core import caching, serialize
from numba.core.registry import CPUDispatcher
from own_functions import OWN, call, compiled, files, module

from hotloop.kernels import cache
from hotloop.network import cache_files


def test_each_signature_has_a_file_and_is_found_again(own, folder):
    """With the private parts of this version of Numba."""
    for number, argument in enumerate((2.0, np.float32(2), 2, 2j)):
        assert call(own.twice, argument) == (2 * argument, False)
        assert call(own.twice, argument) == (2 * argument, True)
        assert len(files(folder)) == number + 1
    assert all(path.name.startswith("own.twice-") for path in files(folder))
    assert cache.failures == []


def test_it_can_be_turned_off_and_emptied(own, folder):
    function = compiled(own.twice)
    function._cache.disable()
    assert function(2.0) == 4
    assert files(folder) == []
    function._cache.enable()
    function.recompile()  # flushes
    (path,) = files(folder)
    assert call(own.twice, 2.0) == (4, True)
    compiled(own.twice)._cache.flush()
    assert not path.exists()


# Damage.


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(position):
    def damage(path):
        data = bytearray(path.read_bytes())
        data[int(position * (len(data) - 1))] ^= 4
        path.write_bytes(data)

    return damage


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


def replace_by_float32(path):
    """As Numba's cache did to itself."""
    (other,) = [other for other in files(path.parent) if other != path]
    path.write_bytes(other.read_bytes())


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": cut,
    "cut in the checksum": lambda path: path.write_bytes(path.read_bytes()[: len(cache.MAGIC) + 5]),
    **{f"flipped at {position}": flip(position) for position in (0, 0.003, 0.05, 0.1, 0.5, 0.9, 1)},
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "a foreign pickle": lambda path: path.write_bytes(pickle.dumps({"a": 1})),
    "a pickle that cannot be loaded": lambda path: path.write_bytes(b"cnowhere\nnothing\n."),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "the file of float32": replace_by_float32,
    "a folder": replace_by_folder,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
def test_what_is_damaged_is_compiled_again_and_overwritten(damage, own, folder):
    """Without a word; and before that it is found, and can be removed."""
    assert call(own.twice, 2.5) == (5.0, False)
    (path,) = files(folder)
    call(own.twice, np.float32(1))
    sound = path.stat().st_size
    damage(path)
    assert list(cache_files.examine(path.parent).damaged) == [path.name]
    assert call(own.twice, 2.5) == (5.0, False)
    assert path.stat().st_size == pytest.approx(sound, rel=0.1)  # names in it are numbered
    assert call(own.twice, 2.5) == (5.0, True)
    assert call(own.twice, np.float32(1)) == (2.0, True)
    assert cache.failures == []
    damage(path)
    assert cache_files.repair(path.parent) == ["removed 1 damaged file"]
    assert not path.exists()
    assert cache_files.examine(path.parent).to_json()["damaged"] == {}


def test_code_that_cannot_be_rebuilt(own, folder):
    """Though the checksum is right."""
    call(own.twice, 2.0)
    (path,) = files(folder)
    key, payload = cache.read(path)
    signature, _ = serialize.loads(payload)
    for broken in (b"", b"no pickle", pickle.dumps(5), serialize.dumps((signature, ())), payload[:-9]):
        cache.write(path, key, broken)
        assert call(own.twice, 2.0) == (4, False)
        assert call(own.twice, 2.0) == (4, True)


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")], ids=str)
def test_a_file_that_cannot_be_read(error, own, folder, monkeypatch):
    call(own.twice, 2.0)
    (path,) = files(folder)

    def refuse(path):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        function = CPUDispatcher(own.twice, targetoptions={"nopython": True})
        assert cache_files.examine(path.parent).damaged == {path.name: f"cannot be read: {error.strerror}"}
    cache.keep(function)
    with monkeypatch.context() as patch:
        patch.setattr(cache, "read", lambda path: refuse(path))
        assert function(2.0) == 4
    assert call(own.twice, 2.0) == (4, True)


class Left:
    Pair = namedtuple("Pair", "a b")


class Right:
    Pair = namedtuple("Pair", "b a")


def test_types_of_one_name_are_told_apart(own, folder):
    """Numba calls the types of both tuples by one name; code for one would read the wrong field of the other."""
    for owner in (Left, Right):
        owner.Pair.__qualname__ = f"{owner.__name__}.Pair"  # by which it is pickled
    for _ in range(2):
        assert call(own.first, Left.Pair(1.0, 2.0)) == (1.0, False)
        assert call(own.first, Right.Pair(1.0, 2.0)) == (2.0, False)
    assert call(own.first, Right.Pair(1.0, 2.0)) == (2.0, True)
    assert len(files(folder)) == 1


# What cannot be written.


@contextmanager
def one_warning(*parts):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    assert [warning.category for warning in caught] == [RuntimeWarning]
    for part in ("hotloop compiles its kernels again in each process", "Set NUMBA_CACHE_DIR to a folder", *parts):
        assert part in str(caught[0].message)


@contextmanager
def limited_file_size(size):
    """As under ulimit -f: the kernel's signal is ignored by Python, and writing fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_limit_on_the_size_of_files(own, folder):
    with one_warning("File too large"), limited_file_size(2000):
        function = compiled(own.twice)
        assert function(2.0) == 4
        assert function(2) == 4
        assert cache_files.why_unwritable(Path(folder)) == "File too large"
    assert len(cache.failures) == 2
    assert files(folder) == []  # nor a temporary file
    assert function.stats.cache_path is None
    assert cache_files.why_unwritable(Path(folder)) is None
    assert call(own.twice, 2.0) == (4, False)
    assert call(own.twice, 2.0) == (4, True)


@pytest.mark.parametrize("name", ["mkdir", "write_bytes", "replace"])
def test_a_folder_that_became_unwritable(name, own, folder, monkeypatch):
    function = compiled(own.twice)

    def refuse(*given, **options):
        raise OSError(30, "Read-only file system")

    with one_warning("Read-only file system"), monkeypatch.context() as patch:
        patch.setattr(Path, name, refuse)
        assert function(2.0) == 4
    assert files(folder) == []


def test_no_folder(own, folder, monkeypatch):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    with one_warning(cache.NO_FOLDER):
        assert call(own.twice, 2.0) == (4, False)
        assert call(own.twice, 2.0) == (4, False)


def make_unwritable(monkeypatch):
    """As on a read-only file system, or in an image that another user built."""

    def refuse(*given, **options):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(caching.tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(Path, "write_bytes", refuse)


def test_what_lies_in_a_folder_that_cannot_be_written_to_is_loaded(own, folder, monkeypatch):
    call(own.twice, 2.0)
    (path,) = files(folder)
    make_unwritable(monkeypatch)
    assert call(own.twice, 2.0) == (4, True)
    assert compiled(own.twice).stats.cache_path == str(path.parent)
    assert cache.failures == []
    with one_warning("Read-only file system"):
        other = compiled(own.times(2.0))
        assert cache.failures == []  # not before something is compiled
        assert other(2.0) == 4
    assert files(folder) == [path]
    path.unlink()
    monkeypatch.setattr(cache, "failures", [])
    with one_warning(cache.NO_FOLDER):
        assert call(own.twice, 2.0) == (4, False)


def test_what_lies_there_is_loaded_though_another_folder_can_be_written_to(own, folder, monkeypatch):
    call(own.twice, 2.0)

    def refuse(locator):
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(caching.UserProvidedCacheLocator, "ensure_cache_path", refuse)
        assert call(own.twice, 2.0) == (4, True)
        assert call(own.twice, 2) == (4, False)
        assert call(own.twice, 2) == (4, True)
        assert len(files(folder)) == 1
    assert call(own.twice, 2) == (4, False)  # a folder is filled with all, whatever lies in one that comes after it
    assert len(files(folder)) == 2


def test_a_folder_that_is_gone_is_made_again(own, folder):
    function = compiled(own.twice)
    shutil.rmtree(folder)
    assert function(2.0) == 4
    assert call(own.twice, 2.0) == (4, True)


def test_a_folder_with_something_in_it_in_place_of_a_file(own, folder):
    call(own.twice, 2.0)
    (path,) = files(folder)
    replace_by_folder(path)
    (path / "other").write_text("")
    with one_warning("Directory not empty"):
        assert call(own.twice, 2.0) == (4, False)
    assert cache_files.repair(path.parent) == ["cannot remove 1 damaged file"]
    assert (path / "other").exists()


@pytest.mark.parametrize("missing", ["CompileResultCacheImpl", "locator", "reduce", "check_cachable"])
def test_a_numba_that_is_another_inside(missing, own, folder, monkeypatch):
    """Code is then compiled in each process, after a warning."""
    for owner in (caching, caching.CompileResultCacheImpl, caching.CacheImpl):
        if missing in vars(owner):
            monkeypatch.delattr(owner, missing)
    monkeypatch.setattr(caching.CacheImpl, "__abstractmethods__", frozenset())
    with one_warning(missing):
        assert call(own.twice, 2.0) == (4, False)
        assert call(own.twice, 2.0) == (4, False)
    assert files(folder) == []


def test_a_function_without_a_file_is_not_kept(folder):
    """Like one typed at a prompt: Numba has no folder for it, and nothing is wrong."""
    names = {}
    exec(compile("def typed(x):\n    return x + 1", "<stdin>", "exec"), names)
    assert call(names["typed"], 2.0) == (3, False)
    assert call(names["typed"], 2.0) == (3, False)
    assert (files(folder), cache.failures) == ([], [])


# What becomes of old files.


def test_files_of_other_sources_go_and_those_of_other_settings_stay(tmp_path, own, folder, monkeypatch):
    """Also of functions that have moved to another line; not those of another function."""
    call(own.twice, 2.0)
    call(own.times(2.0), 2.0)
    with monkeypatch.context() as patch:
        patch.setattr(numba.config, "OPT", type(numba.config.OPT)(0))
        call(own.twice, 2.0)
    first = files(folder)
    assert len(first) == 3
    changed = module(tmp_path / "own.py", "# moved\n" + OWN.replace("x + x", "x + x + 1"))
    assert call(changed.twice, 2.0) == (5, False)
    assert call(changed.twice, np.float32(2)) == (5, False)
    assert call(changed.twice, 2.0) == (5, True)
    assert [path.name.split("-")[0] for path in files(folder)] == ["own.times.locals.scaled", *["own.twice"] * 2]
    with monkeypatch.context() as patch:
        patch.setattr(numba.config, "OPT", type(numba.config.OPT)(0))
        assert call(changed.twice, 2.0) == (5, False)
    assert call(changed.twice, 2.0) == (5, True)
    assert len(files(folder)) == 4


def test_another_process_may_remove_old_files_too(tmp_path, own, folder, monkeypatch):
    call(own.twice, 2.0)
    changed = module(tmp_path / "own.py", OWN.replace("x + x", "x + x + 1"))

    def gone(path, missing_ok=False):
        raise FileNotFoundError(2, "No such file or directory", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", gone)
        assert call(changed.twice, 2.0) == (5, False)
    assert call(changed.twice, 2.0) == (5, True)
    assert cache.failures == []


def test_temporary_files_of_killed_processes_go_after_an_hour(own, folder):
    call(own.twice, 2.0)
    (path,) = files(folder)
    old, new, other = (path.with_name(name) for name in (f"{path.name}.1-ab", f"{path.name}.2-ab", "own.times-1.3-ab"))
    for file in (old, new, other):
        file.write_text("")
    os.utime(old, (time.time() - 4000,) * 2)
    os.utime(other, (time.time() - 4000,) * 2)
    call(own.twice, 2)
    assert [file.exists() for file in (old, new, other)] == [False, True, True]


def test_what_lies_in_a_folder(own, folder, monkeypatch):
    """Stale files of hotloop's, and of Numba's cache those that were hotloop's."""
    call(own.twice, 2.0)
    (path,) = files(folder)
    key, payload = cache.read(path)
    for changes in (
        {"function": "hotloop.kernels.training.train_slice", "source": "0" * 64},
        {"function": "hotloop.kernels.training.train_slice", "source": cache.source_stamp(), "line": 7},
        {"versions": {"numba": "0.1"}},
        {"settings": key["settings"] | {"NUMBA_OPT": "0"}},
    ):
        cache.write(path.with_name(cache.file_name(key | changes)), key | changes, payload)
    for name in ("training.train_slice-35.py311.nbi", "training.train_slice-35.py311.12.nbc"):
        path.with_name(name).write_text("")
    others = ["mine.function-1.py311.nbi", "training.nbi", "training.cpython-311.pyc", "notes"]
    for name in others:
        path.with_name(name).write_text("")
    found = cache_files.examine(path.parent)
    assert json.loads(json.dumps(found.to_json())) == {
        "count": 5, "bytes": found.size, "damaged": {}, "other": 2, "stale": 1, "superseded": 2
    }  # fmt: skip
    assert found.size == sum(file.stat().st_size for file in files(folder))
    assert cache_files.repair(path.parent) == [
        "removed 1 file of older sources", "removed 2 files of Numba's cache, which hotloop no longer uses"
    ]  # fmt: skip
    assert cache_files.repair(path.parent) == []
    assert cache_files.examine(path.parent).count == 4
    assert all(path.with_name(name).exists() for name in others)


def test_of_many_damaged_files_the_first_are_named():
    assert cache_files.describe({"a": "is empty"}) == "a is empty"
    assert cache_files.describe(dict.fromkeys("abcde", "is cut")) == "a is cut; b is cut; c is cut; ..."
