"""The files of the cache: what they are believed for, what is in their key, and what becomes of damaged ones.

All in this process and of tiny functions, which a dispatcher of Numba compiles under NUMBA_DISABLE_JIT=1 as well.
"""

import importlib.util
import json
import os
import pickle
import resource
import sys
import threading
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

from hotloop import kernels
from hotloop.kernels import cache
from hotloop.network import cache_files

OWN = """
def twice(x):
    return x + x

def first(pair):
    return pair.a

def times(factor):
    def scaled(x):
        return x * factor
    return scaled

def calls(inner):
    def outer(x):
        return inner(x)
    return outer
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Numba's folder for caches; nothing has failed yet."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "failures", [])
    return tmp_path / "cache"


@pytest.fixture
def own(tmp_path, folder):
    """Functions in a file, as a user's are."""
    return module(tmp_path / "own.py", OWN)


def module(path, source):
    path.write_text(source)
    spec = importlib.util.spec_from_file_location("own", path)
    made = sys.modules["own"] = importlib.util.module_from_spec(spec)  # Numba imports it by its name
    spec.loader.exec_module(made)
    return made


def compiled(function, keep=cache.keep):
    """Return a function as a new process would compile it: it has nothing in memory."""
    dispatcher = CPUDispatcher(function, targetoptions={"nopython": True})
    keep(dispatcher)
    return dispatcher


def call(function, *arguments, keep=cache.keep):
    """Call as a new process would; return the value, and whether the code came from the cache."""
    dispatcher = compiled(function, keep)
    value = dispatcher(*arguments)
    return value, sum(dispatcher.stats.cache_hits.values()) == 1


def files(folder):
    return sorted(path for path in folder.rglob("*") if not path.is_dir() or path.suffix == cache.SUFFIX)


def test_each_signature_has_a_file_and_is_found_again(own, folder):
    """With what this version of Numba has inside."""
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
    "cut to the half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
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
    assert cache_files.repair(path.parent) == ["removed 1 file damaged"]
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
    for part in ("hotloop compiles its kernels anew in each process", "Set NUMBA_CACHE_DIR to a folder", *parts):
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


def test_a_folder_that_is_gone_is_made_again(own, folder):
    function = compiled(own.twice)
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir()
    folder.rmdir()
    assert function(2.0) == 4
    assert call(own.twice, 2.0) == (4, True)


def test_a_folder_with_something_in_it_in_place_of_a_file(own, folder):
    call(own.twice, 2.0)
    (path,) = files(folder)
    replace_by_folder(path)
    (path / "other").write_text("")
    with one_warning("Directory not empty"):
        assert call(own.twice, 2.0) == (4, False)
    assert cache_files.repair(path.parent) == ["cannot remove 1 file damaged"]
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
    """As one that was typed at a prompt; Numba has no folder for it, and nothing is wrong."""
    names = {}
    exec(compile("def typed(x):\n    return x + 1", "<stdin>", "exec"), names)
    assert call(names["typed"], 2.0) == (3, False)
    assert call(names["typed"], 2.0) == (3, False)
    assert (files(folder), cache.failures) == ([], [])


# Races.

SUMS = [float(np.float32(0.2)), 0.2]
TURNS = ("AABB", "ABAB", "ABBA", "BAAB", "BABA", "BBAA")


def race(function, keep, turns, monkeypatch):
    """Have two save the function's code at the same moment, for float32 and float64; their renames take turns.

    Each has got as far as its first rename when the first of them goes on.
    """
    arguments = {"A": np.float32(0.1), "B": 0.1}
    savers, codes = {}, {}
    for name, argument in arguments.items():
        bare = compiled(function, lambda dispatcher: None)
        bare(argument)
        codes[name] = next(iter(bare.overloads.items()))
        savers[name] = compiled(function, keep)._cache
    turn, real, left, arrived = threading.Condition(), os.replace, list(turns), set()

    def rename(*given):
        name = threading.current_thread().name
        with turn:
            arrived.add(name)
            turn.notify_all()
            assert turn.wait_for(lambda: arrived == {"A", "B"} and left[:1] == [name], timeout=60)
            real(*given)
            left.pop(0)
            turn.notify_all()

    def save():
        name = threading.current_thread().name
        savers[name].save_overload(*codes[name])
        with turn:
            arrived.add(name)
            left[:] = [other for other in left if other != name]
            turn.notify_all()

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", rename)
        threads = [threading.Thread(target=save, name=name) for name in arguments]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
    return [call(function, argument, keep=keep) for argument in arguments.values()]


