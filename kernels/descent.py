"""From deltas to new parameters: gradients of weights and biases, penalties, update, a block of weights at a time."""

from typing import Any

import numpy as np

from hotloop.kernels import clock, updates
from hotloop.kernels.by_address import call, call_apart, call_for_float
from hotloop.kernels.choices import BLOCK
from hotloop.kernels.division import block_of
from hotloop.kernels.jit import Array, inline, inlined
from hotloop.kernels.matmul import FROM_ZERO, MR, NR, UNIT_STRIDE, ZERO
from hotloop.kernels.records import Matrix, MicroBatch, Training
from hotloop.kernels.simd import width
from hotloop.kernels.tables import Record
from hotloop.kernels.team import share
from hotloop.kernels.views import segment, stack_array

# Inputs of a block of weights times rows of a micro-batch: inputs and gradient then stay in the second-level cache.
BLOCK_SIZE: Any = np.int64(BLOCK // 4)  # BLOCK is in bytes
TALL: Any = np.int64(MR)
LINE: Any = np.int64(16)  # columns: a cache line or two


@inlined
def update_step(
    thread: int, n_threads: int, team: int, run: Training, room: Array, h: Record, batch: MicroBatch, penalised: bool,
    l2: float, step: int, first_round: bool, last_round: bool, shrinking: float, mine: Array | None,
) -> None:  # fmt: skip
    """dC/dW(l) = a(l-1).T delta(l), dC/db(l) = sum of delta(l); then move this thread's share of the parameters.

    A thread's share of a layer is some rows of its weights, or a block of them where they are updated in place, with
    the bias and other vectors in the rows after them: RMSprop takes 2.4 times as long for pieces of rows. A gradient
    that does not accumulate is written some rows at a time to the same place, to stay in the cache. Plain gradient
    descent writes none, `in_place`: the product subtracts alpha times its sums from the weights, which took 9 % from a
    step of 784-30-10, 6 % from 784-128-10. `h` is the record `STEP` of this step, `l2` its penalty, `team` the size of
    a group of threads.

    To clip the norm takes two rounds: the first computes the gradient, clips it by value and writes the squares of its
    rows; the second multiplies it by `shrinking`, if below 1, and moves the parameters. Otherwise one round is both.
    """
    s, layers, workspace, rows = run.settings[0], run.layers, run.workspace, batch.rows
    rate, correction = updates.corrections(h["learning_rate"], h["beta1"], s["beta2"], max(step - s["step_offset"], 1))
    height = max(BLOCK_SIZE // rows // TALL, 4) * TALL
    team = team if batch.in_place else 1
    for index in range(layers.size):
        layer, clock_layer = layers[index], index % s["n_layers"]  # a scale of the inputs counts as the first layer's
        stride, at, fan_in = layer["stride"], layer["weights"], layer["fan_in"]
        total = fan_in + layer["vectors"]
        start, stop, left, right = block_of(layer, NR * width(workspace), thread, n_threads, team, total, TALL)
        most = stop - start if batch.in_place or batch.accumulate else height
        end = start
        while end < stop:
            i, end, place = end, min(end + most, stop), ZERO
            if layer["by_row"] != 0:  # weights, or one row after them
                place = max(i - fan_in + 1, ZERO)
                end = i + 1 if place > 0 else min(end, fan_in)
            w = segment(run.parameters, at + i * stride, (end - i) * stride)
            g, scale, initial_stride, phase = w, -layer["rates"][place] * h["learning_rate"], stride, clock.DESCENT
            if not batch.in_place:
                g = segment(run.gradient, at + (i if batch.accumulate else start) * stride, w.size)
                scale, phase = 1.0, clock.WEIGHT_GRADIENT
                initial_stride = FROM_ZERO if batch.first else stride
            if first_round:
                weight_gradient(layer, i, end, left, right, rows, scale, initial_stride, workspace, room, g)
                clock.lap(mine, phase, clock_layer)
            if batch.in_place:
                continue
            if first_round and batch.last and penalised:  # weights only: no biases or other vectors, no padding
                for r in range(min(end, fan_in) - i):
                    run.row_penalties[layer["penalty"] + i + r] = updates.penalty_row(
                        segment(w, r * stride, layer["fan_out"]), s["l1"], l2,
                        segment(g, r * stride, layer["fan_out"]),
                    )  # fmt: skip
            if first_round and batch.clips:
                for r in range(end - i):
                    values, row = segment(g, r * stride, layer["fan_out"]), layer["squares"] + i + r
                    if s["gradient_norm"] != 0:
                        squares = call_for_float(s["clip_address"], values, 1.0, np.inf)
                        run.row_penalties[row + s["n_squares"]] = squares
                    run.row_penalties[row] = call_for_float(s["clip_address"], values, 1.0, s["clip_value"])
            if shrinking < 1:
                call_for_float(s["clip_address"], g, shrinking, np.inf)
            if batch.last and last_round:
                updates.update(
                    s, h, rate, correction, layer["rates"][place], layer["decays"][place], at + i * stride, g,
                    run.moments, w,
                )  # fmt: skip
                clock.lap(mine, clock.UPDATE, clock_layer)


@inlined
def limit_norms(thread: int, n_threads: int, run: Training) -> None:
    """Scale each unit's incoming weights down to the layer's `max_norm`; a thread has a share of the columns.

    Weights whose factor of the learning rate is 0 stay.
    """
    for index in range(run.layers.size):
        layer = run.layers[index]
        start, stop = share(layer["stride"], LINE, thread, n_threads)
        if layer["max_norm"] < np.inf and layer["rates"][0] > 0:
            weights = segment(run.parameters, layer["weights"], layer["fan_in"] * layer["stride"])
            call(run.settings[0]["max_norm_address"], weights, layer["stride"], start, stop, layer["max_norm"])


@inline
def weight_gradient(
    layer: Record, start: int, stop: int, left: int, right: int, rows: int, scale: float, initial_stride: int,
    workspace: Array, room: Array, out: Array,
) -> None:  # fmt: skip
    """out = initial + scale * x.T delta, of rows start to stop of a layer's weights, columns left to right.

    `out` begins at row `start`. With an `initial_stride` of `FROM_ZERO` it is overwritten, with its row stride
    accumulated into. The row after the weights is the bias: the weight of an input that is always 1. Other vectors come
    after it, whose gradients are the column sums of a buffer each.
    """
    stride, fan_in, columns, product = layer["stride"], layer["fan_in"], right - left, layer["product"]
    delta = Matrix(workspace, layer["delta"] + left, stride, UNIT_STRIDE)
    if start < fan_in:
        x = Matrix(workspace, layer["input"] + start, UNIT_STRIDE, layer["input_stride"])
        initial, target = Matrix(out, left, initial_stride, UNIT_STRIDE), Matrix(out, left, stride, UNIT_STRIDE)
        inputs = min(stop, fan_in) - start
        call_apart(product, x, delta, columns, scale, initial, target, inputs, columns, rows, room, ZERO)
    if start <= fan_in < stop:
        one, bias = stack_array(out, 1), (fan_in - start) * stride + left
        one[0] = 1
        ones = Matrix(one, ZERO, ZERO, ZERO)
        initial, target = Matrix(out, bias, initial_stride, UNIT_STRIDE), Matrix(out, bias, stride, UNIT_STRIDE)
        call_apart(product, ones, delta, columns, scale, initial, target, UNIT_STRIDE, columns, rows, room, ZERO)
    for vector in range(max(start, fan_in + 1), stop):
        kept = 0.0 if initial_stride < 0 else 1.0
        call(
            layer["column_sums"], workspace, out, layer["delta"] + (vector - fan_in) * layer["block"],
            (vector - start) * stride, kept, scale, rows, stride, left, right,
        )  # fmt: skip
