"""The architecture: imports go one way, without circles, and docs/architecture.md has a line for each module."""

import re
from pathlib import Path

import pytest
from import_graph import BY_TEXT, ORDER, arrows, circle, imports_by_text, module_name, row, upward

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "architecture.md"
MOST_AT_THE_TOP = 14  # modules of network/ that are in no wing


def sources():
    """Return the text of each file of kernels/ and network/ by its path from the root."""
    files = sorted(path for folder in ("kernels", "network") for path in (ROOT / folder).rglob("*.py"))
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in files}


SOURCES = sources()
GRAPH = arrows(SOURCES)


# Imports.


def test_every_module_has_a_place_in_the_order():
    assert len(SOURCES) > 80
    assert all(row(path) > 0 for path in SOURCES)
    with pytest.raises(LookupError, match=r"network/new\.py stands in no row"):
        row("network/new.py")


def test_no_import_goes_up():
    assert len(GRAPH) > 300
    assert sorted(upward(GRAPH)) == []


def test_no_imports_go_round_in_a_circle():
    assert circle(GRAPH) == []


def test_few_modules_stand_outside_the_wings():
    found = [path for path in SOURCES if re.fullmatch(r"network/(?!__init__)\w+\.py", path)]
    assert len(found) <= MOST_AT_THE_TOP, found


PLANTED = [
    ("kernels/dense.py", "import hotloop", "hotloop/"),
    ("kernels/dense.py", "from hotloop import Network", "hotloop/"),
    ("kernels/dense.py", "from hotloop import network", "network/__init__.py"),
    ("kernels/dense.py", "import hotloop.network.cli.main as main", "network/cli/main.py"),
    ("network/layout.py", "from hotloop.network import Network", "network/__init__.py"),
    ("network/layout.py", "from hotloop.network import network", "network/network.py"),
    ("network/layout.py", "from hotloop.network.network import *", "network/network.py"),
    ("network/layout.py", "if TYPE_CHECKING:\n    from hotloop.network.network import Network", "network/network.py"),
    ("network/layout.py", "def f():\n    from hotloop.network import warmup", "network/warmup.py"),
    ("network/layout.py", "try:\n    import hotloop.network.warmup\nfinally: pass", "network/warmup.py"),
    ("network/layout.py", "import os, hotloop.network.warmup", "network/warmup.py"),
    ("network/layout.py", "from . import network", "network/network.py"),
    ("network/layout.py", "from .network import Network", "network/network.py"),
    ("network/datasets/digits.py", "from ..training import fit", "network/training/fit.py"),
    ("network/datasets/digits.py", "from ..training.fit import fit", "network/training/fit.py"),
    ("network/datasets/__init__.py", "from ..training.fit import fit", "network/training/fit.py"),
    ("network/datasets/__init__.py", "from .. import Network", "network/__init__.py"),
    ("network/validation/arguments.py", "from hotloop.network.datasets import Dataset", "network/datasets/__init__.py"),
    (
        "network/training/fit.py",
        "from hotloop.network.persistence import model_file",
        "network/persistence/model_file.py",
    ),
]


@pytest.mark.parametrize(("file", "text", "target"), PLANTED)
def test_a_planted_upward_import_is_seen(file, text, target):
    """Of each kind: of a module, of a name through a package, relative, in a function, for annotations only."""
    assert {file, target} <= {*SOURCES, "hotloop/"}
    planted = upward(arrows(SOURCES | {file: f"{text}\n{SOURCES[file]}"}))
    found = {re.sub(r":\d+", "", arrow) for arrow in planted} - {re.sub(r":\d+", "", arrow) for arrow in upward(GRAPH)}
    assert found <= {f"{file} -> {target}"}
    assert any(re.fullmatch(rf"{file}:[123] -> {target}", arrow) for arrow in planted)


def test_few_import_a_module_by_a_text():
    """The graph does not see what they import."""
    assert {path for path, source in SOURCES.items() if imports_by_text(source)} == BY_TEXT


@pytest.mark.parametrize("text", [
    "importlib.import_module('hotloop.network.warmup')",
    "importlib.import_module(f'hotloop.network.{name}')",
    "importlib.import_module(name='hotloop.network.warmup')",
    "from importlib import import_module as load",
    "def f():\n    return __import__('hotloop.network.warmup')",
])  # fmt: skip
def test_a_planted_import_by_a_text_is_seen(text):
    assert imports_by_text(text)


def test_what_the_version_is_may_be_asked():
    assert arrows({"network/layout.py": "from hotloop import __version__"}) == {}


@pytest.mark.parametrize("text", [
    "from hotloop.kernels.training import train_slice",
    "from hotloop.kernels import training",
    "from hotloop.kernels import sigmoid",  # through kernels/__init__.py, which imports all
    "from . import training",
    "def f():\n    import hotloop.kernels.training",
    "if TYPE_CHECKING:\n    import hotloop.kernels.training",
])  # fmt: skip
def test_a_planted_circle_is_seen(text):
    kernels = {path: source for path, source in SOURCES.items() if path.startswith("kernels/")}
    assert circle(arrows(kernels)) == []
    found = circle(arrows(kernels | {"kernels/jit.py": f"{text}\n{kernels['kernels/jit.py']}"}))
    assert found[0] == found[-1]
    assert "kernels/jit.py" in found


# The document.


def rows_of_the_document(text):
    """Return the modules that the tables of the document have a row for, with what one finds in each."""
    found, folder = [], ""
    for line in text.splitlines():
        if heading := re.match(r"#+ `([\w/]+/)`", line):
            folder = heading[1]
        elif cells := re.match(r"\| `([\w./]+\.py)` \| (.+) \|$", line):
            found.append((folder + cells[1], cells[2]))
    return found


def drawn(text):
    """Return the rows of the drawing of the order: the paths that its lines begin with, of which a row may fill two."""
    (drawing,) = re.findall(r"^<!-- order -->\n```text\n(.*?)^```$", text, re.M | re.S)
    lines = drawing.replace(",\n", ", ").splitlines()
    return [tuple(re.match(r"[\w./]+(, [\w./]+)*", line)[0].split(", ")) for line in lines]


def test_every_module_has_a_line():
    """And none is named that does not exist, none twice."""
    named = [path for path, _ in rows_of_the_document(DOCUMENT.read_text())]
    wanted = {path for path in SOURCES if not path.endswith("__init__.py")}
    missing, gone = sorted(wanted - {*named}), sorted({*named} - wanted)
    say = [f"missing: {path}" for path in missing] + [f"does not exist: {path}" for path in gone]
    say += [f"named twice: {path}" for path in {*named} if named.count(path) > 1]
    assert not say, "\n".join(["docs/architecture.md:", *say])


def test_every_line_says_something():
    assert [path for path, text in rows_of_the_document(DOCUMENT.read_text()) if len(text.split()) < 3] == []


def test_the_drawing_has_the_order():
    """The rows of ORDER, from top to bottom; it is the folder src/hotloop/ that is installed as hotloop."""
    (_, *rows) = ORDER
    assert drawn(DOCUMENT.read_text()) == [("src/hotloop/",), *rows]


def test_a_module_name_is_that_of_the_package():
    assert module_name("network/cli/main.py") == "hotloop.network.cli.main"
    assert module_name("network/cli/__init__.py") == "hotloop.network.cli"
