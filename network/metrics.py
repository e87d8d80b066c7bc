"""Measures beside the loss, in float64."""

from typing import Any

import numpy as np

from hotloop.kernels.jit import Array

SMALLEST_SUM = 1e-280  # of squares: below it some of them may have lost digits, or be zero


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
