"""Network.gradient against central differences over the flat vector, and against autograd.

Differences and autograd are in float64. A float32 network is asked for the gradient at the same point: every number
that goes in is one of float32. Errors are in units of the gradient's largest entry.
"""

import functools
from itertools import pairwise

import numpy as np
import pytest
from autograd_network import HIDDEN, flat, forward, loss_and_gradient, padding
from conftest import COMPILED, same_bits

from hotloop import Network

KINKED = ("relu", "leaky_relu", "elu", "selu")  # the first or the second derivative jumps at z = 0
# A loss, and what its targets are.
VALUES = [("mse", "values"), ("mae", "values"), ("huber", "values")]
BY_ADDRESS = [("log_cosh", "values"), ("quantile", "values")]
BINARY = [("binary_cross_entropy", "probabilities")]
COUNTS = [("poisson", "counts")]
CLASSES = [("cross_entropy", kind) for kind in ("labels", "one-hot", "soft")]
OUTPUTS = [
    *[(output, *loss) for loss in VALUES for output in (*HIDDEN, "softmax")],
    *[(output, *loss) for loss in BINARY for output in ("sigmoid", "identity")],
    *[(output, *loss) for loss in CLASSES for output in ("softmax", "identity")],
    *[(output, *loss) for loss in COUNTS for output in ("exponential", "identity")],
    *[(output, *loss) for loss in BY_ADDRESS for output in ("identity", "exponential")],
]
# Each hidden activation with one loss, and each output with one of the losses of values, or two: for autograd all.
CASES = [((hidden, hidden), None, *VALUES[0]) for hidden in HIDDEN]
CASES += [
    (("tanh", "silu"), output, loss, kind)
    for output, loss, kind in OUTPUTS
    if output in ("identity", "softmax") or loss not in ("mae", "huber")
]
SIZES, ROWS = ((3, 4, 3, 3), 3) if COMPILED else ((2, 3, 2, 3), 2)

STEP = 2.0**-10  # a number of float32 plus or minus this is exact
MARGIN = 0.05  # distance from a kink: fifty steps
# The formula errs by STEP**4 / 30 = 3e-14 times the fifth derivative, and by rounding, 1.5 * 1e-16 / STEP = 2e-13 times
# the loss. Twice the step would err beyond the tolerance.
DIFFERENCES = 1e-11
AUTOGRAD = 1e-13
# An entry is a sum over rows of products along the layers, each factor a few roundings off, and more where sums cancel.
SINGLE = 16 * float(np.finfo(np.float32).eps)


def singles(array):
    """Round to float32, in float64: a number that networks of either dtype can hold."""
    return np.asarray(array, np.float32).astype(np.float64)


def draw(sizes, seed):
    """Return weights and biases, none near zero, where an L1 penalty has its kink."""
    rng = np.random.default_rng(seed)
    shapes = [shape for fan_in, fan_out in pairwise(sizes) for shape in ((fan_in, fan_out), fan_out)]
    arrays = [singles(rng.uniform(0.2, 1, shape) * rng.choice([-1, 1], shape)) for shape in shapes]
    return list(zip(arrays[::2], arrays[1::2], strict=True))


def differences_from_targets(rng, shape):
    """Return a - y: away from 0, the kink of the absolute error, and from 1, Huber's, on both sides of each."""
    size = np.where(rng.random(shape) < 0.5, rng.uniform(0.2, 0.8, shape), rng.uniform(1.2, 2.5, shape))
    return size * rng.choice([-1, 1], shape)


def make_targets(rng, kind, outputs):
    rows, columns = outputs.shape
    if kind == "values":
        return singles(outputs - differences_from_targets(rng, outputs.shape))
    if kind == "counts":
        return rng.poisson(2.0, outputs.shape).astype(float)
    if kind == "probabilities":
        return singles(rng.random(outputs.shape))
    labels = rng.integers(0, columns, rows)
    if kind == "labels":
        return labels
    # Eighths: rows that sum to exactly 1.
    return np.eye(columns)[labels] if kind == "one-hot" else rng.multinomial(8, [1 / columns] * columns, rows) / 8


@functools.cache
def point(hidden, output, loss, kind, penalties=(0.0, 0.0)):
    """Return a network's arguments and data at a point at least MARGIN away from every kink."""
    l1, l2 = penalties
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        arguments = {"activation": hidden, "output": output, "loss": loss, "l1": l1, "l2": l2}
        arguments |= {"initializer": draw(SIZES, seed), "seed": 0}
        net = Network(SIZES, **arguments, dtype="float64")
        X = singles(rng.normal(size=(ROWS, SIZES[0])))
        zs, outputs = forward(net.weights, net.biases, net.activations, X)
        kinked = [z for z, name in zip(zs, net.activations, strict=True) if name in KINKED]
        alive = all(z.max(axis=1).min() > 0 for z in kinked)  # in each row a unit, or the gradient is next to nothing
        if alive and all(np.abs(z).min() > MARGIN for z in kinked):
            return arguments, X, make_targets(rng, kind, outputs[-1])
    raise AssertionError("every point drawn lies near a kink")


