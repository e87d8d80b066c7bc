"""The rules of the comparison: the same loss first, then rounds in turn, then ratios."""

import math
import os
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.comparison import numpy_peer
from benchmarks.comparison.cases import Case, loss_of
from benchmarks.comparison.worker import PeerError, Worker

Result = TypeVar("Result")
# name: (its label in the tables, where its code is)
PEERS = {
    "hotloop": ("hotloop", "hotloop_peer:Peer"),
    "numpy": ("NumPy", "numpy_peer:Peer"),
    "torch": ("PyTorch eager", "torch_peer:Peer"),
    "torch-compile": ("torch.compile", "torch_peer:Compiled"),
    "jax": ("JAX", "jax_peer:Peer"),
    "sklearn": ("scikit-learn", "sklearn_peer:Peer"),
    "onnxruntime": ("ONNX Runtime", "onnx_peer:"),  # predicts only
}
TRAINERS = [name for name in PEERS if name != "onnxruntime"]
# As a share of how far the loss falls in the checked epochs. Sums of a thousand float32 terms in different orders
# differ by about 2e-6, which made losses differ by 1e-5 of the fall; a learning rate that is 1 % off, by 1e-2.
TOLERANCE = 1e-3
CHECKED_EPOCHS = 2


class LossMismatch(RuntimeError):
    """A peer computes something else, so its time means nothing."""


@dataclass
class Times:
    """Seconds of one thing, in each round."""

    rounds: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    def record(self, unit: float = 1e-6) -> dict[str, Any]:
        """Return what the file keeps, in units of `unit` seconds."""
        values = [value / unit for value in self.rounds]
        return {"median": statistics.median(values), "least": min(values), "rounds": values}


@dataclass
class Session:
    """What the command was told, and what it learns on the way.

    `absent` says, by label, why something is not in a table.
    """

    peers: Sequence[str]
    rounds: int
    seconds: float  # least time of a peer's round
    quick: bool = False
    mnist: str = ""
    mnist_epochs: int = 20
    cores: Sequence[int] = field(default_factory=lambda: apart(os.sched_getaffinity(0)))
    threads: Sequence[int] | None = None  # to measure; None for 1, 2, 4, ... and all
    absent: dict[str, str] = field(default_factory=dict)
    peak: float | None = None

    @property
    def core(self) -> list[int]:
        """The core for measurements on one core: the last, since systems prefer the first."""
        return [self.cores[-1]]

    def with_rounds(self, most: int) -> "Session":
        """Return a copy with at most so many rounds."""
        return replace(self, rounds=min(self.rounds, most))

    def say(self, text: str) -> None:
        """Report progress."""
        print(text, file=sys.stderr, flush=True)

    def announce(self, text: str, times: dict[str, Times]) -> None:
        """Report the medians of a row."""
        medians = ", ".join(f"{label} {1e6 * found.median:.4g}" for label, found in times.items())
        self.say(f"  {text}: {medians} us")

    def start(self, names: Sequence[str], cores: Sequence[int]) -> dict[str, Worker]:
        """Start a process for each peer in `names` that the command asked for; return them by label."""
        return {PEERS[name][0]: Worker(*PEERS[name], cores) for name in names if name in self.peers}

    def without_failing(
        self, where: str, workers: dict[str, Any], measure: Callable[[dict[str, Any]], Result]
    ) -> Result:
        """Return what `measure` returns; if a peer fails, note why and measure again without it."""
        ready = dict(workers)
        while True:
            try:
                return measure(ready)
            except PeerError as error:
                del ready[error.peer]
                self.absent[f"{error.peer} ({where})"] = str(error)
                self.say(f"  {error.peer} is left out of {where}: {error}")


def apart(cores: Iterable[int], cpus: Path = Path("/sys/devices/system/cpu")) -> list[int]:
    """Return cores in such an order that the last ones share no physical core, as long as there are others."""
    firsts: list[int] = []
    others: list[int] = []
    seen = set()
    for core in sorted(cores, reverse=True):
        siblings = hardware_threads(core, cpus)
        (others if siblings in seen else firsts).append(core)
        seen.add(siblings)
    return [*reversed(others), *reversed(firsts)]


def hardware_threads(core: int, cpus: Path = Path("/sys/devices/system/cpu")) -> str:
    """Return the hardware threads of the physical core that a core belongs to, in Linux's notation."""
    try:
        return (cpus / f"cpu{core}" / "topology" / "thread_siblings_list").read_text().strip()
    except OSError:
        return str(core)


