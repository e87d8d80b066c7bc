"""Philox against its published vectors; dropout against the oracle, and its promises one by one."""

import math
import re

import numba
import numpy as np
import oracle
import pytest
from conftest import COMPILED, fenced, llvm_code, needs_compiler, same_bits

from hotloop.kernels import dropout
from hotloop.kernels.random import philox

# Counter, key and result: file kat_vectors of Random123 (D. E. Shaw Research), the three for "philox4x32 10".
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]
SHAPE = (300, 200) if COMPILED else (40, 25)


def words(text):
    return tuple(int(word, 16) for word in text.split())


@numba.njit
def call_philox(words):
    return philox((words[0], words[1], words[2], words[3]), (words[4], words[5]))


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN_ANSWERS)
def test_known_answers(counter, key, result):
    assert call_philox(np.array(words(counter) + words(key), np.uint64)) == words(result)
    assert oracle.philox(words(counter), words(key)) == words(result)


def mask(seed=1, step=2, first_row=0, first_unit=0, rate=0.5, shape=SHAPE):
    """Return which ones are kept."""
    values = np.ones(shape, np.float32)
    dropout(seed, step, first_row, first_unit, rate, values)
    return values != 0


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("place", [
    (0, 0, 0, 0),
    (2**63 - 1, 1, 5, 7),
    (2**32, 2**32, 0, 0),
    (3, 2**40 + 11, 100_000, 4096),
])  # fmt: skip
@pytest.mark.parametrize(("rate", "units"), [(0.0, 17), (0.1, 17), (0.5, 32), (0.5, 300), (0.9, 17)])
def test_dropout(place, rate, units, padding, dtype, eps, rng):
    """Of less than a block of 32 units, of one, and of more than the 256 that are applied together."""
    values = rng.normal(size=(6 if units < 50 else 2, units)).astype(dtype)
    with fenced(values.shape, dtype, padding) as out:
        out[...] = values
        dropout(*place, rate, out)
        np.testing.assert_allclose(out, oracle.dropout(*place, rate, values), rtol=2 * eps, atol=0)


def test_a_rate_of_zero_changes_nothing(dtype, rng):
    values = rng.normal(size=(6, 17)).astype(dtype)
    out = values.copy()
    dropout(1, 2, 0, 0, 0.0, out)
    assert same_bits(out, values)


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5, 0.95])
def test_the_share_kept(rate):
    """Within five standard deviations of the binomial distribution: by chance, once in two million seeds."""
    n = math.prod(SHAPE)
    assert abs(mask(rate=rate).mean() - (1 - rate)) <= 5 * math.sqrt(rate * (1 - rate) / n)


def test_the_mean_is_kept(dtype):
    """Inverted scaling: what is kept makes up for what is dropped."""
    values = np.ones(SHAPE, dtype)
    dropout(1, 2, 0, 0, 0.25, values)
    assert set(np.unique(values)) == {0, dtype(4 / 3)}
    assert abs(values.mean(dtype=np.float64) - 1) <= 5 * math.sqrt(0.25 / 0.75 / values.size)


def test_neighbours_are_independent():
    """The share of equal draws in neighbouring rows, units, steps and seeds is a half, to five standard deviations."""
    kept = mask()
    pairs = {
        "rows": (kept[1:], kept[:-1]),
        "units": (kept[:, 1:], kept[:, :-1]),
        "steps": (kept, mask(step=3)),
        "seeds": (kept, mask(seed=2)),
        "seeds of more than 32 bits": (kept, mask(seed=1 + 2**32)),
        "steps of more than 32 bits": (kept, mask(step=2 + 2**32)),
        "layers, the second numbered on from the first": (kept, mask(first_unit=SHAPE[1])),
    }
    for name, (a, b) in pairs.items():
        assert abs((a == b).mean() - 0.5) <= 5 * 0.5 / math.sqrt(a.size), name


def test_a_mask_does_not_depend_on_how_the_work_is_cut(dtype, rng):
    """Rows 3 to 5 by themselves, and some units by themselves, are those of the whole; to the bit."""
    values = rng.normal(size=(8, 300)).astype(dtype)
    whole, rows = values.copy(), values[3:6].copy()
    dropout(1, 2, 40, 50, 0.5, whole)
    dropout(1, 2, 43, 50, 0.5, rows)
    assert same_bits(rows, whole[3:6])
    for first, stop in ((4, 10), (14, 46), (46, 47), (200, 300)):
        units = values[:, first:stop].copy()
        dropout(1, 2, 40, 50 + first, 0.5, units)
        assert same_bits(units, whole[:, first:stop])


def test_the_backward_pass_draws_the_same_mask():
    np.testing.assert_array_equal(mask(), mask())


def test_nan_stays_nan(dtype):
    values = np.full((4, 17), np.nan, dtype)
    dropout(1, 2, 0, 0, 0.5, values)
    assert np.isnan(values).all()


def test_nothing_to_drop(dtype):
    for shape in ((0, 4), (4, 0)):
        dropout(1, 2, 0, 0, 0.5, np.empty(shape, dtype))


def test_rows_that_are_not_contiguous(dtype):
    values = np.ones((4, 9), dtype)
    with pytest.raises(ValueError, match="contiguous"):
        dropout(1, 2, 0, 0, 0.5, values[:, ::3])
    assert (values == 1).all()


@needs_compiler
def test_float32_stays_float32():
    """The rate comes as float64 and is rounded once; no value becomes float64."""
    assert "fpext" not in llvm_code(dropout, 1, 2, 0, 0, 0.5, np.ones((3, 4), np.float32))


@needs_compiler
def test_draws_become_vectors():
    """One by one they take ten times as long."""
    code = llvm_code(dropout, 1, 2, 0, 0, 0.5, np.ones((3, 4), np.float32))
    assert re.search(r"mul (nuw |nsw )*<\d+ x i64>", code)
