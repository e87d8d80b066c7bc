"""`hotloop doctor`: what it measures, what it calls wrong, and what it prints."""

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import run
from conftest import COMPILED, needs_compiler
from programs import ENVIRONMENT

import hotloop
from hotloop.network import warmup
from hotloop.network.cli import doctor
from hotloop.network.profiling import roofline as roof

GOTCHAS = (Path(__file__).parents[3] / "docs" / "gotchas.md").read_text()
WELL = {
    "versions": {"hotloop": "0.1.0", "numba": "0.68.1", "llvmlite": "0.50.0", "numpy": "2.4.6", "python": "3.11.7"},
    "cpu": "A CPU",
    "caches": {
        "first": {"size": 48 * 1024, "ways": 12, "cores": 1},
        "second": {"size": 2048 * 1024, "ways": 16, "cores": 1},
        "last": {"size": 260 * 2**20, "ways": 20, "cores": 8},
        "source": "/sys",
    },
    "choices": [
        {
            "name": "MR x NR",
            "value": "8x2",
            "why": "16 sums in registers of 64 bytes",
            "variable": "HOTLOOP_A",
            "overridden": False,
            "changes_code": True,
            "changes_bits": False,
        },
        {
            "name": "block",
            "value": "128",
            "why": "set by HOTLOOP_BLOCK; otherwise 256 KB: a quarter of 1024 KB",
            "variable": "HOTLOOP_BLOCK",
            "overridden": True,
            "changes_code": True,
            "changes_bits": False,
        },
    ],
    "compiled_for": "a-cpu",
    "cores": 4,
    "cores_of_machine": 8,
    "threads": [["64-32-10", 32, "1"], ["784-128-10", 32, "1 or 2 or 4"]],
    "cache": "/cache",
    "cache_files": {"count": 24, "bytes": 9_140_000, "damaged": {}, "other": 0, "stale": 0, "superseded": 0},
    "cache_fault": None,
    "vector_bytes": 32,
    "peak_flops": {"float32": 91.4e9, "float64": 45.7e9},
    "bandwidth": 12.34e9,
    "settings": {"NUMBA_CACHE_DIR": "/cache"},
    "settings_that_change_code": [],
    "problems": [],
}


@pytest.mark.parametrize(("code", "size"), [
    ("vfmadd231ps\t(%rax){1to16}, %zmm3, %zmm4\n vmovups %ymm0, (%rdi)", 64),
    ("vfmadd231ps\t%ymm3, %ymm4, %ymm5\n movq %xmm0, %rax", 32),
    ("mulps\t%xmm1, %xmm2", 16),
    ("fmla\tv4.4s, v1.4s, v0.s[1]", 16),
    ("fmla\tv4.2d, v1.2d, v0.d[1]", 16),
    ("ldp\tq1, q2, [x0]", 16),
    ("addq %rax, %rbx\n retq", 0),
])  # fmt: skip
def test_vector_registers_are_told_by_their_names(code, size):
    assert doctor.vector_bytes(code) == size


# What it calls wrong.


def sick(**changes):
    return WELL | changes


def with_files(**changes):
    return sick(cache_files=WELL["cache_files"] | changes)


SICK = {
    "every loop runs as plain Python": sick(compiled_for=None, cache=None, cache_files=None),
    "no folder for compiled code is writable": sick(cache=None, cache_files=None),
    "cannot be written to /cache: No space left on device": sick(cache_fault="No space left on device"),
    "1 file of compiled code damaged: a.kernel is empty": with_files(damaged={"a.kernel": "is empty"}),
    "NUMBA_CPU_NAME is 'generic'": sick(settings={"NUMBA_CPU_NAME": "generic"}),
    "NUMBA_CPU_FEATURES is '+sse2'": sick(settings={"NUMBA_CPU_FEATURES": "+sse2"}),
    "NUMBA_OPT is '0'": sick(settings={"NUMBA_OPT": "0"}),
    "NUMBA_BOUNDSCHECK is set": sick(settings={"NUMBA_BOUNDSCHECK": "1"}),
    **{f"{name} is set": sick(settings={name: "1"}) for name in doctor.SLOW_IF_SET if name != "NUMBA_BOUNDSCHECK"},
    **{f"{name} is 0": sick(settings={name: "0"}) for name in doctor.SLOW_IF_ZERO},
    "may use one core of 8": sick(cores=1),
    "numba 0.61.2 is older than 0.62": sick(versions=WELL["versions"] | {"numba": "0.61.2"}),
}


