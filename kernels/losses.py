"""Losses: each returns C and writes its gradient, in one pass.

The formula of each is a function of one row, called by the training loop and by the public kernel, so that a row's loss
depends neither on the rows beside it nor on the thread.

B is the batch, O the outputs. Outputs, targets and gradient are (B, O) with contiguous rows. C is a mean over the
batch, and over the outputs where its formula divides by O; the gradient is that of exactly this C, including the 2 of a
square and the 1 / n of the mean. The cross-entropies take logits, the weighted inputs z of the last layer: with softmax
or sigmoid included, they are stable for z of any size, and their delta is dC/dz, which needs no f'(z).
"""

from typing import Any

from hotloop.kernels import codes
from hotloop.kernels.by_address import call_for_float
from hotloop.kernels.elementary_functions import logistic, softplus
from hotloop.kernels.jit import Array, inline, inlined, kernel, reduction
from hotloop.kernels.ordered_sums import ordered_sum
from hotloop.kernels.row_softmax import ROWS, logarithms, softmax_rows
from hotloop.kernels.tables import Record
from hotloop.kernels.views import check_matrices, check_rows, row, stack_array


@inline
def check_shapes(outputs: Array, targets: Array, gradient: Array) -> None:
    """Raise unless every target has an output and a gradient, all in contiguous rows."""
    check_matrices(outputs, targets, gradient)
    if outputs.shape != targets.shape or gradient.shape != targets.shape:
        raise ValueError("outputs, targets and gradient of a loss must have the same shape")
    check_rows(outputs)
    check_rows(targets)
    check_rows(gradient)


# The next two are not part of a reduction, where the compiler may reorder sums: their terms would be added to the
# running total one by one, and cancel.


@inline
def binary_term(z: Any, y: Any) -> Any:
    """Return log(1 + e^z) - y z, in two parts that do not cancel near the target."""
    return softplus(-abs(z)) + (max(z, type(z)(0)) - z * y)


@inline
def log_probability(z: Any, top: Any, log_sum: Any) -> Any:
    """Return the logarithm of a softmax: z - top first, which is exact near the largest."""
    return (z - top) - log_sum


@inline
def mean_over(loss: int, rows: int, columns: int) -> float:
    """Return the weight of each term of a loss: 1 / B for softmax losses and losses by address, else 1 / (B O)."""
    by_rows = loss >= codes.LOGIT_LOSS_BY_ADDRESS or loss == codes.LOSS_BY_ADDRESS
    return 1.0 / max(rows if by_rows else rows * columns, 1)


@reduction
def squared_error_row(a: Array, y: Array, g: Array, weight: float) -> float:
    """Return weight sum (a - y)^2; g = 2 weight (a - y)."""
    total, twice = y.dtype.type(0), y.dtype.type(2 * weight)
    for j in range(y.size):
        d = a[j] - y[j]
        total += d * d
        g[j] = d * twice
    return float(weight * total)


@reduction
def absolute_error_row(a: Array, y: Array, g: Array, weight: float) -> float:
    """Return weight sum |a - y|; g = weight sign(a - y), 0 where a = y."""
    total, share = y.dtype.type(0), y.dtype.type(weight)
    for j in range(y.size):
        d = a[j] - y[j]
        total += abs(d)
        sign = type(d)(1) if d > 0 else (type(d)(-1) if d < 0 else d)
        g[j] = sign * share
    return float(weight * total)


@reduction
def huber_row(a: Array, y: Array, g: Array, weight: float) -> float:
    """Return weight sum h(a - y), h(d) = d^2 / 2 where |d| <= 1, else |d| - 1/2; g = weight clip(a - y, -1, 1)."""
    total, share = y.dtype.type(0), y.dtype.type(weight)
    for j in range(y.size):
        d = a[j] - y[j]
        clipped = type(d)(1) if d > 1 else (type(d)(-1) if d < -1 else d)
        total += clipped * (d - type(d)(0.5) * clipped)
        g[j] = clipped * share
    return float(weight * total)


@reduction
def binary_cross_entropy_row(z: Array, y: Array, g: Array, weight: float) -> float:
    """Return weight sum (log(1 + e^z) - y z); g = weight (sigmoid(z) - y)."""
    total, share = y.dtype.type(0), y.dtype.type(weight)
    for j in range(y.size):
        x, t = z[j], y[j]
        total += binary_term(x, t)
        g[j] = (logistic(x) - t) * share
    return float(weight * total)


