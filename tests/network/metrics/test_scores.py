"""The metrics that a fit and an evaluation compute: by name or by a function, and the class that outputs mean."""

from functools import partial

import numpy as np
import pytest

from hotloop import Network
from hotloop.metrics import Pinball, TopK, accuracy, f1, mae, precision, r2
from hotloop.network import metrics
from hotloop.network.losses import LOSSES
from hotloop.network.metrics.named import checked_metrics

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
    assert r2(y, y) == 1
    assert r2(y, np.full((3, 1), 2.0)) == 0
    assert r2(y, y[::-1]) == 1 - 8 / 2
    assert np.isnan(r2(y[:1], y[:1]))
    level = np.ones((3, 2))  # targets that are all equal: right or wrong
    assert r2(np.hstack([y, level]), np.hstack([y, level])) == 1
    assert r2(level, level + np.array([0, 1e-9])) == 0.5
    assert r2(level * 0.1, level * 0.1, [0.3, 0.1, 0.7]) == 1  # whose weighted mean is no 0.1


def test_r2_is_taken_in_float64():
    y = (10_000_000 + np.arange(4)).astype(np.float32)[:, None]  # the mean, ...1.5, is no float32
    assert r2(y, y + np.float32(1)) == pytest.approx(1 - 4 / 5)


# Of a network.


