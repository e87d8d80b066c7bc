"""The tables, a function each: measures, and returns the rows that the report prints and the file keeps."""

import contextlib
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks.comparison.cases import NETWORKS, Case, LayerProducts, initial_weights
from benchmarks.comparison.measure import (
    PEERS,
    TRAINERS,
    LossMismatch,
    Session,
    Times,
    in_turn,
    per_call,
    ratios,
    same_loss,
    step_times,
)
from benchmarks.comparison.worker import PeerError, Worker

Rows = list[dict[str, Any]]
SQUARE, FEW_ROWS = [512, 1024, 2048, 4096], [(10, 784, 128), (32, 784, 128), (10, 512, 512), (32, 512, 512)]
LONG, LONG_ROUNDS = 4096, 5  # such a product takes half a second to two
# By label: the peer, where its code is, and more environment variables. oneDNN's operator makes a new array each time:
# without the last two, those above 32 MB would come from the system, page by page.
PRODUCTS: dict[str, tuple[str, str, dict[str, str]]] = {
    "hotloop": ("hotloop", "hotloop_peer:Products", {}),
    "NumPy": ("numpy", "numpy_peer:Products", {}),
    "torch.mm": ("torch", "torch_peer:Products", {}),
    "oneDNN": ("torch", "torch_peer:OneDnnProducts", {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 34)}),
}
KERNELS_WANTED = {"square": 1.0, "few rows": 1.2}  # targets: the fastest BLAS's time over hotloop's
PEAK_WANTED = 0.85  # target of the square products: share of the FMA peak
PREDICT_WANTED = {"hotloop, Network.predict": 8.0, "hotloop, predict_one compiled": 3.0}  # microseconds
WIDTHS, QUICK_WIDTHS = [16, 32, 64, 128, 256, 512, 1024, 2048], [16, 64, 256]
SECONDS_AN_EPOCH = 2.5  # target for MNIST on two cores


class NotMeasured(Exception):
    """A table cannot be made here; the message says why."""


def end(workers: dict[str, Any]) -> None:
    """Close the processes."""
    for worker in workers.values():
        worker.close()


def networks(session: Session, names: list[str]) -> Rows:
    """Measure training on one core: microseconds a step."""
    workers = session.start(TRAINERS, session.core)
    rows = []
    try:
        for name in names:
            case = NETWORKS[name]
            times, losses, notes = one_network(session, case, workers)
            session.announce(case.name, times)
            targets = {"fastest": case.fastest, "eager": case.eager}
            medians = {label: found.median for label, found in times.items()}
            ours = medians.get("hotloop")
            rows.append({
                "network": case.name, "flops": case.flops, "loss": losses, "notes": notes,
                "microseconds": {label: found.record() for label, found in times.items()},
                "targets": targets, **ratios(medians, targets),
                "share_of_peak": case.flops / ours / session.peak if ours and session.peak else None,
            })  # fmt: skip
    finally:
        end(workers)
    return rows


def one_network(session: Session, case: Case, workers: dict[str, Worker]) -> tuple[Any, Any, dict[str, str]]:
    """Return the times of a step, the losses reached, and notes, each by label."""

    def measure(ready: dict[str, Worker]) -> tuple[Any, Any, dict[str, str]]:
        for worker in ready.values():
            worker.make(case)
        losses = same_loss(case, ready)
        times = step_times(session, case, ready)
        notes = {label: ready[label].call("note") for label in ready if label in ("PyTorch eager", "torch.compile")}
        return times, losses, notes

    return session.without_failing(case.name, workers, measure)


