"""The metrics beside the loss, in float64, and the class that a row of outputs means."""

from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.activations import Activation
from hotloop.network.losses import Loss

SMALLEST_SUM = 1e-280  # of squares: below it some of them may have lost digits, or be zero


def score(
    loss: Loss,
    output: str | Activation,
    outputs: Array,
    targets: Array,
    labels: Array,
    weights: Array | None = None,
) -> dict[str, float]:
    """Return the metric that goes with a loss, under its name.

    Parameters
    ----------
    loss : Loss
    output : str or Activation
        Activation of the last layer.
    outputs : array (rows, outputs)
    targets, labels : array (rows, outputs), array (rows,)
        One of them is empty.
    weights : array (rows,), optional
        Of the rows, in a mean over their sum; None or empty for equal ones.
    """
    weights = weights if weights is not None and weights.size else None
    if not loss.classifies:
        return {"r2": r2(predicted_values(loss, output, outputs, targets), targets, weights)}
    if not loss.takes_labels:  # outputs that do not exclude each other
        return {"accuracy": accuracy((outputs > threshold(output)) == (targets > 0.5), weights)}
    wanted = labels if labels.size else targets.argmax(axis=1)
    return {"accuracy": accuracy(predicted_classes(output, outputs) == wanted, weights)}


def accuracy(right: Array, weights: Array | None = None) -> float:
    """Return the share of True in a vector or matrix, its rows weighted."""
    if weights is None:
        return float(np.mean(right))
    return float(np.average(right.reshape(len(weights), -1).mean(axis=1), weights=weights))


def predicted_values(loss: Loss, output: str | Activation, outputs: Array, targets: Array) -> Array:
    """Return the value that the outputs predict for each target: the quantile nearest the median, the mean count."""
    levels = outputs.shape[1] // targets.shape[1]
    if levels > 1:  # an output for each
        outputs = outputs[:, int(np.argmin(np.abs(np.array(loss.parameters) - 0.5))) :: levels]
    if loss.name == "poisson" and output == "identity":
        with np.errstate(over="ignore"):
            outputs = np.exp(outputs)
    return outputs


def predicted_classes(output: str | Activation, outputs: Array) -> Array:
    """Return the class that each row of outputs means: the largest, or of a single output 1 above the threshold."""
    if outputs.shape[1] > 1:
        return np.asarray(np.argmax(outputs, axis=1))
    return np.asarray(outputs[:, 0] > threshold(output), np.intp)


def threshold(output: str | Activation) -> float:
    """Return the output above which a class is more likely than not: probability 1/2, which is logit 0."""
    return 0.0 if output == "identity" else 0.5


def r2(outputs: Array, targets: Array, weights: Array | None = None) -> float:
    """Coefficient of determination, 1 - sum (y - a)^2 / sum (y - mean y)^2, averaged over outputs.

    NaN for fewer than two rows. An output whose targets are all equal counts 1 if predicted exactly, else 0. With
    weights (rows,) the sums and the mean are weighted; a row of weight 0 counts as if it were not there.
    """
    if weights is not None:
        counts = weights > 0
        outputs, targets, weights = outputs[counts], targets[counts], weights[counts]
    if targets.shape[0] < 2:
        return float("nan")
    outputs, targets = outputs.astype(np.float64), targets.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        residual, total = _squares(outputs, targets, targets[0], weights)
        if not ((total > SMALLEST_SUM) & np.isfinite(residual + total)).all():
            residual, total = _squares(*_scaled(outputs, targets), 0.0, weights)
        scores = np.where(total > 0, 1 - residual / np.where(total > 0, total, 1), np.where(residual == 0, 1.0, 0.0))
        return float(scores.mean())


def _squares(outputs: Array, targets: Array, shift: Any, weights: Array | None) -> tuple[Array, Array]:
    """Return sum (y - a)^2 and sum (y - mean y)^2 of each output, the second exactly 0 if all y equal `shift`."""
    shifted = targets - shift
    if weights is not None:
        mean = np.average(shifted, axis=0, weights=weights)
        return weights @ (targets - outputs) ** 2, weights @ (shifted - mean) ** 2
    return ((targets - outputs) ** 2).sum(axis=0), ((shifted - shifted.mean(axis=0)) ** 2).sum(axis=0)


def _scaled(outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Return both, shifted and scaled so that the targets span 0 to 1: no square of theirs overflows or vanishes."""
    outputs, targets = outputs / 2, targets / 2  # so that no difference overflows
    lowest = targets.min(axis=0)
    outputs, targets = outputs - lowest, targets - lowest
    span = targets.max(axis=0)
    span = np.where(span > 0, span, np.abs(outputs).max(axis=0))
    span[span == 0] = 1
    return outputs / span, targets / span
