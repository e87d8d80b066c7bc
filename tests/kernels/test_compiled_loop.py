"""What the training loop is compiled to: one signature a dtype, no allocation, names of their own for all functions.

And no double precision in the loops of float32. A fresh process with an empty cache trains 20 random topologies, and
reports; other files' tests use its report and its cache.
"""

import gc
import importlib
import json
import math
import pkgutil
import re
import warnings
from collections import Counter
from pathlib import Path

import autograd_network as peer
import numpy as np
import pytest
from conftest import needs_compiler
from numba import types
from numba.core.dispatcher import Dispatcher
from numba.core.runtime import rtsys
from test_training import METHODS, build, data

from hotloop import Network, kernels
from hotloop.kernels import jit, matmul, micro_kernel_shape
from hotloop.kernels.team import new_team
from hotloop.kernels.training import train_slice
from hotloop.network.training.loop_arguments import LoopArguments

LOSSES = ("mse", "mae", "huber", "binary_cross_entropy", "cross_entropy", "labels")
OPTIMIZERS = [optimizer for optimizer, _ in METHODS.values()]
FORMS = (
    np.ascontiguousarray,
    np.asfortranarray,
    lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    lambda X: np.broadcast_to(X, X.shape),  # read-only
    np.ndarray.tolist,
    lambda X: X.astype(np.float16),
    lambda X: X.astype(np.float32),
    lambda X: X.astype(">f4"),
    lambda X: np.abs(X).astype(np.uint8),
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
    for module in pkgutil.iter_modules(kernels.__path__, "hotloop.kernels."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Dispatcher) and value.py_func.__module__.startswith("hotloop.kernels."):
                found[f"{value.py_func.__module__.rpartition('.')[2]}.{value.py_func.__name__}"] = value
    return found


def precision(signature):
    """Return the type of a signature's floating-point arrays, or of its numbers if it has no such array.

    Beside arrays of float32, those of float64 are the rows' losses and penalties.
    """
    found = [field for kind in signature for field in (kind.types if isinstance(kind, types.NamedTuple) else [kind])]
    arrays = {str(t.dtype) for t in found if isinstance(t, types.Array) and isinstance(t.dtype, types.Float)}
    numbers = {str(t) for t in found if isinstance(t, types.Float)}
    return "float32" if "float32" in arrays else "+".join(sorted(arrays or numbers))


def functions():
    """Return the qualified name of every function of `hotloop.kernels` that was handed to Numba, closures too."""
    found = {id(d.py_func): d.py_func for d in gc.get_objects() if isinstance(d, Dispatcher)}
    return sorted(
        f"{function.__module__}.{function.__qualname__}"
        for function in found.values()
        if function.__module__.startswith("hotloop.kernels.")
    )


def signatures():
    return {name: [(precision(s), str(s)) for s in d.signatures] for name, d in dispatchers().items()}


def allocations(call):
    """Return how many blocks of memory Numba's runtime takes and gives back during a call, its arguments' included."""
    before = rtsys.get_allocation_stats()
    call()
    return [now - then for now, then in zip(rtsys.get_allocation_stats(), before, strict=True)]


def training_call(loss, optimizer, dropout, penalty, dtype, steps):
    """Return a call of the compiled loop that makes `steps` steps."""
    net = build([5, 17, 4, 3], ["silu", "tanh"], loss, dropout=dropout, l1=penalty, l2=penalty, dtype=dtype, seed=0)
    X, y = data(np.random.default_rng(0), 6 * 40, net.sizes, loss)
    X, y = X.astype(dtype), y.astype(np.int64 if loss == "labels" else dtype)
    targets = (np.empty((0, 0), dtype), y) if loss == "labels" else (y, np.empty(0, np.int64))
    task = LoopArguments.plan(
        net.layout, net.activations, net.loss, X, *targets, batch_size=6, dropout=net.dropout, seed=0
    )
    task.settings["l1"], task.settings["l2"] = net.l1, net.l2
    task.descend(optimizer, 0, 0)
    gradient, order = np.zeros_like(net.parameters), np.arange(len(X))
    state = np.zeros((optimizer.n_moments, gradient.size), dtype)

    def call():
        train_slice(0, 1, new_team(), 6 * steps, *task.training(net.parameters, gradient, state, order), None)
        assert task.progress["step"][0] == steps

    return call


def call_kernels(dtype):
    """Call the public kernels that the training loop does not call, on arrays as a user has them."""
    x, labels, out = np.ones((3, 3), dtype), np.zeros(3, np.int64), np.ones((3, 3), dtype)
    kernels.dense_forward(x, x, x[0], out)
    kernels.input_gradient(x, x, out)
    kernels.accumulate_weight_gradient(x, x, out, np.ones(3, dtype))
    kernels.softmax(x, out)
    kernels.softmax_input_gradient(x, x, out)
    for loss in (kernels.mean_squared_error, kernels.mean_absolute_error, kernels.huber, kernels.binary_cross_entropy):
        loss(x, x, out)
    kernels.soft_cross_entropy(x, x, out)
    kernels.cross_entropy(x, labels, out)
    gradient, first, second, parameters = np.ones((4, 3), dtype)
    kernels.sgd(gradient, 0.1, parameters)
    kernels.momentum(gradient, 0.1, 0.9, first, parameters)
    kernels.nesterov(gradient, 0.1, 0.9, first, parameters)
    kernels.rmsprop(gradient, 0.1, 0.9, 1e-8, first, parameters)
    kernels.adagrad(gradient, 0.1, 1e-8, first, parameters)
    kernels.adam(gradient, 0.1, 0.9, 0.9, 1e-8, 1, first, second, parameters)
    kernels.adamw(gradient, 0.1, 0.9, 0.9, 1e-8, 0.1, 1, first, second, parameters)
    kernels.add_penalty(parameters, 0.1, 0.1, gradient)
    kernels.predict_one(*Network([3, 3], dtype=dtype, seed=0).compiled_arguments(), x[0], out[0])


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
    report = {"signatures": signatures(), "functions": functions(), "allocations": {}}
    report["shape"] = micro_kernel_shape.REGISTERS, matmul.MR, matmul.NR
    (in_float32,) = [found for found in train_slice.signatures if precision(found) == "float32"]
    report["train_slice"] = train_slice.inspect_asm(in_float32)
    for dtype in (np.float32, np.float64):
        call_kernels(dtype)
    report["signatures of all"] = signatures()
    report["llvm"] = {
        f"{name}{signature}": dispatcher.inspect_llvm(signature)
        for name, dispatcher in dispatchers().items()
        for signature in dispatcher.signatures
        if precision(signature) == "float32"
    }
    cases = [(loss, OPTIMIZERS[i], [0.0, 0.5][i % 2], 0.01) for i, loss in enumerate(LOSSES)]
    cases += [("mse", OPTIMIZERS[6], 0.5, 0.01), ("mse", OPTIMIZERS[0], 0.5, 0.0)]  # the last without a gradient
    for case in cases:
        for dtype in ("float32", "float64"):
            few, many = (allocations(training_call(*case, dtype, steps)) for steps in (1, 40))
            report["allocations"][f"{case} {dtype}"] = few, many
    allocating(np.ones(1))
    report["planted allocation"] = [allocations(lambda n=n: allocating(np.ones(n))) for n in (1, 40)]
    kernels.softmax(np.zeros((2, 4), np.float32)[:, :2], np.zeros((2, 2), np.float32))
    report["planted signature"] = signatures()
    part = Path(f"{path}.part")
    part.write_text(json.dumps(report))
    part.rename(path)


# What is asked of it.


@pytest.fixture(scope="module")
def report(observed):
    return vars(observed)


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


def compiled_for_both(signatures):
    """Return the functions of which there is machine code for float32 and for float64."""
    return {name for name, found in signatures.items() if {dtype for dtype, _ in found} >= {"float32", "float64"}}


@needs_compiler
def test_training_was_compiled_for_both_dtypes(report):
    """The test above has something to look at: the loop, and the functions that are not pasted into it.

    Public kernels it does not call: it has their loops, or those of their rows.
    """
    compiled = compiled_for_both(report["signatures"])
    assert {"training.train_slice", "prediction.forward_slice", "matmul.product", "softmax.softmax_rows"} <= compiled
    assert {"activations.activate", "activations.times_derivative"} <= compiled
    assert len({name for name in compiled if re.match(r"losses\..*_row$", name)}) == len(LOSSES)


@needs_compiler
def test_every_kernel_was_compiled_for_both_dtypes(report):
    """Kernels that training does not call were called by themselves, but for the elementwise ones.

    These have tests of their code of their own. None of the kernels has the products compiled once more.
    """
    names = {
        f"{d.py_func.__module__.rpartition('.')[2]}.{d.py_func.__name__}"
        for d in vars(kernels).values()
        if isinstance(d, Dispatcher)
    }
    missing = names - compiled_for_both(report["signatures of all"])
    assert {name for name in missing if not name.startswith(("activations.", "elementary."))} == set()
    assert {name for name in repeated(report["signatures of all"]) if name.startswith("matmul.")} == set()


@needs_compiler
def test_functions_have_names_of_their_own(report):
    """Numba links by name: of two functions with one name, both from the cache, one is taken for the other."""
    assert [name for name, count in Counter(report["functions"]).items() if count > 1] == []
    panels = {"micro_panels1", f"micro_panels{matmul.NR}"}  # closures, both of one function
    assert {f"hotloop.kernels.matmul.{name}" for name in {"product", *panels}} <= {*report["functions"]}


@needs_compiler
def test_a_planted_signature_is_seen(report):
    assert "softmax.softmax" in repeated(report["planted signature"])


@needs_compiler
def test_a_training_step_allocates_nothing(report):
    assert len(report["allocations"]) == 16
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


# A float that is widened, weighed and stored at once, and nothing else.
LOSS_OF_A_ROW = re.compile(
    r" *(%\S+) = fpext float \S+ to double\n"
    r" *(%\S+) = fmul [^\n]*double (?:\1, %[^\s,]+|%[^\s,]+, \1)\n"
    r" *store double \2, [^\n]*\n?"
)


def doubles(llvm):
    """Return the instructions on doubles in innermost loops over memory: not those of a set-up, or of a sum over rows.

    A call of a function over arrays is a loop within. A double that is read and rounded to a float at once is data of
    float64 (`gather`); one that is stored as soon as it is made is a row's loss, and a loop that reads no float adds
    these up: whatever else is computed in double has more to show.
    """
    found = []
    for function in re.findall(r"^define [^\n]*\{\n(.*?)^\}", llvm, re.M | re.S):
        blocks, edges = basic_blocks(function)
        for loop in innermost_loops(edges):
            lines = [line for block in loop for line in blocks[block]]
            text = "\n".join(lines)
            if (
                re.search(r"\b(load|store)\b", text)
                and not re.search(r"\bcall .*@_ZN7hotloop\w*5Array", text)
                and re.search(r"\bfloat\b", text)
            ):
                lines = [line for line in lines if not re.search(r"= (load|getelementptr) .*double|= fptrunc ", line)]
                lines = [line for line in lines if re.search(r"\bdouble\b", line)]
                found += LOSS_OF_A_ROW.sub("", "\n".join(lines)).splitlines()
    return found


@needs_compiler
def test_float32_stays_float32(report):
    """Of the kernels their loops, of functions of numbers everything."""
    assert len(report["llvm"]) > 40
    for name in ("training.train_slice", "prediction.forward_slice", "matmul.product", "losses.huber"):
        assert any(found.startswith(f"{name}(") for found in report["llvm"])
    assert all("define" in llvm for llvm in report["llvm"].values())
    found = {
        name: doubles(llvm) if "array" in name.lower() else re.findall(r".*\bdouble\b.*", llvm)
        for name, llvm in report["llvm"].items()
        if not name.startswith("losses.cross_entropy(")  # a sum over rows without a loop within; see train_slice
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


def losses_of_elements(z, out):
    total = 0.0
    for i in range(z.size):
        loss = 0.5 * z[i]
        total += loss
        out[i] = total


PLANTED = (tenths, sum_of_all, reciprocals, scalar_calls, losses_of_elements)


@needs_compiler
@pytest.mark.parametrize("function", PLANTED, ids=lambda f: f.__name__)
def test_planted_doubles_are_seen(function):
    """To Numba a literal is of float64, and so is whatever it meets."""
    vector = types.Array(types.float32, 1, "C")
    compiled = jit.inline(function)
    compiled.compile((vector, vector))
    assert doubles(compiled.inspect_llvm(compiled.signatures[0])) != []
