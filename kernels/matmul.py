"""The matrix product from which the three products of a dense layer are made: register tiles over packed panels.

``C = initial + A @ B`` with A (n, k), B (k, m), C (n, m). A tile computes `width` columns of up to six rows of C: it
keeps them in registers, walks along k, and at each step multiplies one vector of B by one number from each row of A. A
and B are read with two strides each, so a transposed matrix costs nothing (A) or is turned while it is packed (B).

Every element of C is summed in the same order, along k, whatever the height of its tile and the rows beside it, so that
a row's result does not depend on the batch that it is in, to the bit.
"""

from typing import Any

import numpy as np

from hotloop.kernels.jit import Array, inline
from hotloop.kernels.simd import item, load, multiply_add, store, width
from hotloop.kernels.views import stack_array

# A panel is DEPTH rows of one vector of B: 16 kB, a third of a first-level cache. Deeper products go block by block.
DEPTH = 256
PANEL_SIZE = DEPTH * 16
START: Any = np.int64(0)  # an index of no literal type, for which nothing is compiled once more
TILE_ROWS = 6
TILE_SIZE = TILE_ROWS * 16
# B is read where it lies unless C has this many rows to share the cost of packing it.
ROWS_WORTH_PACKING = 96


@inline
def tile6(
    a: Array, at: int, row: int, step: int, b: Array, bt: int, ldb: int, depth: int,
    initial: Array, it: int, ldi: int, c: Array, ct: int, ldc: int,
) -> None:  # fmt: skip
    """Compute six rows by one vector: c[r] = initial[r] + sum over p of a[r, p] b[p]. Twelve AVX2 accumulators."""
    s0 = load(initial, it)
    s1 = load(initial, it + ldi)
    s2 = load(initial, it + 2 * ldi)
    s3 = load(initial, it + 3 * ldi)
    s4 = load(initial, it + 4 * ldi)
    s5 = load(initial, it + 5 * ldi)
    for _ in range(depth):
        line = load(b, bt)
        s0 = multiply_add(a, at, line, s0)
        s1 = multiply_add(a, at + row, line, s1)
        s2 = multiply_add(a, at + 2 * row, line, s2)
        s3 = multiply_add(a, at + 3 * row, line, s3)
        s4 = multiply_add(a, at + 4 * row, line, s4)
        s5 = multiply_add(a, at + 5 * row, line, s5)
        at += step
        bt += ldb
    store(c, ct, s0)
    store(c, ct + ldc, s1)
    store(c, ct + 2 * ldc, s2)
    store(c, ct + 3 * ldc, s3)
    store(c, ct + 4 * ldc, s4)
    store(c, ct + 5 * ldc, s5)


@inline
def tile4(
    a: Array, at: int, row: int, step: int, b: Array, bt: int, ldb: int, depth: int,
    initial: Array, it: int, ldi: int, c: Array, ct: int, ldc: int,
) -> None:  # fmt: skip
    """Compute four rows by one vector, as `tile6`."""
    s0 = load(initial, it)
    s1 = load(initial, it + ldi)
    s2 = load(initial, it + 2 * ldi)
    s3 = load(initial, it + 3 * ldi)
    for _ in range(depth):
        line = load(b, bt)
        s0 = multiply_add(a, at, line, s0)
        s1 = multiply_add(a, at + row, line, s1)
        s2 = multiply_add(a, at + 2 * row, line, s2)
        s3 = multiply_add(a, at + 3 * row, line, s3)
        at += step
        bt += ldb
    store(c, ct, s0)
    store(c, ct + ldc, s1)
    store(c, ct + 2 * ldc, s2)
    store(c, ct + 3 * ldc, s3)


@inline
def tile1(
    a: Array, at: int, step: int, b: Array, bt: int, ldb: int, depth: int, initial: Array, it: int, c: Array, ct: int
) -> None:
    """Compute one row by one vector, as `tile6`."""
    s0 = load(initial, it)
    for _ in range(depth):
        s0 = multiply_add(a, at, load(b, bt), s0)
        at += step
        bt += ldb
    store(c, ct, s0)


