"""Parameters of PyTorch, into networks and out of them."""

import re

import numpy as np
import pytest
from interchange_networks import library

torch = library("torch")

from safetensors.numpy import save_file as save_arrays  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from torch_networks import Quickstart, network  # noqa: E402

from hotloop import Network  # noqa: E402
from hotloop.interchange import (  # noqa: E402
    load_state_dict,
    to_state_dict,
    to_torch,
)


def stirred(net):
    rng = np.random.default_rng(3)
    for part in net.parts(net.parameters).values():
        part += rng.normal(size=part.shape)
    return net


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_a_state_there_and_back(prefix):
    source, net = stirred(network()), network(input_offset=0.0)
    load_state_dict(net, {prefix + key: tensor for key, tensor in to_state_dict(source).items()})
    np.testing.assert_array_equal(net.parameters, source.parameters)
    assert net.input_offset == 0.5


def test_states_in_files(tmp_path):
    source = stirred(Network([4, *[3] * 11, 2], seed=0))  # with modules 2 and 10
    state = to_state_dict(source)
    torch.save(state, tmp_path / "plain.pt")
    torch.save({"epoch": 3, "model_state_dict": state, "loss": 0.1}, tmp_path / "script.pth")
    torch.save({"state_dict": state}, tmp_path / "lightning.ckpt")
    torch.save({"model": state, "optimizer": {}}, tmp_path / "reference.pth")
    save_file(state, tmp_path / "state.safetensors")
    for name in ("reference.pth", "plain.pt", "script.pth", "lightning.ckpt", "state.safetensors"):
        net = Network(source.sizes, seed=1)
        load_state_dict(net, tmp_path / name)
        np.testing.assert_array_equal(net.parameters, source.parameters)


def test_names_give_the_order():
    source = stirred(Network([4, 4, 4], seed=0))
    first, second = ({key[2:]: t for key, t in to_state_dict(source).items() if key[0] == name} for name in "02")
    state = {f"b.{key}": t for key, t in second.items()} | {f"a.x.{key}": t for key, t in first.items()}
    net = Network([4, 4, 4], seed=1)
    load_state_dict(net, state, names=["a.x", "b"])
    np.testing.assert_array_equal(net.parameters, source.parameters)


def test_a_state_of_arrays_is_converted_to_the_networks_dtype():
    net = Network([2, 1], dtype="float64", seed=0)
    load_state_dict(net, {"weight": np.array([[1.5, 2.0]], "f4"), "bias": np.array([0.5], "f4")})
    assert net.predict([[1.0, 1.0]]).tolist() == [[4.0]]


WEIGHT, BIAS = torch.ones(3, 4), torch.zeros(3)


