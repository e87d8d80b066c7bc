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
from hotloop.kernels.records import Matrix

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
        mr: int, nr: int, a: Matrix, b: Matrix, depth: int, scale: float, initial: Matrix, c: Matrix
    ) -> None:
        """C = initial + scale * A @ B with A (mr, depth), B (depth, nr vectors), C (mr, nr vectors).

        C is overwritten; it may be `initial`. Rows of B, initial and C are contiguous. All sums stay in registers, and
        are taken in the order of depth; mr and nr are constants.
        """
        size = nr * width(c.data)
        total = np.zeros((mr, size), c.data.dtype)
        for p in range(depth):
            places = [a.offset + r * a.row_stride + p * a.column_stride for r in range(mr)]
            column = np.array([_memory(a.data, place, 1)[0] for place in places])
            total += column[:, None] * _row(b, p, size)
        for r in range(mr):
            _row(c, r, size)[:] = _row(initial, r, size) + scale * total[r]

    def micro_kernel_up_to(
        most: int, nr: int, mr: int, a: Matrix, b: Matrix, depth: int, scale: float, initial: Matrix, c: Matrix
    ) -> None:
        """Do as `micro_kernel` with 1 to `most` rows: mr need not be a constant, `most` is."""
        micro_kernel(mr, nr, a, b, depth, scale, initial, c)

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

    def _row(matrix: Matrix, row: int, size: int) -> Array:
        return _memory(matrix.data, matrix.offset + row * matrix.row_stride, size)

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
