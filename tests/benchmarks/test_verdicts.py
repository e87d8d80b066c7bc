"""Verdicts from the ratios of two commits."""

import itertools
import math

import pytest

from benchmarks.comparison.verdicts import CLEARANCE, FEWEST, Comparison, interval


def test_the_interval_covers_the_median_as_often_as_it_says():
    """By trying all signs that n values can have about the median, and counting where the median lies."""
    for n in (8, 11, 13):
        values = list(range(n))
        low, high = interval(values, 0.99)
        covered = sum(
            1 for below in itertools.product((0, 1), repeat=n) if low < sum(below) <= high
        )  # the median lies between the sum(below) - 1-th and the sum(below)-th value
        assert covered / 2**n >= 0.99
        assert (low, high) == (values[low], values[n - 1 - low])
        narrower = sum(math.comb(n, count) for count in range(low + 2, high)) / 2**n
        assert narrower < 0.99


def test_how_many_values_are_needed():
    assert interval([1.0] * 7) == (-math.inf, math.inf)
    assert interval([3, 1, 4, 1, 5, 9, 2, 6]) == (1, 9)
    assert interval([3, 1, 4, 1, 5, 9, 2, 6], CLEARANCE) == (1, 6)
    assert interval([1.0] * (FEWEST - 1), CLEARANCE) == (-math.inf, math.inf)
    assert interval([3, 1, 4, 1, 5], CLEARANCE) == (1, 5)


def comparison(ratios, exact=False):
    return Comparison("x", exact, [1.0] * len(ratios), list(ratios))


@pytest.mark.parametrize(("ratios", "verdict"), [
    ([1.06] * 8, "slower"),
    ([1.15, 1.2, 1.1, 1.12, 1.18, 1.3, 1.06, 1.15], "slower"),
    ([1.15] * 7 + [1.04], "unsure"),
    ([1.05] * 8, "same"),
    ([1.0] * 7 + [1.06], "same"),
    ([1.0] * 6 + [1.06] * 2, "unsure"),
    ([1.0] * 5, "same"),
    ([1.0] * 4 + [1.06], "unsure"),
    ([1.0] * 4, "unsure"),
    ([0.9] * 8, "faster"),
    ([0.9] * 5, "faster"),
    ([0.9] * 7 + [1.0], "faster"),
    ([0.9] * 6 + [1.0] * 2, "same"),
    ([1.2] * 7, "unsure"),
])  # fmt: skip
def test_verdicts(ratios, verdict):
    assert comparison(ratios).verdict(1.05) == verdict


@pytest.mark.parametrize(("base", "head", "verdict"), [
    (28, 29, "slower"), (28, 28, "same"), (28, 27, "faster"), (0, 0, "same"), (0, 1, "slower"), (1, 0, "faster"),
    (0, 5e-324, "slower"),
])  # fmt: skip
def test_what_is_exact_may_not_grow_at_all(base, head, verdict):
    assert Comparison("x", True, [base], [head]).verdict(1.05) == verdict
