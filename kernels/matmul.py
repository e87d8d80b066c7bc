"""The matrix product from which the three products of a dense layer are made: a micro-kernel over packed panels.

``C = initial + scale * A @ B`` with A (n, k), B (k, m), C (n, m), in the words of BLIS (Van Zee and
van de Geijn, 2015). The micro-kernel computes MR rows by NR vectors of C: it keeps them in registers, walks along k,
and at each step multiplies the vectors of a row of B by one number from each row of A. A and B are read with two
strides each, so a transposed matrix costs nothing (A) or is transposed while it is packed (B).

Every element of C is summed in the same order, along k, whatever the shape of the micro-kernel and the rows beside it,
so that a row's result does not depend on the batch that it is in, to the bit.
"""

from typing import Any

import numpy as np

from hotloop.kernels.choices import PITCH, ROWS_WORTH_PACKING, SHAPE, SIZE_WORTH_PACKING
from hotloop.kernels.jit import Array, apart, inline, inlined
from hotloop.kernels.records import Matrix
from hotloop.kernels.simd import (
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
from hotloop.kernels.views import stack_array

MR, NR, KC = SHAPE  # NR counts vectors. A packed panel of B has KC rows; a deeper product adds up several
# A single row is bound by the latency of its additions, so it takes more vectors.
NR_OF_A_ROW = min(4 * NR, 8)
PANEL_WIDTH = NR * 16  # of float32: a vector of float64 has half as many elements
PANEL_SIZE, EDGE_SIZE, ZEROS_SIZE = KC * PANEL_WIDTH, MR * 16, NR_OF_A_ROW * 16
# Columns of x.T that lie a multiple of PITCH elements apart share a few sets of the first-level cache, which then holds
# only some of what a micro-kernel reads. They are copied, COPIED at a time, to rows at another pitch: 12 % faster at
# 1024 and 2048. The padded rows of a network never need it.
COPIED: Any = np.int64(128)
COPIED_STRIDE: Any = np.int64(144)
COPIED_SIZE = KC * int(COPIED_STRIDE)
STACK_BYTES = 8 * (PANEL_SIZE + EDGE_SIZE + ZEROS_SIZE + COPIED_SIZE)  # of a product in float64
TRANSPOSED = 4  # rows at a time: 4 times faster than single elements; 2, 8 and 16 gain less
# Typed int64: a literal would trigger another compilation.
ZERO: Any = np.int64(0)
FROM_ZERO: Any = np.int64(-1)
UNIT_STRIDE: Any = np.int64(1)
# A row-major B is packed only if C has ROWS_WORTH_PACKING rows and the block of B SIZE_WORTH_PACKING elements, gaps
# between its rows included. What must be transposed, or padded to a whole vector, is always packed.


def micro_panels_of(nr: int) -> Any:
    """Return the loop over the micro-panels of A, up to MR rows each, against one micro-panel of B, `nr` vectors wide.

    It computes c[r] = initial[r] + scale * sum over p of a[r, p] b[p] for n rows, by micro-kernels. The last MR to 2 MR
    are halved: ten are five and five, since a micro-kernel of two rows would wait for the latency of its sums.
    """

    def micro_panels(a: Matrix, b: Matrix, depth: int, scale: Any, initial: Matrix, c: Matrix, n: int) -> None:
        noinline()
        i = 0
        while i < n:
            left = n - i
            height = MR if left >= 2 * MR else (left if left <= MR else (left + 1) // 2)
            micro_kernel_up_to(MR, nr, height, a, b, depth, scale, initial, c)
            a, initial, c, i = down(a, height), down(initial, height), down(c, height), i + height

    # Numba links functions by name: of two with one name, both from the cache, one would be taken for the other.
    micro_panels.__name__ = micro_panels.__qualname__ = f"micro_panels{nr}"
    return inline(micro_panels)


@inlined
def down(matrix: Matrix, rows: int) -> Matrix:
    """Return what is left of a matrix after its first rows."""
    return Matrix(matrix.data, matrix.offset + rows * matrix.row_stride, matrix.row_stride, matrix.column_stride)


narrow_micro_panels = micro_panels_of(1)
micro_panels = micro_panels_of(NR) if NR > 1 else narrow_micro_panels


@inline
def pack(b: Matrix, depth: int, columns: int, panel: Array, size: int) -> None:
    """Copy (depth, columns) of B into a panel of rows `size` wide, which is overwritten: zeros in the rest."""
    lanes, first, transposed, at, data = width(panel), 0, 0, b.offset, b.data
    if b.column_stride == 1:
        first = columns // lanes * lanes
        for p in range(depth):
            for j in range(0, first, lanes):
                store(panel, p * size + j, load(data, at + p * b.row_stride + j))
                prefetch(data, at + p * b.row_stride + columns + j)
    elif b.row_stride == 1:
        first, transposed = columns // TRANSPOSED * TRANSPOSED, depth // lanes * lanes
        for j in range(0, first, TRANSPOSED):
            for p in range(0, transposed, lanes):
                transpose(TRANSPOSED, data, at + j * b.column_stride + p, b.column_stride, panel, p * size + j, size)
                for q in range(j, j + TRANSPOSED):
                    prefetch(data, at + (columns + q) * b.column_stride + p)
            for p in range(transposed, depth):
                for q in range(j, j + TRANSPOSED):
                    panel[p * size + q] = item(data, at + p * b.row_stride + q * b.column_stride)
    for p in range(depth):
        for j in range(first, columns):
            panel[p * size + j] = item(data, at + p * b.row_stride + j * b.column_stride)
        for j in range(columns, size):
            panel[p * size + j] = 0


@inlined
def copy_rows(source: Matrix, rows: int, columns: int, out: Matrix) -> None:
    """Copy (rows, columns) between two matrices whose rows are contiguous; out is overwritten."""
    for r in range(rows):
        for j in range(columns):
            out.data[out.offset + r * out.row_stride + j] = item(source.data, source.offset + r * source.row_stride + j)


@inlined
def edge_micro_panels(
    a: Matrix, b: Matrix, depth: int, scale: Any, initial: Matrix, c: Matrix, n: int, columns: int
) -> None:
    """Like `micro_panels`, for fewer columns than a vector has: in a buffer, so that nothing outside C is touched."""
    edge = Matrix(stack_array(c.data, EDGE_SIZE), ZERO, width(c.data), UNIT_STRIDE)
    for i in range(0, n, MR):
        height = min(MR, n - i)
        copy_rows(down(initial, i), height, columns, edge)
        narrow_micro_panels(down(a, i), b, depth, scale, edge, edge, height)
        copy_rows(edge, height, columns, down(c, i))


@apart
def product(
    a: Matrix, b: Matrix, b_columns: int, scale: float, initial: Matrix, c: Matrix, n: int, m: int, k: int
) -> None:
    """C = initial + scale * A @ B with A (n, k), B (k, m), C (n, m). C is overwritten; its rows are contiguous.

    `initial` may be C itself, which then accumulates, or a bias, with a row stride of 0; with one of -1 it is zero.
    Columns of B from b_columns to m are taken as zeros.

    The training loop calls it by its address, since it would else take four fifths of the time to compile the loop.
    """
    lanes, scale = width(c.data), c.data.dtype.type(scale)
    panel, block = stack_array(c.data, PANEL_SIZE), stack_array(c.data, COPIED_SIZE)
    zeros = stack_array(c.data, ZEROS_SIZE)
    if initial.row_stride < 0:
        for i in range(ZEROS_SIZE):
            zeros[i] = 0
    copied = a.row_stride == 1 and a.column_stride % PITCH == 0 and n >= COPIED and m >= COPIED
    height = COPIED if copied else max(n, 1)
    for p in range(0, max(k, 1), KC):
        depth = min(KC, k - p)
        for i in range(0, n, height):
            rows = min(height, n - i)
            left = Matrix(a.data, a.offset + i * a.row_stride + p * a.column_stride, a.row_stride, a.column_stride)
            if copied:
                pack(Matrix(a.data, left.offset, a.column_stride, UNIT_STRIDE), depth, rows, block, COPIED_STRIDE)
                left = Matrix(block, ZERO, a.row_stride, COPIED_STRIDE)
            target = down(c, i)
            start = down(initial, i)
            if p > 0:
                start = target
            elif initial.row_stride < 0:
                start = Matrix(zeros, ZERO, ZERO, ZERO)
            j = ZERO
            while j < m:
                vectors = NR if m - j >= NR * lanes else min((m - j) // lanes, 1)
                if n == 1 and b.column_stride == 1 and min(m, b_columns) - j >= NR_OF_A_ROW * lanes:
                    vectors = NR_OF_A_ROW
                size = max(vectors, 1) * lanes
                columns = min(size, b_columns - j)
                right = Matrix(b.data, b.offset + p * b.row_stride + j * b.column_stride, b.row_stride, b.column_stride)
                if (
                    columns < size
                    or b.column_stride != 1
                    or (n >= ROWS_WORTH_PACKING and depth * b.row_stride >= SIZE_WORTH_PACKING)
                ):
                    pack(right, depth, columns, panel, size)
                    right = Matrix(panel, ZERO, size, UNIT_STRIDE)
                if vectors == NR_OF_A_ROW:
                    micro_kernel(1, NR_OF_A_ROW, left, right, depth, scale, start, target)
                elif vectors == NR:
                    micro_panels(left, right, depth, scale, start, target, rows)
                elif vectors == 1:
                    narrow_micro_panels(left, right, depth, scale, start, target, rows)
                else:
                    edge_micro_panels(left, right, depth, scale, start, target, rows, m - j)
                j += size
                start = Matrix(
                    start.data, start.offset + size * start.column_stride, start.row_stride, start.column_stride
                )
                target = Matrix(target.data, target.offset + size, target.row_stride, target.column_stride)
