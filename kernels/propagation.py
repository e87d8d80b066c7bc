"""Forward and back propagation of some rows of a micro-batch: from their inputs to the delta of every layer.

No row depends on another, so a thread has its rows to itself, and a batch may be cut anywhere. The products of a wide
layer may be cut by columns too: `Part` says what a thread does, and with whom it then waits.
"""

from typing import Any

from hotloop.kernels import clock, codes, losses
from hotloop.kernels.activation_formulas import activate, times_derivative
from hotloop.kernels.by_address import call, call_apart
from hotloop.kernels.division import divides
from hotloop.kernels.elementwise import copy
from hotloop.kernels.gather import clear, sample
from hotloop.kernels.jit import Array, inline, inlined
from hotloop.kernels.matmul import FROM_ZERO, NR, UNIT_STRIDE, ZERO
from hotloop.kernels.random import dropout
from hotloop.kernels.records import Draw, Matrix, Model, Part, Samples
from hotloop.kernels.row_softmax import ROWS, logarithms, softmax, softmax_input_gradient, softmax_padded_rows
from hotloop.kernels.simd import width
from hotloop.kernels.tables import Record
from hotloop.kernels.team import group_barrier, share
from hotloop.kernels.views import matrix, row, segment, stack_array
from hotloop.kernels.weights import relative_weight

softmax_loop, softmax_gradient_loop = inlined(softmax), inlined(softmax_input_gradient)


@inline
def prepared_inputs(model: Model, layer: Record, start: int, stop: int, draw: Draw) -> None:
    """Drop inputs, and multiply them by their learnt scale: what follows the gather, in rows start to stop."""
    if layer["prepare_inputs"] != 0:
        call(
            layer["prepare_inputs"], model.workspace, model.parameters, layer["gathered"], layer["input_scale"],
            layer["input"], layer["input_stride"], layer["fan_in"], start, stop, layer["input_dropout"] * draw.factor,
            draw.seed, draw.step, draw.row,
        )  # fmt: skip


@inline
def weighted_inputs(model: Model, layer: Record, start: int, stop: int, left: int, right: int) -> None:
    """z = x W + b, in rows start to stop of the micro-batch and columns left to right; z is overwritten.

    With layer normalisation, which takes it from here, it has a place of its own.
    """
    x_stride, stride, columns = layer["input_stride"], layer["stride"], right - left
    x = Matrix(model.workspace, layer["input"] + start * x_stride, x_stride, UNIT_STRIDE)
    weights = Matrix(model.parameters, layer["weights"] + left, stride, UNIT_STRIDE)
    bias = Matrix(model.parameters, layer["bias"] + left, ZERO, UNIT_STRIDE)
    z = Matrix(model.workspace, layer["linear"] + start * stride + left, stride, UNIT_STRIDE)
    call_apart(
        layer["product"], x, weights, columns, 1.0, bias, z, stop - start, columns, layer["fan_in"], model.room,
        ZERO,
    )  # fmt: skip


@inline
def input_deltas(model: Model, layer: Record, start: int, stop: int, left: int, right: int) -> None:
    """delta W.T, the gradient of a layer's inputs, in rows start to stop and columns left to right."""
    stride, below, columns = layer["stride"], layer["input_stride"], right - left
    error = Matrix(model.workspace, layer["delta"] + start * stride, stride, UNIT_STRIDE)
    transposed = Matrix(model.parameters, layer["weights"] + left * stride, UNIT_STRIDE, stride)
    target = Matrix(model.workspace, layer["input_delta"] + start * below + left, below, UNIT_STRIDE)
    nothing = Matrix(model.workspace, ZERO, FROM_ZERO, UNIT_STRIDE)
    call_apart(
        layer["product"], error, transposed, layer["fan_in"] - left, 1.0, nothing, target, stop - start, columns,
        layer["fan_out"], model.room, ZERO,
    )  # fmt: skip


@inlined
def together(part: Part, mine: Array | None) -> bool:
    """Wait for the other threads of the group, and tell the clock; False if the team was abandoned."""
    here = passes(part.words, part.group, part.size)
    clock.lap(mine, clock.WAIT, ZERO)
    return here


@inline
def passes(words: Array | None, group: int, size: int) -> bool:
    """Wait at a group's barrier; without words there is none, and no code for it."""
    if words is not None:
        return group_barrier(words, group, size)
    return True


@inline
def call_for_rows(address: int, z: Array, out: Array, columns: int, stride: int) -> None:
    """Call the kernel at an address for each row of z and of `out`, without the padding: f(0) need not be finite."""
    for start in range(0, z.size, stride):
        call(address, segment(z, start, columns), segment(out, start, columns))


