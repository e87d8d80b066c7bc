"""Networks in safetensors files.

The file holds the arrays ``layers.0.weights`` (fan_in, fan_out), ``layers.0.bias`` (fan_out,) and so on, which any
reader of the format understands, the optimiser's moments under ``optimizer.0.layers.0.weights`` and so on, and in its
header one JSON text, ``hotloop``, with the network's make-up and a checksum over it and the arrays. It is written under
a temporary name, flushed to disk and renamed, so that no reader ever sees half a file, and read into memory, since a
mapped file that another program rewrites would end the process.

Format 2 has the scaling of the inputs, ``input_offset`` and ``input_scale``, each a number or a list with one for each
input. In format 1 the scale was a number; `hotloop train` kept another in the metadata.
"""

import dataclasses
import hashlib
import json
import os
import stat
import struct
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.persistence import schema
from hotloop.network.persistence.atomic_write import path_of, write_atomically
from hotloop.network.training.optimizers import OPTIMIZERS
from hotloop.network.validation import arguments

if TYPE_CHECKING:
    from hotloop.network.network import Network

FORMAT = 2
KEY = "hotloop"
LONGEST_HEADER = 100_000_000  # bytes, as safetensors has it
COUNTERS = ("epochs_trained", "steps", "step_offset")
MOST_STEPS = 2**62  # so that there is room to count on


def save(net: "Network", path: str | os.PathLike[str], metadata: dict[str, str]) -> None:
    """Write `net` and the caller's `metadata` to `path`."""
    from safetensors.numpy import save as pack

    path = path_of("path", path)
    _check_metadata(metadata)
    for name, vector in (("net.parameters", net.parameters), ("the optimizer's moments", net._training.moments)):
        if not np.isfinite(vector).all():
            raise ValueError(f"{name} must be finite to be saved: found NaN or infinity")
    arrays = _arrays(net.split(net.parameters), "")
    for moment, vector in enumerate(net._training.moments):
        arrays |= _arrays(net.split(vector), f"optimizer.{moment}.")
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
        "input_offset": np.asarray(net.input_offset).tolist(),
        "input_scale": np.asarray(net.input_scale).tolist(),
        "dtype": str(net.dtype),
        "seed": net.seed,
        "epochs_trained": net.epochs_trained,
        "steps": net.steps,
        "step_offset": net._training.step_offset,
        "optimizer": optimizer,
        "metadata": metadata,
    }
    about["checksum"] = _checksum(about, arrays)
    write_atomically(path, pack(arrays, {**metadata, KEY: json.dumps(about)}))


def _check_metadata(metadata: Any) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for pair in metadata.items() for text in pair):
        raise TypeError("metadata must be a dict of str to str")
    if KEY in metadata:
        raise ValueError(f"metadata must not use the key {KEY!r}, which is the file's own")
    for key, value in metadata.items():
        try:
            f"{key}{value}".encode()
        except UnicodeEncodeError as error:
            found = error.object[error.start]
            raise ValueError(f"metadata must be Unicode text: found the lone surrogate {found!r} in {key!r}") from None


def load(kind: "type[Network]", path: str | os.PathLike[str]) -> "Network":
    """Read a network of class `kind` from `path`."""
    about, arrays = _read(path_of("path", path))
    try:
        _check(about, arrays)
        offset, scale, metadata = _scaling(about)
        net = kind(
            about["sizes"],
            about["activations"][:-1],
            output=about["activations"][-1],
            loss=about["loss"],
            initializer="zeros",
            dropout=about["dropout"],
            l1=about["l1"],
            l2=about["l2"],
            input_offset=offset,
            input_scale=scale,
            dtype=about["dtype"],
            seed=about["seed"],
        )
        _fill(net.split(net.parameters), "", arrays)
        if about["optimizer"] is not None:
            values = dict(about["optimizer"])
            net._training.use(OPTIMIZERS[values.pop("name")](**values), net.parameters.size)
            for moment, vector in enumerate(net._training.moments):
                _fill(net.split(vector), f"optimizer.{moment}.", arrays)
        training = net._training
        training.epochs, training.steps, training.step_offset = (about[name] for name in COUNTERS)
        net.metadata = metadata
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: its parts do not fit together ({error})") from None
    return net