@reduction
def soft_cross_entropy_row(z: Array, y: Array, g: Array, top: Any, log_sum: Any, weight: float) -> float:
    """Return -weight sum y_j log a_j; g, which holds a = softmax(z), becomes weight (a sum(y) - y).

    top is the largest entry of z, log_sum the logarithm of sum e^(z - top).
    """
    mass, share, total = ordered_sum(y), type(top)(weight), type(top)(0)
    for j in range(y.size):
        total -= y[j] * log_probability(z[j], top, log_sum)
    for j in range(y.size):
        g[j] = (g[j] * mass - y[j]) * share
    return float(weight * total)


@inline
def rescale(g: Array, factor: float) -> None:
    """g := factor g."""
    for j in range(g.size):
        g[j] *= g.dtype.type(factor)


@reduction
def smoothed_terms(z: Array, g: Array, top: Any, log_sum: Any, each: float) -> float:
    """Return -each sum log a_j, and subtract `each` from every entry of g."""
    total, share = type(top)(0), type(top)(each)
    for j in range(z.size):
        total -= log_probability(z[j], top, log_sum)
        g[j] -= share
    return float(each * total)


@inline
def cross_entropy_row(
    z: Array, label: int, g: Array, top: Any, log_sum: Any, weight: float, smoothing: float
) -> float:  # fmt: skip
    """Return -weight log a[label]; g, which holds weight softmax(z), becomes weight (a - onehot(label)).

    With `smoothing` s the target is (1 - s) onehot(label) + s / O instead.
    """
    if smoothing > 0:
        rest = smoothed_terms(z, g, top, log_sum, weight * smoothing / z.size)
        weight *= 1 - smoothing
        g[label] -= type(top)(weight)
        return float(rest - weight * log_probability(z[label], top, log_sum))
    g[label] -= type(top)(weight)
    return float(-weight * log_probability(z[label], top, log_sum))


@inlined
def row_loss(s: Record, parameters: Array, z: Array, a: Array, y: Array, g: Array, weight: float) -> float:
    """Return the loss of a row and write its gradient, by the loss's code; softmax cross-entropies have other loops.

    A loss by address is a kernel of (a, y, g, parameters, weight) that returns weight * loss and overwrites g with
    weight * dloss/da; one of logits takes z for a.
    """
    loss = s["loss"]
    if s["loss_address"] != 0:
        x = z if loss == codes.LOGIT_LOSS_BY_ADDRESS else a
        return call_for_float(s["loss_address"], x, y, g, parameters, weight)
    if loss == codes.BINARY_CROSS_ENTROPY:
        return binary_cross_entropy_row(z, y, g, weight)
    if loss == codes.MEAN_ABSOLUTE_ERROR:
        return absolute_error_row(a, y, g, weight)
    if loss == codes.HUBER:
        return huber_row(a, y, g, weight)
    return squared_error_row(a, y, g, weight)


@kernel
def mean_squared_error(outputs: Array, targets: Array, gradient: Array) -> float:
    """C = sum (a - y)^2 / (B O); dC/da = 2 (a - y) / (B O).

    Returns C; outputs a, targets y and gradient dC/da, which is overwritten, are (B, O).

    >>> import numpy as np
    >>> from hotloop.kernels import mean_squared_error
    >>> gradient = np.empty((1, 2), np.float32)
    >>> mean_squared_error(np.array([[2, 0]], np.float32), np.zeros((1, 2), np.float32), gradient)
    2.0
    >>> print(gradient)
    [[2. 0.]]
    """
    check_shapes(outputs, targets, gradient)
    total, weight = 0.0, mean_over(codes.MEAN_SQUARED_ERROR, targets.shape[0], targets.shape[1])
    for b in range(targets.shape[0]):
        total += squared_error_row(row(outputs, b), row(targets, b), row(gradient, b), weight)
    return total


@kernel
def mean_absolute_error(outputs: Array, targets: Array, gradient: Array) -> float:
    """C = sum |a - y| / (B O); dC/da = sign(a - y) / (B O), 0 where a = y.

    Returns C; outputs a, targets y and gradient dC/da, which is overwritten, are (B, O).

    >>> import numpy as np
    >>> from hotloop.kernels import mean_absolute_error
    >>> gradient = np.empty((1, 2), np.float32)
    >>> mean_absolute_error(np.array([[2, 0]], np.float32), np.zeros((1, 2), np.float32), gradient)
    1.0
    >>> print(gradient)
    [[0.5 0. ]]
    """
    check_shapes(outputs, targets, gradient)
    total, weight = 0.0, mean_over(codes.MEAN_ABSOLUTE_ERROR, targets.shape[0], targets.shape[1])
    for b in range(targets.shape[0]):
        total += absolute_error_row(row(outputs, b), row(targets, b), row(gradient, b), weight)
    return total