@pytest.mark.parametrize("turns", TURNS)
def test_two_that_save_at_the_same_moment(turns, own, folder, monkeypatch):
    assert race(own.twice, cache.keep, turns, monkeypatch) == [(SUMS[0], True), (SUMS[1], True)]
    assert len(files(folder)) == 2


def test_the_race_damages_numbas_own_cache(own, folder, monkeypatch):
    """So the test above has teeth. Where this fails, Numba may have mended it: is `hotloop.kernels.cache` needed?"""
    wrong = 0
    for number, turns in enumerate(TURNS):
        monkeypatch.setattr(numba.config, "CACHE_DIR", str(folder / str(number)))
        try:
            found = race(own.twice, CPUDispatcher.enable_caching, turns, monkeypatch)
            wrong += [value for value, _ in found] != SUMS
        except (TypeError, AssertionError):
            wrong += 1
    assert wrong > 0


# The key.


def names_of(dispatcher, argument=(numba.float64,)):
    """Return the name of the file for a signature."""
    return cache.file_name(dispatcher._cache._key(argument, dispatcher.targetctx.codegen()))


@pytest.mark.parametrize("setting", cache.SETTINGS)
def test_a_setting_that_changes_code_is_in_the_key(setting, own, monkeypatch):
    function = compiled(own.twice)
    before = names_of(function)
    monkeypatch.setattr(numba.config, cache.SETTINGS[setting], "another", raising=False)
    assert names_of(function) != before
    assert names_of(compiled(own.twice)) == names_of(function)


def test_numba_has_the_settings(own):
    """Under these names; "?" are those that not every version has."""
    missing = {name for name, attribute in cache.SETTINGS.items() if not hasattr(numba.config, attribute)}
    assert missing <= {"NUMBA_DEBUG_NRT", "NUMBA_DISABLE_INTEL_SVML"}


@pytest.mark.parametrize(("owner", "name"), [
    (cache.numba, "__version__"), (cache.llvmlite, "__version__"), (cache.np, "__version__"),
    (cache.llvmlite.binding, "llvm_version_info"), (cache.sys, "abiflags"),
])  # fmt: skip
def test_versions_are_in_the_key(owner, name, own, monkeypatch):
    function = compiled(own.twice)
    before = names_of(function)
    monkeypatch.setattr(owner, name, (9, 9, 9) if name == "llvm_version_info" else "9.9.9")
    assert names_of(function) != before


def test_the_cpu_its_features_and_words_of_hotloop_are_in_the_key(own, monkeypatch):
    function = compiled(own.twice)
    codegen = function.targetctx.codegen()
    seen = {names_of(function)}
    monkeypatch.setitem(cache.OWN_SETTINGS, "HOTLOOP_TILE", "8x2")
    seen.add(names_of(function))
    monkeypatch.setitem(cache.OWN_SETTINGS, "HOTLOOP_TILE", "6x4")
    seen.add(names_of(function))
    for target in ("triple", "cpu", "+avx"), ("triple", "cpu", "-avx"), ("triple", "other", "-avx"), ("t", "cpu", ""):
        monkeypatch.setattr(type(codegen), "magic_tuple", lambda codegen, target=target: target)
        seen.add(names_of(function))
    assert len(seen) == 7


def test_options_of_the_decorator_are_in_the_key(own):
    options = [{"nopython": True}, {"fastmath": {"nsz", "arcp"}}, {"fastmath": {"arcp", "nsz", "contract"}}]
    functions = [CPUDispatcher(own.twice, targetoptions=option) for option in options]
    for function in functions:
        cache.keep(function)
    assert len({names_of(function) for function in functions}) == len(options)
    assert functions[1]._cache._options == {"fastmath": "[\"'arcp'\", \"'nsz'\"]"}  # in one order in all processes


