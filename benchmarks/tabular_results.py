"""The results of the tabular benchmark: a JSON file of cells, and the means and ratios that are made of them."""

import datetime
import json
import math
import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean, geometric_mean
from typing import Any

from benchmarks.comparison.report import commit, cpu, slug
from benchmarks.tabular_peers import PARTS, PEERS
from benchmarks.tabular_sets import SETS

FORMAT = 1  # of the JSON file
BASE = "lightgbm"  # where it has as many tables as another
SAME = ("cpu", "cores")  # what two files that are merged have in common


def machine(cores: int, jobs: int) -> dict[str, Any]:
    """Return what a reader needs to compare with another machine or another day."""
    return {
        "cpu": cpu(), "cores": cores, "jobs": jobs, "cores_of_machine": os.cpu_count(), "siblings": siblings(),
        "system": f"{platform.system()} {platform.machine()}", "python": platform.python_version(),
        "commit": commit(), "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"), "command": "",
    }  # fmt: skip


def siblings() -> int:
    """Return how many of the system's cores are one core of the processor: 2 with hyper-threads."""
    try:
        text = Path("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return 1
    return len(text.replace("-", ",").split(","))


def file_name(about: dict[str, Any]) -> str:
    """Return the name of the files of a machine, without an ending."""
    return f"tabular-{slug(about['cpu'])}" + ("" if about["cores"] == 2 else f"-{about['cores']}-cores")


def read(paths: Sequence[Path], about: dict[str, Any]) -> dict[str, Any]:
    """Return the cells of all files; the first may be missing. Raise ValueError if they are of other machines."""
    results: dict[str, Any] = {"format": FORMAT, "about": about, "absent": {}, "cells": {}}
    for number, path in enumerate(paths):
        if number == 0 and not path.exists():
            continue
        found = json.loads(path.read_text())
        if found.get("format") != FORMAT:
            raise ValueError(f"{path} has format {found.get('format')}, and this program reads {FORMAT}")
        for what in SAME:
            if found["about"][what] != about[what]:
                raise ValueError(f"{path} was measured on {what} {found['about'][what]}, not {about[what]}")
        if number == 0:
            results["about"] = about | {key: found["about"][key] for key in ("command", "jobs", "date", "commit")}
        for key, cell in found["cells"].items():
            if "error" in cell or key not in results["cells"]:
                results["cells"][key] = cell
    return results


def write(results: dict[str, Any], path: Path) -> None:
    """Write the results; a reader never finds half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(results, indent=1, allow_nan=False) + "\n")
    os.replace(part, path)


class Means:
    """Means over splits for each peer and table, and geometric means of ratios over tables.

    Parameters
    ----------
    results : dict
        As `read` returns.
    """

    def __init__(self, results: dict[str, Any]) -> None:
        self.cells = {key: cell for key, cell in results["cells"].items() if "error" in cell}
        keys = [key.split("/") for key in self.cells]
        self.sets = [name for name in SETS if any(key[0] == name for key in keys)]
        found = [name for name in PEERS if any(key[2] == name for key in keys)]
        self.peers = [name for name in found if name not in PARTS]
        self.parts = [name for name in found if name in PARTS]
        self.splits = sorted({int(key[1]) for key in keys})

    @property
    def base(self) -> str:
        """Whose errors and times others are shown as ratios of: another's than hotloop's, with most tables."""

        def rank(peer: str) -> tuple[bool, int, bool]:
            return not PEERS[peer].ours, sum(bool(self.of(peer, name)) for name in self.sets), peer == BASE

        return max(self.peers, key=rank)

    def of(self, peer: str, table: str, what: str = "error") -> dict[int, float]:
        """Return a figure of each split that was measured."""
        found = {}
        for split in self.splits:
            cell = self.cells.get(f"{table}/{split}/{peer}", {})
            if what in cell:
                found[split] = float(cell[what])
        return found

    def mean(self, peer: str, table: str, what: str = "error") -> float | None:
        """Return the mean over the splits that were measured, or None without any."""
        found = self.of(peer, table, what)
        return fmean(found.values()) if found else None

    def ratio(self, peer: str, other: str, tables: Iterable[str], what: str = "error") -> tuple[float, int] | None:
        """Return the geometric mean of peer / other over the tables that both have, and how many these are.

        A table counts with the ratio of the means over the splits that both have.
        """
        ratios = []
        for table in tables:
            one, two = self.of(peer, table, what), self.of(other, table, what)
            both = one.keys() & two.keys()
            if both:
                least = self.least(table, what)
                mean = fmean(max(one[split], least) for split in both)
                ratios.append(mean / fmean(max(two[split], least) for split in both))
        return (geometric_mean(ratios), len(ratios)) if ratios else None

    def least(self, table: str, what: str) -> float:
        """Return the least figure that counts as one: half a wrong row for error rates, since a ratio wants no 0."""
        rows = next((cell["test_rows"] for key, cell in self.cells.items() if key.startswith(f"{table}/")), 1)
        return 0.5 / rows if what == "error" and SETS[table].task == "classes" else 1e-9

    def better_splits(self, peer: str, other: str, table: str) -> tuple[int, int]:
        """Return in how many splits the peer has less error than the other, and how many both have."""
        one, two = self.of(peer, table), self.of(other, table)
        both = one.keys() & two.keys()
        return sum(one[split] < two[split] for split in both), len(both)

    def for_1000_rows(self, peer: str, tables: Iterable[str], what: str = "fit_seconds") -> float | None:
        """Return the geometric mean of the seconds for 1000 rows of training, or None if a table is missing."""
        seconds = []
        for table in tables:
            mean, rows = self.mean(peer, table, what), self.mean(peer, table, "train_rows")
            if mean is None or not rows:
                return None
            seconds.append(1000 * mean / rows)
        return geometric_mean(seconds) if seconds else None

    def of_task(self, task: str) -> list[str]:
        """Return the tables of a task that have figures."""
        return [name for name in self.sets if SETS[name].task == task]

    def spread(self, peer: str, table: str) -> float:
        """Return the standard deviation of the error over the splits."""
        found = list(self.of(peer, table).values())
        return math.dist(found, [fmean(found)] * len(found)) / math.sqrt(len(found) - 1) if len(found) > 1 else 0.0