def network(loss, outputs, **options):
    """Return a network, inputs and targets, classes where the loss takes them."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 3)), rng.integers(0, 2, (30, outputs)) * 1.0
    if loss == "cross_entropy":
        y = rng.integers(0, outputs, 30)
    return Network([3, outputs], loss=loss, seed=0, dtype="float64", **options), X, y


def test_by_name_in_a_fit_and_in_an_evaluation():
    net, X, y = network("cross_entropy", 3)
    chosen = ["f1", "accuracy", TopK(2), "precision_micro", partial(precision, average="weighted")]
    history = net.fit(X, y, epochs=2, validation_data=(X[:20], y[:20]), metrics=chosen, progress=False)
    assert list(history) == [
        "epoch", "loss", "val_loss", "val_accuracy", "val_f1", "val_top_2_accuracy", "val_precision_micro",
        "val_precision", "learning_rate", "seconds",
    ]  # fmt: skip
    found = net.evaluate(X[:20], y[:20], metrics=chosen)
    assert found == {name: history[f"val_{name}"][-1] for name in found}
    outputs = net.predict(X[:20])
    assert found["f1"] == f1(y[:20], outputs)
    assert found["accuracy"] == accuracy(y[:20], outputs)
    assert found["precision"] == precision(y[:20], outputs, average="weighted")
    assert net.evaluate(X, y).keys() == {"loss", "accuracy"}


@pytest.mark.parametrize(("loss", "outputs", "targets"), [
    ("binary_cross_entropy", 1, (30,)), ("binary_cross_entropy", 2, (30, 2)), ("cross_entropy", 2, (30,)),
    ("mse", 1, (30,)), ("mse", 2, (30, 2)),
])  # fmt: skip
def test_what_a_function_is_handed(loss, outputs, targets):
    """Classes or values and outputs of one shape, probabilities of a network that returns logits too."""
    seen = []

    def own(y_true, outputs):
        seen.append((y_true, outputs))
        return np.float32(0.5)

    net, X, y = network(loss, outputs)
    assert net.evaluate(X, y, metrics=[own])["own"] == 0.5
    if loss != "mse":
        logits = Network([3, outputs], loss=loss, output="identity", seed=0, dtype="float64")
        logits.evaluate(X, y, metrics=[own])
        np.testing.assert_allclose(seen[0][1], seen[1][1], rtol=1e-14)
    assert seen[0][0].shape == targets
    assert seen[0][1].shape == ((30,) if outputs == 1 else (30, 2))
    np.testing.assert_array_equal(seen[0][0], y.reshape(targets))
    np.testing.assert_array_equal(seen[0][1], net.predict(X).reshape(seen[0][1].shape))


def test_distributions_are_classes_to_a_metric():
    net, X, y = network("cross_entropy", 3)
    names = ["f1", "roc_auc", "top_2_accuracy"]
    found, wanted = net.evaluate(X, np.eye(3)[y], metrics=names), net.evaluate(X, y, metrics=names)
    assert found == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(("argument", "given"), [("sample_weight", True), ("other", False)])
def test_a_function_with_an_argument_for_weights_is_given_them(argument, given):
    space = {}
    exec(f"def own(y_true, outputs, {argument}=None): return 0.0 if {argument} is None else {argument}.sum()", space)
    loss, (y, a, w) = LOSSES["mse"], np.random.default_rng(0).uniform(size=(3, 8, 1))
    (metric,) = checked_metrics([space["own"]], loss, 1)
    found = metrics.score(loss, "identity", a, y, np.empty(0, np.int64), [metric], w[:, 0])
    assert found["own"] == (w.sum() if given else 0.0)
    assert found["r2"] == r2(y, a, w[:, 0])
    assert metrics.score(loss, "identity", a, y, np.empty(0, np.int64), [metric])["own"] == 0.0


@pytest.mark.parametrize(("metrics", "message"), [
    ("accuracy", r"metrics must be a sequence, got 'accuracy': write metrics=\[it\]"), (mae, "write metrics="),
    (5, "metrics must be a sequence of names and functions, got 5"), ([5], r"a metric must be a name, or a function"),
    ([TopK], "a metric must be a name, or a function"),
])  # fmt: skip
def test_what_is_no_metric(metrics, message):
    net, X, y = network("cross_entropy", 3)
    with pytest.raises(TypeError, match=message):
        net.evaluate(X, y, metrics=metrics)


@pytest.mark.parametrize(("loss", "outputs", "metrics", "message"), [
    ("cross_entropy", 3, ["acc"], r"metric 'acc' is not known. Did you mean 'accuracy'\?"),
    ("cross_entropy", 3, ["AUC"], r"Did you mean 'roc_auc'\?"), ("mse", 1, ["kappa"], "hotloop has nothing of"),
    ("mse", 1, ["f1"], "f1 is a metric of classification, and the loss mse is for .*: .* mae, "),
    ("cross_entropy", 3, ["mae"], "mae is a metric of regression, .* f1, top_5_accuracy, roc_auc, log_loss"),
    ("cross_entropy", 3, ["top_3_accuracy"], "top_3_accuracy does not suit this network: k must be from 1 to 2"),
    ("cross_entropy", 3, ["f1_binary"], "f1_binary does not suit this network: average='binary' is for two classes"),
    ("binary_cross_entropy", 2, ["balanced_accuracy"], "does not suit this network"),
    ("mse", 2, [Pinball([0.1, 0.5, 0.9])], "does not suit this network: levels has shape"),
    ("mse", 1, ["mae", lambda y, a: 0.0, lambda y, a: 1.0], "two metrics are called <lambda>: define a function"),
    ("mse", 1, ["mae", "mae"], "two metrics are called mae"),
])  # fmt: skip
def test_metrics_that_a_network_cannot_have(loss, outputs, metrics, message):
    net, X, y = network(loss, outputs)
    with pytest.raises(ValueError, match=message):
        net.fit(X, y, metrics=metrics, validation_data=(X, y))
    assert net.steps == 0


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: Pinball(2), ValueError, "levels must be numbers from 0 to 1, got 2"),
    (lambda: Pinball([0.1, -0.5]), ValueError, r"levels must be numbers from 0 to 1, got \[0.1, -0.5\]"),
    (lambda: Pinball([[0.1]]), ValueError, "levels must be numbers from 0 to 1"),
    (lambda: Pinball("a"), TypeError, "levels has dtype <U1; wanted real numbers"),
    (lambda: TopK(0), ValueError, "k must be at least 1, got 0"),
    (lambda: TopK("a"), TypeError, "k must be a whole number, got 'a'"),
])  # fmt: skip
def test_parameters_are_checked_when_a_metric_is_made(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_none_is_no_metrics():
    net, X, y = network("mse", 1)
    assert net.evaluate(X, y, metrics=None) == net.evaluate(X, y)
    assert "val_r2" in net.fit(X, y, epochs=1, metrics=None, validation_split=0.2)


def test_metrics_of_a_fit_need_validation_data():
    net, X, y = network("mse", 1)
    with pytest.raises(ValueError, match="metrics are computed on validation data: give validation_data="):
        net.fit(X, y, metrics=["mae"])
    assert net.steps == 0


def test_a_metric_that_returns_no_number():
    def own(y_true, outputs):
        return "good"

    net, X, y = network("mse", 1)
    with pytest.raises(TypeError, match="the metric own returned 'good'; wanted a number"):
        net.evaluate(X, y, metrics=[own])


def test_names_of_the_same_and_levels():
    net, X, y = network("mse", 1)
    chosen = ["mean_absolute_error", r2, Pinball(0.5), Pinball([0.25]), lambda y, a: np.array(3)]
    found = net.evaluate(X, y, metrics=chosen)
    assert list(found) == ["loss", "r2", "mae", "pinball_0.5", "pinball", "<lambda>"]
    assert found["pinball_0.5"] == pytest.approx(found["mae"] / 2)
    assert found["<lambda>"] == 3


@pytest.mark.parametrize(("loss", "dtype"), [("cross_entropy", np.int64), ("cross_entropy", np.int32), ("mse", float)])
@pytest.mark.parametrize("argument", ["y_true", "outputs", "sample_weight"])
def test_a_function_cannot_change_what_it_is_handed(loss, dtype, argument):
    """Which may be the user's own arrays, and is what the next metric is handed."""
    net, X, y = network(loss, 3)
    y, weights, seen = y.astype(dtype), np.arange(1.0, 31), []
    before = y.copy(), weights.copy()

    def changes(y_true, outputs, sample_weight):
        {"y_true": y_true, "outputs": outputs, "sample_weight": sample_weight}[argument][0] += 1
        return 0.0

    def changes_if_it_can(y_true, outputs, sample_weight):
        with pytest.raises(ValueError, match="read-only"):
            changes(y_true, outputs, sample_weight)
        return 0.0

    def sees(y_true, outputs, sample_weight):
        seen.append((y_true.copy(), outputs.copy(), sample_weight.copy()))
        return 0.0

    wanted = net.evaluate(X, y, sample_weight=weights, metrics=[sees])
    with pytest.raises(ValueError, match="read-only"):
        net.evaluate(X, y, sample_weight=weights, metrics=[changes])
    found = net.evaluate(X, y, sample_weight=weights, metrics=[changes_if_it_can, sees])
    assert found == wanted | {"changes_if_it_can": 0}
    for first, second in zip(*seen, strict=True):
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(y, before[0])
    np.testing.assert_array_equal(weights, before[1])
    np.testing.assert_array_equal(seen[1][0], y)
    y += 1  # one's own arrays stay as they were
    assert weights.flags.writeable


def test_a_function_cannot_change_the_labels_of_a_fit():
    net, X, y = network("cross_entropy", 3)

    def changes(y_true, outputs):
        y_true += 1
        return 0.0

    before = y.copy()
    with pytest.raises(ValueError, match="read-only"):
        net.fit(X, y, epochs=2, validation_data=(X, y), metrics=[changes], progress=False)
    np.testing.assert_array_equal(y, before)
