"""Losses: each returns C and writes its gradient, in one pass.

B is the batch, O the outputs. Outputs, targets and gradient are (B, O) with contiguous rows. C is a mean over the
batch, and over the outputs where its formula divides by O; the gradient is that of exactly this C, so it carries the 2
of a square and the 1 / n of the mean. The cross-entropies take logits, the weighted inputs z of the last layer: with
softmax or sigmoid folded in, they are stable at any size of z, and their delta is dC/dz, which needs no f'(z).
"""

import math
from typing import Any

import numpy as np

from hotloop.kernels.activations import exponentials, ordered_sum
from hotloop.kernels.jit import Array, inline, reduction
from hotloop.kernels.maths import logistic, softplus
from hotloop.kernels.views import check_matrices, check_rows, row

MEAN_SQUARED_ERROR, MEAN_ABSOLUTE_ERROR, HUBER, BINARY_CROSS_ENTROPY, CROSS_ENTROPY, SOFT_CROSS_ENTROPY = range(6)


@inline
def check_shapes(outputs: Array, targets: Array, gradient: Array) -> None:
    """Raise unless every target has an output and a gradient, in rows that are contiguous."""
    check_matrices(outputs, targets, gradient)
    if outputs.shape != targets.shape or gradient.shape != targets.shape:
        raise ValueError("outputs, targets and gradient of a loss must have the same shape")
    check_rows(outputs)
    check_rows(targets)
    check_rows(gradient)


# The next two stand apart so that their sums keep their order: in a reduction the compiler may move terms between them
# and the running total, where they cancel.


@inline
def binary_term(z: Any, y: Any) -> Any:
    """Return log(1 + e^z) - y z, in two parts that do not cancel where the target is met."""
    return softplus(-abs(z)) + (max(z, type(z)(0)) - z * y)


@inline
def log_probability(z: Any, top: Any, log_sum: Any) -> Any:
    """Return log of softmax: z - top first, which is exact near the largest."""
    return (z - top) - log_sum


@reduction
def mean_squared_error(outputs: Array, targets: Array, gradient: Array) -> float:
    """C = sum (a - y)^2 / (B O); dC/da = 2 (a - y) / (B O)."""
    check_shapes(outputs, targets, gradient)
    total, n = np.float64(0), max(targets.size, 1)
    for b in range(targets.shape[0]):
        a, y, g = row(outputs, b), row(targets, b), row(gradient, b)
        part = y.dtype.type(0)
        for j in range(y.size):
            d = a[j] - y[j]
            part += d * d
            g[j] = d * type(d)(2 / n)
        total += part
    return float(total / n)


@reduction
def mean_absolute_error(outputs: Array, targets: Array, gradient: Array) -> float:
    """C = sum |a - y| / (B O); dC/da = sign(a - y) / (B O), 0 where a = y."""
    check_shapes(outputs, targets, gradient)
    total, n = np.float64(0), max(targets.size, 1)
    for b in range(targets.shape[0]):
        a, y, g = row(outputs, b), row(targets, b), row(gradient, b)
        part = y.dtype.type(0)
        for j in range(y.size):
            d = a[j] - y[j]
            part += abs(d)
            sign = type(d)(1) if d > 0 else (type(d)(-1) if d < 0 else d)
            g[j] = sign * type(d)(1 / n)
        total += part
    return float(total / n)


@reduction
def huber(outputs: Array, targets: Array, gradient: Array) -> float:
    """C = sum h(a - y) / (B O), h(d) = d^2 / 2 where |d| <= 1, else |d| - 1/2; dC/da = clip(a - y, -1, 1) / (B O)."""
    check_shapes(outputs, targets, gradient)
    total, n = np.float64(0), max(targets.size, 1)
    for b in range(targets.shape[0]):
        a, y, g = row(outputs, b), row(targets, b), row(gradient, b)
        part = y.dtype.type(0)
        for j in range(y.size):
            d = a[j] - y[j]
            clipped = type(d)(1) if d > 1 else (type(d)(-1) if d < -1 else d)
            part += clipped * (d - type(d)(0.5) * clipped)
            g[j] = clipped * type(d)(1 / n)
        total += part
    return float(total / n)


@reduction
def binary_cross_entropy(logits: Array, targets: Array, delta: Array) -> float:
    """C = sum (log(1 + e^z) - y z) / (B O); dC/dz = (sigmoid(z) - y) / (B O).

    This is -y log a - (1 - y) log(1 - a) with a = sigmoid(z). Targets are probabilities, one or several labels a row.
    """
    check_shapes(logits, targets, delta)
    total, n = np.float64(0), max(targets.size, 1)
    for b in range(targets.shape[0]):
        z, y, g = row(logits, b), row(targets, b), row(delta, b)
        part = y.dtype.type(0)
        for j in range(y.size):
            x, t = z[j], y[j]
            part += binary_term(x, t)
            g[j] = (logistic(x) - t) * type(x)(1 / n)
        total += part
    return float(total / n)


@reduction
def soft_cross_entropy(logits: Array, targets: Array, delta: Array) -> float:
    """C = -sum y_j log a_j / B; dC/dz = (a sum(y) - y) / B, with a = softmax(z) row by row; y one-hot or soft."""
    check_shapes(logits, targets, delta)
    total, n = np.float64(0), max(targets.shape[0], 1)
    for b in range(targets.shape[0]):
        z, y, g = row(logits, b), row(targets, b), row(delta, b)
        if y.size == 0:
            continue
        top, total_exp = exponentials(z, g)
        log_sum = type(top)(math.log(total_exp))
        part = y.dtype.type(0)
        mass = ordered_sum(y)
        for j in range(y.size):
            part -= y[j] * log_probability(z[j], top, log_sum)
        scale = mass / total_exp
        for j in range(y.size):
            g[j] = (g[j] * scale - y[j]) * type(top)(1 / n)
        total += part
    return float(total / n)


@reduction
def cross_entropy(logits: Array, labels: Array, delta: Array) -> float:
    """C = -sum log a[label] / B; dC/dz = (a - onehot(label)) / B, with a = softmax(z) row by row.

    Parameters
    ----------
    logits : array (B, O)
        Weighted inputs z of the last layer.
    labels : int64 array (B,)
        The class of each row, 0 to O - 1.
    delta : array (B, O)
        dC/dz. Overwritten.

    Returns
    -------
    float
        C, in nats.

    Raises
    ------
    ValueError
        If the shapes do not fit or a label is no column of the logits; rows of delta before it are then written.
    """
    check_matrices(logits, delta, delta)
    if logits.shape != delta.shape or logits.shape[0] != labels.shape[0]:
        raise ValueError("cross_entropy: delta must have the shape of the logits, labels one entry a row")
    check_rows(logits)
    check_rows(delta)
    classes = logits.shape[1]
    total, n = np.float64(0), max(labels.shape[0], 1)
    for b in range(labels.shape[0]):
        z, g, label = row(logits, b), row(delta, b), labels[b]
        if label < 0 or label >= classes:
            raise ValueError("cross_entropy: a label is not a column of the logits")
        top, total_exp = exponentials(z, g)
        total -= log_probability(z[label], top, type(top)(math.log(total_exp)))
        scale = type(top)(1 / n) / total_exp
        for j in range(classes):
            g[j] *= scale
        g[label] -= type(top)(1 / n)
    return float(total / n)
