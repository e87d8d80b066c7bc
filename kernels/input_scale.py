"""A learnt scale for each input, x s, with an s for each column of X that is trained like a weight; and their dropout.

All arrays are vectors; what has several rows has them one after the other, each of `scale.size` numbers. The training
loop calls the last two kernels by address.
"""

from typing import Any

import numpy as np

from hotloop.kernels.jit import Array, inlined, kernel
from hotloop.kernels.random import dropout
from hotloop.kernels.views import matrix, segment

# The inputs' number among the units for which dropout draws: after those of all layers.
FIRST_INPUT: Any = np.int64(2**33)


@kernel
def scale_inputs(x: Array, scale: Array, out: Array) -> None:
    """out = x s, row by row.

    Parameters
    ----------
    x : array (B I,)
    scale : array (I,)
        s.
    out : array (B I,)
        Overwritten.
    """
    width = scale.size
    for at in range(0, out.size, width):
        values, scaled = segment(x, at, width), segment(out, at, width)
        for j in range(width):
            scaled[j] = values[j] * scale[j]


@kernel
def scale_inputs_backward(x: Array, delta: Array) -> None:
    """dC/ds = sum over the batch of x dC/d(x s).

    Parameters
    ----------
    x : array (B I,)
    delta : array (B I,)
        dC/d(x s); overwritten by what is summed over the rows.
    """
    for i in range(delta.size):
        delta[i] *= x[i]


scale_inputs_loop, scale_inputs_backward_loop = inlined(scale_inputs), inlined(scale_inputs_backward)


@kernel
def prepare_inputs(
    workspace: Array, parameters: Array, gathered: int, scale: int, target: int, stride: int, fan_in: int, start: int,
    stop: int, rate: float, seed: int, step: int, row: int,
) -> None:  # fmt: skip
    """Drop a share of the inputs in rows start to stop, which begin at `gathered`; then write x s to `target`.

    They are rows of a batch, counted from `row`. Where `target` is `gathered`, there is no scale.
    """
    at, size = start * stride, (stop - start) * stride
    if rate > 0:
        inputs = matrix(workspace, gathered + at, stop - start, fan_in, stride)
        dropout(seed, step, row + start, FIRST_INPUT, rate, inputs)
    if target != gathered:
        x, scaled = segment(workspace, gathered + at, size), segment(workspace, target + at, size)
        scale_inputs_loop(x, segment(parameters, scale, stride), scaled)


@kernel
def prepare_inputs_backward(workspace: Array, gathered: int, delta: int, stride: int, start: int, stop: int) -> None:
    """Do as `scale_inputs_backward` with rows start to stop of two buffers, which begin at these places."""
    at, size = start * stride, (stop - start) * stride
    scale_inputs_backward_loop(segment(workspace, gathered + at, size), segment(workspace, delta + at, size))
