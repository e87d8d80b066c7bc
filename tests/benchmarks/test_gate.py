"""The gate: what it tells apart, and that each failure has a different word and exit status."""

import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import needs_compiler
from kernel_caches import folder_of_kernels

import hotloop
from benchmarks import gate as gate_module
from benchmarks import kernels, networks
from benchmarks.comparison import builds, commit_peer
from benchmarks.comparison.builds import Build
from benchmarks.comparison.verdicts import FEWEST
from benchmarks.comparison.worker import PeerError, Worker, variables
from benchmarks.gate import Gate, main, promised, published, report
from benchmarks.profiles import PROFILES, pattern
from benchmarks.suite import entries
from hotloop.kernels.training import train_slice

ROOT = Path(__file__).parents[2]
BASE, HEAD = Build("b" * 40, Path("/base")), Build("a" * 40, Path("/head"))
GATE = pattern("gate")
ENTRIES = [entry for entry in entries() if re.search(GATE, entry.name)]
TIMED = [entry for entry in ENTRIES if entry.body.startswith("time_")]


# A gate on simulated workers: each process has its speed, and each sample its noise.


class Pretender:
    """A commit's process, slowed down by `factor`; `faults` names methods and benchmarks that fail."""

    rng = np.random.default_rng(0)

    def __init__(self, peer, factor=1.0, faults=None, noise=0.02):
        self.peer, self.factor, self.faults, self.noise = peer, factor, faults or {}, noise
        self.process, self.status = self, None
        self.speed = math.exp(self.rng.normal(0, noise))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def poll(self):
        return self.status

    def call(self, method, *given):
        if method == "catalog":
            return [commit_peer.listed(entry) for entry in entries()]
        if method == "make":
            self.name = given[0]
        fault = self.faults.get((method, self.name))
        if fault == "die":
            self.status = -11
        if self.status:
            raise PeerError(self.peer, f"its process ended, with status {self.status}")
        if isinstance(fault, str) and fault.startswith("raise "):
            raise PeerError(self.peer, fault[6:])
        if fault is not None:
            return fault
        slow = 3 if self.rng.random() < 0.05 else 1  # another process on the machine
        noisy = self.factor * self.speed * slow * self.rng.normal(1, 0.01)
        return {"make": "", "value": 28.0, "calls": 7, "sample": noisy, "end": None}[method]


def pretend(monkeypatch, factor=1.0, base_faults=None, head_faults=None, wanted=GATE, noise=0.02):
    gate = Gate(BASE, HEAD, 1.08, 0.01)
    monkeypatch.setattr(gate_module, "promised", lambda commit: [])

    def start(build):
        if build is HEAD:
            return Pretender("head", factor, head_faults, noise)
        return Pretender("base", 1.0, base_faults, noise)

    monkeypatch.setattr(gate, "start", start)
    gate.choose(re.compile(wanted))
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


def test_few_pairs_show_their_ratios(monkeypatch):
    gate = pretend(monkeypatch, noise=0.001)
    assert "inf" not in gate_module.show(gate)


def test_what_is_decided_is_not_measured_again(monkeypatch):
    gate = pretend(monkeypatch)
    pairs = {name: len(found.head) for name, found in gate.found.items()}
    assert {pairs[entry.name] for entry in ENTRIES if entry not in TIMED} == {1}
    assert min(pairs[entry.name] for entry in TIMED) == FEWEST


def test_a_benchmark_that_the_head_lacks_is_missing(monkeypatch, capsys):
    left_out = {("make", TIMED[0].name): "this commit has no kernel x"}
    assert report(pretend(monkeypatch, head_faults=left_out)) == 4
    printed = capsys.readouterr().out
    assert f"benchmark missing: {TIMED[0].name}: on the head: this commit has no kernel x" in printed
    assert f"| {TIMED[0].name} |" not in printed


@pytest.mark.parametrize("method", ["make", "sample", "end"])
@pytest.mark.parametrize("peer", ["base", "head"])
def test_a_benchmark_that_fails_is_missing(peer, method, monkeypatch, capsys):
    """On the base too: else a mistake in the suite, which both share, would be left out there and pass."""
    fault = {f"{peer}_faults": {(method, TIMED[1].name): "raise ZeroDivisionError: division by zero"}}
    assert report(pretend(monkeypatch, **fault)) == 4
    printed = capsys.readouterr().out
    assert f"benchmark missing: {TIMED[1].name}: on the {peer}: ZeroDivisionError" in printed
    assert f"| {TIMED[2].name} |" in printed


@pytest.mark.parametrize("peer", ["base", "head"])
def test_a_process_that_dies_takes_one_benchmark_with_it(peer, monkeypatch, capsys):
    gate = pretend(monkeypatch, **{f"{peer}_faults": {("sample", TIMED[1].name): "die"}})
    assert report(gate) == 4
    assert list(gate.missing) == [TIMED[1].name]
    assert f"{TIMED[1].name}: on the {peer}: its process ended, with status -11" in capsys.readouterr().out
    assert len(gate.measured()) == len(ENTRIES) - 1


