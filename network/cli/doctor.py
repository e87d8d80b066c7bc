"""``hotloop doctor``: print what this machine is, its measured limits, and what keeps hotloop from them."""

import argparse
import json
import os
import platform
import re
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
import numpy as np

from hotloop import __version__
from hotloop.kernels import cache, choices, limits
from hotloop.kernels.caches import KB, Cache, Caches
from hotloop.kernels.jit import assembly
from hotloop.network import cache_files, flops
from hotloop.network.cli.exit_status import UNWELL
from hotloop.network.cli.streams import say
from hotloop.network.display.terminal import Styled, styled
from hotloop.network.display.text_table import HEAD, paragraph, table
from hotloop.network.layout import Layout
from hotloop.network.profiling.roofline import bandwidth, peak_flops
from hotloop.network.training.cores import available_cores
from hotloop.network.training.thread_tuner import candidates, cores_to_try
from hotloop.network.validation.arguments import DTYPES
from hotloop.network.validation.printable import sizes_as_word
from hotloop.network.warmup import cache_folder

PROBLEM, FINE = "bold red", "bold green"  # styles
OLDEST_NUMBA = (0, 62)
# Settings that slow every loop down: unless they are 0, and if they are 0.
SLOW_IF_SET = (
    "NUMBA_BOUNDSCHECK", "NUMBA_DEBUGINFO", "NUMBA_DEBUG_JIT", "NUMBA_DEBUG_NRT", "NUMBA_ENABLE_PROFILING",
    "NUMBA_EXTEND_VARIABLE_LIFETIMES",
)  # fmt: skip
TARGET = ("NUMBA_CPU_FEATURES", "NUMBA_CPU_NAME", "NUMBA_ENABLE_AVX")
SLOW_IF_ZERO = ("NUMBA_ENABLE_AVX", "NUMBA_LOOP_VECTORIZE")
# Names of vector registers in assembly, x86-64 and AArch64, and their bytes.
REGISTERS = {r"%zmm\d": 64, r"%ymm\d": 32, r"%xmm\d": 16, r"\bv\d+\.(4s|2d|16b)\b": 16, r"\bq\d+\b": 16}


def vector_bytes(code: str) -> int:
    """Return the bytes of the widest vector register named in assembly, 0 if there is none."""
    return max((size for name, size in REGISTERS.items() if re.search(name, code)), default=0)


def examine() -> dict[str, Any]:
    """Return all findings, in types that JSON has. Takes a few seconds."""
    compiled = not numba.config.DISABLE_JIT
    folder = cache_folder()
    set_here = environment()
    seen: dict[str, Any] = {
        "versions": {
            "hotloop": __version__, "numba": numba.__version__, "llvmlite": llvmlite.__version__,
            "numpy": np.__version__, "python": platform.python_version(),
        },
        "cpu": cpu_name(),
        "compiled_for": (numba.config.CPU_NAME or llvmlite.binding.get_host_cpu_name()) if compiled else None,
        "caches": described(choices.HERE.caches),
        "choices": chosen(),
        "cores": available_cores(),
        "cores_of_machine": os.cpu_count() or 1,
        "threads": threads(),
        "cache": None if folder is None else str(folder),
        "cache_files": None if folder is None else cache_files.examine(folder).to_json(),
        "cache_fault": None if folder is None else cache_files.why_unwritable(folder),
        "vector_bytes": None,
        "peak_flops": None,
        "bandwidth": None,
        "settings": set_here,
        "settings_that_change_code": [name for name in set_here if changes_code(name)],
    }  # fmt: skip
    if compiled:
        one = np.ones(limits.ACCUMULATORS * 16, np.float32)
        seen["vector_bytes"] = vector_bytes(assembly(limits.multiply_adds, one, one, 1, one))
        seen["peak_flops"] = {dtype: peak_flops(dtype) for dtype in DTYPES}
        seen["bandwidth"] = bandwidth()
    seen["problems"] = [{"problem": problem, "remedy": remedy} for problem, remedy in problems(seen)]
    return seen


