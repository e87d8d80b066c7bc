"""A network from a file of hotloop or of another program, by what the file is."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hotloop.network.interchange.keras_import import from_keras
from hotloop.network.interchange.layers import network_of
from hotloop.network.interchange.onnx_import import from_onnx
from hotloop.network.interchange.torch_state import layers_of_state
from hotloop.network.network import Network
from hotloop.network.persistence import model_file
from hotloop.network.persistence.atomic_write import path_of
from hotloop.network.prepared_network import PreparedNetwork

KINDS = "a file that hotloop saved, .keras, .onnx, or PyTorch's weights (.pt, .pth, .safetensors)"
KERAS = (".keras", ".h5")
WEIGHTS = (".pt", ".pth", ".safetensors")
# What only a program can read, with what it calls.
IN_PYTHON = {
    ".pkl": "a pickle, which can run any code: load it in Python and use from_sklearn",
    ".joblib": "a pickle, which can run any code: load it in Python and use from_sklearn",
    ".pt2": "a traced program: use from_torch of the module in Python",
    ".tflite": "of LiteRT, from which nothing comes back: use the Keras model that it was made of",
}


def read_model(
    path: str | os.PathLike[str], activations: Sequence[str] | None = None, output: str | None = None
) -> tuple[Any, bool]:
    """Return the network in a file, a prepared one or an estimator of tables, and whether hotloop wrote it.

    Parameters
    ----------
    path : path
    activations, output
        Of the hidden layers, one or one each, and of the last, which files of PyTorch's weights do not have: the former
        are needed if there are hidden layers, the latter is "identity" by default.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is of another kind, or holds what hotloop has no network for; or if activations are given to a file that
        has its own.
    """
    file = path_of("MODEL", path)
    suffix = file.suffix.lower()
    if not file.is_file():
        raise FileNotFoundError(f"there is no model file {file}")
    if file.name.endswith(".weights.h5"):
        raise ValueError(
            f"{file} is of weights without layers: use load_keras_weights in Python, of hotloop.interchange"
        )
    if suffix in IN_PYTHON:
        raise ValueError(f"{file} is {IN_PYTHON[suffix]}, of hotloop.interchange")
    is_ours = suffix not in (*KERAS, ".onnx", *WEIGHTS[:2]) and _is_ours(file)
    if not is_ours and suffix in WEIGHTS:
        return network_of(layers_of_state(file, activations, output), str(file)), False
    if activations is not None or output is not None:
        raise ValueError(f"{file} has its own activations: --activation and --output are for PyTorch's weights")
    if is_ours:
        return _read_ours(file), True
    if suffix in KERAS:
        return from_keras(file), False
    if suffix == ".onnx":
        return from_onnx(file), False
    raise ValueError(f"{file}: unknown kind of model; wanted {KINDS}")


def _is_ours(file: Path) -> bool:
    """Return whether this is a model file of hotloop; one that cannot be told is, for the sake of its errors."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            return model_file.KEY in (opened.metadata() or {})
    except SafetensorError:
        return file.suffix.lower() in ("", ".safetensors")


def _read_ours(file: Path) -> Any:
    estimator = model_file.read_any(file)[0].get(model_file.ESTIMATOR)
    if estimator is None:
        return Network.load(file)
    if estimator == PreparedNetwork.__name__:
        return PreparedNetwork.load(file)
    from hotloop.network.estimators.tabular_classifier import TabularClassifier
    from hotloop.network.estimators.tabular_regressor import TabularRegressor

    return next(kind for kind in (TabularClassifier, TabularRegressor) if kind.__name__ == estimator).load(file)
