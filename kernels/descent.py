"""From deltas to new parameters: gradients of weights and biases, penalties, update, a block of weights at a time."""

from typing import Any

import numpy as np

from hotloop.kernels import clock, updates
from hotloop.kernels.jit import Array, inline, inlined
from hotloop.kernels.matmul import FROM_ZERO, MR, UNIT_STRIDE, ZERO, product
from hotloop.kernels.tables import Record
from hotloop.kernels.team import share
from hotloop.kernels.views import segment, stack_array

# Inputs times rows of a micro-batch in a block of weights: the inputs, and the gradient, then stay in the second-level cache.
BLOCK: Any = np.int64(2**16)
TALL: Any = np.int64(MR)


@inlined
def descend(
    thread: int, n_threads: int, layers: Array, settings: Array, rows: int, begins: bool, ends: bool, whole: bool,
    penalised: bool, in_place: bool, by_columns: bool, left: int, right: int, step: int, gradient: Array, state: Array,
    parameters: Array, workspace: Array, row_penalties: Array, mine: Array | None,
) -> None:  # fmt: skip
    """Compute dC/dW(l) = a(l-1).T delta(l), dC/db(l) = sum of delta(l), and move this thread's share of the parameters.

    The share of a layer is some rows of its weights, the bias being the last row, block by block, or `by_columns` the
    columns left to right - 1 of the first layer's. `begins` says that the micro-batch is a batch's first, so that its
    gradient starts from zero, `ends` that it is the last, so that the parameters move. A gradient that only this micro-batch
    adds to (not `whole`) is written to the same place for each block, to stay in the cache. Plain gradient descent
    writes none, `in_place`: the tile subtracts alpha times its sums from the weights, which took 9 % from a step of
    784-30-10, 6 % from one of 784-128-10.
    """
    s = settings[0]
    alpha = s["learning_rate"]
    rate, correction = updates.corrections(alpha, s["beta1"], s["beta2"], max(step - s["step_offset"], 1))
    height = max(BLOCK // rows // TALL, 4) * TALL
    for index in range(layers.size):
        layer = layers[index]
        stride, at = layer["stride"], layer["weights"]
        first, last = share(layer["fan_in"] + 1, TALL, thread, n_threads)
        first_column, stop_column = ZERO, stride
        if by_columns and index == 0:
            first, last, first_column, stop_column = ZERO, layer["fan_in"] + 1, left, right
        for i in range(first, last, height):
            stop = min(i + height, last)
            w = segment(parameters, at + i * stride, (stop - i) * stride)
            if in_place:
                weight_gradient(layer, i, stop, first_column, stop_column, rows, -alpha, stride, workspace, w)
                clock.lap(mine, clock.DESCENT, index)
                continue
            g = segment(gradient, at + (i if whole else first) * stride, w.size)
            weight_gradient(layer, i, stop, ZERO, stride, rows, 1.0, FROM_ZERO if begins else stride, workspace, g)
            clock.lap(mine, clock.WEIGHT_GRADIENT, index)
            if ends and penalised:  # weights only: no biases, no padding
                for r in range(min(stop, layer["fan_in"]) - i):
                    row_penalties[layer["penalty"] + i + r] = updates.penalty_row(
                        segment(w, r * stride, layer["fan_out"]), s["l1"], s["l2"],
                        segment(g, r * stride, layer["fan_out"]),
                    )  # fmt: skip
            if ends:
                updates.update(s, rate, correction, at + i * stride, g, state, w)
                clock.lap(mine, clock.UPDATE, index)


@inline
def weight_gradient(
    layer: Record, first: int, last: int, left: int, right: int, rows: int, scale: float, initial_row: int,
    workspace: Array, out: Array,
) -> None:  # fmt: skip
    """Compute out = initial + scale * dC/dW, initial being out itself or zero: a block of the rows first to last - 1.

    Of them, the columns left to right - 1. The row behind the weights is the bias's: it is the weight of an input that
    is always 1.
    """
    stride, x_stride, fan_in, columns = layer["stride"], layer["input_stride"], layer["fan_in"], right - left
    delta = segment(workspace, layer["delta"] + left, rows * stride - left)
    if first < fan_in:
        x, weights = segment(workspace, layer["input"] + first, rows * x_stride), segment(out, left, out.size - left)
        product(
            x, UNIT_STRIDE, x_stride, delta, stride, UNIT_STRIDE, columns, scale, weights, initial_row, weights, stride,
            min(last, fan_in) - first, columns, rows,
        )  # fmt: skip
    if last > fan_in:
        one, bias = stack_array(out, 1), segment(out, (fan_in - first) * stride + left, columns)
        one[0] = 1
        product(
            one, ZERO, ZERO, delta, stride, UNIT_STRIDE, columns, scale, bias, initial_row, bias, stride, UNIT_STRIDE,
            columns, rows,
        )  # fmt: skip
