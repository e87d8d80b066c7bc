"""Metrics of classes: how many rows, or outputs, are decided rightly."""

from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.metrics.data import (
    check_no_classes,
    check_probabilities,
    check_shares,
    check_truth,
    classes,
    prepared_classes,
)
from hotloop.network.validation.suggestions import explains_keywords

AVERAGES = ("binary", "macro", "micro", "weighted")


@explains_keywords(kind="metric")
def accuracy(y_true: Any, outputs: Any, sample_weight: Any = None, *, exclusive: bool | None = None) -> float:
    """Share of the rows whose class is the true one; where outputs do not exclude each other, of all outputs.

    Parameters
    ----------
    y_true : array-like (rows,) or (rows, outputs)
        Classes from 0, or for each output whether it is true, also as a probability.
    outputs : array-like (rows, outputs) or (rows,)
        Probabilities; the class of a row is its largest, or of one output 1 above 1/2. Or predicted classes: one column
        of an integer dtype.
    sample_weight : array-like (rows,), optional
        Of the rows.
    exclusive : bool, optional
        Of truth with several columns, whether just one of them is true in a row: its class is then the largest. By
        default it is so if truth and outputs both sum to 1 in each row, as one-hot classes and the softmax do. The
        metrics of `fit` and `evaluate` go by the loss instead.

    Returns
    -------
    float
        From 0 to 1, as of all metrics of classes but `log_loss` and `confusion_matrix`.

    Raises
    ------
    TypeError
        If these are not numbers.
    ValueError
        If shapes differ, or the truth has other classes than the outputs: with one column of probabilities it must be
        0 to 1, and counts as class 1 above 1/2.

    Examples
    --------
    >>> from hotloop.metrics import accuracy
    >>> accuracy([0, 1, 1, 0], [0.25, 0.75, 0.25, 0.5])  # class 1 above 1/2
    0.75
    >>> accuracy([2, 0], [[0.25, 0.25, 0.5], [0.25, 0.5, 0.25]])
    0.5
    """
    truth, outputs, weights = prepared_classes(y_true, outputs, sample_weight, exclusive)
    if truth.ndim == 2:
        check_shares(truth, outputs)
        right = ((outputs > 0.5) == (truth > 0.5)).mean(axis=1)
    else:
        true, found, _ = classes("accuracy", truth, outputs)
        right = true == found
    return float(np.average(right, weights=weights))


@explains_keywords(kind="metric")
def top_k_accuracy(
    y_true: Any, outputs: Any, sample_weight: Any = None, *, k: int = 5, exclusive: bool | None = None
) -> float:
    """Share of the rows whose true class is among the k largest outputs; of equal outputs the lower class counts first.

    Parameters
    ----------
    y_true, outputs, sample_weight, exclusive
        As of `accuracy`, with one class a row and two outputs or more.
    k : int, default 5
        Below the number of classes.

    Returns
    -------
    float

    Examples
    --------
    >>> from hotloop.metrics import top_k_accuracy
    >>> top_k_accuracy([2, 0], [[0.25, 0.5, 0.25], [0.5, 0.25, 0.25]], k=2)
    0.5
    """
    truth, outputs, weights = prepared_classes(y_true, outputs, sample_weight, exclusive)
    check_no_classes("top_k_accuracy", outputs)
    true, _, number = classes("top_k_accuracy", truth, outputs)
    if not 1 <= k < number:
        raise ValueError(f"k must be from 1 to {number - 1}, below the number of classes; got {k}")
    if outputs.shape[1] == 1:
        raise ValueError("top_k_accuracy is for two outputs or more; with one the accuracy says it")
    own = np.take_along_axis(outputs, true[:, None], axis=1)
    before = np.arange(number) < true[:, None]
    rank = ((outputs > own) | ((outputs == own) & before)).sum(axis=1)
    return float(np.average((rank < k) & ~np.isnan(outputs).any(axis=1), weights=weights))


