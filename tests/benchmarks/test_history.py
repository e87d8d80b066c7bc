"""The history of the speed: the document shows the committed results."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from picture_checks import problems

from benchmarks import history
from benchmarks.history import DOCUMENT, PICTURES, Commit, draw, filled, main, shown, values_table
from benchmarks.suite import entries

ROOT = Path(__file__).parents[2]
EPOCH = "networks.Epoch.time_fit('64-32-10', 32)"


def whole_repository():
    """Whether this is a checkout with its history, not a source archive."""
    done = subprocess.run(["git", "rev-parse", "--is-shallow-repository"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() == "false"


@pytest.fixture
def committed():
    pytest.importorskip("asv", reason="the history is read by asv, which is not installed")
    if not whole_repository():
        pytest.skip("the order of commits is Git's, and this is no checkout with its history")
    return history.commits()


def test_the_documents_tables_are_those_of_the_results(committed):
    text = DOCUMENT.read_text()
    assert filled(text, "values", history.values_table(committed)) == text
    assert filled(text, "commits", history.commits_table(committed)) == text
    for other in history.OTHERS:
        assert filled(text, f"values on {other}", history.values_table(history.commits(other))) == text


def test_the_machines_are_described_and_their_results_kept():
    ignored, packed = ((ROOT / name).read_text().splitlines() for name in (".gitignore", "MANIFEST.in"))
    for name in (history.MACHINE, *history.OTHERS):
        described = json.loads((ROOT / "benchmarks" / "results" / name / "machine.json").read_text())
        assert described["machine"] == name
        assert {"arch", "cpu", "num_cpu", "os", "ram"} <= set(described)
        assert f"!benchmarks/results/{name}/" in ignored
        assert f"graft benchmarks/results/{name}" in packed


def test_there_is_a_history_to_see(committed):
    assert len(committed) >= 10
    for _, lines in PICTURES.values():
        for benchmark in lines.values():
            assert sum(benchmark in commit.values for commit in committed) >= 2


@pytest.mark.parametrize("name", PICTURES)
def test_the_document_shows_every_picture(name):
    assert f"](performance/{name}.png)" in DOCUMENT.read_text()
    assert (DOCUMENT.parent / "performance" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_pictures_are_of_benchmarks_that_exist():
    names = {entry.name for entry in entries()}
    assert {benchmark for _, lines in PICTURES.values() for benchmark in lines.values()} <= names


@pytest.fixture
def two():
    """Two commits, of which the second is twice as fast."""
    old = Commit("a" * 40, 0.0, "old", {EPOCH: (8e-3, 7e-3, 9e-3)})
    return [old, Commit("b" * 40, 86400.0, "new", {EPOCH: (4e-3, 4e-3, 4e-3)})]


def test_a_picture_has_multiples_of_the_median(two, tmp_path):
    assert draw("training", two, tmp_path).stat().st_size > 1000
    (axes,) = history.picture("training", two).axes
    (line,) = [line for line in axes.lines if line.get_label() == "64-32-10, batch 32"]
    assert list(line.get_ydata()) == pytest.approx([8 / 6, 4 / 6])
    assert [text.get_text() for text in axes.get_xticklabels()] == ["a" * 8, "b" * 8]


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_legible(name, committed):
    """And no line is so far from the others that it flattens them."""
    drawn = history.picture(name, committed)
    assert problems(drawn) == []
    ticks = [text.get_text() for text in drawn.axes[0].get_yticklabels()]
    assert "1" in ticks
    assert len(ticks) >= 3


def test_the_tables(two):
    assert values_table(two).splitlines()[2:] == [
        "| 64-32-10, batch 32 | aaaaaaaa | 8.00 ms | bbbbbbbb | 4.00 ms | 0.50 |"
    ]
    assert history.commits_table(two).splitlines()[3] == "| bbbbbbbb | 1970-01-02 | 1 | new |"


@pytest.mark.parametrize(("value", "benchmark", "text"), [
    (2.0, EPOCH, "2.00 s"), (2e-3, EPOCH, "2.00 ms"), (2.5e-6, EPOCH, "2.50 us"), (2e-7, EPOCH, "200 ns"),
    (236.4e6, "figures.Memory.peakmem_fit", "236 MB"), (345_678, "figures.Wheel.track_size", "346 kB"),
    (0.032, "figures.Digits.track_seconds_to_95_percent", "32.0 ms"),
])  # fmt: skip
def test_values_have_units(value, benchmark, text):
    assert shown(value, benchmark) == text


def test_a_document_without_marks_is_refused():
    assert filled("<!-- values -->\nold\n<!-- end -->", "values", "new") == "<!-- values -->\n\nnew\n\n<!-- end -->"
    with pytest.raises(ValueError, match="no marks <!-- commits -->"):
        filled("<!-- values -->\nold\n<!-- end -->", "commits", "new")


def test_a_machine_without_results_changes_nothing(capsys):
    pytest.importorskip("asv", reason="the history is read by asv, which is not installed")
    before = DOCUMENT.read_text()
    assert main(["--machine", "none"]) == 1
    assert "no results of the machine none" in capsys.readouterr().err
    assert DOCUMENT.read_text() == before


def test_results_of_another_version_are_left_out(committed, monkeypatch):
    (entry,) = [entry for entry in entries() if entry.name == EPOCH]
    assert any(EPOCH in commit.values for commit in committed)
    monkeypatch.setattr(entry.owner, "version", "another")
    assert not any(EPOCH in commit.values for commit in history.commits())


def test_the_committed_results_are_small():
    files = list((ROOT / "benchmarks" / "results").rglob("*.json"))
    assert len(files) >= 12
    assert sum(path.stat().st_size for path in files) < 1_000_000
    machine = re.compile(r"/(home|root|tmp|work)/")
    assert [path.name for path in files if machine.search(path.read_text())] == []
