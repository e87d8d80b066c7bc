"""Which clock the compiled loops read, and how its ticks become seconds of `time.perf_counter`."""

import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np

from hotloop.kernels.clock import COUNTER, MONOTONIC, read

SHORTEST = 0.02  # s between two readings of both clocks: each is good to about 0.2 us, the rate to about 2e-5
ATTEMPTS = 20  # at reading both clocks, of which the tightest counts
READS = 2000
NAMES = {COUNTER: "cycle counter", MONOTONIC: "monotonic clock"}
MACHINES = ("x86_64", "AMD64", "aarch64", "arm64")


def clock_kind(cpuinfo: Path = Path("/proc/cpuinfo")) -> int:
    """Return `COUNTER`, or `MONOTONIC` where the CPU has no readable counter of a constant rate."""
    if platform.machine() not in MACHINES:
        return MONOTONIC
    if sys.platform == "linux" and platform.machine() == "x86_64":
        try:
            text = cpuinfo.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return MONOTONIC
        flags = next((line.split() for line in text.splitlines() if line.startswith("flags")), [])
        if not {"constant_tsc", "nonstop_tsc"} <= set(flags):
            return MONOTONIC
    counts = np.zeros(READS, np.int64)
    read(COUNTER, counts)
    steps = np.diff(counts)
    return COUNTER if steps.min() >= 0 and steps.sum() > 0 else MONOTONIC


def read_both(kind: int) -> tuple[int, float]:
    """Return one moment in ticks and in seconds."""
    count, readings = np.zeros(1, np.int64), []
    for _ in range(ATTEMPTS):
        before = time.perf_counter()
        read(kind, count)
        after = time.perf_counter()
        readings.append((after - before, int(count[0]), (before + after) / 2))
    _, tick, second = min(readings)
    return tick, second


@dataclass(frozen=True)
class Calibration:
    """The rate of a clock.

    Parameters
    ----------
    kind : int
        `COUNTER` or `MONOTONIC`.
    rate : float
        Ticks a second.
    """

    kind: int
    rate: float

    @classmethod
    def since(cls, kind: int, first: tuple[int, float]) -> "Calibration":
        """Read both clocks again, at least `SHORTEST` after a first reading."""
        time.sleep(max(0.0, first[1] + SHORTEST - time.perf_counter()))
        tick, second = read_both(kind)
        return cls(kind, (tick - first[0]) / (second - first[1]))

    @property
    def name(self) -> str:
        """The clock's name and rate."""
        name = "time.perf_counter_ns" if numba.config.DISABLE_JIT else NAMES[self.kind]
        return f"{name}, {self.rate / 1e6:.1f} MHz"


def seconds_of_a_read(kind: int) -> float:
    """Return how many seconds it takes to read the clock."""
    counts, best = np.zeros(READS, np.int64), np.inf
    for _ in range(5):
        start = time.perf_counter()
        read(kind, counts)
        best = min(best, time.perf_counter() - start)
    return best / READS
