"""The examples in the docstrings run, and print what they show."""

import doctest
import importlib
import re
from pathlib import Path
from types import ModuleType

import numba
import pytest
from conftest import needs_compiler

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "hotloop.kernels": ROOT / "kernels",
    "hotloop.network": ROOT / "network",
    "hotloop": ROOT / "src" / "hotloop",
}


def modules():
    """Return the names of all modules that have an example."""
    found = []
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):  # links, as those in src/, are not followed
            if re.search(r"^ *>>> ", path.read_text(), re.M):
                found.append(".".join([package, *path.relative_to(folder).with_suffix("").parts]))
    return [name.removesuffix(".__init__") for name in found]


MODULES = modules()
NEEDS = {  # packages that .ci/run installs for interchange
    "hotloop.network.interchange.equinox": "equinox",
    "hotloop.network.interchange.flax": "jax",
    "hotloop.network.interchange.jax": "jax",
    "hotloop.network.interchange.keras_import": "tensorflow",
    "hotloop.network.interchange.keras_models": "tensorflow",
    "hotloop.network.interchange.keras_weights": "tensorflow",
    "hotloop.network.interchange.onnx_export": "onnx",
    "hotloop.network.interchange.onnx_import": "onnx",
    "hotloop.network.interchange.pytorch": "torch",
    "hotloop.network.interchange.tensorflow": "tensorflow",
}
SLOW = {f"hotloop.network.estimators.mlp_{kind}" for kind in ("classifier", "regressor")}  # in plain Python


def outcome(module):
    """Return (how many examples failed, how many there are); doctest prints those that failed."""
    done = doctest.testmod(module)
    return done.failed, done.attempted


# Keras converts TensorFlow's variables to arrays in NumPy 1's way.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
@pytest.mark.parametrize("name", [pytest.param(name, marks=[needs_compiler] * (name in SLOW)) for name in MODULES])
def test_examples(name, tmp_path, monkeypatch):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    monkeypatch.chdir(tmp_path)
    if numba.config.DISABLE_JIT:  # or a decision boundary of 200 x 200 points takes long
        monkeypatch.setattr("hotloop.network.plots.decision_boundary.GRID", 5)
    failed, attempted = outcome(importlib.import_module(name))
    assert failed == 0
    assert attempted > 0


def test_a_planted_wrong_example_is_seen(capsys):
    module = ModuleType("module", "\n>>> 1 + 1\n3\n>>> 2\n2\n")
    assert outcome(module) == (1, 2)
    assert "Expected:\n    3\nGot:\n    2" in capsys.readouterr().out


def test_all_are_found():
    wanted = {"hotloop", "hotloop.callbacks", "hotloop.kernels.dense", "hotloop.network.network"}
    assert wanted | SLOW <= {*MODULES}
