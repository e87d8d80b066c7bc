"""A process for each dtype trains 20 random topologies, and reports what it compiled: the fixture `observed`."""

import gc
import importlib
import json
import pkgutil
import warnings
from pathlib import Path

import numpy as np
import small_networks
from autograd_network import HIDDEN
from numba import types
from numba.core.dispatcher import Dispatcher
from numba.core.runtime import rtsys
from small_networks import build, data

from hotloop import Network, kernels, warmup
from hotloop.kernels import cache, choices, jit, matmul
from hotloop.kernels.team import new_team
from hotloop.kernels.training import train_slice
from hotloop.network import losses
from hotloop.network.training.loop_arguments import LoopArguments

LOSSES = (*losses.LOSSES, "labels")
OPTIMIZERS = [*small_networks.OPTIMIZERS.values()]
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


def train(number, dtype):
    """Train and predict one random topology."""
    rng = np.random.default_rng(number)
    sizes = rng.integers(2, 40, rng.integers(2, 6)).tolist()
    loss = LOSSES[number % len(LOSSES)]
    net = build(
        sizes, loss, rng.choice(HIDDEN, len(sizes) - 2).tolist(),
        dropout=[0.0, 0.3][number % 2 if len(sizes) > 2 else 0],
        l1=[0.0, 0.01][number // 2 % 2], l2=[0.0, 0.01][number // 3 % 2],
        dtype=dtype, seed=number,
    )  # fmt: skip
    X, y = data(loss, int(rng.integers(1, 50)), sizes[0], sizes[-1])
    X, optimizer = FORMS[number % len(FORMS)](X), OPTIMIZERS[number % len(OPTIMIZERS)]
    net.fit(X, y, epochs=2, batch_size=8, optimizer=optimizer, validation_data=(X, y), progress=False)
    net.predict(X)
    net.gradient(X, y)


def dispatchers():
    """Return every compiled function of `hotloop.kernels`, public or not, by module and name.

    A kernel's loop that is also compiled for inlining, under the same name, comes later and is left out.
    """
    found = {}
    for module in pkgutil.walk_packages(kernels.__path__, "hotloop.kernels."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Dispatcher) and value.py_func.__module__.startswith("hotloop.kernels."):
                name = f"{value.py_func.__module__.rpartition('.')[2]}.{value.py_func.__name__}"
                if name not in found or not found[name].signatures:
                    found[name] = value
    return found


def flat(kinds):
    """Yield the types of a signature, and of the fields of its records."""
    for kind in kinds:
        yield from flat(kind.types) if isinstance(kind, types.NamedTuple) else [kind]


def precision(signature):
    """Return the type of a signature's floating-point arrays, or of its numbers if there are none.

    Float64 arrays beside float32 ones are the rows' losses and penalties.
    """
    found = list(flat(signature))
    arrays = {str(t.dtype) for t in found if isinstance(t, types.Array) and isinstance(t.dtype, types.Float)}
    numbers = {str(t) for t in found if isinstance(t, types.Float)}
    return "float32" if "float32" in arrays else "+".join(sorted(arrays or numbers))


def functions():
    """Return the qualified name of every function of `hotloop.kernels` that Numba was given, closures too."""
    found = {id(d.py_func): d.py_func for d in gc.get_objects() if isinstance(d, Dispatcher)}
    return sorted(
        f"{function.__module__}.{function.__qualname__}"
        for function in found.values()
        if function.__module__.startswith("hotloop.kernels.")
    )


def signatures():
    return {name: [(precision(s), str(s)) for s in d.signatures] for name, d in dispatchers().items()}


def allocations(call):
    """Return how many blocks of memory Numba's runtime allocates and frees during a call, including its arguments."""
    before = rtsys.get_allocation_stats()
    call()
    return [now - then for now, then in zip(rtsys.get_allocation_stats(), before, strict=True)]


def training_call(loss, optimizer, dropout, penalty, dtype, steps):
    """Return a call of the compiled loop that makes `steps` steps."""
    net = build([5, 17, 4, 3], loss, ["silu", "tanh"], dropout=dropout, l1=penalty, l2=penalty, dtype=dtype, seed=0)
    X, y = data(loss, 6 * 40)
    X, y = X.astype(dtype), y.astype(np.int64 if loss == "labels" else dtype)
    targets = (np.empty((0, 0), dtype), y) if loss == "labels" else (y, np.empty(0, np.int64))
    loop_arguments = LoopArguments.prepare(
        net._layout, net.activations, net.loss, X, *targets, batch_size=6, dropout=net.dropout, seed=0
    )
    loop_arguments.settings["l1"], loop_arguments.settings["l2"] = net.l1, net.l2
    loop_arguments.set_optimizer(optimizer, 0, 0)
    gradient, order = np.zeros_like(net.parameters), np.arange(len(X))
    state = np.zeros((optimizer.n_moments, gradient.size), dtype)

    def call():
        train_slice(0, 1, new_team(), 6 * steps, loop_arguments.training(net.parameters, gradient, state, order), None)
        assert loop_arguments.progress["step"][0] == steps

    return call


def call_kernels(dtype):
    """Call the public kernels that the training loop does not call, on arrays like a user's."""
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


def assembly_of(*loops):
    """Return the assembly that float32 has."""
    found = [(loop, signature) for loop in loops for signature in loop.signatures if precision(signature) == "float32"]
    assert len(found) == len(loops)
    return "".join(loop.inspect_asm(signature) for loop, signature in found)


def observe(path, dtype):
    """Write the report to a file.

    Everything is compiled, since code from the cache cannot be inspected, and kept for the other tests.
    """
    warnings.simplefilter("error")
    load, cache.KernelCache.load_overload = cache.KernelCache.load_overload, lambda *given: None
    for number in range(20):
        train(number, dtype)
    report = {"signatures": signatures(), "functions": functions(), "allocations": {}}
    report["shape"] = choices.HERE.registers, matmul.MR, matmul.NR
    call_kernels(np.dtype(dtype))
    report["signatures of all"] = signatures()
    if dtype == "float32":
        report["train_slice"] = assembly_of(train_slice, matmul.product)
        report["llvm"] = {
            f"{name}{signature}": dispatcher.inspect_llvm(signature)
            for name, dispatcher in dispatchers().items()
            for signature in dispatcher.signatures
            if precision(signature) == "float32"
        }
    cases = [(loss, OPTIMIZERS[i % len(OPTIMIZERS)], [0.0, 0.5][i % 2], 0.01) for i, loss in enumerate(LOSSES)]
    cases += [("mse", OPTIMIZERS[6], 0.5, 0.01), ("mse", OPTIMIZERS[0], 0.5, 0.0)]  # the last without a gradient
    for case in cases:
        few, many = (allocations(training_call(*case, dtype, steps)) for steps in (1, 40))
        report["allocations"][str(case)] = few, many
    allocating(np.ones(1))
    report["planted allocation"] = [allocations(lambda n=n: allocating(np.ones(n))) for n in (1, 40)]
    kernels.softmax(np.zeros((2, 4), dtype)[:, :2], np.zeros((2, 2), dtype))
    report["planted signature"] = signatures()
    cache.KernelCache.load_overload = load
    warmup(dtype, profiles=True)  # the loop with a clock, while what is inlined into it is at hand
    part = Path(f"{path}.part")
    part.write_text(json.dumps(report))
    part.rename(path)
