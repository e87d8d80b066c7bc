"""hotloop beside PyTorch, JAX, scikit-learn and NumPy: same data, same loss first, then rounds in turn.

    python benchmarks/peers.py            everything: 20 minutes on two cores
    python benchmarks/peers.py --quick    a rough run, a few minutes
    python benchmarks/peers.py --only networks kernels --peers hotloop jax
    python benchmarks/peers.py --only threads --threads 1 2 4 8 16

docs/peers.md says how to install the peers and how to read the tables. It measures its own checkout.
"""

import argparse
import math
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":  # run as a file, so its folder comes first in the path
    sys.path[:1] = [str(ROOT / "src"), str(ROOT)]

from benchmarks.comparison import chart, report, scaling, tables  # noqa: E402
from benchmarks.comparison.cases import NETWORKS  # noqa: E402
from benchmarks.comparison.measure import PEERS, LossMismatch, Session  # noqa: E402
from benchmarks.comparison.worker import PeerError, Worker  # noqa: E402

LONG = ("784-512-512-10-b1024", "2048-2048-2048-10")  # for a quick run, unless they are asked for
TABLES = ("networks", "threads", "kernels", "one_row", "mnist", "widths")
MNIST = os.environ.get("HOTLOOP_DATA", "")


def parser() -> argparse.ArgumentParser:
    """Return the command line's options."""
    found = argparse.ArgumentParser(
        prog="python benchmarks/peers.py",
        description="Measure hotloop beside its peers, on this machine. Prints tables in Markdown; writes them, every "
        "number as JSON, and a chart.",
        epilog="A peer that is not installed is left out and named with the reason. Exit status: 0; 1 if nothing was "
        "measured or a peer does not reach the same loss; 2 for a mistake in the command.",
    )
    found.add_argument(
        "--only", nargs="+", metavar="ROW", choices=[*TABLES, *NETWORKS],
        help=f"tables ({', '.join(TABLES)}) or networks of the first table ({', '.join(NETWORKS)}); default: all",
    )  # fmt: skip
    found.add_argument(
        "--peers", nargs="+", metavar="PEER", choices=list(PEERS), default=list(PEERS),
        help=f"of {', '.join(PEERS)}; default: all",
    )  # fmt: skip
    found.add_argument("--rounds", type=positive, metavar="N", help="rounds in turn (default 9; quick: 3)")
    found.add_argument(
        "--seconds", type=duration, metavar="S", help="least time of a peer's round (default 0.3; quick: 0.03)"
    )
    found.add_argument(
        "--threads", nargs="+", type=positive, metavar="N",
        help="numbers of threads in the table threads (default: 1, 2, 4, ... and all cores; quick: 1, 4, 16, ...)",
    )  # fmt: skip
    found.add_argument(
        "--quick", action="store_true", help="a short run: few rounds, fewer widths and sizes, no torch.compile"
    )
    found.add_argument(
        "--mnist", metavar="FOLDER", default=MNIST, help="MNIST's four files (default: the variable HOTLOOP_DATA)"
    )
    found.add_argument(
        "--mnist-epochs", type=int, metavar="N", help="epochs to the test accuracy (default 20; quick: 0, none)"
    )
    found.add_argument(
        "--out", type=Path, metavar="FOLDER", default=ROOT / "benchmarks" / "reports",
        help="where to write (default: benchmarks/reports)",
    )  # fmt: skip
    return found


def positive(text: str) -> int:
    """Return a number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def duration(text: str) -> float:
    """Return a number of seconds."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError("must be above 0, and finite")
    return value


