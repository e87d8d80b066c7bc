"""The matrix product from which the three products of a dense layer are made: register tiles over packed panels.

``C = initial + scale * A @ B`` with A (n, k), B (k, m), C (n, m). A tile computes a few vectors of a few rows of C: it
keeps them in registers, walks along k, and at each step multiplies the vectors of a row of B by one number from each
row of A. A and B are read with two strides each, so a transposed matrix costs nothing (A) or is turned while it is
packed (B).

Every element of C is summed in the same order, along k, whatever the shape of its tile and the rows beside it, so that
a row's result does not depend on the batch that it is in, to the bit.
"""

from typing import Any

import numpy as np

from hotloop.kernels.jit import Array, inline, part
from hotloop.kernels.simd import apart, fetch, item, load, store, tile, tile_up_to, turn, width
from hotloop.kernels.tile_shape import SHAPE
from hotloop.kernels.views import stack_array

# A panel is DEPTH rows of a tile's vectors of B. Deeper products go block by block.
ROWS, VECTORS, DEPTH = SHAPE
# A single row is bound by the latency of its additions, so it takes many vectors.
VECTORS_OF_A_ROW = min(4 * VECTORS, 8)
TILE_SIZE = VECTORS * 16  # of float32: a vector of float64 is half as many numbers
PANEL_SIZE, EDGE_SIZE, ZEROS = DEPTH * TILE_SIZE, ROWS * 16, VECTORS_OF_A_ROW * 16
# Columns of x.T that lie a multiple of PITCH numbers apart share a few sets of the first-level cache, which then holds
# a part of a tile's; they are copied, COPIED at a time, to rows that do not: 12 % faster at 1024 and 2048. The padded
# rows of a network never are.
PITCH = 1024
COPIED: Any = np.int64(128)
COPIED_STEP: Any = np.int64(144)
COPIED_SIZE = DEPTH * int(COPIED_STEP)
STACK_BYTES = 8 * (PANEL_SIZE + EDGE_SIZE + ZEROS + COPIED_SIZE)  # that a product in float64 has on the stack
TURNED = 4  # rows that are turned at once: 4 times faster than by single numbers; 2, 8 and 16 gain less
# Numbers of no literal type, for which nothing is compiled once more.
START: Any = np.int64(0)
FROM_ZERO: Any = np.int64(-1)
ADJACENT: Any = np.int64(1)
# A plain B is read where it lies, unless C has this many rows to share the cost of packing it and a block of B is this
# many numbers, gaps between its rows included. What must be turned, or filled up to a tile's width, is always packed.
ROWS_WORTH_PACKING = 48
SIZE_WORTH_PACKING = 8192


