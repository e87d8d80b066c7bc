"""The vector type's few operations, from which the register tiles of `matmul` are made.

A vector is 64 bytes of an array's element type: 16 floats or 8 doubles. An `index` counts elements from the array's
first one, through memory, whatever the array's shape, and is not checked. Compiled, each operation is one or two
instructions (`hotloop.kernels.lowering`); under ``NUMBA_DISABLE_JIT=1`` it is the plain Python below, and a vector is a
short array.
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

    def tile(
        rows: int, vectors: int, a: Array, at: int, row: int, step: int, b: Array, bt: int, b_row: int,
        depth: int, scale: float, initial: Array, it: int, initial_row: int, c: Array, ct: int, c_row: int,
    ) -> None:  # fmt: skip
        """Compute some rows by some vectors: c[r] = initial[r] + scale * sum over p of a[r, p] b[p], in the order of p.

        a[r, p] is a[at + r * row + p * step]; b[p], initial[r] and c[r] start at bt + p * b_row, it + r * initial_row
        and ct + r * c_row. All sums stay in registers; the numbers of rows and vectors are constants.
        """
        size = vectors * width(c)
        total = np.zeros((rows, size), c.dtype)
        for p in range(depth):
            column = np.array([_memory(a, at + r * row + p * step, 1)[0] for r in range(rows)])
            total += column[:, None] * _memory(b, bt + p * b_row, size)
        for r in range(rows):
            _memory(c, ct + r * c_row, size)[:] = _memory(initial, it + r * initial_row, size) + scale * total[r]

    def tile_up_to(
        most: int, vectors: int, rows: int, a: Array, at: int, row: int, step: int, b: Array, bt: int, b_row: int,
        depth: int, scale: float, initial: Array, it: int, initial_row: int, c: Array, ct: int, c_row: int,
    ) -> None:  # fmt: skip
        """Compute a tile of 1 to `most` rows, a number that is no constant."""
        tile(rows, vectors, a, at, row, step, b, bt, b_row, depth, scale, initial, it, initial_row, c, ct, c_row)

    def apart() -> None:
        """Keep the function that calls this from being inlined into others."""

    def turn(rows: int, source: Array, at: int, row: int, out: Array, ot: int, out_row: int) -> None:
        """Copy one vector from each of some rows, turned: out[ot + p * out_row + r] = source[at + r * row + p]."""
        for r in range(rows):
            for p, value in enumerate(load(source, at + r * row)):
                _memory(out, ot + p * out_row + r, 1)[0] = value

    def fetch(array: Array, index: int) -> None:
        """Have the cache line of array[index] fetched, of which nothing is read: it need not be in the array."""

    def _memory(array: Array, index: int, size: int | None = None) -> Array:
        stop = index + (width(array) if size is None else size)
        flat = np.lib.stride_tricks.as_strided(array, (stop,), (array.itemsize,))
        return flat[index:]

else:
    from hotloop.kernels.lowering.simd import apart, fetch, item, load, store, tile, tile_up_to, turn, width

__all__ = ["apart", "fetch", "item", "load", "store", "tile", "tile_up_to", "turn", "width"]
