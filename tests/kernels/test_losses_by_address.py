"""The losses that the loop calls by address: value and gradient of a row, against the oracle and at extremes."""

import numpy as np
import oracle
import pytest
from conftest import ODD_SIZES, fenced, llvm_code, needs_compiler, poison, same_bits, walled

from hotloop.kernels import losses_by_address as kernels
from hotloop.kernels.by_address import address_of, call_for_float
from hotloop.kernels.jit import kernel
from hotloop.kernels.views import row
from hotloop.network.losses import LOSSES, Huber, Quantile, kernel_by_address, with_positive_weight

LEVELS = (0.1, 0.5, 0.75)
# Of each: the kernel, its parameters for so many targets, and the oracle.
ROWS = {
    "quantile": (kernels.quantile, lambda size: LEVELS, lambda a, y, p: oracle.quantile(a, y, LEVELS)),
    "huber_delta": (kernels.huber_delta, lambda size: (0.7,), lambda a, y, p: oracle.huber(a, y, 0.7)),
    "log_cosh": (kernels.log_cosh, lambda size: (), lambda a, y, p: oracle.log_cosh(a, y)),
    "poisson": (kernels.poisson, lambda size: (), lambda a, y, p: oracle.poisson(a, y)),
    "positive_binary_cross_entropy": (
        kernels.positive_binary_cross_entropy, lambda size: np.linspace(0.25, 4, size), oracle.binary_cross_entropy,
    ),
}  # fmt: skip


def arguments(name, size, dtype, rng):
    """Return outputs (or logits), targets and parameters of a row with `size` targets."""
    outputs, targets = rng.normal(scale=2, size=size * (3 if name == "quantile" else 1)), rng.normal(scale=2, size=size)
    if name == "poisson":
        targets = rng.poisson(2, size)
    if name == "positive_binary_cross_entropy":
        targets = rng.uniform(size=size)
    return outputs.astype(dtype), targets.astype(dtype), np.array(ROWS[name][1](size), dtype)


def evaluate(name, outputs, targets, parameters, weight):
    """Return loss and gradient, inputs between NaNs, the gradient between canaries."""
    outputs, targets = walled(outputs)[0], walled(targets)[0]
    with fenced(outputs.shape, outputs.dtype) as gradient:
        value = poison(lambda: ROWS[name][0](outputs, targets, gradient, parameters, weight), gradient)
        return value, gradient.copy()


@pytest.mark.parametrize("size", ODD_SIZES)
@pytest.mark.parametrize("name", ROWS)
def test_a_row(name, size, dtype, eps, rng):
    outputs, targets, parameters = arguments(name, size, dtype, rng)
    value, gradient = evaluate(name, outputs, targets, parameters, 0.25)
    expected, slope = ROWS[name][2](outputs[None], targets[None], parameters)
    largest = float(max(1, np.exp(outputs.max()) if name == "poisson" else 4 * np.abs(outputs).max()))
    assert value == pytest.approx(0.25 * expected, rel=0, abs=(8 + size) * eps * largest)
    np.testing.assert_allclose(gradient, 0.25 * slope[0], rtol=0, atol=8 * eps * largest / len(outputs))


@pytest.mark.parametrize("name", ROWS)
def test_the_gradient_is_that_of_the_loss(name, rng):
    """Central differences of the kernel itself, in float64: h**2 and eps / h are both about 1e-11."""
    outputs, targets, parameters = arguments(name, 4, np.float64, rng)
    gradient, h = evaluate(name, outputs, targets, parameters, 1.0)[1], 5e-6
    for index in range(len(outputs)):
        step = h * np.eye(len(outputs))[index]
        above, below = (
            evaluate(name, moved, targets, parameters, 1.0)[0] for moved in (outputs + step, outputs - step)
        )
        assert gradient[index] == pytest.approx((above - below) / (2 * h), rel=0, abs=1e-9)


@pytest.mark.parametrize("name", ROWS)
def test_nan_in_gives_nan(name, dtype, rng):
    outputs, targets, parameters = arguments(name, 17, dtype, rng)
    outputs[2] = np.nan
    value, gradient = evaluate(name, outputs, targets, parameters, 1.0)
    assert np.isnan(value)
    assert np.flatnonzero(np.isnan(gradient)).tolist() == [2]


