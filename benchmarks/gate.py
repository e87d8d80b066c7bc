"""Whether a commit is slower than another: the suite of this checkout on both, in turn, on one core.

    python benchmarks/gate.py main HEAD
    python benchmarks/gate.py published HEAD     the newest commit with results in benchmarks/results
    python benchmarks/gate.py HEAD~5 HEAD --bench 'networks.Epoch'

docs/benchmarking.md says how to read the table. Only what is committed is measured.
"""

import argparse
import itertools
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":  # run as a file, whose folder stands first in the path
    sys.path[:1] = [str(ROOT / "src"), str(ROOT)]

from benchmarks.comparison.builds import Build, BuildError, build, commit_of, git  # noqa: E402
from benchmarks.comparison.measure import Session  # noqa: E402
from benchmarks.comparison.report import number, table  # noqa: E402
from benchmarks.comparison.verdicts import FEWEST, SLOWER, UNSURE, Comparison  # noqa: E402
from benchmarks.comparison.worker import PeerError, Worker  # noqa: E402
from benchmarks.profiles import pattern  # noqa: E402
from benchmarks.suite import Entry, entries, full_name  # noqa: E402

SLOWER_STATUS, BUILD_STATUS, MISSING_STATUS, NOTHING_STATUS = 1, 3, 4, 5  # argparse has 2
MOST = 24  # pairs of processes
SAMPLES = 5  # of each commit, in a pair


