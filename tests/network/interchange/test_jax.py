"""Networks to and from JAX."""

import re
from functools import partial

import numpy as np
import pytest
from interchange_networks import N_NETWORKS, assert_same, assert_same_network, library, random_network, tolerance_of

from hotloop import Network
from hotloop.activations import ELU, CustomActivation, LeakyReLU
from hotloop.interchange import InterchangeWarning, from_jax, to_jax

jax = library("jax")
from jax_settings import jax_settings  # noqa: E402

jnp = jax.numpy

pytestmark = pytest.mark.filterwarnings("ignore:the dropout of:hotloop.interchange.InterchangeWarning")


@pytest.fixture(autouse=True)
def settings():
    """Float64."""
    with jax_settings(jax_enable_x64=True):
        yield


def again_of(parameters, net):
    """Return the network of parameters of JAX, with what they do not say."""
    return from_jax(
        parameters,
        net.activations[:-1],
        output=net.activations[-1],
        loss=net.loss,
        dropout=net.dropout,
        input_dropout=net.input_dropout,
        input_offset=net.input_offset,
        input_scale=net.input_scale,
        layer_norm_epsilon=net.layer_norm_epsilon,
    )


def test_random_networks_there_and_back():
    """In float32, without float64 in JAX."""
    jax.config.update("jax_enable_x64", False)
    for seed in range(N_NETWORKS):
        net, rows = random_network(seed, "float32")
        parameters, apply = to_jax(net)
        assert_same(jax.jit(apply)(parameters, rows), net.predict(rows), tolerance_of(net, rows))
        assert_same_network(again_of(parameters, net), net)


LOSSES = {
    "mse": lambda a, y: ((a - y) ** 2).mean(),
    "cross_entropy": lambda a, y: -(y * jnp.log(a)).sum(1).mean(),
    "binary_cross_entropy": lambda a, y: -(y * jnp.log(a) + (1 - y) * jnp.log1p(-a)).mean(),
    "poisson": lambda a, y: (a - y * jnp.log(a)).mean(),
}


def test_random_networks_and_their_gradients_in_float64():
    for seed in range(N_NETWORKS):
        net, rows = random_network(seed, "float64", outputs=[*((loss, None) for loss in LOSSES), ("mse", "tanh")])
        targets = np.random.default_rng(seed).dirichlet(np.ones(net.sizes[-1] + 1), len(rows))[:, :-1]
        if net.loss == "cross_entropy":
            targets /= targets.sum(1, keepdims=True)
        parameters, apply = to_jax(net)

        def loss(parameters, rows, targets, apply=apply, loss=LOSSES[net.loss]):
            outputs = apply(parameters, rows)
            return loss(outputs, targets), outputs

        with jax_settings(jax_disable_most_optimizations=True):  # compiles faster
            (_, outputs), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(parameters, rows, targets)
        assert_same(outputs, net.predict(rows))
        assert_same(again_of(gradient, net).parameters, net.gradient(rows, targets)[1], 1e-10)
        assert_same_network(again_of(parameters, net), net)


def test_gradients_of_logits():
    net = Network([5, 7, 3], "gelu", loss="cross_entropy", dtype="float64", seed=0)
    rng = np.random.default_rng(0)
    rows, labels = rng.normal(size=(9, 5)), rng.integers(3, size=9)
    parameters, apply = to_jax(net, logits=True)

    def loss(parameters):
        logits = jax.nn.log_softmax(apply(parameters, rows))
        return -jnp.take_along_axis(logits, labels[:, None], axis=1).mean()

    gradient = jax.jit(jax.grad(loss))(parameters)
    assert_same(from_jax(gradient).parameters, net.gradient(rows, labels)[1], 1e-10)


def test_parameters_are_pairs_and_apply_is_pure():
    net = Network([4, 6, 2], "tanh", seed=0, input_scale=0.5)
    parameters, apply = to_jax(net)
    assert [(W.shape, b.shape) for W, b in parameters] == [((4, 6), (6,)), ((6, 2), (2,))]
    rows = np.random.default_rng(0).normal(size=(5, 4)).astype("f4")
    wanted = net.predict(rows)
    assert_same(jax.vmap(apply, (None, 0))(parameters, rows), wanted)
    assert_same(apply(parameters, rows[0]), wanted[0])
    assert_same(apply(jax.tree.map(np.asarray, parameters), rows.tolist()), wanted)
    net.parameters[:] = 0
    assert_same(apply(parameters, rows), wanted)
    twice = jax.tree.map(lambda one: 2 * one, parameters)
    assert (from_jax(twice, "tanh").weights[0] == 2 * np.asarray(parameters[0][0])).all()


def test_what_else_is_learnt_is_in_dicts():
    net = Network([4, 6, 2], layer_norm=True, learn_activation=True, learn_input_scale=True, seed=0)
    parameters, _ = to_jax(net)
    assert [set(layer) for layer in parameters] == [
        {"weights", "bias", "gain", "shift", "mix", "input_scale"},
        {"weights", "bias"},
    ]


