"""Networks to and from Equinox."""

import re
from functools import partial

import numpy as np
import pytest
from interchange_networks import N_NETWORKS, assert_same, assert_same_network, library, random_network, tolerance_of

from hotloop import Network
from hotloop.activations import LeakyReLU
from hotloop.interchange import InterchangeWarning, from_equinox, to_equinox

jax, equinox = library("jax"), library("equinox")
from jax_settings import jax_settings  # noqa: E402

nn = equinox.nn
KEY = jax.random.key(0)
X = np.random.default_rng(0).normal(size=(5, 4)).astype("f4")


@pytest.fixture(autouse=True)
def settings():
    """Float64."""
    with jax_settings(jax_enable_x64=True):
        yield


def linear(*sizes, **options):
    return nn.Linear(*sizes, dtype=np.float32, key=KEY, **options)


def rows_of(module, rows):
    """Return what a module gives for rows, without dropout."""
    return equinox.filter_jit(lambda module, rows: jax.vmap(module)(rows))(nn.inference_mode(module), rows)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_networks_there_and_back(dtype):
    jax.config.update("jax_enable_x64", dtype == "float64")
    for seed in range(N_NETWORKS):
        net, rows = random_network(seed, dtype, learnt=False)
        module = to_equinox(net)
        again = from_equinox(module, loss=net.loss)
        assert_same_network(again, net)
        np.testing.assert_array_equal(again.predict(rows), net.predict(rows))
        if seed % 2 == (dtype == "float64"):
            assert_same(rows_of(module, rows), net.predict(rows), tolerance_of(net, rows))


@pytest.mark.parametrize(
    ("activation", "final", "depth", "wanted"),
    [
        (None, None, 2, ("relu", "relu", "identity")),
        (jax.nn.tanh, jax.nn.sigmoid, 1, ("tanh", "sigmoid")),
        (partial(jax.nn.leaky_relu, negative_slope=0.2), None, 1, (LeakyReLU(0.2), "identity")),
        (jax.nn.relu, jax.nn.tanh, 0, ("identity",)),  # Equinox does not call it
    ],
)
def test_mlp(activation, final, depth, wanted):
    options = {"activation": activation, "final_activation": final}
    given = {name: value for name, value in options.items() if value is not None}
    mlp = nn.MLP(4, 2, 8, depth, dtype=np.float32, key=KEY, **given)
    net = from_equinox(mlp)
    assert net.activations == wanted
    assert_same(net.predict(X), np.asarray(jax.vmap(mlp)(X)))


def test_sequential():
    module = nn.Sequential([
        nn.Sequential([linear(4, 6), nn.LayerNorm(6, 1e-3, dtype=np.float32), nn.Lambda(jax.nn.silu)]),
        nn.Dropout(0.25),
        nn.Identity(),
        nn.MLP(6, 3, 8, 1, dtype=np.float32, key=KEY),
        nn.Lambda(jax.nn.softmax),
    ])  # fmt: skip
    net = from_equinox(module)
    assert (net.sizes, net.dropout, net.loss) == ((4, 6, 8, 3), (0.25, 0.0), "cross_entropy")
    assert net.layer_norm_epsilon[0] == pytest.approx(1e-3)
    assert_same(net.predict(X), np.asarray(rows_of(module, X)))


def test_gradients():
    net = Network([4, 6, 2], "gelu", layer_norm=True, input_offset=0.3, dtype="float64", seed=0)
    rng = np.random.default_rng(0)
    rows, targets = rng.normal(size=(9, 4)), rng.normal(size=(9, 2))

    def loss(module):
        return ((jax.vmap(module)(rows) - targets) ** 2).mean()

    module = to_equinox(net)
    gradient = equinox.combine(equinox.filter_grad(loss)(module), module)  # with its functions
    assert_same(from_equinox(gradient).parameters, net.gradient(rows, targets)[1], 1e-10)


def test_logits():
    net = Network([4, 3], loss="cross_entropy", seed=0)
    assert len(to_equinox(net, logits=True).layers) == 1


@pytest.mark.parametrize(
    ("module", "error"),
    [
        (nn.Sequential([linear(4, 3), nn.Lambda(lambda x: x)]), "layers[1]: Lambda: <function"),
        (nn.Sequential([linear(4, 3), nn.PReLU()]), "layers[1]: PReLU: hotloop has no such layer"),
        (nn.Sequential([linear("scalar", 3)]), "layers[0]: Linear: takes or returns a scalar"),
        (nn.Sequential([linear(4, 3), nn.Lambda(jax.nn.gelu), linear(3, 1)]), "layers[1]: Lambda: jax.nn.gelu approx"),
        (nn.Sequential([nn.Linear(4, 3, dtype="bfloat16", key=KEY)]), "layers[0]: Linear: weight has dtype bfloat16"),
        (
            nn.Sequential([linear(4, 3), nn.LayerNorm(3), linear(3, 1), nn.LayerNorm(1)]),
            "layers[3]: LayerNorm: hotloop",
        ),
        (nn.Sequential([nn.LayerNorm((2, 2))]), "layers[0]: LayerNorm: normalises over (2, 2)"),
        (nn.MLP(4, 3, 8, 3, scan=True, key=KEY), "the MLP: scan=True keeps its hidden layers as one"),
        (
            nn.MLP(4, 3, 8, 1, final_activation=jax.nn.softmax, key=KEY),
            "final_activation: an MLP calls softmax for",
        ),
        (nn.MLP(4, 3, 8, 1, activation=nn.PReLU(), key=KEY), "activation: PReLU"),
        (nn.MLP(4, 3, 8, 1, lambda x: x, key=KEY), "activation: <function"),
    ],
)
def test_what_hotloop_does_not_have(module, error):
    with pytest.raises(ValueError, match=re.escape(error)):
        from_equinox(module)


@pytest.mark.parametrize("learnt", ["learn_activation", "learn_input_scale"])
def test_what_equinox_does_not_have(learnt):
    with pytest.raises(ValueError, match="Equinox has no layer for what is learnt here"):
        to_equinox(Network([4, 8, 3], seed=0, **{learnt: True}))


def test_other_modules_and_dtypes():
    with pytest.raises(TypeError, match=re.escape("module must be an equinox.nn.MLP or equinox.nn.Sequential, got 3")):
        from_equinox(3)
    jax.config.update("jax_enable_x64", False)
    with pytest.raises(ValueError, match=re.escape('first jax.config.update("jax_enable_x64", True)')):
        to_equinox(Network([4, 3], dtype="float64", seed=0))
    with pytest.warns(InterchangeWarning, match=re.escape("layers[0]: Linear: has no bias")):
        from_equinox(nn.Sequential([linear(4, 3, use_bias=False)]))