def test_a_benchmark_that_is_new_is_left_out(monkeypatch, capsys):
    fault = {("make", TIMED[0].name): "this commit has no kernel x"}
    assert report(pretend(monkeypatch, base_faults=fault)) == 0
    printed = capsys.readouterr().out
    assert f"left out: {TIMED[0].name}: this commit has no kernel x" in printed
    assert f"{len(ENTRIES) - 1} benchmarks compared" in printed


def test_a_benchmark_that_is_new_and_fails_is_missing(monkeypatch):
    left_out = {("make", TIMED[0].name): "this commit has no kernel x"}
    broken = {("make", TIMED[0].name): "raise NameError: name 'x' is not defined"}
    assert report(pretend(monkeypatch, base_faults=left_out, head_faults=broken)) == 4


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_no_number_is_missing(value, monkeypatch, capsys):
    names = [TIMED[0].name, next(entry.name for entry in ENTRIES if entry.owner.exact)]
    for name, method in zip(names, ("sample", "value"), strict=True):
        assert report(pretend(monkeypatch, head_faults={(method, name): value})) == 4
        assert f"benchmark missing: {name}: on the head: a value is not finite" in capsys.readouterr().out


def test_nothing_to_compare_is_a_failure(monkeypatch, capsys):
    assert report(pretend(monkeypatch, wanted="nothing like it")) == 5
    assert capsys.readouterr().out == "nothing measured\n"
    everything = {("make", entry.name): "this machine has none" for entry in ENTRIES}
    assert report(pretend(monkeypatch, base_faults=everything)) == 5


def test_a_machine_too_noisy_to_decide_is_a_failure(monkeypatch, capsys):
    assert report(pretend(monkeypatch, noise=0.6)) == 5
    printed = capsys.readouterr().out
    assert "nothing measured: most are undecided" in printed
    assert "\nunsure: " in printed


def test_what_the_gate_does_not_compare_is_named(monkeypatch, capsys):
    assert report(pretend(monkeypatch, wanted="Memory|Tile")) == 0
    assert "left out: figures.Memory.peakmem_fit: the gate compares neither memory" in capsys.readouterr().out


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


def test_the_table_has_what_was_measured(monkeypatch, capsys):
    gate = pretend(monkeypatch, 1.5, wanted=re.escape(TIMED[0].name))
    table = gate_module.show(gate).splitlines()
    report(gate)
    assert "\nhead / base is the median of the pairs' ratios" in capsys.readouterr().out
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
    """A repository of two commits that cannot be built; the first has results."""
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


def test_a_commit_is_not_compared_with_itself(repository, capsys, monkeypatch):
    """Of CI's own command it is no mistake: there is nothing to compare."""
    head = builds.commit_of("HEAD")
    assert main([head[:10], "HEAD"]) == 2
    assert f"error: base and head are the same commit, {head[:8]}: name two" in capsys.readouterr().err
    monkeypatch.setattr(gate_module, "published", lambda commit: commit)
    assert main(["published", "HEAD"]) == 0
    assert capsys.readouterr().out.startswith(f"nothing to compare: {head[:8]} is itself the newest commit with")


def test_a_commit_that_fails_to_build(repository, capsys):
    """With what pip said."""
    assert main(["HEAD", "HEAD^", "--work", str(repository / "work")]) == 3
    printed = capsys.readouterr().err
    assert "none1" in printed
    assert printed.splitlines()[-1] == f"failed to build: {builds.commit_of('HEAD')[:8]}"
    assert not any((repository / "work" / "packages").iterdir())


@pytest.mark.parametrize(("arguments", "said"), [
    (["nowhere"], "no commit is called 'nowhere'"),
    (["HEAD", "HEAD"], ": name two that differ"),
    (["HEAD", "nowhere"], "no commit is called 'nowhere'"),
    (["HEAD", "--bench", "("], "unterminated"),
    (["HEAD", "--threshold", "x"], "invalid threshold value"),
    (["HEAD", "--threshold", "0.9"], "must be 1 or more"),
    (["HEAD", "--threshold", "inf"], "must be 1 or more"),
    (["HEAD", "--seconds", "0"], "must be above 0"),
    (["HEAD^", "--work", "pyproject.toml/x"], "Not a directory"),
    (["published", "HEAD^"], "has results in benchmarks/results"),
    ([], "required: base"),
])  # fmt: skip
def test_mistakes_in_the_command(arguments, said, repository, capsys, monkeypatch):
    """Each is reported in a line, with its own status: the status of a traceback would mean "slower"."""
    monkeypatch.chdir(repository)
    try:
        status = main(arguments)
    except SystemExit as ended:
        status = ended.code
    assert status == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_outside_a_repository(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(builds, "ROOT", tmp_path)
    assert main(["HEAD"]) == 2
    assert "not a git repository" in capsys.readouterr().err
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["HEAD"]) == 2
    assert "'git'" in capsys.readouterr().err


