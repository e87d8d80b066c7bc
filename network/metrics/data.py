"""What a metric is handed, checked and converted: truth, outputs and weights."""

import math
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.validation import arguments
from hotloop.network.validation.array_like import numeric
from hotloop.network.validation.weights import row_weights

UNKNOWN = -1  # the class of a row with NaN among its outputs


def prepared(y_true: Any, outputs: Any, weights: Any = None, *, labels: bool = True) -> tuple[Array, Array, Array]:
    """Return truth, outputs (rows, outputs) and weights, without the rows of weight zero.

    Truth is (rows,) where each row has one class or value, else (rows, outputs). `labels` says whether it may be of
    classes, for the message about text.
    """
    truth, outputs = numeric("y_true", y_true, labels), numeric("outputs", outputs, labels)
    shapes = f"y_true has shape {truth.shape}, and outputs {outputs.shape}"
    if truth.ndim == 2 and truth.shape[1] == 1:
        truth = truth[:, 0]
    if outputs.ndim == 1:
        outputs = outputs[:, None]
    if truth.ndim not in (1, 2) or outputs.ndim != 2 or len(truth) != len(outputs):
        raise ValueError(f"{shapes}: wanted one row for each")
    if truth.ndim == 2 and truth.shape != outputs.shape:
        raise ValueError(f"{shapes}: wanted a column for each")
    if len(truth) == 0:
        raise ValueError("y_true has no rows")
    if weights is None:
        return truth, outputs, np.ones(len(truth))
    weights = row_weights(weights, len(truth), beside="y_true")
    kept = weights > 0
    return (truth, outputs, weights) if kept.all() else (truth[kept], outputs[kept], weights[kept])


def prepared_classes(y_true: Any, outputs: Any, weights: Any, exclusive: bool | None) -> tuple[Array, Array, Array]:
    """Return what `prepared` does; truth of exclusive classes is (rows,), the largest of each row."""
    truth, outputs, weights = prepared(y_true, outputs, weights)
    if exclusive is not None:
        exclusive = arguments.flag("exclusive", exclusive)
    if truth.ndim == 2:
        if exclusive is None:
            exclusive = _sums_to_one(truth) and _sums_to_one(outputs)
        if exclusive:
            check_truth(truth)
            truth = truth.argmax(axis=1)
    return truth, outputs, weights


def _sums_to_one(shares: Array) -> bool:
    """Return whether each row does, but for those with NaN: as nearly as `fit` wants it, or float16 has it."""
    near = max(1e-3, math.sqrt(np.finfo(shares.dtype).eps)) if shares.dtype.kind == "f" else 0
    return not (np.abs(shares.sum(axis=1, dtype=np.float64) - 1) > near).any()


def classes(metric: str, truth: Array, outputs: Array) -> tuple[Array, Array, int]:
    """Return the true and the predicted class of each row, and how many classes there are.

    The predicted class is the largest output; a single column of whole numbers has the classes themselves, one of
    probabilities 1 where they are above 1/2, as the truth does.
    """
    if truth.ndim == 2:
        raise ValueError(f"{metric} is for one class a row: y_true has {truth.shape[1]} columns")
    if are_classes(outputs):
        labels, found = _whole("y_true", truth), _whole("outputs", outputs[:, 0])
        return labels, found, max(2, int(labels.max()) + 1, int(found.max()) + 1)
    unknown = np.isnan(outputs).any(axis=1)
    if outputs.shape[1] == 1:
        check_shares(truth, outputs)
        return (truth > 0.5).astype(np.int64), np.where(unknown, UNKNOWN, outputs[:, 0] > 0.5), 2
    number = outputs.shape[1]
    return _whole("y_true", truth, number), np.where(unknown, UNKNOWN, outputs.argmax(axis=1)), number


def are_classes(outputs: Array) -> bool:
    """Return whether these are predicted classes, not probabilities: a single column of an integer dtype."""
    return outputs.shape[1] == 1 and outputs.dtype.kind in "iu"


def check_no_classes(metric: str, outputs: Array, instead: str = "") -> None:
    """Raise a ValueError if outputs are predicted classes, of a metric that needs more."""
    if are_classes(outputs):
        raise ValueError(
            f"{metric} needs probabilities, and outputs has dtype {outputs.dtype}, as predicted classes have: pass "
            f"what net.predict(X) returns{instead}"
        )


def check_shares(truth: Array, outputs: Array) -> None:
    """Raise a ValueError unless truth and outputs are 0 to 1 (or outputs NaN), so that 1/2 divides them."""
    check_truth(truth)
    check_probabilities(outputs, exclusive=False)


def check_truth(truth: Array) -> None:
    """Raise a ValueError unless the truth of each output is 0 to 1."""
    sound = (truth >= 0) & (truth <= 1)
    if sound.all():
        return
    found = truth[~sound][0]
    if truth.ndim == 2:
        raise ValueError(f"y_true must be 0 or 1 for each output: found {found}")
    raise ValueError(
        f"y_true has {found}, and outputs has one column, the probability of class 1: pass those of all classes, "
        "(rows, classes), or predicted classes as integers"
    )


def check_probabilities(outputs: Array, *, exclusive: bool) -> None:
    """Raise a ValueError unless outputs are 0 to 1, or NaN, and if `exclusive` sum to 1 in each row."""
    near = math.sqrt(np.finfo(outputs.dtype).eps) if outputs.dtype.kind == "f" else 0
    wrong = (outputs < -near) | (outputs > 1 + near)
    if wrong.any():
        way = "softmax or sigmoid makes them of logits"
        way += "; predicted classes must be integers" if outputs.shape[1] == 1 else ""
        raise ValueError(f"outputs must be probabilities, 0 to 1: found {outputs[wrong][0]}; {way}")
    if exclusive and outputs.shape[1] > 1:
        sums = outputs.sum(axis=1, dtype=np.float64)
        wrong = np.abs(sums - 1) > near
        if wrong.any():
            raise ValueError(
                "outputs must sum to 1 in each row, as the probabilities of all classes do: found a sum of "
                f"{sums[wrong][0]:g}; softmax makes them of logits"
            )


def _whole(argument: str, values: Array, number: int | None = None) -> Array:
    """Return classes as int64; raise a ValueError unless they are whole numbers from 0, and below `number`."""
    sound = (values >= 0) & (values < (2**31 if number is None else number)) & (values == np.floor(values))
    if not sound.all():
        known = "0" if number is None else f"0 to {number - 1}: outputs has {number} columns"
        raise ValueError(f"{argument} must be classes, whole numbers from {known}; found {values[~sound][0]}")
    return values.astype(np.int64)
