"""Rows of data into the workspace, converted and scaled on the way: data need not be floats, nor fit into memory.

Inputs come as the bytes of their rows, a read-only uint8 matrix, with a code for what the bytes stand for: whatever the
data's dtype, writable or not, in memory or in a file, the compiled loops see one array type.
"""

from typing import Any

import numpy as np

from hotloop.kernels.jit import Array, inline, inlined
from hotloop.kernels.views import reinterpret, row, segment

UINT8, FLOAT32, FLOAT64 = range(3)


@inlined
def scaled(source: Array, scale: Any, target: Array) -> None:
    """Convert a vector to the target's type, and scale it: target := scale * source."""
    for j in range(target.size):
        target[j] = target.dtype.type(source[j]) * scale


@inline
def sample(order: Array, index: int) -> int:
    """Return the row of the data that stands at `index` of the order; no order, of no elements, is the data's own."""
    return order[index] if order.size > 0 else index


@inlined
def gather(
    inputs: Array, order: Array, start: int, rows: int, kind: int, input_scale: float, offset: int, stride: int,
    columns: int, workspace: Array,
) -> None:  # fmt: skip
    """Write scale * x to the workspace, for the samples start to start + rows - 1 of the order, `stride` apart.

    There is no loop of its own for a scale of 1: the product costs nothing beside the row's way from memory.
    """
    scale = workspace.dtype.type(input_scale)
    for r in range(rows):
        x = row(inputs, sample(order, start + r))
        target = segment(workspace, offset + r * stride, columns)
        if kind == FLOAT32:
            scaled(reinterpret(x, np.float32), scale, target)
        elif kind == FLOAT64:
            scaled(reinterpret(x, np.float64), scale, target)
        else:
            scaled(x, scale, target)