def problems(seen: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what is wrong in what was seen, each with its remedy."""
    found = []
    settings = seen["settings"]
    if seen["compiled_for"] is None:
        found.append((
            "NUMBA_DISABLE_JIT is set: every loop runs as plain Python, hundreds of times slower",
            "unset NUMBA_DISABLE_JIT",
        ))  # fmt: skip
    elif seen["cache"] is None:
        found.append((
            "no folder for compiled code is writable: every process compiles again, for about ten seconds",
            "set NUMBA_CACHE_DIR to a folder that can be written to",
        ))  # fmt: skip
    if seen["cache_fault"] is not None:
        found.append((
            f"compiled code cannot be written to {seen['cache']}: {seen['cache_fault']}; what is not there yet is "
            "compiled again in every process",
            "make room, lift the limit, or set NUMBA_CACHE_DIR to a folder that can be written to",
        ))  # fmt: skip
    damaged = seen["cache_files"]["damaged"] if seen["cache_files"] else {}
    if damaged:
        found.append((
            f"{cache_files.number_of_files(len(damaged))} of compiled code damaged: {cache_files.describe(damaged)}",
            "hotloop warmup, which removes damaged files; a process that needs one also compiles it again",
        ))  # fmt: skip
    for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"):
        if name in settings:
            found.append((
                f"{name} is {settings[name]!r}: loops are not compiled for the CPU that they run on",
                f"unset {name}, unless you compile for another machine",
            ))  # fmt: skip
    if settings.get("NUMBA_OPT", "3") not in ("3", "max"):
        found.append((f"NUMBA_OPT is {settings['NUMBA_OPT']!r}: loops are not optimised", "unset NUMBA_OPT"))
    for names, usual, how in (SLOW_IF_SET, True, "set"), (SLOW_IF_ZERO, False, "0"):
        for name in names:
            if name in settings and (settings[name] == "0") != usual:
                found.append((f"{name} is {how}, which slows every loop down", f"unset {name}"))
    if seen["cores"] == 1 < seen["cores_of_machine"]:
        found.append((
            f"this process may use one core of {seen['cores_of_machine']}",
            "start it without taskset or numactl, or give the container more CPUs",
        ))  # fmt: skip
    if tuple(int(part) for part in seen["versions"]["numba"].split(".")[:2]) < OLDEST_NUMBA:
        oldest = ".".join(map(str, OLDEST_NUMBA))
        found.append((
            f"numba {seen['versions']['numba']} is older than {oldest}, the oldest that hotloop supports",
            f"python -m pip install 'numba>={oldest}'",
        ))  # fmt: skip
    return found


def environment() -> dict[str, str]:
    """Return the settings of Numba and hotloop: of the environment, and of Numba's file .numba_config.yaml."""
    reloader = getattr(numba.core.config, "_env_reloader", None)  # private to Numba
    found = {**getattr(reloader, "old_environ", {}), **os.environ}
    return {name: str(value) for name, value in sorted(found.items()) if name.startswith(("NUMBA_", "HOTLOOP_"))}


def changes_code(name: str) -> bool:
    """Return whether a setting changes compiled code, so that the code for each value is kept separately."""
    return name in cache.SETTINGS or name in cache.OWN_SETTINGS or name in TARGET


def described(caches: Caches) -> dict[str, Any]:
    """Return the sizes of caches in bytes, their ways, the cores that share each, and who said so."""
    found = caches._asdict()
    return {name: value._asdict() if isinstance(value, Cache) else value for name, value in found.items()}


def chosen() -> list[dict[str, Any]]:
    """Return what is chosen for the CPU, or set by a variable, and why."""
    return [
        {
            "name": found.choice.name, "value": found.value, "why": found.why, "variable": found.choice.variable,
            "overridden": found.overridden, "changes_code": found.choice.in_code, "changes_bits": found.choice.in_bits,
        }
        for found in choices.CHOSEN
    ]  # fmt: skip


def threads() -> list[list[Any]]:
    """Return the numbers of threads that n_threads="auto" would try here, for networks of three sizes."""
    rows: list[list[Any]] = []
    for sizes, batch in ((64, 32, 10), 32), ((784, 128, 10), 32), ((784, 512, 512, 10), 128):
        layout = Layout(sizes, np.dtype("float32"))
        work = flops.estimate_of_a_row(layout.n_parameters) * layout.micro_batch(batch)
        tried = candidates("auto", work, cores_to_try)
        rows.append([sizes_as_word(sizes), batch, " or ".join(map(str, tried))])
    return rows


def cpu_name() -> str:
    """Return the CPU's name as the system gives it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.M)
    return found[1] if found else platform.processor() or platform.machine()


def report(seen: dict[str, Any]) -> str:
    """Return the findings as text that fits the terminal."""
    versions = dict(seen["versions"])
    lines = [
        ("hotloop", versions.pop("hotloop")),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
        ("CPU", seen["cpu"]),
        ("caches", _caches(seen["caches"])),
        ("cores", f"{seen['cores']} usable of {seen['cores_of_machine']}"),
        ("threads", "; ".join(f"{network} batch {batch}: {tried}" for network, batch, tried in seen["threads"])),
        ("cache", _cache(seen)),
    ]
    if seen["compiled_for"] is not None:
        peaks = ", ".join(f"{rate / 1e9:.0f} GFLOP/s in {dtype}" for dtype, rate in seen["peak_flops"].items())
        lines += [
            ("compiled for", f"{seen['compiled_for']}, vector registers of {seen['vector_bytes']} bytes"),
            ("peak", f"{peaks}, one core, multiply-adds from the first-level cache"),
            ("memory", f"{seen['bandwidth'] / 1e9:.1f} GB/s, one core, c = a + 3 b: two arrays read, one written"),
        ]
    if seen["settings"]:
        lines.append(("settings", ", ".join(f"{name}={value}" for name, value in seen["settings"].items())))
    if seen["settings_that_change_code"]:
        names = ", ".join(seen["settings_that_change_code"])
        lines.append(("", f"change code, which is kept separately for each value: {names}"))
    text: list[str] = [paragraph(styled(f"{name:<14}", HEAD), value) for name, value in lines]
    rows = [[found[name] for name in ("name", "value", "variable", "why")] for found in seen["choices"]]
    heads = ["choice", "value", "variable", "why"]
    text += ["", *table(heads, rows, left=["choice", "variable", "why"], wrapped=True, first_to_go=["variable"])]
    for found in seen["problems"]:
        text += ["", paragraph(styled("problem: ", PROBLEM), found["problem"])]
        text.append(paragraph(styled("remedy:  ", HEAD), found["remedy"]))
    verdict = styled(_verdict(len(seen["problems"])), PROBLEM if seen["problems"] else FINE)
    return Styled.joined("\n", [*text, "", verdict])


def _caches(seen: dict[str, Any]) -> str:
    parts = []
    for name, level in ("first", "first-level data"), ("second", "second-level"), ("last", "last-level"):
        if seen[name] is not None:
            size, ways, cores = seen[name].values()
            shared = f", {cores} cores share it" if cores > 1 else ""
            amount = f"{size // KB} KB" if size < 8 * KB * KB else f"{size // KB // KB} MB"
            parts.append(f"{level} {amount} in {ways} ways{shared}")
    return f"{'; '.join(parts)} ({seen['source']})"


def _cache(seen: dict[str, Any]) -> str:
    """Return where compiled code is kept, how much there is, and how much of it this process cannot use."""
    if seen["cache"] is None:
        return "none: nothing is kept"
    files = seen["cache_files"]
    parts = [f"{seen['cache']}: {cache_files.number_of_files(files['count'])}, {files['bytes'] / 1e6:.1f} MB"]
    for name, what in (
        ("other", "for other settings or versions"),
        ("stale", "of older sources"),
        ("superseded", "more of Numba's own cache, which earlier versions of hotloop used"),
    ):
        if files[name]:
            parts.append(f"{files[name]} {what}")
    return ", ".join(parts)


def _verdict(count: int) -> str:
    return "nothing is wrong" if count == 0 else f"{count} problem" + ("s" if count > 1 else "")


def command(arguments: argparse.Namespace) -> int:
    """Carry out ``hotloop doctor`` and return its exit status."""
    seen = examine()
    say(json.dumps(seen, indent=2) if arguments.json else report(seen))
    return UNWELL if seen["problems"] else 0
