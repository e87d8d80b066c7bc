"""Softmax, which goes row by row: the one activation that is not elementwise.

A gradient depends on the sums of a row, so they are taken from the first class to the last: their bits depend neither
on the compiler nor on the rows beside it.
"""

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from hotloop.kernels.elementary_functions import exp_negative, log
from hotloop.kernels.elementwise import copy
from hotloop.kernels.jit import Array, inline, kernel
from hotloop.kernels.ordered_sums import ordered_sum
from hotloop.kernels.simd import item, load, store, width
from hotloop.kernels.views import check_matrices, check_rows, row, segment, stack_array

if TYPE_CHECKING or numba.config.DISABLE_JIT:

    def to_columns(source: Array, at: int, stride: int, rows: int, block: Array, ot: int) -> None:
        """Copy a vector from each of 1 to 16 rows: block[ot + 16 p + r] = source[at + r stride + p].

        The last of them stands for those that are missing.
        """
        for r in range(ROWS):
            for p in range(width(block)):
                block[ot + ROWS * p + r] = segment(source, at + min(r, rows - 1) * stride + p, 1)[0]

    def to_rows(block: Array, ot: int, target: Array, at: int, stride: int, rows: int) -> None:
        """Copy it back: target[at + r stride + p] = block[ot + 16 p + r], for the rows that there are."""
        for r in range(rows):
            for p in range(width(block)):
                segment(target, at + r * stride + p, 1)[0] = block[ot + ROWS * p + r]

    def place(array: Array, index: int, value: Any) -> None:
        """array[index] = value, a scalar store: a loop over strided places would become slow scatters."""
        array[index] = value

    def larger(values: Any, top: Any) -> Any:
        """Return the larger of each two elements; a NaN in `top` gives way."""
        return np.where(values <= top, top, values)

    def spread(array: Array, value: Any) -> Any:
        """Return a vector of one value, of the type of `array`."""
        return np.full(width(array), value, array.dtype)

else:
    from hotloop.kernels.lowering.row_softmax import larger, place, spread, to_columns, to_rows

ROWS, WIDEST = 16, 128  # rows that `softmax_rows` takes at a time, and the classes it has room for
BLOCK = ROWS * WIDEST


@kernel
def softmax(z: Array, out: Array) -> None:
    """a_j = e^z_j / sum over k of e^z_k, row by row, each z less its row's largest so that nothing overflows.

    Parameters
    ----------
    z : array (B, O)
        Rows contiguous, float32 or float64.
    out : array (B, O)
        Overwritten. May be z.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop.kernels import softmax
    >>> out = np.empty((2, 2), np.float32)
    >>> softmax(np.array([[0, 0], [0, 1000]], np.float32), out)
    >>> print(out)
    [[0.5 0.5]
     [0.  1. ]]
    """
    check_matrices(z, z, out)
    if z.shape != out.shape:
        raise ValueError("softmax: z and out must have the same shape")
    check_rows(z)
    check_rows(out)
    top, total = stack_array(z, ROWS), stack_array(z, ROWS)
    for first in range(0, z.shape[0], ROWS):
        softmax_rows(z, first, z.dtype.type(1), out, top, total)


@inline
def softmax_rows(z: Array, first: int, factor: Any, out: Array, top: Array, total: Array) -> Any:
    """Write `factor` times the softmax of up to `ROWS` rows from `first` on; return how many.

    `top` gets the largest entry of each row, `total` the sum of its e^(z - top). Rows of few classes are transposed, so
    that a vector holds one class of many rows.
    """
    rows, classes = min(z.shape[0] - first, ROWS), z.shape[1]
    if classes > WIDEST:
        return softmax_wide_rows(z, first, rows, factor, out, top, total)
    block = stack_array(z, BLOCK)
    for r in range(rows):
        source = row(z, first + r)
        for j in range(classes):
            place(block, j * ROWS + r, source[j])
    for j in range(classes):  # missing rows are zeros
        for r in range(rows, ROWS):
            block[j * ROWS + r] = 0
    softmax_columns(block, classes, factor, top, total)
    for r in range(rows):
        target = row(out, first + r)
        for j in range(classes):
            place(target, j, item(block, j * ROWS + r))
    return rows


