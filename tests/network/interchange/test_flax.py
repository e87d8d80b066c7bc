"""Networks to and from Flax, linen and nnx."""

import re

import numpy as np
import pytest
from interchange_networks import N_NETWORKS, assert_same, assert_same_network, library, random_network, tolerance_of

from hotloop import Network
from hotloop.interchange import InterchangeWarning, from_flax, to_flax
from hotloop.network.interchange.jax import function_of
from hotloop.network.interchange.layers import Activate

jax, flax = library("jax"), library("flax")
from flax import linen, nnx  # noqa: E402
from jax_settings import jax_settings  # noqa: E402

ONE = {"kernel": np.ones((2, 2), "f4"), "bias": np.zeros(2, "f4")}
X = np.random.default_rng(0).normal(size=(5, 4)).astype("f4")


@pytest.fixture(autouse=True)
def settings():
    """Float64, and faster compiling."""
    with jax_settings(jax_enable_x64=True, jax_disable_most_optimizations=True):
        yield


class Linen(linen.Module):
    """Dense layers, each with a function."""

    sizes: tuple
    functions: tuple

    @linen.compact
    def __call__(self, x):
        for size, function in zip(self.sizes, self.functions, strict=True):
            x = function(linen.Dense(size, param_dtype=x.dtype)(x))
        return x


class Nnx(nnx.Module):
    """Two layers with names of their own."""

    def __init__(self):
        rngs = nnx.Rngs(0)
        self.encoder, self.head = nnx.Linear(4, 8, rngs=rngs), nnx.Linear(8, 3, rngs=rngs)

    def __call__(self, x):
        return self.head(jax.nn.tanh(self.encoder(x)))


@pytest.mark.filterwarnings("ignore:the tree of parameters.*another fits")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_networks_there_and_back(dtype):
    for seed in range(N_NETWORKS):
        net, rows = random_network(seed, dtype, scaled=False, norm=False, learnt=False, dropout=False)
        functions = tuple(function_of(jax, Activate(activation)) for activation in net.activations)
        tree = to_flax(net)
        assert_same_network(from_flax(tree, net.activations[:-1], output=net.activations[-1], loss=net.loss), net)
        if seed % 2 == (dtype == "float64"):
            found = jax.jit(Linen(net.sizes[1:], functions).apply)(tree, rows)
            assert_same(found, net.predict(rows), tolerance_of(net, rows))


@pytest.mark.filterwarnings("ignore:the tree of parameters.*another fits")
def test_layers_are_in_the_order_of_their_numbers():
    module, rows = Linen((4,) * 12, (jax.nn.tanh,) * 12), X.astype("f8")
    variables = module.init(jax.random.key(0), rows)
    for tree in (variables, variables["params"], dict(sorted(variables["params"].items()))):
        assert_same(
            from_flax(tree, jax.nn.tanh, output="tanh").predict(rows), np.asarray(module.apply(variables, rows))
        )


def test_nnx():
    model = Nnx()
    names = ["encoder", "head"]
    net = from_flax(nnx.state(model), "tanh", names=names)
    assert_same(net.predict(X), np.asarray(model(X)))
    net.parameters[:] *= 2
    nnx.update(model, to_flax(net, names=names)["params"])
    assert_same(np.asarray(model(X)), net.predict(X))


def test_nnx_sequential():
    rngs = nnx.Rngs(0)
    model = nnx.Sequential(nnx.Linear(4, 8, rngs=rngs), jax.nn.relu, nnx.Linear(8, 3, rngs=rngs))
    net = from_flax(nnx.state(model))
    assert_same(net.predict(X), np.asarray(model(X)))
    net.parameters[:] *= 2
    nnx.update(model, to_flax(net, names=["layers/0", "layers/2"])["params"])
    assert_same(np.asarray(model(X)), net.predict(X))


def test_no_bias_is_warned_of():
    with pytest.warns(InterchangeWarning, match="Dense_0: has no bias"):
        net = from_flax({"Dense_0": {"kernel": ONE["kernel"]}})
    assert (net.biases[0] == 0).all()


@pytest.mark.parametrize(
    ("tree", "names", "error"),
    [
        ({}, None, "parameters has no layers"),
        (
            {"params": {"Dense_0": ONE, "LayerNorm_0": {"scale": 1, "bias": 2}}},
            None,
            "the order of the layers Dense",
        ),
        ({"LayerNorm_0": {"scale": 1, "bias": 2}}, None, "LayerNorm_0: has scale, bias; wanted the kernel and bias"),
        ({"encoder": ONE, "head": ONE}, None, "the order of the layers encoder, head is not in their names"),
        (
            {"encoder": ONE, "head": ONE},
            ["head"],
            "names must be those of all layers, encoder, head, in",
        ),
        ({"Dense_0": {"kernel": np.ones((3, 3, 1, 1))}}, None, "Dense_0: kernel has shape (3, 3, 1, 1)"),
        ({"Dense_0": ONE, "batch_stats": 3}, None, "batch_stats: wanted a dict of kernel and bias, got 3"),
        ({"Dense_0": {**ONE, "lora_a": 3}}, None, "Dense_0: has kernel, bias, lora_a; wanted the kernel and bias"),
    ],
)
def test_other_trees(tree, names, error):
    with pytest.raises(ValueError, match=re.escape(error)):
        from_flax(tree, names=names)


@pytest.mark.parametrize(
    ("net", "error"),
    [
        (
            Network([4, 8, 3], input_scale=0.5, seed=0),
            "the scaling of the inputs: a tree of Flax's dense",
        ),
        (Network([4, 8, 3], learn_input_scale=True, seed=0), "the learnt scale of the inputs: a tree of Flax's dense"),
        (Network([4, 8, 3], layer_norm=True, seed=0), "the layer normalisation of layer 0: a tree of Flax's dense"),
        (Network([4, 8, 3], learn_activation=True, seed=0), "the activation of layer 0: a tree of Flax's dense layers"),
    ],
)
def test_what_a_tree_does_not_hold(net, error):
    with pytest.raises(ValueError, match=re.escape(error)):
        to_flax(net)


def test_dropout_is_warned_of_and_names_are_checked():
    net = Network([4, 8, 3], dropout=0.5, seed=0)
    with pytest.warns(InterchangeWarning, match="the dropout of layer 0: not in a tree of parameters"):
        to_flax(net)
    with pytest.raises(ValueError, match="names must be a name for each of 2 layers, got"), pytest.warns():
        to_flax(net, names=["one"])
    with pytest.raises(TypeError, match="parameters must be a tree of dicts, got 3"):
        from_flax(3)


class Nested(linen.Module):
    """Dense_0 is the last layer."""

    outputs: int

    @linen.compact
    def __call__(self, x):
        return linen.Dense(self.outputs)(linen.relu(linen.Dense(8)(x)))


@pytest.mark.parametrize("outputs", [3, 4])
def test_the_order_of_nested_calls_is_refused_or_warned_of(outputs):
    module = Nested(outputs)
    tree = module.init(jax.random.key(0), X)
    if outputs == 3:
        with pytest.raises(ValueError, match="does not fit their shapes: say theirs with names="):
            from_flax(tree)
    else:  # 4, 8, 4 or 8, 4, 8
        with pytest.warns(InterchangeWarning, match="but another fits, too: names="):
            from_flax(tree)
    net = from_flax(tree, names=["Dense_1", "Dense_0"])
    assert_same(net.predict(X), module.apply(tree, X))
