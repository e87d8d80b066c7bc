"""Networks as SavedModels and LiteRT models, executed."""

from pathlib import Path

import numpy as np
import pytest
from interchange_networks import HIDDEN, N_NETWORKS, assert_same, library, random_network
from keras_networks import is_stable

from hotloop import Network
from hotloop.activations import CustomActivation
from hotloop.interchange import to_litert, to_saved_model
from hotloop.network.interchange.layers import layers_of
from hotloop.network.interchange.tensorflow import module_of

tf = library("tensorflow")
library("ai_edge_litert")


def served(folder, X):
    """Return what the signature of a SavedModel gives."""
    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    (spec,) = serve.structured_input_signature[1].values()
    assert spec.shape.as_list() == [None, X.shape[1]]
    return serve(inputs=tf.constant(X, spec.dtype))["outputs"].numpy()


def lite(path, X):
    """Return what LiteRT gives."""
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(str(path))
    ((inputs,), (outputs,)) = model.get_input_details(), model.get_output_details()
    assert inputs["shape_signature"].tolist() == [-1, X.shape[1]]
    model.resize_tensor_input(inputs["index"], X.shape)
    model.allocate_tensors()
    model.set_tensor(inputs["index"], X)
    model.invoke()
    return model.get_tensor(outputs["index"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_networks_in_tensorflow(dtype):
    compared = 0
    for seed in range(N_NETWORKS):
        net, X = random_network(seed, dtype)
        if is_stable(net, X):
            compared += 1
            module = module_of(tf, net, layers_of(net, "TensorFlow"))
            assert_same(module(tf.constant(X, module.inputs.dtype)).numpy(), net.predict(X))
    assert compared >= N_NETWORKS - 6


@pytest.mark.parametrize("seed", range(8))
def test_random_networks_as_saved_models(seed, tmp_path):
    net, X = random_network(seed, ("float32", "float64")[seed % 2])
    to_saved_model(net, tmp_path / "served")
    assert_same(served(tmp_path / "served", X), net.predict(X))


def test_random_networks_in_litert(tmp_path):
    seeds = [seed for seed in range(N_NETWORKS) if is_stable(*random_network(seed, "float32"))]
    for seed in seeds[::5]:
        net, X = random_network(seed, "float32")
        to_litert(net, tmp_path / "net.tflite")
        assert_same(lite(tmp_path / "net.tflite", X), net.predict(X))


@pytest.mark.parametrize("activation", HIDDEN, ids=str)
def test_each_activation_far_out(activation, tmp_path):
    """Of numbers whose exponential overflows in float32, without a last layer that would hide it."""
    net = Network([1, 1], output=activation, seed=0)
    net.weights[0][:] = 1
    X = np.array([[-200.0], [-90], [-10], [-1e-3], [0], [1e-3], [10], [90], [200]], "float32")
    to_litert(net, tmp_path / "net.tflite")
    to_saved_model(net, tmp_path / "served")
    assert_same(lite(tmp_path / "net.tflite", X), net.predict(X))
    assert_same(served(tmp_path / "served", X), net.predict(X))


def test_offsets_keep_their_digits(tmp_path):
    net = Network([2, 8, 1], input_offset=[2000.1, 1e6 + 0.3], input_scale=[10.0, 3.0], seed=0)
    X = np.array([[2000.3, 1e6 + 0.5], [1999.7, 1e6 - 0.25], [2000.1, 1e6]], "float32")
    to_saved_model(net, tmp_path / "served")
    to_litert(net, tmp_path / "net.tflite")
    assert_same(served(tmp_path / "served", X), net.predict(X))
    assert_same(lite(tmp_path / "net.tflite", X), net.predict(X))


def test_logits_and_any_number_of_rows(tmp_path):
    net, X = Network([3, 4, 2], loss="cross_entropy", seed=0), np.ones((1, 3), "float32")
    to_litert(net, tmp_path / "net.tflite", logits=True)
    to_saved_model(net, tmp_path / "served", logits=True)
    for rows in (1, 5):
        for outputs in (
            lite(tmp_path / "net.tflite", X.repeat(rows, 0)),
            served(tmp_path / "served", X.repeat(rows, 0)),
        ):
            assert_same(tf.nn.softmax(outputs).numpy(), net.predict(X.repeat(rows, 0)))


def test_the_variables_can_be_trained(tmp_path):
    to_saved_model(Network([3, 4, 1], layer_norm=True, learn_activation=True, seed=0), tmp_path / "served")
    model = tf.saved_model.load(str(tmp_path / "served"))
    shapes = [(3, 4), (4,), (4,), (4,), (4,), (4, 1), (1,)]
    assert [tuple(one.shape) for part in model.parts for one in part] == shapes
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(tf.ones((2, 3))))
    assert all(one is not None for one in tape.gradient(loss, [one for part in model.parts for one in part]))


def test_a_saved_model_is_replaced_and_nothing_else(tmp_path):
    X = np.ones((2, 3), "float32")
    for seed in (0, 1):
        net = Network([3, 2], seed=seed)
        to_saved_model(net, tmp_path / "models" / "1")
        assert_same(served(tmp_path / "models" / "1", X), net.predict(X))
    assert [one.name for one in (tmp_path / "models").iterdir()] == ["1"]
    with pytest.raises(FileExistsError, match="models exists, and is no SavedModel"):
        to_saved_model(net, tmp_path / "models")


def test_a_failure_leaves_the_old_model(tmp_path, monkeypatch):
    X, net = np.ones((2, 3), "float32"), Network([3, 2], seed=0)
    to_saved_model(net, tmp_path / "served")
    rename = Path.rename

    def failing(self, target):
        if self.name == "new":
            raise OSError("disk full")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="disk full"):
        to_saved_model(Network([3, 2], seed=1), tmp_path / "served")
    assert_same(served(tmp_path / "served", X), net.predict(X))
    assert [one.name for one in tmp_path.iterdir()] == ["served"]


def test_what_does_not_go(tmp_path):
    with pytest.raises(ValueError, match="LiteRT has no float64 dense layers"):
        to_litert(Network([3, 2], dtype="float64", seed=0), tmp_path / "net.tflite")
    square = Network([3, 4, 2], CustomActivation(lambda z: z * z, lambda z: 2 * z, name="square"), seed=0)
    broken = Network([3, 2], seed=0)
    broken.weights[0][0, 0] = np.inf
    for export, name in ((to_litert, "net.tflite"), (to_saved_model, "served")):
        with pytest.raises(ValueError, match="is a function of your own, which cannot go to TensorFlow"):
            export(square, tmp_path / name)
        with pytest.raises(ValueError, match="layer 0: a parameter holds NaN or infinity"):
            export(broken, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
