"""Is a commit slower than another? Runs this checkout's suite on both, in turn, on one core.

    python benchmarks/gate.py main HEAD
    python benchmarks/gate.py published HEAD     the newest commit with results in benchmarks/results
    python benchmarks/gate.py HEAD~5 HEAD --bench 'networks.Epoch'

docs/benchmarking.md explains the table. What is not committed is not measured.
"""

import argparse
import itertools
import json
import math
import os
import re
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":  # run as a file, so its folder comes first in the path
    sys.path[:1] = [str(ROOT / "src"), str(ROOT)]

from benchmarks.comparison.builds import Build, BuildError, build, commit_of, git, locked  # noqa: E402
from benchmarks.comparison.report import number, table  # noqa: E402
from benchmarks.comparison.verdicts import FEWEST, SLOWER, UNSURE, Comparison, Listed  # noqa: E402
from benchmarks.comparison.worker import PeerError, Worker  # noqa: E402
from benchmarks.profiles import pattern  # noqa: E402
from benchmarks.suite import full_name  # noqa: E402

SLOWER_STATUS, MISTAKE_STATUS, BUILD_STATUS, MISSING_STATUS, NOTHING_STATUS = 1, 2, 3, 4, 5
MOST = 24  # pairs of processes
SAMPLES = 5  # of each commit, in a pair
RATIOS = (
    "head / base is the median of the pairs' ratios, not the quotient of the medians before it: both commits of a pair "
    "meet the machine at the same speed, which changes from pair to pair."
)
PATIENCE = 300.0  # seconds for one answer, compiling included


@dataclass
class Gate:
    """The comparison of two builds.

    Attributes
    ----------
    base, head : Build
    threshold : float
        The ratio above which a benchmark counts as slower.
    seconds : float
        The least time of a sample.
    listed : dict
        What is compared.
    found : dict
        What was measured.
    absent, missing : dict
        Why a benchmark cannot be compared; why one that should be there is missing.
    """

    base: Build
    head: Build
    threshold: float
    seconds: float
    listed: dict[str, Listed] = field(default_factory=dict)
    found: dict[str, Comparison] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)

    def choose(self, wanted: re.Pattern[str]) -> None:
        """Find what can be compared among the benchmarks asked for: times and tracked values."""
        with self.start(self.head) as head:
            catalog: list[Listed] = head.call("catalog")
        for one in catalog:
            if wanted.search(one.name):
                if one.body.startswith(("time_", "track_")):
                    self.listed[one.name] = one
                    self.found[one.name] = Comparison(one.name, one.exact)
                else:
                    self.absent[one.name] = "the gate compares neither memory nor fresh processes"
        known = {one.name for one in catalog}
        gone = [name for build in (self.base, self.head) for name in promised(build.commit) if name not in known]
        self.missing |= {name: "it has results, and is not in the suite" for name in gone if wanted.search(name)}

    def run(self) -> None:
        """Compare in pairs of processes, until each benchmark is decided or has had `MOST` pairs."""
        for pair in range(MOST):
            names = [name for name, found in self.found.items() if self.is_open(found)]
            if not names:
                return
            say(f"pair {pair + 1}: {len(names)} {'benchmarks' if pair < FEWEST else 'undecided'}")
            self.pair(names, pair)

    def is_open(self, found: Comparison) -> bool:
        """Whether a benchmark needs another measurement."""
        if found.name in self.absent or found.name in self.missing:
            return False
        if found.exact:
            return not found.head
        return len(found.head) < FEWEST or found.verdict(self.threshold) == UNSURE

    def pair(self, names: Sequence[str], number: int) -> None:
        """Measure in two new processes, since where a process lies in memory can cost some hundredths."""
        first, second = [self.base, self.head][:: -1 if number % 2 else 1]
        with self.start(first) as one, self.start(second) as other:
            base, head = (other, one) if number % 2 else (one, other)
            for name in names:
                try:
                    self.measure(name, base, head, number)
                except PeerError as error:
                    self.missing[name] = f"on the {error.peer}: {error}"
                    if any(worker.process.poll() is not None for worker in (base, head)):
                        return  # the remaining benchmarks go on in the next pair

    def start(self, build: Build) -> Worker:
        """Return a new process of a commit; raise BuildError if hotloop cannot be imported there."""
        label = "head" if build is self.head else "base"
        core = [max(os.sched_getaffinity(0))]  # the last, since systems prefer the first
        worker = Worker(label, "commit_peer:Peer", core, build.package, build.settings, PATIENCE)
        try:
            worker.make(str(build.package))
        except PeerError as error:
            worker.close()
            raise BuildError(f"it cannot be imported: {error}", build.commit) from None
        return worker

    def measure(self, name: str, base: Worker, head: Worker, number: int) -> None:
        """Measure one benchmark, or note that it is left out; raise PeerError if it fails."""
        reasons = [worker.call("make", name) for worker in (base, head)]
        if reasons[0]:
            self.absent[name] = reasons[0]  # new on the head, or not for this machine
        elif reasons[1]:
            raise PeerError("head", reasons[1])
        else:
            before, after = self.values(name, base, head, number)
            self.found[name].base.append(before)
            self.found[name].head.append(after)

    def values(self, name: str, base: Worker, head: Worker, number: int) -> tuple[float, float]:
        """Return the value of each commit, or its seconds a call: medians of samples taken in turn."""
        samples: dict[str, list[float]] = {"base": [], "head": []}
        if self.listed[name].body.startswith("track_"):
            for worker in (base, head):
                samples[worker.peer].append(worker.call("value"))
        else:
            if name not in self.calls:
                self.calls[name] = base.call("calls", self.seconds)
            for sample in range(SAMPLES):
                for worker in (base, head)[:: -1 if (sample + number) % 2 else 1]:
                    samples[worker.peer].append(worker.call("sample", self.calls[name]))
        for worker in (base, head):
            worker.call("end")
            if not all(map(math.isfinite, samples[worker.peer])):
                raise PeerError(worker.peer, "a value is not finite")
        return statistics.median(samples["base"]), statistics.median(samples["head"])

    def measured(self) -> list[Comparison]:
        """Return what was measured completely."""
        return [one for one in self.found.values() if one.head and not {one.name} & {*self.missing, *self.absent}]


