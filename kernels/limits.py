"""Measured limits of this machine: what one core multiplies and adds in registers, and what it moves through memory.

Nothing is computed with these loops; benchmarks and ``hotloop doctor`` time them, to say how near the others come.
"""

from hotloop.kernels.jit import Array, kernel
from hotloop.kernels.matmul import ROWS, START, VECTORS
from hotloop.kernels.simd import tile, width

ACCUMULATORS = ROWS * VECTORS


@kernel
def multiply_adds(a: Array, b: Array, repeats: int, c: Array) -> None:
    """c[r] += repeats * a[r] * b: a tile of the matrix product that reads nothing, 2 * c.size * repeats operations.

    Parameters
    ----------
    a : array (ROWS,)
    b : array (VECTORS * width,)
    repeats : int
    c : array (ROWS * VECTORS * width,)
        Accumulated into.
    """
    size = VECTORS * width(c)
    one = c.dtype.type(1)
    tile(
        ROWS, VECTORS, a, START, START + 1, START, b, START, START, repeats, one, c, START, size, c, START, size
    )  # fmt: skip


@kernel
def triad(a: Array, b: Array, passes: int, c: Array) -> None:
    """c := a + 3 b, over and over, three arrays (n,): two are read and one is written (McCalpin's STREAM triad)."""
    factor = c.dtype.type(3)
    for _ in range(passes):
        for i in range(c.size):
            c[i] = a[i] + factor * b[i]
