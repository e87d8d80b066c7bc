"""hotloop's tabular estimators beside scikit-learn, boosted trees and RealMLP: error and fit seconds on 14 tables.

    python benchmarks/tabular.py                                       everything; goes on where it was stopped
    python benchmarks/tabular.py --peers lightgbm hotloop --sets letter magic --splits 0
    python benchmarks/tabular.py --peers hotloop parts                 what each part of the default recipe gains
    python benchmarks/tabular.py --report                              only the report, of what has been measured

docs/benchmarking.md says how to install the peers and the tables. It measures its own checkout.
"""

import argparse
import json
import os
import queue
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":  # run as a file, so its folder comes first in the path
    sys.path[:1] = [str(ROOT / "src"), str(ROOT)]

from benchmarks import tabular_chart, tabular_report, tabular_results  # noqa: E402
from benchmarks.comparison.report import commit  # noqa: E402
from benchmarks.comparison.worker import variables  # noqa: E402
from benchmarks.tabular_peers import EXTRA, PARTS, PEERS, SLOWEST, absence  # noqa: E402
from benchmarks.tabular_sets import SETS, NoData, load, write_arrays  # noqa: E402

SPLITS = (0, 1, 2)
ALL_PARTS = "parts"


@dataclass(frozen=True)
class Cell:
    """One estimator on one split of one table."""

    set: str
    split: int
    peer: str

    @property
    def key(self) -> str:
        """Its name among the results."""
        return f"{self.set}/{self.split}/{self.peer}"


def parser() -> argparse.ArgumentParser:
    """Return the command line's options."""
    found = argparse.ArgumentParser(
        prog="python benchmarks/tabular.py",
        description="Measure hotloop's estimators beside others on tables, on this machine. Each cell (an estimator on "
        "a split of a table) has a process of its own, and is stored as soon as it is measured: a run can be stopped "
        "and goes on where it was. Prints a report in Markdown; writes it, every number as JSON, and a chart.",
        epilog="A peer or a table that is not installed is left out and named with the reason. Exit status: 0; 1 if a "
        "cell failed or nothing was measured; 2 for a mistake in the command.",
    )
    found.add_argument(
        "--peers", nargs="+", metavar="PEER", choices=[*PEERS, ALL_PARTS],
        default=[name for name in PEERS if name not in EXTRA],
        help=f"of {', '.join(name for name in PEERS if name not in PARTS)}, and {', '.join(PARTS)}, or {ALL_PARTS} for "
        f"all of these; default: all but {ALL_PARTS} and {', '.join(name for name in EXTRA if name not in PARTS)}",
    )  # fmt: skip
    found.add_argument(
        "--sets", nargs="+", metavar="TABLE", choices=list(SETS), default=list(SETS),
        help=f"of {', '.join(SETS)}; default: all",
    )  # fmt: skip
    found.add_argument("--splits", nargs="+", type=int, metavar="N", default=list(SPLITS), help="default: 0 1 2")
    found.add_argument("--cores", type=int, metavar="N", default=2, help="cores, and threads, of a cell (default 2)")
    found.add_argument(
        "--jobs", type=int, metavar="N", default=1,
        help="cells at a time, each on cores of its own (default 1); memory and its bandwidth are shared all the same",
    )  # fmt: skip
    found.add_argument(
        "--seconds", type=float, metavar="S", help="begin no cell after so many seconds (default: no limit)"
    )
    found.add_argument(
        "--timeout", type=float, metavar="S", default=3600, help="end a cell after so many seconds (default 3600)"
    )
    found.add_argument("--again", action="store_true", help="measure cells that have been measured before once more")
    found.add_argument("--report", action="store_true", help="measure nothing: report what is there")
    found.add_argument(
        "--merge", nargs="+", type=Path, metavar="FILE", default=[],
        help="add the cells of these files of results, from the same kind of machine, first",
    )  # fmt: skip
    found.add_argument(
        "--arrays", type=Path, metavar="FOLDER", help="read the tables from a folder that --write-arrays wrote"
    )
    found.add_argument(
        "--write-arrays", type=Path, metavar="FOLDER",
        help="only write the tables as arrays, for a machine that lacks the packages of data",
    )  # fmt: skip
    found.add_argument(
        "--out", type=Path, metavar="FOLDER", default=ROOT / "benchmarks" / "reports",
        help="where results, report and chart are written (default: benchmarks/reports)",
    )  # fmt: skip
    return found


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, file=sys.stderr, flush=True)


def core_groups(cores: int, jobs: int) -> list[list[int]]:
    """Return the cores of each job; raise ValueError if this process may not use so many."""
    usable = sorted(os.sched_getaffinity(0))
    if cores < 1 or jobs < 1:
        raise ValueError("--cores and --jobs must be 1 or more")
    if cores * jobs > len(usable):
        raise ValueError(f"{jobs} jobs on {cores} cores each need {cores * jobs} cores, and there are {len(usable)}")
    return [usable[number * cores : (number + 1) * cores] for number in range(jobs)]


