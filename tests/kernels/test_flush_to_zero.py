"""Denormal numbers are zero in every kernel, in every thread, and nowhere else: the caller's mode stays as it was.

Without the compiler there is no mode, and denormal numbers are what they are: these tests then show that the data reach
them. How fast dead units are, `benchmarks/dead_units.py` measures.
"""

import importlib
import pickle
import pkgutil

import numpy as np
import oracle
import pytest
from autograd_network import HIDDEN
from conftest import COMPILED, needs_compiler, same_bits
from dead_units import build, data, is_denormal, needs_mode, small, train
from numba.core.dispatcher import Dispatcher
from oracle import METHODS
from small_networks import LOSSES_AND_OUTPUTS, OPTIMIZERS

from hotloop import Network, kernels
from hotloop.kernels import jit
from hotloop.network.activations import ACTIVATIONS

COPYING = ("identity", "relu", "leaky_relu")  # may return a denormal number as it is
TAILED = ("sigmoid", "softplus", "silu", "mish", "gelu")  # give one of an ordinary number


# Every kernel.


def public_kernels():
    """Return all compiled functions of hotloop that can be called from Python."""
    for found in pkgutil.iter_modules(kernels.__path__):
        module = importlib.import_module(f"hotloop.kernels.{found.name}")
        for name, value in vars(module).items():
            if (
                isinstance(value, Dispatcher)
                and value.__module__ == module.__name__
                and not value.targetoptions.get("no_cpython_wrapper")
            ):
                yield f"{found.name}.{name}", value


@needs_compiler
def test_every_kernel_is_compiled_to_flush():
    found = dict(public_kernels())
    assert len(found) > 40
    assert [name for name, one in found.items() if one._compiler.pipeline_class is not jit.FlushingCompiler] == []


@needs_compiler
def test_a_kernel_is_pickled_by_name():
    """So that it is this one in another process too: Numba's own form of it forgets the compiler."""
    assert kernels.softplus.__reduce_ex__(4) == "softplus"
    assert pickle.loads(pickle.dumps(kernels.softplus)) is kernels.softplus


@needs_mode
@pytest.mark.parametrize("operand", [True, False], ids=["operand", "result"])
@pytest.mark.parametrize("name", METHODS)
def test_updates(name, operand, dtype):
    """A moment that is denormal, or becomes so, is zero; a parameter is."""
    states, numbers = METHODS[name]
    size = 37
    gradient = np.full(size, 0 if operand else small(dtype), dtype)
    vectors = [np.full(size, np.finfo(dtype).tiny / 4 if operand else 0, dtype) for _ in range(states + 1)]
    rate = numbers(1)[0] if operand else float(small(dtype))
    getattr(kernels, name)(gradient, rate, *numbers(1)[1:], *vectors)
    assert not any(is_denormal(vector).any() for vector in vectors)
    assert np.isfinite(vectors).all()


@needs_mode
def test_products(dtype):
    """x W, x.T delta and delta W.T, of denormal operands, and with denormal results."""
    tiny = np.finfo(dtype).tiny
    for left, right in ((tiny / 4, 1e3), (small(dtype), small(dtype))):
        x, weights = np.full((13, 21), left, dtype), np.full((21, 33), right, dtype)
        out, gradient, bias = np.ones((13, 33), dtype), np.zeros((21, 33), dtype), np.zeros(33, dtype)
        kernels.dense_forward(x, weights, bias, out)
        assert not out.any()
        kernels.accumulate_weight_gradient(x, np.full((13, 33), right, dtype), gradient, bias)
        assert not gradient.any()
        kernels.input_gradient(np.full((13, 33), left, dtype), weights, out := np.ones((13, 21), dtype))
        assert not out.any()


