"""Each metric against what scikit-learn 1.9 made of the same cases, and against its definition, pair by pair."""

import json
import math
from itertools import product

import numpy as np
import pytest
from sklearn_metrics import RECORDED, cases, names

from hotloop import Network, metrics
from hotloop.network.metrics.named import METRICS, TopK

BY_NAME = METRICS | {"top_2_accuracy": TopK(2).metric()}
RECORD = json.loads(RECORDED.read_text())
THEIRS = RECORD["values"]


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: f"{case[1]} {case[0]}")
def test_the_values_of_scikit_learn(case):
    number, kind, truth, outputs, weights = case
    for name in names(kind):
        if name in THEIRS[str(number)]:
            found, theirs = BY_NAME[name](truth, outputs, weights), THEIRS[str(number)][name]
            assert found == pytest.approx(theirs, rel=1e-12, abs=1e-12, nan_ok=True), name


def test_the_confusion_of_scikit_learn():
    given = {str(case[0]): case[2:] for case in cases()}
    assert len(RECORD["confusion"]) == 12
    for number, theirs in RECORD["confusion"].items():
        np.testing.assert_allclose(metrics.confusion_matrix(*given[number]), theirs, rtol=1e-12)


def test_predicted_classes():
    """Of an integer dtype, in one column; the classes are those up to the largest in either."""
    y, found = [0, 1, 2, 2], [0, 1, 1, 1]
    assert metrics.accuracy(y, found) == metrics.accuracy(y, np.array(found, np.uint8)[:, None]) == 0.5
    assert metrics.accuracy([1, 2, 2], [1, 2, 1]) == pytest.approx(2 / 3)
    assert metrics.accuracy([0, 3], [3, 3]) == 0.5
    assert metrics.f1(y, found, average="macro") == pytest.approx((1 + 0.5 + 0) / 3)
    assert metrics.balanced_accuracy(y, found) == pytest.approx(2 / 3)
    assert metrics.confusion_matrix(y, found).tolist() == [[1, 0, 0], [0, 1, 0], [0, 2, 0]]
    assert metrics.confusion_matrix([0, 0], [0, 3]).shape == (4, 4)
    assert metrics.precision([0, 1, 1, 0], [0, 1, 0, 1]) == metrics.precision([0, 1, 1, 0], [0.0, 1.0, 0.0, 1.0]) == 0.5
    net = Network([3, 3], loss="cross_entropy", seed=0, dtype="float64")
    x, labels = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 3
    assert metrics.accuracy(labels, net.predict(x).argmax(axis=1)) == net.evaluate(x, labels)["accuracy"]


def test_the_cases_have_undefined_values_and_zero_divisions():
    values = [value for case in THEIRS.values() for value in case.values()]
    assert sum(map(math.isnan, values)) == 6  # an area without a row of one kind
    assert min(values.count(0.0), values.count(1.0)) > 10


@pytest.mark.parametrize("weighted", [False, True])
def test_the_area_is_the_share_of_pairs_in_order(weighted):
    """By its definition: over all pairs of a positive and a negative row, a tie counting one half."""
    rng = np.random.default_rng(0)
    scores, truth = rng.integers(0, 6, 60) / 8, rng.integers(0, 2, 60)
    weights = rng.integers(1, 5, 60) / 4 if weighted else None
    w = np.ones(60) if weights is None else weights
    total = right = 0.0
    for i, j in product(np.flatnonzero(truth == 1), np.flatnonzero(truth == 0)):
        total += w[i] * w[j]
        right += w[i] * w[j] * ((scores[i] > scores[j]) + (scores[i] == scores[j]) / 2)
    assert metrics.roc_auc(truth, scores, weights) == right / total
    assert metrics.roc_auc(truth, np.full(60, 0.25), weights) == 0.5
    assert metrics.roc_auc(1 - truth, scores, weights) == pytest.approx(1 - right / total, rel=1e-15)


@pytest.mark.parametrize("case", list(cases())[:16], ids=lambda case: f"{case[1]} {case[0]}")
def test_a_row_of_weight_zero_is_left_out_to_the_bit_and_equal_weights_change_nothing(case):
    number, kind, truth, outputs, _ = case
    weights = np.random.default_rng(number).uniform(0.1, 2, len(truth))
    weights[1] = 0
    kept = weights > 0
    for name in names(kind):
        assert repr(BY_NAME[name](truth, outputs, weights)) == repr(
            BY_NAME[name](truth[kept], outputs[kept], weights[kept])
        )
        assert repr(BY_NAME[name](truth, outputs, np.full(len(truth), 2.0))) == repr(BY_NAME[name](truth, outputs))


