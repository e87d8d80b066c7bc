"""Measured limits of this machine: what one core multiplies and adds, and what it moves through memory.

Benchmarks, profiles and ``hotloop doctor`` time these loops, to say how near the others come.
"""

from typing import Any

import numpy as np

from hotloop.kernels.jit import Array, kernel
from hotloop.kernels.matmul import MR, NR, UNIT_STRIDE, ZERO
from hotloop.kernels.records import Matrix
from hotloop.kernels.simd import micro_kernel, width

ACCUMULATORS = MR * NR
DEPTH: Any = np.int64(128)  # 16 KB of B, and a quarter of it of A


@kernel
def multiply_adds(a: Array, b: Array, repeats: int, c: Array) -> None:
    """c[r] += a[r] b, `repeats` times: the micro-kernel, 2 * c.size * DEPTH * repeats operations.

    Its sums stay in registers, and all that it reads in the first-level cache. Reading the same few numbers at each
    step would be no limit: with 16 registers of 32 bytes LLVM keeps them there, has none left for the sums, and reaches
    a third of the rate.

    Parameters
    ----------
    a : array (MR * DEPTH,)
    b : array (DEPTH * NR * width,)
    repeats : int
    c : array (MR * NR * width,)
        Accumulated into.
    """
    size = NR * width(c)
    one, left, right = c.dtype.type(1), Matrix(a, ZERO, DEPTH, UNIT_STRIDE), Matrix(b, ZERO, size, UNIT_STRIDE)
    sums = Matrix(c, ZERO, size, UNIT_STRIDE)
    for _ in range(repeats):
        micro_kernel(MR, NR, left, right, DEPTH, one, sums, sums)


@kernel
def triad(a: Array, b: Array, passes: int, c: Array) -> None:
    """c = a + 3 b, `passes` times, three arrays (n,): two are read and one is overwritten (McCalpin's STREAM triad)."""
    factor = c.dtype.type(3)
    for _ in range(passes):
        for i in range(c.size):
            c[i] = a[i] + factor * b[i]