@pytest.mark.parametrize("name", [name for name in oracle.ACTIVATIONS if name not in COPYING])
def test_activations(name, dtype):
    """Of arguments that give denormal results, and of denormal ones."""
    limits = np.finfo(dtype)
    lowest = np.log(limits.smallest_subnormal)
    z = np.concatenate([
        np.linspace(lowest * 1.1, lowest * 0.8, 401), -np.sqrt(-2 * np.linspace(lowest * 1.1, lowest * 0.8, 401)),
        limits.tiny * np.array([0.5, -0.5, 2.0**-9]),
    ]).astype(dtype)  # fmt: skip
    out = np.empty_like(z)
    getattr(kernels, name)(z, out)
    expected = oracle.ACTIVATIONS[name](z)
    assert np.all(abs(out - expected) <= 1e-3 * abs(expected) - lowest * 1.1 * limits.tiny)  # SiLU is z times nothing
    if COMPILED:
        assert not is_denormal(out).any()
    elif name in TAILED:
        assert is_denormal(out).any()


@needs_mode
def test_the_logarithm_of_a_denormal_number(dtype):
    x = np.array([np.finfo(dtype).tiny, np.finfo(dtype).tiny / 2], dtype)
    out = np.empty_like(x)
    kernels.log(x, out)
    np.testing.assert_allclose(out, [np.log(x[0]), -np.inf])


def test_nan_and_infinity_stay_visible(dtype):
    z = np.array([np.nan, np.inf, np.finfo(dtype).tiny / 2, 1] * 9, dtype)
    out = np.empty_like(z)
    for name in oracle.ACTIVATIONS:
        getattr(kernels, name)(z, out)
        np.testing.assert_array_equal(np.isnan(out), np.isnan(z))
    kernels.silu(z, out)
    np.testing.assert_array_equal(np.isinf(out), np.isinf(z))


# Networks with dead units.


@pytest.mark.parametrize("activation", HIDDEN)
def test_gradients_of_dead_units(activation, dtype):
    loss, gradient = build(activation, dtype=dtype).gradient(*data())
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()
    if COMPILED:
        assert not is_denormal(gradient).any()
    elif activation in TAILED:
        assert is_denormal(gradient).any()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_moments_of_dead_units(optimizer, dtype):
    net = train(optimizer, dtype=dtype)
    if COMPILED:
        assert not is_denormal(net.parameters).any()
        assert not is_denormal(net._training.moments).any()
    else:
        assert is_denormal(net._training.moments).any() == (net._training.moments.size > 0)


@needs_mode
@pytest.mark.parametrize(
    ("optimizer", "activation"),
    [(name, "silu") for name in OPTIMIZERS] + [("Adam", name) for name in HIDDEN if name not in COPYING],
)
def test_the_same_bits_for_any_number_of_threads(optimizer, activation, dtype):
    one, *others = (train(optimizer, n_threads, activation=activation, dtype=dtype) for n_threads in (1, 2, 3))
    for other in others:
        assert same_bits(other.parameters, one.parameters)
        assert same_bits(other._training.moments, one._training.moments)
        assert same_bits(other.predict(data()[0], n_threads=2), one.predict(data()[0], n_threads=1))
        assert other.evaluate(*data(), n_threads=3) == one.evaluate(*data(), n_threads=1)


@pytest.mark.parametrize(("loss", "output"), LOSSES_AND_OUTPUTS)
def test_all_losses_with_dead_units(loss, output, dtype):
    net = train("Adam", loss=loss, output=output, dtype=dtype)
    assert np.isfinite(net.evaluate(*data(loss))["loss"])
    assert np.isfinite(net.parameters).all()


@pytest.mark.parametrize("output", [name for name in ACTIVATIONS if name != "softmax"])
def test_predictions_of_dead_units(output, dtype):
    """By `predict`, of one row and of several, and by `predict_one`: the same bits, and nothing denormal."""
    net = Network([4, 3], output=output, dtype=dtype, initializer="zeros", seed=0)
    lowest = np.log(np.finfo(dtype).tiny) - 10
    net.biases[0][:] = lowest, -np.sqrt(-2 * lowest), 1
    X, out = np.ones((5, 4), dtype), np.empty(3, dtype)
    several = net.predict(X)
    assert kernels.predict_one(*net.compiled_arguments(), X[0], out)
    assert same_bits(several, np.tile(out, (5, 1)))
    assert same_bits(net.predict(X[:1])[0], out)
    np.testing.assert_allclose(out[2], oracle.ACTIVATIONS[output](np.ones(1))[0], rtol=1e-6)
    if COMPILED:
        assert not is_denormal(out).any()
    elif output in TAILED:
        assert is_denormal(out).any()
