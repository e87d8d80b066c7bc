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

from hotloop.kernels.jit import Array, inline, inlined
from hotloop.kernels.micro_kernel_shape import SHAPE
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
PITCH = 1024
COPIED: Any = np.int64(128)
COPIED_STRIDE: Any = np.int64(144)
COPIED_SIZE = KC * int(COPIED_STRIDE)
STACK_BYTES = 8 * (PANEL_SIZE + EDGE_SIZE + ZEROS_SIZE + COPIED_SIZE)  # of a product in float64
TRANSPOSED = 4  # rows at a time: 4 times faster than single elements; 2, 8 and 16 gain less
# Typed int64: a literal would trigger another compilation.
ZERO: Any = np.int64(0)
FROM_ZERO: Any = np.int64(-1)
UNIT_STRIDE: Any = np.int64(1)
# Pack a row-major B only if C has this many rows and the block of B this many elements, gaps between its rows included.
# What must be transposed, or padded to a whole vector, is always packed.
ROWS_WORTH_PACKING = 48
SIZE_WORTH_PACKING = 8192


def micro_panels_of(nr: int) -> Any:
    """Return the loop over the micro-panels of A, up to MR rows each, against one micro-panel of B, `nr` vectors wide.

    It computes c[r] = initial[r] + scale * sum over p of a[r, p] b[p] for n rows, by micro-kernels. The last MR to 2 MR
    are halved: ten are five and five, since a micro-kernel of two rows would wait for the latency of its sums.
    """

    def micro_panels(
        a: Array, at: int, row: int, step: int, b: Array, bt: int, ldb: int, depth: int, scale: Any,
        initial: Array, it: int, ldi: int, c: Array, ct: int, ldc: int, n: int,
    ) -> None:  # fmt: skip
        noinline()
        i = 0
        while i < n:
            left = n - i
            height = MR if left >= 2 * MR else (left if left <= MR else (left + 1) // 2)
            micro_kernel_up_to(
                MR, nr, height, a, at, row, step, b, bt, ldb, depth, scale, initial, it, ldi, c, ct, ldc
            )  # fmt: skip
            at, it, ct, i = at + height * row, it + height * ldi, ct + height * ldc, i + height

    # Numba links functions by name: of two with one name, both from the cache, one would be taken for the other.
    micro_panels.__name__ = micro_panels.__qualname__ = f"micro_panels{nr}"
    return inline(micro_panels)


narrow_micro_panels = micro_panels_of(1)
micro_panels = micro_panels_of(NR) if NR > 1 else narrow_micro_panels


@inline
def pack(b: Array, bt: int, row: int, step: int, depth: int, columns: int, panel: Array, size: int) -> None:
    """Copy (depth, columns) of B, read with strides (row, step), into a panel `size` wide, zeros in the rest."""
    lanes, first, transposed = width(panel), 0, 0
    if step == 1:
        first = columns // lanes * lanes
        for p in range(depth):
            for j in range(0, first, lanes):
                store(panel, p * size + j, load(b, bt + p * row + j))
                prefetch(b, bt + p * row + columns + j)
    elif row == 1:
        first, transposed = columns // TRANSPOSED * TRANSPOSED, depth // lanes * lanes
        for j in range(0, first, TRANSPOSED):
            for p in range(0, transposed, lanes):
                transpose(TRANSPOSED, b, bt + j * step + p, step, panel, p * size + j, size)
                for q in range(j, j + TRANSPOSED):
                    prefetch(b, bt + (columns + q) * step + p)
            for p in range(transposed, depth):
                for q in range(j, j + TRANSPOSED):
                    panel[p * size + q] = item(b, bt + p * row + q * step)
    for p in range(depth):
        for j in range(first, columns):
            panel[p * size + j] = item(b, bt + p * row + j * step)
        for j in range(columns, size):
            panel[p * size + j] = 0


@inlined
def copy_rows(source: Array, at: int, row: int, rows: int, columns: int, out: Array, ot: int, out_row: int) -> None:
    """Copy (rows, columns) between two matrices."""
    for r in range(rows):
        for j in range(columns):
            out[ot + r * out_row + j] = item(source, at + r * row + j)


@inlined
def edge_micro_panels(
    a: Array, at: int, row: int, step: int, b: Array, bt: int, ldb: int, depth: int, scale: Any,
    initial: Array, it: int, ldi: int, c: Array, ct: int, ldc: int, n: int, columns: int,
) -> None:  # fmt: skip
    """Do as `micro_panels` with fewer columns than a vector has, in a buffer, so that nothing beside C is touched."""
    edge = stack_array(c, EDGE_SIZE)
    lanes = width(c)
    for i in range(0, n, MR):
        height = min(MR, n - i)
        copy_rows(initial, it + i * ldi, ldi, height, columns, edge, ZERO, lanes)
        narrow_micro_panels(
            a, at + i * row, row, step, b, bt, ldb, depth, scale, edge, ZERO, lanes, edge, ZERO, lanes, height
        )
        copy_rows(edge, ZERO, lanes, height, columns, c, ct + i * ldc, ldc)


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
    panel, zeros, block = stack_array(c, PANEL_SIZE), stack_array(c, ZEROS_SIZE), stack_array(c, COPIED_SIZE)
    if initial_row < 0:
        for i in range(ZEROS_SIZE):
            zeros[i] = 0
    copied = a_row == 1 and a_step % PITCH == 0 and n >= COPIED and m >= COPIED
    height = COPIED if copied else max(n, 1)
    for p in range(0, max(k, 1), KC):
        depth = min(KC, k - p)
        for i in range(0, n, height):
            rows, left, at, step = min(height, n - i), a, i * a_row + p * a_step, a_step
            if copied:
                pack(a, at, a_step, UNIT_STRIDE, depth, rows, block, COPIED_STRIDE)
                left, at, step = block, ZERO, COPIED_STRIDE
            ct = i * c_row
            start, it, start_row, start_step = initial, i * initial_row, initial_row, UNIT_STRIDE
            if p > 0:
                start, it, start_row = c, ct, c_row
            elif initial_row < 0:
                start, it, start_row, start_step = zeros, ZERO, ZERO, ZERO
            j = ZERO
            while j < m:
                vectors = NR if m - j >= NR * lanes else min((m - j) // lanes, 1)
                if n == 1 and b_step == 1 and min(m, b_columns) - j >= NR_OF_A_ROW * lanes:
                    vectors = NR_OF_A_ROW
                size = max(vectors, 1) * lanes
                columns = min(size, b_columns - j)
                right, bt, ld = b, p * b_row + j * b_step, b_row
                if columns < size or b_step != 1 or (n >= ROWS_WORTH_PACKING and depth * b_row >= SIZE_WORTH_PACKING):
                    pack(b, bt, b_row, b_step, depth, columns, panel, size)
                    right, bt, ld = panel, ZERO, size
                if vectors == NR_OF_A_ROW:
                    micro_kernel(
                        1, NR_OF_A_ROW, left, at, a_row, step, right, bt, ld, depth, scale, start, it, start_row,
                        c, ct, c_row,
                    )  # fmt: skip
                elif vectors == NR:
                    micro_panels(
                        left, at, a_row, step, right, bt, ld, depth, scale, start, it, start_row, c, ct, c_row, rows
                    )
                elif vectors == 1:
                    narrow_micro_panels(
                        left, at, a_row, step, right, bt, ld, depth, scale, start, it, start_row, c, ct, c_row, rows
                    )
                else:
                    edge_micro_panels(
                        left, at, a_row, step, right, bt, ld, depth, scale, start, it, start_row, c, ct, c_row, rows,
                        m - j,
                    )  # fmt: skip
                j, it, ct = j + size, it + size * start_step, ct + size
