"""Measures beside the loss, in float64."""

import numpy as np

from hotloop.kernels.jit import Array


def accuracy(outputs: Array, targets: Array, labels: Array, threshold: float) -> float:
    """Share of right classes.

    The largest output against the label; without labels each output against `threshold`, targets being true above 1/2.
    """
    if labels.size:
        return float(np.mean(outputs.argmax(axis=1) == labels))
    return float(np.mean((outputs > threshold) == (targets > 0.5)))


def class_accuracy(outputs: Array, targets: Array) -> float:
    """Share of rows whose largest output stands where the largest target does."""
    return float(np.mean(outputs.argmax(axis=1) == targets.argmax(axis=1)))


def r2(outputs: Array, targets: Array) -> float:
    """Coefficient of determination, 1 - sum (y - a)^2 / sum (y - mean y)^2, averaged over outputs.

    NaN for fewer than two rows. An output whose targets are all equal counts 1 if predicted exactly, else 0.
    """
    if targets.shape[0] < 2:
        return float("nan")
    outputs, targets = outputs.astype(np.float64), targets.astype(np.float64)
    residual = ((targets - outputs) ** 2).sum(axis=0)
    total = ((targets - targets.mean(axis=0)) ** 2).sum(axis=0)
    scores = np.where(total > 0, 1 - residual / np.where(total > 0, total, 1), np.where(residual == 0, 1.0, 0.0))
    return float(scores.mean())
