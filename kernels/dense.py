"""The three products of a dense layer: forward, weight gradient, input gradient.

B is the batch, I the layer's inputs (fan_in), O its outputs (fan_out). All three are `matmul.product` with other
strides. Each checks its shapes, since a wrong one would write outside its arrays. float32 or float64, one dtype in a
call. Source: Nielsen, Neural Networks and Deep Learning (2015), chapter 2, equations BP1 to BP4, transposed to batches
as rows.
"""

from typing import Any

import numpy as np

from hotloop.kernels.choices import ROWS_WORTH_PACKING
from hotloop.kernels.jit import Array, inline, inlined, kernel
from hotloop.kernels.matmul import (
    COPIED_VECTORS,
    FROM_ZERO,
    KC,
    MOST_COLUMNS,
    NR,
    PANEL_VECTORS,
    UNIT_STRIDE,
    ZERO,
    product,
    shares_sets,
)
from hotloop.kernels.records import Matrix
from hotloop.kernels.views import (
    check_dtype,
    check_matrices,
    check_rows,
    check_vectors,
    free,
    heap_array,
    readable,
    row,
    segment,
    stack_vectors,
)

PADDING: Any = np.int64(16 * NR)  # columns: the last panel is a whole one
COPIED_SIZE: Any = np.int64(16 * COPIED_VECTORS)  # elements, twice as many bytes as needed in float64