def test_the_average_follows_the_outputs():
    y = [0, 1, 1, 0]
    one = [0.25, 0.75, 0.25, 0.75]
    two = np.stack([1 - np.array(one), one], axis=1)
    for function in (metrics.precision, metrics.recall, metrics.f1):
        assert function(y, one) == function(y, one, average="binary") == function(y, two, average="binary") == 0.5
        assert function([0, 0, 1, 0], two) == function([0, 0, 1, 0], two, average="macro")
    assert metrics.precision([0, 2, 2], np.eye(3)[[0, 0, 2]]) == (1 / 2 + 1) / 2  # class 1 does not occur


def test_equal_outputs_rank_in_the_order_of_their_classes():
    """As the predicted class is the first of the largest, so that the top 1 is the accuracy."""
    outputs, y = np.full((3, 3), 1 / 3), [0, 1, 2]
    assert [metrics.top_k_accuracy(y, outputs, k=k) for k in (1, 2)] == [1 / 3, 2 / 3]
    assert metrics.accuracy(y, outputs) == 1 / 3


def test_a_row_with_nan_is_in_no_class():
    outputs = np.array([[np.nan, 0.0, 0.0], [1.0, 0.0, 0.0]])
    assert metrics.accuracy([0, 0], outputs) == metrics.recall([0, 0], outputs) == 0.5
    assert metrics.top_k_accuracy([0, 0], outputs, k=2) == 0.5
    assert metrics.confusion_matrix([0, 0], outputs).tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    for function in (metrics.roc_auc, metrics.log_loss):
        assert math.isnan(function([0, 1], outputs))
    assert math.isnan(metrics.mae([[0, 0, 0]] * 2, outputs))


def test_confusion():
    found = metrics.confusion_matrix([0, 1, 1, 2], np.eye(3)[[0, 1, 0, 2]], [1, 2, 3, 4])
    assert found.tolist() == [[1, 0, 0], [3, 2, 0], [0, 0, 4]]
    assert metrics.confusion_matrix([0, 1, 1], [0.1, 0.9, 0.1]).tolist() == [[1, 0], [1, 1]]


def test_pinball_of_several_levels():
    y, outputs = [1.0, 3.0], [[0.0, 2.0], [4.0, 3.0]]
    by_hand = (0.25 * 1 + 0.25 * 1 + 0.75 * 1 + 0.75 * 0) / 4  # errors 1, -1, -1, 0 at levels 1/4, 3/4
    assert metrics.pinball(y, outputs, levels=[0.25, 0.75]) == by_hand
    assert metrics.pinball(y, [0.0, 4.0], levels=0.25) == (0.25 + 0.75) / 2