def kernels(session: Session) -> Rows:
    """Measure only the three products of a layer, on one core, against NumPy's BLAS and PyTorch's two."""
    workers = {
        label: Worker(label, subject, session.core, settings=settings)
        for label, (peer, subject, settings) in PRODUCTS.items()
        if peer in session.peers
    }
    shapes = [(n, n, n) for n in (SQUARE[:1] if session.quick else SQUARE)] + FEW_ROWS
    rows = []
    try:
        for shape in shapes:
            found, notes = session.without_failing(f"products of {shape}", workers, partial(products, session, shape))
            for product, times in found.items():
                session.announce(f"{product} {shape}", times)
                medians = {label: t.median for label, t in times.items()}
                rows.append(product_row(shape, product, medians, session.peak) | {"notes": notes})
    finally:
        end(workers)
    return rows


def products(
    session: Session, shape: tuple[int, ...], workers: dict[str, Worker]
) -> tuple[dict[str, dict[str, Times]], dict[str, str]]:
    """Return the times of each product of a shape, and notes, by label; raise `LossMismatch` if products differ."""
    rounds = session.with_rounds(LONG_ROUNDS).rounds if max(shape) >= LONG else session.rounds
    for worker in workers.values():
        worker.make(*shape)
    found = {}
    for product in LayerProducts.RESULTS:
        for worker in workers.values():
            worker.call(product, 1)
        same_outputs({label: worker.call("output", product) for label, worker in workers.items()})
        found[product] = in_turn(rounds, {label: per_call(session, w, product) for label, w in workers.items()})
    return found, {label: worker.call("note") for label, worker in workers.items() if label != "hotloop"}


def product_row(
    shape: tuple[int, int, int], product: str, seconds: dict[str, float], peak: float | None
) -> dict[str, Any]:
    """Return the row of a product."""
    flops = 2 * shape[0] * shape[1] * shape[2]
    kind = "square" if shape[0] == shape[1] else "few rows"
    compared = ratios(seconds, {"fastest": KERNELS_WANTED[kind]})
    share = flops / seconds["hotloop"] / peak if "hotloop" in seconds and peak else None
    short = kind == "square" and share is not None and share < PEAK_WANTED
    return {
        "product": product, "shape": list(shape),
        "gflops": {label: flops / value / 1e9 for label, value in seconds.items()},
        "ratio": compared["fastest"], "fastest_peer": compared["fastest_peer"], "wanted": KERNELS_WANTED[kind],
        "share_of_peak": share, "share_wanted": PEAK_WANTED if kind == "square" else None,
        "loses": compared["loses"], "misses": short or bool(compared["misses"]),
    }  # fmt: skip


def one_row(session: Session) -> Rows:
    """Measure the prediction of one row of 784-128-10, on one core: microseconds."""
    case = NETWORKS["784-128-10"]
    layers = initial_weights(case)
    row = np.random.default_rng(0).random((1, case.sizes[0]), np.float32)
    ready: dict[str, tuple[Worker, str, int]] = {}
    workers = []
    try:
        for name in ("hotloop", "numpy", "torch", "onnxruntime"):
            if name not in session.peers:
                continue
            label, subject = PEERS[name]
            workers.append(Worker(label, "one_row:OneRow", session.core))
            try:
                workers[-1].make(subject.split(":")[0], layers, row)
                ready |= {way: (workers[-1], way, count) for way, count in workers[-1].call("names")}
            except PeerError as error:
                session.absent[f"{label} (one row)"] = str(error)
        same_outputs({way: np.asarray(worker.call("output", way)) for way, (worker, _, _) in ready.items()})
        measures = {way: per_call(session, worker, "repeat", way) for way, (worker, _, _) in ready.items()}
        times = in_turn(session.rounds, measures)
    finally:
        for worker in workers:
            worker.close()
    session.announce("one row", times)
    rows = []
    for way, found in times.items():
        record = replace(found, rounds=[seconds / ready[way][2] for seconds in found.rounds]).record()
        wanted = PREDICT_WANTED.get(way)
        misses = wanted is not None and record["median"] > wanted
        rows.append({"way": way, "microseconds": record, "wanted": wanted, "misses": misses})
    return rows


