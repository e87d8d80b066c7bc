"""``hotloop export``: what is written, and what is refused before anything is."""

import runpy
import sys

import numpy as np
import pytest
from command_line import run, train_tiny, write_houses

from hotloop import Network, PreparedNetwork


@pytest.fixture
def model(tmp_path):
    net = Network([3, 5, 2], "tanh", loss="cross_entropy", input_offset=[1.0, 2.0, 3.0], seed=0)
    net.save(tmp_path / "net.safetensors")
    return net, tmp_path / "net.safetensors"


def test_several_files(model, tmp_path):
    net, path = model
    status, out, err = run("export", path, "--c", tmp_path / "net.c", "--python", tmp_path / "net.py")
    assert (status, err) == (0, "")
    sizes = [(tmp_path / name).stat().st_size for name in ("net.c", "net.py")]
    assert out.splitlines() == [
        f"wrote {tmp_path}/net.c: C99, {sizes[0]:,} bytes",
        f"wrote {tmp_path}/net.py: Python, on NumPy alone, {sizes[1]:,} bytes",
    ]
    X = np.random.default_rng(0).normal(size=(4, 3)).astype("f4")
    found = runpy.run_path(str(tmp_path / "net.py"))["predict"](X)
    np.testing.assert_allclose(found, net.predict(X), rtol=1e-6)


def test_options_of_c(model, tmp_path):
    _, path = model
    assert run("export", path, "--c", tmp_path / "net.c", "--name", "steer", "--dtype", "float64", "--logits")[0] == 0
    text = (tmp_path / "net.c").read_text()
    assert "void steer(const double *x, double *out)" in text
    assert "exp(" not in text.replace("tanh(", "")  # no softmax


def test_what_cannot_be_written_is_said_before_anything_is(model, tmp_path):
    _, path = model
    before = sorted(tmp_path.iterdir())

    def fails(error, *options, source=path):
        status, out, err = run("export", source, *options)
        assert (status, out) == (2, "")
        assert error in err
        assert err.count("\n") == 1
        assert sorted(tmp_path.iterdir()) == before

    net = tmp_path / "net.c"
    fails(
        "nothing to write: name a file with --hotloop, --c, --python, --onnx, --torch, --keras, --saved-model, --litert"
    )
    fails("--name is for --c", "--python", net, "--name", "steer")
    fails("--dtype is for --c", "--python", net, "--dtype", "float64")
    fails("its name must end in .keras", "--c", net, "--keras", tmp_path / "net.h5")
    fails("two options name one file", "--c", net, "--python", net)
    fails("is also an input", "--c", path)
    fails("nowhere", "--c", tmp_path / "nowhere" / "net.c")
    fails("there is no model file", "--c", net, source=tmp_path / "other.safetensors")
    fails("name 'double' is taken in C or C++", "--c", net, "--name", "double")
    fails("name 'printf' is taken in C or C++", "--python", tmp_path / "net.py", "--c", net, "--name", "printf")
    fails("has its own activations", "--c", net, "--activation", "tanh")


def test_a_missing_extra_is_named(model, tmp_path, monkeypatch):
    _, path = model
    monkeypatch.setitem(sys.modules, "onnx", None)
    status, _, err = run("export", path, "--onnx", tmp_path / "net.onnx")
    assert (status, err) == (2, "hotloop: error: ONNX is not installed: pip install 'hotloop[onnx]'\n")


def test_a_table_goes_with_its_preparation_or_not_at_all(tmp_path):
    train_tiny(write_houses(tmp_path), "--target", "price", "--epochs", "1", "--save", tmp_path / "model")
    assert run("export", tmp_path / "model", "--python", tmp_path / "net.py")[0] == 0
    X = np.array([[0.5, 0.1], [np.nan, 0.7]])
    wanted = PreparedNetwork.load(tmp_path / "model").predict({"size": [0.5, None], "age": X[:, 1]})
    found = runpy.run_path(str(tmp_path / "net.py"))["predict"](X)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    status, out, err = run(
        "export", tmp_path / "model", "--c", tmp_path / "net.c", "--torch", tmp_path / "w.safetensors"
    )
    assert (status, out) == (2, "")
    assert "holds a PreparedNetwork, which prepares the columns of a table: --torch has no way" in err
    assert "to do so, --hotloop, --c, --python, --onnx have" in err
    assert not (tmp_path / "net.c").exists()