@explains_keywords(kind="metric")
def balanced_accuracy(y_true: Any, outputs: Any, sample_weight: Any = None, *, exclusive: bool | None = None) -> float:
    """Mean, over the classes that occur, of the share of their rows that is put into them. For one class a row.

    Parameters
    ----------
    y_true, outputs, sample_weight, exclusive
        As of `accuracy`.

    Returns
    -------
    float

    Examples
    --------
    >>> from hotloop.metrics import balanced_accuracy
    >>> balanced_accuracy([0, 0, 0, 1], [0, 0, 0, 0])  # the accuracy is 0.75
    0.5
    """
    truth, outputs, weights = prepared_classes(y_true, outputs, sample_weight, exclusive)
    true, found, number = classes("balanced_accuracy", truth, outputs)
    of_class = np.bincount(true, weights, number)
    right = np.bincount(true, weights * (true == found), number)
    occurs = of_class > 0
    return float((right[occurs] / of_class[occurs]).mean())


@explains_keywords(kind="metric")
def precision(
    y_true: Any, outputs: Any, sample_weight: Any = None, *, average: str | None = None, exclusive: bool | None = None
) -> float:
    """Of the rows that are put into a class, the share that belongs there, TP / (TP + FP); 0 if there are none.

    Parameters
    ----------
    y_true, outputs, sample_weight, exclusive
        As of `accuracy`.
    average : {"binary", "macro", "micro", "weighted"}, optional
        "binary" is that of class 1, for two classes, and the default for one column. "macro" is the mean over the
        classes that occur in the truth or among the predictions, the default for several outputs; "weighted" is the
        same, weighted by the rows of each class; "micro" sums TP and FP over the classes first.

    Returns
    -------
    float

    Examples
    --------
    >>> from hotloop.metrics import precision
    >>> precision([0, 0, 1, 1, 1], [0, 1, 1, 1, 1], average="binary")  # 3 of 4
    0.75
    """
    right, predicted, _, support, how = _counts("precision", y_true, outputs, sample_weight, average, exclusive)
    return _averaged(right, predicted, support, how)


@explains_keywords(kind="metric")
def recall(
    y_true: Any, outputs: Any, sample_weight: Any = None, *, average: str | None = None, exclusive: bool | None = None
) -> float:
    """Of the rows of a class, the share that is put there, TP / (TP + FN); 0 if there are none.

    Parameters
    ----------
    y_true, outputs, sample_weight, average, exclusive
        As of `precision`.

    Returns
    -------
    float

    Examples
    --------
    >>> from hotloop.metrics import recall
    >>> recall([0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 1, 0], average="binary")  # 3 of 4
    0.75
    """
    right, _, true, support, how = _counts("recall", y_true, outputs, sample_weight, average, exclusive)
    return _averaged(right, true, support, how)


@explains_keywords(kind="metric")
def f1(
    y_true: Any, outputs: Any, sample_weight: Any = None, *, average: str | None = None, exclusive: bool | None = None
) -> float:
    """Harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN); 0 if there are none.

    Parameters
    ----------
    y_true, outputs, sample_weight, average, exclusive
        As of `precision`; the mean over classes is that of their F1.

    Returns
    -------
    float

    Examples
    --------
    >>> from hotloop.metrics import f1
    >>> f1([0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 1, 0], average="binary")
    0.75
    """
    right, predicted, true, support, how = _counts("f1", y_true, outputs, sample_weight, average, exclusive)
    return _averaged(2 * right, predicted + true, support, how)


@explains_keywords(kind="metric")
def log_loss(y_true: Any, outputs: Any, sample_weight: Any = None, *, exclusive: bool | None = None) -> float:
    """Mean of -ln p of what is true; where outputs do not exclude each other, over rows and outputs.

    Probabilities are clipped to [eps, 1 - eps], the precision of their type, so that it is finite.

    Parameters
    ----------
    y_true, sample_weight, exclusive
        As of `accuracy`.
    outputs : array-like (rows, outputs) or (rows,)
        Probabilities; predicted classes have no log loss.

    Returns
    -------
    float
        In nats.

    Raises
    ------
    ValueError
        If outputs are not 0 to 1, or exclude each other and do not sum to 1 in a row.

    Examples
    --------
    >>> from hotloop.metrics import log_loss
    >>> round(log_loss([0, 1], [[0.5, 0.5], [0.0, 1.0]]), 4)  # the mean of ln 2 and 0
    0.3466
    """
    truth, outputs, weights = prepared_classes(y_true, outputs, sample_weight, exclusive)
    check_no_classes("log_loss", outputs)
    exclusive = truth.ndim == 1 and outputs.shape[1] > 1
    check_probabilities(outputs, exclusive=exclusive)
    eps = float(np.finfo(outputs.dtype).eps) if outputs.dtype.kind == "f" else 2.0**-52
    p = np.clip(outputs.astype(np.float64), eps, 1 - eps)
    if exclusive:
        true, _, _ = classes("log_loss", truth, outputs)
        losses = -np.log(np.take_along_axis(p, true[:, None], axis=1))[:, 0]
    else:
        check_truth(truth)
        y = truth.reshape(p.shape).astype(np.float64)
        losses = -(y * np.log(p) + (1 - y) * np.log1p(-p)).mean(axis=1)
    return float(np.average(losses, weights=weights))