def say(text: str) -> None:
    """Report progress."""
    print(text, file=sys.stderr, flush=True)


def published(commit: str) -> str:
    """Return the newest commit that has results in this commit's tree: an ancestor, or the commit itself."""
    files = git("ls-tree", "-r", "--name-only", commit, "benchmarks/results").split()
    measured = {Path(file).name.split("-")[0] for file in files if Path(file).name.count("-")}
    for candidate in git("rev-list", commit).split():
        if candidate[:8] in measured:
            return candidate
    raise ValueError(f"no commit before {commit[:8]} has results in benchmarks/results")


def promised(commit: str) -> list[str]:
    """Return the full names of the benchmarks that have results in a commit's tree."""
    path = "benchmarks/results/benchmarks.json"
    if not git("ls-tree", "--name-only", commit, path):
        return []
    return [
        full_name(name, list(values))
        for name, benchmark in json.loads(git("show", f"{commit}:{path}")).items()
        if name != "version"
        for values in itertools.product(*benchmark["params"])
    ]


def show(gate: Gate) -> str:
    """Return the table."""
    rows = []
    for found in gate.measured():
        low, high = found.interval()
        if low == -math.inf:  # too few pairs for this confidence, but enough for the verdict that nothing is slower
            low, high = min(found.ratios), max(found.ratios)
        unit = gate.listed[found.name].unit
        middle = [number(statistics.median(v) * (1e6 if unit == "us" else 1), 4) for v in (found.base, found.head)]
        between = "exact" if found.exact else f"{low:.3f} to {high:.3f}"
        rows.append([
            found.name, *middle, unit, f"{found.ratio:.3f}", between, str(len(found.head)),
            found.verdict(gate.threshold),
        ])  # fmt: skip
    header = ["benchmark", "base", "head", "unit", "head / base", "interval", "pairs", "verdict"]
    return "\n".join(table(header, rows))


