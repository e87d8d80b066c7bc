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

from hotloop.kernels.choices import BLOCK, PITCH, ROWS_WORTH_PACKING, SHAPE, SIZE_WORTH_PACKING, VECTOR
from hotloop.kernels.jit import Array, apart, inline, inlined
from hotloop.kernels.records import Ahead, Matrix
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
from hotloop.kernels.views import segment, stack_array

MR, NR, KC = SHAPE  # NR counts vectors. A deeper product than KC adds up several
# A single row is bound by the latency of its additions, so it takes more vectors.
NR_OF_A_ROW = min(4 * NR, 8)
EDGE_SIZE, ZEROS_SIZE = MR * 16, NR_OF_A_ROW * 16
# A is copied, BLOCK bytes at a time, if its rows lie a multiple of PITCH elements apart: they would share few sets of
# the caches. C must have WIDE columns to repay it. The padded rows of a network never need it.
WIDE, GAP = 128, 16  # elements; the copied rows are GAP further apart than they are long
BLOCK_VECTORS = BLOCK // VECTOR
COPIED_VECTORS = BLOCK_VECTORS + 2 * (KC + BLOCK_VECTORS * 16 // KC + MR)  # GAP is up to two vectors
MOST_COLUMNS: Any = np.int64(4096)  # of B that are packed together
PANEL_VECTORS = KC * NR
# Of a product in float64, with the room of one panel.
STACK_BYTES = VECTOR * PANEL_VECTORS + 8 * (EDGE_SIZE + ZEROS_SIZE)
TOGETHER = 8  # panels that are packed together: their rows are read in longer pieces
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

    def micro_panels(
        a: Matrix, b: Matrix, depth: int, scale: Any, initial: Matrix, c: Matrix, n: int, ahead: Ahead
    ) -> None:
        noinline()
        i, lanes = 0, width(c.data)
        while i < n:
            left = n - i
            height = MR if left >= 2 * MR else (left if left <= MR else (left + 1) // 2)
            for run in range(i * ahead.runs // n, (i + height) * ahead.runs // n):
                for v in range(0, ahead.length, lanes):
                    prefetch(ahead.data, ahead.offset + run * ahead.stride + v)
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
    elif b.row_stride == 1:
        first, transposed = columns // TRANSPOSED * TRANSPOSED, depth // lanes * lanes
        for j in range(0, first, TRANSPOSED):
            for p in range(0, transposed, lanes):
                transpose(TRANSPOSED, data, at + j * b.column_stride + p, b.column_stride, panel, p * size + j, size)
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
        narrow_micro_panels(down(a, i), b, depth, scale, edge, edge, height, Ahead(b.data, ZERO, ZERO, ZERO, ZERO))
        copy_rows(edge, height, columns, down(c, i))


@inline
def pack_panels(b: Matrix, depth: int, columns: int, first: int, m: int, packed: Array) -> None:
    """Pack columns `first` to m of B, zeros from `columns` on; the panel of column j lies at (j - first) * depth."""
    lanes, j, data = width(packed), first, b.data
    size = NR * lanes
    if first == 0 and b.column_stride == 1:
        whole = min(columns, m) // size * size
        for group in range(0, whole, TOGETHER * size):
            stop = min(whole, group + TOGETHER * size)
            for p in range(depth):
                at = b.offset + p * b.row_stride
                for q in range(group, stop, size):
                    for v in range(0, size, lanes):
                        store(packed, q * depth + p * size + v, load(data, at + q + v))
        j = whole
    while j < m:
        size = max(vectors_of(m - j, lanes), 1) * lanes
        panel = segment(packed, (j - first) * depth, size * depth)
        pack(right_of(b, j), depth, min(size, columns - j), panel, size)
        j += size


@inlined
def vectors_of(columns: int, lanes: int) -> int:
    """Return how many vectors wide the next panel is, of so many columns that are left; 0 for part of a vector."""
    return NR if columns >= NR * lanes else min(columns // lanes, 1)


@inlined
def right_of(matrix: Matrix, columns: int) -> Matrix:
    """Return what is left of a matrix after its first columns."""
    return Matrix(matrix.data, matrix.offset + columns * matrix.column_stride, matrix.row_stride, matrix.column_stride)


@inline
def panels(
    a: Matrix, b: Matrix, packed: Array, first: int, depth: int, scale: Any, initial: Matrix, c: Matrix, n: int,
    m: int, following: Matrix,
) -> None:  # fmt: skip
    """C = initial + scale * A @ B, by panels of B, which are packed from column `first` on.

    What is packed next is fetched meanwhile; a row stride of `following` below 0 says that nothing is.
    """
    lanes, j = width(c.data), ZERO
    while j < m:
        vectors = vectors_of(m - j, lanes)
        if n == 1 and first - j >= NR_OF_A_ROW * lanes:
            vectors = NR_OF_A_ROW
        size = max(vectors, 1) * lanes
        right = right_of(b, j) if j < first else Matrix(packed, (j - first) * depth, size, UNIT_STRIDE)
        if vectors == NR_OF_A_ROW:
            micro_kernel(1, NR_OF_A_ROW, a, right, depth, scale, initial, c)
        elif vectors == NR:
            micro_panels(a, right, depth, scale, initial, c, n, ahead_of(right_of(following, j), depth, size))
        elif vectors == 1:
            narrow_micro_panels(a, right, depth, scale, initial, c, n, ahead_of(right_of(following, j), depth, size))
        else:
            edge_micro_panels(a, right, depth, scale, initial, c, n, m - j)
        j, initial, c = j + size, right_of(initial, size), right_of(c, size)


@inlined
def ahead_of(b: Matrix, depth: int, columns: int) -> Ahead:
    """Return the runs of memory of (depth, columns) of B; none if its row stride is below 0."""
    if b.row_stride < 0:
        return Ahead(b.data, ZERO, ZERO, ZERO, ZERO)
    if b.column_stride == 1:
        return Ahead(b.data, b.offset, b.row_stride, depth, columns)
    return Ahead(b.data, b.offset, b.column_stride, columns, depth)


@inlined
def shares_sets(a: Matrix) -> bool:
    """Return whether the rows of A, or its columns, are contiguous and lie so far apart that they share few sets."""
    return min(a.row_stride, a.column_stride) == 1 and max(a.row_stride, a.column_stride) % PITCH == 0


@inline
def copy_block(a: Matrix, n: int, depth: int, block: Array) -> Matrix:
    """Copy (n, depth) of A, or of x.T, and return where: rows at another pitch."""
    if a.row_stride == 1:
        pack(Matrix(a.data, a.offset, a.column_stride, UNIT_STRIDE), depth, n, block, n + GAP)
        return Matrix(block, ZERO, UNIT_STRIDE, n + GAP)
    pack(Matrix(a.data, a.offset, a.row_stride, UNIT_STRIDE), n, depth, block, depth + GAP)
    return Matrix(block, ZERO, depth + GAP, UNIT_STRIDE)


@inlined
def evenly(total: int, most: int, granule: int) -> int:
    """Return the size of the parts, multiples of `granule`, that a total is divided into: equal, and at most `most`."""
    parts = (total + most - 1) // most
    size = (total + parts - 1) // parts
    return min((size + granule - 1) // granule * granule, most)


@apart
def product(
    a: Matrix, b: Matrix, b_columns: int, scale: float, initial: Matrix, c: Matrix, n: int, m: int, k: int, room: Array,
    copied: int,
) -> None:  # fmt: skip
    """C = initial + scale * A @ B with A (n, k), B (k, m), C (n, m). C is overwritten; its rows are contiguous.

    `initial` may be C itself, which then accumulates, or a bias, with a row stride of 0; with one of -1 it is zero.
    Columns of B from b_columns to m are taken as zeros. The depth is divided evenly into parts of at most KC, so that
    the order of each sum depends on k alone.

    `room` is scratch for packed B: KC elements for each of its columns are best, and for those of a panel needed, or of
    a vector where B is not packed, and none if its columns are whole vectors.
    If A is more than a part of the second-level cache, blocks of its rows are used for all that is packed in turn. They
    are copied where their rows would share few sets of the caches, if `copied` elements at the end of the room are for
    that, and not none: as many as `COPIED_VECTORS` have.

    The training loop calls it by its address, since it would else take four fifths of the time to compile the loop.
    """
    if n == 0:
        return
    lanes, scale = width(c.data), c.data.dtype.type(scale)
    zeros = stack_array(c.data, ZEROS_SIZE)
    if initial.row_stride < 0:
        for i in range(ZEROS_SIZE):
            zeros[i] = 0
    copies, block = copied > 0 and shares_sets(a) and m >= WIDE, segment(room, room.size - copied, copied)
    granule, most = NR * lanes, BLOCK_VECTORS * lanes // KC  # constants: a division takes time from a single row
    deepest = max(k, 1) if k <= KC else evenly(k, KC, 16)
    rows = max((most if copies else 2 * most) // MR * MR, MR)
    rows = n if n <= rows else evenly(n, rows, MR)
    packs = b.column_stride != 1 or (n >= ROWS_WORTH_PACKING and deepest * b.row_stride >= SIZE_WORTH_PACKING)
    columns = min((room.size - copied) // KC, MOST_COLUMNS if n > rows else most)
    columns = max(columns // granule * granule, granule) if packs else max(m, 1)
    for p in range(0, max(k, 1), deepest):
        depth = min(deepest, k - p)
        for j in range(0, m, columns):
            wide, given = min(columns, m - j), max(min(columns, b_columns - j), 0)
            right = Matrix(b.data, b.offset + p * b.row_stride + j * b.column_stride, b.row_stride, b.column_stride)
            first = ZERO if packs else given // lanes * lanes
            pack_panels(right, depth, given, first, wide, room)
            for i in range(0, n, rows):
                height = min(rows, n - i)
                left = Matrix(a.data, a.offset + i * a.row_stride + p * a.column_stride, a.row_stride, a.column_stride)
                if copies:
                    left = copy_block(left, height, depth, block)
                start, target = right_of(down(initial, i), j), right_of(down(c, i), j)
                if p > 0:
                    start = target
                elif initial.row_stride < 0:
                    start = Matrix(zeros, ZERO, ZERO, ZERO)
                following = Matrix(b.data, ZERO, FROM_ZERO, UNIT_STRIDE)
                if packs and i + rows >= n and (j + columns < m or p + deepest < k):
                    at, next_column = (p, j + columns) if j + columns < m else (p + deepest, ZERO)
                    following = right_of(down(b, at), next_column)
                panels(left, right, room, first, depth, scale, start, target, height, wide, following)
