"""What a metric is handed, checked and converted: truth, outputs and weights."""

from typing import Any

import numpy as np

from hotloop.kernels.jit import Array

UNKNOWN = -1  # the class of a row with NaN among its outputs


def prepared(y_true: Any, outputs: Any, weights: Any = None) -> tuple[Array, Array, Array]:
    """Return truth, outputs (rows, outputs) and weights, without the rows of weight zero.

    Truth is (rows,) where each row has one class or value, else (rows, outputs).
    """
    truth, outputs = np.asarray(y_true), np.asarray(outputs)
    if truth.ndim == 2 and truth.shape[1] == 1:
        truth = truth[:, 0]
    if outputs.ndim == 1:
        outputs = outputs[:, None]
    if truth.ndim not in (1, 2) or outputs.ndim != 2 or len(truth) != len(outputs):
        raise ValueError(f"y_true has shape {np.shape(y_true)}, and outputs {outputs.shape}: wanted one row for each")
    if truth.ndim == 2 and truth.shape != outputs.shape:
        raise ValueError(f"y_true has shape {truth.shape}, and outputs {outputs.shape}: wanted a column for each")
    if len(truth) == 0:
        raise ValueError("y_true has no rows")
    if weights is None:
        return truth, outputs, np.ones(len(truth))
    weights = np.asarray(weights, np.float64)
    if weights.shape != (len(truth),):
        raise ValueError(f"weights has shape {weights.shape}; wanted ({len(truth)},), one for each row")
    if not (np.isfinite(weights) & (weights >= 0)).all() or not weights.any():
        raise ValueError("weights must be finite and not negative, and one of them above zero")
    kept = weights > 0
    return (truth, outputs, weights) if kept.all() else (truth[kept], outputs[kept], weights[kept])


def classes(metric: str, truth: Array, outputs: Array) -> tuple[Array, Array, int]:
    """Return the true and the predicted class of each row, and how many classes there are.

    The predicted class is the largest output, or of a single output 1 if it is above 1/2, as is the true one.
    """
    if truth.ndim == 2:
        raise ValueError(f"{metric} is for one class a row: y_true has {truth.shape[1]} columns")
    unknown = np.isnan(outputs).any(axis=1)
    if outputs.shape[1] == 1:
        return (truth > 0.5).astype(np.int64), np.where(unknown, UNKNOWN, outputs[:, 0] > 0.5), 2
    number = outputs.shape[1]
    labels = truth.astype(np.int64)
    if (labels != truth).any() or labels.min() < 0 or labels.max() >= number:
        raise ValueError(f"y_true must be classes, whole numbers from 0 to {number - 1}: outputs has {number} columns")
    return labels, np.where(unknown, UNKNOWN, outputs.argmax(axis=1)), number