@pytest.mark.parametrize("problem", SICK)
def test_one_problem(problem):
    ((found, remedy),) = doctor.problems(SICK[problem])
    assert problem in found
    assert re.search("unset|set NUMBA_CACHE_DIR|container|pip install|hotloop warmup", remedy)


@pytest.mark.parametrize("changes", [
    {}, {"cores": 1, "cores_of_machine": 1}, {"settings": {"NUMBA_OPT": "3", "NUMBA_BOUNDSCHECK": "0"}},
    {"versions": WELL["versions"] | {"numba": "1.0.0rc1"}},
    {"cache_files": WELL["cache_files"] | {"other": 3, "stale": 2, "superseded": 1}},
], ids=str)  # fmt: skip
def test_no_problem(changes):
    assert doctor.problems(WELL | changes) == []


def test_several_problems():
    settings = {"NUMBA_CPU_NAME": "generic", "NUMBA_OPT": "1"}
    assert len(doctor.problems(sick(cache=None, cache_files=None, cores=1, settings=settings))) == 4


def test_the_oldest_numba_is_that_of_the_package():
    oldest = ".".join(map(str, doctor.OLDEST_NUMBA))
    assert f'"numba>={oldest}"' in (Path(__file__).parents[3] / "pyproject.toml").read_text()


# What it prints.


def test_the_choices_on_a_narrow_terminal(monkeypatch):
    """The variables have no room, but whether one is set is in the reason. Caches that are assumed have no last."""
    monkeypatch.setenv("COLUMNS", "40")
    caches = WELL["caches"] | {"last": None, "source": "assumed"}
    lines = doctor.report(sick(caches=caches)).splitlines()
    assert "2048 KB in 16 ways (assumed) cores" in " ".join(" ".join(lines).split())
    assert "no room for: variable" in lines
    assert any(line.endswith("set by HOTLOOP_BLOCK;") for line in lines)
    assert max(map(len, lines)) <= 40


def test_choices_and_caches_are_those_of_the_process():
    found = doctor.chosen()
    assert [(one["name"], one["value"]) for one in found] == [
        (chosen.choice.name, chosen.value) for chosen in doctor.choices.CHOSEN
    ]
    assert {one["variable"] for one in found if one["changes_code"]} == {*doctor.cache.OWN_SETTINGS}
    assert {one["name"] for one in found if one["changes_bits"]} == {"KC", "micro-batch"}
    assert all(one["overridden"] == bool(os.environ.get(one["variable"])) for one in found if one["name"] != "KC")
    caches = doctor.described(doctor.choices.HERE.caches)
    assert (caches["first"]["size"], caches["source"]) == (
        doctor.choices.HERE.caches.first.size, doctor.choices.HERE.caches.source,
    )  # fmt: skip


def test_the_report():
    assert doctor.report(WELL).splitlines() == [
        "hotloop       0.1.0",
        "versions      numba 0.68.1, llvmlite 0.50.0, numpy 2.4.6, python 3.11.7",
        "CPU           A CPU",
        "caches        first-level data 48 KB in 12 ways; second-level 2048 KB in 16",
        "              ways; last-level 260 MB in 20 ways, 8 cores share it (/sys)",
        "cores         4 usable of 8",
        "threads       64-32-10 batch 32: 1; 784-128-10 batch 32: 1 or 2 or 4",
        "cache         /cache: 24 files, 9.1 MB",
        "compiled for  a-cpu, vector registers of 32 bytes",
        "peak          91 GFLOP/s in float32, 46 GFLOP/s in float64, one core,",
        "              multiply-adds from the first-level cache",
        "memory        12.3 GB/s, one core, c = a + 3 b: two arrays read, one written",
        "settings      NUMBA_CACHE_DIR=/cache",
        "",
        "choice   value  variable       why",
        "MR x NR    8x2  HOTLOOP_A      16 sums in registers of 64 bytes",
        "block      128  HOTLOOP_BLOCK  set by HOTLOOP_BLOCK; otherwise 256 KB: a quarter",
        "                               of 1024 KB",
        "",
        "nothing is wrong",
    ]


