"""``import hotloop``: what it costs, and that names which are imported when used are otherwise like any others."""

import ast
import json
import os
import pickle
import statistics
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from conftest import alone

import hotloop

SOURCE = Path(hotloop.__file__)
HEAVY = {"numba", "llvmlite", "numpy"}
IMPORT_LIMIT = 0.4  # of numba's own import: 0.15 s where that takes 0.38, as on the machine for which it was set


def run(code, **variables):
    environment = os.environ | {"PYTHONPATH": str(SOURCE.parents[1])} | variables
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)


def fresh(code, **variables):
    """Run code in a fresh interpreter, and return what it prints as JSON on its last line."""
    done = run(code, **variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


MODULES = "; import json, sys; print(json.dumps(sorted(sys.modules)))"


@pytest.mark.parametrize("code", [
    "import hotloop",
    "import hotloop; assert {'Network', 'datasets'} <= set(dir(hotloop))",
    "import hotloop; assert not hasattr(hotloop, 'nonsense')",
    "import hotloop, inspect; assert inspect.unwrap(hotloop) is hotloop",  # asks for __wrapped__
    "import hotloop; hotloop.network",
    "import hotloop; dir(hotloop.estimators)",
    "from hotloop import __version__, network",
    "from hotloop import SGD",
])  # fmt: skip
def test_what_imports_neither_numba_nor_numpy(code):
    assert not HEAVY & set(fresh(code + MODULES))


def test_a_name_that_is_used_is_imported_and_submodules_are_attributes():
    code = "import hotloop; hotloop.kernels.relu, hotloop.datasets.load_digits, hotloop.Network"
    assert set(fresh(code + MODULES)) >= HEAVY


def test_a_star_import_brings_every_public_name():
    names = {}
    exec("from hotloop import *", names)
    assert set(hotloop.__all__) <= set(names)
    assert "network" not in names  # nor the other submodules: users call variables that


def test_pickles_are_read_in_a_process_that_has_not_imported_hotloop():
    pickled = pickle.dumps([hotloop.Network, hotloop.SGD(0.25), hotloop.History(), hotloop.profile])
    code = f"import json, pickle; found = pickle.loads({pickled!r}); print(json.dumps(found[1].learning_rate))"
    assert fresh(code) == 0.25
    assert pickle.loads(pickled)[0] is hotloop.Network


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'hotloop' has no attribute 'nonsense'"):
        hotloop.nonsense  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'nonsense'"):
        from hotloop import nonsense  # noqa: F401


def test_python_suggests_a_name_for_a_misspelt_one():
    assert "Did you mean: 'Network'?" in run("import hotloop; hotloop.Networks").stderr


def static_imports(source):
    """Return {name: module} of what type checkers see imported under ``if TYPE_CHECKING:``."""
    conditions = [node for node in ast.parse(source).body if isinstance(node, ast.If)]
    (block,) = [node for node in conditions if ast.unparse(node.test) == "TYPE_CHECKING"]
    return {alias.name: node.module for node in block.body for alias in node.names}


def test_type_checkers_see_what_python_imports():
    found = static_imports(SOURCE.read_text())
    submodules = {name for name, module in found.items() if module == "hotloop"}
    assert submodules == set(hotloop._SUBMODULES)
    static = {name: module for name, module in found.items() if name not in submodules}
    assert {*static, "__version__"} == set(hotloop.__all__)
    assert {name: getattr(hotloop, name).__module__ for name in static} == static
    assert {f"hotloop.{module}" for module in hotloop._MODULES} == set(static.values())


def seconds_to_import(folder):
    """Return the processor time of ``import numba`` in a fresh interpreter, and of hotloop's ``Network`` after it.

    Bytecode is kept in `folder`, also where the environment says to write none: each import would compile hotloop's
    sources again, about 40 ms, but not numba's, whose bytecode was written when it was installed.
    """
    code = (
        "import json, time; start = time.process_time(); import numba; middle = time.process_time(); "
        "from hotloop import Network; "
        "print(json.dumps([middle - start, time.process_time() - middle]))"
    )
    return fresh(code, PYTHONDONTWRITEBYTECODE="", PYTHONPYCACHEPREFIX=str(folder))


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="without the compiler the kernels import another set of modules")
@alone
def test_importing_hotloop_costs_little_more_than_numba(tmp_path):
    """The median of seven ratios, each of two imports in one process, which other load on the machine meets alike.

    Between two processes the difference was anything from 65 to 500 ms, since numba's own import took 380 to 850.
    """
    seconds_to_import(tmp_path)  # so that the files are compiled to bytecode, and in memory
    measured = [seconds_to_import(tmp_path) for _ in range(7)]
    assert statistics.median(hotloop / numba for numba, hotloop in measured) < IMPORT_LIMIT
