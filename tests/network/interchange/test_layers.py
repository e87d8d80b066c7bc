"""A network as a list of layers, and back."""

import re
from dataclasses import replace

import numpy as np
import pytest
from interchange_networks import HIDDEN, N_NETWORKS, assert_same_network, random_network

from hotloop import Network, PreparedNetwork
from hotloop.activations import CustomActivation
from hotloop.interchange import InterchangeWarning, export_c, export_python
from hotloop.kernels import codes
from hotloop.network.activations import ACTIVATIONS, Activation, row_of
from hotloop.network.interchange.layers import (
    EXPORTED,
    Activate,
    Dense,
    Dropout,
    InputScale,
    LayerNorm,
    Rescale,
    formula_of,
    layers_of,
    network_of,
    parameter,
)

ONES, ZEROS = np.ones(3), np.zeros(3)
FIRST, SECOND = Dense(np.eye(3), ZEROS, place="one"), Dense(np.eye(3), ZEROS, place="two")


@pytest.mark.parametrize("seed", range(N_NETWORKS))
def test_there_and_back(seed):
    net, X = random_network(seed, ("float32", "float64")[seed % 2])
    again = network_of(layers_of(net, "a list"), "the list", loss=net.loss)
    assert_same_network(again, net)
    np.testing.assert_array_equal(again.predict(X), net.predict(X))


def test_the_layers_are_copies():
    net = Network([3, 3], seed=0)
    (dense,) = layers_of(net, "a list")
    dense.weights[:] = 7
    assert (net.weights[0] != 7).all()


def test_logits_are_without_the_output_activation():
    net = Network([3, 4, 2], loss="cross_entropy", seed=0)
    kinds = [type(layer) for layer in layers_of(net, "a list", logits=True)]
    assert kinds == [Dense, Activate, Dense]
    with pytest.raises(ValueError, match=r"computed from logits; the loss is 'mse'"):
        layers_of(Network([3, 2], seed=0), "a list", logits=True)


def test_only_networks_have_layers():
    with pytest.raises(TypeError, match=r"net must be a hotloop\.Network, got 3"):
        layers_of(3, "a list")
    with pytest.raises(TypeError, match=r"does not go to a list: export its \.network"):
        layers_of(PreparedNetwork(Network([3, 2], seed=0), None, None), "a list")


def test_a_function_of_the_users_own_is_refused():
    square = CustomActivation(lambda z: z * z, lambda z: 2 * z, name="square")
    _, activate, _ = layers_of(Network([3, 4, 2], square, seed=0), "C")
    with pytest.raises(ValueError, match=r"activation of layer 0: CustomActivation\('square'\).*cannot go to C"):
        formula_of(activate, "C")


@pytest.mark.parametrize(
    ("last", "loss"),
    [("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy"), ("exponential", "poisson"), ("tanh", "mse")],
)
def test_the_loss_follows_the_last_activation(last, loss):
    assert network_of([FIRST, Activate(last)], "the list").loss == loss


@pytest.mark.parametrize(
    ("layers", "error"),
    [
        ([Dropout(0.5)], "the list has no dense layer"),
        ([FIRST, Dense(np.eye(4), np.zeros(4), place="two")], "two: takes 4 inputs; one has 3"),
        ([FIRST, Rescale(0.0, 2.0, place="late")], "late: hotloop scales the inputs only"),
        ([FIRST, InputScale(ONES, place="late")], "late: hotloop learns one scale"),
        ([FIRST, Activate("relu"), Activate("tanh", place="second"), SECOND], "second: an activation comes once"),
        ([Activate("relu", place="early"), FIRST], "early: an activation comes once"),
        ([FIRST, Dropout(0.5), Activate("tanh", place="late"), SECOND], "late: an activation comes once"),
        ([FIRST, Dropout(0.5), Dropout(0.2, place="again"), SECOND], "again: a second dropout"),
        ([FIRST, Activate("relu"), LayerNorm(ONES, ZEROS, place="late"), SECOND], "late: hotloop normalises the z"),
        ([FIRST, LayerNorm(ONES, ZEROS, place="last")], "last: hotloop normalises hidden layers only"),
        ([FIRST, Activate("relu", ONES, place="last")], "last: hotloop learns the activations of hidden layers"),
        ([FIRST, Activate("softmax", place="within"), SECOND], "within: softmax is for the last layer"),
        ([FIRST, LayerNorm(ONES[:1], ZEROS, place="norm"), SECOND], "norm: gain has shape (1,); wanted (3,)"),
        ([FIRST, LayerNorm(None, ZEROS[:1], place="norm"), SECOND], "norm: shift has shape (1,); wanted (3,)"),
        ([FIRST, Activate("relu", ONES[:1], place="mixed"), SECOND], "mixed: mix has shape (1,); wanted (3,)"),
        ([InputScale(ONES[:1], place="scale"), FIRST], "scale: scale has shape (1,); wanted (3,)"),
        ([FIRST, replace(SECOND, weights=np.eye(3, dtype="f4"))], "the list has layers of float32 and of float64"),
    ],
)
def test_what_hotloop_has_no_network_for_is_refused_by_its_place(layers, error):
    with pytest.raises(ValueError, match=re.escape(error)):
        network_of(layers, "the list")


def test_what_layers_say_is_not_asked_for():
    with pytest.raises(TypeError, match="initializer is what the list says: leave it out"):
        network_of([FIRST], "the list", initializer="zeros")
    assert network_of([FIRST], "the list", l2=0.5).l2 == 0.5


def test_what_is_trained_otherwise_is_said():
    with pytest.warns(InterchangeWarning, match=r"last: left out, since hotloop drops no outputs"):
        network_of([FIRST, Dropout(0.5, place="last")], "the list")
    with pytest.warns(InterchangeWarning, match=r"one: has no bias: it gets one of zeros"):
        net = network_of([replace(FIRST, bias=None)], "the list")
    assert (net.biases[0] == 0).all()
    with pytest.warns(InterchangeWarning, match=r"norm: has no learnt gain or shift"):
        net = network_of([FIRST, LayerNorm(None, None, place="norm"), SECOND], "the list")
    assert (net.gains[0] == 1).all()
    assert (net.shifts[0] == 0).all()


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (np.ones((2, 3), "f2"), "layer x: weight has dtype float16; wanted float32 or float64"),
        (np.ones((2, 4), "f4"), "layer x: weight has shape (2, 4); wanted (any, 3)"),
        (np.ones(3, "f4"), "layer x: weight has shape (3,); wanted (any, 3)"),
        (np.full((2, 3), np.nan), "layer x: weight holds NaN or infinity"),
    ],
)
def test_a_parameter_is_checked(value, error):
    with pytest.raises(ValueError, match=re.escape(error)):
        parameter("layer x", "weight", value, (None, 3))


def test_an_activation_that_exporters_do_not_know_is_refused_by_all(tmp_path):
    """As one that is new in hotloop; those that they know are in the random networks."""
    assert {*ACTIVATIONS} >= EXPORTED
    assert {row_of(one).name for one in (*HIDDEN, "exponential", "softmax")} == EXPORTED
    net = Network([2, 3, 1], Activation("spike", codes.RELU, "he_normal"), seed=0)
    for target in ("PyTorch", "Keras", "TensorFlow", "ONNX", "JAX"):
        with pytest.raises(ValueError, match=f"the activation of layer 0: spike has no way to {target} yet"):
            formula_of(layers_of(net, target)[1], target)
    for export in (export_c, export_python):
        with pytest.raises(ValueError, match="the activation of layer 0: spike has no way to"):
            export(net, tmp_path / "net")
