"""The suite of benchmarks: each body runs here with each combination of parameters, on small sizes.

A suite that no test runs rots.
"""

import ast
import inspect
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numba
import numpy as np
import pytest
from conftest import needs_compiler

import hotloop
from benchmarks import dead_units, figures, kernels, networks, startup
from benchmarks.base import Benchmark, Timing
from benchmarks.profiles import PROFILES, pattern
from benchmarks.suite import KINDS, Entry, entries, full_name, owners

ROOT = Path(__file__).parents[2]
ENTRIES = list(entries())
NAMES = [entry.name for entry in ENTRIES]
PUBLISHED = json.loads((ROOT / "benchmarks" / "results" / "benchmarks.json").read_text())  # as asv wrote it
del PUBLISHED["version"]  # of the file
PROMISED = {
    "kernels.DenseForward.time_call", "kernels.AccumulateWeightGradient.time_call", "kernels.InputGradient.time_call",
    "kernels.Sigmoid.time_call", "kernels.SigmoidDerivative.time_call", "kernels.Exp.time_call",
    "kernels.Softmax.time_call", "kernels.Loss.time_call", "kernels.Update.time_call",
    "kernels.CallOverhead.time_call", "networks.Step.time_fit", "networks.Epoch.time_fit",
    "networks.Work.track_ns_per_flop", "networks.Threads.time_fit", "networks.Predict.time_predict",
    "networks.PartialFit.time_partial_fit", "networks.Features.time_fit",
    "startup.Import.timeraw_import", "startup.FirstFit.timeraw_warm_cache", "startup.FirstFitEver.timeraw_empty_cache",
    "figures.Allocations.track_allocations", "figures.Signatures.track_compiled_again",
    "figures.Tile.track_instructions",
    "dead_units.DeadUnits.track_ratio", "dead_units.DecayedMoments.track_ratio",
    "figures.Digits.track_seconds_to_95_percent", "figures.Memory.peakmem_fit", "figures.Wheel.track_size",
}  # fmt: skip


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Small sizes, a wheel of 1000 bytes, and no process that only fills a cache."""
    monkeypatch.setattr(networks, "ROWS", 128)
    monkeypatch.setattr(networks, "TIMES", 1)
    monkeypatch.setattr(figures, "TIMES", 1)
    monkeypatch.setattr(dead_units, "ROUNDS", 1)
    monkeypatch.setattr(figures, "IMAGES", 64)
    wheel = tmp_path / "asv-build-cache" / "abc" / "hotloop.whl"
    wheel.parent.mkdir(parents=True)
    wheel.write_bytes(bytes(1000))
    monkeypatch.setattr(figures, "ENVIRONMENT", str(tmp_path))
    monkeypatch.setattr(figures, "COMMIT", "abc")
    monkeypatch.setattr(figures, "fill_cache", lambda: None)
    forget_sizes()
    yield
    forget_sizes()


def forget_sizes():
    networks.case_of.cache_clear()
    networks.data_of.cache_clear()


def run(entry):
    """Return a benchmark and what its body returns, set up and torn down as asv does it."""
    subject = entry.owner()
    subject.setup(*entry.parameters)
    result = getattr(subject, entry.body)(*entry.parameters)
    subject.teardown(*entry.parameters)
    return subject, result


def test_the_promised_benchmarks_are_found():
    assert {entry.benchmark for entry in ENTRIES} == PROMISED


# The kernels, the tile and the start-up have tests of their own.
HERE = [e for e in ENTRIES if e.module not in ("kernels", "startup") and e.owner is not figures.Tile]


@needs_compiler
@pytest.mark.parametrize("entry", HERE, ids=lambda e: e.name)
def test_a_benchmark_runs(entry):
    if entry.owner is networks.Threads and len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one core: a benchmark of two threads is left out by its setup")
    _, result = run(entry)
    if entry.body.startswith("track_"):
        assert np.isfinite(result)
        assert result >= 0


@pytest.mark.parametrize("package", startup.Import.params[0])
def test_the_benchmark_of_the_import_runs(package):
    exec(startup.Import().timeraw_import(package))


@needs_compiler
def test_the_first_fit_runs_and_compiles_nothing_when_warm(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(hotloop.__file__).parents[1]))
    startup.FirstFit().setup()
    listen = (
        "from numba.core import event\n"
        "with event.install_recorder('numba:compile') as heard:\n"
        f"    exec({startup.FirstFit().timeraw_warm_cache()!r})\n"
        "print(len(heard.buffer))"
    )
    assert subprocess.check_output([sys.executable, "-c", listen], text=True) == "0\n"


def test_the_first_fit_ever_has_an_empty_cache():
    """The test looks only at where its code would be kept: what it runs is the first fit."""
    program, fit = startup.FirstFitEver().timeraw_empty_cache(), startup.FirstFit().timeraw_warm_cache()
    assert program.endswith(fit)
    look = "import numba; print(numba.config.CACHE_DIR == folder.name, os.listdir(folder.name))"
    command = [sys.executable, "-c", program.removesuffix(fit) + look]
    assert subprocess.check_output(command, text=True) == "True []\n"


@pytest.mark.parametrize(("module", "owner"), list(owners()), ids=lambda value: getattr(value, "__name__", value))
def test_a_benchmark_says_what_asv_must_know(module, owner):
    """Without our version, asv hashes the source, and a changed comment would discard past results."""
    assert isinstance(owner.version, str)
    assert owner.__doc__
    assert len(getattr(owner, "param_names", [])) == len(getattr(owner, "params", []))
    for body in (name for name in dir(owner) if re.match("time|track|peakmem", name)):
        if body.startswith("track_"):
            assert owner.unit
        elif body.startswith("time_"):
            assert issubclass(owner, Timing)
            assert owner.repeat[0] * owner.rounds >= 6
        elif body.startswith("timeraw_"):
            assert owner.repeat


@pytest.mark.parametrize(("module", "owner"), list(owners()), ids=lambda value: getattr(value, "__name__", value))
def test_a_body_is_one_line(module, owner):
    for name in (name for name in dir(owner) if name.startswith(KINDS)):
        (function,) = ast.parse(textwrap.dedent(inspect.getsource(getattr(owner, name)))).body
        assert len(function.body) == 1


def test_sizes_are_only_appended():
    """Committed results stay comparable: the parameters that they were measured with are still there."""
    owners_by_name = {entry.benchmark: entry.owner for entry in ENTRIES}
    looked_at = 0
    for path in (ROOT / "benchmarks" / "results").glob("*/*-*.json"):
        results = json.loads(path.read_text())
        parameters, version = (results["result_columns"].index(column) for column in ("params", "version"))
        for name, row in results["results"].items():
            owner = owners_by_name[name]
            if row[version] == owner.version:
                now = [[repr(value) for value in axis] for axis in getattr(owner, "params", [])]
                assert grown(row[parameters], now), f"{name} in {path.name}"
                looked_at += 1
    assert looked_at > 100


def grown(old, new):
    """Whether every axis of `new` begins with that of `old`."""
    return len(old) == len(new) and all(axis == more[: len(axis)] for axis, more in zip(old, new, strict=True))


def test_planted_changes_of_sizes_are_seen():
    assert grown([["1", "2"]], [["1", "2", "3"]])
    assert not grown([["1", "2"]], [["1", "3", "2"]])
    assert not grown([["1", "2"]], [["1"]])
    assert not grown([["1"]], [["1"], ["2"]])


# Nothing may be compiled while a benchmark is timed.


@numba.njit
def nothing(x):
    return x


class Planted(Timing):
    """A benchmark that compiles in its body for each new type."""

    def time_call(self):
        nothing(self.given)

    def prepare(self):
        self.given = 1


@needs_compiler
def test_compiling_inside_the_timed_part_is_seen():
    subject = Planted()
    subject.setup()
    subject.time_call()
    subject.teardown()
    subject.given = 1.0
    subject.time_call()
    with pytest.raises(RuntimeError, match="compiler was entered inside the timed part"):
        subject.teardown()


def test_what_a_setup_leaves_out_is_not_looked_at_afterwards():
    """Asv calls teardown even if setup raised NotImplementedError."""
    subject = kernels.Exp()
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(hotloop.kernels, "exp")
        patch.setattr(hotloop.kernels, "__all__", [name for name in hotloop.kernels.__all__ if name != "exp"])
        with pytest.raises(NotImplementedError, match="this commit has no kernel exp"):
            subject.setup("32x32", "float32")
    subject.teardown("32x32", "float32")


@needs_compiler
@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.module == "kernels"], ids=lambda e: e.name)
def test_a_kernel_is_timed_on_ordinary_numbers(entry):
    """NaN, infinity and denormal numbers take another path in the CPU."""
    subject, before = entry.owner(), None
    subject.setup(*entry.parameters)
    for _ in range(100):
        subject.time_call(*entry.parameters)
        given = [each for value in vars(subject).values() for each in (value if isinstance(value, tuple) else [value])]
        arrays = [each for each in given if isinstance(each, np.ndarray) and each.dtype.kind == "f"]
        now = [array.tobytes() for array in arrays]
        if now == before:
            break  # so would the next call leave them
        before = now
    subject.teardown(*entry.parameters)
    assert len(arrays) > 1
    for array in arrays:
        ordinary = (abs(array) > 10 * np.finfo(array.dtype).tiny) & (abs(array) < 1e6)
        assert (ordinary | (array == 0)).all()


@needs_compiler
def test_networks_stay_what_they_are_while_they_are_timed():
    """Otherwise the networks would train, and later samples would time other numbers."""
    for topology in networks.TOPOLOGIES:
        subject = networks.Epoch()
        subject.setup(topology, 32)
        before = subject.network.evaluate(*subject.data)["loss"]
        for _ in range(20):
            subject.time_fit(topology, 32)
        assert subject.network.evaluate(*subject.data)["loss"] == pytest.approx(before, rel=0.01)


# The figures.

TILE = """
_kernel:
	movq	%rdi, %rax
