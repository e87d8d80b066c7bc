"""Metrics of values, in float64. Of several outputs each is the mean over them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.metrics.data import prepared
from hotloop.network.validation.suggestions import explains_keywords

SMALLEST_SUM = 1e-280  # of squares: below it some of them may have lost digits, or be zero


@explains_keywords(kind="metric")
def mae(y_true: Any, outputs: Any, sample_weight: Any = None) -> float:
    """Mean absolute error, mean |y - a|.

    Parameters
    ----------
    y_true : array-like (rows,) or (rows, outputs)
    outputs : array-like (rows, outputs) or (rows,)
    sample_weight : array-like (rows,), optional
        Of the rows.

    Returns
    -------
    float

    Examples
    --------
    >>> from hotloop.metrics import mae
    >>> mae([1, 2, 3, 4], [1.5, 2, 3, 2.5])
    0.5
    """
    y, a, weights = _values(y_true, outputs, sample_weight)
    return float(np.average(np.abs(y - a).mean(axis=1), weights=weights))


@explains_keywords(kind="metric")
def mse(y_true: Any, outputs: Any, sample_weight: Any = None) -> float:
    """Mean squared error, mean (y - a)^2.

    Parameters
    ----------
    y_true, outputs, sample_weight
        As of `mae`.

    Returns
    -------
    float

    Examples
    --------
    >>> from hotloop.metrics import mse
    >>> mse([1, 2, 3, 4], [1.5, 2, 3, 2.5])
    0.625
    """
    y, a, weights = _values(y_true, outputs, sample_weight)
    return float(np.average(((y - a) ** 2).mean(axis=1), weights=weights))


@explains_keywords(kind="metric")
def rmse(y_true: Any, outputs: Any, sample_weight: Any = None) -> float:
    """Root mean squared error, sqrt(mean (y - a)^2) of each output.

    Parameters
    ----------
    y_true, outputs, sample_weight
        As of `mae`.

    Returns
    -------
    float

    Examples
    --------
    >>> from hotloop.metrics import rmse
    >>> rmse([0, 0], [3, -3])
    3.0
    """
    y, a, weights = _values(y_true, outputs, sample_weight)
    return float(np.sqrt(np.average((y - a) ** 2, axis=0, weights=weights)).mean())


@explains_keywords(kind="metric")
def pinball(y_true: Any, outputs: Any, sample_weight: Any = None, *, levels: float | Sequence[float] = 0.5) -> float:
    """Quantile loss, mean of q (y - a) where y >= a, and (1 - q) (a - y) where not.

    Parameters
    ----------
    y_true, outputs, sample_weight
        As of `mae`; y_true may have one column for all levels.
    levels : float or sequence of float, default 0.5
        The quantile q, 0 to 1, of all outputs or of each.

    Returns
    -------
    float

    Examples
    --------
    >>> from hotloop.metrics import pinball
    >>> pinball([1, 2], [2, 2], levels=0.75)  # too high by 1: 1 - q of it counts
    0.125
    """
    y, a, weights = _values(y_true, outputs, sample_weight, shared=True)
    q = np.asarray(levels, np.float64)
    if q.ndim > 1 or (q.ndim == 1 and len(q) != a.shape[1]):
        raise ValueError(f"levels has shape {q.shape}; wanted one number, or one for each of {a.shape[1]} outputs")
    if not ((q >= 0) & (q <= 1)).all():
        raise ValueError(f"levels must be from 0 to 1; got {levels}")
    error = y - a
    return float(np.average(np.where(error >= 0, q * error, (q - 1) * error).mean(axis=1), weights=weights))


@explains_keywords(kind="metric")
def r2(y_true: Any, outputs: Any, sample_weight: Any = None) -> float:
    """Coefficient of determination, 1 - sum (y - a)^2 / sum (y - mean y)^2.

    Parameters
    ----------
    y_true, outputs, sample_weight
        As of `mae`.

    Returns
    -------
    float
        NaN for fewer than two rows. An output whose targets are all equal counts 1 if predicted exactly, else 0.

    Examples
    --------
    >>> from hotloop.metrics import r2
    >>> r2([1, 2, 3], [1, 2, 3]), r2([1, 2, 3], [2, 2, 2])
    (1.0, 0.0)
    """
    targets, outputs, weights = _values(y_true, outputs, sample_weight)
    if len(targets) < 2:
        return float("nan")
    with np.errstate(over="ignore", invalid="ignore"):
        residual, total = _squares(outputs, targets, targets[0], weights)
        if not ((total > SMALLEST_SUM) & np.isfinite(residual + total)).all():
            residual, total = _squares(*_scaled(outputs, targets), 0.0, weights / weights.max())
        scores = np.where(total > 0, 1 - residual / np.where(total > 0, total, 1), np.where(residual == 0, 1.0, 0.0))
        return float(scores.mean())


def _values(y_true: Any, outputs: Any, sample_weight: Any, *, shared: bool = False) -> tuple[Array, Array, Array]:
    """Return truth and outputs as float64 (rows, outputs), and the weights; `shared` truth may have one column."""
    truth, outputs, weights = prepared(y_true, outputs, sample_weight, labels=False)
    if truth.ndim == 1:
        truth = truth[:, None]
    if truth.shape != outputs.shape and not shared:
        raise ValueError(f"y_true has shape {truth.shape}, and outputs {outputs.shape}: wanted a column for each")
    return truth.astype(np.float64), outputs.astype(np.float64), weights


def _squares(outputs: Array, targets: Array, shift: Any, weights: Array) -> tuple[Array, Array]:
    """Return sum (y - a)^2 and sum (y - mean y)^2 of each output, the second exactly 0 if all y equal `shift`."""
    shifted, column = targets - shift, weights[:, None]
    mean = np.average(shifted, axis=0, weights=weights)
    return (column * (targets - outputs) ** 2).sum(axis=0), (column * (shifted - mean) ** 2).sum(axis=0)


def _scaled(outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Return both, shifted and scaled so that the targets span 0 to 1: no square of theirs overflows or vanishes."""
    outputs, targets = outputs / 2, targets / 2  # so that no difference overflows
    lowest = targets.min(axis=0)
    outputs, targets = outputs - lowest, targets - lowest
    span = targets.max(axis=0)
    span = np.where(span > 0, span, np.abs(outputs).max(axis=0))
    span[span == 0] = 1
    return outputs / span, targets / span
