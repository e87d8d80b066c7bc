"""Views of arrays that cost nothing in compiled code: no allocation, and no reference counted.

A view must not outlive the array whose memory it shows, and is never returned to Python. Sizes are not checked.
Under ``NUMBA_DISABLE_JIT=1`` each is the plain NumPy below.
"""

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from hotloop.kernels.jit import Array, inline

if TYPE_CHECKING or numba.config.DISABLE_JIT:

    def segment(array: Array, offset: int, size: int) -> Array:
        """Return `size` contiguous elements of memory, from `offset` elements after the first of `array`."""
        return np.lib.stride_tricks.as_strided(array, (offset + size,), (array.itemsize,))[offset:]

    def readable(array: Array) -> Array:
        """Return an array that is only read under the type of a writable one, so that one loop is compiled for both."""
        return array

    def check_dtype(a: Array, b: Array, c: Array) -> None:
        """Raise, when compiling, unless the three arrays are all float32 or all float64."""
        if not a.dtype == b.dtype == c.dtype or a.dtype not in (np.float32, np.float64):
            found = " and ".join(sorted({str(a.dtype), str(b.dtype), str(c.dtype)}))
            raise TypeError(f"hotloop's kernels take float32 or float64 arrays, of one dtype in a call; found {found}")

    def check_vectors(a: Array, b: Array, c: Array) -> None:
        """Raise, when compiling, unless the three arrays have one dimension and one dtype of floats."""
        _check_ndim((a, b, c), 1)

    def check_matrices(a: Array, b: Array, c: Array) -> None:
        """Raise, when compiling, unless the three arrays have two dimensions and one dtype of floats."""
        _check_ndim((a, b, c), 2)

    def check_writable(a: Array, b: Array, c: Array) -> None:
        """Raise, when compiling, if a network's arguments are read-only, as frozen globals of compiled code are."""
        if not (a.flags.writeable and b.flags.writeable and c.flags.writeable):
            raise TypeError("the network's arguments are read-only")

    def _check_ndim(arrays: tuple[Array, Array, Array], ndim: int) -> None:
        for array in arrays:
            if array.ndim != ndim:
                raise TypeError(f"this kernel takes arrays of {ndim} dimensions here; found {array.ndim}")
        check_dtype(*arrays)

    def vector_of(array: Array) -> Array:
        """Return all of a contiguous array of floats as a vector, whatever its number of dimensions."""
        if array.dtype not in (np.float32, np.float64):
            raise TypeError(f"hotloop's kernels take float32 or float64 arrays; found {array.dtype}")
        if not array.flags.c_contiguous:
            raise TypeError("elementwise kernels take contiguous arrays: use numpy.ascontiguousarray")
        return array.reshape(-1)

    def matrix(array: Array, offset: int, rows: int, columns: int, stride: int) -> Array:
        """Return a (rows, columns) view of memory from `offset`, with rows `stride` elements apart."""
        shape, strides = (rows, columns), (stride * array.itemsize, array.itemsize)
        return np.lib.stride_tricks.as_strided(segment(array, offset, 1), shape, strides)

    def row(array: Array, index: int) -> Array:
        """Return row `index` of a matrix whose rows are contiguous."""
        view: Array = array[index]
        return view

    def reinterpret(values: Array, dtype: Any) -> Array:
        """Return a vector of bytes as numbers of a dtype."""
        return values.view(dtype)

    def stack_array(like: Array, size: int) -> Array:
        """Return uninitialised memory for `size` elements of the type of `like`, on the stack of the caller."""
        return np.empty(size, like.dtype)

    def stack_vectors(like: Array, count: int) -> Array:
        """Return uninitialised memory for `count` vectors of 64 bytes, of the type of `like`, on the caller's stack."""
        return np.empty(count * 64 // like.itemsize, like.dtype)

    def heap_array(like: Array, size: int) -> Array:
        """Return uninitialised memory for `size` elements of the type of `like`, to be given to `free`."""
        return np.empty(size, like.dtype)

    def free(array: Array) -> None:
        """Give back the memory of a `heap_array`."""

else:
    from hotloop.kernels.lowering.views import (
        check_dtype,
        check_matrices,
        check_vectors,
        check_writable,
        free,
        heap_array,
        matrix,
        readable,
        reinterpret,
        row,
        segment,
        stack_array,
        stack_vectors,
        vector_of,
    )


@inline
def check_rows(array: Array) -> None:
    """Raise unless the rows of a matrix are contiguous."""
    if array.size > 0 and array.shape[1] > 1 and array.strides[1] != array.itemsize:
        raise ValueError("rows must be contiguous: use numpy.ascontiguousarray")


__all__ = [
    "check_dtype",
    "check_matrices",
    "check_rows",
    "check_vectors",
    "check_writable",
    "free",
    "heap_array",
    "matrix",
    "readable",
    "reinterpret",
    "row",
    "segment",
    "stack_array",
    "stack_vectors",
    "vector_of",
]