.LBB0_1:
	vbroadcastss	(%rdx), %ymm3   # a comment with vfmadd231ps
	vmovups	(%rcx), %ymm4
	vfmadd231ps	%ymm4, %ymm3, %ymm0
	vfmadd231ps	32(%rcx), %ymm3, %ymm1
	decq	%rax
	jne	.LBB0_1
.LBB0_2:
	vmovss	(%rdx), %xmm3
	vfmadd231ss	(%rcx), %xmm3, %xmm0
	jne	.LBB0_2
	retq
"""


def test_instructions_of_a_loop_are_counted():
    """Six for 16 products of float32, or for 8 of float64; the loop of single numbers has fewer products, and loses."""
    assert figures.instructions_per_multiply_add(TILE, 32) == 6 / 16
    assert figures.instructions_per_multiply_add(TILE.replace("31ps", "31pd"), 64) == 6 / 8
    assert figures.instructions_per_multiply_add(TILE.replace("31ps", "31ss").replace("ymm", "xmm"), 32) == 6 / 2
    unfused = TILE.replace("vfmadd231ps\t%ymm4, %ymm3, %ymm0", "vmulps\t%ymm4, %ymm3, %ymm5")
    assert figures.instructions_per_multiply_add(unfused, 32) == 6 / 16
    with pytest.raises(RuntimeError, match="no loop"):
        figures.instructions_per_multiply_add(TILE.replace("vfmadd231", "vmax"), 32)


@needs_compiler
@pytest.mark.skipif(figures.platform.machine() not in ("x86_64", "AMD64"), reason="reads only the assembly of x86-64")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_tile_is_vectorised(dtype):
    """It multiplies vectors of at least four float32, and has fewer other instructions than multiply-adds."""
    _, instructions = run(Entry("figures", figures.Tile, "track_instructions", (dtype,)))
    assert 0 < instructions < {"float32": 0.5, "float64": 1.0}[dtype]


@numba.njit
def allocating(n):
    return np.empty(n).size


@needs_compiler
def test_an_allocation_in_each_step_is_seen():
    class Leaky(figures.Allocations):
        def counts(self, topology, steps):
            found = super().counts(topology, steps)
            before = figures.rtsys.get_allocation_stats().alloc
            for _ in range(steps):
                allocating(9)
            return found + figures.rtsys.get_allocation_stats().alloc - before

    assert run(Entry("figures", Leaky, "track_allocations", ("64-32-10",)))[1] == 1
    assert run(Entry("figures", figures.Allocations, "track_allocations", ("64-32-10",)))[1] == 0


@needs_compiler
def test_a_signature_more_is_seen(monkeypatch):
    assert figures.signatures() > 10
    planted = numba.njit(lambda x: x)
    monkeypatch.setattr(hotloop.kernels.exp_log, "planted", planted, raising=False)
    assert figures.compiled_by(lambda: planted(1)) == 1
    assert figures.compiled_by(lambda: planted(2)) == 0
    assert figures.compiled_by(lambda: (planted(1), planted(1.0))) == 1


def test_the_size_of_the_wheel():
    assert run(Entry("figures", figures.Wheel, "track_size", ()))[1] == 1000


# Profiles.


@pytest.mark.parametrize(("profile", "expression"), [(p, e) for p in PROFILES for e in PROFILES[p]])
def test_every_expression_finds_a_benchmark(profile, expression):
    assert any(re.search(expression, name) for name in NAMES)


def test_profiles_lie_within_each_other():
    found = {profile: {name for name in NAMES if re.search(pattern(profile), name)} for profile in PROFILES}
    assert found["gate"] < found["quick"] < found["full"] == set(NAMES)
    assert len(found["quick"]) < 45
    assert all(issubclass(e.owner, Benchmark) for e in ENTRIES if e.name in found["gate"])


def test_a_profile_is_printed_for_asv():
    program = [sys.executable, str(ROOT / "benchmarks" / "profiles.py")]
    assert subprocess.check_output([*program, "quick"], text=True) == pattern("quick") + "\n"
    done = subprocess.run([*program, "slow"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "invalid choice: 'slow'" in done.stderr


def test_names_are_those_of_asv():
    """asv has written them into the committed file."""
    assert set(PUBLISHED) <= PROMISED
    one = PUBLISHED["kernels.DenseForward.time_call"]
    assert full_name(one["name"], [axis[0] for axis in one["params"]]) in NAMES


def test_what_asv_installs_is_pinned():
    """Above all asv's runner: since 0.3.0 it sets a benchmark up before each call of its body."""
    text = re.sub(r"^\s*//.*$", "", (ROOT / "asv.conf.json").read_text(), flags=re.M)
    requirements = json.loads(text)["matrix"]["req"]
    assert requirements["pip+asv_runner"] == ["0.2.5"]
    assert set(requirements) == {"numba", "llvmlite", "numpy", "safetensors", "rich", "tqdm", "pip+asv_runner"}
    assert all(re.fullmatch(r"\d+(\.\d+)+", version) for (version,) in requirements.values())
