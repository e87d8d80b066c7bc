"""What a profile concludes about training: planted faults are found and remedies help; sound runs have no findings."""

import math
import re

import numpy as np
import pytest
from conftest import needs_compiler

from hotloop import SGD, Adam, DivergenceError, Network, Normal, profile
from hotloop.datasets import load_digits
from hotloop.network.profiling.diagnosis import diagnosis, snapshots

pytestmark = needs_compiler  # trials train for thousands of steps

QUIET = {"progress": False, "n_threads": 1}
CLASSES = {"loss": "cross_entropy", "seed": 0}


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return data.x_train, data.y_train


def diagnosed(net, X, y, *, try_remedies=True, **options):
    """Return the diagnosis of a fit, which may diverge."""
    with profile() as prof:
        try:
            net.fit(X, y, **QUIET | options)
        except DivergenceError:
            assert prof.recording.fits[0].diverged
    return prof.diagnose(try_remedies=try_remedies)


def only(found):
    """Return the one finding that there is."""
    assert [finding.kind for finding in found.findings] == [found.findings[0].kind] if found.findings else False
    return found.findings[0]


def losses(finding):
    """Return the losses with the remedy and without it, from the sentence about the trial."""
    with_it, without = finding.tried.split("loss ")[1].split(" after ")[0], finding.tried.split("unchanged: ")[1]
    return float(with_it), np.inf if without == "diverged" else float(without)


def values(rows=1500, columns=8):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, columns))
    return X, X @ rng.normal(size=columns)


# Planted faults.


def test_vanishing_gradients(digits):
    found = only(diagnosed(Network([64, *[32] * 8, 10], "sigmoid", **CLASSES), *digits, epochs=5, optimizer=SGD(0.1)))
    assert found.kind == "vanishing gradients"
    share = float(found.evidence.split("layer 1 gets ")[1].split(" of ")[0])
    assert share < 1e-3
    assert "sigmoid, 8 hidden layers" in found.evidence
    assert "relu" in found.remedy
    assert float(found.tried.split("layer 1 gets ")[1].split(" of ")[0]) > 0.05
    with_it, without = losses(found)
    assert with_it < 0.2 * without


def test_exploding_gradients(digits):
    net = Network([64, *[64] * 8, 10], initializer=Normal(1.0), **CLASSES)
    found = only(diagnosed(net, *digits, epochs=3, optimizer=SGD(0.01)))
    assert found.kind == "exploding gradients"
    assert float(found.evidence.split("layer 1 gets ")[1].split(" times")[0]) > 1e3
    with_it, without = losses(found)
    assert with_it < 0.2 * without


def test_dead_relus(digits):
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape) / 8 for shape in ((64, 64), (64, 64), (64, 10))]
    initializer = [(weights[0], np.full(64, -6.0)), (weights[1], np.zeros(64)), (weights[2], np.zeros(10))]
    net = Network([64, 64, 64, 10], initializer=initializer, **CLASSES)
    found = only(diagnosed(net, *digits, epochs=5, optimizer=SGD(0.05)))
    assert found.kind == "dead ReLUs"
    assert "of the 64 units of layer 1 are zero" in found.evidence
    with_it, without = losses(found)
    assert with_it < 0.2 * without


@pytest.mark.parametrize(("optimizer", "hundredth"), [(SGD(5.0, momentum=0.9), 0.05), (Adam(0.2), 0.002)], ids=str)
def test_a_hundredfold_learning_rate(optimizer, hundredth, digits):
    found = only(diagnosed(Network([64, 64, 10], **CLASSES), *digits, epochs=10, optimizer=optimizer))
    assert found.kind == "learning rate too large"
    assert f"learning rate {optimizer.learning_rate:g}" in found.evidence
    assert f"about {hundredth:g}" in found.remedy
    with_it, without = losses(found)
    assert with_it < 0.2 * without


def test_a_learning_rate_that_diverges():
    X, y = values()
    found = only(diagnosed(Network([8, 32, 1], seed=0), X, y, optimizer=SGD(10.0)))
    assert found.kind == "learning rate too large"
    assert "the training diverged" in found.evidence
    assert losses(found)[1] == np.inf


def test_a_rate_far_too_large():
    """Neither a tenth nor a hundredth converges: smaller rates are tried until one does."""
    X, y = values()
    found = only(diagnosed(Network([8, 32, 1], seed=0), X, y, optimizer=SGD(1e6)))
    assert found.kind == "learning rate too large"
    assert np.isfinite(losses(found)[0])


def test_a_fit_that_no_rate_saves():
    X, y = values()
    found = only(diagnosed(Network([8, 32, 1], seed=0), X, 1e30 * y, optimizer=SGD(0.01)))
    assert found.kind == "divergence"
    assert "diverged too" in found.tried


def test_a_learning_rate_that_is_too_small(digits):
    found = only(diagnosed(Network([64, 64, 10], **CLASSES), *digits, epochs=5, optimizer=SGD(5e-5)))
    assert found.kind == "learning rate too small"
    assert "in 600 steps" in found.evidence
    with_it, without = losses(found)
    assert with_it < 0.8 * without


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_columns_that_are_not_scaled(activation):
    X, y = values()
    found = only(diagnosed(Network([8, 32, 1], activation, seed=0), X * 10.0 ** np.arange(-2, 6), y))
    assert found.kind == "inputs not scaled"
    assert "column 7 of X" in found.evidence
    with_it, without = losses(found)
    assert with_it < 0.2 * without


