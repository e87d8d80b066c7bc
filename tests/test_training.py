"""Ten steps of each optimiser against autograd's gradients and the published formulas; what the loop is compiled to.

That is one signature a dtype, no allocation, and no double precision in the loops of float32.
"""

import importlib
import json
import math
import os
import pkgutil
import re
import subprocess
import sys
import warnings
from pathlib import Path

import autograd_network as peer
import numpy as np
import pytest
from conftest import needs_compiler
from numba import types
from numba.core.dispatcher import Dispatcher
from numba.core.runtime import rtsys

import hotloop
from hotloop import SGD, Adagrad, Adam, AdamW, Network, RMSprop
from hotloop.kernels import jit, sigmoid
from hotloop.kernels.training import train_slice
from hotloop.network.task import Task

STEPS = 10
# In units of the largest change of a parameter in the run. There is room for the methods that divide by the root of a
# small gradient's square, and so magnify that gradient's rounding.
TOLERANCE = 1e-13

METHODS = {
    "SGD": (SGD(0.1), peer.descent),
    "momentum": (SGD(0.05, momentum=0.9), peer.momentum),
    "Nesterov": (SGD(0.05, momentum=0.8, nesterov=True), peer.nesterov),
    "RMSprop": (RMSprop(0.01, rho=0.8), peer.rmsprop),
    "Adagrad": (Adagrad(0.05), peer.adagrad),
    "Adam": (Adam(0.02, beta1=0.8, beta2=0.9), peer.adam),
    "AdamW": (AdamW(0.02, beta1=0.8, beta2=0.9, weight_decay=0.3), peer.adamw),
}


def check(net, X, y, method, tolerance=TOLERANCE, **settings):
    """Train, and compare the parameters and the losses with the reference's."""
    before = peer.flat(net, net.parameters)
    optimizer, update = METHODS[method]
    expected, losses = peer.train(net, X, y, optimizer, update, **settings)
    history = net.fit(X, y, optimizer=optimizer, **settings, progress=False)
    moved = np.abs(expected - before).max()
    assert moved > 1e-3, "training that changes nothing tests nothing"
    np.testing.assert_allclose(peer.flat(net, net.parameters), expected, rtol=0, atol=tolerance * moved)
    np.testing.assert_allclose(history.loss, losses, rtol=tolerance)
    for vector in (net.parameters, *net.state):
        assert not peer.padding(net, vector).any()


def build(sizes, hidden, loss, **options):
    return Network(sizes, hidden, loss="cross_entropy" if loss == "labels" else loss, **options)


def data(rng, rows, sizes, loss):
    X, outputs = rng.normal(size=(rows, sizes[0])), sizes[-1]
    if loss == "labels":
        return X, rng.integers(0, outputs, rows)
    if loss == "cross_entropy":
        return X, np.eye(outputs)[rng.integers(0, outputs, rows)]
    return X, rng.random((rows, outputs))