@pytest.mark.parametrize(
    ("state", "names", "error"),
    [
        ({"0.weight": WEIGHT}, None, "key '0.bias': is missing, for layer 0"),
        ({"0.weight": WEIGHT, "0.bias": BIAS, "0.extra": BIAS}, None, "key '0.extra': layer 0 wants weight, bias"),
        (
            {"0.weight": WEIGHT.T, "0.bias": BIAS},
            None,
            "key '0.weight' for layer 0: it has shape (4, 3); wanted (3, 4)",
        ),
        ({"0.weight": WEIGHT, "0.bias": BIAS[:2]}, None, "key '0.bias' for layer 0: it has shape (2,); wanted (3,)"),
        ({"0.weight": WEIGHT.half(), "0.bias": BIAS}, None, "key '0.weight' for layer 0: it is torch.float16; wanted"),
        ({"0.weight": WEIGHT / 0, "0.bias": BIAS}, None, "key '0.weight' for layer 0: it holds NaN or infinity"),
        ({"0.weight": WEIGHT.double() * 1e300, "0.bias": BIAS}, None, "key '0.weight': holds numbers beyond float32"),
        ({"0.weight": WEIGHT, "0.bias": "zero"}, None, "key '0.bias' for layer 0: wanted a tensor or an array"),
        (
            {"0.weight": WEIGHT, "0.bias": BIAS, "1.weight": BIAS},
            None,
            "1 modules with parameters, the state 2: '0', '1'",
        ),
        ({"0.weight": WEIGHT, "0.bias": BIAS, "1.weight": BIAS}, ["0"], "key '1.weight': is of no module in names"),
        ({"0.weight": WEIGHT, "0.bias": BIAS}, ["fc"], "names: the state has no module 'fc'"),
        ({"0.weight": WEIGHT, "0.bias": BIAS}, "0", "names must be a sequence of str"),
        ({}, None, "1 modules with parameters, the state 0"),
        (3, None, "source must be a state_dict or the path of a file"),
        ({"0.offset": BIAS, "0.scale": BIAS, "1.weight": WEIGHT, "1.bias": BIAS}, None, "input_offset has shape (3,)"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(state, names, error):
    net = Network([4, 3], seed=0)
    before = net.parameters.copy()
    with pytest.raises((TypeError, ValueError), match=re.escape(error)):
        load_state_dict(net, state, names=names)
    np.testing.assert_array_equal(net.parameters, before)
    assert net.input_offset == 0


def test_files_that_hold_no_state(tmp_path):
    net = Network([4, 3], seed=0)
    torch.save(Quickstart(), tmp_path / "whole.pt")
    (tmp_path / "text.pt").write_text("no")
    (tmp_path / "text.safetensors").write_text("no")
    save_file({"weight": WEIGHT.bfloat16(), "bias": BIAS}, tmp_path / "half.safetensors")
    net.save(tmp_path / "model.safetensors")
    for name, error in (
        ("whole.pt", "does not hold tensors only"),
        ("text.pt", "does not hold tensors only"),
        ("text.safetensors", "text.safetensors is no safetensors file"),
        ("half.safetensors", "wanted float32 or float64"),  # NumPy may know bfloat16, from another package
        ("model.safetensors", "is a model file of hotloop: read it by Network.load"),
    ):
        with pytest.raises(ValueError, match=re.escape(error)):
            load_state_dict(net, tmp_path / name)
    for name in ("none.pt", "none.safetensors"):
        with pytest.raises(FileNotFoundError, match=name):
            load_state_dict(net, tmp_path / name)


def test_a_safetensors_file_takes_no_pytorch(tmp_path, monkeypatch):
    save_arrays({"a.weight": np.ones((3, 4)), "a.bias": np.ones(3)}, tmp_path / "state.safetensors")
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    net = Network([4, 3], seed=0)
    load_state_dict(net, tmp_path / "state.safetensors")
    assert (net.weights[0] == 1).all()
    with pytest.raises(ModuleNotFoundError, match=r"PyTorch is not installed: pip install 'hotloop\[torch\]'"):
        to_torch(net)


def test_an_order_that_sorted_names_do_not_say_is_asked_for(tmp_path):
    """A safetensors file has sorted keys: an order that is the only one to fit, or that numbers say, is taken."""
    rng, path = np.random.default_rng(0), tmp_path / "state.safetensors"

    def saved(**shapes):
        state = {f"{name}.weight": rng.normal(size=shape).astype("f4") for name, shape in shapes.items()}
        save_arrays(state | {f"{name}.bias": np.zeros(shape[0], "f4") for name, shape in shapes.items()}, path)
        return state

    net = Network([4, 4, 4], seed=0)
    state = saved(encoder=(4, 4), decoder=(4, 4))
    with pytest.raises(ValueError, match=r"order of its modules 'decoder', 'encoder', and several fit: give names="):
        load_state_dict(net, path)
    load_state_dict(net, path, names=["encoder", "decoder"])
    np.testing.assert_array_equal(net.weights[0], state["encoder.weight"].T)
    saved(a=(2, 3), b=(3, 2))  # 2-3-2 or 3-2-3
    with pytest.raises(ValueError, match="several fit"):
        load_state_dict(Network([3, 2, 3], seed=0), path)
    state = saved(a=(5, 3), b=(2, 5))
    load_state_dict(net := Network([3, 5, 2], seed=0), path)
    np.testing.assert_array_equal(net.weights[1], state["b.weight"].T)
    state = saved(fc2=(4, 4), fc10=(4, 4))
    load_state_dict(net := Network([4, 4, 4], seed=0), path)
    np.testing.assert_array_equal(net.weights[0], state["fc2.weight"].T)