def test_a_commit_that_cannot_be_imported(repository, capsys):
    """Nor is the package imported by the gate's own process, which runs in the head's checkout."""
    commit = builds.commit_of("HEAD")
    for built in (commit, builds.commit_of("HEAD^")):
        package = repository / "work" / "packages" / built / "hotloop"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("import nothing_at_all")
    assert main(["HEAD^", "HEAD", "--work", str(repository / "work")]) == 3
    printed = capsys.readouterr().err
    assert f"cannot be imported: nothing_at_all is not installed\nfailed to build: {commit[:8]}\n" in printed
    look = "import sys, benchmarks.gate; sys.exit('hotloop' in sys.modules)"
    subprocess.run([sys.executable, "-c", look], check=True, cwd=ROOT)


def test_a_commit_that_is_built_is_not_built_again(repository, monkeypatch):
    package = repository / "work" / "packages" / builds.commit_of("HEAD")
    package.mkdir(parents=True)
    monkeypatch.setattr(builds, "pip", None)
    assert builds.build(builds.commit_of("HEAD"), repository / "work").package == package


def test_one_gate_waits_for_another(tmp_path, capsys):
    program = (
        f"import sys; from pathlib import Path; from benchmarks.comparison.builds import locked\n"
        f"with locked(Path({str(tmp_path)!r})): print('mine', flush=True)"
    )
    with builds.locked(tmp_path):
        other = subprocess.Popen([sys.executable, "-c", program], stdout=-1, stderr=-1, text=True, cwd=ROOT)
        assert other.stderr.readline().startswith("waiting for another gate")
        assert other.poll() is None
    assert other.communicate()[0] == "mine\n"


def test_a_process_that_does_not_answer_is_ended():
    with Worker("head", "commit_peer:Peer", [max(os.sched_getaffinity(0))], timeout=0.01) as worker:
        with pytest.raises(PeerError, match="no answer in 0 s"):
            worker.make("/nowhere")
        assert worker.process.poll() == -9


def test_a_package_from_elsewhere_is_refused():
    with pytest.raises(RuntimeError, match="wanted the package in /nowhere"):
        commit_peer.Peer("/nowhere")


def test_settings_of_numba_stay_outside(monkeypatch):
    """Without the compiler both commits would be as slow, and pass."""
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/cache")
    found = variables(1)
    assert "NUMBA_DISABLE_JIT" not in found
    assert found["NUMBA_CACHE_DIR"] == "/cache"


@needs_compiler
def test_this_checkout_against_itself(tmp_path, monkeypatch, capsys):
    """From its own files, by real processes with cached machine code: the exact benchmarks, which take one pair."""
    commits = {"HEAD^": "b" * 40, "HEAD": "c" * 40}
    monkeypatch.setattr(builds.Build, "package", Path(hotloop.__file__).parents[1])
    hotloop.warmup("float32")
    for commit in commits.values():
        shutil.copytree(train_slice.stats.cache_path, folder_of_kernels(tmp_path / "numba-cache" / commit))
    monkeypatch.setattr(gate_module, "commit_of", commits.__getitem__)
    monkeypatch.setattr(gate_module, "git", lambda *_: "")
    assert main(["HEAD^", "HEAD", "--work", str(tmp_path), "--bench", "figures.(Signatures|Allocations)"]) == 0
    printed = capsys.readouterr().out
    assert "| figures.Signatures.track_compiled_again | 0.000 | 0.000 | signatures | 1.000 | exact | 1 |" in printed
    assert printed.endswith("nothing is slower: 3 benchmarks compared\n")


def test_a_benchmark_with_results_that_left_the_suite_is_missing(monkeypatch, capsys):
    known = (
        '{"version": 2, "kernels.Gone.time_call": {"name": "kernels.Gone.time_call", "version": "1", "params": '
        '[["1", "2"]]}, "networks.Old.time_fit": {"name": "networks.Old.time_fit", "version": "1", "params": []}}'
    )
    monkeypatch.setattr(gate_module, "git", lambda *_: known)
    found = promised("b")
    assert found == ["kernels.Gone.time_call(1)", "kernels.Gone.time_call(2)", "networks.Old.time_fit"]
    gate = pretend(monkeypatch, wanted="nothing")
    monkeypatch.setattr(gate_module, "promised", lambda commit: found)
    gate.choose(re.compile("^kernels"))
    assert list(gate.missing) == found[:2]
    assert report(gate) == 4


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