def test_what_a_function_closes_over_is_in_the_key(own):
    """A number, and the code of a compiled function, whose pickle is another in each process."""
    inner = [compiled(own.twice), compiled(own.times(3.0)), compiled(own.times(4.0))]
    closures = [own.times(2.0), own.times(3.0), *map(own.calls, inner)]
    assert len({names_of(compiled(closure)) for closure in closures}) == len(closures)
    again = own.calls(compiled(own.times(4.0)))
    assert names_of(compiled(again)) == names_of(compiled(closures[-1]))


def test_functions_that_differ_in_constants_alone(tmp_path, folder):
    two = module(tmp_path / "own.py", "a, b = lambda x: x + 1, lambda x: x + 2\n")
    assert two.a.__code__.co_code == two.b.__code__.co_code
    assert names_of(compiled(two.a)) != names_of(compiled(two.b))


def test_objects_of_this_process_are_not_kept(own, folder):
    """A compiled function as an argument: its type has an address in its name, which no other process will have."""
    inner = CPUDispatcher(own.twice, targetoptions={"nopython": True})
    apply = module(Path(own.__file__).with_name("other.py"), "def apply(f, x):\n    return f(x)\n").apply
    assert call(apply, inner, 2.0) == (4, False)
    assert (files(folder), cache.failures) == ([], [])


def test_times_of_files_are_not_in_the_key(own, folder):
    """An image's layers lose the fractions of a second; copying gives another time."""
    call(own.twice, 2.0)
    (path,) = files(folder)
    for file in (Path(own.__file__), path):
        os.utime(file, (1e9, 1e9))
    assert call(own.twice, 2.0) == (4, True)


def test_the_stamp_covers_every_file_by_name_and_content(tmp_path, monkeypatch):
    folder = tmp_path / "kernels"
    (folder / "lowering").mkdir(parents=True)
    for name in ("a.py", "b.py", "lowering/a.py", "cache.py"):
        (folder / name).write_text("")
    monkeypatch.setattr(cache, "__file__", str(folder / "cache.py"))

    def stamp():
        return cache.source_stamp.__wrapped__()

    stamps = [stamp()]
    assert stamp() == stamps[0]
    for path in sorted(folder.rglob("*.py")):
        path.write_text("#")
        stamps.append(stamp())
    (folder / "b.py").rename(folder / "c.py")
    stamps.append(stamp())
    (folder / "lowering" / "b.py").write_text("")
    stamps.append(stamp())
    assert len(set(stamps)) == len(stamps) == 7


def test_the_stamp_of_an_archive_is_that_of_its_content(tmp_path, monkeypatch):
    """From which hotloop can be imported: there are no files then to look at."""
    archive = tmp_path / "hotloop.zip"
    monkeypatch.setattr(cache, "__file__", str(archive / "hotloop" / "kernels" / "cache.py"))
    stamps = []
    for content in (b"one", b"two", b"one"):
        archive.write_bytes(content)
        stamps.append(cache.source_stamp.__wrapped__())
    assert stamps[0] == stamps[2] != stamps[1]


def test_another_functions_stamp_has_its_own_file_too(own, monkeypatch):
    here = compiled(own.twice)._cache._source
    assert here != cache.source_stamp()
    ours = getattr(kernels.relu, "py_func", kernels.relu)
    assert compiled(ours)._cache._source == cache.source_stamp()
    monkeypatch.setattr(cache, "source_stamp", lambda: "another")
    assert compiled(own.twice)._cache._source != here


# What becomes of old files.


def test_files_of_other_sources_go_and_those_of_other_settings_stay(tmp_path, own, folder, monkeypatch):
    """Also of functions that stand in another line now; not those of another function."""
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
    """Of hotloop's own what is stale; of Numba's own what was hotloop's."""
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
