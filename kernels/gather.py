"""Rows of data into the workspace, converted and scaled on the way: data need not be floats, nor fit into memory.

Inputs come as the bytes of their rows, a read-only uint8 matrix, with a code for what the bytes mean: whatever the
data's dtype, writable or not, in memory or in a file, the compiled loops see one array type.
"""

from typing import Any

import numpy as np

from hotloop.kernels.choices import BLOCK
from hotloop.kernels.jit import Array, inline, inlined
from hotloop.kernels.records import Samples
from hotloop.kernels.simd import prefetch
from hotloop.kernels.tables import Record
from hotloop.kernels.views import reinterpret, row, segment

UINT8, FLOAT32, FLOAT64 = range(3)
LINE = 64  # bytes
LONG = 512  # bytes of a row from which on fetching it ahead gains more than it costs
AHEAD: Any = np.int64(BLOCK // 2)  # bytes of rows to fetch ahead, at most: they must stay in the second-level cache


@inlined
def scaled(source: Array, scale: Any, target: Array) -> None:
    """target = scale * source, converted to the type of `target`, which is overwritten."""
    for j in range(target.size):
        target[j] = target.dtype.type(source[j]) * scale


@inline
def clear(target: Array) -> None:
    """target = 0."""
    for j in range(target.size):
        target[j] = 0


@inline
def sample(order: Array, index: int) -> int:
    """Return the row of the data at `index` of the order; an empty order is the data's own."""
    return order[index] if order.size > 0 else index


@inline
def fetch(values: Array) -> None:
    """Fetch bytes into the second-level cache."""
    for j in range(0, values.size, LINE):
        prefetch(values, j)


@inline
def gather(
    samples: Samples, at: int, start: int, stop: int, s: Record, layer: Record, workspace: Array, substitute: int
) -> None:
    """Write scale * x for the first layer, in rows start to stop of the workspace: sample at + r to row r.

    A scale of 1 has no separate loop: the product costs nothing compared with fetching the row from memory. A sample of
    weight 0 is not read, so that nothing in it can overflow: in its place is the sample `substitute`, or zeros if that
    is below 0. Long rows that lie a batch further in the order are fetched ahead.
    """
    scale, kind = workspace.dtype.type(s["input_scale"]), s["input_kind"]
    ahead = min(s["micro_batch"], s["batch_size"], AHEAD // max(samples.inputs.shape[1], 1))
    far = samples.inputs.shape[1] >= LONG
    for r in range(start, stop):
        if far and at + r + ahead < samples.order.size:
            fetch(row(samples.inputs, samples.order[at + r + ahead]))
        index = sample(samples.order, at + r)
        if samples.weights.size > 0 and samples.weights[index] == 0:
            index = substitute
        x = row(samples.inputs, index)
        target = segment(workspace, layer["gathered"] + r * layer["input_stride"], layer["fan_in"])
        if index < 0:
            clear(target)
        elif kind == FLOAT32:
            scaled(reinterpret(x, np.float32), scale, target)
        elif kind == FLOAT64:
            scaled(reinterpret(x, np.float64), scale, target)
        else:
            scaled(x, scale, target)
