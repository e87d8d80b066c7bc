"""Functions called by address: each gets the arrays and numbers it was compiled for, and its result comes back."""

import numpy as np
import pytest
from conftest import COMPILED

from hotloop.kernels.by_address import address_of, call, call_for_float
from hotloop.kernels.jit import kernel
from hotloop.kernels.lowering import by_address as lowering
from hotloop.kernels.views import segment


@kernel
def scaled_by(factor, z, out):
    for i in range(out.size):
        out[i] = factor * z[i]


@kernel
def weighted_sum(z, weight):
    total = 0.0
    for i in range(z.size):
        total += z[i]
    return weight * total


@kernel
def both(first, second, z, out):
    call(first, 2.0, segment(z, 1, z.size - 1), segment(out, 1, z.size - 1))
    return call_for_float(second, out, 3.0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_calls_by_address(dtype):
    kind = np.dtype(dtype)
    first = address_of(scaled_by, kind, 0, 1, 1)
    second = address_of(weighted_sum, kind, 1, 0, returns=np.dtype("float64"))
    z, out = np.arange(5, dtype=kind), np.full(5, -1, kind)
    assert both(first, second, z, out) == 3 * (-1 + 2 + 4 + 6 + 8)
    assert out.tolist() == [-1, 2, 4, 6, 8]


@pytest.mark.skipif(not COMPILED, reason="about what is kept of compiled code")
def test_an_address_is_found_once():
    """Data in parts ask for it at each step, and what is compiled is kept for ever."""
    found, kept = address_of(scaled_by, np.dtype("float32"), 0, 1, 1), len(lowering._keep_alive)
    assert address_of(scaled_by, np.dtype("float32"), 0, 1, 1) == found
    assert len(lowering._keep_alive) == kept
