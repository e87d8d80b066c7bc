"""Networks in safetensors files.

The file holds the arrays ``layers.0.weights`` (fan_in, fan_out), ``layers.0.bias`` (fan_out,) and so on, which any
reader of the format understands, the optimiser's moments under ``optimizer.0.layers.0.weights`` and so on, and in its
header one JSON text, ``hotloop``, with the network's make-up and a checksum over it and the arrays. It is written under
a temporary name, flushed to disk and renamed, so that no reader ever sees half a file.
"""

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network import arguments
from hotloop.network.files import write_atomically
from hotloop.network.optimizers import OPTIMIZERS

if TYPE_CHECKING:
    from hotloop.network.network import Network

FORMAT = 1
KEY = "hotloop"


def save(net: "Network", path: str | os.PathLike[str], metadata: dict[str, str]) -> None:
    """Write `net` and the caller's `metadata` to `path`."""
    from safetensors.numpy import save as pack

    if not isinstance(metadata, dict) or not all(isinstance(text, str) for pair in metadata.items() for text in pair):
        raise TypeError("metadata must be a dict of str to str")
    if KEY in metadata:
        raise ValueError(f"metadata must not use the key {KEY!r}, which is the file's own")
    arrays = _arrays(net.layout.split(net.parameters), "")
    for moment, vector in enumerate(net.state):
        arrays |= _arrays(net.layout.split(vector), f"optimizer.{moment}.")
    optimizer = None
    if net.optimizer is not None:
        name = next(name for name, kind in OPTIMIZERS.items() if type(net.optimizer) is kind)
        optimizer = {"name": name, **dataclasses.asdict(net.optimizer)}
    about: dict[str, Any] = {
        "format": FORMAT,
        "sizes": net.sizes,
        "activations": net.activations,
        "loss": net.loss,
        "dropout": net.dropout,
        "l1": net.l1,
        "l2": net.l2,
        "input_scale": net.input_scale,
        "dtype": str(net.dtype),
        "seed": net.seed,
        "epochs_trained": net.epochs_trained,
        "steps": net.steps,
        "first_step": net.first_step,
        "optimizer": optimizer,
        "metadata": metadata,
    }
    about["checksum"] = _checksum(about, arrays)
    write_atomically(path, pack(arrays, {**metadata, KEY: json.dumps(about)}))


def load(kind: "type[Network]", path: str | os.PathLike[str]) -> "Network":
    """Read a network of class `kind` from `path`."""
    about, arrays = _read(Path(path))
    try:
        net = kind(
            about["sizes"],
            about["activations"][:-1],
            output=about["activations"][-1],
            loss=about["loss"],
            initializer="zeros",
            dropout=about["dropout"],
            l1=about["l1"],
            l2=about["l2"],
            input_scale=about.get("input_scale", 1.0),  # the first files had none
            dtype=about["dtype"],
            seed=about["seed"],
        )
        _fill(net.layout.split(net.parameters), "", arrays)
        if about["optimizer"] is not None:
            values = dict(about["optimizer"])
            net.optimizer = OPTIMIZERS[values.pop("name")](**values)
            net.state = np.zeros((net.optimizer.n_moments, net.layout.size), net.dtype)
            for moment, vector in enumerate(net.state):
                _fill(net.layout.split(vector), f"optimizer.{moment}.", arrays)
        for counter in ("epochs_trained", "steps", "first_step"):
            setattr(net, counter, arguments.whole_number(counter, about[counter], 0))
        net.metadata = dict(about["metadata"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ValueError(f"{path} is damaged: its parts do not fit together ({error})") from None
    return net


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return what the header says of the network, and the arrays, when the checksum holds."""
    from safetensors import SafetensorError, safe_open

    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; wanted a model file")
    if not path.exists():
        raise FileNotFoundError(f"there is no model file {path}")
    path.open("rb").close()  # raises PermissionError, which the reader below takes for a missing file
    try:
        with safe_open(path, "numpy") as file:
            header = file.metadata() or {}
            if KEY not in header:
                raise ValueError(f"{path} is a safetensors file, but not one that hotloop wrote")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, TypeError, AttributeError) as error:  # the last two: dtypes that NumPy has not
        raise ValueError(f"{path} is no safetensors file, or is truncated or altered: {error}") from None
    try:
        about: dict[str, Any] = json.loads(header[KEY])
        version, checksum = about["format"], about.pop("checksum")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError(f"{path} is damaged: its header cannot be read") from None
    if version != FORMAT:
        raise ValueError(f"{path} has format {version!r}; this version of hotloop reads format {FORMAT}")
    if checksum != _checksum(about, arrays):
        raise ValueError(f"{path} has been altered: its checksum does not match")
    return about, arrays


def _arrays(views: tuple[tuple[Array, ...], tuple[Array, ...]], prefix: str) -> dict[str, Array]:
    return {name: np.ascontiguousarray(array) for name, array in _named(views, prefix)}


def _fill(views: tuple[tuple[Array, ...], tuple[Array, ...]], prefix: str, arrays: dict[str, Array]) -> None:
    for name, target in _named(views, prefix):
        if arrays[name].shape != target.shape or arrays[name].dtype != target.dtype:
            raise ValueError(f"{name} has shape {arrays[name].shape}; wanted {target.shape}")
        target[:] = arrays[name]


def _named(views: tuple[tuple[Array, ...], tuple[Array, ...]], prefix: str) -> list[tuple[str, Array]]:
    """Return each view with its name in the file."""
    pairs = enumerate(zip(*views, strict=True))
    return [
        pair for k, (w, b) in pairs for pair in ((f"{prefix}layers.{k}.weights", w), (f"{prefix}layers.{k}.bias", b))
    ]


def _checksum(about: dict[str, Any], arrays: dict[str, Array]) -> str:
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode() + arrays[name].tobytes())
    return digest.hexdigest()
