"""The rules of the code that no linter knows, each shown to fail on a planted breach."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from conftest import alone

import hotloop

ROOT = Path(__file__).parents[2]
KERNELS = sorted((ROOT / "kernels").rglob("*.py"))
NETWORK = sorted((ROOT / "network").rglob("*.py"))
FRONT_DOOR = ROOT / "src" / "hotloop" / "__init__.py"
ALL_SOURCES = [
    *KERNELS, *NETWORK, FRONT_DOOR,
    *sorted(path for folder in ("tests", "benchmarks", "examples") for path in (ROOT / folder).rglob("*.py")),
]  # fmt: skip
COMPILERS = {"jit", "njit", "vectorize", "guvectorize", "generated_jit", "cfunc", "stencil", "prange", "jit_module"}
OPTIONS = {"fastmath", "parallel", "error_model", "nogil"}
LONGEST_FILE = 400
IMPORT_LIMIT = 0.4  # of numba's own import: 0.15 s where that takes 0.38, as on the machine for which it was set


def name(path):
    return str(path.relative_to(ROOT))


def compiler_options(source):
    """Return what spells a Numba option or decorator in `source`: that is kernels/jit.py's business alone."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numba":
            found += [f"line {node.lineno}: {alias.name}" for alias in node.names if alias.name in COMPILERS]
        if isinstance(node, ast.Attribute) and node.attr in COMPILERS and ast.unparse(node) != "hotloop.kernels.jit":
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
        if isinstance(node, ast.Call):
            found += [f"line {node.lineno}: {k.arg}=" for k in node.keywords if k.arg in OPTIONS]
    return found


def imports(source):
    """Yield the line and the dotted name of each import; a relative one begins with a dot."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def is_within(module, packages):
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def strays(source, allowed):
    """Return the imports of the project's own code that are relative, or go beyond the packages `allowed`."""
    ours = ("hotloop", "benchmarks", "tests", "oracle", "examples", "kernels", "network", "conftest")
    return [
        f"line {line}: {module}"
        for line, module in imports(source)
        if module.startswith(".") or (is_within(module, ours) and not is_within(module, allowed))
    ]


@pytest.mark.parametrize("path", [p for p in [*KERNELS, *NETWORK] if p.name != "jit.py"], ids=name)
def test_numba_is_spelt_in_jit_alone(path):
    assert compiler_options(path.read_text()) == []


@pytest.mark.parametrize("breach", [
    "import numba\n@numba.njit\ndef f(): pass",
    "import numba as nb\nf = nb.njit(lambda x: x)",
    "from numba import njit",
    "from numba import prange as loop",
    "kernel(f, fastmath=True)",
    "kernel(parallel=True)(f)",
])  # fmt: skip
def test_a_planted_numba_option_is_seen(breach):
    assert compiler_options(breach) != []


@pytest.mark.parametrize("path", KERNELS, ids=name)
def test_kernels_import_kernels_alone(path):
    assert strays(path.read_text(), ["hotloop.kernels"]) == []


@pytest.mark.parametrize("path", NETWORK, ids=name)
def test_network_imports_kernels_and_network_alone(path):
    # The version is a constant of the front door, which has been imported before any module of hotloop.
    allowed = ["hotloop.kernels", "hotloop.network", "hotloop.__version__"]
    assert strays(path.read_text(), allowed) == []


def test_the_front_door_imports_both():
    assert strays(FRONT_DOOR.read_text(), ["hotloop.kernels", "hotloop.network"]) == []


@pytest.mark.parametrize("breach", [
    "from hotloop.network.network import Network",
    "import hotloop",
    "from hotloop import Network",
    "from .dense import dense_forward",
    "from kernels.dense import dense_forward",
    "import benchmarks.kernels",
    "from oracle import sigmoid",
    "def f():\n    import hotloop.network",
])  # fmt: skip
def test_a_planted_import_is_seen(breach):
    assert strays(breach, ["hotloop.kernels"]) != []


@pytest.mark.parametrize("path", ALL_SOURCES, ids=name)
def test_no_file_is_long(path):
    lines = path.read_text().count("\n")
    assert lines <= LONGEST_FILE


def test_the_folders_hold_code():
    """The tests above have something to look at."""
    assert len(KERNELS) > 5
    assert len(NETWORK) > 5
    assert (ROOT / "kernels" / "jit.py").read_text().count("njit") > 0


def seconds_to_import(folder):
    """Return the processor time of ``import numba`` in a fresh interpreter, and of hotloop's ``Network`` after it.

    It keeps bytecode in `folder`, also where the environment says to write none: each import would compile hotloop's
    sources anew, some 40 ms, but not those of numba, whose bytecode was written when it was installed.
    """
    environment = os.environ | {"PYTHONPATH": str(Path(hotloop.__file__).parents[1])}
    environment |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder)}
    code = (
        "import time; start = time.process_time(); import numba; middle = time.process_time(); "
        "from hotloop import Network; "
        "print(middle - start, time.process_time() - middle)"
    )
    return [float(n) for n in subprocess.check_output([sys.executable, "-c", code], env=environment, text=True).split()]


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="without the compiler the kernels import another set of modules")
@alone
def test_importing_hotloop_costs_little_more_than_numba(tmp_path):
    """The least of seven each: other load on the machine can only add.

    They are measured within one process: of two processes, one for each import, the difference was seen to be anything
    from 65 to 500 ms, since numba's own import took 380 to 850.
    """
    seconds_to_import(tmp_path)  # so that the files are compiled to bytecode, and in memory
    numba_seconds, hotloop_seconds = zip(*[seconds_to_import(tmp_path) for _ in range(7)], strict=True)
    assert min(hotloop_seconds) < IMPORT_LIMIT * min(numba_seconds)
