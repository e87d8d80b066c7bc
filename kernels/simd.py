"""The vector type's few operations, from which the register tiles of `matmul` are made.

A vector is 64 bytes of an array's element type: 16 floats or 8 doubles. An `index` counts elements from the array's
first one, through memory, whatever the array's shape, and is not checked. Compiled, each operation is one or two
instructions (`hotloop.kernels.llvm`); under ``NUMBA_DISABLE_JIT=1`` it is the plain Python below, and a vector is a
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

    def multiply_add(array: Array, index: int, vector: Array, accumulator: Array) -> Array:
        """Return accumulator + array[index] * vector: one fused multiply-add where the CPU has it."""
        total: Array = accumulator + _memory(array, index, 1) * vector
        return total

    def _memory(array: Array, index: int, size: int | None = None) -> Array:
        stop = index + (width(array) if size is None else size)
        flat = np.lib.stride_tricks.as_strided(array, (stop,), (array.itemsize,))
        return flat[index:]

else:
    from hotloop.kernels.llvm import item, load, multiply_add, store, width

__all__ = ["item", "load", "multiply_add", "store", "width"]
