"""The kernels that clip a gradient and limit the norm of weights, against NumPy in float64."""

import numpy as np
import pytest
from conftest import ODD_SIZES, fenced, same_bits

from hotloop.kernels.clipping import clip, limit_column_norms


@pytest.mark.parametrize("size", [0, *ODD_SIZES])
@pytest.mark.parametrize(("factor", "bound"), [(1.0, np.inf), (0.3, np.inf), (1.0, 0.5), (0.3, 0.1)], ids=str)
def test_clipped_values_and_their_squares(size, factor, bound, dtype, rng):
    given = rng.normal(size=size).astype(dtype)
    with fenced((size,), dtype) as values:
        values[...] = given
        total = clip(values, factor, bound)
        assert same_bits(values, np.clip(given * dtype(factor), dtype(-bound), dtype(bound)))
        assert total == pytest.approx((values.astype(np.float64) ** 2).sum(), rel=1e-14)


def test_what_is_not_finite(dtype):
    """Infinity is cut off, NaN stays; squares do not overflow in float32."""
    values = np.array([np.nan, np.inf, -np.inf] * 5, dtype)
    assert np.isnan(clip(values, 1.0, 2.0))
    np.testing.assert_array_equal(values, [np.nan, 2, -2] * 5)
    large = np.full(9, 1e30, dtype)
    assert clip(large, 1.0, np.inf) == pytest.approx(9e60, rel=1e-6)


@pytest.mark.parametrize("rows", [1, 6, 33])
def test_norms_of_columns(rows, dtype, eps, rng):
    """Columns start to stop only; those of norm up to 2 keep their bits, and so do zeros."""
    given = rng.normal(size=(rows, 40)).astype(dtype)
    given[:, 20:25] *= dtype(100)
    given[:, 26] = 0
    wanted = given.copy()
    norms = np.sqrt((given.astype(np.float64) ** 2).sum(axis=0))
    chosen = (norms > 2) & (np.arange(40) >= 16) & (np.arange(40) < 32)
    wanted[:, chosen] = (given.astype(np.float64) * (2 / np.maximum(norms, 2)))[:, chosen]
    with fenced((rows * 40,), dtype) as weights:
        weights[...] = given.ravel()
        limit_column_norms(weights, 40, 16, 32, 2.0)
        np.testing.assert_allclose(weights.reshape(rows, 40), wanted, rtol=2 * eps)
        assert same_bits(weights.reshape(rows, 40)[:, ~chosen], given[:, ~chosen])
    assert 5 <= chosen.sum() < 16


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_column_that_is_not_finite_stays(value, dtype):
    weights = np.ones((4, 8), dtype)
    weights[2, 3] = value
    before = weights.copy()
    limit_column_norms(weights.reshape(-1), 8, 0, 8, 1.0)
    np.testing.assert_array_equal(weights[:, 3], before[:, 3])
    np.testing.assert_array_equal(np.delete(weights, 3, axis=1), 0.5)