class Gate:
    """The comparison of two builds.

    Parameters
    ----------
    base, head : Build
    entries : sequence of Entry
        What is compared.
    threshold : float
        The ratio above which a benchmark is slower.
    session : Session
        Its `seconds` are the least time of a sample.
    """

    def __init__(self, base: Build, head: Build, entries: Sequence[Entry], threshold: float, session: Session) -> None:
        self.base, self.head, self.threshold, self.session = base, head, threshold, session
        self.entries = {entry.name: entry for entry in entries}
        self.found = {entry.name: Comparison(entry.name, getattr(entry.owner, "exact", False)) for entry in entries}
        self.calls: dict[str, int] = {}
        self.absent: dict[str, str] = {}  # on the base, or on both: nothing to compare
        self.missing: dict[str, str] = {}  # on the head alone

    def run(self) -> None:
        """Compare, in pairs of processes, until every benchmark is decided or has had its share."""
        for pair in range(MOST):
            names = [name for name, found in self.found.items() if self.is_open(found)]
            if not names:
                return
            self.session.say(f"pair {pair + 1}: {len(names)} {'benchmarks' if pair < FEWEST else 'undecided'}")
            self.pair(names, pair)

    def is_open(self, found: Comparison) -> bool:
        """Whether a benchmark is to be measured again."""
        if found.name in self.absent or found.name in self.missing:
            return False
        if found.exact:
            return not found.head
        return len(found.head) < FEWEST or found.verdict(self.threshold) == UNSURE

    def pair(self, names: Sequence[str], number: int) -> None:
        """Measure in two new processes: each lies elsewhere in memory, which alone can cost some hundredths."""
        builds = [self.base, self.head][:: -1 if number % 2 else 1]
        workers = {build is self.head: self.start(build) for build in builds}
        with workers[False] as base, workers[True] as head:
            for worker, build in ((base, self.base), (head, self.head)):
                worker.make(str(build.package))
            for name in names:
                self.measure(name, base, head, number)

    def start(self, build: Build) -> Worker:
        """Start a commit's process."""
        label = "head" if build is self.head else "base"
        return Worker(label, "commit_peer:Peer", self.session.core, build.package, build.settings)

    def measure(self, name: str, base: Worker, head: Worker, number: int) -> None:
        """Measure one benchmark, or note why it is not there; raise PeerError if the base's process has ended."""
        for worker, noted in ((base, self.absent), (head, self.missing)):
            try:
                reason = worker.call("make", name)
            except PeerError as error:
                reason = self.reason(error, base)
            if reason:
                noted[name] = reason
                return
        try:
            before, after = self.values(name, base, head, number)
        except PeerError as error:
            (self.missing if error.peer == "head" else self.absent)[name] = self.reason(error, base)
            return
        self.found[name].base.append(before)
        self.found[name].head.append(after)

    def reason(self, error: PeerError, base: Worker) -> str:
        """Return what went wrong with one benchmark; raise it if it went wrong with the base's process."""
        if base.process.poll() is not None:
            raise error
        return str(error)

    def values(self, name: str, base: Worker, head: Worker, number: int) -> tuple[float, float]:
        """Return the value of each, or its seconds a call: the medians of samples in turn."""
        if self.entries[name].body.startswith("track_"):
            found = base.call("value"), head.call("value")
        else:
            if name not in self.calls:
                self.calls[name] = base.call("calls", self.session.seconds)
            samples: dict[str, list[float]] = {"base": [], "head": []}
            for sample in range(SAMPLES):
                for worker in (base, head)[:: -1 if (sample + number) % 2 else 1]:
                    samples[worker.peer].append(worker.call("sample", self.calls[name]))
            found = tuple(sorted(samples[peer])[SAMPLES // 2] for peer in ("base", "head"))
        for worker in (base, head):
            worker.call("end")
        return found


def published(commit: str) -> str:
    """Return the newest ancestor of a commit, or itself, of which there are results in its tree."""
    files = git("ls-tree", "-r", "--name-only", commit, "benchmarks/results").split()
    measured = {Path(file).name.split("-")[0] for file in files if Path(file).name.count("-")}
    for candidate in git("rev-list", commit).split():
        if candidate[:8] in measured:
            return candidate
    raise ValueError(f"no commit before {commit[:8]} has results in benchmarks/results")


def promised(commit: str) -> list[str]:
    """Return the full names of the benchmarks that have results in a commit's tree."""
    try:
        known = json.loads(git("show", f"{commit}:benchmarks/results/benchmarks.json"))
    except ValueError:  # it has none yet
        return []
    return [
        full_name(name, list(values))
        for name, benchmark in known.items()
        if name != "version"
        for values in itertools.product(*benchmark["params"])
    ]


def show(gate: Gate) -> str:
    """Return the table."""
    rows = []
    for name, found in gate.found.items():
        if not is_measured(gate, found):
            continue
        low, high = found.interval()
        unit = getattr(gate.entries[name].owner, "unit", "us")
        scale = 1e6 if unit == "us" else 1
        middle = [number(scale * sorted(values)[len(values) // 2], 4) for values in (found.base, found.head)]
        between = "exact" if found.exact else f"{low:.3f} to {high:.3f}"
        rows.append([
            name, *middle, unit, f"{found.ratio:.3f}", between, str(len(found.head)), found.verdict(gate.threshold)
        ])  # fmt: skip
    header = ["benchmark", "base", "head", "unit", "head / base", "99 % interval", "pairs", "verdict"]
    return "\n".join(table(header, rows))


def parser() -> argparse.ArgumentParser:
    """Return the command line's options."""
    found = argparse.ArgumentParser(
        prog="python benchmarks/gate.py",
        description="Compare two commits, in pairs of fresh processes in turn, on one core. Prints a table.",
        epilog="Exit status: 0 if nothing is slower; 1 slower; 2 a mistake in the command; 3 failed to build; "
        "4 benchmark missing; 5 nothing measured.",
    )
    found.add_argument("base", help="a commit, or 'published': the newest one with results in benchmarks/results")
    found.add_argument("head", nargs="?", default="HEAD", help="a commit (default: HEAD)")
    found.add_argument("--bench", metavar="REGEX", help="what to compare (default: the profile 'gate')")
    found.add_argument(
        "--threshold", type=threshold, metavar="R", default=1.05,
        help="slower is what surely takes more than this many times as long (default: 1.05)",
    )  # fmt: skip
    found.add_argument(
        "--seconds", type=duration, metavar="S", default=0.01, help="least time of a sample (default: 0.01)"
    )
    found.add_argument(
        "--work", type=Path, metavar="FOLDER", default=ROOT / ".asv" / "gate",
        help="where builds and their machine code are kept (default: .asv/gate)",
    )  # fmt: skip
    return found


def chosen(wanted: re.Pattern[str]) -> list[Entry]:
    """Return the benchmarks to compare: those asked for that are times or tracked values."""
    return [entry for entry in entries() if entry.body.startswith(("time_", "track_")) and wanted.search(entry.name)]


def lost(wanted: re.Pattern[str], *commits: str) -> dict[str, str]:
    """Return the benchmarks asked for that have results in a commit's tree and are no longer there, and why."""
    known = {entry.name for entry in entries()}
    gone = [name for commit in commits for name in promised(commit) if wanted.search(name) and name not in known]
    return dict.fromkeys(gone, "it has results, and is not in the suite")


def threshold(text: str) -> float:
    """Return a ratio of at least 1."""
    if (value := float(text)) >= 1:
        return value
    raise argparse.ArgumentTypeError("must be 1 or more")


def duration(text: str) -> float:
    """Return seconds."""
    if (value := float(text)) > 0:
        return value
    raise argparse.ArgumentTypeError("must be above 0")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the gate, and return the exit status."""
    options, session = parser().parse_args(arguments), Session([], MOST, 0)
    session.seconds = options.seconds
    try:
        wanted = re.compile(options.bench or pattern("gate"))
        head = commit_of(options.head)
        base = published(head) if options.base == "published" else commit_of(options.base)
    except (re.error, ValueError) as error:
        parser().error(str(error))
    session.say(f"base {base[:8]}, head {head[:8]}")
    if head == commit_of("HEAD") and git("status", "--porcelain", "kernels", "network", "src").strip():
        session.say("note: changes that are not committed are not measured")
    builds = {}
    for label, commit in (("base", base), ("head", head)):
        try:
            builds[label] = build(commit, options.work.resolve())
        except BuildError as error:
            session.say(f"{error}\nfailed to build: {label} {commit[:8]}")
            return BUILD_STATUS
    gate = Gate(builds["base"], builds["head"], chosen(wanted), options.threshold, session)
    gate.missing |= lost(wanted, base, head)
    try:
        gate.run()
    except PeerError as error:
        session.say(f"failed to build: {error.peer} cannot be imported or run: {error}")
        return BUILD_STATUS
    return report(gate)


def is_measured(gate: Gate, found: Comparison) -> bool:
    """Whether a benchmark was measured to the end."""
    return bool(found.head) and found.name not in gate.missing and found.name not in gate.absent


def report(gate: Gate) -> int:
    """Print the table and the outcome, and return the exit status."""
    measured = [found for found in gate.found.values() if is_measured(gate, found)]
    slower = [found.name for found in measured if found.verdict(gate.threshold) == SLOWER]
    unsure = sum(found.verdict(gate.threshold) == UNSURE for found in measured)
    if measured:
        print(show(gate))
    for name, why in gate.absent.items():
        print(f"left out: {name}: {why}")
    for name, why in gate.missing.items():
        print(f"benchmark missing: {name}: {why}")
    for name in slower:
        print(f"slower: {name}")
    if not measured:
        print("nothing measured")
        return MISSING_STATUS if gate.missing else NOTHING_STATUS
    if not gate.missing and not slower:
        print(f"nothing is slower: {len(measured)} benchmarks compared{f', {unsure} unsure' if unsure else ''}")
    return SLOWER_STATUS if slower else MISSING_STATUS if gate.missing else 0


if __name__ == "__main__":
    sys.exit(main())
