"""What a profile costs: training with and without `hotloop.profile`, and PyTorch with and without its profiler.

    python benchmarks/profiling.py            about six minutes
    python benchmarks/profiling.py --quick    a rough run
    python benchmarks/profiling.py --ranks    whether 20 profiles beside a busy loop rank correctly; two minutes

On one core; with and without in turn, in one process. It writes benchmarks/reports/profiling-<cpu>.md and .json.
PyTorch is left out if it is not installed.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":  # run as a file, so its folder comes first in the path
    sys.path[:1] = [str(ROOT / "src"), str(ROOT)]

from benchmarks.comparison import report  # noqa: E402
from benchmarks.comparison.cases import NETWORKS  # noqa: E402
from benchmarks.comparison.measure import Session, repetitions  # noqa: E402
from benchmarks.comparison.worker import PeerError, Worker  # noqa: E402
from benchmarks.profile_ranks import ranks  # noqa: E402

CASES = {"64-32-10": 1.03, "784-512-512-10": 1.01}  # and the target ratio
PEERS = {"hotloop": "hotloop_peer:Peer", "PyTorch eager": "torch_peer:Peer"}
MOST_EPOCHS = {"hotloop": 3000, "PyTorch eager": 5}  # more events would fill the memory


def measured(session: Session, name: str, label: str) -> dict[str, Any]:
    """Return the seconds of training a network with and without a profiler, in turn, and their ratios.

    A round's time without is the mean of the training before and the one after.
    """
    case = NETWORKS[name]
    with Worker(label, PEERS[label], session.core) as worker:
        worker.make(case)
        worker.call("train", 1)
        worker.call("profiled", 1)
        once = min(worker.seconds("train", 1) for _ in range(3))
        epochs = repetitions(session.seconds, once, MOST_EPOCHS[label])
        without, profiled, blocks = [], [], []
        before = worker.seconds("train", epochs)
        plain = [before]
        for _ in range(session.rounds):
            block, training = worker.timed("profiled", epochs)
            after = worker.seconds("train", epochs)
            profiled.append(float(training))
            blocks.append(block)
            without.append((before + after) / 2)
            plain.append(after)
            before = after
    found = [p / w for p, w in zip(profiled, without, strict=True)]
    whole = [b / w for b, w in zip(blocks, without, strict=True)]
    quarters = statistics.quantiles(found, n=4) if len(found) > 1 else [found[0]] * 3
    return {
        "network": case.name, "peer": label, "target": CASES[name] if label == "hotloop" else None, "epochs": epochs,
        "microseconds_a_step": 1e6 * statistics.median(plain) / epochs / case.steps,
        "ratio": statistics.median(found), "quarters": [quarters[0], quarters[2]],
        "least": min(profiled) / min(plain), "block": statistics.median(whole), "ratios": found,
    }  # fmt: skip


def markdown(results: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    about = results["about"]
    rows = [
        [
            row["network"], row["peer"], report.number(row["microseconds_a_step"]), f"{row['ratio']:.3f}",
            "-" if row["target"] is None else f"{row['target']:.2f}",
            f"{row['quarters'][0]:.3f} to {row['quarters'][1]:.3f}", f"{row['least']:.3f}",
            f"{row['block']:.3f}",
        ]
        for row in results["rows"]
    ]  # fmt: skip
    header = [
        "network",
        "library",
        "us a step",
        "with / without",
        "target",
        "middle half of the rounds",
        "least / least",
        "whole block",
    ]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    lines = [
        "# What a profile costs", "",
        f"Made by `{about['command']}` on {about['date']}, commit {about['commit']}.", "",
        f"{about['cpu']}, one core; {versions}; {about['rounds']} rounds of at least {about['seconds_a_round']} s.", "",
        "The time of training with the library's own profiler over the time without it: median of the rounds, and "
        "least time over least time, which other load on the machine disturbs less. The whole block includes what the "
        "profiler does before and after.", "",
        *report.table(header, rows, left=2), "",
        *report.absent_lines(results["absent"]),
    ]  # fmt: skip
    return "\n".join(lines).rstrip() + "\n"


def parser() -> argparse.ArgumentParser:
    """Return the command line's options."""
    found = argparse.ArgumentParser(prog="python benchmarks/profiling.py", description="Measure what a profile costs.")
    found.add_argument("--rounds", type=int, metavar="N", help="rounds (default 21; quick: 3)")
    found.add_argument("--seconds", type=float, metavar="S", help="least time of a training (default 2; quick: 0.05)")
    found.add_argument("--quick", action="store_true", help="a short run")
    found.add_argument(
        "--ranks", type=int, nargs="?", const=20, metavar="N",
        help="instead, count how many of N profiles beside a busy loop rank correctly (default 20)",
    )  # fmt: skip
    found.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS), help="default: all")
    found.add_argument(
        "--out", type=Path, metavar="FOLDER", default=ROOT / "benchmarks" / "reports",
        help="where to write (default: benchmarks/reports)",
    )  # fmt: skip
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it, and return the exit status: 1 if nothing was measured."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser().parse_args(given)
    quick = options.quick
    session = Session(
        options.peers, options.rounds or (3 if quick else 21), options.seconds or (0.05 if quick else 2.0), quick
    )
    if options.ranks:
        print("\n".join(ranks(options.ranks, session.core, session.say)))
        return 0
    rows = []
    for name in CASES:
        for label in options.peers:
            try:
                rows.append(measured(session, name, label))
            except PeerError as error:
                session.absent[label] = str(error)
                continue
            session.say(f"{rows[-1]['network']}, {label}: {rows[-1]['ratio']:.3f}")
    if not rows:
        session.say(f"error: nothing was measured: {session.absent}")
        return 1
    about = report.describe(session, [f"python benchmarks/profiling.py {' '.join(given)}".rstrip()])
    results = {"format": report.FORMAT, "about": about, "rows": rows, "absent": session.absent}
    text, path = markdown(results), options.out / f"profiling-{report.slug(about['cpu'])}"
    options.out.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".md").write_text(text)
    path.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
    print(text)
    session.say(f"wrote {os.path.relpath(path)}.md and .json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