@functools.cache
def central_differences(*case):
    """Return dC/dw by the formula of fourth order, (8 (C(w+h) - C(w-h)) - (C(w+2h) - C(w-2h))) / 12 h."""
    arguments, X, y = point(*case)
    net = Network(SIZES, **arguments, dtype="float64")

    def loss(array, index, change):
        before = array[index]
        array[index] += change * STEP
        value = net.evaluate(X, y)["loss"]
        array[index] = before
        return value

    result = np.zeros_like(net.parameters)
    for arrays, slopes in zip(net.split(net.parameters), net.split(result), strict=True):
        for array, slope in zip(arrays, slopes, strict=True):
            for index in np.ndindex(array.shape):
                near = loss(array, index, 1) - loss(array, index, -1)
                far = loss(array, index, 2) - loss(array, index, -2)
                slope[index] = (8 * near - far) / (12 * STEP)
    return flat(net, result)


def assert_close(net, gradient, expected, tolerance):
    assert gradient.dtype == net.dtype
    assert not padding(net, gradient).any()
    found = flat(net, gradient)
    scale = np.abs(expected).max()
    assert scale > 0.01, "a gradient near zero tests nothing"
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


def case_name(value):
    return "-".join(value) if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize(("hidden", "output", "loss", "kind"), CASES, ids=case_name)
def test_against_central_differences(hidden, output, loss, kind, dtype):
    arguments, X, y = point(hidden, output, loss, kind)
    net = Network(SIZES, **arguments, dtype=dtype)
    gradient = net.gradient(X, y)[1]
    tolerance = DIFFERENCES if dtype == np.float64 else SINGLE
    assert_close(net, gradient, central_differences(hidden, output, loss, kind), tolerance)


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize(("output", "loss", "kind"), OUTPUTS, ids=str)
def test_against_autograd(hidden, output, loss, kind):
    """Every hidden activation with every output, loss and kind of target; one layer of another activation."""
    arguments, X, y = point((hidden, "softplus"), output, loss, kind)
    net = Network(SIZES, **arguments, dtype="float64")
    value, gradient = net.gradient(X, y)
    expected_value, expected = loss_and_gradient(net, X, y)
    assert value == pytest.approx(expected_value, rel=AUTOGRAD)
    assert_close(net, gradient, expected, AUTOGRAD)


@pytest.mark.parametrize("penalties", [(0.03, 0.0), (0.0, 0.05), (0.03, 0.05)], ids=str)
@pytest.mark.parametrize(("loss", "kind"), [*VALUES, *BINARY, CLASSES[0]], ids=str)
def test_penalties(loss, kind, penalties, dtype):
    """On weights, not on biases: the peer's formula says so."""
    case = (("tanh", "gelu"), None, loss, kind, penalties)
    arguments, X, y = point(*case)
    net = Network(SIZES, **arguments, dtype=dtype)
    value, gradient = net.gradient(X, y)
    expected_value, expected = loss_and_gradient(net, X, y)
    double = dtype == np.float64
    assert value == pytest.approx(expected_value, rel=AUTOGRAD if double else SINGLE)
    assert net.evaluate(X, y)["loss"] == pytest.approx(expected_value, rel=AUTOGRAD if double else SINGLE)
    assert_close(net, gradient, expected, AUTOGRAD if double else SINGLE)
    assert_close(net, gradient, central_differences(*case), DIFFERENCES if double else SINGLE)


def test_a_weight_of_zero_is_not_penalised(dtype, rng):
    """The slope of |w| at its kink is taken as 0."""
    X, y = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
    nets = [Network([4, 3], initializer="zeros", l1=l1, l2=l1, dtype=dtype, seed=0) for l1 in (0.0, 0.5)]
    plain, penalised = (net.gradient(X, y)[1] for net in nets)
    assert same_bits(plain, penalised)


SHAPES = {
    "no hidden layer": ((7, 5), 6),
    "width 1": ((1, 1, 1, 2), 5),
    "one row": ((6, 9, 4), 1),
    "five layers": ((5, 17, 6, 15, 7, 3), 10),
    "multiples of a vector": ((16, 32, 48, 16), 12),
    "one beside a vector": ((17, 33, 31, 15), 13),
    "products deeper than a block": ((300, 6, 270, 2), 5),
    "rows a page long": ((2, 1024, 2), 3),
    "several micro-batches": ((5, 7, 3), 600),
    "several micro-batches of wide layers": ((2, 18, 17, 3), 513 if COMPILED else 33),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("loss", "kind"), [VALUES[0], CLASSES[0], BINARY[0]], ids=str)
def test_shapes(shape, loss, kind, dtype, rng):
    sizes, rows = SHAPES[shape]
    hidden = [HIDDEN[(3 * layer + len(loss)) % len(HIDDEN)] for layer in range(len(sizes) - 2)]
    net = Network(sizes, hidden, loss=loss, dtype=dtype, seed=1)
    for bias in net.biases:
        bias[...] = rng.normal(size=bias.shape) / 2
    X = rng.normal(size=(rows, sizes[0])).astype(dtype)
    y = make_targets(rng, kind, rng.normal(size=(rows, sizes[-1]))).astype(np.int64 if kind == "labels" else dtype)
    value, gradient = net.gradient(X, y)
    expected_value, expected = loss_and_gradient(net, X, y)
    tolerance = AUTOGRAD if dtype == np.float64 else SINGLE
    assert value == pytest.approx(expected_value, rel=tolerance)
    assert_close(net, gradient, expected, tolerance)


def test_dropout_is_off(dtype, rng):
    X, y = rng.normal(size=(9, 4)), rng.normal(size=(9, 2))
    nets = [Network([4, 8, 2], dropout=rate, dtype=dtype, seed=0) for rate in (0.0, 0.9)]
    (value, gradient), (other_value, other_gradient) = (net.gradient(X, y) for net in nets)
    assert value == other_value
    assert same_bits(gradient, other_gradient)
