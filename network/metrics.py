"""The metrics beside the loss, in float64, and the class that a row of outputs means."""

from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.activations import Activation
from hotloop.network.losses import Loss

SMALLEST_SUM = 1e-280  # of squares: below it some of them may have lost digits, or be zero


def score(loss: Loss, output: str | Activation, outputs: Array, targets: Array, labels: Array) -> dict[str, float]:
    """Return the metric that goes with a loss, under its name.

    Parameters
    ----------
    loss : Loss
    output : str or Activation
        Activation of the last layer.
    outputs : array (rows, outputs)
    targets, labels : array (rows, outputs), array (rows,)
        One of them is empty.
    """
    if not loss.classifies:
        return {"r2": r2(outputs, targets)}
    if not loss.takes_labels:  # outputs that do not exclude each other
        return {"accuracy": float(np.mean((outputs > threshold(output)) == (targets > 0.5)))}
    wanted = labels if labels.size else targets.argmax(axis=1)
    return {"accuracy": float(np.mean(predicted_classes(output, outputs) == wanted))}


def predicted_classes(output: str | Activation, outputs: Array) -> Array:
    """Return the class that each row of outputs means: the largest, or of a single output 1 above the threshold."""
    if outputs.shape[1] > 1:
        return np.asarray(np.argmax(outputs, axis=1))
    return np.asarray(outputs[:, 0] > threshold(output), np.intp)


def threshold(output: str | Activation) -> float:
    """Return the output above which a class is more likely than not: probability 1/2, which is logit 0."""
    return 0.0 if output == "identity" else 0.5


def r2(outputs: Array, targets: Array) -> float:
    """Coefficient of determination, 1 - sum (y - a)^2 / sum (y - mean y)^2, averaged over outputs.

    NaN for fewer than two rows. An output whose targets are all equal counts 1 if predicted exactly, else 0.
    """
    if targets.shape[0] < 2:
        return float("nan")
    outputs, targets = outputs.astype(np.float64), targets.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        residual, total = _squares(outputs, targets, targets[0])
        if not ((total > SMALLEST_SUM) & np.isfinite(residual + total)).all():
            residual, total = _squares(*_scaled(outputs, targets), 0.0)
        scores = np.where(total > 0, 1 - residual / np.where(total > 0, total, 1), np.where(residual == 0, 1.0, 0.0))
        return float(scores.mean())


def _squares(outputs: Array, targets: Array, shift: Any) -> tuple[Array, Array]:
    """Return sum (y - a)^2 and sum (y - mean y)^2 of each output, the second exactly 0 if all y equal `shift`."""
    shifted = targets - shift
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
