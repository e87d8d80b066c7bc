"""The history of the speed, from the results that asv keeps: docs/performance.md's pictures and tables.

    python benchmarks/history.py

Rewrites docs/performance/*.png, and the text between the two marks of each table in docs/performance.md. asv's own
page (`asv publish`) shows every benchmark, this one a selection.
"""

import argparse
import datetime
import itertools
import re
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":  # run as a file, so its folder comes first in the path
    sys.path[:1] = [str(ROOT / "src"), str(ROOT)]

from benchmarks.comparison.builds import git, is_shallow  # noqa: E402
from benchmarks.comparison.report import number, table  # noqa: E402
from benchmarks.suite import entries, full_name  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
MACHINE, *OTHERS = "amd-epyc-25-1", "amd-epyc-25-17"  # the reference; of the others the document has the values
DOCUMENT = ROOT / "docs" / "performance.md"
# Multiples that an axis may be labelled with, from coarse to fine.
MULTIPLES = (
    [2.0**power for power in range(-6, 7)],
    [0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8],
    [0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4, 1.6],
)
FEWEST_TICKS = 3
PRODUCT = "kernels.{}.time_call('128x512x512', 'float32')"
EPOCH = "networks.Epoch.time_fit('{}', {})"
# For each picture: its title, and for each line's label, the benchmark with its parameters.
PICTURES: dict[str, tuple[str, dict[str, str]]] = {
    "training": ("Training on one core: epochs of 4096 rows, digits", {
        "64-32-10, batch 32": EPOCH.format("64-32-10", 32),
        "784-128-10, batch 32": EPOCH.format("784-128-10", 32),
        "784-512-512-10, batch 32": EPOCH.format("784-512-512-10", 32),
        "training to 95 % on digits": "figures.Digits.track_seconds_to_95_percent",
    }),
    "kernels": ("Kernels, float32", {
        "dense_forward, 128 x 512 x 512": PRODUCT.format("DenseForward"),
        "accumulate_weight_gradient": PRODUCT.format("AccumulateWeightGradient"),
        "input_gradient": PRODUCT.format("InputGradient"),
        "sigmoid, 128 x 512": "kernels.Sigmoid.time_call('128x512', 'float32')",
        "cross_entropy, 128 x 10": "kernels.Loss.time_call('cross_entropy', 'float32')",
        "adam, 100,000": "kernels.Update.time_call('adam', 'float32')",
    }),
    "prediction": ("Predicting rows of 784-128-10, one core", {
        "1 row": "networks.Predict.time_predict('784-128-10', 1)",
        "32 rows": "networks.Predict.time_predict('784-128-10', 32)",
        "10,000 rows": "networks.Predict.time_predict('784-128-10', 10000)",
    }),
    "startup": ("Start-up, in a fresh process", {
        "import hotloop": "startup.Import.timeraw_import('hotloop')",
        "import numba": "startup.Import.timeraw_import('numba')",
        "import and first fit, cache warm": "startup.FirstFit.timeraw_warm_cache",
    }),
    "size": ("Memory and size", {
        "peak memory, 188 MB of data": "figures.Memory.peakmem_fit",
        "wheel": "figures.Wheel.track_size",
    }),
}  # fmt: skip


@dataclass
class Commit:
    """What was measured for a commit: {full name of a benchmark: (value, lower quartile, upper quartile)}."""

    hash: str
    seconds: float  # since 1970
    subject: str = ""
    values: dict[str, tuple[float, float, float]] = field(default_factory=dict)


def commits(machine: str = MACHINE) -> list[Commit]:
    """Return the commits with results from a machine, in the order of Git's history, oldest first.

    Values from another version of a benchmark are left out.
    """
    from asv.results import iter_results_for_machine

    versions = {entry.benchmark: entry.owner.version for entry in entries()}
    found: dict[str, Commit] = {}
    for results in iter_results_for_machine(str(RESULTS), machine):
        commit = found.setdefault(results.commit_hash, Commit(results.commit_hash, results.date / 1000))
        for benchmark in results.get_all_result_keys():
            if results.benchmark_version.get(benchmark) != versions.get(benchmark):
                continue
            parameters = results.get_result_params(benchmark)
            values = results.get_result_value(benchmark, parameters)
            stats = results.get_result_stats(benchmark, parameters)
            for combination, value, stat in zip(itertools.product(*parameters), values, stats, strict=True):
                if value is not None and value == value:  # None failed, NaN was left out
                    quartiles = (stat["q_25"], stat["q_75"]) if stat else (value, value)
                    commit.values[full_name(benchmark, list(combination))] = (value, *quartiles)
    ordered = []
    for line in git("log", "--reverse", "--topo-order", "--format=%H %s").splitlines():
        name, _, subject = line.partition(" ")
        if name in found:
            found[name].subject = subject
            ordered.append(found[name])
    return ordered


