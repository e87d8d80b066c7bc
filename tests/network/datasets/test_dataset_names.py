"""The public names of the data sets: one list, documented, importable by two ways and without Numba."""

import re
import subprocess
import sys
from pathlib import Path

import hotloop.datasets
from hotloop.network import datasets

ROOT = Path(__file__).parents[3]


def test_the_short_way_has_the_same_names():
    assert hotloop.datasets.__all__ == datasets.__all__ == sorted(datasets.__all__)
    for name in datasets.__all__:
        assert getattr(hotloop.datasets, name) is getattr(datasets, name)
        assert getattr(datasets, name).__doc__


def test_the_document_lists_them():
    text = (ROOT / "docs" / "data.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", text, re.M)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == set(datasets.__all__)


def test_data_is_loaded_without_numba(tmp_path):
    """Its import takes longer than reading most files."""
    (tmp_path / "table.csv").write_text("a,y\n" + "1,2.5\n2,3.5\n" * 4)
    program = """
import sys
from hotloop.datasets import load, load_csv
load("digits"), load_csv("table.csv")
print(*sorted(name for name in sys.modules if name.split(".")[0] == "numba" or name.startswith("hotloop.kernels")))
"""
    paths = f"import sys; sys.path[:0] = {sys.path!r}\n"
    done = subprocess.run([sys.executable, "-c", paths + program], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_benchmarks_take_the_way_that_old_commits_have():
    """They time old commits with the current suite, so `hotloop.network.datasets` must stay importable."""
    sources = "".join(path.read_text() for path in (ROOT / "benchmarks").rglob("*.py"))
    used = set(re.findall(r"from hotloop\.network\.datasets import (.+)", sources))
    assert used
    assert {name.strip() for names in used for name in names.split(",")} <= set(datasets.__all__)
    assert "hotloop.datasets" not in sources
