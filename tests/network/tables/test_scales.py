"""The robust scale and the smooth clip, against NumPy's quantiles and the formula."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotloop.network.tables.scales import robust, robust_of_counts, scaled


def by_formula(values):
    low, median, high = (np.quantile(values, share) for share in (0.25, 0.5, 0.75))
    width = high - low if high != low else (values.max() - values.min()) / 2
    return median, 1 / width if width else 0.0


@pytest.mark.parametrize("values", [
    [1.0], [1.0, 2.0], [3.0, 3.0, 3.0], [0.0, 0.0, 0.0, 0.0, 7.0], [-1e9, 0.0, 1.0, 2.0, 1e9],
    [1700000000.0, 1700000000.25, 1700000001.0],
])  # fmt: skip
def test_median_and_scale(values):
    values = np.array(values)
    np.testing.assert_allclose(robust(values), by_formula(values), rtol=1e-15)


def test_a_spread_that_overflows_or_is_denormal_has_a_finite_scale():
    assert robust(np.array([-1.7e308, -1.7e308, 1.7e308, 1.7e308]))[1] == pytest.approx(0.5 / 1.7e308)
    assert 0 < robust(np.array([0.0, 5e-324, 1e-323]))[1] < np.inf


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 9)), min_size=1, max_size=5, unique_by=lambda pair: pair[0])
)
def test_counted_values_are_those_that_are_repeated(pairs):
    pairs.sort()
    values, counts = (np.array(column) for column in zip(*pairs, strict=True))
    if counts.sum():
        repeated = np.repeat(values.astype(np.float64), counts)
        np.testing.assert_allclose(
            robust_of_counts(values.astype(np.float64), counts), by_formula(repeated), rtol=1e-14
        )


def test_the_clip_is_smooth_and_its_limit_is_3():
    x = np.array([-np.inf, -1.7e308, -100.0, -3.0, -0.5, 0.0, 1e-9, 2.0, 1e30, np.nan])
    with np.errstate(over="ignore", invalid="ignore"):
        wanted = x / np.hypot(1, x / 3)
    wanted[[0, 8]] = -3, 3
    np.testing.assert_allclose(scaled(x, 0.0, 1.0), wanted, rtol=1e-15)
    np.testing.assert_allclose(scaled(np.array([5.0]), 1.0, 0.5), 2 / np.sqrt(1 + 4 / 9), rtol=1e-15)