@pytest.mark.parametrize("shuffle", [False, True], ids=["in order", "shuffled"])
@pytest.mark.parametrize("loss", ["mse", "binary_cross_entropy", "labels"])
@pytest.mark.parametrize("method", METHODS)
def test_ten_steps(method, loss, shuffle, rng):
    """Two batches an epoch, the second a row smaller."""
    net = build([6, 9, 5, 3], ["tanh", "gelu"], loss, dtype="float64", seed=3)
    check(net, *data(rng, 11, net.sizes, loss), method, epochs=STEPS // 2, batch_size=6, shuffle=shuffle)
    assert net.steps == STEPS


@pytest.mark.parametrize("penalties", [{"l2": 0.1}, {"l1": 0.02}, {"l1": 0.02, "l2": 0.1}], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_penalties(method, penalties, rng):
    net = build([6, 9, 3], "silu", "labels", **penalties, dtype="float64", seed=3)
    check(net, *data(rng, 11, net.sizes, "labels"), method, epochs=5, batch_size=6, shuffle=True)


@pytest.mark.parametrize("method", METHODS)
def test_dropout(method, rng):
    net = build([6, 17, 9, 3], "sigmoid", "mse", dropout=[0.25, 0.5], l2=0.01, dtype="float64", seed=2**40 + 5)
    check(net, *data(rng, 11, net.sizes, "mse"), method, epochs=5, batch_size=6, shuffle=True)


@pytest.mark.parametrize("hidden", peer.HIDDEN)
def test_dropout_after_each_activation(hidden, rng):
    """The stored activation, from which most derivatives are taken, is then that of the units kept, scaled."""
    net = build([4, 9, 9, 2], hidden, "mse", dropout=[0.0, 0.4], dtype="float64", seed=1)
    check(net, *data(rng, 11, net.sizes, "mse"), "SGD", epochs=5, batch_size=6, shuffle=False)


# Full batches, one row, and more rows than a chunk of the workspace holds, 256: also where the last batch is smaller.
@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize(("rows", "batch_size", "epochs"), [(10, 1, 1), (7, 7, 10), (7, 100, 10), (500, 300, 5)])
def test_batch_sizes(rows, batch_size, epochs, dropout, rng):
    net = build([4, 5, 2], "tanh", "mse", dropout=dropout, dtype="float64", seed=1)
    check(net, *data(rng, rows, net.sizes, "mse"), "Adam", epochs=epochs, batch_size=batch_size, shuffle=True)
    assert net.steps == STEPS


def test_another_optimizer_starts_anew(rng):
    """Its moments are zero and its steps count from 1, while dropout and shuffling go on where they were."""
    net = build([4, 9, 2], "tanh", "mse", dropout=0.3, dtype="float64", seed=1)
    X, y = data(rng, 11, net.sizes, "mse")
    for method in ("Adam", "momentum", "AdamW", "Adam"):
        check(net, X, y, method, epochs=2, batch_size=6, shuffle=True)


@pytest.mark.parametrize("method", METHODS)
def test_single_precision(method, rng):
    """Ten steps, each some tens of roundings away from the last: 6e-8 each, with either sign."""
    net = build([6, 9, 5, 3], ["tanh", "gelu"], "labels", dtype="float32", seed=3)
    check(net, *data(rng, 11, net.sizes, "labels"), method, 1e-5, epochs=5, batch_size=6, shuffle=True)


# What the loop is compiled to: a fresh process with an empty cache trains 20 random topologies, and reports.

LOSSES = ("mse", "mae", "huber", "binary_cross_entropy", "cross_entropy", "labels")
OPTIMIZERS = [optimizer for optimizer, _ in METHODS.values()]
FORMS = (
    np.ascontiguousarray,
    np.asfortranarray,
    lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    lambda X: np.broadcast_to(X, X.shape),  # read-only
    np.ndarray.tolist,
    lambda X: X.astype(np.float16),
)


def train(number):
    """Train and predict one random topology."""
    rng = np.random.default_rng(number)
    sizes = rng.integers(2, 40, rng.integers(2, 6)).tolist()
    loss = LOSSES[number % len(LOSSES)]
    net = build(
        sizes, rng.choice(peer.HIDDEN, len(sizes) - 2).tolist(), loss,
        dropout=[0.0, 0.3][number % 2], l1=[0.0, 0.01][number // 2 % 2], l2=[0.0, 0.01][number // 3 % 2],
        dtype=["float32", "float64"][number // 4 % 2], seed=number,
    )  # fmt: skip
    X, y = data(rng, int(rng.integers(1, 50)), sizes, loss)
    X, optimizer = FORMS[number % len(FORMS)](X), OPTIMIZERS[number % len(OPTIMIZERS)]
    net.fit(X, y, epochs=2, batch_size=8, optimizer=optimizer, validation=(X, y), progress=False)
    net.predict(X)
    net.gradient(X, y)


def dispatchers():
    """Return every compiled function of `hotloop.kernels`, public or not, by module and name."""
    found = {}
    for module in pkgutil.iter_modules(hotloop.kernels.__path__, "hotloop.kernels."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Dispatcher) and value.py_func.__module__.startswith("hotloop.kernels."):
                found[f"{value.py_func.__module__.rpartition('.')[2]}.{value.py_func.__name__}"] = value
    return found


def precision(signature):
    """Return the type of a signature's floating-point arrays, or of its numbers if it has no such array."""
    arrays = {str(t.dtype) for t in signature if isinstance(t, types.Array) and isinstance(t.dtype, types.Float)}
    numbers = {str(t) for t in signature if isinstance(t, types.Float)}
    return "+".join(sorted(arrays or numbers))


def signatures():
    return {name: [(precision(s), str(s)) for s in d.signatures] for name, d in dispatchers().items()}


def allocations(call):
    """Return how many blocks of memory Numba's runtime takes and gives back during a call, its arguments' included."""
    before = rtsys.get_allocation_stats()
    call()
    return [now - then for now, then in zip(rtsys.get_allocation_stats(), before, strict=True)]


def training_call(loss, optimizer, dropout, dtype, steps):
    """Return a call of the compiled loop that makes `steps` steps."""
    net = build([5, 17, 4, 3], ["silu", "tanh"], loss, dropout=dropout, l1=0.01, l2=0.01, dtype=dtype, seed=0)
    X, y = data(np.random.default_rng(0), 6 * 40, net.sizes, loss)
    X, y = X.astype(dtype), y.astype(np.int64 if loss == "labels" else dtype)
    targets = (np.empty((0, 0), dtype), y) if loss == "labels" else (y, np.empty(0, np.int64))
    task = Task.plan(net.layout, net.activations, net.loss, X, *targets, batch_size=6, dropout=net.dropout, seed=0)
    task.settings["l1"], task.settings["l2"] = net.l1, net.l2
    task.descend(optimizer, 0, 0)
    gradient, order = np.zeros_like(net.parameters), np.arange(len(X))
    state = np.zeros((optimizer.n_moments, gradient.size), dtype)

    def call():
        train_slice(
            task.inputs, task.targets, task.labels, order, 6 * steps, task.layers, task.settings, net.parameters,
            gradient, state, task.workspace, task.chunk_labels, task.progress,
        )  # fmt: skip
        assert task.progress["step"][0] == steps

    return call


@jit.kernel
def allocating(values):
    """What a loop of hotloop must not do."""
    total = 0.0
    for i in range(values.size):
        scratch = np.zeros(values.size)
        scratch[i] = values[i]
        total += scratch.sum()
    return total


def observe(path):
    """Write what the other process asks for to a file."""
    warnings.simplefilter("error")
    for number in range(20):
        train(number)
    report = {"signatures": signatures(), "allocations": {}}
    report["llvm"] = {
        f"{name}{signature}": dispatcher.inspect_llvm(signature)
        for name, dispatcher in dispatchers().items()
        for signature in dispatcher.signatures
        if precision(signature) == "float32"
    }
    cases = [(loss, OPTIMIZERS[i], [0.0, 0.5][i % 2]) for i, loss in enumerate(LOSSES)] + [("mse", OPTIMIZERS[6], 0.5)]
    for case in cases:
        for dtype in ("float32", "float64"):
            few, many = (allocations(training_call(*case, dtype, steps)) for steps in (1, 40))
            report["allocations"][f"{case} {dtype}"] = few, many
    allocating(np.ones(1))
    report["planted allocation"] = [allocations(lambda n=n: allocating(np.ones(n))) for n in (1, 40)]
    sigmoid(np.zeros((2, 2), np.float32), np.zeros((2, 2), np.float32))
    report["planted signature"] = signatures()
    Path(path).write_text(json.dumps(report))


# What is asked of it.


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("observed")
    path = os.pathsep.join([str(Path(hotloop.__file__).parents[1]), str(Path(__file__).parent)])
    environment = os.environ | {"PYTHONPATH": path, "NUMBA_CACHE_DIR": str(folder / "cache"), "NUMBA_NRT_STATS": "1"}
    code = f"import {__name__}; {__name__}.observe({str(folder / 'report.json')!r})"
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    return json.loads((folder / "report.json").read_text())


def repeated(signatures):
    """Return the functions that were compiled more than once for a dtype."""
    return {
        name: [signature for _, signature in compiled]
        for name, compiled in signatures.items()
        if len({dtype for dtype, _ in compiled}) < len(compiled)
    }


@needs_compiler
def test_one_signature_a_dtype(report):
    assert repeated(report["signatures"]) == {}


@needs_compiler
def test_every_kernel_was_compiled_for_both_dtypes(report):
    """The test above has something to look at. Training's Adam is the kernel adamw without decay."""
    names = {
        f"{d.py_func.__module__.rpartition('.')[2]}.{d.py_func.__name__}"
        for d in vars(hotloop.kernels).values()
        if isinstance(d, Dispatcher)
    }
    compiled = {name for name, found in report["signatures"].items() if {d for d, _ in found} == {"float32", "float64"}}
    assert names - compiled == {"updates.adam"}
    assert {"training.train_slice", "training.forward_slice"} <= compiled


@needs_compiler
def test_a_planted_signature_is_seen(report):
    assert "activations.sigmoid" in repeated(report["planted signature"])


@needs_compiler
def test_a_training_step_allocates_nothing(report):
    assert len(report["allocations"]) == 14
    assert {case: few for case, (few, _) in report["allocations"].items()} == {
        case: many for case, (_, many) in report["allocations"].items()
    }


@needs_compiler
def test_a_planted_allocation_is_seen(report):
    few, many = report["planted allocation"]
    assert many[0] - few[0] == 39


# float32 stays float32.


def basic_blocks(function):
    """Return the instructions of each basic block of an LLVM function, and the blocks that it may go to next."""
    blocks, label = {}, "entry"
    for line in function.splitlines():
        if found := re.match(r'("[^"]+"|[\w.$-]+):', line):
            label = found[1]
        else:
            blocks.setdefault(label, []).append(line.partition(";")[0])
    edges = {label: set(re.findall(r'label %("[^"]+"|[\w.$-]+)', "\n".join(lines))) for label, lines in blocks.items()}
    return blocks, edges


def innermost_loops(edges, blocks=None):
    """Yield the innermost loops of a control flow graph, each a set of blocks.

    A loop is a set of blocks that all reach one another; without the blocks where it is entered, what still goes round
    is a loop within.
    """
    blocks = edges.keys() if blocks is None else blocks
    reach = {}
    for block in blocks:
        reach[block], todo = set(), [block]
        while todo:
            new = edges[todo.pop()] & blocks - reach[block]
            reach[block] |= new
            todo += new
    for loop in {frozenset(b for b in reach[a] if a in reach[b]) for a in blocks if a in reach[a]}:
        entries = {block for a in edges.keys() - loop for block in edges[a] & loop}
        yield from list(innermost_loops(edges, loop - entries)) or [loop]


def doubles(llvm):
    """Return the instructions on doubles in innermost loops over memory: not those of a set-up, or of a sum over rows.

    A call of a function over arrays is a loop within.
    """
    found = []
    for function in re.findall(r"^define [^\n]*\{\n(.*?)^\}", llvm, re.M | re.S):
        blocks, edges = basic_blocks(function)
        for loop in innermost_loops(edges):
            lines = [line for block in loop for line in blocks[block]]
            text = "\n".join(lines)
            if re.search(r"\b(load|store)\b", text) and not re.search(r"\bcall .*@_ZN7hotloop\w*5Array", text):
                found += [line for line in lines if re.search(r"\bdouble\b", line)]
    return found


@needs_compiler
def test_float32_stays_float32(report):
    """Of the kernels their loops, of functions of numbers everything."""
    assert len(report["llvm"]) > 40
    assert all("define" in llvm for llvm in report["llvm"].values())
    found = {
        name: doubles(llvm) if "Array" in name else re.findall(r".*\bdouble\b.*", llvm)
        for name, llvm in report["llvm"].items()
    }
    assert {name: len(lines) for name, lines in found.items() if lines} == {}


def tenths(z, out):
    for i in range(z.size):
        out[i] = 0.1 * z[i]


def sum_of_all(z, out):
    total = 0.0
    for i in range(z.size):
        total += z[i]
    out[0] = total


def reciprocals(z, out):
    for i in range(z.size):
        out[i] = 1 / (1 + z[i])


def scalar_calls(z, out):
    for i in range(z.size):
        out[i] = math.erfc(0.1 * z[i])


@needs_compiler
@pytest.mark.parametrize("function", [tenths, sum_of_all, reciprocals, scalar_calls], ids=lambda f: f.__name__)
def test_planted_doubles_are_seen(function):
    """To Numba a literal is of float64, and so is whatever it meets."""
    vector = types.Array(types.float32, 1, "C")
    compiled = jit.inline(function)
    compiled.compile((vector, vector))
    assert doubles(compiled.inspect_llvm(compiled.signatures[0])) != []