def _scaling(about: dict[str, Any]) -> tuple[Any, Any, dict[str, str]]:
    """Return offset and scale of the inputs, and the metadata."""
    metadata = dict(about["metadata"])
    if about["format"] > 1:
        return about["input_offset"], about["input_scale"], metadata
    scale = about.get("input_scale", 1.0)  # the first files had none
    if (kept := schema.split_format_1(metadata)) is None:
        return 0.0, scale, metadata
    offset, divisor, metadata = kept
    if np.isnan(divisor).any() or np.any(divisor <= 0):
        raise ValueError(f"metadata {schema.KEY!r} divides inputs by a number that is not above 0")
    return offset[()], scale / divisor, metadata  # an infinite divisor marks a constant input, whose scale is 0


def _check(about: dict[str, Any], arrays: dict[str, Array]) -> None:
    """Raise an error unless the header is one that `save` could have written for these arrays.

    The network takes memory by the header's sizes, so they are compared with the arrays before.
    """
    if about["dtype"] not in ("float32", "float64"):
        raise ValueError(f"dtype {about['dtype']!r}")
    for layer, (fan_in, fan_out) in enumerate(pairwise(arguments.sizes_of_network(about["sizes"]))):
        for name, shape in ((f"layers.{layer}.weights", (fan_in, fan_out)), (f"layers.{layer}.bias", (fan_out,))):
            _demand(name, arrays[name], shape, np.dtype(about["dtype"]))
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds NaN or infinity")
    for name in COUNTERS:
        if arguments.whole_number(name, about[name], 0) >= MOST_STEPS:
            raise ValueError(f"{name} must be below 2**62, got {about[name]}")
    if about["step_offset"] > about["steps"]:
        raise ValueError(f"step_offset {about['step_offset']} is beyond the {about['steps']} steps")
    _check_metadata(about["metadata"])


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return what the header says of the network, and the arrays, when the checksum holds."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as unpack

    header, data = _contents(path)
    try:
        arrays = unpack(data)
    except (SafetensorError, KeyError, ValueError) as error:  # the second: a dtype that NumPy has not
        raise ValueError(f"{path} is truncated or altered: {error}") from None
    try:
        about: dict[str, Any] = json.loads(header[KEY])
        version, checksum = about["format"], about.pop("checksum")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError(f"{path} is damaged: its header cannot be read") from None
    if version not in range(1, FORMAT + 1):
        raise ValueError(f"{path} has format {version!r}; this version of hotloop reads formats 1 to {FORMAT}")
    if checksum != _checksum(about, arrays):
        raise ValueError(f"{path} has been altered: its checksum does not match")
    return about, arrays


def _contents(path: Path) -> tuple[dict[str, str], bytes]:
    """Return the texts in the header and the whole file, which is exactly as long as its header says."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no model file {path}") from None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(f"{path} is a folder; wanted a model file")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{path} is a device or a pipe; wanted a model file")
    with open(path, "rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 2**64
        try:
            if length > min(LONGEST_HEADER, status.st_size - 8):
                raise ValueError("its header has no end")
            start += file.read(length)
            header = json.loads(start[8:])
            texts = header.pop("__metadata__", {})
            end = len(start) + max((entry["data_offsets"][1] for entry in header.values()), default=0)
            if status.st_size != end:
                raise ValueError(f"its header stands for {end} bytes, and it has {status.st_size}")
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise ValueError(f"{path} is no safetensors file, or is truncated or altered ({error})") from None
        if not isinstance(texts, dict) or KEY not in texts:
            raise ValueError(f"{path} is a safetensors file, but not one that hotloop wrote")
        return texts, start + file.read(end - len(start))


def _arrays(views: tuple[tuple[Array, ...], tuple[Array, ...]], prefix: str) -> dict[str, Array]:
    return {name: np.ascontiguousarray(array) for name, array in _named(views, prefix)}


def _fill(views: tuple[tuple[Array, ...], tuple[Array, ...]], prefix: str, arrays: dict[str, Array]) -> None:
    for name, target in _named(views, prefix):
        _demand(name, arrays[name], target.shape, target.dtype)
        target[:] = arrays[name]


def _demand(name: str, array: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}; wanted {shape}")
    if array.dtype != dtype:
        raise ValueError(f"{name} has dtype {array.dtype}; wanted {dtype}")


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