def options_of(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options, and make the folder; or end with status 2 if they contradict each other or it cannot be."""
    command = parser()
    options = command.parse_args(arguments)
    if options.threads and options.only and "threads" not in options.only:
        command.error("--threads is for the table threads, which --only leaves out")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        command.error(f"argument --out: {error}")
    return options


def session_of(options: argparse.Namespace) -> Session:
    """Return the session that the options ask for."""
    quick = options.quick
    peers = [peer for peer in options.peers if not (quick and peer == "torch-compile")]
    session = Session(
        peers, options.rounds or (3 if quick else 9), options.seconds or (0.03 if quick else 0.3), quick,
        mnist=str(Path(options.mnist).expanduser().resolve()) if options.mnist else "",
        threads=options.threads,
        mnist_epochs=(0 if quick else 20) if options.mnist_epochs is None else options.mnist_epochs,
    )  # fmt: skip
    if peers != options.peers:
        session.absent["torch.compile"] = "takes too long to compile for --quick"
    return session


def measures(session: Session, only: Sequence[str] | None) -> dict[str, Callable[[], tables.Rows]]:
    """Return the measurements to make, by table."""
    wanted = only or TABLES
    networks = [name for name in NETWORKS if name in wanted or "networks" in wanted]
    for name in LONG:
        if session.quick and name in networks and name not in wanted:
            networks.remove(name)
            session.absent[NETWORKS[name].name] = "takes too long for --quick"
    found: dict[str, Callable[[], tables.Rows]] = {}
    if networks:
        found["networks"] = lambda: tables.networks(session, networks)
    rest = {"threads": scaling.threads, "kernels": tables.kernels, "one_row": tables.one_row, "widths": tables.widths}
    if "mnist" in wanted:
        if session.mnist and Path(session.mnist).is_dir():
            rest["mnist"] = tables.mnist
        else:
            missing = f"no folder {Path(session.mnist).name}: " if session.mnist else ""
            session.absent["mnist"] = f"{missing}give --mnist FOLDER, or set HOTLOOP_DATA"
    found |= {name: lambda make=rest[name]: make(session) for name in TABLES if name in wanted and name in rest}
    return found


def calibrate(session: Session) -> None:
    """Measure the peak of one core."""
    try:
        with Worker("hotloop", "hotloop_peer:peak_flops", session.core) as worker:
            session.peak = worker.run("hotloop_peer:peak_flops")
    except PeerError as error:
        session.absent["the FMA peak"] = str(error)
        return
    session.say(f"FMA peak of core {session.core[0]}: {session.peak / 1e9:.0f} GF/s")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison, and return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = options_of(given)
    session = session_of(options)
    calibrate(session)
    found: dict[str, Any] = {}
    for name, measure in measures(session, options.only).items():
        session.say(f"{report.TITLES[name]} ...")
        began = time.perf_counter()
        try:
            rows = measure()
        except LossMismatch as error:
            session.say(f"error: {error}")
            return 1
        except (tables.NotMeasured, PeerError) as error:
            session.absent[f"the table {name}"] = str(error)
            continue
        if any(has_figures(row) for row in rows):
            found[name] = rows
        session.say(f"  {time.perf_counter() - began:.0f} s")
    command = shlex.join(["python", "benchmarks/peers.py", *given])
    results = {
        "format": report.FORMAT, "about": report.describe(session, [command]), "tables": found,
        "absent": session.absent,
    }  # fmt: skip
    if not found:
        session.say("error: nothing was measured")
        for what, why in session.absent.items():
            session.say(f"  {what}: {why}")
        return 1
    print(report.markdown(results))
    session.say(f"wrote {', '.join(os.path.relpath(path) for path in written(results, options.out))}")
    return 0


def has_figures(row: dict[str, Any]) -> bool:
    """Whether anything was measured in a row."""
    return any(row.get(key) for key in ("microseconds", "gflops", "seconds"))


def written(results: dict[str, Any], folder: Path) -> list[Path]:
    """Draw the charts if that is possible, write the files and return their paths."""
    try:
        pictures = chart.draw(results, folder / f"peers-{report.slug(results['about']['cpu'])}")
    except ImportError as error:  # says what to install
        pictures, results["absent"]["the charts"] = [], str(error)
    return [*report.write(results, folder), *pictures]


if __name__ == "__main__":
    sys.exit(main())
