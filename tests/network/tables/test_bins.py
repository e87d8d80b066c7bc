"""The piecewise-linear encoding of numbers, held to its formula row by row."""

from itertools import pairwise

import numpy as np
import pytest
from conftest import same_bits

from hotloop.network.tables.preparation import Preparation
from hotloop.network.tables.table import table_of


def bins_of(x, edges):
    """Return 2 e - 1 for one number, with e of Gorishniy et al. (2022), equation 1."""
    found = []
    for low, high in pairwise(edges):
        e = 0.0 if x < low else 1.0 if x >= high else (x - low) / (high - low)
        found.append(2 * e - 1)
    return found


def prepared(table, bins, other=None):
    preparation = Preparation.fit(table_of(table), numeric_bins=bins)
    return preparation, preparation.transform(table_of(table if other is None else other), dtype=np.float64)


@pytest.mark.parametrize("dtype", [np.float64, np.int32])
def test_bins_lie_between_quantiles(dtype, rng):
    x = np.round(rng.normal(size=101) * 100).astype(dtype)
    preparation, matrix = prepared({"x": x}, 4, {"x": [*x, -1000, 1000]})
    edges = np.quantile(x, [0, 0.25, 0.5, 0.75, 1])
    expected = [bins_of(value, edges) for value in [*x.tolist(), -1000, 1000]]
    np.testing.assert_allclose(matrix[:, 1:], expected, rtol=0, atol=1e-14)
    plain = Preparation.fit(table_of({"x": x})).transform(table_of({"x": [*x, -1000, 1000]}), dtype=np.float64)
    assert same_bits(np.ascontiguousarray(matrix[:, :1]), plain)
    assert preparation.columns[0].note == "scaled by median and quartiles, 4 bins"


def test_equal_edges_are_one_and_missing_values_are_the_median():
    x = [0.0] * 5 + [1.0] * 3 + [5.0, None]
    preparation, matrix = prepared({"x": x, "two": [0] * 8 + [1] * 2, "text": list("abcde") * 2}, 4)
    reports = {column.name: column for column in preparation.columns}
    edges = np.unique(np.quantile(x[:-1], [0, 0.25, 0.5, 0.75, 1]))  # 0, 0, 0, 1 and 5
    assert len(edges) == 3
    inputs = matrix[:, reports["x"].inputs]
    assert inputs.shape == (10, 4)  # the number, the flag, two bins
    assert np.unique(inputs[:-1, 1]).size == 1 != inputs[-1, 1] - inputs[0, 1]
    np.testing.assert_array_equal(inputs[:, 2:], [bins_of(0.0 if value is None else value, edges) for value in x])
    assert reports["two"].n_inputs == 1  # one bin would be the number itself
    assert reports["text"].n_inputs == 5


def test_state_gives_the_same_bits(rng):
    table = {"x": rng.normal(size=50), "y": rng.integers(2**60, 2**60 + 1000, 50)}
    preparation, matrix = prepared(table, 8)
    assert matrix.shape == (50, 18)
    again = Preparation.from_state(*preparation.state())
    assert same_bits(again.transform(table_of(table), dtype=np.float64), matrix)


def test_tiny_and_huge_spreads_stay_finite():
    for values in ([0.0, 5e-324, 1e-323, 1.0], [-1e308, 0.0, 1e308, 1.0], [1.0, 1.0 + 1e-15, 1.0 + 2e-15, 2.0]):
        _, matrix = prepared({"x": values}, 3)
        assert np.isfinite(matrix).all()
        assert (np.abs(matrix[:, 1:]) <= 1).all()