def test_the_report_of_problems_is_that_of_the_gotchas():
    found = [{"problem": "A", "remedy": "a"}, {"problem": "B", "remedy": "b"}]
    lines = doctor.report(sick(cache=None, cache_files=None, problems=found, settings={})).splitlines()
    assert lines[-7:] == ["", "problem: A", "remedy:  a", "", "problem: B", "remedy:  b", "", "2 problems"][-7:]
    assert "cache         none: nothing is kept" in lines
    ((problem, remedy),) = doctor.problems(SICK["NUMBA_CPU_NAME is 'generic'"])
    text = doctor.report(sick(problems=[{"problem": problem, "remedy": remedy}]))
    assert "```text\n" + "\n".join(text.splitlines()[-5:]) + "\n```" in GOTCHAS


def test_the_report_of_files_and_settings(monkeypatch):
    """Files that this process cannot use, and settings that change code."""
    settings = {"NUMBA_CACHE_DIR": "/cache", "NUMBA_DEBUGINFO": "1", "NUMBA_OPT": "1"}
    changing = [name for name in settings if doctor.changes_code(name)]
    files = WELL["cache_files"] | {"count": 1, "other": 1, "stale": 2, "superseded": 3}
    monkeypatch.setenv("COLUMNS", "200")
    lines = doctor.report(sick(settings=settings, settings_that_change_code=changing, cache_files=files)).splitlines()
    assert (
        "cache         /cache: 1 file, 9.1 MB, 1 for other settings or versions, 2 of older sources, "
        "3 more of Numba's own cache, which earlier versions of hotloop used"
    ) in lines
    at = lines.index("settings      NUMBA_CACHE_DIR=/cache, NUMBA_DEBUGINFO=1, NUMBA_OPT=1")
    assert lines[at + 1] == (
        "              change code, which is kept separately for each value: NUMBA_DEBUGINFO, NUMBA_OPT"
    )


def test_settings_of_numbas_file_and_of_hotloop_are_seen(monkeypatch):
    monkeypatch.setattr(doctor.numba.core.config._env_reloader, "old_environ", {"NUMBA_OPT": 1})
    monkeypatch.setenv("HOTLOOP_MICRO_KERNEL", "8x2")
    monkeypatch.setenv("OTHER", "1")
    monkeypatch.setitem(doctor.cache.OWN_SETTINGS, "HOTLOOP_MICRO_KERNEL", "8x2")
    found = doctor.environment()
    assert (found["NUMBA_OPT"], found["HOTLOOP_MICRO_KERNEL"], "OTHER" in found) == ("1", "8x2", False)
    assert [doctor.changes_code(name) for name in ("NUMBA_OPT", "HOTLOOP_MICRO_KERNEL", "NUMBA_CPU_NAME")] == [True] * 3
    assert not doctor.changes_code("NUMBA_CACHE_DIR")
    monkeypatch.delattr(doctor.numba.core.config, "_env_reloader")
    assert doctor.environment()["HOTLOOP_MICRO_KERNEL"] == "8x2"


@pytest.mark.parametrize("problems", [[], [{"problem": "A", "remedy": "a"}]], ids=["well", "sick"])
def test_the_command(problems, monkeypatch):
    seen = sick(problems=problems)
    monkeypatch.setattr(doctor, "examine", lambda: seen)
    status = 1 if problems else 0
    assert run("doctor") == (status, doctor.report(seen) + "\n", "")
    assert run("doctor", "--json") == (status, json.dumps(seen, indent=2) + "\n", "")


