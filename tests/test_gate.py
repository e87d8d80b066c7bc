"""The gate: what ratios say, what is told apart, and that each failure has a word and a status of its own."""

import itertools
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import gate as gate_module
from benchmarks import kernels, networks
from benchmarks.comparison import builds
from benchmarks.comparison.builds import Build, BuildError
from benchmarks.comparison.measure import Session
from benchmarks.comparison.verdicts import FEWEST, Comparison, interval
from benchmarks.comparison.worker import PeerError
from benchmarks.gate import Gate, lost, main, promised, published, report
from benchmarks.profiles import PROFILES, pattern
from benchmarks.suite import entries

ROOT = Path(__file__).parents[1]
BASE, HEAD = Build("b" * 40, Path("/base")), Build("a" * 40, Path("/head"))
ENTRIES = [entry for entry in entries() if re.search(pattern("gate"), entry.name)]
TIMED = [entry for entry in ENTRIES if entry.body.startswith("time_")]


# What ratios say.


def test_the_interval_covers_the_median_as_often_as_it_says():
    """By going through all signs that n values can have about the median: which order statistics lie on either side."""
    for n in (8, 11, 13):
        values = list(range(n))
        low, high = interval(values, 0.99)
        covered = sum(
            1 for below in itertools.product((0, 1), repeat=n) if low < sum(below) <= high
        )  # the median lies between the sum(below) - 1-th and the sum(below)-th value
        assert covered / 2**n >= 0.99
        assert (low, high) == (values[low], values[n - 1 - low])
        narrower = sum(math.comb(n, count) for count in range(low + 2, high)) / 2**n
        assert narrower < 0.99


def test_eight_values_are_needed_for_99_percent():
    assert FEWEST == 8
    assert interval([1.0] * 7) == (-math.inf, math.inf)
    assert interval([3, 1, 4, 1, 5, 9, 2, 6]) == (1, 9)


def comparison(ratios, exact=False):
    return Comparison("x", exact, [1.0] * len(ratios), list(ratios))


@pytest.mark.parametrize(("ratios", "verdict"), [
    ([1.06] * 8, "slower"),
    ([1.15, 1.2, 1.1, 1.12, 1.18, 1.3, 1.06, 1.15], "slower"),
    ([1.15] * 7 + [1.04], "unsure"),
    ([1.05] * 8, "same"),
    ([1.0] * 7 + [1.06], "unsure"),
    ([0.9] * 8, "faster"),
    ([0.9] * 7 + [1.0], "same"),
    ([1.2] * 7, "unsure"),
])  # fmt: skip
def test_verdicts(ratios, verdict):
    assert comparison(ratios).verdict(1.05) == verdict


@pytest.mark.parametrize(("base", "head", "verdict"), [
    (28, 29, "slower"), (28, 28, "same"), (28, 27, "faster"), (0, 0, "same"), (0, 1, "slower"), (1, 0, "faster"),
])  # fmt: skip
def test_what_is_exact_may_not_grow_at_all(base, head, verdict):
    assert Comparison("x", True, [base], [head]).verdict(1.05) == verdict


# A gate on workers that only pretend: each process has a speed of its own, and each sample its noise.


