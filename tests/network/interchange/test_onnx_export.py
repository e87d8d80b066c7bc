"""Networks in ONNX Runtime."""

import json
import re

import numpy as np
import pytest
from interchange_networks import HIDDEN, N_NETWORKS, OUTPUTS, assert_same, random_network, tolerance_of
from onnx_models import onnx, run, session

from hotloop import Network
from hotloop.activations import CustomActivation
from hotloop.interchange import to_onnx
from hotloop.network.persistence.schema import Schema

OPSET = 17


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(N_NETWORKS))
def test_onnx_runtime_computes_the_same(seed, dtype):
    net, X = random_network(seed, dtype)
    assert_same(run(to_onnx(net), X), net.predict(X), tolerance_of(net, X))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", HIDDEN, ids=str)
def test_each_activation_where_it_is_far_from_zero(activation, dtype):
    net = Network([1, 1, 1], activation, initializer=[(np.ones((1, 1)), np.zeros(1))] * 2, dtype=dtype)
    X = np.linspace(-60, 60, 4801).reshape(-1, 1).astype(dtype)
    assert_same(run(to_onnx(net), X), net.predict(X), {"float32": 5e-7, "float64": 1e-15}[dtype])


def test_the_file_says_what_it_is(tmp_path):
    net = Network([3, 4, 2], loss="cross_entropy", seed=0)
    net.metadata = {"made by": "a test"} | Schema(("a", "b", "c"), classes=("no", "yes")).to_metadata()
    model = to_onnx(net, tmp_path / "net.onnx", input_name="measured", output_name="shares")
    assert onnx.load(tmp_path / "net.onnx") == model
    assert [(one.domain, one.version) for one in model.opset_import] == [("", OPSET)]
    assert (model.ir_version, model.producer_name) == (8, "hotloop")
    properties = {one.key: one.value for one in model.metadata_props}
    assert properties["made by"] == "a test"
    assert (json.loads(properties["inputs"]), json.loads(properties["classes"])) == (["a", "b", "c"], ["no", "yes"])
    (given,), (returned,) = session(tmp_path / "net.onnx").get_inputs(), session(tmp_path / "net.onnx").get_outputs()
    assert (given.name, given.shape) == ("measured", ["batch", 3])
    assert (returned.name, returned.shape) == ("shares", ["batch", 2])
    assert model.graph.input[0].doc_string == "a, b, c"


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_any_number_of_rows(rows):
    net, X = random_network(4, "float32")
    assert run(to_onnx(net), X[:rows]).shape == (rows, net.sizes[-1])


def test_years_keep_their_digits():
    net = Network([1, 1], initializer=[(np.ones((1, 1)), np.zeros(1))], input_offset=2000.1, input_scale=1000)
    X = np.array([[2000.0], [2001.0]], np.float32)
    np.testing.assert_array_equal(run(to_onnx(net), X), net.predict(X))


@pytest.mark.parametrize(("loss", "activation"), [("cross_entropy", "softmax"), ("binary_cross_entropy", "sigmoid")])
def test_logits(loss, activation):
    net = Network([3, 4, 2], loss=loss, seed=0)
    same = Network([3, 4, 2], loss=loss, output="identity", seed=0)
    X = np.random.default_rng(0).normal(size=(5, 3)).astype("f4")
    assert net.activations[-1] == activation
    assert_same(run(to_onnx(net, logits=True), X), same.predict(X))


def test_a_value_with_a_users_name_and_a_node_do_not_clash():
    net = Network([3, 4, 2], seed=0)
    X = np.ones((2, 3), np.float32)
    assert_same(run(to_onnx(net, input_name="layer_0.weights", output_name="layer_0.z"), X), net.predict(X))


def test_what_cannot_be_exported_leaves_no_file(tmp_path):
    path = tmp_path / "net.onnx"
    own = CustomActivation(lambda z: z * z, lambda z: 2 * z, name="square")
    broken = Network([3, 4, 2], seed=0)
    broken.parameters[0] = np.nan
    for net, error in (
        (Network([3, 4, 2], own, seed=0), r"activation of layer 0: CustomActivation\('square'\).*cannot go to ONNX"),
        (broken, "parameters that are not finite"),
    ):
        with pytest.raises(ValueError, match=error):
            to_onnx(net, path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"output_name": "input"}, "input_name and output_name are both 'input'"),
        ({"output_name": ""}, "output_name must be a name, got ''"),
        ({"input_name": 3}, "input_name must be a name, got 3"),
        ({"logits": True}, "logits=True is for a loss that is computed from logits"),
    ],
)
def test_arguments_are_checked(arguments, error):
    with pytest.raises((TypeError, ValueError), match=re.escape(error)):
        to_onnx(Network([3, 2], seed=0), **arguments)


def test_every_output_activation_is_among_the_random_ones():
    seen = {random_network(seed, "float32")[0].activations[-1] for seed in range(N_NETWORKS)}
    assert seen == {output or {"mse": "identity", "cross_entropy": "softmax", "binary_cross_entropy": "sigmoid",
                               "poisson": "exponential"}[loss] for loss, output in OUTPUTS}  # fmt: skip


def test_others_are_refused():
    with pytest.raises(TypeError, match=r"net must be a hotloop\.Network, got 3"):
        to_onnx(3)
