"""The compiled training loop: gather, forward, loss, backward, update, for a slice of an epoch in one call.

One loop serves every depth and width, since the network is data: a table with one record a layer, the flat parameter
vector, and one workspace. Offsets and strides count elements. A batch is worked off in chunks of rows, so that the
workspace stays small however large the batch, and a call may stop between two chunks. Nothing is allocated.
"""

from typing import Any, TypeAlias

import numpy as np

from hotloop.kernels import losses, updates
from hotloop.kernels.activations import SOFTMAX, activate, derivative, softmax, softmax_input_gradient
from hotloop.kernels.dense import accumulate_weight_gradient, dense_forward, input_gradient
from hotloop.kernels.jit import Array, inline, kernel, part
from hotloop.kernels.random import dropout
from hotloop.kernels.views import matrix, row, segment

Record: TypeAlias = Any  # an element of a structured array

# One record a layer. weights and bias are offsets in the parameters; input, z, output and delta offsets in the
# workspace.
LAYER = np.dtype(
    [
        ("fan_in", "i8"), ("fan_out", "i8"), ("input_stride", "i8"), ("stride", "i8"), ("weights", "i8"),
        ("bias", "i8"), ("input", "i8"), ("z", "i8"), ("output", "i8"), ("delta", "i8"), ("activation", "i8"),
        ("first_unit", "i8"), ("dropout", "f8"),
    ],
    align=True,
)  # fmt: skip

# What one run is told. `targets` and `slope` are offsets in the workspace, `chunk` is the rows that it has room for,
# and `first_step` the number of updates made before the optimiser's state was new (Adam counts from there).
SETTINGS = np.dtype(
    [
        ("loss", "i8"), ("update", "i8"), ("batch_size", "i8"), ("chunk", "i8"), ("targets", "i8"), ("slope", "i8"),
        ("seed", "i8"), ("first_step", "i8"), ("l1", "f8"), ("l2", "f8"), ("learning_rate", "f8"), ("momentum", "f8"),
        ("rho", "f8"), ("beta1", "f8"), ("beta2", "f8"), ("epsilon", "f8"), ("weight_decay", "f8"),
    ],
    align=True,
)  # fmt: skip

# Where it stands: the next row of the epoch, updates made so far, the sum over batches of loss times rows, the loss of
# the batch at hand, and whether that was not finite.
PROGRESS = np.dtype(
    [("row", "i8"), ("step", "i8"), ("loss_sum", "f8"), ("batch_loss", "f8"), ("diverged", "i8")], align=True
)


@inline
def copy(source: Array, target: Array) -> None:
    """Copy a vector: target := source."""
    for j in range(source.size):
        target[j] = source[j]


@inline
def gather(inputs: Array, order: Array, start: int, rows: int, offset: int, stride: int, workspace: Array) -> None:
    """Copy the rows order[start : start + rows] of `inputs` into the workspace."""
    for r in range(rows):
        copy(row(inputs, order[start + r]), segment(workspace, offset + r * stride, inputs.shape[1]))


@part
def forward(
    layers: Array, parameters: Array, rows: int, seed: int, step: int, first_row: int, workspace: Array
) -> None:
    """Compute z(l) = a(l-1) W(l) + b(l) and a(l) = f(z(l)) for every layer. The padding of rows is computed along.

    The last layer's softmax is left to `output_activation`: cross-entropy needs only z.
    """
    for index in range(layers.size):
        layer = layers[index]
        stride = layer["stride"]
        x = matrix(workspace, layer["input"], rows, layer["fan_in"], layer["input_stride"])
        weights = matrix(parameters, layer["weights"], layer["fan_in"], stride, stride)
        bias = segment(parameters, layer["bias"], stride)
        z = matrix(workspace, layer["z"], rows, stride, stride)
        dense_forward(x, weights, bias, z)
        if layer["activation"] != SOFTMAX:
            values = segment(workspace, layer["z"], rows * stride)
            activate(layer["activation"], values, segment(workspace, layer["output"], rows * stride))
        if layer["dropout"] > 0:
            units = matrix(workspace, layer["output"], rows, layer["fan_out"], stride)
            dropout(seed, step, first_row, layer["first_unit"], layer["dropout"], units)


@part
def output_activation(layers: Array, rows: int, workspace: Array) -> None:
    """Apply the last layer's softmax, if it has one."""
    last = layers[layers.size - 1]
    if last["activation"] == SOFTMAX:
        z = matrix(workspace, last["z"], rows, last["fan_out"], last["stride"])
        softmax(z, matrix(workspace, last["output"], rows, last["fan_out"], last["stride"]))


