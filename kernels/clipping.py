"""Clipping of gradients and of norms of weights: kernels that few networks need, called by address."""

import math

import numpy as np

from hotloop.kernels.jit import Array, kernel
from hotloop.kernels.views import reinterpret, segment, stack_array

LANES = 8


@kernel
def clip(values: Array, factor: float, bound: float) -> float:
    """g := factor g, cut off at -bound and bound; returns sum g^2.  A factor of 1 and an infinite bound change nothing.

    The sum is in float64, in which no square of a float32 overflows, and in one order whatever the compiler does: lane
    by lane, then from the first lane to the last. NaN stays NaN; with a finite bound an infinity becomes the bound.

    Parameters
    ----------
    values : array (n,)
        Overwritten. Memory for two numbers, even if n is 1.
    factor, bound : float
    """
    T = values.dtype.type
    scale, most, least = T(factor), T(bound), T(-bound)
    sums = stack_array(reinterpret(segment(values, 0, 2), np.float64), LANES)
    for j in range(LANES):
        sums[j] = 0
    whole = values.size // LANES * LANES
    for i in range(0, whole, LANES):
        lanes = segment(values, i, LANES)
        for j in range(LANES):
            g = lanes[j] * scale
            g = most if g > most else (least if g < least else g)
            lanes[j] = g
            sums[j] += np.float64(g) * np.float64(g)
    total = 0.0
    for j in range(LANES):
        total += sums[j]
    for i in range(whole, values.size):
        g = values[i] * scale
        g = most if g > most else (least if g < least else g)
        values[i] = g
        total += np.float64(g) * np.float64(g)
    return total


@kernel
def limit_column_norms(weights: Array, stride: int, start: int, stop: int, largest: float) -> None:
    """w := w c / |w| for each column w of norm above c = `largest`; others keep their bits.

    Norms and factors are in float64; the squares of a column are added from the first row to the last. A column that is
    not finite stays as it is.

    Parameters
    ----------
    weights : array (rows * stride,)
        Overwritten. A matrix, row by row.
    stride, start, stop : int
        The length of a row, and which columns; multiples of 8.
    largest : float
    """
    T = weights.dtype.type
    rows = weights.size // stride
    factors = stack_array(reinterpret(segment(weights, 0, 2), np.float64), LANES)
    for left in range(start, stop, LANES):
        for j in range(LANES):
            factors[j] = 0
        for i in range(rows):
            w = segment(weights, i * stride + left, LANES)
            for j in range(LANES):
                factors[j] += np.float64(w[j]) * np.float64(w[j])
        changes = 0
        for j in range(LANES):
            norm = math.sqrt(factors[j])
            too_large = largest < norm < np.inf
            changes += too_large
            factors[j] = largest / norm if too_large else 1.0
        if changes > 0:
            for i in range(rows):
                w = segment(weights, i * stride + left, LANES)
                for j in range(LANES):
                    w[j] = T(np.float64(w[j]) * factors[j])