@inlined
def memory(array: Array) -> Array:
    """Return the memory from an array's first element to its last as a flat view, for indices through its strides."""
    size = 1
    for axis in range(array.ndim):
        size += (array.shape[axis] - 1) * (array.strides[axis] // array.itemsize)
    return segment(array, 0, max(size, 0))


@inline
def strides_of(array: Array) -> tuple[int, int]:
    """Return the strides of a matrix in elements; raise if one is negative or broken, unless it leads nowhere."""
    for axis in range(2):
        if array.shape[axis] > 1 and array.strides[axis] < 0:
            raise ValueError("kernels take no reversed arrays: use numpy.ascontiguousarray")
        if array.shape[axis] > 1 and array.strides[axis] % array.itemsize != 0:
            raise ValueError("strides must be whole numbers of elements: use numpy.ascontiguousarray")
    return max(array.strides[0] // array.itemsize, 0), array.strides[1] // array.itemsize


@inlined
def matrix_of(array: Array) -> Matrix:
    """Return an array of two dimensions, which is only read, as a `Matrix`."""
    row_stride, column_stride = strides_of(array)
    return Matrix(readable(memory(array)), ZERO, row_stride, column_stride)


@inlined
def output_of(array: Array) -> Matrix:
    """Return an array of two dimensions as a `Matrix` to write to."""
    row_stride, column_stride = strides_of(array)
    return Matrix(memory(array), ZERO, row_stride, column_stride)


@inline
def product_with_room(a: Matrix, b: Matrix, scale: float, initial: Matrix, c: Matrix, n: int, m: int, k: int) -> None:
    """Do as `product`, with room for a panel on the stack, or if C has many rows for all on the heap."""
    room, columns = stack_vectors(c.data, PANEL_VECTORS), min(m, MOST_COLUMNS)
    large = n >= ROWS_WORTH_PACKING and columns * KC > room.size
    copied = COPIED_SIZE if large and shares_sets(a) else ZERO
    if large:
        room = heap_array(c.data, (columns + PADDING) * KC + copied)
    product(a, b, m, scale, initial, c, n, m, k, room, copied)
    if large:
        free(room)


@kernel
def dense_forward(x: Array, weights: Array, bias: Array, out: Array) -> None:
    """Weighted inputs of a layer: z = x W + b.

    Parameters
    ----------
    x : array (B, I)
        Activations of the layer before, any strides.
    weights : array (I, O)
        Rows contiguous; they may lie further apart than O (a padded layout).
    bias : array (O,)
        Contiguous.
    out : array (B, O)
        z. Overwritten; rows contiguous; shares no memory with the inputs.

    Raises
    ------
    ValueError
        If the shapes do not fit, or rows are not contiguous.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop.kernels import dense_forward
    >>> x, weights, bias = np.array([[1, 2]], np.float32), np.ones((2, 3), np.float32), np.arange(3, dtype=np.float32)
    >>> out = np.empty((1, 3), np.float32)
    >>> dense_forward(x, weights, bias, out)
    >>> print(out)
    [[3. 4. 5.]]
    """
    check_matrices(x, weights, out)
    check_vectors(bias, bias, bias)
    check_dtype(x, bias, out)
    if x.shape[1] != weights.shape[0]:
        raise ValueError("dense_forward: x has another number of columns than weights has rows")
    if out.shape[0] != x.shape[0] or out.shape[1] != weights.shape[1] or bias.shape[0] != weights.shape[1]:
        raise ValueError("dense_forward: out must have the rows of x and the columns of weights, bias as many entries")
    check_rows(weights)
    check_rows(out)
    if bias.shape[0] > 1 and bias.strides[0] != bias.itemsize:
        raise ValueError("dense_forward: bias must be contiguous: use numpy.ascontiguousarray")
    initial, m = Matrix(readable(segment(bias, 0, bias.size)), ZERO, ZERO, UNIT_STRIDE), weights.shape[1]
    product_with_room(matrix_of(x), matrix_of(weights), 1.0, initial, output_of(out), x.shape[0], m, weights.shape[0])


@kernel
def accumulate_weight_gradient(x: Array, delta: Array, weight_gradient: Array, bias_gradient: Array) -> None:
    """Gradients of a layer's parameters: dC/dW += x.T delta, dC/db += sum of delta over the batch.

    Parameters
    ----------
    x : array (B, I)
        Activations of the layer before, any strides. Not transposed in memory: the micro-kernel walks along columns.
    delta : array (B, O)
        dC/dz of the layer; rows contiguous.
    weight_gradient : array (I, O)
        Accumulated into; rows contiguous, and may lie further apart than O.
    bias_gradient : array (O,)
        Accumulated into; contiguous.

    Raises
    ------
    ValueError
        If the shapes do not fit, or rows are not contiguous.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop.kernels import accumulate_weight_gradient
    >>> x, delta = np.array([[1, 2], [0, 1]], np.float32), np.array([[1, -1, 0], [0, 0, 1]], np.float32)
    >>> weight_gradient, bias_gradient = np.zeros((2, 3), np.float32), np.zeros(3, np.float32)
    >>> accumulate_weight_gradient(x, delta, weight_gradient, bias_gradient)
    >>> print(weight_gradient)
    [[ 1. -1.  0.]
     [ 2. -2.  1.]]
    >>> print(bias_gradient)
    [ 1. -1.  1.]
    """
    check_matrices(x, delta, weight_gradient)
    check_vectors(bias_gradient, bias_gradient, bias_gradient)
    check_dtype(x, delta, bias_gradient)
    if x.shape[0] != delta.shape[0]:
        raise ValueError("accumulate_weight_gradient: x and delta have different numbers of rows")
    if weight_gradient.shape[0] != x.shape[1] or weight_gradient.shape[1] != delta.shape[1]:
        raise ValueError("accumulate_weight_gradient: weight_gradient must have shape (columns of x, columns of delta)")
    if bias_gradient.shape[0] != delta.shape[1]:
        raise ValueError("accumulate_weight_gradient: bias_gradient must have one entry a column of delta")
    check_rows(delta)
    check_rows(weight_gradient)
    inputs, gradient, m = matrix_of(x), output_of(weight_gradient), delta.shape[1]
    transposed = Matrix(inputs.data, inputs.offset, inputs.column_stride, inputs.row_stride)
    product_with_room(transposed, matrix_of(delta), 1.0, gradient, gradient, x.shape[1], m, x.shape[0])
    for b in range(delta.shape[0]):
        delta_b = row(delta, b)
        for j in range(m):
            bias_gradient[j] += delta_b[j]


@kernel
def input_gradient(delta: Array, weights: Array, out: Array) -> None:
    """Gradient with respect to a layer's inputs: dC/dx = delta W.T.

    Times f'(z) of the layer before, this is that layer's delta.

    Parameters
    ----------
    delta : array (B, O)
        dC/dz of the layer, any strides.
    weights : array (I, O)
        Any strides.
    out : array (B, I)
        dC/dx. Overwritten; rows contiguous; shares no memory with the inputs.

    Raises
    ------
    ValueError
        If the shapes do not fit, or rows are not contiguous.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop.kernels import input_gradient
    >>> delta, weights = np.array([[1, -1, 0]], np.float32), np.array([[1, 2, 3], [4, 4, 4]], np.float32)
    >>> out = np.empty((1, 2), np.float32)
    >>> input_gradient(delta, weights, out)
    >>> print(out)
    [[-1.  0.]]
    """
    check_matrices(delta, weights, out)
    if delta.shape[1] != weights.shape[1]:
        raise ValueError("input_gradient: delta and weights have different numbers of columns")
    if out.shape[0] != delta.shape[0] or out.shape[1] != weights.shape[0]:
        raise ValueError("input_gradient: out must have shape (rows of delta, rows of weights)")
    check_rows(out)
    w, target, m = matrix_of(weights), output_of(out), weights.shape[0]
    transposed, nothing = (
        Matrix(w.data, w.offset, w.column_stride, w.row_stride),
        Matrix(target.data, ZERO, FROM_ZERO, ZERO),
    )
    product_with_room(matrix_of(delta), transposed, 1.0, nothing, target, delta.shape[0], m, weights.shape[1])