@inline
def tile_column(
    a: Array, at: int, row: int, step: int, b: Array, bt: int, ldb: int, depth: int,
    initial: Array, it: int, ldi: int, c: Array, ct: int, ldc: int, n: int,
) -> None:  # fmt: skip
    """Compute n rows by one vector, by tiles of six, four and one rows."""
    i = 0
    while n - i >= 6:
        tile6(a, at + i * row, row, step, b, bt, ldb, depth, initial, it + i * ldi, ldi, c, ct + i * ldc, ldc)
        i += 6
    if n - i >= 4:
        tile4(a, at + i * row, row, step, b, bt, ldb, depth, initial, it + i * ldi, ldi, c, ct + i * ldc, ldc)
        i += 4
    while i < n:
        tile1(a, at + i * row, step, b, bt, ldb, depth, initial, it + i * ldi, c, ct + i * ldc)
        i += 1


@inline
def pack(b: Array, bt: int, row: int, step: int, depth: int, columns: int, panel: Array) -> None:
    """Copy (depth, columns) of B, read with strides (row, step), into a panel one vector wide, zeros in the rest."""
    lanes = width(panel)
    for p in range(depth):
        for j in range(columns):
            panel[p * lanes + j] = item(b, bt + p * row + j * step)
        for j in range(columns, lanes):
            panel[p * lanes + j] = 0


@inline
def copy_rows(source: Array, at: int, row: int, rows: int, columns: int, out: Array, ot: int, out_row: int) -> None:
    """Copy (rows, columns) between two matrices."""
    for r in range(rows):
        for j in range(columns):
            out[ot + r * out_row + j] = item(source, at + r * row + j)


@inline
def product(
    a: Array, a_row: int, a_step: int, b: Array, b_row: int, b_step: int,
    initial: Array, initial_row: int, c: Array, c_row: int, n: int, m: int, k: int,
) -> None:  # fmt: skip
    """Compute C = initial + A @ B, flat arrays with strides in elements.

    A[i, p] is a[i * a_row + p * a_step], B[p, j] is b[p * b_row + j * b_step], C[i, j] is c[i * c_row + j]. What C
    starts from is initial[i * initial_row + j]: C itself, or a bias with initial_row = 0.
    """
    lanes = width(c)
    panel, edge = stack_array(c, PANEL_SIZE), stack_array(c, TILE_SIZE)
    for j in range(0, m, lanes):
        columns = min(lanes, m - j)
        narrow = columns < lanes
        packed = narrow or b_step != 1 or n >= ROWS_WORTH_PACKING
        # A column of C narrower than a vector is computed six rows at a time in `edge`: nothing beside C is touched.
        rows = TILE_ROWS if narrow else max(n, 1)
        start, start_row = initial, initial_row
        for p in range(0, max(k, 1), DEPTH):
            depth = min(DEPTH, k - p)
            source, st, ld = b, p * b_row + j * b_step, b_row
            if packed:
                pack(b, st, b_row, b_step, depth, columns, panel)
                source, st, ld = panel, START, lanes
            for i in range(0, n, rows):
                height = min(rows, n - i)
                at = i * a_row + p * a_step
                from_, ft, from_row = start, i * start_row + j, start_row
                to, tt, to_row = c, i * c_row + j, c_row
                if narrow:
                    copy_rows(start, ft, start_row, height, columns, edge, START, lanes)
                    from_, ft, from_row = edge, START, lanes
                    to, tt, to_row = edge, START, lanes
                tile_column(a, at, a_row, a_step, source, st, ld, depth, from_, ft, from_row, to, tt, to_row, height)
                if narrow:
                    copy_rows(edge, tt, lanes, height, columns, c, i * c_row + j, c_row)
            start, start_row = c, c_row
