"""The tables, a function each: measures, and returns the rows that the report prints and the file keeps."""

import contextlib
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks.comparison.cases import NETWORKS, Case, initial_weights
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
# Target: one thread's time over two threads'.
SPEED_UP = {"784-512-512-10": 1.7, "1024-1024-1024-10": 1.7, "784-128-10": 1.4}
AUTO_SLOWER = 1.05  # "auto" may take this many times as long as the better of one and two threads
SQUARE, FEW_ROWS = [512, 1024, 2048], [(10, 784, 128), (32, 784, 128), (10, 512, 512), (32, 512, 512)]
KERNELS_WANTED = {"square": 0.95, "few rows": 1.2}  # targets: OpenBLAS's time over hotloop's
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


def threads(session: Session) -> Rows:
    """Measure training on two cores: hotloop with one thread, two and "auto", PyTorch and JAX with two."""
    if len(session.cores) < 2:
        raise NotMeasured("this process may use one core only")
    cores = session.cores[-2:]
    choices = {"hotloop, 1 thread": 1, "hotloop, 2 threads": 2, "hotloop, auto": "auto"}
    workers: dict[str, Worker] = {}
    try:
        if "hotloop" in session.peers:
            workers |= {label: Worker(label, PEERS["hotloop"][1], cores) for label in choices}
        workers |= session.start(["torch", "jax"], cores)
        return [two_threads(session, name, workers, choices) for name in SPEED_UP]
    finally:
        end(workers)


def two_threads(session: Session, name: str, workers: dict[str, Worker], choices: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a network."""
    case = NETWORKS[name]

    def measure(ready: dict[str, Worker]) -> dict[str, Times]:
        for label, worker in ready.items():
            worker.make(case, **({"n_threads": choices[label]} if label in choices else {}))
        same_loss(case, ready)
        return step_times(session, case, ready)

    times = session.without_failing(f"{case.name}, two cores", workers, measure)
    session.announce(f"{case.name}, two cores", times)
    medians = {label: found.median for label, found in times.items()}
    row = {
        "network": case.name,
        "microseconds": {label: found.record() for label, found in times.items()},
        **speed_up(medians, SPEED_UP[name]),
    }
    peers = {label: seconds for label, seconds in medians.items() if not label.startswith("hotloop")}
    if "hotloop, auto" in medians:
        row |= ratios(peers | {"hotloop": medians["hotloop, auto"]}, {})
    return row


def speed_up(medians: dict[str, float], wanted: float) -> dict[str, Any]:
    """Compare one thread, two, and "auto"."""
    found = [medians.get(f"hotloop, {choice}") for choice in ("1 thread", "2 threads", "auto")]
    if None in found:
        return {"speed_up": None, "speed_up_wanted": wanted, "auto_over_best": None, "too_slow": False}
    one, two, auto = (float(seconds) for seconds in found if seconds is not None)
    faster, slower = one / two, auto / min(one, two)
    return {
        "speed_up": faster, "speed_up_wanted": wanted, "auto_over_best": slower,
        "too_slow": faster < wanted or slower > AUTO_SLOWER,
    }  # fmt: skip


def kernels(session: Session) -> Rows:
    """Measure only the three products of a layer, on one core, against NumPy's BLAS."""
    workers = {}
    if "hotloop" in session.peers:
        workers["hotloop"] = Worker("hotloop", "hotloop_peer:Products", session.core)
    if "numpy" in session.peers:
        workers["BLAS"] = Worker("BLAS", "numpy_peer:Products", session.core)
    shapes = [(n, n, n) for n in (SQUARE[:1] if session.quick else SQUARE)] + FEW_ROWS
    rows = []
    try:
        for shape in shapes:
            found = session.without_failing(f"products of {shape}", workers, partial(products, session, shape))
            for product, times in found.items():
                session.announce(f"{product} {shape}", times)
                rows.append(product_row(shape, product, {k: t.median for k, t in times.items()}, session.peak))
    finally:
        end(workers)
    return rows


def products(session: Session, shape: tuple[int, ...], workers: dict[str, Worker]) -> dict[str, dict[str, Times]]:
    """Return the times of each product of a shape, by label."""
    for worker in workers.values():
        worker.make(*shape)
    return {
        product: in_turn(session.rounds, {label: per_call(session, w, product) for label, w in workers.items()})
        for product in ("forward", "weight_gradient", "input_gradient")
    }


def product_row(
    shape: tuple[int, int, int], product: str, seconds: dict[str, float], peak: float | None
) -> dict[str, Any]:
    """Return the row of a product."""
    flops = 2 * shape[0] * shape[1] * shape[2]
    kind = "square" if shape[0] == shape[1] else "few rows"
    speeds = {label: flops / value for label, value in seconds.items()}
    ratio = speeds["hotloop"] / speeds["BLAS"] if {"hotloop", "BLAS"} <= set(speeds) else None
    share = speeds["hotloop"] / peak if "hotloop" in speeds and peak else None
    short = kind == "square" and share is not None and share < PEAK_WANTED
    misses = short or (ratio is not None and ratio < KERNELS_WANTED[kind])
    return {
        "product": product, "shape": list(shape), "gflops": {label: value / 1e9 for label, value in speeds.items()},
        "ratio": ratio, "wanted": KERNELS_WANTED[kind], "share_of_peak": share,
        "share_wanted": PEAK_WANTED if kind == "square" else None,
        "loses": ratio is not None and ratio < 1, "misses": misses,
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
    """Raise `LossMismatch` unless all predict the same probabilities, to 1e-5: they come from sums of 784 terms."""
    wanted = next(iter(outputs.values()), None)
    for label, found in outputs.items():
        if not np.allclose(found.ravel(), wanted.ravel(), rtol=0, atol=1e-5):
            raise LossMismatch(f"{label} predicts {found.ravel()}, {next(iter(outputs))} {wanted.ravel()}")


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
