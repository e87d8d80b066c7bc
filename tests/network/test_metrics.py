"""The metrics by hand, and the class that a row of outputs means."""

import numpy as np
import pytest

from hotloop.network import metrics
from hotloop.network.losses import LOSSES

OUTPUT = np.array([[0.2, 0.9], [0.6, 0.5], [0.7, 0.1]])


def test_accuracy_by_hand():
    def accuracy(loss, output, targets, labels):
        return metrics.score(LOSSES[loss], output, OUTPUT, targets, np.asarray(labels))["accuracy"]

    none = np.empty((0, 0))
    assert accuracy("cross_entropy", "softmax", none, [1, 1, 0]) == pytest.approx(2 / 3)
    assert accuracy("cross_entropy", "softmax", np.array([[0.4, 0.6], [0.3, 0.7], [0.9, 0.1]]), []) == pytest.approx(
        2 / 3
    )
    truth = np.array([[0, 1], [0.4, 0.5], [1, 0.6]])  # wrong: 0.6 for 0.4 and 0.1 for 0.6; 0.5 is not above 1/2
    assert accuracy("binary_cross_entropy", "sigmoid", truth, []) == pytest.approx(4 / 6)
    assert accuracy("binary_cross_entropy", "identity", truth, []) == pytest.approx(3 / 6)


@pytest.mark.parametrize(("output", "outputs", "classes"), [
    ("softmax", OUTPUT, [1, 0, 0]), ("identity", OUTPUT - 5, [1, 0, 0]), ("sigmoid", OUTPUT[:, :1], [0, 1, 1]),
    ("identity", OUTPUT[:, :1] - 0.5, [0, 1, 1]), ("sigmoid", np.full((1, 1), 0.5), [0]),
])  # fmt: skip
def test_the_class_that_a_row_means(output, outputs, classes):
    np.testing.assert_array_equal(metrics.predicted_classes(output, outputs), classes)


def test_r2_by_hand():
    y = np.array([[1.0], [2.0], [3.0]])
    assert metrics.r2(y, y) == 1
    assert metrics.r2(np.full((3, 1), 2.0), y) == 0
    assert metrics.r2(y[::-1], y) == 1 - 8 / 2
    assert np.isnan(metrics.r2(y[:1], y[:1]))
    level = np.ones((3, 2))  # targets that are all equal: right or wrong
    assert metrics.r2(np.hstack([y, level]), np.hstack([y, level])) == 1
    assert metrics.r2(level + np.array([0, 1e-9]), level) == 0.5


def test_r2_is_taken_in_float64():
    y = (10_000_000 + np.arange(4)).astype(np.float32)[:, None]  # the mean, ...1.5, is no float32
    assert metrics.r2(y + np.float32(1), y) == pytest.approx(1 - 4 / 5)
