"""Activations with a parameter, and the initial weights of SELU."""

import copy
import pickle

import numpy as np
import pytest
from conftest import same_bits

from hotloop import Network
from hotloop.activations import ELU, LeakyReLU

X = np.random.default_rng(2).normal(size=(20, 3))


def network(*activations, output="identity", dtype="float64"):
    sizes = [3, 5, 4][: len(activations) + 1]
    return Network([*sizes, 2], activations, output=output, dtype=dtype, seed=4)


def leaky(z, slope):
    return np.where(z > 0, z, slope * z)


def elu(z, alpha):
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


def test_the_slope_of_each_layer(dtype, eps):
    """In hidden layers and in the output, beside the default."""
    net = network(LeakyReLU(0.3), "leaky_relu", output=ELU(2.5), dtype=dtype)
    (W, U, V), (b, c, d) = net.weights, net.biases
    hidden = leaky(leaky(X @ W + b, 0.3) @ U + c, 0.01)
    np.testing.assert_allclose(net.predict(X), elu(hidden @ V + d, 2.5), rtol=0, atol=50 * eps)
    assert net.check_gradients(X[:3], np.ones((3, 2)), per_layer=5).ok


@pytest.mark.parametrize(("given", "name"), [(LeakyReLU(), "leaky_relu"), (ELU(), "elu"), (LeakyReLU(0), "relu")])
def test_the_defaults_are_those_of_the_names(given, name, dtype):
    nets = [network(activation, activation, dtype=dtype) for activation in (given, name)]
    for net in nets:
        net.fit(X, np.ones((20, 2)), epochs=2, batch_size=8, progress=False)
    assert same_bits(nets[0].parameters, nets[1].parameters)


def test_kept(tmp_path):
    net = network(LeakyReLU(0.3), "selu", output=ELU(0.5))
    net.save(tmp_path / "net.safetensors")
    for other in (Network.load(tmp_path / "net.safetensors"), pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        assert other.activations == net.activations == (LeakyReLU(0.3), "selu", ELU(0.5))
        assert same_bits(other.predict(X), net.predict(X))
    assert LeakyReLU(0.3) != LeakyReLU(0.2)
    assert repr(net.activations) == "(LeakyReLU(slope=0.3), 'selu', ELU(alpha=0.5))"


def test_bad_parameters():
    for kind, name in ((LeakyReLU, "slope"), (ELU, "alpha")):
        for value, error in ((-0.1, ValueError), (np.nan, ValueError), ("x", TypeError)):
            with pytest.raises(error, match=f"{name} must be"):
                kind(value)


def test_selu_keeps_mean_and_variance():
    """With its default weights, lecun_normal: mean 0 and variance 1 in the tenth layer, as the paper has it."""
    net = Network([200] * 11 + [1], "selu", dtype="float64", seed=0)
    a = np.random.default_rng(0).normal(size=(200, 200))
    assert np.var(net.weights[0]) == pytest.approx(1 / 200, rel=0.05)
    for W in net.weights[:10]:
        z = a @ W
        a = 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(np.minimum(z, 0)))
    assert abs(a.mean()) < 0.1
    assert a.var() == pytest.approx(1, abs=0.2)