@part
def loss_of(loss: int, layers: Array, rows: int, targets: Array, labels: Array, workspace: Array) -> float:
    """Return the mean loss of a chunk and write its gradient into the last layer's delta.

    That is dC/dz for the cross-entropies, which read z, else dC/da.
    """
    last = layers[layers.size - 1]
    z = matrix(workspace, last["z"], rows, last["fan_out"], last["stride"])
    outputs = matrix(workspace, last["output"], rows, last["fan_out"], last["stride"])
    delta = matrix(workspace, last["delta"], rows, last["fan_out"], last["stride"])
    if loss == losses.CROSS_ENTROPY:
        return losses.cross_entropy(z, labels, delta)
    if loss == losses.SOFT_CROSS_ENTROPY:
        return losses.soft_cross_entropy(z, targets, delta)
    if loss == losses.BINARY_CROSS_ENTROPY:
        return losses.binary_cross_entropy(z, targets, delta)
    if loss == losses.MEAN_ABSOLUTE_ERROR:
        return losses.mean_absolute_error(outputs, targets, delta)
    if loss == losses.HUBER:
        return losses.huber(outputs, targets, delta)
    return losses.mean_squared_error(outputs, targets, delta)


@part
def times_derivative(layer: Record, rows: int, slope_offset: int, workspace: Array) -> None:
    """Turn dC/da in a layer's delta into dC/dz: delta := delta * f'(z)."""
    size = rows * layer["stride"]
    z, a = segment(workspace, layer["z"], size), segment(workspace, layer["output"], size)
    delta, slope = segment(workspace, layer["delta"], size), segment(workspace, slope_offset, size)
    derivative(layer["activation"], z, a, slope)
    for i in range(size):
        delta[i] *= slope[i]


@part
def output_delta(loss: int, layers: Array, rows: int, share: float, slope_offset: int, workspace: Array) -> None:
    """Finish delta(L) = grad_a C * f'(z(L)), and weigh it by the chunk's share of the batch."""
    last = layers[layers.size - 1]
    delta = matrix(workspace, last["delta"], rows, last["fan_out"], last["stride"])
    from_logits = loss in (losses.CROSS_ENTROPY, losses.SOFT_CROSS_ENTROPY, losses.BINARY_CROSS_ENTROPY)
    if not from_logits and last["activation"] == SOFTMAX:
        outputs = matrix(workspace, last["output"], rows, last["fan_out"], last["stride"])
        softmax_input_gradient(outputs, delta, delta)
    elif not from_logits:
        times_derivative(last, rows, slope_offset, workspace)
    if share != 1.0:
        values = segment(workspace, last["delta"], rows * last["stride"])
        factor = workspace.dtype.type(share)
        for i in range(values.size):
            values[i] *= factor


@part
def backward(
    layers: Array, parameters: Array, rows: int, seed: int, step: int, first_row: int, slope_offset: int,
    workspace: Array, gradient: Array,
) -> None:  # fmt: skip
    """Add dC/dW(l) = a(l-1).T delta(l) to the gradient, and pass delta(l-1) = (delta(l) W(l).T) * f'(z(l-1)) down."""
    for index in range(layers.size - 1, -1, -1):
        layer = layers[index]
        stride = layer["stride"]
        x = matrix(workspace, layer["input"], rows, layer["fan_in"], layer["input_stride"])
        delta = matrix(workspace, layer["delta"], rows, stride, stride)
        weight_gradient = matrix(gradient, layer["weights"], layer["fan_in"], stride, stride)
        accumulate_weight_gradient(x, delta, weight_gradient, segment(gradient, layer["bias"], stride))
        if index > 0:
            below = layers[index - 1]
            delta = matrix(workspace, layer["delta"], rows, layer["fan_out"], stride)
            weights = matrix(parameters, layer["weights"], layer["fan_in"], layer["fan_out"], stride)
            below_delta = matrix(workspace, below["delta"], rows, below["fan_out"], below["stride"])
            input_gradient(delta, weights, below_delta)
            if below["dropout"] > 0:
                # The same mask once more; the stored activation, which is a / (1 - rate) here, is scaled back to a.
                dropout(seed, step, first_row, below["first_unit"], below["dropout"], below_delta)
                outputs = segment(workspace, below["output"], rows * below["stride"])
                keep = workspace.dtype.type(1 - below["dropout"])
                for i in range(outputs.size):
                    outputs[i] *= keep
            times_derivative(below, rows, slope_offset, workspace)


@part
def penalty(layers: Array, l1: float, l2: float, parameters: Array, gradient: Array) -> float:
    """Add the penalties' gradient and return their value. Weights only: no biases, no padding."""
    total = 0.0
    if l1 > 0 or l2 > 0:
        for index in range(layers.size):
            layer = layers[index]
            for i in range(layer["fan_in"]):
                at, size = layer["weights"] + i * layer["stride"], layer["fan_out"]
                total += updates.add_penalty(segment(parameters, at, size), l1, l2, segment(gradient, at, size))
    return total


@part
def update(settings: Array, step: int, gradient: Array, state: Array, parameters: Array) -> None:
    """Move the parameters by the method that the settings name."""
    s = settings[0]
    method, alpha = s["update"], s["learning_rate"]
    if method == updates.SGD:
        updates.sgd(gradient, alpha, parameters)
    elif method == updates.MOMENTUM:
        updates.momentum(gradient, alpha, s["momentum"], row(state, 0), parameters)
    elif method == updates.NESTEROV:
        updates.nesterov(gradient, alpha, s["momentum"], row(state, 0), parameters)
    elif method == updates.RMSPROP:
        updates.rmsprop(gradient, alpha, s["rho"], s["epsilon"], row(state, 0), parameters)
    elif method == updates.ADAGRAD:
        updates.adagrad(gradient, alpha, s["epsilon"], row(state, 0), parameters)
    elif method == updates.ADAM or method == updates.ADAMW:
        b1, b2, epsilon, decay = s["beta1"], s["beta2"], s["epsilon"], s["weight_decay"]
        updates.adamw(gradient, alpha, b1, b2, epsilon, decay, step, row(state, 0), row(state, 1), parameters)