class Pretender:
    """A commit's process. `factor` slows it down; what `faults` names fails."""

    rng = np.random.default_rng(0)

    def __init__(self, peer, factor=1.0, faults=None):
        self.peer, self.factor, self.faults = peer, factor, faults or {}
        self.process, self.status = self, None
        self.speed = self.rng.normal(1, 0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def poll(self):
        return self.status

    def make(self, package):
        pass

    def call(self, method, *given):
        if method == "make":
            self.name = given[0]
        fault = self.faults.get((method, self.name))
        if fault == "die":
            self.status, fault = -11, PeerError(self.peer, "its process ended, with status -11")
        if isinstance(fault, PeerError):
            raise fault
        if fault is not None:
            return fault
        slow = 3 if self.rng.random() < 0.05 else 1  # another process on the machine
        noisy = self.factor * self.speed * slow * self.rng.normal(1, 0.01)
        return {"make": "", "value": 28.0, "calls": 7, "sample": noisy, "end": None}[method]


def pretend(monkeypatch, factor=1.0, base_faults=None, head_faults=None, wanted=ENTRIES):
    gate = Gate(BASE, HEAD, wanted, 1.05, Session([], 24, 0.01, cores=[0]))
    of_head = {"factor": factor, "faults": head_faults}

    def start(build):
        return Pretender("head", **of_head) if build is HEAD else Pretender("base", faults=base_faults)

    monkeypatch.setattr(gate, "start", start)
    gate.run()
    return gate


def test_a_commit_against_itself_raises_no_alarm(monkeypatch, capsys):
    for _ in range(20):
        assert report(pretend(monkeypatch)) == 0
    assert f"nothing is slower: {len(ENTRIES)} benchmarks compared" in capsys.readouterr().out


def test_a_slowdown_is_found(monkeypatch, capsys):
    for _ in range(10):
        assert report(pretend(monkeypatch, 1.15)) == 1
        assert capsys.readouterr().out.count("\nslower: ") == len(TIMED)


def test_what_is_decided_is_not_measured_again(monkeypatch):
    gate = pretend(monkeypatch)
    pairs = {name: len(found.head) for name, found in gate.found.items()}
    assert {pairs[entry.name] for entry in ENTRIES if entry not in TIMED} == {1}
    assert min(pairs[entry.name] for entry in TIMED) == FEWEST


def test_a_benchmark_that_the_head_lacks_is_missing(monkeypatch, capsys):
    left_out = {("make", TIMED[0].name): "this commit has no kernel x"}
    gate = pretend(monkeypatch, head_faults=left_out)
    assert report(gate) == 4
    printed = capsys.readouterr().out
    assert f"benchmark missing: {TIMED[0].name}: this commit has no kernel x" in printed
    assert f"| {TIMED[0].name} |" not in printed


@pytest.mark.parametrize("method", ["make", "sample", "end"])
def test_a_benchmark_that_fails_on_the_head_is_missing(method, monkeypatch, capsys):
    fault = {(method, TIMED[1].name): PeerError("head", "ZeroDivisionError: division by zero")}
    assert report(pretend(monkeypatch, head_faults=fault)) == 4
    assert f"benchmark missing: {TIMED[1].name}: ZeroDivisionError" in capsys.readouterr().out


def test_a_benchmark_that_is_new_is_left_out(monkeypatch, capsys):
    fault = {("make", TIMED[0].name): "this commit has no kernel x"}
    assert report(pretend(monkeypatch, base_faults=fault)) == 0
    printed = capsys.readouterr().out
    assert f"left out: {TIMED[0].name}: this commit has no kernel x" in printed
    assert f"{len(ENTRIES) - 1} benchmarks compared" in printed


def test_a_base_that_dies_is_no_gate(monkeypatch):
    """What it could not measure would else be left out, and the rest pass."""
    with pytest.raises(PeerError, match="status -11"):
        pretend(monkeypatch, base_faults={("sample", TIMED[1].name): "die"})


def test_a_head_that_dies_lacks_the_benchmark(monkeypatch, capsys):
    assert report(pretend(monkeypatch, head_faults={("sample", TIMED[1].name): "die"})) == 4
    assert f"benchmark missing: {TIMED[1].name}: its process ended" in capsys.readouterr().out


def test_nothing_to_compare_is_a_failure(monkeypatch, capsys):
    assert report(pretend(monkeypatch, wanted=[])) == 5
    assert capsys.readouterr().out == "nothing measured\n"
    everything = {("make", entry.name): "this machine has none" for entry in ENTRIES}
    assert report(pretend(monkeypatch, base_faults=everything)) == 5


def test_slower_and_missing_are_both_said(monkeypatch, capsys):
    fault = {("make", TIMED[0].name): "gone"}
    assert report(pretend(monkeypatch, 1.3, head_faults=fault)) == 1
    printed = capsys.readouterr().out
    assert "benchmark missing: " in printed
    assert "slower: " in printed


def test_an_exact_value_that_grows_is_slower(monkeypatch, capsys):
    name = next(entry.name for entry in ENTRIES if entry.owner.exact)
    assert report(pretend(monkeypatch, head_faults={("value", name): 28.5})) == 1
    assert f"slower: {name}" in capsys.readouterr().out


def test_the_table_has_what_was_measured(monkeypatch):
    gate = pretend(monkeypatch, 1.5, wanted=[TIMED[0]])
    table = gate_module.show(gate).splitlines()
    assert table[0].startswith("| benchmark | base | head | unit | head / base |")
    cells = table[2].split(" | ")
    assert cells[0] == f"| {TIMED[0].name}"
    assert cells[3] == "us"
    assert float(cells[4]) == pytest.approx(1.5, rel=0.1)
    assert cells[-1] == "slower |"


# Commits.


def run_git(folder, *arguments):
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, env=os.environ | who)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository of two commits, of which neither can be built; the first has results."""
    run_git(tmp_path, "init", "--quiet")
    results = tmp_path / "benchmarks" / "results" / "machine"
    results.mkdir(parents=True)
    for number in range(2):
        (tmp_path / "pyproject.toml").write_text(f"[build-system]\nrequires = []\nbuild-backend = 'none{number}'\n")
        run_git(tmp_path, "add", ".")
        run_git(tmp_path, "commit", "--quiet", "-m", str(number))
        if number == 0:
            first = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=tmp_path, text=True).strip()
            (results / f"{first[:8]}-env.json").write_text("{}")
            (results / "machine.json").write_text("{}")
    monkeypatch.setattr(builds, "ROOT", tmp_path)
    return tmp_path


def test_the_published_base_is_the_newest_commit_with_results(repository):
    head = builds.commit_of("HEAD")
    assert published(head) == builds.commit_of("HEAD^")
    with pytest.raises(ValueError, match="has results in benchmarks/results"):
        published(builds.commit_of("HEAD^"))  # in whose tree they are not yet


def test_a_commit_that_fails_to_build(repository, capsys):
    assert main(["HEAD", "HEAD", "--work", str(repository / "work")]) == 3
    printed = capsys.readouterr().err
    assert "none1" in printed
    assert printed.splitlines()[-1].startswith("failed to build: base ")
    assert not any((repository / "work" / "packages").iterdir())


def test_a_build_fails_with_what_pip_said(repository):
    with pytest.raises(BuildError, match="none0"):
        builds.build(builds.commit_of("HEAD^"), repository / "work")


@pytest.mark.parametrize(("arguments", "said"), [
    (["nowhere"], "no commit is called 'nowhere'"),
    (["HEAD", "nowhere"], "no commit is called 'nowhere'"),
    (["HEAD", "--bench", "("], "unterminated"),
    (["HEAD", "--threshold", "x"], "invalid threshold value"),
    (["HEAD", "--threshold", "0.9"], "must be 1 or more"),
    (["HEAD", "--seconds", "0"], "must be above 0"),
    ([], "required: base"),
])  # fmt: skip
def test_mistakes_in_the_command(arguments, said, repository, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_benchmark_with_results_that_left_the_suite_is_missing(monkeypatch):
    known = (
        '{"version": 2, "kernels.Gone.time_call": {"name": "kernels.Gone.time_call", "version": "1", "params": '
        '[["1", "2"]]}, "networks.Old.time_fit": {"name": "networks.Old.time_fit", "version": "1", "params": []}}'
    )
    monkeypatch.setattr(gate_module, "git", lambda *_: known)
    assert promised("b") == ["kernels.Gone.time_call(1)", "kernels.Gone.time_call(2)", "networks.Old.time_fit"]
    assert list(lost(re.compile("^kernels"), "b")) == ["kernels.Gone.time_call(1)", "kernels.Gone.time_call(2)"]


def test_the_help_names_every_status():
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "gate.py"), "--help"], capture_output=True, text=True, check=True
    )
    for words in ("1 slower", "3 failed to build", "4 benchmark missing", "5 nothing measured"):
        assert words in " ".join(done.stdout.split())


def test_the_gate_compares_kernels_networks_and_what_is_exact():
    owners = {entry.owner for entry in ENTRIES}
    assert {kernels.DenseForward, kernels.Sigmoid, networks.Epoch, networks.Predict} <= owners
    assert sum(owner.exact for owner in owners) == 3
    assert len(PROFILES["gate"]) < len(ENTRIES) < 25
