"""Rules of the code that no linter knows, each shown to fail on a planted breach."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KERNELS = sorted((ROOT / "kernels").rglob("*.py"))
NETWORK = sorted((ROOT / "network").rglob("*.py"))
FRONT_DOOR = sorted((ROOT / "src" / "hotloop").glob("*.py"))
ALL_SOURCES = [
    *KERNELS, *NETWORK, *FRONT_DOOR,
    *sorted(path for folder in ("tests", "benchmarks", "examples") for path in (ROOT / folder).rglob("*.py")),
]  # fmt: skip
COMPILERS = {"jit", "njit", "vectorize", "guvectorize", "generated_jit", "cfunc", "stencil", "prange", "jit_module"}
OPTIONS = {"fastmath", "parallel", "error_model", "nogil"}
LONGEST_FILE = 400


def name(path):
    return str(path.relative_to(ROOT))


def compiler_options(source):
    """Return what spells a Numba option or decorator in `source`, which only kernels/jit.py may."""
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


def strays(source):
    """Return the imports that are relative, or of code of the project that is not installed with hotloop."""
    beside = ("benchmarks", "tests", "examples", "oracle", "conftest", "kernels", "network")
    return [f"line {line}: {module}" for line, module in imports(source)
            if module.startswith(".") or module.split(".")[0] in beside]  # fmt: skip


def breaches(paths, found):
    """Return what `found` sees in each file, by the file's name: one test for all files, since there are hundreds."""
    return {name(path): seen for path in paths if (seen := found(path.read_text()))}


def test_numba_is_spelt_in_jit_alone():
    assert breaches([p for p in [*KERNELS, *NETWORK] if p.name != "jit.py"], compiler_options) == {}


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


def test_imports_are_absolute_and_of_what_is_installed():
    """test_architecture.py checks their direction."""
    assert breaches([*KERNELS, *NETWORK, *FRONT_DOOR], strays) == {}


@pytest.mark.parametrize("breach", [
    "from .dense import dense_forward",
    "from .. import network",
    "from kernels.dense import dense_forward",
    "import network",
    "import benchmarks.kernels",
    "from oracle import sigmoid",
    "def f():\n    import examples.digits",
])  # fmt: skip
def test_a_planted_stray_import_is_seen(breach):
    assert strays(breach) != []


def imported_tests(source):
    """Return the test files that a file imports, or a program within it."""
    return re.findall(r"^\s*(?:from|import) (test_\w+)", source, re.M)


def test_no_file_imports_a_test():
    """What several files share is a module in tests/, since pytest loads test files in its own way."""
    assert breaches(sorted((ROOT / "tests").rglob("*.py")), imported_tests) == {}


def test_a_planted_import_of_a_test_is_seen():
    assert imported_tests('PROGRAM = """\n' + "from " + "test_fit import fitted\n" + '"""') == ["test_fit"]


def too_long(source):
    """Return the number of lines if there are too many."""
    lines = source.count("\n")
    return lines if lines > LONGEST_FILE else 0


def test_no_file_is_long():
    assert breaches(ALL_SOURCES, too_long) == {}
    assert too_long("\n" * (LONGEST_FILE + 1))


def test_the_folders_hold_code():
    """The tests above have something to look at."""
    assert len(KERNELS) > 5
    assert len(NETWORK) > 5
    assert (ROOT / "kernels" / "jit.py").read_text().count("njit") > 0