@pytest.mark.parametrize("x64", [True, False])
def test_inputs_far_from_zero_keep_their_digits(x64):
    jax.config.update("jax_enable_x64", x64)
    net = Network([1, 1], input_offset=2000.1, input_scale=3.0, seed=0)
    rows = np.linspace(1999, 2002, 7, dtype="f4")[:, None]
    parameters, apply = to_jax(net)
    for function in (apply, jax.jit(apply), jax.jit(jax.vmap(apply, (None, 0)))):
        assert_same(function(parameters, rows), net.predict(rows))


def test_float64_needs_to_be_enabled():
    jax.config.update("jax_enable_x64", False)
    with pytest.raises(ValueError, match=re.escape('first jax.config.update("jax_enable_x64", True)')):
        to_jax(Network([2, 1], dtype="float64", seed=0))


def test_dropout_is_warned_of():
    with pytest.warns(InterchangeWarning, match="the dropout of inputs: apply has none"):
        to_jax(Network([2, 1], input_dropout=0.5, seed=0))


def test_a_function_of_the_users_own_is_refused():
    square = CustomActivation(lambda z: z * z, lambda z: 2 * z, name="square")
    with pytest.raises(ValueError, match="cannot go to JAX"):
        to_jax(Network([3, 4, 2], square, seed=0))


PAIRS = [(np.ones((2, 3)), np.zeros(3)), (np.ones((3, 1)), np.zeros(1))]


@pytest.mark.parametrize(
    ("activation", "wanted"),
    [
        ("tanh", "tanh"),
        (jnp.tanh, "tanh"),
        (jax.nn.swish, "silu"),
        ([jax.nn.leaky_relu], "leaky_relu"),
        (partial(jax.nn.leaky_relu, negative_slope=0.2), LeakyReLU(0.2)),
        (partial(jax.nn.elu, alpha=0.5), ELU(0.5)),
        (partial(jax.nn.gelu, approximate=False), "gelu"),
    ],
)
def test_activations_are_known_by_identity(activation, wanted):
    assert from_jax(PAIRS, activation).activations == (wanted, "identity")


def test_output_and_loss():
    def found(**arguments):
        net = from_jax(PAIRS, **arguments)
        return net.activations[-1], net.loss

    assert found() == ("identity", "mse")
    assert found(loss="poisson") == ("exponential", "poisson")
    assert found(output=jax.nn.sigmoid) == ("sigmoid", "binary_cross_entropy")
    assert found(output=jnp.exp) == ("exponential", "poisson")
    assert found(output="identity", loss="binary_cross_entropy") == ("identity", "binary_cross_entropy")


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (lambda z: z, "is not a function of jax.nn that hotloop has: identity, sigmoid"),
        (jax.nn.celu, "is not a function of jax.nn that hotloop has"),
        (partial(jax.nn.relu, 3), "is not a function of jax.nn that hotloop has"),
        (partial(jax.nn.softmax, axis=0), "is not a function of jax.nn that hotloop has"),
        (jax.nn.gelu, "activation: jax.nn.gelu approximates"),
    ],
)
def test_other_functions_are_refused(function, error):
    with pytest.raises(ValueError, match=re.escape(error)):
        from_jax(PAIRS, function)


@pytest.mark.parametrize(
    ("parameters", "kind", "error"),
    [
        (3, TypeError, "parameters must be a list with a (W, b) for each layer, got 3"),
        ([], TypeError, "parameters must be a list"),
        ([np.ones((2, 3))], ValueError, "layer 0: wanted a tuple (W, b) or a dict"),
        ([(np.ones((2, 3)), np.ones(2))], ValueError, "layer 0: bias has shape (2,); wanted (3,)"),
        ([(np.ones(3), np.ones(2))], ValueError, "layer 0: weights has shape (3,); wanted (any, any)"),
        ([{"weights": np.ones((2, 3)), "w": 1}], ValueError, "layer 0: has the keys weights, w; wanted weights, bias"),
        (
            [(jnp.ones((2, 3), "bfloat16"), np.ones(3))],
            ValueError,
            "layer 0: weights has dtype bfloat16; wanted float32",
        ),
        ([PAIRS[0], PAIRS[0]], ValueError, "layer 1: takes 2 inputs; layer 0 has 3"),
    ],
)
def test_wrong_parameters(parameters, kind, error):
    with pytest.raises(kind, match=re.escape(error)):
        from_jax(parameters)


def test_training_goes_on_from_jax():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(64, 2)).astype("f4")
    net = from_jax([(W.astype("f4"), b.astype("f4")) for W, b in PAIRS], "tanh")
    history = net.fit(rows, rows.sum(1), epochs=30)
    assert history["loss"][-1] < history["loss"][0]
