"""Networks as Keras models, and Keras models as networks."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from interchange_networks import N_NETWORKS, assert_same, assert_same_network, library, random_network
from keras_networks import EXACT, N_COMPARED, is_comparable, keras_network

from hotloop import Network, RMSprop
from hotloop.activations import CustomActivation
from hotloop.interchange import from_keras, to_keras

keras = library("keras")
tf = library("tensorflow")
# Keras converts its variables to arrays in NumPy 1's way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outputs_and_the_way_back(dtype):
    compared = 0
    for seed in range(N_NETWORKS):
        net, X = keras_network(seed, dtype)
        model = to_keras(net)
        if is_comparable(net, X):
            compared += 1
            assert_same(keras.ops.convert_to_numpy(model(X)), net.predict(X))
        again = from_keras(model, loss=net.loss)
        assert_same_network(again, net)
        np.testing.assert_array_equal(again.predict(X), net.predict(X))
    assert compared >= N_NETWORKS - 8


def test_the_learnt_scale_of_inputs():
    net = Network([3, 4, 2], learn_input_scale=True, input_offset=[1.0, 2.0, 3.0], seed=0)
    net.learnt_input_scale[:] = 0.5, -1, 2
    model, X = to_keras(net), np.random.default_rng(0).normal(size=(5, 3))
    assert_same(keras.ops.convert_to_numpy(model(X)), net.predict(X))
    again = from_keras(model)
    assert_same_network(again, net)
    np.testing.assert_array_equal(again.input_offset, net.input_offset)


@pytest.mark.parametrize("seed", range(6))
def test_a_saved_model_is_the_same(seed, tmp_path):
    net, X = keras_network(seed, ("float32", "float64")[seed % 2])
    to_keras(net).save(tmp_path / "net.keras")
    again = from_keras(tmp_path / "net.keras", loss=net.loss)
    assert_same_network(again, net)
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    np.testing.assert_array_equal(again.input_scale, net.input_scale)
    np.testing.assert_array_equal(again.input_offset, net.input_offset)


def test_an_offset_is_subtracted_in_float64():
    net = Network([2, 8, 1], input_offset=[2000.1, 1e6], input_scale=[0.1, 3.0], seed=0)
    X = np.array([[2000.3, 1e6 + 0.1], [1999.7, 1e6 - 0.2]])
    assert_same(keras.ops.convert_to_numpy(to_keras(net)(X)), net.predict(X))


def test_logits():
    net = Network([3, 4, 2], loss="cross_entropy", seed=0)
    X = np.eye(3, dtype="float32")
    logits = to_keras(net, logits=True)
    assert_same(keras.ops.convert_to_numpy(keras.ops.softmax(logits(X))), net.predict(X))
    assert logits.layers[-1].activation is keras.activations.linear


def test_it_trains_and_exports_in_keras(tmp_path):
    net = Network([3, 16, 2], "tanh", loss="cross_entropy", dropout=0.1, layer_norm=True, seed=0)
    X = np.random.default_rng(0).normal(size=(200, 3)).astype("float32")
    model = to_keras(net)
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    losses = model.fit(X, (X[:, 0] > 0).astype(int), epochs=5, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    assert_same(served.serve(X).numpy(), from_keras(model).predict(X))


@pytest.mark.parametrize("seed", range(10))
def test_gradients_in_float64(seed):
    net, X = random_network(seed, "float64", hidden=EXACT, outputs=[("mse", None)], learnt=False, dropout=False)
    y = np.random.default_rng(seed).normal(size=(len(X), net.sizes[-1]))
    model, (_, wanted) = to_keras(net), net.gradient(X, y)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(X) - y) ** 2)
    variables = [one.value for one in model.trainable_variables]
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        variable.assign(gradient)  # so that from_keras puts each where the parameter is
    assert_same(from_keras(model).parameters, wanted, 1e-10)


def test_the_example_of_an_mlp_on_mnist(tmp_path):
    """The architecture of Keras's examples/mnist_mlp.py, and its RMSprop, on images that are made up."""
    rng = np.random.default_rng(0)
    labels = rng.integers(10, size=600)
    images = np.clip(rng.random((10, 784))[labels] + 0.3 * rng.normal(size=(600, 784)), 0, 1).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(512, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(512, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer=keras.optimizers.RMSprop(), loss="categorical_crossentropy", metrics=["accuracy"])
    model.fit(images, keras.utils.to_categorical(labels, 10), batch_size=128, epochs=1, verbose=0)
    model.save(tmp_path / "mnist.keras")

    net = from_keras(tmp_path / "mnist.keras", seed=0)
    assert (net.sizes, net.dropout, net.loss) == ((784, 512, 512, 10), (0.2, 0.2), "cross_entropy")
    assert_same(net.predict(images), model.predict(images, verbose=0))
    before = net.evaluate(images, labels)["loss"]
    net.fit(images, labels, batch_size=128, epochs=3, optimizer=RMSprop(), progress=False)
    assert net.evaluate(images, labels)["loss"] < 0.5 * before


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_other_backends(backend, tmp_path):
    library(backend)
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", root / "tests/keras_networks.py"],
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root / 'tests'}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout == f"{backend}: {N_COMPARED} networks\n", done.stderr


def test_what_keras_has_no_layer_for_is_refused():
    with pytest.raises(ValueError, match="activation of layer 0: it is learnt, for which Keras has no built-in layer"):
        to_keras(Network([2, 3, 1], learn_activation=True, seed=0))
    square = CustomActivation(lambda z: z * z, lambda z: 2 * z, name="square")
    with pytest.raises(ValueError, match=re.escape("CustomActivation('square') is a function of your own")):
        to_keras(Network([2, 3, 1], square, seed=0))
    net = Network([2, 3, 1], seed=0)
    net.biases[0][1] = np.nan
    with pytest.raises(ValueError, match="layer 0: bias holds NaN"):
        to_keras(net)