@explains_keywords(kind="metric")
def confusion_matrix(y_true: Any, outputs: Any, sample_weight: Any = None, *, exclusive: bool | None = None) -> Array:
    """Return the weight of the rows of each true class (down) that are put into each class (across).

    Parameters
    ----------
    y_true, outputs, sample_weight, exclusive
        As of `accuracy`, with one class a row.

    Returns
    -------
    array (C, C)
        With predicted classes C is one more than the largest there is.

    Examples
    --------
    >>> from hotloop.metrics import confusion_matrix
    >>> confusion_matrix([0, 0, 1, 2], [0, 1, 1, 2])
    array([[1., 1., 0.],
           [0., 1., 0.],
           [0., 0., 1.]])
    """
    truth, outputs, weights = prepared_classes(y_true, outputs, sample_weight, exclusive)
    true, found, number = classes("confusion_matrix", truth, outputs)
    known = found >= 0
    return pair_counts(true[known], found[known], number, weights[known])


def pair_counts(true: Array, found: Array, number: int, weights: Array | None = None) -> Array:
    """Return how many rows, or the weight of those, of each true class (down) are put into each class (across)."""
    return np.asarray(
        np.bincount(true.astype(np.intp) * number + found, weights, number * number).reshape(number, number)
    )


def _counts(
    metric: str, y_true: Any, outputs: Any, sample_weight: Any, average: str | None, exclusive: bool | None
) -> tuple[Array, Array, Array, Array, str]:
    """Return TP, TP + FP, TP + FN and the support, of each class that is averaged over, and how."""
    truth, outputs, weights = prepared_classes(y_true, outputs, sample_weight, exclusive)
    how = average or ("binary" if outputs.shape[1] == 1 else "macro")
    if how not in AVERAGES:
        raise ValueError(f"average must be one of {', '.join(AVERAGES)}; got {average!r}")
    if truth.ndim == 2:
        check_shares(truth, outputs)
        true, found = truth > 0.5, outputs > 0.5
        right, predicted, wanted = ((weights[:, None] * part).sum(axis=0) for part in (true & found, found, true))
    else:
        labels, guess, number = classes(metric, truth, outputs)
        known = guess >= 0
        right = np.bincount(labels, weights * (labels == guess), number)
        predicted, wanted = np.bincount(guess[known], weights[known], number), np.bincount(labels, weights, number)
    if how == "binary":
        if truth.ndim == 2 or len(wanted) != 2:
            what = "classes" if outputs.shape[1] == 1 else "outputs"
            raise ValueError(
                f"average='binary' is for two classes; {metric} was given {len(wanted)} {what}: pass average='macro', "
                "'micro' or 'weighted'"
            )
        chosen = np.array([False, True])
    else:
        chosen = (predicted + wanted > 0) | (truth.ndim == 2)
    right, predicted, wanted = right[chosen], predicted[chosen], wanted[chosen]
    if how == "micro":
        right, predicted, wanted = (part.sum(keepdims=True) for part in (right, predicted, wanted))
    return right, predicted, wanted, wanted, how


def _averaged(part: Array, whole: Array, support: Array, how: str) -> float:
    shares = np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
    if how != "weighted":
        return float(shares.mean())
    return float(np.average(shares, weights=support)) if support.any() else 0.0
