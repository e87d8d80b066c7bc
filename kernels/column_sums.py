"""Column sums: the gradients of what a layer learns in vectors beside its bias, one number for each unit."""

from hotloop.kernels.jit import Array, kernel
from hotloop.kernels.views import segment, stack_array

COLUMNS = 64  # summed at a time, so that the sums stay in registers or the first-level cache


@kernel
def column_sums(
    values: Array, out: Array, offset: int, target: int, initial: float, scale: float, rows: int, stride: int,
    left: int, right: int,
) -> None:  # fmt: skip
    """out_j = initial out_j + scale sum over b of x_bj, for columns left to right, from the first row to the last.

    Parameters
    ----------
    values, out : array
        Element (b, j) of x is values[offset + b stride + j], and out_j is out[target + j], which is overwritten.
    offset, target, rows, stride, left, right : int
    initial : float
        0 or 1.
    scale : float
    """
    factor, zero = out.dtype.type(scale), out.dtype.type(0)
    sums = stack_array(out, COLUMNS)
    for start in range(left, right, COLUMNS):
        size = min(COLUMNS, right - start)
        for j in range(size):
            sums[j] = zero
        for b in range(rows):
            x = segment(values, offset + b * stride + start, size)
            for j in range(size):
                sums[j] += x[j]
        result = segment(out, target + start, size)
        for j in range(size):
            result[j] = (result[j] if initial != 0 else zero) + factor * sums[j]