@inlined
def in_part(
    compute: Any, model: Model, layer: Record, columns: int, part: Part, phase: int, index: int, mine: Array | None
) -> bool:
    """Compute a product of this thread: columns in its group's rows, between two barriers, or all in its own rows.

    `compute` is `weighted_inputs` or `input_deltas`. Returns False if the team was abandoned.
    """
    panel = NR * width(model.workspace)
    if not divides(columns, panel, part.size):
        compute(model, layer, part.start, part.stop, ZERO, columns)
        return True
    clock.lap(mine, phase, index)
    if not together(part, mine):
        return False
    left, right = share(columns, panel, part.member, part.size)
    compute(model, layer, part.first, part.last, left, right)
    clock.lap(mine, phase, index)
    return together(part, mine)


@inlined
def forward(model: Model, part: Part, draw: Draw, logits: bool, mine: Array | None) -> bool:
    """z(l) = a(l-1) W(l) + b(l) and a(l) = f(z(l)) for every layer, in some rows of the micro-batch.

    In some layers z is normalised before f, or a is a learnt mixture of z and f(z).

    With `logits`, for the cross-entropies, the last layer stops at z. Padding is computed too. `mine` is this thread's
    clock, or None. Returns False if the team was abandoned.
    """
    layers, workspace, start, stop = model.layers, model.workspace, part.start, part.stop
    rows = stop - start
    for index in range(layers.size):
        layer = layers[index]
        stride, size = layer["stride"], rows * layer["stride"]
        if not in_part(weighted_inputs, model, layer, stride, part, clock.FORWARD, index, mine):
            return False
        if layer["normalise"] != 0:
            call(
                layer["normalise"], workspace, model.parameters, layer["linear"], layer["gain"], layer["shift"],
                layer["deviations"], layer["z"], stride, layer["fan_out"], layer["epsilon"], start, stop,
            )  # fmt: skip
        z = segment(workspace, layer["z"] + start * stride, size)
        if logits and index == layers.size - 1:
            clock.lap(mine, clock.FORWARD, index)
            return True
        output = segment(workspace, layer["output"] + start * stride, size)
        if layer["activation"] == codes.SOFTMAX:
            columns = layer["fan_out"]
            softmax_loop(matrix(z, ZERO, rows, columns, stride), matrix(output, ZERO, rows, columns, stride))
        else:
            activated = segment(workspace, layer["activated"] + start * stride, size)
            if layer["activation"] == codes.ACTIVATION_BY_ADDRESS:
                call_for_rows(layer["activation_address"], z, activated, layer["fan_out"], stride)
            else:
                activate(layer["activation"], layer["slope_above"], layer["slope_below"], z, activated)
            if layer["mix"] != 0:
                call(
                    layer["mix"], workspace, model.parameters, layer["z"], layer["activated"], layer["a"],
                    layer["output"], stride, start, stop,
                )  # fmt: skip
        rate = layer["dropout"] * draw.factor
        if rate > 0:
            units = matrix(output, ZERO, rows, layer["fan_out"], stride)
            dropout(draw.seed, draw.step, draw.row + start, layer["first_unit"], rate, units)
        clock.lap(mine, clock.FORWARD, index)
    return True


