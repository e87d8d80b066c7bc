"""Files of other programs, written by ``hotloop export``, executed, and gone on with by ``hotloop train --from``."""

import numpy as np
import pytest
from command_line import run, train_tiny, write_flowers, write_houses
from interchange_networks import assert_same, library

from hotloop import Network, PreparedNetwork
from hotloop.network.interchange.files import read_model

for name in ("torch", "keras", "tensorflow", "onnx", "onnxruntime", "ai_edge_litert"):
    library(name)

# Keras converts TensorFlow's variables to arrays in NumPy 1's way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
X = np.random.default_rng(0).normal(size=(7, 2)).astype("f4")


def exported(tmp_path, *options, **arguments):
    """Return a network, and the status of ``hotloop export`` of its file."""
    net = Network([2, 4, 2], "tanh", loss="cross_entropy", seed=0, **arguments)
    net.save(tmp_path / "net.safetensors")
    status, out, err = run("export", tmp_path / "net.safetensors", *options)
    assert (status, out.count("wrote ")) == (0, len(options) // 2), err
    return net


@pytest.mark.parametrize("kind", ["keras", "onnx", "torch"])
def test_what_export_writes_train_goes_on_with(kind, tmp_path):
    """With the loss that follows from it, and outputs that a tiny learning rate leaves as they are."""
    file, flowers = tmp_path / f"there.{'safetensors' if kind == 'torch' else kind}", write_flowers(tmp_path)
    net = exported(tmp_path, f"--{kind}", file)
    activations = ["--activation", "tanh", "--output", "softmax"] if kind == "torch" else []
    options = ["--data", flowers, "--epochs", "1", "--save", tmp_path / "on", "--learning-rate", "1e-30"]
    status, out, err = run("train", "--from", file, *activations, *options)
    assert (status, err) == (0, "")
    assert "cross_entropy" in out
    assert_same(Network.load(tmp_path / "on").predict(X), net.predict(X), 1e-5)


def test_tensorflow_runs_what_export_writes(tmp_path):
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    net = exported(tmp_path, "--saved-model", tmp_path / "served", "--litert", tmp_path / "net.tflite")
    (found,) = tf.saved_model.load(str(tmp_path / "served")).signatures["serving_default"](tf.constant(X)).values()
    assert_same(found, net.predict(X))
    interpreter = Interpreter(model_path=str(tmp_path / "net.tflite"))
    (given,), (wanted,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(given["index"], X.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], X)
    interpreter.invoke()
    assert_same(interpreter.get_tensor(wanted["index"]), net.predict(X))


def test_a_table_goes_to_onnx_with_its_preparation(tmp_path):
    import onnxruntime

    train_tiny(write_houses(tmp_path), "--target", "price", "--epochs", "1", "--save", tmp_path / "model")
    status, _, err = run("export", tmp_path / "model", "--onnx", tmp_path / "net.onnx")
    assert (status, err) == (0, "")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    columns = {"size": X[:, :1].astype("f8"), "age": X[:, 1:].astype("f8")}
    table = {name: column[:, 0] for name, column in columns.items()}
    assert_same(session.run(None, columns)[0], PreparedNetwork.load(tmp_path / "model").predict(table))


def test_a_file_of_another_program_becomes_one_of_hotloop(tmp_path):
    net = exported(tmp_path, "--keras", tmp_path / "there.keras", input_scale=0.5)
    assert run("export", tmp_path / "there.keras", "--hotloop", tmp_path / "again.safetensors")[0] == 0
    assert_same(Network.load(tmp_path / "again.safetensors").predict(X), net.predict(X))
    status, out, _ = run(
        "train", "--from", tmp_path / "there.keras", "--data", write_flowers(tmp_path), "--epochs", "1"
    )
    assert status == 0
    assert f"2 inputs, scaled as {tmp_path}/there.keras says" in out


def test_logits_of_the_onnx_of_a_table_are_refused(tmp_path):
    train_tiny(write_houses(tmp_path), "--target", "price", "--epochs", "1", "--save", tmp_path / "model")
    status, _, err = run("export", tmp_path / "model", "--onnx", tmp_path / "net.onnx", "--logits")
    assert (status, err) == (2, "hotloop: error: --logits is not for the ONNX of a table: omit it\n")


def test_a_file_of_another_kind_under_a_known_name_is_said(tmp_path):
    for name in ("net.keras", "net.onnx", "net.pt"):
        (tmp_path / name).write_bytes(b"not a network")
        with pytest.raises(ValueError, match=name):
            read_model(tmp_path / name)
        status, _, err = run("export", tmp_path / name, "--c", tmp_path / "net.c")
        assert (status, err.count("\n")) == (2, 1)