@kernel
def train_slice(
    inputs: Array, targets: Array, labels: Array, order: Array, budget: int, layers: Array, settings: Array,
    parameters: Array, gradient: Array, state: Array, workspace: Array, chunk_labels: Array, progress: Array,
) -> None:  # fmt: skip
    """Train from row progress["row"] of an epoch on, for about `budget` rows.

    Parameters
    ----------
    inputs : array (N, I)
    targets : array (N, O), or (0, 0) for integer labels
    labels : int64 array (N,), or (0,) for targets
    order : int64 array (N,)
        The rows of the epoch, in their order.
    budget : int
        Stop at the first end of a chunk at or behind this many rows.
    layers, settings, progress : structured arrays `LAYER` (one a layer), `SETTINGS` (one), `PROGRESS` (one)
    parameters, gradient : array (P,)
        Overwritten. With the update `NO_UPDATE` only the gradient is: that of the last batch, for its mean loss.
    state : array (0 to 2, P)
        The optimiser's moments.
    workspace : array, chunk_labels : int64 array (chunk,)
        Scratch. Padding starts as zero.
    progress
        Overwritten. After a batch whose loss is not finite ``diverged`` is 1, and the parameters are those before it.
    """
    s, p = settings[0], progress[0]
    stop = min(p["row"] + budget, order.size)
    first, last = layers[0], layers[layers.size - 1]
    while p["row"] < stop:
        start = p["row"]
        batch_start = start - start % s["batch_size"]
        batch_stop = min(batch_start + s["batch_size"], order.size)
        rows = min(s["chunk"], batch_stop - start)
        share = rows / (batch_stop - batch_start)
        if start == batch_start:
            p["batch_loss"] = 0.0
            gradient[:] = 0
        gather(inputs, order, start, rows, first["input"], first["input_stride"], workspace)
        if s["loss"] == losses.CROSS_ENTROPY:
            for r in range(rows):
                chunk_labels[r] = labels[order[start + r]]
        else:
            gather(targets, order, start, rows, s["targets"], targets.shape[1], workspace)
        forward(layers, parameters, rows, s["seed"], p["step"], start - batch_start, workspace)
        if s["loss"] < losses.BINARY_CROSS_ENTROPY:
            output_activation(layers, rows, workspace)
        y = matrix(workspace, s["targets"], rows, last["fan_out"], last["fan_out"])
        loss = loss_of(s["loss"], layers, rows, y, segment(chunk_labels, 0, rows), workspace)
        output_delta(s["loss"], layers, rows, share, s["slope"], workspace)
        backward(layers, parameters, rows, s["seed"], p["step"], start - batch_start, s["slope"], workspace, gradient)
        p["batch_loss"] += loss * share
        p["row"] = start + rows
        if start + rows == batch_stop:
            p["batch_loss"] += penalty(layers, s["l1"], s["l2"], parameters, gradient)
            if not np.isfinite(p["batch_loss"]):
                p["diverged"] = 1
                return
            p["step"] += 1
            p["loss_sum"] += p["batch_loss"] * (batch_stop - batch_start)
            update(settings, p["step"] - s["first_step"], gradient, state, parameters)


@kernel
def forward_slice(
    inputs: Array, targets: Array, labels: Array, start: int, stop: int, layers: Array, settings: Array,
    parameters: Array, workspace: Array, outputs: Array,
) -> float:  # fmt: skip
    """Compute the outputs of rows start to stop - 1 of `inputs`; return the sum of their losses if there are targets.

    Parameters are as in `train_slice`; outputs is an array (N, O), overwritten in the rows asked for.
    """
    s, first, last = settings[0], layers[0], layers[layers.size - 1]
    total, none = 0.0, start - start  # a zero of no literal type, for which `dropout` would be compiled once more
    for at in range(start, stop, s["chunk"]):
        rows = min(s["chunk"], stop - at)
        for r in range(rows):
            copy(row(inputs, at + r), segment(workspace, first["input"] + r * first["input_stride"], first["fan_in"]))
        forward(layers, parameters, rows, s["seed"], none, none, workspace)
        output_activation(layers, rows, workspace)
        for r in range(rows):
            copy(segment(workspace, last["output"] + r * last["stride"], last["fan_out"]), row(outputs, at + r))
        if targets.shape[0] + labels.shape[0] > 0:
            y = matrix(targets, at * last["fan_out"], rows, last["fan_out"], last["fan_out"])
            total += rows * loss_of(s["loss"], layers, rows, y, segment(labels, at, rows), workspace)
    return total