def strip_of(vectors: int) -> Any:
    """Return the function that computes n rows by some vectors: c[r] = initial[r] + scale * sum over p of a[r, p] b[p].

    What does not fill two of the tallest tiles is halved: ten rows are five and five, since two rows alone would wait
    for the latency of their sums.
    """

    def strip(
        a: Array, at: int, row: int, step: int, b: Array, bt: int, ldb: int, depth: int, scale: Any,
        initial: Array, it: int, ldi: int, c: Array, ct: int, ldc: int, n: int,
    ) -> None:  # fmt: skip
        apart()
        i = 0
        while i < n:
            left = n - i
            height = ROWS if left >= 2 * ROWS else (left if left <= ROWS else (left + 1) // 2)
            tile_up_to(ROWS, vectors, height, a, at, row, step, b, bt, ldb, depth, scale, initial, it, ldi, c, ct, ldc)
            at, it, ct, i = at + height * row, it + height * ldi, ct + height * ldc, i + height

    # Numba links functions by name: of two with one name, both from the cache, one would be taken for the other.
    strip.__name__ = strip.__qualname__ = f"strip{vectors}"
    return inline(strip)


narrow_strip = strip_of(1)
strip = strip_of(VECTORS) if VECTORS > 1 else narrow_strip


@inline
def pack(b: Array, bt: int, row: int, step: int, depth: int, columns: int, panel: Array, size: int) -> None:
    """Copy (depth, columns) of B, read with strides (row, step), into a panel `size` wide, zeros in the rest."""
    lanes, first, turned = width(panel), 0, 0
    if step == 1:
        first = columns // lanes * lanes
        for p in range(depth):
            for j in range(0, first, lanes):
                store(panel, p * size + j, load(b, bt + p * row + j))
                fetch(b, bt + p * row + columns + j)
    elif row == 1:
        first, turned = columns // TURNED * TURNED, depth // lanes * lanes
        for j in range(0, first, TURNED):
            for p in range(0, turned, lanes):
                turn(TURNED, b, bt + j * step + p, step, panel, p * size + j, size)
                for q in range(j, j + TURNED):
                    fetch(b, bt + (columns + q) * step + p)
            for p in range(turned, depth):
                for q in range(j, j + TURNED):
                    panel[p * size + q] = item(b, bt + p * row + q * step)
    for p in range(depth):
        for j in range(first, columns):
            panel[p * size + j] = item(b, bt + p * row + j * step)
        for j in range(columns, size):
            panel[p * size + j] = 0


@part
def copy_rows(source: Array, at: int, row: int, rows: int, columns: int, out: Array, ot: int, out_row: int) -> None:
    """Copy (rows, columns) between two matrices."""
    for r in range(rows):
        for j in range(columns):
            out[ot + r * out_row + j] = item(source, at + r * row + j)


@part
def edge_strip(
    a: Array, at: int, row: int, step: int, b: Array, bt: int, ldb: int, depth: int, scale: Any,
    initial: Array, it: int, ldi: int, c: Array, ct: int, ldc: int, n: int, columns: int,
) -> None:  # fmt: skip
    """Compute a strip narrower than a vector in memory of its own, so that nothing beside C is touched."""
    edge = stack_array(c, EDGE_SIZE)
    lanes = width(c)
    for i in range(0, n, ROWS):
        height = min(ROWS, n - i)
        copy_rows(initial, it + i * ldi, ldi, height, columns, edge, START, lanes)
        narrow_strip(
            a, at + i * row, row, step, b, bt, ldb, depth, scale, edge, START, lanes, edge, START, lanes, height
        )
        copy_rows(edge, START, lanes, height, columns, c, ct + i * ldc, ldc)


@inline
def product(
    a: Array, a_row: int, a_step: int, b: Array, b_row: int, b_step: int, b_columns: int,
    scale: float, initial: Array, initial_row: int, c: Array, c_row: int, n: int, m: int, k: int,
) -> None:  # fmt: skip
    """Compute C = initial + scale * A @ B, flat arrays with strides in elements.

    A[i, p] is a[i * a_row + p * a_step], B[p, j] is b[p * b_row + j * b_step], C[i, j] is c[i * c_row + j]. What C
    starts from is initial[i * initial_row + j]: C itself, a bias with initial_row = 0, or zero with initial_row = -1.
    Columns of B from b_columns to m - 1 are taken as zeros.
    """
    lanes, scale = width(c), c.dtype.type(scale)
    panel, zeros, block = stack_array(c, PANEL_SIZE), stack_array(c, ZEROS), stack_array(c, COPIED_SIZE)
    if initial_row < 0:
        for i in range(ZEROS):
            zeros[i] = 0
    copied = a_row == 1 and a_step % PITCH == 0 and n >= COPIED and m >= COPIED
    height = COPIED if copied else max(n, 1)
    for p in range(0, max(k, 1), DEPTH):
        depth = min(DEPTH, k - p)
        for i in range(0, n, height):
            rows, left, at, step = min(height, n - i), a, i * a_row + p * a_step, a_step
            if copied:
                pack(a, at, a_step, ADJACENT, depth, rows, block, COPIED_STEP)
                left, at, step = block, START, COPIED_STEP
            ct = i * c_row
            start, it, start_row, start_step = initial, i * initial_row, initial_row, ADJACENT
            if p > 0:
                start, it, start_row = c, ct, c_row
            elif initial_row < 0:
                start, it, start_row, start_step = zeros, START, START, START
            j = START
            while j < m:
                vectors = VECTORS if m - j >= VECTORS * lanes else min((m - j) // lanes, 1)
                if n == 1 and b_step == 1 and min(m, b_columns) - j >= VECTORS_OF_A_ROW * lanes:
                    vectors = VECTORS_OF_A_ROW
                size = max(vectors, 1) * lanes
                columns = min(size, b_columns - j)
                right, bt, ld = b, p * b_row + j * b_step, b_row
                if columns < size or b_step != 1 or (n >= ROWS_WORTH_PACKING and depth * b_row >= SIZE_WORTH_PACKING):
                    pack(b, bt, b_row, b_step, depth, columns, panel, size)
                    right, bt, ld = panel, START, size
                if vectors == VECTORS_OF_A_ROW:
                    tile(
                        1, VECTORS_OF_A_ROW, left, at, a_row, step, right, bt, ld, depth, scale, start, it, start_row,
                        c, ct, c_row,
                    )  # fmt: skip
                elif vectors == VECTORS:
                    strip(left, at, a_row, step, right, bt, ld, depth, scale, start, it, start_row, c, ct, c_row, rows)
                elif vectors == 1:
                    narrow_strip(
                        left, at, a_row, step, right, bt, ld, depth, scale, start, it, start_row, c, ct, c_row, rows
                    )
                else:
                    edge_strip(
                        left, at, a_row, step, right, bt, ld, depth, scale, start, it, start_row, c, ct, c_row, rows,
                        m - j,
                    )  # fmt: skip
                j, it, ct = j + size, it + size * start_step, ct + size