def test_kinks(dtype):
    """An output that meets its target has no pinball loss and no gradient."""
    value, gradient = evaluate("quantile", np.ones(3, dtype), np.ones(1, dtype), np.array(LEVELS, dtype), 1.0)
    assert value == 0
    assert not gradient.any()
    value, gradient = evaluate(
        "huber_delta", np.array([2, -2, 1], dtype), np.zeros(3, dtype), np.array([2], dtype), 3.0
    )
    assert value == 2 + 2 + 0.5
    np.testing.assert_array_equal(gradient, [2, -2, 1])


def test_errors_large_and_small(dtype, eps):
    """log(cosh d) is |d| - log 2 far out, where cosh overflows, and d^2 / 2 near 0, with all its digits."""
    none = np.zeros(0, dtype)
    for d in (1e4, -1e4, 1e30):
        value, gradient = evaluate("log_cosh", np.array([d], dtype), np.zeros(1, dtype), none, 1.0)
        assert value == pytest.approx(abs(d) - np.log(2), rel=eps)
        assert gradient[0] == np.sign(d)
    for d in (1e-3, -1e-6, 1e-9):
        value, gradient = evaluate("log_cosh", np.array([d], dtype), np.zeros(1, dtype), none, 1.0)
        assert value == pytest.approx(d * d / 2, rel=8 * eps + d * d)
        assert gradient[0] == pytest.approx(d, rel=4 * eps + d * d)


def test_large_logits(dtype, eps):
    logits, targets = np.array([1e4, -1e4, 1e4, -1e4], dtype), np.array([1, 0, 0, 1], dtype)
    value, gradient = evaluate("positive_binary_cross_entropy", logits, targets, np.full(4, 3, dtype), 4.0)
    assert value == 1e4 + 3e4
    np.testing.assert_array_equal(gradient, [0, 0, 1, -3])
    value, gradient = evaluate(
        "poisson", np.array([-1e4, -50], dtype), np.array([2, 0], dtype), np.zeros(0, dtype), 2.0
    )
    assert value == pytest.approx(2e4, rel=eps)
    assert gradient[1] == pytest.approx(np.exp(-50), rel=4 * eps)


def test_positive_weights_of_1_are_the_binary_cross_entropy(dtype, eps, rng):
    outputs, targets, _ = arguments("positive_binary_cross_entropy", 17, dtype, rng)
    value, gradient = evaluate("positive_binary_cross_entropy", outputs, targets, np.ones(17, dtype), 1.0)
    expected, slope = oracle.binary_cross_entropy(outputs[None], targets[None])
    assert value == pytest.approx(expected, rel=8 * eps)
    np.testing.assert_allclose(gradient, slope[0], rtol=0, atol=eps)


@kernel
def through_address(address, outputs, targets, gradient, parameters):
    total = 0.0
    for r in range(outputs.shape[0]):
        total += call_for_float(address, row(outputs, r), row(targets, r), row(gradient, r), parameters, 0.5)
    return total


@pytest.mark.parametrize("loss", [Quantile(LEVELS), Huber(0.7), LOSSES["poisson"]], ids=repr)
def test_the_loop_gets_what_the_kernel_gives(loss, dtype, rng):
    name = loss.kernel
    outputs, targets, parameters = arguments(name, 5, dtype, rng)
    address, given = kernel_by_address(loss, np.dtype(dtype))
    assert same_bits(given, parameters)
    gradient = np.full((1, len(outputs)), np.nan, dtype)
    value, slope = evaluate(name, outputs, targets, parameters, 0.5)
    assert through_address(address, outputs[None], targets[None], gradient, given) == value
    assert same_bits(gradient[0], slope)


def test_every_kernel_is_of_a_loss():
    losses = [*LOSSES.values(), Huber(2.0), with_positive_weight((1.0,))]
    assert {loss.kernel for loss in losses if loss.kernel is not None} == set(ROWS)
    assert kernel_by_address(LOSSES["huber"], np.dtype("f4"))[0] == 0  # which the loop has
    assert address_of(kernels.poisson, np.dtype("f4"), 1, 1, 1, 1, 0, returns=np.dtype("f8"))


@needs_compiler
@pytest.mark.parametrize("name", ROWS)
def test_float32_stays_float32(name):
    """The total of a row is float64, one number; no vector is."""
    outputs, targets, parameters = arguments(name, 8, np.float32, np.random.default_rng(0))
    assert "x double>" not in llvm_code(ROWS[name][0], outputs, targets, outputs.copy(), parameters, 1.0)
