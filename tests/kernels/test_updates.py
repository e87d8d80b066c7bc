"""Ten steps of each update against its formula in the oracle, and the penalties."""

import numpy as np
import oracle
import pytest
from conftest import ODD_SIZES, fenced, llvm_code, needs_compiler, same_bits, walled
from oracle import METHODS

from hotloop import kernels

STEPS = 10


def start(name, size, dtype):
    """Return the gradients of ten steps, and state (zeros) and parameters to start from."""
    rng = np.random.default_rng(7)
    gradients, parameters = rng.normal(size=(STEPS, 127)), rng.normal(size=127)
    state = np.zeros((METHODS[name][0], size), dtype)
    return gradients[:, :size].astype(dtype), [*state, parameters[:size].astype(dtype)]


def ten_steps(name, size, dtype):
    """Return moments and parameters after ten steps of the kernel: each between canaries, the gradient between NaNs."""
    gradients, vectors = start(name, size, dtype)
    with fenced((len(vectors), size), dtype, padding=3) as rows:
        rows[...] = vectors
        for t, gradient in enumerate(gradients, start=1):
            getattr(kernels, name)(walled(gradient)[0], *METHODS[name][1](t), *rows)
        return rows.copy()


@pytest.mark.parametrize("name", METHODS)
def test_ten_steps(name, dtype, eps):
    """To some roundings a step, of vectors whose largest entries are of the order of one."""
    gradients, expected = start(name, 127, np.float64)
    for t, gradient in enumerate(gradients, start=1):
        expected = getattr(oracle, name)(gradient, *METHODS[name][1](t), *expected)
        assert np.abs(expected).max() < 30
    actual = ten_steps(name, 127, dtype)
    np.testing.assert_allclose(actual, expected, rtol=4 * STEPS * eps, atol=STEPS * eps)


@pytest.mark.parametrize("size", ODD_SIZES)
@pytest.mark.parametrize("name", METHODS)
def test_a_parameter_does_not_depend_on_its_neighbours(name, size, dtype):
    """To the bit, though some are updated in vectors and the rest one by one; none outside the vector is."""
    assert same_bits(ten_steps(name, size, dtype), np.ascontiguousarray(ten_steps(name, 127, dtype)[:, :size]))


@pytest.mark.parametrize("name", METHODS)
def test_nothing_to_update(name, dtype):
    assert ten_steps(name, 0, dtype).size == 0


@pytest.mark.parametrize("name", METHODS)
def test_nan_stays_visible(name, dtype):
    states, numbers = METHODS[name]
    vectors = [np.zeros(20, dtype) for _ in range(states + 1)]
    getattr(kernels, name)(np.where(np.arange(20) == 13, np.nan, 1).astype(dtype), *numbers(1), *vectors)
    for vector in vectors:
        np.testing.assert_array_equal(np.isnan(vector), np.arange(20) == 13)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_read_only_gradient(name):
    states, numbers = METHODS[name]
    gradient = np.full(7, -1, np.float32)
    gradient.setflags(write=False)
    vectors = [np.zeros(7, np.float32) for _ in range(states + 1)]
    getattr(kernels, name)(gradient, *numbers(1), *vectors)
    assert (vectors[-1] > 0).all()


@pytest.mark.parametrize("name", METHODS)
def test_lengths_that_do_not_fit(name):
    states, numbers = METHODS[name]
    for wrong in range(states + 2):
        vectors = [np.ones(6 if position == wrong else 5) for position in range(states + 2)]
        with pytest.raises(ValueError, match="gradient, moments and parameters must have the same length"):
            getattr(kernels, name)(vectors[0], *numbers(1), *vectors[1:])
        assert all((vector == 1).all() for vector in vectors)


@needs_compiler
@pytest.mark.parametrize("name", METHODS)
def test_float32_stays_float32(name):
    """The numbers come as float64 and are rounded once; no element becomes float64."""
    states, numbers = METHODS[name]
    vectors = [np.ones(5, np.float32) for _ in range(states + 2)]
    assert "fpext" not in llvm_code(getattr(kernels, name), vectors[0], *numbers(1), *vectors[1:])


@pytest.mark.parametrize("penalties", [(0.5, 0.0), (0.0, 0.25), (0.5, 0.25), (0.0, 0.0)], ids=str)
@pytest.mark.parametrize("size", [0, *ODD_SIZES])
def test_penalties(size, penalties, dtype, eps, rng):
    """Added to the gradient; a weight of 0 has none. The sum has `size` positive terms."""
    weights, gradient = rng.normal(size=(2, size)).astype(dtype)
    weights[::4] = 0
    expected_penalty, expected = oracle.add_penalty(weights, *penalties, gradient)
    with fenced((size,), dtype) as out:
        out[...] = gradient
        penalty = kernels.add_penalty(walled(weights)[0], *penalties, out)
        np.testing.assert_allclose(out, expected, rtol=2 * eps, atol=4 * eps)
    assert penalty == pytest.approx(expected_penalty, rel=(4 + size / 2) * eps)


def test_penalty_of_a_nan(dtype):
    weights, gradient = np.array([1, np.nan, 2], dtype), np.zeros(3, dtype)
    assert np.isnan(kernels.add_penalty(weights, 0.5, 0.0, gradient))
    np.testing.assert_array_equal(np.isnan(gradient), [False, True, False])


def test_penalty_of_lengths_that_do_not_fit():
    gradient = np.ones(4)
    with pytest.raises(ValueError, match="must have the same length"):
        kernels.add_penalty(np.ones(5), 0.5, 0.25, gradient)
    assert (gradient == 1).all()


@needs_compiler
def test_penalty_in_float32_stays_float32():
    ones = np.ones(5, np.float32)
    assert "x double>" not in llvm_code(kernels.add_penalty, ones, 0.5, 0.25, ones.copy())
