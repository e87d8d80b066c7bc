"""benchmarks/profiling.py: what it concludes from its measurements, and that the documents show them."""

import json
import re
from pathlib import Path

import pytest

from benchmarks import profile_ranks, profiling
from benchmarks.comparison import report
from benchmarks.comparison.measure import Session
from benchmarks.comparison.worker import PeerError

ROOT = Path(__file__).parents[2]


class Clocked:
    """A worker with a simulated clock: an epoch takes a tenth of a second, and longer under a profile."""

    def __init__(self, label, subject, cores):
        self.label, self.slower = label, {"hotloop_peer:Peer": 1.02, "torch_peer:Peer": 2.0}[subject]
        self.rounds = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def make(self, case):
        pass

    def seconds(self, method, epochs):
        self.rounds += 1
        drift = 1 + 0.001 * self.rounds  # the machine slows down
        return drift * epochs * 0.1 * {"train": 1, "profiled": 1.5 * self.slower}[method]

    def call(self, method, epochs):
        return self.seconds("train", epochs) * self.slower

    def timed(self, method, epochs):
        return self.seconds("profiled", epochs), self.call("profiled", epochs)


@pytest.fixture
def clocked(monkeypatch):
    monkeypatch.setattr(profiling, "Worker", Clocked)


def test_what_is_measured(clocked):
    session = Session(["hotloop"], 5, 1.0, cores=[0])
    row = profiling.measured(session, "64-32-10", "hotloop")
    assert row["epochs"] == 10
    assert row["ratio"] == pytest.approx(row["least"], rel=1e-2) == pytest.approx(1.02, rel=1e-2)
    assert row["block"] == pytest.approx(1.53, rel=1e-2)
    assert len(row["ratios"]) == 5
    assert row["target"] == 1.03


def test_the_report(clocked, tmp_path, capsys):
    assert profiling.main(["--rounds", "3", "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("profiling-*.json")
    results = json.loads(path.read_text())
    assert [(row["network"], row["peer"]) for row in results["rows"]] == [
        (name, peer) for name in ("64-32-10, batch 32", "784-512-512-10, batch 128") for peer in profiling.PEERS
    ]
    text = path.with_suffix(".md").read_text()
    assert text == profiling.markdown(results) == capsys.readouterr().out[: len(text)]
    assert "| 64-32-10, batch 32 | hotloop |" in text
    assert "| 1.03 |" in text


def test_a_peer_that_is_missing_is_named(monkeypatch, tmp_path):
    class Missing(Clocked):
        def make(self, case):
            if self.label != "hotloop":
                raise PeerError(self.label, "torch is not installed")

    monkeypatch.setattr(profiling, "Worker", Missing)
    assert profiling.main(["--quick", "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*.md")
    assert "torch is not installed" in path.read_text()


def test_nothing_measured_is_a_failure(monkeypatch, tmp_path):
    class Missing(Clocked):
        def make(self, case):
            raise PeerError(self.label, "it is not installed")

    monkeypatch.setattr(profiling, "Worker", Missing)
    assert profiling.main(["--quick", "--out", str(tmp_path)]) == 1
    assert list(tmp_path.iterdir()) == []


def rows_of(**seconds):
    """Return rows of six layers, each of one second except those given as phase=(layer, seconds)."""
    phases = {name: dict.fromkeys(range(1, 7), 1.0) for name in profile_ranks.EQUAL}
    phases["backward"][1] = 0.1
    for name, (layer, value) in seconds.items():
        phases[name][layer] = value
    rows = [
        {"name": name, "layer": layer, "seconds": value, "kind": "kernel"}
        for name, layers in phases.items()
        for layer, value in layers.items()
    ]
    return [*rows, {"name": "interruptions", "layer": None, "seconds": 99.0, "kind": "interrupted"}]


@pytest.mark.parametrize(("rows", "off"), [
    (rows_of(), 0.0), (rows_of(forward=(2, 1.3)), 0.3), (rows_of(update=(1, 0.6)), 0.4), (rows_of(backward=(6, 3)), 2),
])  # fmt: skip
def test_how_far_the_layers_are_apart(rows, off):
    assert profile_ranks.farthest(rows) == pytest.approx(off)


def test_the_phase_that_comes_first():
    assert profile_ranks.first_phase(rows_of(update=(4, 2.0))) == ("update", 4)


def test_the_slow_phase_can_be_planted():
    """The line of the kernel where it is planted still exists."""
    with profile_ranks.planted() as package:
        assert "for _ in range(3 if index == 2 else 1):" in (package / "kernels" / "descent.py").read_text()
    assert not package.exists()


def test_what_the_ranks_say(monkeypatch, capsys):
    """Three profiles each: in one a layer is off, in one another phase comes first."""
    slow = {"update": (4, 2.0)}
    found = iter([
        [rows_of(), rows_of(forward=(2, 1.19)), rows_of(forward=(2, 1.21))],
        [*[rows_of(**{"weight gradient": (3, 3.0)})] * 2, rows_of(**slow)],
    ])  # fmt: skip
    monkeypatch.setattr(profile_ranks, "profiles", lambda package, count, core: next(found))
    assert profiling.main(["--ranks", "3"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "all equal layers within 20% of the median of their phase: 2 of 3 profiles",
        "the planted slow phase first: 2 of 3 profiles",
    ]


REPORTS = sorted((ROOT / "benchmarks" / "reports").glob("profiling-*.json"))


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)
def test_a_report_shows_what_was_measured(path):
    results = json.loads(path.read_text())
    assert profiling.markdown(results) == path.with_suffix(".md").read_text()
    assert not results["about"]["quick"]
    assert not results["about"]["commit"].endswith("-dirty")
    assert report.slug(results["about"]["cpu"]) in path.name


def test_the_document_shows_what_was_measured():
    """The table of docs/profiling.md is that of the report that it names first, PyTorch's figures of the second."""
    document = (ROOT / "docs" / "profiling.md").read_text()
    named = [ROOT / "benchmarks" / "reports" / name for name in re.findall(r"reports/(profiling-[\w-]+\.md)", document)]
    ours, theirs = (json.loads(path.with_suffix(".json").read_text())["rows"] for path in named[:2])
    table = re.search(r"^\| network \| with / without \| middle .*\n\| .*\n((?:\|.*\n)+)", document, re.M)[1]
    shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert shown == [
        [row["network"].split(",")[0], f"{row['ratio']:.3f}", " to ".join(f"{end:.2f}" for end in row["quarters"])]
        for row in ours
        if row["peer"] == "hotloop"
    ]
    assert [row[0] for row in shown] == [*profiling.CASES]
    small, large = (row["ratio"] for row in theirs if row["peer"] == "PyTorch eager")
    assert f"with PyTorch's profiler, {small:.2f} and {large:.2f}" in document
