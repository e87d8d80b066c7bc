"""The class of each row of targets."""

from typing import Protocol

import numpy as np

from hotloop.kernels.jit import Array


class ClassRules(Protocol):
    """What a loss says of the classes of its targets."""

    @property
    def classifies(self) -> bool:
        """Whether targets are probabilities."""

    @property
    def takes_labels(self) -> bool:
        """Whether those of a row sum to 1, or an integer label stands for them."""


def classes_of(targets: Array, labels: Array, loss: ClassRules) -> Array | None:
    """Return the class of each row: the label, the largest target, or of a single one 1 above 1/2.

    None where a row has no single class.

    Parameters
    ----------
    targets, labels : array (rows, outputs), array (rows,)
        One of them is empty, as `arrays.targets` returns them.
    loss : ClassRules
    """
    if labels.size:
        return labels
    if loss.takes_labels:
        return np.asarray(targets.argmax(axis=1))
    if loss.classifies and targets.shape[1] == 1:
        return (targets[:, 0] > 0.5).astype(np.int64)
    return None