@kernel
def huber(outputs: Array, targets: Array, gradient: Array) -> float:
    """C = sum h(a - y) / (B O), h(d) = d^2 / 2 where |d| <= 1, else |d| - 1/2; dC/da = clip(a - y, -1, 1) / (B O).

    Returns C; outputs a, targets y and gradient dC/da, which is overwritten, are (B, O).

    >>> import numpy as np
    >>> from hotloop.kernels import huber
    >>> gradient = np.empty((1, 2), np.float32)
    >>> huber(np.array([[2, 0]], np.float32), np.zeros((1, 2), np.float32), gradient)
    0.75
    >>> print(gradient)
    [[0.5 0. ]]
    """
    check_shapes(outputs, targets, gradient)
    total, weight = 0.0, mean_over(codes.HUBER, targets.shape[0], targets.shape[1])
    for b in range(targets.shape[0]):
        total += huber_row(row(outputs, b), row(targets, b), row(gradient, b), weight)
    return total


@kernel
def binary_cross_entropy(logits: Array, targets: Array, delta: Array) -> float:
    """C = sum (log(1 + e^z) - y z) / (B O); dC/dz = (sigmoid(z) - y) / (B O).

    This is -y log a - (1 - y) log(1 - a) with a = sigmoid(z). Returns C; logits z, targets y and delta dC/dz, which is
    overwritten, are (B, O). Targets are probabilities, for one or more labels a row.

    >>> import numpy as np
    >>> from hotloop.kernels import binary_cross_entropy
    >>> delta = np.empty((1, 2), np.float32)
    >>> C = binary_cross_entropy(np.zeros((1, 2), np.float32), np.array([[1, 0]], np.float32), delta)
    >>> round(C, 4)  # log 2: nothing is known
    0.6931
    >>> print(delta)
    [[-0.25  0.25]]
    """
    check_shapes(logits, targets, delta)
    total, weight = 0.0, mean_over(codes.BINARY_CROSS_ENTROPY, targets.shape[0], targets.shape[1])
    for b in range(targets.shape[0]):
        total += binary_cross_entropy_row(row(logits, b), row(targets, b), row(delta, b), weight)
    return total


@kernel
def soft_cross_entropy(logits: Array, targets: Array, delta: Array) -> float:
    """C = -sum y_j log a_j / B; dC/dz = (a sum(y) - y) / B, with a = softmax(z) row by row; y one-hot or soft.

    Returns C; logits z, targets y and delta dC/dz, which is overwritten, are (B, O).

    >>> import numpy as np
    >>> from hotloop.kernels import soft_cross_entropy
    >>> delta = np.empty((1, 2), np.float32)
    >>> C = soft_cross_entropy(np.zeros((1, 2), np.float32), np.array([[0.75, 0.25]], np.float32), delta)
    >>> round(C, 4)
    0.6931
    >>> print(delta)
    [[-0.25  0.25]]
    """
    check_shapes(logits, targets, delta)
    loss, weight = 0.0, mean_over(codes.SOFT_CROSS_ENTROPY, targets.shape[0], targets.shape[1])
    top, total = stack_array(logits, ROWS), stack_array(logits, ROWS)
    for first in range(0, targets.shape[0], ROWS):
        rows = softmax_rows(logits, first, logits.dtype.type(1), delta, top, total)
        logarithms(rows, total)
        for r in range(rows):
            z, y, g = row(logits, first + r), row(targets, first + r), row(delta, first + r)
            loss += soft_cross_entropy_row(z, y, g, top[r], total[r], weight)
    return loss


@kernel
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
        If the shapes do not fit, or a label is not a column of the logits.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop.kernels import cross_entropy
    >>> delta = np.empty((1, 2), np.float32)
    >>> round(cross_entropy(np.zeros((1, 2), np.float32), np.array([1]), delta), 4)  # log 2: nothing is known
    0.6931
    >>> print(delta)
    [[ 0.5 -0.5]]
    """
    check_matrices(logits, delta, delta)
    if logits.shape != delta.shape or logits.shape[0] != labels.shape[0]:
        raise ValueError("cross_entropy: delta must have the shape of the logits, labels one entry a row")
    check_rows(logits)
    check_rows(delta)
    loss, weight = 0.0, mean_over(codes.CROSS_ENTROPY, labels.shape[0], logits.shape[1])
    for b in range(labels.shape[0]):
        if labels[b] < 0 or labels[b] >= logits.shape[1]:
            raise ValueError("cross_entropy: a label is not a column of the logits")
    top, total = stack_array(logits, ROWS), stack_array(logits, ROWS)
    for first in range(0, labels.shape[0], ROWS):
        rows = softmax_rows(logits, first, logits.dtype.type(weight), delta, top, total)
        logarithms(rows, total)
        for r in range(rows):
            z, g = row(logits, first + r), row(delta, first + r)
            loss += cross_entropy_row(z, labels[first + r], g, top[r], total[r], weight, 0.0)
    return loss