def same_outputs(outputs: dict[str, Any]) -> None:
    """Raise `LossMismatch` unless all are equal, to 1e-5 of the largest: they come from sums of 784 terms or more."""
    wanted = next(iter(outputs.values()), None)
    for label, found in outputs.items():
        if not np.allclose(found.ravel(), wanted.ravel(), rtol=0, atol=1e-5 * np.abs(wanted).max()):
            raise LossMismatch(f"{label} computes {found.ravel()}, {next(iter(outputs))} {wanted.ravel()}")


def mnist(session: Session) -> Rows:
    """Measure MNIST, 784-512-512-10, dropout 0.2, RMSprop, batch 128: seconds an epoch on two cores, and memory."""
    case = Case(
        (784, 512, 512, 10), 128, optimizer="rmsprop", learning_rate=0.001, rows=60_000, dropout=0.2,
        mnist=session.mnist,
    )  # fmt: skip
    cores = session.cores[-2:]
    if not session.quick:
        kernels_are_cached(session, case, cores)
    workers = session.start(["hotloop", "torch", "jax"], cores)

    def measure(ready: dict[str, Worker]) -> Rows:
        for label, worker in ready.items():
            worker.make(case, **({"n_threads": "auto"} if label == "hotloop" else {}))
        losses = {label: worker.call("train", 1) for label, worker in ready.items()}  # compiles
        measures = {label: lambda worker=worker: worker.seconds("train", 1) for label, worker in ready.items()}
        times = in_turn(1 if session.quick else min(session.rounds, 5), measures)
        memory = {label: worker.run("worker:peak_memory") for label, worker in ready.items()}
        session.say("  MNIST: " + ", ".join(f"{label} {found.median:.2f} s" for label, found in times.items()))
        return [
            {
                "peer": label, "seconds": found.record(1.0), "first_epoch_loss": losses[label],
                "peak_memory": memory[label], "cores": len(cores),
                **(accuracy(session, ready) if label == "hotloop" else {}),
            }
            for label, found in times.items()
        ]  # fmt: skip

    try:
        return session.without_failing("MNIST", workers, measure)
    finally:
        end(workers)


def accuracy(session: Session, workers: dict[str, Worker]) -> dict[str, Any]:
    """Return hotloop's target on MNIST, and its accuracy on the test images."""
    found: dict[str, Any] = {"wanted": SECONDS_AN_EPOCH, "accuracy": None}
    if session.mnist_epochs:
        workers["hotloop"].call("reset")
        workers["hotloop"].call("train", session.mnist_epochs)
        share = workers["hotloop"].call("test_accuracy")
        found["accuracy"] = {"epochs": session.mnist_epochs, "test_accuracy": share}
        session.say(f"  MNIST: test accuracy {share:.2%} after {session.mnist_epochs} epochs")
    return found


def kernels_are_cached(session: Session, case: Case, cores: Any) -> None:
    """Compile hotloop's kernels in another process, so that the compiler is not in the reported memory."""
    if "hotloop" in session.peers:
        with Worker("hotloop", PEERS["hotloop"][1], cores) as worker, contextlib.suppress(PeerError):
            worker.make(case, n_threads="auto")
            worker.call("train", 1)


def widths(session: Session) -> Rows:
    """Measure a training step of N-N-N-10, batch 128, for several N: the data of the chart."""
    workers = session.start(TRAINERS, session.core)
    rows = []
    try:
        for width in QUICK_WIDTHS if session.quick else WIDTHS:
            case = Case((width, width, width, 10), 128, rows=4096 if width < 512 else 1024, learning_rate=0.02)
            times, _, _ = one_network(session, case, workers)
            session.announce(case.name, times)
            rows.append({
                "width": width, "flops": case.flops,
                "microseconds": {label: found.record() for label, found in times.items()},
                "floor": 1e6 * case.flops / session.peak if session.peak else None,
            })  # fmt: skip
    finally:
        end(workers)
    return rows
