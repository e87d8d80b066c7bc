"""Truth with a column for each class: where classes exclude each other, the numbers are those of an evaluation."""

from functools import partial

import numpy as np
import pytest

from hotloop import Network, metrics

NAMES = ["accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "top_k_accuracy"]
AVERAGED = [f"{name}_{how}" for name in ("precision", "recall", "f1") for how in ("micro", "weighted")]


def one_hot(rng, rows, classes):
    return np.eye(classes)[rng.integers(0, classes, rows)]


def soft(rng, rows, classes):
    return rng.dirichlet(np.ones(classes), rows)


def by_hand(name, *given, k=2):
    """Return a function of `hotloop.metrics`, by the name that `evaluate` has for it."""
    if name == "top_k_accuracy":
        return metrics.top_k_accuracy(*given, k=k)
    function, _, average = name.partition("_") if name in AVERAGED else (name, "", "")
    return getattr(metrics, function)(*given, **({"average": average} if average else {}))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("targets", "classes"), [(one_hot, 4), (one_hot, 2), (soft, 4), (soft, 2)])
def test_the_numbers_of_an_evaluation(targets, classes, weighted, dtype):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 3)), targets(rng, 60, classes)
    weights = rng.uniform(0.1, 2, 60) * (rng.uniform(size=60) > 0.1) if weighted else None
    net = Network([3, classes], loss="cross_entropy", seed=0, dtype=dtype)
    k = min(2, classes - 1)
    names = [f"top_{k}_accuracy" if name == "top_k_accuracy" else name for name in NAMES + AVERAGED]
    wanted, outputs = net.evaluate(x, y, sample_weight=weights, metrics=names), net.predict(x)
    found = {name: by_hand(name, y, outputs, weights, k=k) for name in NAMES + AVERAGED}
    assert [*found.values()] == pytest.approx([wanted[name] for name in names], rel=1e-12)
    labels = y.argmax(axis=1)
    assert found == {name: by_hand(name, labels, outputs, weights, k=k) for name in found}
    np.testing.assert_array_equal(
        metrics.confusion_matrix(y, outputs, weights), metrics.confusion_matrix(labels, outputs, weights)
    )


def test_sums_are_held_to_the_precision_of_float32():
    """Also where that has been written as float64, or read from text; evaluate takes targets that sum to 1 +- 0.001."""
    rng = np.random.default_rng(0)
    y, outputs = soft(rng, 50, 5).astype(np.float32), soft(rng, 50, 5)
    wanted = metrics.accuracy(y.argmax(axis=1), outputs)
    assert wanted != metrics.accuracy(y, outputs, exclusive=False)
    for dtype in (np.float16, np.float32):
        assert metrics.accuracy(y, outputs.astype(dtype).astype(np.float64)) == pytest.approx(wanted, abs=0.05)
    assert metrics.accuracy(y.astype(float) * 1.0009, outputs) == wanted
    less = y * 0.998
    assert metrics.accuracy(less, outputs) == metrics.accuracy(less, outputs, exclusive=False)


@pytest.mark.parametrize("truth", [[[1, 0], [0, 1], [1, 0]], np.eye(2, dtype=bool)[[0, 1, 0]]])
def test_integers_and_truth_values(truth):
    outputs = [[0.75, 0.25], [0.5, 0.5], [0.25, 0.75]]
    assert metrics.accuracy(truth, outputs) == metrics.accuracy([0, 1, 0], outputs) == 1 / 3
    assert metrics.precision(truth, outputs, average="binary") == metrics.precision(
        [0, 1, 0], outputs, average="binary"
    )
    assert metrics.f1(truth, [[1, 0], [0, 1], [0, 1]]) == metrics.f1([0, 1, 0], [0, 1, 1], average="macro")


def test_a_row_with_nan_is_in_no_class():
    truth, outputs = [[1, 0], [0, 1]], [[np.nan, 0.5], [0.25, 0.75]]
    assert metrics.accuracy(truth, outputs) == 0.5
    assert metrics.confusion_matrix(truth, outputs).tolist() == [[0, 0], [0, 1]]


@pytest.mark.parametrize(("truth", "outputs"), [
    ([[1, 0, 0], [0, 1, 0]], [[0.75, 0.25, 0.0], [0.75, 0.5, 0.0]]),  # one row of outputs sums to 1.25
    ([[1, 0, 0], [0, 1, 1]], [[0.75, 0.25, 0.0], [0.25, 0.25, 0.5]]),  # one of the truth to 2
])  # fmt: skip
def test_other_sums_are_those_of_several_labels(truth, outputs):
    each = [metrics.accuracy(list(t), list(a)) for t, a in zip(np.transpose(truth), np.transpose(outputs), strict=True)]
    assert metrics.accuracy(truth, outputs) == pytest.approx(np.mean(each), rel=1e-12)
    with pytest.raises(ValueError, match="balanced_accuracy is for one class a row"):
        metrics.balanced_accuracy(truth, outputs)


def test_it_can_be_said():
    truth, outputs = [[1, 0, 0], [0, 1, 0]], [[0.5, 0.25, 0.25], [0.75, 0.25, 0.0]]
    assert metrics.accuracy(truth, outputs) == metrics.accuracy(truth, outputs, exclusive=True) == 0.5
    assert metrics.accuracy(truth, outputs, exclusive=False) == 3 / 6
    assert metrics.precision(truth, outputs, exclusive=False) == 0  # 0.5 is not above 1/2
    each = [-np.log([0.5, 0.25]), -np.log([0.75, 0.75, 0.25])]
    assert metrics.log_loss(truth, outputs) == pytest.approx(each[0].mean())
    assert metrics.log_loss(truth, outputs, exclusive=False) != pytest.approx(each[0].mean())
    with pytest.raises(ValueError, match="balanced_accuracy is for one class a row"):
        metrics.balanced_accuracy(truth, outputs, exclusive=False)
    with pytest.raises(ValueError, match="outputs must sum to 1 in each row"):
        metrics.log_loss(truth, [[0.75, 0.5, 0.0]] * 2, exclusive=True)
    assert metrics.accuracy(truth, [[0.75, 0.5, 0.5], [0.75, 0.25, 0.0]], exclusive=True) == 0.5
    with pytest.raises(ValueError, match="y_true must be 0 or 1 for each output: found 2"):
        metrics.accuracy([[2, 0, 0]], outputs[:1], exclusive=True)


def test_an_evaluation_of_several_labels_does_not_look_at_sums():
    """Its outputs are all 1/2, and each row has one label: the sums are 1, and yet each output counts."""
    net = Network([3, 2], loss="binary_cross_entropy", seed=0, dtype="float64")
    net.parameters[:] = 0
    x, y = np.random.default_rng(0).normal(size=(8, 3)), np.eye(2)[[0, 0, 0, 1, 0, 0, 0, 1]]
    own = [metrics.log_loss, partial(metrics.recall, average="macro"), "roc_auc", "f1_micro"]
    found = net.evaluate(x, y, metrics=own)
    by_hand = {"accuracy": 0.5, "log_loss": np.log(2), "recall": 0, "roc_auc": 0.5, "f1_micro": 0}
    assert found == pytest.approx({"loss": np.log(2)} | by_hand)
    assert found["accuracy"] == metrics.accuracy(y, net.predict(x), exclusive=False) == 0.5
    assert metrics.accuracy(y, net.predict(x)) == 0.75  # class 0
    chosen = partial(metrics.f1, exclusive=True, average="micro")
    assert net.evaluate(x, y, metrics=[chosen])["f1"] == 0.75
