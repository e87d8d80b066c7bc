"""The vector type's few operations, and the micro-kernel of `matmul`.

A vector is 64 bytes of an array's element type: 16 floats or 8 doubles. An `index` counts elements through memory from
the array's first one, whatever the array's shape, and is not checked. Compiled, each operation is one or two
instructions (`hotloop.kernels.lowering.simd`); under ``NUMBA_DISABLE_JIT=1`` it is the plain Python below, and a vector
is a short array.
"""

from typing import TYPE_CHECKING

import numba
import numpy as np

from hotloop.kernels.jit import Array

if TYPE_CHECKING or numba.config.DISABLE_JIT:

    def width(array: Array) -> int:
        """Return how many elements of `array` a vector holds."""
        return 64 // array.itemsize

    def item(array: Array, index: int) -> float:
        """Return array[index] without the test for a negative index, which would keep a loop from vectorising."""
        value: float = _memory(array, index, 1)[0]
        return value

    def load(array: Array, index: int) -> Array:
        """Return the vector array[index : index + width]."""
        return _memory(array, index).copy()

    def store(array: Array, index: int, vector: Array) -> None:
        """Write `vector` to array[index : index + width]."""
        _memory(array, index)[:] = vector

    def micro_kernel(
        mr: int, nr: int, a: Array, at: int, row: int, step: int, b: Array, bt: int, b_row: int,
        depth: int, scale: float, initial: Array, it: int, initial_row: int, c: Array, ct: int, c_row: int,
    ) -> None:  # fmt: skip
        """Compute mr rows by nr vectors: c[r] = initial[r] + scale * sum over p of a[r, p] b[p], in the order of p.

        a[r, p] is a[at + r * row + p * step]; b[p], initial[r] and c[r] start at bt + p * b_row, it + r * initial_row
        and ct + r * c_row. c is overwritten; it may be `initial`. All sums stay in registers; mr and nr are constants.
        """
        size = nr * width(c)
        total = np.zeros((mr, size), c.dtype)
        for p in range(depth):
            column = np.array([_memory(a, at + r * row + p * step, 1)[0] for r in range(mr)])
            total += column[:, None] * _memory(b, bt + p * b_row, size)
        for r in range(mr):
            _memory(c, ct + r * c_row, size)[:] = _memory(initial, it + r * initial_row, size) + scale * total[r]

    def micro_kernel_up_to(
        most: int, nr: int, mr: int, a: Array, at: int, row: int, step: int, b: Array, bt: int, b_row: int,
        depth: int, scale: float, initial: Array, it: int, initial_row: int, c: Array, ct: int, c_row: int,
    ) -> None:  # fmt: skip
        """Do as `micro_kernel` with 1 to `most` rows: mr need not be a constant, `most` is."""
        micro_kernel(mr, nr, a, at, row, step, b, bt, b_row, depth, scale, initial, it, initial_row, c, ct, c_row)

    def noinline() -> None:
        """Keep the function that calls this from being inlined into others."""

    def transpose(rows: int, source: Array, at: int, row: int, out: Array, ot: int, out_row: int) -> None:
        """Copy one vector from each of some rows: out[ot + p * out_row + r] = source[at + r * row + p]."""
        for r in range(rows):
            for p, value in enumerate(load(source, at + r * row)):
                _memory(out, ot + p * out_row + r, 1)[0] = value

    def prefetch(array: Array, index: int) -> None:
        """Fetch the cache line of array[index], which is not read: it need not be in the array."""

    def _memory(array: Array, index: int, size: int | None = None) -> Array:
        stop = index + (width(array) if size is None else size)
        flat = np.lib.stride_tricks.as_strided(array, (stop,), (array.itemsize,))
        return flat[index:]

else:
    from hotloop.kernels.lowering.simd import (
        item,
        load,
        micro_kernel,
        micro_kernel_up_to,
        noinline,
        prefetch,
        store,
        transpose,
        width,
    )

__all__ = [
    "item",
    "load",
    "micro_kernel",
    "micro_kernel_up_to",
    "noinline",
    "prefetch",
    "store",
    "transpose",
    "width",
]