def cells(options: argparse.Namespace, absent: dict[str, str]) -> Iterator[Cell]:
    """Yield the cells to measure: whole splits, so that what a stopped run leaves can be compared; slow peers first."""
    sets = []
    for name in options.sets:
        try:
            load(name, options.arrays)
            sets.append(name)
        except (NoData, FileNotFoundError) as error:
            absent[f"the table {name}"] = str(error)
    peers = []
    wanted = [name for peer in options.peers for name in (PARTS if peer == ALL_PARTS else [peer])]
    for name in wanted:
        reason = absence(PEERS[name])
        if reason:
            absent[PEERS[name].label] = reason
        else:
            peers.append(name)
    peers.sort(key=lambda name: SLOWEST.index(name) if name in SLOWEST else len(SLOWEST))
    for split in options.splits:
        for peer in peers:
            for table in sets:
                if SETS[table].task in PEERS[peer].tasks:
                    yield Cell(table, split, peer)


def measured(cell: Cell, cores: Sequence[int], arrays: Path | None, timeout: float) -> dict[str, Any]:
    """Return what a cell's process measured, or {"failed": reason}."""
    question = {
        "peer": cell.peer, "set": cell.set, "split": cell.split, "threads": len(cores),
        "arrays": str(arrays.resolve()) if arrays else "",
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "answer.json")
        command = [
            sys.executable, "-W", "ignore", "-m", "benchmarks.tabular_cell", json.dumps(question),
            ",".join(map(str, cores)), str(answer),
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command, env=variables(len(cores)), cwd=folder, timeout=timeout, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, errors="replace",
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {"failed": f"not done after {timeout:.0f} s"}
        if answer.exists():
            found: dict[str, Any] = json.loads(answer.read_text())
            if "failed" in found:
                say("\n".join(done.stdout.splitlines()[-12:]))
            return found
        last = (done.stdout.strip().splitlines() or [""])[-1]
        return {"failed": f"its process ended with status {done.returncode}: {last}"}


def run(options: argparse.Namespace, results: dict[str, Any], path: Path) -> None:
    """Measure what is missing, and store each cell as soon as it is there."""
    groups: queue.Queue[list[int]] = queue.Queue()
    for group in core_groups(options.cores, options.jobs):
        groups.put(group)
    found = results["cells"]
    every = list(cells(options, results["absent"]))
    wanted = [cell for cell in every if options.again or "error" not in found.get(cell.key, {})]
    say(f"{len(wanted)} of {len(every)} cells to measure, on {options.jobs} x {options.cores} cores")
    began, made_of, lock, done = time.monotonic(), commit(), threading.Lock(), []

    def one(cell: Cell) -> None:
        if options.seconds and time.monotonic() - began > options.seconds:
            return
        group = groups.get()
        try:
            answer = measured(cell, group, options.arrays, options.timeout)
        finally:
            groups.put(group)
        with lock:
            done.append(cell)
            found[cell.key] = answer | {"commit": made_of}
            tabular_results.write(results, path)
            text = answer.get("failed") or f"error {answer['error']:.4g}, {answer['fit_seconds']:.2f} s"
            say(f"{len(done)}/{len(wanted)}  {cell.key}: {text}")

    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(one, wanted))
    say(f"{len(done)} cells measured in {time.monotonic() - began:.0f} s")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark, and return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    found = parser()
    options = found.parse_args(given)
    if options.write_arrays:
        options.write_arrays.mkdir(parents=True, exist_ok=True)
        for name in options.sets:
            write_arrays(load(name), options.write_arrays / f"{name}.npz")
        return 0
    about = tabular_results.machine(options.cores, options.jobs)
    path = options.out / f"{tabular_results.file_name(about)}.json"
    try:
        core_groups(options.cores, options.jobs if not options.report else 1)
        results = tabular_results.read([path, *options.merge], about)
    except (ValueError, FileNotFoundError) as error:
        found.error(str(error))
    if not options.report:
        results["about"]["command"] = shlex.join(["python", "benchmarks/tabular.py", *given])
        run(options, results, path)
    if not any("error" in cell for cell in results["cells"].values()):
        say("error: nothing was measured")
        for what, why in results["absent"].items():
            say(f"  {what}: {why}")
        return 1
    tabular_results.write(results, path)
    text = tabular_report.markdown(results)
    print(text)
    path.with_suffix(".md").write_text(text)
    try:
        tabular_chart.draw(results, path.with_suffix(".png"))
    except ImportError as error:  # says what to install
        say(f"no chart: {error}")
    say(f"wrote {os.path.relpath(path)}, and .md and .png beside it")
    return 1 if any("failed" in cell for cell in results["cells"].values()) else 0


if __name__ == "__main__":
    sys.exit(main())