def report(gate: Gate) -> int:
    """Print the table and the outcome, and return the exit status."""
    measured = gate.measured()
    verdicts = {found.name: found.verdict(gate.threshold) for found in measured}
    slower, unsure = ([name for name, verdict in verdicts.items() if verdict == kind] for kind in (SLOWER, UNSURE))
    if measured:
        print(show(gate))
        print(RATIOS)
    for kind, reasons in (("left out", gate.absent), ("benchmark missing", gate.missing)):
        for name, reason in reasons.items():
            print(f"{kind}: {name}: {reason}")
    for kind, names in ((UNSURE, unsure), (SLOWER, slower)):
        for name in names:
            print(f"{kind}: {name}")
    if slower:
        return SLOWER_STATUS
    if gate.missing:
        return MISSING_STATUS
    if 2 * len(unsure) >= len(measured):
        print(f"nothing measured{': most are undecided, the machine is too busy' if unsure else ''}")
        return NOTHING_STATUS
    print(f"nothing is slower: {len(measured)} benchmarks compared")
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the command line's options."""
    found = argparse.ArgumentParser(
        prog="python benchmarks/gate.py",
        description="Compare two commits, in pairs of fresh processes in turn, on one core. Prints a table.",
        epilog="Exit status: 0 if nothing is slower, or 'published' is the head itself; 1 slower; 2 a mistake in the "
        "command; 3 failed to build; 4 benchmark missing; 5 nothing measured.",
    )
    found.add_argument("base", help="a commit, or 'published': the newest one with results in benchmarks/results")
    found.add_argument("head", nargs="?", default="HEAD", help="a commit (default: HEAD)")
    found.add_argument("--bench", metavar="REGEX", help="what to compare (default: the profile 'gate')")
    found.add_argument(
        "--threshold", type=threshold, metavar="R", default=1.08,
        help="slower means: surely takes more than this many times as long (default: 1.08)",
    )  # fmt: skip
    found.add_argument(
        "--seconds", type=duration, metavar="S", default=0.01, help="least time of a sample (default: 0.01)"
    )
    found.add_argument(
        "--work", type=Path, metavar="FOLDER", default=ROOT / ".asv" / "gate",
        help="where builds and their machine code are kept (default: .asv/gate)",
    )  # fmt: skip
    return found


def threshold(text: str) -> float:
    """Return a ratio of at least 1."""
    if 1 <= (value := float(text)) < math.inf:
        return value
    raise argparse.ArgumentTypeError("must be 1 or more")


def duration(text: str) -> float:
    """Return seconds."""
    if 0 < (value := float(text)) <= 10:
        return value
    raise argparse.ArgumentTypeError("must be above 0, and 10 at most")


def compare(options: argparse.Namespace) -> int:
    """Build and compare, and return the exit status."""
    wanted = re.compile(options.bench or pattern("gate"))
    head = commit_of(options.head)
    base = published(head) if options.base == "published" else commit_of(options.base)
    if base == head:
        if options.base != "published":
            raise ValueError(f"base and head are the same commit, {head[:8]}: name two that differ")
        print(f"nothing to compare: {head[:8]} is itself the newest commit with results in benchmarks/results")
        return 0
    say(f"base {base[:8]}, head {head[:8]}")
    if head == commit_of("HEAD") and git("status", "--porcelain", "kernels", "network", "src", "pyproject.toml"):
        say("note: changes of the package that are not committed are not measured")
    with locked(options.work.resolve()) as folder:
        gate = Gate(build(base, folder), build(head, folder), options.threshold, options.seconds)
        gate.choose(wanted)
        gate.run()
    return report(gate)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the gate, and return the exit status."""
    options = parser().parse_args(arguments)
    try:
        return compare(options)
    except BuildError as error:
        say(f"{error}\nfailed to build: {error.commit[:8]}")
        return BUILD_STATUS
    except (re.error, ValueError, OSError) as error:
        say(f"gate.py: error: {error}")
        return MISTAKE_STATUS


if __name__ == "__main__":
    sys.exit(main())