def same_loss(case: Case, peers: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Train each peer for some epochs; raise `LossMismatch` unless all reach the loss of NumPy in float64.

    Parameters
    ----------
    case : Case
    peers : dict
        By label, objects with a method `call` like that of `Worker`.

    Returns
    -------
    dict
        By label: "reported", the mean loss that the peer gives for the last epoch, and "reached", the loss of its
        trained network over all rows, in float64.
    """
    reference = numpy_peer.Peer(case, "float64")
    before = loss_of(case, reference.parameters())
    wanted = {"reported": reference.train(CHECKED_EPOCHS), "reached": loss_of(case, reference.parameters())}
    tolerance = TOLERANCE * abs(before - wanted["reached"])
    found = {}
    for label, peer in peers.items():
        peer.call("reset")
        reported = peer.call("train", CHECKED_EPOCHS)
        found[label] = {"reported": float(reported), "reached": loss_of(case, peer.call("parameters"))}
        for kind, value in found[label].items():
            if not abs(value - wanted[kind]) <= tolerance:  # written so that NaN is refused
                raise LossMismatch(
                    f"{label} does not train the same network. {case.name}, {CHECKED_EPOCHS} epochs: loss {kind} "
                    f"{value:.6f}, by NumPy in float64 {wanted[kind]:.6f}, from {before:.6f}; "
                    f"tolerance {tolerance:.1g}"
                )
    return found


def in_turn(rounds: int, measures: dict[str, Callable[[], float]]) -> dict[str, Times]:
    """Measure each once a round, so that disturbances meet all of them; every other round goes backwards."""
    found: dict[str, list[float]] = {label: [] for label in measures}
    for number in range(rounds):
        for label in list(measures)[:: -1 if number % 2 else 1]:
            found[label].append(measures[label]())
    return {label: Times(values) for label, values in found.items()}


def per_call(session: Session, worker: Any, method: str, *arguments: Any) -> Callable[[], float]:
    """Return a function that measures seconds a call of a method; the method is told how often to repeat itself."""
    worker.call(method, *arguments, 1)
    once = worker.seconds(method, *arguments, 1)
    if once < session.seconds / 10:
        once = min(worker.seconds(method, *arguments, 3) for _ in range(3)) / 3
    times = repetitions(session.seconds, once)
    return lambda: float(worker.seconds(method, *arguments, times)) / times


def repetitions(seconds: float, once: float, most: int = 100_000) -> int:
    """Return how many repetitions, of `once` seconds each, fill `seconds`."""
    return max(1, min(most, math.ceil(seconds / max(once, 1e-9))))


def step_times(session: Session, case: Case, workers: dict[str, Any]) -> dict[str, Times]:
    """Return seconds a training step, by label. Every round starts from the initial weights."""

    def a_round(worker: Any, epochs: int) -> float:
        worker.call("reset")
        return float(worker.seconds("train", epochs)) / epochs / case.steps

    measures = {}
    for label, worker in workers.items():
        a_round(worker, 1)
        epochs = repetitions(session.seconds, a_round(worker, 1) * case.steps, 200)
        measures[label] = lambda worker=worker, epochs=epochs: a_round(worker, epochs)
    return in_turn(session.rounds, measures)


def ratios(times: dict[str, float], targets: dict[str, float | None], ours: str = "hotloop") -> dict[str, Any]:
    """Compare hotloop's time with the fastest peer's, and with PyTorch's in eager mode.

    Parameters
    ----------
    times : dict
        By label, hotloop included.
    targets : dict
        The targets of the ratios "fastest" and "eager".

    Returns
    -------
    dict
        "fastest_peer", and "fastest" and "eager", each a ratio peer / hotloop or None; "loses" if a peer is faster;
        "misses", the names of the ratios below their targets.
    """
    peers = {label: seconds for label, seconds in times.items() if label != ours}
    first = min(peers, key=peers.__getitem__, default=None) if ours in times else None
    found: dict[str, Any] = {"fastest_peer": first, "fastest": None, "eager": None}
    if first is not None:
        found["fastest"] = peers[first] / times[ours]
        if "PyTorch eager" in peers:
            found["eager"] = peers["PyTorch eager"] / times[ours]
    found["loses"] = found["fastest"] is not None and found["fastest"] < 1
    found["misses"] = [
        name for name, target in targets.items() if target and found[name] is not None and found[name] < target
    ]
    return found


def cpu_flags() -> set[str]:
    """Return the features of the CPU, by their Linux names."""
    try:
        with open("/proc/cpuinfo") as file:
            return set(next((line for line in file if line.startswith("flags")), "").split())
    except OSError:
        return set()
