"""Metrics as functions of truth and outputs, and those that take a parameter in ``fit(metrics=[...])``.

>>> from hotloop.metrics import accuracy
>>> accuracy([0, 1, 1], [[0.75, 0.25], [0.5, 0.5], [0.25, 0.75]])
0.6666666666666666
>>> accuracy([0, 1, 1], [0, 1, 0])  # predicted classes: one column of integers
0.6666666666666666
"""

from hotloop.network.metrics.classification import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    f1,
    log_loss,
    precision,
    recall,
    top_k_accuracy,
)
from hotloop.network.metrics.named import Pinball, TopK
from hotloop.network.metrics.ranking import roc_auc
from hotloop.network.metrics.regression import mae, mse, pinball, r2, rmse

__all__ = [
    "Pinball",
    "TopK",
    "accuracy",
    "balanced_accuracy",
    "confusion_matrix",
    "f1",
    "log_loss",
    "mae",
    "mse",
    "pinball",
    "precision",
    "r2",
    "recall",
    "rmse",
    "roc_auc",
    "top_k_accuracy",
]
