"""What a single training step checks before and after: one pass over its batch, and over the parameters."""

import numpy as np

from hotloop.kernels.elementwise import copy
from hotloop.kernels.jit import Array, kernel
from hotloop.kernels.prediction import all_finite
from hotloop.kernels.views import row, vector_of

SUM_TOLERANCE = 1e-3  # by which the probabilities of a row may miss 1


@kernel
def ready_to_step(
    inputs: Array, targets: Array, labels: Array, classes: int, least: float, most: float, sums: bool,
    parameters: Array, kept: Array,
) -> bool:  # fmt: skip
    """Return whether a step can be taken: all numbers are finite, and the targets what the loss wants.

    Parameters
    ----------
    inputs : array (N, I)
    targets : array (N, O) or (0, 0)
        From `least` to `most`; with `sums`, each row adds up to 1.
    labels : int64 array (N,) or (0,)
        From 0 to below `classes`.
    parameters : array (P,)
    kept : array (P,)
        Overwritten by the parameters.
    """
    bad = 0
    for i in range(labels.size):
        bad += labels[i] < 0 or labels[i] >= classes
    for r in range(targets.shape[0]):
        y, total = row(targets, r), 0.0
        for j in range(y.size):
            bad += not least <= y[j] <= most
            total += np.float64(y[j])
        bad += sums and not abs(total - 1) <= SUM_TOLERANCE
    copy(parameters, kept)
    return bad == 0 and all_finite(vector_of(inputs)) and all_finite(parameters)


@kernel
def still_finite(parameters: Array, moments: Array) -> bool:
    """Return whether all parameters (P,) and moments (n, P) are finite."""
    return all_finite(parameters) and all_finite(vector_of(moments))
