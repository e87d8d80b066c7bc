"""Networks as Python files."""

import subprocess
import sys

import numpy as np
import pytest
from interchange_networks import HIDDEN, N_NETWORKS, assert_same, random_network, tolerance_of

from hotloop import Network
from hotloop.activations import CustomActivation
from hotloop.interchange import export_python
from hotloop.network.persistence.schema import Schema

# Runs each file on its inputs, where hotloop cannot be imported; warnings are errors.
PROGRAM = """
import pathlib, runpy, sys
import numpy as np
sys.modules["hotloop"] = None
for path in sorted(pathlib.Path(".").glob("*.py")):
    np.save(path.with_suffix(".out.npy"), runpy.run_path(str(path))["predict"](np.load(path.with_suffix(".npy"))))
"""


def outputs_of(folder, networks):
    """Return the outputs of exported networks, a dict of networks and inputs, as another process computes them."""
    for name, (net, X) in networks.items():
        export_python(net, folder / f"{name}.py")
        np.save(folder / f"{name}.npy", X)
    subprocess.run([sys.executable, "-W", "error", "-c", PROGRAM], cwd=folder, check=True)
    return {name: np.load(folder / f"{name}.out.npy") for name in networks}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numpy_computes_the_same(tmp_path, dtype):
    networks = {f"net_{seed}": random_network(seed, dtype) for seed in range(N_NETWORKS)}
    for name, found in outputs_of(tmp_path, networks).items():
        net, X = networks[name]
        assert_same(found, net.predict(X), tolerance_of(net, X))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_activation_where_it_is_far_from_zero(tmp_path, dtype):
    X = np.linspace(-60, 60, 4801).reshape(-1, 1).astype(dtype)
    layer = (np.ones((1, 1)), np.zeros(1))
    networks = {
        f"net_{at}": (Network([1, 1, 1], activation, initializer=[layer] * 2, dtype=dtype), X)
        for at, activation in enumerate(HIDDEN)
    }
    for name, found in outputs_of(tmp_path, networks).items():
        assert_same(found, networks[name][0].predict(X), {"float32": 5e-7, "float64": 1e-15}[dtype])


def run(text):
    """Return the names of a program."""
    names = {}
    exec(compile(text, "net.py", "exec"), names)
    return names


@pytest.mark.parametrize("activation", HIDDEN, ids=str)
def test_nan_stays_visible(tmp_path, activation):
    export_python(Network([2, 3, 2], activation, output=activation, seed=0), tmp_path / "net.py")
    assert np.isnan(run((tmp_path / "net.py").read_text())["predict"]([[np.nan, 1.0]])).all()


def test_inputs_are_checked(tmp_path):
    export_python(Network([2, 3, 2], loss="cross_entropy", seed=0), tmp_path / "net.py")
    predict = run((tmp_path / "net.py").read_text())["predict"]
    assert np.isnan(predict([[np.nan, 1.0]])).all()
    assert predict(np.zeros((0, 2))).shape == (0, 2)
    with pytest.raises(ValueError, match=r"X has shape \(2,\); wanted \(rows, 2\)"):
        predict([1.0, 2.0])


def test_the_comment_says_what_it_is(tmp_path):
    net = Network([2, 1], loss="binary_cross_entropy", input_offset=[1.0, 0.5], seed=0)
    net.metadata = Schema(("a\nimport os", "°"), classes=("no", '"""')).to_metadata()
    export_python(net, tmp_path / "net.py")
    text = (tmp_path / "net.py").read_text(encoding="ascii")
    for part in ("#   0: 1.0 * (x - 1.0), a\\nimport os\n", "1: 1.0 * (x - 0.5), \\xb0\n", '#   near 1 for """\n'):
        assert part in text
    assert "os" not in run(text)


def test_logits(tmp_path):
    net = Network([2, 3, 2], loss="cross_entropy", seed=0)
    export_python(net, tmp_path / "net.py", logits=True)
    assert "softmax(" not in (tmp_path / "net.py").read_text()


def test_what_cannot_be_exported_leaves_no_file(tmp_path):
    own = CustomActivation(lambda z: z * z, lambda z: 2 * z, name="square")
    broken = Network([3, 4, 2], seed=0)
    broken.weights[0][0, 0] = np.nan
    for net, error in (
        (Network([3, 4, 2], own, seed=0), r"activation of layer 0: CustomActivation\('square'\).*cannot go to Python"),
        (broken, "parameters that are not finite"),
    ):
        with pytest.raises(ValueError, match=error):
            export_python(net, tmp_path / "net.py")
    assert list(tmp_path.iterdir()) == []
