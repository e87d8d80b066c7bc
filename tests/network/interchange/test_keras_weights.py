"""Keras's files of weights, into networks and from them."""

import re

import numpy as np
import pytest
from interchange_networks import assert_same, library
from keras_networks import keras_network

from hotloop import Network
from hotloop.interchange import load_keras_weights, save_keras_weights, to_keras

keras = library("keras")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


@pytest.mark.parametrize("seed", range(10))
def test_there_and_back(seed, tmp_path):
    path = tmp_path / "net.weights.h5"
    dtype = ("float32", "float64")[seed % 2]
    net, again = keras_network(seed, dtype)[0], keras_network(seed, dtype)[0]
    again.parameters[again.parameters != 0] = 7
    save_keras_weights(net, path)
    load_keras_weights(again, path)
    np.testing.assert_array_equal(again.parameters, net.parameters)
    model = to_keras(again)
    model.set_weights([np.zeros_like(one) for one in model.get_weights()])
    model.load_weights(path)
    for found, wanted in zip(model.get_weights(), to_keras(net).get_weights(), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_the_learnt_scale_of_inputs(tmp_path):
    net, again = (Network([3, 4, 2], learn_input_scale=True, seed=seed) for seed in (0, 1))
    net.learnt_input_scale[:] = 1, 2, 3
    save_keras_weights(net, tmp_path / "net.weights.h5")
    load_keras_weights(again, tmp_path / "net.weights.h5")
    np.testing.assert_array_equal(again.parameters, net.parameters)


def test_a_file_of_a_model_with_other_names_and_activations_apart(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, name="first"),
            keras.layers.Activation("tanh"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(2, name="second"),
        ]
    )
    model.save_weights(tmp_path / "theirs.weights.h5")
    net, X = Network([3, 4, 2], "tanh", seed=0), np.eye(3, dtype="float32")
    load_keras_weights(net, tmp_path / "theirs.weights.h5")
    assert_same(net.predict(X), keras.ops.convert_to_numpy(model(X)))


def test_constants_are_in_no_file_of_weights(tmp_path):
    path, X = tmp_path / "theirs.weights.h5", np.eye(3, dtype="float32")
    layers = [keras.layers.Normalization(mean=2.0, variance=4.0), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.save_weights(path)
    plain, scaled = Network([3, 2], seed=0), Network([3, 2], input_offset=2.0, input_scale=0.5, seed=0)
    for net in (plain, scaled):
        load_keras_weights(net, path)
    wanted = keras.ops.convert_to_numpy(model(X))
    assert_same(scaled.predict(X), wanted)
    assert np.abs(plain.predict(X) - wanted).max() > 0.1  # as the docstring says
    assert_same(plain.predict((X - 2) / 2), wanted)


DENSE, NORM = keras.layers.Dense, keras.layers.LayerNormalization


@pytest.mark.parametrize(
    ("layers", "error"),
    [
        ([DENSE(4)], "the network has a layer 'dense_1', the file has not"),
        ([DENSE(4), DENSE(4), DENSE(2)], "the file has a layer 'dense_2', the network has not"),
        ([DENSE(4), NORM(), DENSE(2)], "the file has a layer 'layer_normalization', the network has not"),
        ([DENSE(4), DENSE(3)], "dense_1 in FILE: array 0 has shape (4, 3); wanted (4, 2)"),
        ([DENSE(4, use_bias=False), DENSE(2)], "dense in FILE: has 1 arrays; that of the network has 2"),
        ([DENSE(4, dtype="float16"), DENSE(2)], "dense in FILE: array 0 has dtype float16"),
        ([keras.Sequential([keras.Input((3,)), DENSE(4)]), DENSE(2)], "holds a model within a model, 'sequential'"),
    ],
)
def test_a_file_that_does_not_fit_changes_nothing(layers, error, tmp_path):
    path = tmp_path / "theirs.weights.h5"
    keras.Sequential([keras.Input((3,)), *layers]).save_weights(path)
    net = Network([3, 4, 2], seed=0)
    before = net.parameters.copy()
    with pytest.raises(ValueError, match=re.escape(error.replace("FILE", str(path)))):
        load_keras_weights(net, path)
    np.testing.assert_array_equal(net.parameters, before)


def test_what_is_no_such_file(tmp_path):
    net = Network([3, 4, 2], seed=0)
    with pytest.raises(ValueError, match=r"path must end in \.weights\.h5, got 'net\.h5'"):
        save_keras_weights(net, "net.h5")
    with pytest.raises(FileNotFoundError, match=r"none\.weights\.h5 does not exist"):
        load_keras_weights(net, tmp_path / "none.weights.h5")
    text = tmp_path / "text.weights.h5"
    text.write_text("text")
    with pytest.raises(ValueError, match="is no HDF5 file"):
        load_keras_weights(net, text)
    import h5py

    with h5py.File(tmp_path / "empty.weights.h5", "w"):
        pass
    with pytest.raises(ValueError, match="has no layers: wanted what save_weights"):
        load_keras_weights(net, tmp_path / "empty.weights.h5")
    save_keras_weights(net, tmp_path / "net.weights.h5")
    with pytest.raises(ValueError, match="activation of layer 0: it is learnt"):
        load_keras_weights(Network([3, 4, 2], learn_activation=True, seed=0), tmp_path / "net.weights.h5")


def test_a_network_that_cannot_be_saved_leaves_the_old_file(tmp_path):
    path, net = tmp_path / "net.weights.h5", Network([3, 4, 2], seed=0)
    save_keras_weights(net, path)
    before = path.read_bytes()
    net.weights[0][0, 0] = np.nan
    with pytest.raises(ValueError, match="layer 0: weights holds NaN"):
        save_keras_weights(net, path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["net.weights.h5"]
