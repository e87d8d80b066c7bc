"""Measured limits of this machine: what one core multiplies and adds, and what it moves through memory.

Nothing is computed with these loops; benchmarks and ``hotloop doctor`` time them, to say how near the others come.
"""

from typing import Any

import numpy as np

from hotloop.kernels.jit import Array, kernel
from hotloop.kernels.matmul import ROWS, START, VECTORS
from hotloop.kernels.simd import tile, width

ACCUMULATORS = ROWS * VECTORS
DEPTH: Any = np.int64(128)  # 16 KB of B, and a quarter of it of A


@kernel
def multiply_adds(a: Array, b: Array, repeats: int, c: Array) -> None:
    """c[r] += a[r] b, over and over: a tile of the matrix product, 2 * c.size * DEPTH * repeats operations.

    Its sums stay in registers, and all that it reads in the first-level cache. A tile that reads the same few numbers
    at each step would be no limit: with 16 registers of 32 bytes LLVM keeps them there, has none left for the sums, and
    comes to a third of the rate.

    Parameters
    ----------
    a : array (ROWS * DEPTH,)
    b : array (DEPTH * VECTORS * width,)
    repeats : int
    c : array (ROWS * VECTORS * width,)
        Accumulated into.
    """
    size = VECTORS * width(c)
    one = c.dtype.type(1)
    for _ in range(repeats):
        tile(
            ROWS, VECTORS, a, START, DEPTH, START + 1, b, START, size, DEPTH, one, c, START, size, c, START, size
        )  # fmt: skip


@kernel
def triad(a: Array, b: Array, passes: int, c: Array) -> None:
    """c := a + 3 b, over and over, three arrays (n,): two are read and one is written (McCalpin's STREAM triad)."""
    factor = c.dtype.type(3)
    for _ in range(passes):
        for i in range(c.size):
            c[i] = a[i] + factor * b[i]
