"""Losses with parameters: how they are made, named, refused, saved and used by their names."""

import copy
import pickle

import numpy as np
import pytest
from conftest import same_bits

from hotloop import SGD, Network, losses
from hotloop.losses import Huber, Quantile
from hotloop.network.losses import LOSSES

X = np.random.default_rng(0).normal(size=(12, 3))
GIVEN = [Quantile([0.1, 0.5, 0.9]), Quantile(0.25), Huber(0.5)]


def targets(loss, outputs):
    return np.random.default_rng(1).normal(size=(12, loss.target_columns(outputs)))


@pytest.mark.parametrize("loss", GIVEN, ids=repr)
def test_a_network_keeps_the_parameters(loss, tmp_path):
    """In a file, a pickle and a copy: each goes on training with the same bits."""
    net = Network([3, 4, 3], loss=loss, seed=0)
    y, options = targets(loss, 3), {"epochs": 2, "batch_size": 5, "optimizer": "adam", "progress": False}
    net.fit(X, y, **options)
    net.save(tmp_path / "model")
    others = [Network.load(tmp_path / "model"), pickle.loads(pickle.dumps(net)), copy.copy(net), copy.deepcopy(net)]
    net.fit(X, y, **options)
    for other in others:
        assert other.loss == loss == net.loss
        assert repr(other) == repr(net)
        other.fit(X, y, **options)
        assert same_bits(other.parameters, net.parameters)
    assert f"loss={loss!r}" in repr(net)
    assert f"loss {loss!r}" in " ".join(net.summary().split())


def test_label_smoothing_is_kept(tmp_path):
    net = Network([3, 2], loss="cross_entropy", label_smoothing=0.1, seed=0)
    net.save(tmp_path / "model")
    for other in (Network.load(tmp_path / "model"), copy.copy(net), pickle.loads(pickle.dumps(net))):
        assert other.label_smoothing == 0.1
    assert "loss cross_entropy, label smoothing 0.1" in " ".join(net.summary().split())
    assert "smoothing" not in Network([3, 2], loss="cross_entropy").summary()


def test_a_loss_of_the_table_is_known_by_its_name():
    assert (Network([2, 1], loss=Huber(1)).loss, Network([2, 1], loss=Quantile(0.5)).loss) == ("huber", "quantile")
    assert (Network([2, 1], loss="pinball").loss, Network([2, 1], loss="logcosh").loss) == ("quantile", "log_cosh")
    assert Network([2, 1], loss=LOSSES["mse"]).loss == "mse"
    assert losses.__all__ == ["CustomLoss", "Huber", "Loss", "Quantile"]


def test_equality():
    assert Quantile([0.5]) == Quantile(0.5) != Quantile([0.5, 0.9])
    assert Huber(2) == Huber(2.0) != Huber(3)
    assert len({Huber(2), Huber(2.0), Quantile(0.2)}) == 2


def test_quantiles_are_found():
    """Of ten numbers the network learns three: those at whose place the share of smaller ones passes each level."""
    y, x, levels = np.random.default_rng(0).exponential(size=10), np.zeros((10, 1)), [0.15, 0.55, 0.85]
    net = Network([1, 3], loss=Quantile(levels), seed=0, dtype="float64")
    for rate in (1.0, 0.1, 0.01):
        net.fit(x, y, epochs=100, batch_size=10, optimizer=SGD(rate), progress=False)
    found = net.predict(x[:1])[0]
    np.testing.assert_allclose(found, np.quantile(y, levels, method="inverted_cdf"), atol=0.03)


def test_counts():
    """A log link: predict returns the mean, or with output="identity" its logarithm."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 1))
    y = rng.poisson(np.exp(0.5 * x[:, 0] + 1))
    net, logits = (Network([1, 1], loss="poisson", output=o, seed=0, dtype="float64") for o in (None, "identity"))
    for each in (net, logits):
        each.fit(x, y, epochs=60, batch_size=40, optimizer=SGD(0.2), progress=False)
    assert net.activations == ("exponential",)
    assert same_bits(net.parameters, logits.parameters)
    np.testing.assert_allclose(net.predict(x), np.exp(logits.predict(x)), rtol=1e-14)
    assert net.evaluate(x, y) == pytest.approx(logits.evaluate(x, y), rel=1e-12)
    assert net.predict(x).mean() == pytest.approx(y.mean(), rel=1e-3)


@pytest.mark.parametrize(("call", "match"), [
    (lambda: Quantile(1.0), "^levels must be finite, above 0 and below 1, got 1.0"),
    (lambda: Quantile([0.5, 0]), "^levels must be finite, above 0 and below 1, got 0"),
    (lambda: Quantile([]), "^levels must be a number between 0 and 1, or several, got none"),
    (lambda: Quantile("0.5"), "^levels must be a number, got '0.5'"),
    (lambda: Huber(0), "^delta must be finite, above 0"),
    (lambda: Huber(None), "^delta must be a number"),
    (lambda: Network([2, 3], loss=Quantile), r"^loss is the class Quantile, not an instance: write Quantile\(...\)"),
    (lambda: Network([2, 4], loss=Quantile([0.1, 0.5, 0.9])),
     r"^Quantile\(\[0.1, 0.5, 0.9\]\) needs an output for each of its 3 levels and each target: .* has 4 outputs"),
    (lambda: Network([2, 1], loss="poisson", output="softplus"), "^output must be 'exponential' or 'identity'"),
    (lambda: Network([2, 1], loss="poisson").fit([[1, 2]], [-1]),
     "^y must be at least 0 for poisson: found -1 in row 0, column 0"),
    (lambda: Network([2, 2], loss=Quantile([0.1, 0.9])).fit([[1, 2]], [[1, 2]]),
     r"^y has shape \(1, 2\); wanted \(1, 1\)"),
    (lambda: Network([2, 3, 1], "exponential"), "^activation 'exponential' is for the last layer"),
    (lambda: Network([2, 1], loss="PoissonNLLLoss"), "Did you mean 'poisson'"),
    (lambda: Network([2, 1], loss="mean_pinball_loss"), "Did you mean 'quantile'"),
    (lambda: Network([2, 1]).fit([[1, 2]], [1], pos_weight=2), "Did you mean 'positive_weight'"),
])  # fmt: skip
def test_wrong_losses(call, match):
    with pytest.raises((TypeError, ValueError), match=match):
        call()