def draw(name: str, history: Sequence[Commit], folder: Path) -> Path:
    """Write one picture."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    picture(name, history).savefig(path, dpi=200, metadata={"Software": None})
    return path


def picture(name: str, history: Sequence[Commit]) -> Any:
    """Return the figure: values over commits, on a logarithmic axis, as multiples of each line's median."""
    from hotloop.network.plots.labels import legend_below
    from hotloop.network.plots.style import GREY, WIDTH, figure, series, styled

    title, lines = PICTURES[name]
    with styled():
        drawn = figure(WIDTH, 3.9)
        axes = drawn.subplots()
        for (label, benchmark), (colour, marker, line) in zip(lines.items(), series(len(lines)), strict=True):
            points = [(at, commit.values[benchmark]) for at, commit in enumerate(history) if benchmark in commit.values]
            if not points:
                continue
            unit = statistics.median(value for _, (value, _, _) in points)
            places = [at for at, _ in points]
            middle, low, high = ([value[part] / unit for _, value in points] for part in range(3))
            axes.fill_between(places, low, high, color=colour, alpha=0.2, linewidth=0)
            axes.plot(places, middle, color=colour, linestyle=line, marker=marker, label=label)
        axes.axhline(1, color=GREY, linewidth=0.8, zorder=0)
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0.8), max(high, 1.25))
        axes.set_yticks(multiples(*axes.get_ylim()))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.minorticks_off()
        axes.set_ylabel("multiple of the line's median")
        axes.set_xticks(range(len(history)), [commit.hash[:8] for commit in history], rotation=90)
        axes.set_xlabel("commit")
        axes.set_title(title)
        axes.grid(False, axis="x")
        legend_below(axes, grow=True, borderaxespad=8.5)
    return drawn


def multiples(low: float, high: float) -> list[float]:
    """Return the labels of an axis from low to high: of the coarsest scale that has enough.

    >>> multiples(0.3, 5.0)
    [0.5, 1.0, 2.0, 4.0]
    >>> multiples(0.75, 1.5)
    [0.8, 0.9, 1.0, 1.2, 1.4]
    """
    found = [[tick for tick in scale if low <= tick <= high] for scale in MULTIPLES]
    return next((ticks for ticks in found if len(ticks) >= FEWEST_TICKS), found[-1])


def shown(value: float, benchmark: str) -> str:
    """Return a value with its unit."""
    if benchmark.startswith("figures.") and ("Memory" in benchmark or "Wheel" in benchmark):
        return f"{value / 1e6:.0f} MB" if value > 1e7 else f"{value / 1e3:.0f} kB"
    units = ("s", 1.0), ("ms", 1e3), ("us", 1e6)
    unit, scale = next((one for one in units if value * one[1] >= 0.9995), ("ns", 1e9))
    return f"{number(value * scale)} {unit}"


def values_table(history: Sequence[Commit]) -> str:
    """Return a table with the first and last value of each line in the pictures."""
    rows = []
    for _, lines in PICTURES.values():
        for label, benchmark in lines.items():
            found = [commit for commit in history if benchmark in commit.values]
            if not found:
                continue
            first, last = (commit.values[benchmark][0] for commit in (found[0], found[-1]))
            rows.append([
                label, found[0].hash[:8], shown(first, benchmark), found[-1].hash[:8], shown(last, benchmark),
                number(last / first),
            ])  # fmt: skip
    return "\n".join(table(["", "first", "was", "last", "is", "last / first"], rows))


def commits_table(history: Sequence[Commit]) -> str:
    """Return a table of the commits."""
    rows = [
        [commit.hash[:8], datetime.datetime.fromtimestamp(commit.seconds, datetime.UTC).strftime("%Y-%m-%d"),
         str(len(commit.values)), commit.subject]
        for commit in history
    ]  # fmt: skip
    return "\n".join(table(["commit", "date", "values", "subject"], rows, left=2))


def filled(text: str, name: str, content: str) -> str:
    """Return a document with `content` between the marks ``<!-- NAME -->`` and ``<!-- end -->``."""
    marks = rf"(<!-- {name} -->\n).*?(\n<!-- end -->)"
    if not re.search(marks, text, re.S):
        raise ValueError(f"the document has no marks <!-- {name} --> and <!-- end -->")
    return re.sub(marks, lambda found: f"{found[1]}\n{content}\n{found[2]}", text, flags=re.S)


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite pictures and tables, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/history.py", description="Redraw docs/performance.md's pictures and tables."
    )
    parser.add_argument("--machine", default=MACHINE, help=f"whose results (default: {MACHINE})")
    machine = parser.parse_args(arguments).machine
    try:
        history = commits(machine)
        if not history:
            raise ValueError(f"no results of the machine {machine} in benchmarks/results")
        if is_shallow():
            raise ValueError("this clone is shallow, so older commits would be left out: fetch its whole history")
    except ValueError as error:
        print(f"history.py: error: {error}", file=sys.stderr)
        return 1
    text = DOCUMENT.read_text()
    contents = {"values": values_table(history), "commits": commits_table(history)}
    contents |= {f"values on {other}": values_table(commits(other)) for other in OTHERS}
    for name, content in contents.items():
        text = filled(text, name, content)
    for name in PICTURES:
        draw(name, history, DOCUMENT.parent / "performance")
    DOCUMENT.write_text(text)
    print(f"{len(history)} commits, {len(PICTURES)} pictures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
