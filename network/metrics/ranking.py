"""The area under the ROC curve: how well outputs rank the rows."""

from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.metrics.data import check_no_classes, check_probabilities, check_truth, classes, prepared_classes
from hotloop.network.validation.suggestions import explains_keywords


@explains_keywords(kind="metric")
def roc_auc(y_true: Any, outputs: Any, sample_weight: Any = None, *, exclusive: bool | None = None) -> float:
    """Probability that a row of a class has a larger output than one of another class; a tie counts one half.

    For one output, and for two that exclude each other, that of class 1. For more it is the mean over the outputs, each
    against the rest. NaN if an output has rows of one kind only.

    Parameters
    ----------
    y_true : array-like (rows,) or (rows, outputs)
        Classes from 0, or for each output whether it is true.
    outputs : array-like (rows, outputs) or (rows,)
        Probabilities, which sum to 1 in a row where outputs exclude each other; of one output, and where outputs do not
        exclude each other, any scores.
    sample_weight : array-like (rows,), optional
        Of the rows.
    exclusive : bool, optional
        As of `accuracy`.

    Returns
    -------
    float

    Examples
    --------
    >>> from hotloop.metrics import roc_auc
    >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])  # 3 of 4 pairs are in order
    0.75
    """
    truth, outputs, weights = prepared_classes(y_true, outputs, sample_weight, exclusive)
    check_no_classes("roc_auc", outputs, ", or scores with .astype(float)")
    if truth.ndim == 2 or outputs.shape[1] == 1:
        check_truth(truth)
    else:
        check_probabilities(outputs, exclusive=True)
    if truth.ndim == 2:
        true = truth > 0.5
    elif outputs.shape[1] <= 2:
        labels, _, _ = classes("roc_auc", truth, outputs)
        true, outputs = labels[:, None] == 1, outputs[:, -1:]
    else:
        labels, _, number = classes("roc_auc", truth, outputs)
        true = labels[:, None] == np.arange(number)
    return float(np.mean([_area(true[:, column], outputs[:, column], weights) for column in range(outputs.shape[1])]))


def _area(true: Array, scores: Array, weights: Array) -> float:
    """Return the area for one output: for each positive the share of negatives below it, and half of the equal."""
    if np.isnan(scores).any():
        return float("nan")
    _, place = np.unique(scores, return_inverse=True)
    positive, negative = np.bincount(place, weights * true), np.bincount(place, weights * ~true)
    pairs = positive.sum() * negative.sum()
    if pairs == 0:
        return float("nan")
    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / pairs)