def test_all_that_is_seen(tmp_path, monkeypatch):
    """With small sizes, so that plain Python measures it too. The folder has a truncated file."""
    (tmp_path / "limits.triad-1-2.kernel").write_bytes(doctor.cache.MAGIC)
    monkeypatch.setattr(doctor, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(roof, "REPEATS", 10)
    monkeypatch.setattr(doctor, "bandwidth", lambda: roof.bandwidth(240, 1, 1))
    monkeypatch.setattr(doctor, "assembly", lambda *given: "%ymm0")
    monkeypatch.setattr(doctor.numba.config, "DISABLE_JIT", 0)
    monkeypatch.setenv("NUMBA_OPT", "0")
    seen = doctor.examine()
    assert json.loads(json.dumps(seen)) == seen
    assert seen.keys() == WELL.keys()
    assert {name: type(value) for name, value in seen.items() if not name.startswith("cache")} == {
        name: type(value) for name, value in WELL.items() if not name.startswith("cache")
    }
    assert seen["peak_flops"].keys() == WELL["peak_flops"].keys()
    assert seen["versions"].keys() == WELL["versions"].keys()
    assert seen["versions"]["hotloop"] == hotloop.__version__
    assert seen["vector_bytes"] == 32
    assert min(seen["bandwidth"], *seen["peak_flops"].values()) > 0
    assert 1 <= seen["cores"] <= seen["cores_of_machine"]
    assert seen["settings"]["NUMBA_OPT"] == "0"
    assert seen["settings_that_change_code"] == [name for name in seen["settings"] if doctor.changes_code(name)]
    assert "NUMBA_OPT" in seen["settings_that_change_code"]
    assert seen["cache_files"].keys() == WELL["cache_files"].keys()
    assert seen["cache_files"]["damaged"].keys() == {"limits.triad-1-2.kernel"}
    assert any("1 file of compiled code damaged" in found["problem"] for found in seen["problems"])
    assert {"problem": "NUMBA_OPT is '0': loops are not optimised", "remedy": "unset NUMBA_OPT"} in seen["problems"]


def test_a_system_that_does_not_name_its_cpu(monkeypatch):
    monkeypatch.setattr(doctor, "Path", lambda name: Path("/nowhere") / name[1:])
    monkeypatch.setattr(doctor.platform, "processor", lambda: "")
    assert doctor.cpu_name() == doctor.platform.machine() != ""


@pytest.mark.skipif(COMPILED, reason="about plain Python")
def test_plain_python_is_said_to_be_and_not_measured():
    status, out, err = run("doctor", "--json")
    seen = json.loads(out)
    assert (status, err) == (1, "")
    assert [seen[name] for name in ("compiled_for", "vector_bytes", "peak_flops", "bandwidth")] == [None] * 4
    assert "NUMBA_DISABLE_JIT is set" in seen["problems"][0]["problem"]
    assert "unset NUMBA_DISABLE_JIT" in run("doctor")[1]


def examined(*command, **variables):
    """Return what a fresh process sees, and the exit status."""
    options = {"env": ENVIRONMENT | variables, "capture_output": True, "text": True, "timeout": 300}
    done = subprocess.run([sys.executable, "-W", "error", *command], check=False, **options)
    assert done.stderr == ""
    return json.loads(done.stdout), done.returncode


@needs_compiler
def test_this_machine():
    """Measurements have the right order of magnitude: a register holds fewer doubles than floats."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    seen, status = examined("-m", "hotloop", "doctor", "--json")
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 10
    assert seen["cache"] == str(warmup.cache_folder())
    assert seen["vector_bytes"] in (16, 32, 64)
    assert seen["cores"] == len(os.sched_getaffinity(0))
    assert 1e9 < seen["peak_flops"]["float64"] < seen["peak_flops"]["float32"] < 1e12
    assert 1e8 < seen["bandwidth"] < 1e12
    assert status == bool(seen["problems"])
    assert not any(name in str(seen["problems"]) for name in ("CPU_NAME", "JIT", "CACHE_DIR"))


@needs_compiler
def test_code_for_another_cpu(tmp_path):
    """The registers are read from the code, not from the CPU. Memory is not measured again."""
    code = "import json; from hotloop.network.cli import doctor; doctor.bandwidth = lambda: 1e10; "
    code += "print(json.dumps(doctor.examine()))"
    seen, _ = examined("-c", code, NUMBA_CACHE_DIR=str(tmp_path), NUMBA_CPU_NAME="generic")
    assert seen["cache"].startswith(str(tmp_path))
    assert (seen["compiled_for"], seen["vector_bytes"]) == ("generic", 16)
    assert any("NUMBA_CPU_NAME is 'generic'" in found["problem"] for found in seen["problems"])
