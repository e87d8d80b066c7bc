"""Do profiles rank correctly beside another process? `python benchmarks/profiling.py --ranks` calls this.

A network of six equal layers is profiled repeatedly on a core that it shares with a busy loop; then again with a copy
of the package that computes the weight gradient of one layer three times.
"""

import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "hotloop"
SLOW = ("weight gradient", 3)
WITHIN = 0.2  # of the median of the layers
# Phases that are equal in all layers from this one on: the first layer's backward pass has no dC/dx.
EQUAL = {"forward": 1, "backward": 2, "weight gradient": 1, "update": 1}
PROFILES = """
import json, sys
import numpy as np
from hotloop import SGD, Network, profile

X = np.random.default_rng(0).normal(size=(2048, 64)).astype("f4")

def profiled(epochs):
    net = Network([64] * 7, "relu", output="relu", loss="mse", seed=0)
    with profile(snapshots=False) as prof:
        net.fit(X, X, epochs=epochs, optimizer=SGD(1e-3, momentum=0.5), n_threads=1, progress=False)
    return prof

profiled(1)
print("ready", flush=True)
input()
for _ in range(int(sys.argv[1])):
    print(json.dumps(profiled(20).rows), flush=True)
"""

Rows = list[dict[str, Any]]


def farthest(rows: Rows) -> float:
    """Return how far the farthest layer is from the median of its phase, as a share of the median."""
    found = []
    for name, first in EQUAL.items():
        layers = [row["seconds"] for row in rows if row["name"] == name and row["layer"] >= first]
        median = statistics.median(layers)
        found += [abs(seconds / median - 1) for seconds in layers]
    return max(found)


def first_phase(rows: Rows) -> tuple[str, int | None]:
    """Return the name and layer of the longest phase."""
    row = max((row for row in rows if row["kind"] == "kernel"), key=lambda row: row["seconds"])
    return row["name"], row["layer"]


@contextlib.contextmanager
def planted() -> Iterator[Path]:
    """Yield a copy of the package in which one phase takes three times as long."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(shutil.copytree(PACKAGE, Path(folder) / "hotloop", ignore=shutil.ignore_patterns("__pycache__")))
        path = package / "kernels" / "descent.py"
        pattern = r"^( +)(weight_gradient\(layer, i, end, left, .*\))$"
        slow = rf"\1for _ in range(3 if index == {SLOW[1] - 1} else 1):\n\1    \2"
        text, count = re.subn(pattern, slow, path.read_text(), flags=re.M)
        if count != 1:
            raise RuntimeError(f"{path.name} has changed: the slow phase cannot be planted")
        path.write_text(text)
        yield package


def profiles(package: Path, count: int, core: Sequence[int]) -> Iterator[Rows]:
    """Yield the rows of `count` profiles, made by a process that shares its core with a busy loop."""
    environment = os.environ | {"PYTHONPATH": str(package.parent)}
    command = [sys.executable, "-c", PROFILES, str(count)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, env=environment) as worker:
        os.sched_setaffinity(worker.pid, core)
        if worker.stdout is None or worker.stdin is None or worker.stdout.readline() != "ready\n":
            raise RuntimeError("the process to profile did not start")
        with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
            try:
                os.sched_setaffinity(busy.pid, core)
                worker.stdin.write("\n")
                worker.stdin.flush()
                yield from map(json.loads, worker.stdout)
            finally:
                busy.kill()
                worker.kill()


def ranks(count: int, core: Sequence[int], say: Callable[[str], None]) -> list[str]:
    """Return the outcome of `count` profiles of each kind, as lines."""
    off = []
    for rows in profiles(PACKAGE, count, core):
        off.append(farthest(rows))
        say(f"  equal layers: the farthest is {off[-1]:.0%} off")
    firsts = []
    with planted() as package:
        for rows in profiles(package, count, core):
            firsts.append(first_phase(rows))
            say(f"  a slow one: the first is {firsts[-1][0]}, layer {firsts[-1][1]}")
    even = sum(each <= WITHIN for each in off)
    return [
        f"all equal layers within {WITHIN:.0%} of the median of their phase: {even} of {len(off)} profiles",
        f"the planted slow phase first: {firsts.count(SLOW)} of {len(firsts)} profiles",
    ]
