"""Rows split at random, and synthetic data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotloop.datasets import split_rows, synthetic


@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=80),
    fraction=st.floats(0.05, 0.95),
    seed=st.integers(0, 5),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_split_is_stratified(labels, fraction, seed):
    labels = np.array(labels)
    counts = np.bincount(labels)
    if counts.max() < 2:
        with pytest.raises(ValueError, match="rows, so none can be held out"):
            split_rows(len(labels), fraction, seed, labels)
        return
    kept, aside = split_rows(len(labels), fraction, seed, labels)
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, aside])), np.arange(len(labels)))
    taken = np.bincount(labels[aside], minlength=len(counts))
    assert np.all(np.abs(taken - counts * fraction) <= 1)
    assert np.all(taken[counts > 0] < counts[counts > 0])
    assert len(aside) >= 1


@given(n_rows=st.integers(2, 200), fraction=st.floats(0.01, 0.99))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_split_without_labels(n_rows, fraction):
    kept, aside = split_rows(n_rows, fraction, 0)
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, aside])), np.arange(n_rows))
    assert len(aside) == min(max(round(n_rows * fraction), 1), n_rows - 1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: synthetic(5, 10, classes=True), TypeError, "sizes must be a sequence"),
        (lambda: synthetic([5, 2], 0, classes=True), ValueError, "rows must be at least 1, got 0"),
        (lambda: synthetic([5, 2], 10, classes="yes"), TypeError, "classes must be True or False"),
        (lambda: synthetic([5, 2], 10, classes=True, dtype="int8"), ValueError, "dtype must be 'float32' or 'float64'"),
        (lambda: synthetic([5, 2], 10, classes=True, seed=-1), ValueError, "seed must be at least 0"),
        (lambda: split_rows(2.5, 0.5, 0), TypeError, "n_rows must be a whole number, got 2.5"),
        (lambda: split_rows(1, 0.5, 0), ValueError, "1 row cannot be split"),
    ],
)
def test_arguments_are_checked(call, error, message):
    with pytest.raises(error, match=message):
        call()
