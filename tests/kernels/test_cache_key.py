"""The cache's key: what changes compiled code is in it, and what does not is not."""

import os
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import numba
import numpy as np
import pytest
from numba.core.registry import CPUDispatcher
from own_functions import OWN, call, compiled, files, module

from hotloop import kernels
from hotloop.kernels import cache


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
    """Under these names, except those that a version may lack."""
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
    monkeypatch.setitem(cache.OWN_SETTINGS, "HOTLOOP_MICRO_KERNEL", "8x2")
    seen.add(names_of(function))
    monkeypatch.setitem(cache.OWN_SETTINGS, "HOTLOOP_MICRO_KERNEL", "6x4")
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


GLOBALS = """
def shifted(x):
    return x + SHIFT

def within(x):
    def inner(y):
        return y + SHIFT
    return inner(x)

def calls(x):
    return helper(x)

def recursive(keep):
    def factorial(n):
        if n < 2:
            return 1
        return n * again(n - 1)
    again = keep(factorial)
    return again
"""


def test_global_constants_are_in_the_key(tmp_path, folder):
    """Those of a notebook stand in other cells than the function."""
    own = module(tmp_path / "own.py", GLOBALS)
    for hit in False, True:
        for own.SHIFT in 1, 2.5:
            assert call(own.shifted, 1.0) == (1 + own.SHIFT, hit)
    named = namedtuple("named", "size")  # cannot be pickled by its name, and otherwise only as another in each process
    for function in own.shifted, own.within:
        seen = set()
        for own.SHIFT in (
            1,
            2.5,
            True,
            "1",
            (1, (2,)),
            (1, (3,)),
            np.float32(1),
            np.zeros(2),
            np.ones(2),
            named(1),
            named(2),
        ):
            name = names_of(compiled(function))
            assert name not in seen
            assert names_of(compiled(function)) == name
            seen.add(name)
        for own.SHIFT in object(), np.array([object()]), cache:  # no constants
            assert names_of(compiled(function)) not in seen
            other = names_of(compiled(function))
        own.SHIFT = None
        assert names_of(compiled(function)) == other
        own.x = own.SHIFT = 1  # the first is no global in the function
        assert names_of(compiled(function)) in seen


def test_a_global_function_that_is_called_is_in_the_key(tmp_path, folder):
    own, other = module(tmp_path / "own.py", GLOBALS), module(tmp_path / "other.py")
    own.helper, first = compiled(other.twice), compiled(own.calls)
    before = names_of(first)
    assert first(2.0) == 4
    own.helper = compiled(other.twice)  # as in another process
    assert call(own.calls, 2.0) == (4, True)
    own.helper = compiled(module(tmp_path / "other.py", "def twice(x):\n    return 2 * x + 1").twice)
    assert call(own.calls, 2.0) == (5, False)
    assert names_of(compiled(own.calls)) != before


def test_a_function_that_closes_over_itself_is_kept(tmp_path, folder):
    own = module(tmp_path / "own.py", GLOBALS)
    for hits in 0, 1:
        factorial = own.recursive(compiled)
        assert (factorial(5), sum(factorial.stats.cache_hits.values())) == (120, hits)
    assert cache.failures == []


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
    """hotloop can be imported from one; then there are no source files to read."""
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


def test_what_was_typed_at_a_prompt_has_the_stamp_of_its_text(own):
    """Numba's locator has one, also for what is in an archive."""
    names = {}
    exec(compile("def typed(x):\n    return x + 1", "<ipython-input-1>", "exec"), names)
    stamps = [cache.source_of(names["typed"], SimpleNamespace(get_source_stamp=lambda s=s: s)) for s in ("a", "b", "a")]
    assert stamps[0] == stamps[2] != stamps[1]


@pytest.mark.parametrize("names", [("a-b", "ab"), ("模型", "数据"), ("é", "à"), ("x" * 120 + "a", "x" * 120 + "b")])
def test_functions_in_files_of_like_names_keep_their_code(names, tmp_path, folder):
    functions = [module(tmp_path / f"{name}.py", f"# {name}\n{OWN}").twice for name in names]
    assert [call(function, 2.0) for function in functions] == [(4, False)] * 2
    assert [call(function, 2.0) for function in functions] == [(4, True)] * 2


def test_a_function_without_a_module_is_compiled():
    """As `exec` makes it where the names that it is given have no __name__."""
    names = {}
    exec("def typed(x):\n    return x + 1", names)
    assert names["typed"].__module__ is None
    assert kernels.kernel(names["typed"])(2.0) == 3