def test_bytes_that_are_not_scaled(digits):
    X, y = digits
    found = only(diagnosed(Network([64, 32, 10], "sigmoid", **CLASSES), np.uint8(255 * X), y, optimizer=SGD(0.1)))
    assert found.kind == "inputs not scaled"
    assert "input_scale" in found.remedy


def test_overfitting():
    """Labels that cannot be learned can still be remembered."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(260, 20)), rng.integers(0, 2, 260)
    net, options = Network([20, 64, 2], **CLASSES), {"epochs": 60, "batch_size": 10, "optimizer": Adam(0.01)}
    found = only(diagnosed(net, X[:60], y[:60], validation_data=(X[60:], y[60:]), **options))
    assert found.kind == "overfitting"
    turned = int(found.evidence.split("turns at epoch ")[1].split(":")[0])
    assert 1 <= turned <= 20
    assert f"stopped after epoch {turned}" in found.tried


# Sound runs.

SOUND = {
    "sgd": ([64, 64, 10], "relu", SGD(0.05, momentum=0.9), {}, {"epochs": 10}),
    "adam, dropout": ([64, 192, 10], "relu", Adam(0.002), {"dropout": 0.3}, {"epochs": 15}),
    "plain": ([64, 32, 10], "relu", SGD(0.05), {}, {"epochs": 3}),
    "deep tanh": ([64, *[64] * 8, 10], "tanh", Adam(0.001), {}, {"epochs": 5}),
    "deep relu": ([64, *[64] * 8, 10], "relu", Adam(0.001), {}, {"epochs": 5}),
    "shallow sigmoid": ([64, 30, 10], "sigmoid", SGD(3.0), {}, {"epochs": 10, "batch_size": 10}),
    "one layer": ([64, 10], "relu", SGD(0.1), {}, {"epochs": 5}),
    "full batch": ([64, 64, 10], "gelu", Adam(0.01), {}, {"epochs": 60, "batch_size": 10**6}),
    "float64": ([64, 32, 10], "silu", SGD(0.05, momentum=0.9), {"dtype": "float64"}, {"epochs": 5}),
}


@pytest.mark.parametrize("name", SOUND)
def test_nothing_is_concluded_about_a_sound_run(name, digits):
    sizes, activation, optimizer, of_network, of_fit = SOUND[name]
    X, y = digits
    options = {"validation_data": (X[3000:], y[3000:]), "optimizer": optimizer, **of_fit}
    found = diagnosed(Network(sizes, activation, **CLASSES | of_network), X[:3000], y[:3000], **options)
    assert found.findings == []
    assert "nothing is wrong" in " ".join(str(found).split())


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_nothing_is_concluded_about_a_sound_regression(noise):
    X, y = values()
    y = y + noise * np.random.default_rng(1).normal(size=y.shape)
    for activation in ("relu", "tanh"):
        found = diagnosed(Network([8, 32, 1], activation, seed=0), X, y, epochs=20, optimizer=SGD(0.05))
        assert found.findings == []


def test_nothing_is_concluded_about_random_labels():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(4096, 64)), rng.integers(0, 10, 4096)
    assert diagnosed(Network([64, 32, 10], **CLASSES), X, y, epochs=2).findings == []


# How it is reported.


def test_without_trials_nothing_is_tried(digits, monkeypatch):
    monkeypatch.setattr(diagnosis, "Trials", None)  # cannot be called
    net = Network([64, *[32] * 8, 10], "sigmoid", **CLASSES)
    found = only(diagnosed(net, *digits, epochs=2, optimizer=SGD(0.1), try_remedies=False))
    assert (found.kind, found.tried) == ("vanishing gradients", "")
    assert "tried" not in str(found)


def test_each_fit_has_its_diagnosis(digits, monkeypatch):
    monkeypatch.setattr(snapshots, "SHARE", 0.0)  # five, however long it takes
    monkeypatch.setattr(snapshots, "BRIEF", math.inf)
    X, y = digits
    with profile() as prof:
        Network([64, 10], **CLASSES).fit(X, y, epochs=3, optimizer=SGD(0.1), **QUIET)
        Network([64, *[32] * 8, 10], "sigmoid", **CLASSES).fit(X, y, epochs=2, optimizer=SGD(0.1), **QUIET)
    found = prof.diagnose()
    assert [len(fit.findings) for fit in found.fits] == [0, 1]
    first, second = re.split(r"\n(?=diagnosis of )", str(found))
    assert " ".join(first.split()).startswith(
        "diagnosis of fit 1 of 2, 64-10 softmax, looked at in 5 of 360 steps: nothing is wrong "
        "layer gradient growth step saturated dead 1 "
    )
    assert second.startswith("diagnosis of fit 2 of 2, 64-8x32-10 ")
    parts = re.findall(r"^(vanishing gradients|  evidence|  remedy|  tried)\b", second, re.M)
    assert [part.strip() for part in parts] == ["vanishing gradients", "evidence", "remedy", "tried"]
    assert [line.split()[0] for line in second.splitlines()[-9:]] == list("123456789")
    assert prof.diagnosis is found
    assert found.to_list()[1]["findings"][0]["kind"] == "vanishing gradients"


def test_the_network_is_left_as_it_was(digits):
    """Trials train twins, and only read the data."""
    X, y = digits
    net = Network([64, 32, 10], **CLASSES)
    with profile() as prof:
        net.fit(X, y, epochs=2, optimizer=SGD(50.0), **QUIET)
    before, state = net.parameters.copy(), (net.steps, net.epochs_trained, X.copy(), y.copy())
    assert prof.diagnose().findings
    assert np.array_equal(net.parameters, before)
    assert state[:2] == (net.steps, net.epochs_trained)
    assert np.array_equal(state[2], X)
    assert np.array_equal(state[3], y)
