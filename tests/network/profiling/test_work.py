"""What a profile counts: the operations, bytes and calls of each phase and layer, against the table of its document.

The oracle below is that table (docs/profiling.md, What is counted) written out, micro-batches counted one by one.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import oracle
import pytest
from conftest import COMPILED

from hotloop import SGD, Adagrad, Adam, AdamW, Network, RMSprop, profile
from hotloop.network import layout
from hotloop.network.profiling import calibration, phase_clock, recording
from hotloop.network.profiling.diagnosis import snapshots
from hotloop.network.profiling.roofline import Roof
from hotloop.network.profiling.work import Division
from hotloop.network.training import passes, thread_choice

CORE = Roof(1e11, (1e4, 1e6, 1e8), (1e11, 5e10, 1e10))  # to measure one takes half a second; counts do not depend on it
SMALL, ROWS_OF_A_MICRO_BATCH = (3, 4, 2), 256


@pytest.fixture(autouse=True)
def every_step_timed(monkeypatch, short_micro_batches):
    """In the smallest networks too, so that every kind of micro-batch is timed. A fit takes few snapshots."""
    monkeypatch.setattr(calibration, "SHORTEST", 0.0)  # no count depends on the rate of the clock
    monkeypatch.setattr(phase_clock, "SHARE", 1e9)
    monkeypatch.setattr(snapshots, "SHARE", 0.0)
    monkeypatch.setattr(recording, "measured", lambda *_, **__: CORE)


# The oracle.

# An optimizer, its operations a parameter, and its moments.
METHODS = {
    "SGD": (SGD(0.01), 2, 0),
    "momentum": (SGD(0.01, momentum=0.9), 4, 1),
    "Nesterov": (SGD(0.01, momentum=0.9, nesterov=True), 6, 1),
    "Adagrad": (Adagrad(0.01), 7, 1),
    "RMSprop": (RMSprop(0.001), 9, 1),
    "Adam": (Adam(0.001), 13, 2),
    "AdamW": (AdamW(0.001), 14, 2),
}


@dataclass(frozen=True)
class Problem:
    """A loss, its kind of targets, and the activations of all layers."""

    loss: str
    activations: tuple
    labels: bool = False

    def network(self, sizes=SMALL, **options):
        return Network(sizes, self.activations[:-1], output=self.activations[-1], loss=self.loss, seed=3, **options)

    def data(self, rows, sizes=SMALL, kind="float64"):
        X = np.random.default_rng(rows).integers(0, 5, (rows, sizes[0])).astype(kind)
        labels = np.arange(rows) % sizes[-1]
        return X, (labels if self.labels else np.eye(sizes[-1])[labels])


PROBLEMS = {
    "labels": Problem("cross_entropy", ("relu", "softmax"), labels=True),
    "labels, logits": Problem("cross_entropy", ("leaky_relu", "identity"), labels=True),
    "one-hot": Problem("cross_entropy", ("elu", "softmax")),
    "mse of identity": Problem("mse", ("tanh", "identity")),
    "mse over gelu": Problem("mse", ("gelu", "identity")),
    "mse over identity": Problem("mse", ("identity", "identity")),
    "mse of sigmoid": Problem("mse", ("silu", "sigmoid")),
    "mse of gelu": Problem("mse", ("sigmoid", "gelu")),
    "mse of softmax": Problem("mse", ("softplus", "softmax")),
    "mae": Problem("mae", ("tanh", "tanh")),
    "huber": Problem("huber", ("silu", "identity")),
    "binary": Problem("binary_cross_entropy", ("tanh", "sigmoid")),
    "counts": Problem("poisson", ("tanh", "exponential")),
    "log-cosh": Problem("log_cosh", ("tanh", "tanh")),
    "binary, logits": Problem("binary_cross_entropy", ("gelu", "identity")),
}


def batches_of(rows, batch_size, epochs=1, micro_batch=ROWS_OF_A_MICRO_BATCH):
    """Return the batches, each a list of the rows of its micro-batches."""
    sizes = [min(batch_size, rows - start) for start in range(0, rows, batch_size)] * epochs
    return [[min(micro_batch, size - start) for start in range(0, size, micro_batch)] for size in sizes]


ALONE = [Division()] * 9  # one thread reads each number of a layer


def counted(
    problem, batches, method, sizes=SMALL, *, s=4, data=8, penalty=False, n_threads=1, divisions=ALONE,
):  # fmt: skip
    """Return {(phase, layer): (calls, operations, bytes)} by the document's table; without a method, of a gradient.

    With plain gradient descent, batches of several micro-batches are summed up, those of one are updated in place: B, C
    and U of a row are those of its batches.
    """
    B, C, found = sum(map(sum, batches)), sum(map(len, batches)), {}
    found["gather", None] = C, B * sizes[0], B * sizes[0] * (data + s)
    found["loss", None] = C, B * sizes[-1], 2 * s * B * sizes[-1] + (8 * B if problem.labels else s * B * sizes[-1])
    if n_threads > 1:
        found["wait for other threads", None] = C, 0, 0
    in_place = [batch for batch in batches if len(batch) == 1 and method is METHODS["SGD"] and not penalty]
    apart = [batch for batch in batches if batch not in in_place]
    for layer, (I, O) in enumerate(pairwise(sizes), 1):  # noqa: E741
        P, top, above, name = (I + 1) * O, layer == len(sizes) - 1, layer > 1, problem.activations[layer - 1]
        has_a = not (top and problem.loss in oracle.OF_LOGITS)  # which are computed from z
        f = has_a and name != "identity"
        z_beside_a = has_a and (top or name in ("gelu", "silu"))
        inputs, weights, deltas, transposed, gradient_deltas, descent_inputs, descent_deltas = divisions[layer - 1]
        moved = s * (inputs * B * I + weights * C * P + B * O) + s * B * O * z_beside_a
        found["forward", layer] = C, 2 * B * I * O + B * O * f, moved
        moved = s * B * O * (deltas if above else 1) + 2 * s * B * O * f + s * (transposed * C * I * O + B * I) * above
        found["backward", layer] = C, B * O * f + 2 * B * I * O * above, moved
        if apart:
            b, c, u = sum(map(sum, apart)), sum(map(len, apart)), len(apart)
            moved = s * (b * I + gradient_deltas * b * O + c * P) + s * (c - u) * P
            found["weight gradient", layer] = c, 2 * b * I * O + b * O, moved
            if method:
                _, operations, moments = method
                found["update", layer] = u, u * P * operations + 4 * u * I * O * penalty, s * u * P * (3 + 2 * moments)
        if in_place:
            b, c = sum(map(sum, in_place)), len(in_place)
            moved = s * (descent_inputs * b * I + descent_deltas * b * O + 2 * c * P)
            found["weight gradient + update", layer] = c, 2 * b * I * O + b * O + 2 * c * P, moved
    return found


def measured(prof):
    """Return the same of a profile."""
    rows = [row for row in prof.rows if row["kind"] in ("kernel", "wait")]
    found = {(row["name"], row["layer"]): (row["calls"], row["flops"], row["bytes"]) for row in rows}
    assert len(found) == len(rows)
    return found


def fitted(
    problem, rows, batch_size, method, sizes=SMALL, *, kind="float64", n_threads=1, takes_snapshots=True, epochs=1,
    **net,
):  # fmt: skip
    """Return the profile of a fit; `net` is the options of the network."""
    net, (X, y) = problem.network(sizes, **net), problem.data(rows, sizes, kind)
    options = {"optimizer": method[0], "n_threads": n_threads, "progress": False}
    with profile(snapshots=takes_snapshots) as prof:
        net.fit(X, y, epochs=epochs, batch_size=batch_size, **options)
    return prof


def check(
    problem, rows, batch_size, method, sizes=SMALL, *, data=8, micro_batch=ROWS_OF_A_MICRO_BATCH, dtype="float32",
    **options,
):  # fmt: skip
    """Compare the two for one fit."""
    prof = fitted(problem, rows, batch_size, method, sizes, dtype=dtype, **options)
    batches, s = batches_of(rows, batch_size, options.get("epochs", 1), micro_batch), np.dtype(dtype).itemsize
    penalty, n_threads = bool(options.get("l1") or options.get("l2")), options.get("n_threads", 1)
    by_one = {snapshot.step - 1 for fit in prof.recording.fits for snapshot in fit.snapshots.items}
    alone = [batch for step, batch in enumerate(batches) if step in by_one]
    shared = [batch for step, batch in enumerate(batches) if step not in by_one]
    expected: dict = {}
    divisions = prof.recording.clocks[0].work.divisions(n_threads)
    for part, read in ((alone, ALONE), (shared, divisions)):
        found = counted(
            problem, part, method, sizes, s=s, data=data, penalty=penalty, n_threads=n_threads, divisions=read
        )
        for key, numbers in found.items():
            expected[key] = tuple(map(sum, zip(numbers, expected.get(key, (0, 0, 0)), strict=True)))
    assert measured(prof) == expected
    return prof


# On paper.


def test_a_worked_example_of_gradient_descent():
    """3-4-2, ReLU, labels; 5 rows of doubles, batches of 2, 2 and 1; numbers of 4 bytes, all updates in place.

    B = 5, C = U = 3; P = (3 + 1) 4 = 16 and (4 + 1) 2 = 10.
    """
    assert measured(fitted(PROBLEMS["labels"], 5, 2, METHODS["SGD"], (3, 4, 2), dtype="float32")) == {
        ("gather", None): (3, 15, 180),  # 5*3; 15 (8 + 4)
        ("forward", 1): (3, 140, 332),  # 2*5*3*4 + 5*4; 4 (5*3 + 3*16 + 5*4), a over z
        ("forward", 2): (3, 80, 240),  # 2*5*4*2; 4 (5*4 + 3*10 + 5*2), no a
        ("loss", None): (3, 10, 120),  # 5*2; 2*4*5*2 + 8*5
        ("backward", 2): (3, 80, 216),  # 2*5*4*2; 4*5*2 + 4 (3*4*2 + 5*4)
        ("backward", 1): (3, 20, 240),  # 5*4; 4*5*4 + 2*4*5*4
        ("weight gradient + update", 1): (3, 236, 524),  # 2*5*3*4 + 5*4 + 2*3*16; 4 (5*3 + 5*4 + 2*3*16)
        ("weight gradient + update", 2): (3, 150, 360),  # 2*5*4*2 + 5*2 + 2*3*10; 4 (5*4 + 5*2 + 2*3*10)
    }


def test_a_worked_example_of_adam():
    """2-3-1, GELU, squared error of identity, a penalty; 4 rows of bytes, batches of 3 and 1; numbers of 8 bytes.

    B = 4, C = U = 2; P = (2 + 1) 3 = 9 and (3 + 1) 1 = 4; two moments.
    """
    problem, options = PROBLEMS["mse over gelu"], {"dtype": "float64", "kind": "uint8", "l1": 1e-3, "l2": 1e-3}
    assert measured(fitted(problem, 4, 3, METHODS["Adam"], (2, 3, 1), **options)) == {
        ("gather", None): (2, 8, 72),  # 4*2; 8 (1 + 8)
        ("forward", 1): (2, 60, 400),  # 2*4*2*3 + 4*3; 8 (4*2 + 2*9 + 4*3) + 8*4*3 for z
        ("forward", 2): (2, 24, 224),  # 2*4*3*1; 8 (4*3 + 2*4 + 4*1) + 8*4*1 for z
        ("loss", None): (2, 4, 96),  # 4*1; 2*8*4*1 + 8*4*1
        ("backward", 2): (2, 24, 176),  # 2*4*3*1; 8*4*1 + 8 (2*3*1 + 4*3)
        ("backward", 1): (2, 12, 288),  # 4*3; 8*4*3 + 2*8*4*3
        ("weight gradient", 1): (2, 60, 304),  # 2*4*2*3 + 4*3; 8 (4*2 + 4*3 + 2*9)
        ("weight gradient", 2): (2, 28, 192),  # 2*4*3*1 + 4*1; 8 (4*3 + 4*1 + 2*4)
        ("update", 1): (2, 282, 1008),  # 13*2*9 + 4*2*2*3; 8*2*9 (3 + 2*2)
        ("update", 2): (2, 128, 448),  # 13*2*4 + 4*2*3*1; 8*2*4 (3 + 2*2)
    }


@pytest.mark.parametrize(("rows", "expected"), [
    (557, {  # batches of 300 and 257 rows, in micro-batches of 256 + 44 and 256 + 1
        ("gather", None): (4, 557, 4456),  # 557 (4 + 4)
        ("forward", 1): (4, 1114, 6716),  # 2*557; 4 (557 + 4*2 + 557) + 4*557 for z
        ("loss", None): (4, 557, 6684),  # 2*4*557 + 4*557
        ("backward", 1): (4, 0, 2228),  # 4*557
        ("weight gradient", 1): (4, 1671, 4504),  # 2*557 + 557; 4 (557 + 557 + 4*2) + 4 (4 - 2) 2
        ("update", 1): (2, 8, 48),  # 2*2*2; 4*2*2*3
    }),
    (400, {  # of 300 and 100: the second is one micro-batch, which updates in place
        ("gather", None): (3, 400, 3200),
        ("forward", 1): (3, 800, 4824),  # 4 (400 + 3*2 + 400) + 4*400
        ("loss", None): (3, 400, 4800),
        ("backward", 1): (3, 0, 1600),
        ("weight gradient", 1): (2, 900, 2424),  # 3*300; 4 (300 + 300 + 2*2) + 4 (2 - 1) 2
        ("update", 1): (1, 4, 24),
        ("weight gradient + update", 1): (1, 304, 816),  # 2*100 + 100 + 2*1*2; 4 (100 + 100 + 2*1*2)
    }),
])  # fmt: skip
def test_a_worked_example_of_micro_batches(rows, expected):
    """1-1, squared error, batches of 300, one number of 4 bytes a row; P = 2."""
    prof = fitted(Problem("mse", ("identity",)), rows, 300, METHODS["SGD"], (1, 1), dtype="float32", kind="float32")
    assert measured(prof) == expected


@pytest.mark.parametrize(("common", "gradient_norm", "operations"), [
    ({"clip_value": 1.0}, False, 1), ({"clip_norm": 1.0}, False, 3), ({}, True, 2),
    ({"clip_value": 1.0, "clip_norm": 1.0}, True, 6),
], ids=str)  # fmt: skip
def test_a_worked_example_of_clipping(common, gradient_norm, operations):
    """1-1, squared error, batches of 3 and 1 rows; P = 2. Gradient descent then sums its gradients up."""
    net = Network([1, 1], dtype="float32", seed=0)
    X = np.ones((4, 1), "float32")
    with profile(snapshots=False) as prof:
        net.fit(
            X, X, epochs=1, batch_size=3, optimizer=SGD(0.01, **common), gradient_norm=gradient_norm, progress=False
        )
    found = measured(prof)
    assert found["weight gradient", 1] == (2, 12, 48)  # 2*4 + 4; 4 (4 + 4 + 2*2)
    assert found["update", 1] == (2, 2 * 2 * (2 + operations), 64)  # 4*2*2 (3 + 1)
    assert ("weight gradient + update", 1) not in found


def test_networks_of_one_size_and_other_parts_are_counted_apart():
    """Each has its own formulas, though the table shows them in one row."""
    X, y = PROBLEMS["labels"].data(6)
    flops = []
    for options in ([{}], [{"layer_norm": True}], [{}, {"layer_norm": True}]):
        with profile(snapshots=False) as prof:
            for kind in options:
                Network(SMALL, loss="cross_entropy", seed=0, **kind).fit(X, y, epochs=1, progress=False)
        flops.append(sum(row["flops"] or 0 for row in prof.rows if row["kind"] == "kernel"))
    assert flops[2] == flops[0] + flops[1]
    assert flops[1] > flops[0]


# By the table.


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_problems_and_methods(problem, method, dtype):
    """15 rows: four batches of four and less, twice."""
    check(PROBLEMS[problem], 15, 4, METHODS[method], epochs=2, dtype=dtype)


@pytest.mark.parametrize("penalties", [{"l1": 1e-3}, {"l2": 1e-3}, {"l1": 1e-3, "l2": 1e-2}], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_penalties(method, penalties, dtype):
    """With a penalty, plain gradient descent does not update in place."""
    check(PROBLEMS["labels"], 10, 4, METHODS[method], dtype=dtype, **penalties)


# Other kinds than the first three are converted as a whole before the loop gathers them.
@pytest.mark.parametrize("kind", ["uint8", "float32", "float64", "int64", "float16"])
def test_kinds_of_inputs(kind, dtype):
    data = {"uint8": 1, "float32": 4, "float64": 8}.get(kind, np.dtype(dtype).itemsize)
    check(PROBLEMS["one-hot"], 7, 3, METHODS["momentum"], kind=kind, data=data, dtype=dtype)


DEEP = Problem("mse", ("relu", "gelu", "identity", "tanh", "sigmoid"))


@pytest.mark.parametrize("method", ["SGD", "Adam"])
@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("wide", [17, 192] if COMPILED else [17])
def test_depth_dropout_and_threads(wide, dropout, n_threads, method, dtype):
    """Dropout is not counted. Of 192 units in place, two or three threads have columns; else they have rows."""
    sizes = (6, wide, 5, 9, 1, 8)
    check(DEEP, 13, 5, METHODS[method], sizes, n_threads=n_threads, dropout=dropout, dtype=dtype)


@pytest.mark.parametrize(
    "problem", [Problem("cross_entropy", ("softmax",), labels=True), Problem("mse", ("tanh",))], ids=str
)
@pytest.mark.parametrize("method", ["SGD", "AdamW"])
def test_one_layer(method, problem):
    """It is the first and the last."""
    check(problem, 7, 3, METHODS[method], (3, 2))


BATCHES = [(300, 257), (257, 1000), (300, 256), (300, 300), (700, 300), (600, 512), (1200, 600)]


@pytest.mark.parametrize("takes_snapshots", [True, False])
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(("rows", "batch_size"), BATCHES if COMPILED else BATCHES[:2])
@pytest.mark.parametrize("method", ["SGD", "Nesterov"])
def test_micro_batches(method, rows, batch_size, n_threads, takes_snapshots):
    """Some have both batches of one micro-batch and of several. Two of three steps have snapshots."""
    options = {"n_threads": n_threads, "takes_snapshots": takes_snapshots}
    check(PROBLEMS["labels"], rows, batch_size, METHODS[method], epochs=3, **options)


@pytest.mark.parametrize("l2", [0.0, 1e-3])
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(("rows", "batch_size"), [(40, 9), (100, 70), (97, 96)])
def test_a_call_for_each_micro_batch(rows, batch_size, n_threads, l2, monkeypatch):
    """The compiled loop is left and entered between any two micro-batches, here of 32 rows, within a batch too."""
    monkeypatch.setattr(thread_choice, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(layout, "LARGEST_MICRO_BATCH", 32)
    options = {"n_threads": n_threads, "l2": l2, "takes_snapshots": False, "micro_batch": 32}
    prof = check(PROBLEMS["mse of identity"], rows, batch_size, METHODS["SGD"], **options)
    entered = next(row["calls"] for row in prof.rows if row["name"] == "enter the compiled loop")
    assert entered == sum(map(len, batches_of(rows, batch_size, micro_batch=32)))


def test_smaller_micro_batches_of_a_large_network(monkeypatch):  # of more than eight million parameters
    monkeypatch.setattr(layout, "MICRO_BATCH_WORK", 40 * Network(SMALL).parameters.size)
    check(PROBLEMS["labels"], 150, 100, METHODS["Adam"], micro_batch=40)


def test_no_kind_of_micro_batch_goes_by_unseen(monkeypatch):
    """In a network so small that about one step in a hundred is timed: two micro-batches summed up, one in place."""
    monkeypatch.undo()
    monkeypatch.setattr(layout, "LARGEST_MICRO_BATCH", ROWS_OF_A_MICRO_BATCH)
    monkeypatch.setattr(recording, "measured", lambda *_, **__: CORE)
    check(PROBLEMS["labels"], 400, 300, METHODS["SGD"])


def test_fits_of_a_profile():
    """Their rows are added up, wherever in the program the fits are."""
    problem, method = PROBLEMS["binary"], METHODS["RMSprop"]
    net, (X, y) = problem.network(), problem.data(9)
    options = {"batch_size": 4, "optimizer": method[0], "progress": False}
    with profile() as prof:
        net.fit(X, y, epochs=2, **options)
        net.fit(X, y, epochs=1, **options)
        with prof.record("mine"):
            net.fit(X, y, epochs=3, **options)
    assert measured(prof) == counted(problem, batches_of(9, 4, 6), method)


@pytest.mark.parametrize("rows", [7, 300, 700])
@pytest.mark.parametrize("problem", ["labels", "mse over gelu"])
@pytest.mark.parametrize("work", [1, 10**9])
def test_a_gradient(work, problem, rows, monkeypatch):
    """All rows are one batch, whose micro-batches add up to one gradient; the loop may be entered for each of them."""
    monkeypatch.setattr(passes, "CALL_WORK", work)
    problem = PROBLEMS[problem]
    with profile() as prof:
        problem.network().gradient(*problem.data(rows))
    found = {phase: counts for phase, counts in measured(prof).items() if phase[0] != "update"}
    assert found == counted(problem, batches_of(rows, rows), None)


def test_a_gradient_updates_nothing():
    with profile() as prof:
        PROBLEMS["labels"].network().gradient(*PROBLEMS["labels"].data(7))
    assert [row for row in prof.rows if row["name"] == "update"] == []


@pytest.mark.parametrize("problem", ["mse of identity", "mse over gelu", "mse of sigmoid", "labels", "binary"])
def test_outputs_and_their_losses(problem):
    """Of `predict` and `evaluate`: gather, forward, in which the last layer always has its activation, and loss."""
    problem = PROBLEMS[problem]
    net, (X, y) = problem.network(), problem.data(9)
    operations = 9 * 3 + 9 * 4 * (2 * 3) + 9 * 2 * (2 * 4)
    operations += sum(9 * width * (name != "identity") for width, name in zip((4, 2), problem.activations, strict=True))
    for call, more in ((lambda: net.predict(X), 0), (lambda: net.evaluate(X, y), 9 * 2)):
        with profile() as prof:
            call()
        (found,) = [row for row in prof.rows if row["flops"]]
        assert (found["name"], found["calls"], found["flops"]) == ("forward, all layers", 1, operations + more)
