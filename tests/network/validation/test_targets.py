"""The class of a row of targets."""

import numpy as np
import pytest

from hotloop.network.losses import LOSSES
from hotloop.network.validation.targets import classes_of

NO_LABELS, NO_TARGETS = np.empty(0, np.int64), np.empty((0, 0))


@pytest.mark.parametrize(("loss", "targets", "labels", "classes"), [
    ("cross_entropy", NO_TARGETS, np.array([2, 0]), [2, 0]),
    ("cross_entropy", np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2]]), NO_LABELS, [1, 0]),  # of equal ones the first
    ("binary_cross_entropy", np.array([[0.0], [0.5], [0.75]]), NO_LABELS, [0, 0, 1]),  # above 1/2, as outputs are
    ("binary_cross_entropy", np.array([[0.0, 1.0]]), NO_LABELS, None),
    ("mse", np.array([[0.75]]), NO_LABELS, None),
])  # fmt: skip
def test_the_class_of_a_row(loss, targets, labels, classes):
    found = classes_of(targets, labels, LOSSES[loss])
    assert (found if found is None else found.tolist()) == classes