@inlined
def loss_rows(
    s: Record, loss_parameters: Array, batch_rows: int, batch_weight: float, samples: Samples, at: int, start: int,
    stop: int, layer: Record, workspace: Array, place: int, row_losses: Array,
) -> None:  # fmt: skip
    """Write the loss of row r to row_losses[place + r], and its gradient to the last layer's delta, for start to stop.

    Row r is sample at + r. The gradient is dC/dz for the losses of logits, which read z, else dC/da. `batch_rows` rows
    of the batch have a weight other than 0, with the sum `batch_weight`.
    """
    loss, columns, stride, rows = s["loss"], layer["fan_out"], layer["stride"], stop - start
    mean = losses.mean_over(loss, batch_rows, columns)
    z = matrix(workspace, layer["z"] + start * stride, rows, columns, stride)
    a = matrix(workspace, layer["output"] + start * stride, rows, columns, stride)
    delta = matrix(workspace, layer["delta"] + start * stride, rows, columns, stride)
    at, place = at + start, place + start
    if loss >= codes.CROSS_ENTROPY:
        top, total = stack_array(workspace, ROWS), stack_array(workspace, ROWS)
        factor = workspace.dtype.type(mean if loss == codes.CROSS_ENTROPY else 1.0)
        for block in range(0, rows, ROWS):
            height = softmax_padded_rows(z, block, factor, delta, top, total)
            logarithms(height, total)
            for i in range(height):
                r = block + i
                index, x, g = sample(samples.order, at + r), row(z, r), row(delta, r)
                relative = relative_weight(samples.weights, index, batch_rows, batch_weight)
                weight = mean * relative
                if relative == 0:
                    row_losses[place + r] = 0
                    clear(g)
                elif loss == codes.CROSS_ENTROPY:
                    if relative != 1:
                        losses.rescale(g, relative)
                    row_losses[place + r] = losses.cross_entropy_row(
                        x, samples.labels[index], g, top[i], total[i], weight, s["label_smoothing"]
                    )
                else:
                    y = row(samples.targets, index)
                    row_losses[place + r] = losses.soft_cross_entropy_row(x, y, g, top[i], total[i], weight)
        return
    for r in range(rows):
        index = sample(samples.order, at + r)
        y, g = row(samples.targets, index), row(delta, r)
        relative = relative_weight(samples.weights, index, batch_rows, batch_weight)
        if relative == 0:
            row_losses[place + r] = 0
            clear(g)
        else:
            weight = mean * relative
            row_losses[place + r] = losses.row_loss(s, loss_parameters, row(z, r), row(a, r), y, g, weight)


@inlined
def backward(model: Model, part: Part, draw: Draw, logits: bool, mine: Array | None) -> bool:
    """delta(L) = dC/da * f'(z(L)) and delta(l-1) = (delta(l) W(l).T) * f'(z(l-1)), in some rows of the micro-batch.

    The last layer's delta holds dC/da, or with `logits` dC/dz already. All deltas are overwritten. The first layer's
    inputs have a gradient only if their scale is learnt. Returns False if the team was abandoned.
    """
    layers, workspace, start, stop = model.layers, model.workspace, part.start, part.stop
    rows = stop - start
    for index in range(layers.size - 1, -1, -1):
        layer = layers[index]
        stride, size = layer["stride"], rows * layer["stride"]
        z = segment(workspace, layer["z"] + start * stride, size)
        a = segment(workspace, layer["activated"] + start * stride, size)
        delta = segment(workspace, layer["delta"] + start * stride, size)
        if layer["activation"] == codes.SOFTMAX:
            if not logits:
                outputs = matrix(a, ZERO, rows, layer["fan_out"], stride)
                gradient = matrix(delta, ZERO, rows, layer["fan_out"], stride)
                softmax_gradient_loop(outputs, gradient, gradient)
        elif index < layers.size - 1 or not logits:
            rate = layer["dropout"] * draw.factor
            if rate > 0:  # the same mask again
                units = matrix(delta, ZERO, rows, layer["fan_out"], stride)
                dropout(draw.seed, draw.step, draw.row + start, layer["first_unit"], rate, units)
            keep, kept = 1 - rate, layer["delta"] + (layer["vectors"] - 1) * layer["block"]
            if layer["mix"] != 0:  # f(z) is not what dropout scaled; and the delta is needed twice
                keep = 1.0
                copy(delta, segment(workspace, kept + start * stride, size))
            if layer["activation"] == codes.ACTIVATION_BY_ADDRESS:
                call_for_rows(layer["derivative_address"], z, delta, layer["fan_out"], stride)
            else:
                slopes = layer["slope_above"], layer["slope_below"]
                times_derivative(layer["activation"], slopes[0], slopes[1], z, a, keep, delta)
            if layer["mix"] != 0:
                call(
                    layer["mix_backward"], workspace, model.parameters, layer["z"], layer["activated"], layer["a"],
                    kept, layer["delta"], stride, start, stop,
                )  # fmt: skip
        if layer["normalise"] != 0:
            call(
                layer["normalise_backward"], workspace, model.parameters, layer["gain"], layer["deviations"],
                layer["linear"], layer["z"], layer["delta"], stride, layer["fan_out"], start, stop,
            )  # fmt: skip
        if layer["input_delta"] >= 0:
            below = layer["input_stride"]
            if not in_part(input_deltas, model, layer, below, part, clock.BACKWARD, index, mine):
                return False
            if index == 0:
                call(
                    layer["prepare_inputs_backward"], workspace, layer["gathered"], layer["input_delta"], below, start,
                    stop,
                )  # fmt: skip
        clock.lap(mine, clock.BACKWARD, index)
    return True
