"""Layer normalisation, learnt activations, scales of inputs and column sums, each against NumPy in float64."""

import numpy as np
import pytest
from conftest import ODD_SIZES, same_bits

from hotloop.kernels.column_sums import column_sums
from hotloop.kernels.input_scale import scale_inputs, scale_inputs_backward
from hotloop.kernels.layer_norm import layer_norm, layer_norm_backward
from hotloop.kernels.learnt_activation import learnt_activation, learnt_activation_backward

ROWS, PADDING = 5, 3


def padded(array):
    """Return rows with poisoned padding after each, as one vector."""
    wide = np.full((len(array), array.shape[1] + PADDING), 7, array.dtype)
    wide[:, : array.shape[1]] = array
    return wide.ravel()


def inside(vector, width):
    """Return the rows without their padding, which must be zero."""
    wide = vector.reshape(-1, width + PADDING)
    assert not wide[:, width:].any()
    return wide[:, :width]


def normalised(z, gain, shift, epsilon):
    deviation = np.sqrt(z.var(axis=1, keepdims=True) + epsilon)
    xhat = (z - z.mean(axis=1, keepdims=True)) / deviation
    return xhat, gain * xhat + shift, 1 / deviation[:, 0]


def jacobian(z, gain, epsilon):
    """Return dy/dz of one row, by complex steps: exact to rounding."""
    columns = []
    for k in range(z.size):
        step = z + 1e-30j * (np.arange(z.size) == k)
        centred = step - step.mean()
        columns.append((gain * centred / np.sqrt((centred**2).mean() + epsilon)).imag / 1e-30)
    return np.array(columns).T


@pytest.mark.parametrize("width", ODD_SIZES)
@pytest.mark.parametrize("epsilon", [1e-5, 0.5])
def test_layer_norm(width, epsilon, dtype, eps, rng):
    z, dy = rng.normal(3, 2, size=(2, ROWS, width)).astype(dtype)
    gain, shift = rng.normal(size=(2, width)).astype(dtype)
    x, out, deviations = padded(z), np.full(ROWS * (width + PADDING), np.nan, dtype), np.full(ROWS, np.nan, dtype)
    learnt = [padded(vector[None]) for vector in (gain, shift)]
    layer_norm(x, *learnt, width, epsilon, deviations, out)
    wanted = normalised(*(array.astype(np.float64) for array in (z, gain, shift)), epsilon)
    # The mean is rounded at the size of z, and divided by a deviation that may be small.
    tolerance = 32 * eps * (1 + np.abs(z).max() * wanted[2].max())
    np.testing.assert_allclose(inside(x, width), wanted[0], rtol=0, atol=tolerance)
    np.testing.assert_allclose(inside(out, width), wanted[1], rtol=0, atol=3 * tolerance)
    np.testing.assert_allclose(deviations, wanted[2], rtol=tolerance)
    dshift, delta = np.full_like(out, np.nan), padded(dy)
    layer_norm_backward(learnt[0], deviations, width, x, dshift, delta)
    slopes = [
        jacobian(row, gain.astype(np.float64), epsilon).T @ g for row, g in zip(z.astype(np.float64), dy, strict=True)
    ]
    largest = np.abs(dy).max() * np.abs(gain).max() * wanted[2].max()
    np.testing.assert_allclose(inside(delta, width), slopes, rtol=0, atol=8 * tolerance * max(largest, 1))
    np.testing.assert_allclose(inside(x, width), dy * wanted[0], rtol=0, atol=4 * tolerance)
    assert same_bits(np.ascontiguousarray(inside(dshift, width)), dy)


@pytest.mark.parametrize("value", [1e20, np.inf, np.nan])
def test_a_row_whose_variance_overflows_is_nan(value, dtype):
    """As 1 / inf it would be the shift alone, and the layer would go on in silence. Other rows stay."""
    z = np.arange(12, dtype=dtype).reshape(2, 6)
    z[1, 2] = value if dtype == np.float32 else value**10
    x, out, deviations = padded(z), padded(z), np.empty(2, dtype)
    layer_norm(x, *(padded(np.ones((1, 6), dtype)) for _ in range(2)), 6, 1e-5, deviations, out)
    assert np.isnan(inside(out, 6)[1]).all()
    assert np.isfinite(inside(out, 6)[0]).all()


def test_a_row_does_not_depend_on_those_beside_it(dtype, rng):
    z, (gain, shift) = rng.normal(size=(ROWS, 33)).astype(dtype), rng.normal(size=(2, 33)).astype(dtype)
    together, alone = np.empty((2, ROWS, 33), dtype)
    layer_norm(z.copy().ravel(), gain, shift, 33, 1e-5, np.empty(ROWS, dtype), together.reshape(-1))
    for row, out in zip(z, alone, strict=True):
        layer_norm(row.copy(), gain, shift, 33, 1e-5, np.empty(1, dtype), out)
    assert same_bits(together, alone)


@pytest.mark.parametrize("width", [1, 17])
def test_learnt_activation(width, dtype, eps, rng):
    x, f, slope, g = rng.normal(size=(4, ROWS, width)).astype(dtype)
    a, out = rng.normal(size=width).astype(dtype), np.full(ROWS * width, np.nan, dtype)
    learnt_activation(x.ravel(), f.ravel(), a, out)
    np.testing.assert_allclose(out.reshape(x.shape), (1 - a) * x + a * f, rtol=0, atol=32 * eps)
    kept, delta = g.ravel().copy(), (g * slope).ravel()
    learnt_activation_backward(x.ravel(), f.ravel(), a, kept, delta)
    np.testing.assert_allclose(delta.reshape(x.shape), g * (1 - a + a * slope), rtol=0, atol=64 * eps)
    np.testing.assert_allclose(kept.reshape(x.shape), g * (f - x), rtol=0, atol=64 * eps)
    learnt_activation(x.ravel(), f.ravel(), np.ones(width, dtype), out)
    assert same_bits(out, f.ravel())


def test_scale_inputs(dtype, rng):
    x, g = rng.normal(size=(2, ROWS, 17)).astype(dtype)
    scale, out = rng.normal(size=17).astype(dtype), np.full(ROWS * 17, np.nan, dtype)
    scale_inputs(x.ravel(), scale, out)
    assert same_bits(out.reshape(x.shape), x * scale)
    delta = g.ravel().copy()
    scale_inputs_backward(x.ravel(), delta)
    assert same_bits(delta.reshape(x.shape), x * g)


@pytest.mark.parametrize(("initial", "scale"), [(0.0, 1.0), (1.0, 1.0), (1.0, -0.5)])
@pytest.mark.parametrize("columns", [1, 64, 131])
def test_column_sums(columns, initial, scale, dtype, eps, rng):
    """Of some columns of rows that are wider; nothing else is touched."""
    x, before = rng.normal(size=(ROWS, columns + 9)).astype(dtype), rng.normal(size=columns + 12).astype(dtype)
    out = before.copy()
    column_sums(x.ravel(), out, 0, 2, initial, scale, ROWS, columns + 9, 4, 4 + columns)
    wanted = before.astype(np.float64)
    wanted[6 : 6 + columns] = initial * wanted[6 : 6 + columns] + scale * x[:, 4 : 4 + columns].sum(axis=0, dtype="f8")
    np.testing.assert_allclose(out, wanted, rtol=0, atol=16 * eps)
    assert same_bits(out[:6], before[:6])
    assert same_bits(out[6 + columns :], before[6 + columns :])