@inline
def softmax_padded_rows(z: Array, first: int, factor: Any, out: Array, top: Array, total: Array) -> Any:
    """Do as `softmax_rows` where rows of z and out have room for whole vectors; the rest of the last may become zero.

    From half a vector of classes on, rows are transposed in registers.
    """
    rows, classes, lanes = min(z.shape[0] - first, ROWS), z.shape[1], width(top)
    if classes < lanes // 2 or classes > WIDEST:
        return softmax_rows(z, first, factor, out, top, total)
    block, stride, out_stride = stack_array(z, BLOCK), z.strides[0] // z.itemsize, out.strides[0] // out.itemsize
    for j in range(0, classes, lanes):
        to_columns(z, first * stride + j, stride, rows, block, j * ROWS)
    softmax_columns(block, classes, factor, top, total)
    for j in range(classes * ROWS, (classes + lanes - 1) // lanes * lanes * ROWS):
        block[j] = 0
    for j in range(0, classes, lanes):
        to_rows(block, j * ROWS, out, first * out_stride + j, out_stride, rows)
    return rows


@inline
def softmax_columns(block: Array, classes: int, factor: Any, top: Array, total: Array) -> None:
    """Overwrite a block, whose rows are the classes of `ROWS` rows, with `factor` times the softmax of each column."""
    lanes = width(block)
    size = classes * ROWS
    for half in range(0, ROWS, lanes):
        largest_values = spread(top, block.dtype.type(-np.inf))
        for j in range(half, size, ROWS):
            largest_values = larger(load(block, j), largest_values)
        for j in range(half, size, ROWS):
            store(block, j, load(block, j) - largest_values)
        store(top, half, largest_values)
    for j in range(size):
        block[j] = exp_negative(block[j])
    for half in range(0, ROWS, lanes):
        sums = spread(top, block.dtype.type(0))
        for j in range(half, size, ROWS):
            sums = sums + load(block, j)
        store(total, half, sums)
        scale = spread(top, factor) / sums
        for j in range(half, size, ROWS):
            store(block, j, load(block, j) * scale)


@inline
def softmax_wide_rows(z: Array, first: int, rows: int, factor: Any, out: Array, top: Array, total: Array) -> Any:
    """Do as `softmax_rows` with any number of classes."""
    for r in range(rows):
        softmax_row(row(z, first + r), factor, row(out, first + r), segment(top, r, 1), segment(total, r, 1))
    return rows


@inline
def whole(rows: int) -> int:
    """Return `ROWS` for 1 to `ROWS` rows: a loop to this vectorises, one to a constant is unrolled to scalars."""
    return (rows + ROWS - 1) // ROWS * ROWS


@inline
def logarithms(rows: int, total: Array) -> None:
    """Overwrite the sums of `softmax_rows` with their logarithms, a vector at a time."""
    for r in range(whole(rows)):
        total[r] = log(total[r])


@inline
def softmax_row(z: Array, factor: Any, out: Array, top: Array, total: Array) -> None:
    """Do as `softmax_rows` with one row, of any number of classes."""
    copy(z, out)
    top[0] = largest(out)
    for j in range(out.size):
        out[j] = exp_negative(out[j] - top[0])
    total[0] = ordered_sum(out)
    scale = factor / total[0]
    for j in range(out.size):
        out[j] *= scale


@inline
def largest(values: Array) -> Any:
    """Return the largest of `values`, -inf of none; a NaN among them may be passed over."""
    top = values.dtype.type(-np.inf)
    for j in range(values.size):
        top = top if values[j] <= top else values[j]
    return top


@kernel
def softmax_input_gradient(activation: Array, gradient: Array, out: Array) -> None:
    """dC/dz_j = a_j (g_j - sum over k of g_k a_k), row by row, g = dC/da: softmax has no elementwise derivative.

    Parameters
    ----------
    activation, gradient : array (B, O)
        a and g. Rows contiguous, float32 or float64.
    out : array (B, O)
        Overwritten. May be gradient.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop.kernels import softmax_input_gradient
    >>> activation, gradient = np.array([[0.5, 0.5]], np.float32), np.array([[1, 0]], np.float32)
    >>> out = np.empty((1, 2), np.float32)
    >>> softmax_input_gradient(activation, gradient, out)
    >>> print(out)
    [[ 0.25 -0.25]]
    """
    check_matrices(activation, gradient, out)
    if activation.shape != gradient.shape or out.shape != gradient.shape:
        raise ValueError("softmax_input_gradient: activation, gradient and out must have the same shape")
    check_rows(activation)
    check_rows(gradient)
    check_rows(out)
    for b in range(activation.shape[0]):
        a, g, out_b = row(activation, b), row(gradient, b), row(out, b)
        total = out.dtype.type(0)
        for j in range(a.size):
            total += a[j] * g[j]
        for j in range(a.size):
            out_b[j] = a[j] * (g[j] - total)
