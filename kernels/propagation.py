"""Forward and back propagation of some rows of a micro-batch: from their inputs to the delta of every layer.

A row depends on no other, so that a thread has its rows to itself, and a batch may be cut up anyhow; the weighted
inputs of a layer may be cut by columns as well.
"""

from hotloop.kernels import clock, codes, losses
from hotloop.kernels.activations import activate, times_derivative
from hotloop.kernels.gather import sample
from hotloop.kernels.jit import Array, inline, inlined
from hotloop.kernels.matmul import FROM_ZERO, UNIT_STRIDE, ZERO, product
from hotloop.kernels.random import dropout
from hotloop.kernels.row_softmax import ROWS, logarithms, softmax, softmax_input_gradient, softmax_rows
from hotloop.kernels.tables import Record
from hotloop.kernels.views import matrix, row, segment, stack_array

softmax_loop, softmax_gradient_loop = inlined(softmax), inlined(softmax_input_gradient)


@inline
def weighted_inputs(
    layer: Record, parameters: Array, first: int, last: int, left: int, right: int, workspace: Array
) -> None:
    """Compute z = x W + b in the rows first to last - 1 of the micro-batch and the columns left to right - 1."""
    x_stride, stride, rows, columns = layer["input_stride"], layer["stride"], last - first, right - left
    x = segment(workspace, layer["input"] + first * x_stride, rows * x_stride)
    weights = segment(parameters, layer["weights"] + left, layer["fan_in"] * stride - left)
    bias = segment(parameters, layer["bias"] + left, columns)
    z = segment(workspace, layer["z"] + first * stride + left, rows * stride - left)
    product(
        x, x_stride, UNIT_STRIDE, weights, stride, UNIT_STRIDE, columns, 1.0, bias, ZERO, z, stride, rows, columns,
        layer["fan_in"],
    )  # fmt: skip


@inlined
def forward(
    layers: Array, parameters: Array, first: int, last: int, seed: int, step: int, first_row: int, logits: bool,
    begun: bool, workspace: Array, mine: Array | None,
) -> None:  # fmt: skip
    """Compute z(l) = a(l-1) W(l) + b(l) and a(l) = f(z(l)) for every layer, in the rows first to last - 1 of the micro-batch.

    With `logits`, which the cross-entropies take, the last layer is left at z; with `begun`, the first has its z.
    Padding is computed along. `mine` is this thread's clock, or None.
    """
    rows = last - first
    for index in range(layers.size):
        layer = layers[index]
        stride, size = layer["stride"], rows * layer["stride"]
        if index > 0 or not begun:
            weighted_inputs(layer, parameters, first, last, ZERO, stride, workspace)
        z = segment(workspace, layer["z"] + first * stride, size)
        if logits and index == layers.size - 1:
            clock.lap(mine, clock.FORWARD, index)
            return
        output = segment(workspace, layer["output"] + first * stride, size)
        if layer["activation"] == codes.SOFTMAX:
            columns = layer["fan_out"]
            softmax_loop(matrix(z, ZERO, rows, columns, stride), matrix(output, ZERO, rows, columns, stride))
        else:
            activate(layer["activation"], z, output)
        if layer["dropout"] > 0:
            units = matrix(output, ZERO, rows, layer["fan_out"], stride)
            dropout(seed, step, first_row + first, layer["first_unit"], layer["dropout"], units)
        clock.lap(mine, clock.FORWARD, index)


@inlined
def loss_rows(
    loss: int, batch_rows: int, layer: Record, targets: Array, labels: Array, order: Array, start: int, first: int,
    last: int, workspace: Array, place: int, row_losses: Array,
) -> None:  # fmt: skip
    """Write each row's share of the loss to row_losses[place + row], and its gradient to the last layer's delta.

    That is dC/dz for the cross-entropies, which read z, else dC/da.
    """
    columns, stride, rows = layer["fan_out"], layer["stride"], last - first
    weight = losses.mean_over(loss, batch_rows, columns)
    z = matrix(workspace, layer["z"] + first * stride, rows, columns, stride)
    a = matrix(workspace, layer["output"] + first * stride, rows, columns, stride)
    delta = matrix(workspace, layer["delta"] + first * stride, rows, columns, stride)
    start, place = start + first, place + first
    if loss >= codes.CROSS_ENTROPY:
        top, total = stack_array(workspace, ROWS), stack_array(workspace, ROWS)
        factor = workspace.dtype.type(weight if loss == codes.CROSS_ENTROPY else 1.0)
        for block in range(0, rows, ROWS):
            height = softmax_rows(z, block, factor, delta, top, total)
            logarithms(height, total)
            for i in range(height):
                r = block + i
                index, x, g = sample(order, start + r), row(z, r), row(delta, r)
                if loss == codes.CROSS_ENTROPY:
                    row_losses[place + r] = losses.cross_entropy_row(x, labels[index], g, top[i], total[i], weight)
                else:
                    y = row(targets, index)
                    row_losses[place + r] = losses.soft_cross_entropy_row(x, y, g, top[i], total[i], weight)
        return
    for r in range(rows):
        y, g = row(targets, sample(order, start + r)), row(delta, r)
        row_losses[place + r] = losses.row_loss(loss, row(z, r), row(a, r), y, g, weight)


@inlined
def backward(
    layers: Array, parameters: Array, first: int, last: int, seed: int, step: int, first_row: int, logits: bool,
    workspace: Array, mine: Array | None,
) -> None:  # fmt: skip
    """Compute delta(L) = dC/da * f'(z(L)) and delta(l-1) = (delta(l) W(l).T) * f'(z(l-1)), row by row of the micro-batch."""
    rows = last - first
    for index in range(layers.size - 1, -1, -1):
        layer = layers[index]
        stride, size = layer["stride"], rows * layer["stride"]
        z = segment(workspace, layer["z"] + first * stride, size)
        a = segment(workspace, layer["output"] + first * stride, size)
        delta = segment(workspace, layer["delta"] + first * stride, size)
        if layer["activation"] == codes.SOFTMAX:
            if not logits:
                outputs = matrix(a, ZERO, rows, layer["fan_out"], stride)
                gradient = matrix(delta, ZERO, rows, layer["fan_out"], stride)
                softmax_gradient_loop(outputs, gradient, gradient)
        elif index < layers.size - 1 or not logits:
            if layer["dropout"] > 0:  # the same mask once more
                units = matrix(delta, ZERO, rows, layer["fan_out"], stride)
                dropout(seed, step, first_row + first, layer["first_unit"], layer["dropout"], units)
            times_derivative(layer["activation"], z, a, 1 - layer["dropout"], delta)
        if index > 0:
            below = layers[index - 1]
            weights = segment(parameters, layer["weights"], layer["fan_in"] * stride)
            target = segment(workspace, below["delta"] + first * below["stride"], rows * below["stride"])
            product(
                delta, stride, UNIT_STRIDE, weights, UNIT_STRIDE, stride, layer["fan_in"], 1.0, target, FROM_ZERO,
                target, below["stride"], rows, below["stride"], layer["fan_out"],
            )  # fmt: skip
        clock.lap(mine, clock.BACKWARD, index)