@pytest.mark.parametrize(("call", "message"), [
    (lambda: metrics.accuracy([0, 1], [0.5]), r"y_true has shape \(2,\), and outputs \(1,\): wanted one row for"),
    (lambda: metrics.accuracy([[0, 1]], [[0.5] * 3]), "wanted a column for each"),
    (lambda: metrics.accuracy(np.eye(3), [0, 1, 2]), r"y_true has shape \(3, 3\), and outputs \(3,\): wanted a colu"),
    (lambda: metrics.accuracy([], []), "y_true has no rows"),
    (lambda: metrics.accuracy([0, 1, 2], [[0.5, 0.5]] * 3), "whole numbers from 0 to 1: outputs has 2 columns"),
    (lambda: metrics.accuracy([0.5], [[0.5, 0.5]]), "y_true must be classes"),
    (lambda: metrics.accuracy([0], [1], [1, 2]), r"sample_weight has shape \(2,\); wanted \(1,\), .* row of y_true"),
    (lambda: metrics.accuracy([0], [1], [0]), "sample_weight must not be all zeros"),
    (lambda: metrics.accuracy([0], [1], sample_weight=[-1]), "at least 0: found -1 in row 0"),
    (lambda: metrics.accuracy([0], [1], [np.nan]), "sample_weight must be finite"),
    (lambda: metrics.balanced_accuracy([[1, 1]], [[0.5, 0.5]]), "balanced_accuracy is for one class a row"),
    (lambda: metrics.top_k_accuracy([0], [[0.5, 0.5]]), "k must be from 1 to 1, below the number of classes; got 5"),
    (lambda: metrics.top_k_accuracy([0], [0.5], k=1), "two outputs or more"),
    (lambda: metrics.f1([0], [0.5], average="samples"), "average must be one of binary, macro, micro, weighted; got"),
    (lambda: metrics.f1([0], [[0.5] * 3], average="binary"), "is for two classes; f1 was given 3 outputs"),
    (lambda: metrics.f1([[1, 1]], [[0.5] * 2], average="binary"), "is for two classes"),
    (lambda: metrics.mae([0, 1], [[0.5] * 2] * 2), r"y_true has shape \(2, 1\), and outputs \(2, 2\)"),
    (lambda: metrics.pinball([0], [0.5], levels=[0.1, 0.2]), "one for each of 1 outputs"),
    (lambda: metrics.pinball([0], [0.5], levels=1.5), "levels must be from 0 to 1; got 1.5"),
    (lambda: metrics.accuracy([0, 2], [0.1, 0.9]), r"y_true has 2, and outputs has one.* class 1: pass .* \(rows, c"),
    (lambda: metrics.recall([0, -1], [0.1, 0.9]), "y_true has -1, and outputs has one column"),
    (lambda: metrics.f1([0, np.nan], [0.1, 0.9]), "y_true has nan, and outputs has one column"),
    (lambda: metrics.roc_auc([0, 1, 2], [0.1, 0.2, 0.3]), "y_true has 2, and outputs has one column"),
    (lambda: metrics.log_loss([0, 2], [0.1, 0.9]), "y_true has 2, and outputs has one column"),
    (lambda: metrics.accuracy([0, 2], np.array([False, True])), "y_true has 2, and outputs has one column"),
    (lambda: metrics.accuracy([0, 1], [0.0, 2.0]), r"outputs must be probabilities, 0 to 1: found 2\.0; .* integers"),
    (lambda: metrics.f1([[0, 1]], [[-0.5, 0.5]]), r"outputs must be probabilities, 0 to 1: found -0\.5"),
    (lambda: metrics.f1([[0, 2]], [[0.5, 0.5]]), "y_true must be 0 or 1 for each output: found 2"),
    (lambda: metrics.roc_auc([[0, 2], [1, 0]], [[0.5, 0.5]] * 2), "y_true must be 0 or 1 for each output: found 2"),
    (lambda: metrics.accuracy([0.5, 1], [0, 1]), "y_true must be classes, whole numbers from 0; found 0.5"),
    (lambda: metrics.accuracy([0, 1], [0, -1]), "outputs must be classes, whole numbers from 0; found -1"),
    (lambda: metrics.accuracy([np.nan, 1], np.eye(2)), "y_true must be classes, whole numbers from 0 to 1"),
    (lambda: metrics.f1([0, 1, 2], [0, 1, 1]), "average='binary' is .* f1 was given 3 classes: pass average='macro'"),
    (lambda: metrics.roc_auc([0, 1], [0, 1]), r"roc_auc needs .*int64, as predicted classes.* \.astype\(float\)"),
    (lambda: metrics.log_loss([0, 1], [0, 1]), "log_loss needs probabilities, and outputs has dtype int64, as predict"),
    (lambda: metrics.top_k_accuracy([0, 1, 2], [0, 1, 2], k=1), "top_k_accuracy needs probabilities, and outputs has"),
    (lambda: metrics.log_loss([0, 1, 1], [0.1, 0.2, 1.3]), r"outputs must be probabilities, 0 to 1: found 1\.3"),
    (lambda: metrics.log_loss([0, 1, 1], [[-3, 2], [5, 9], [1, 1]]), "outputs must be probabilities, 0 to 1: found -3"),
    (lambda: metrics.log_loss([0, 1], [[0.3, 0.2], [0.5, 0.5]]), "sum to 1 in each row, .*: found a sum of 0.5; s"),
    (lambda: metrics.roc_auc([0, 1], [[3.0, 1.0], [1.0, 3.0]]), "outputs must be probabilities"),
    (lambda: metrics.roc_auc([0, 1, 2], np.full((3, 3), 0.5)), "sum to 1 in each row"),
])  # fmt: skip
def test_what_does_not_fit(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(("call", "message"), [
    (lambda: metrics.accuracy(["a", "b"], [0.1, 0.9]), r"y_true has dtype <U1; .* number the classes: classes, y = n"),
    (lambda: metrics.f1(["a", "b"], ["a", "b"]), "y_true .* found text, 'a' in row 0; number the classes"),
    (lambda: metrics.confusion_matrix([0, 1], ["a", "b"]), "outputs has dtype <U1; .* number the classes"),
    (lambda: metrics.mae(["a"], [0.5]), "y_true has dtype <U1; wanted real numbers .* encode it as numbers"),
    (lambda: metrics.accuracy([0], [1], ["a"]), "sample_weight has dtype <U1; wanted real numbers"),
])  # fmt: skip
def test_text(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_probabilities_are_held_to_the_precision_of_their_dtype():
    """Softmax of float32 does not sum to 1 in float64; nor does what was rounded when it was stored."""
    outputs = np.random.default_rng(0).dirichlet(np.ones(200), 50)
    y = np.arange(50)
    for dtype in (np.float16, np.float32):
        assert metrics.log_loss(y, outputs.astype(dtype)) == pytest.approx(metrics.log_loss(y, outputs), rel=0.1)
    with pytest.raises(ValueError, match="sum to 1"):
        metrics.log_loss(y, outputs.astype(np.float32).astype(np.float64) * (1 + 1e-6))
