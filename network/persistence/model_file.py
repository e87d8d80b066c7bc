"""The format of model files, in terms of plain data: safetensors with a configuration and a checksum in the header.

The file holds the arrays ``layers.0.weights`` (fan_in, fan_out), ``layers.0.bias`` (fan_out,) and so on, which any
reader of the format understands; the optimizer's moments are ``optimizer.0.layers.0.weights`` and so on. A layer may
also have ``layers.0.gain``, ``layers.0.shift`` and ``layers.0.mix``, and the network ``input_scale``. The header has
one JSON text, ``hotloop``, with the network's configuration and a checksum over it and the arrays.

The file is written under a temporary name, flushed to disk and renamed, so no reader ever sees half a file. It is read
into memory: if another program rewrote a mapped file, the process would be killed.

The scaling of the inputs, ``input_offset`` and ``input_scale``, is a number or a list with one for each input.
"""

import contextlib
import hashlib
import json
import os
import stat
import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.persistence.atomic_write import write_atomically
from hotloop.network.validation import arguments

Parts: TypeAlias = dict[str, Array]  # of a vector, by their names in the file

FORMATS = (2, 3, 4)  # that are read; the last is written. No release wrote another
# What files of older formats are without, and what they are taken to say: the last came with format 4.
ADDED: Mapping[str, Any] = MappingProxyType({
    "layer_norm": False, "learn_activation": False, "learn_input_scale": False, "input_dropout": 0.0,
    "label_smoothing": 0.0, "max_norm": None, "layer_norm_epsilon": 1e-5,
})  # fmt: skip
KEY = "hotloop"
LONGEST_HEADER = 100_000_000  # bytes, as safetensors has it
OTHERS = "checkpoint."
ESTIMATOR = "estimator"  # in the configuration of `collection_file`
NO_ARRAYS: Mapping[str, Array] = MappingProxyType({})
COUNTERS = ("epochs_trained", "steps", "first_step")
MOST_STEPS = 2**62  # so that there is room to count on


def write(
    path: Path,
    config: dict[str, Any],
    vectors: Sequence[Parts],
    metadata: dict[str, str],
    others: Mapping[str, Array] = NO_ARRAYS,
) -> None:
    """Write a model file.

    Parameters
    ----------
    path : Path
    config : dict
        What the network is made of, as JSON has it: ``sizes``, ``activations``, ``dtype``, the `COUNTERS` and whatever
        else `read` is to give back.
    vectors : sequence of dict of str to array
        The parts of the parameters, then those of each of the optimizer's moments.
    metadata : dict of str to str
        The user's; see `check_metadata`.
    others : mapping of str to array
        Whatever else `read` is to give back, under names that begin with `OTHERS`. They need not be finite.
    """
    from safetensors.numpy import save as pack

    arrays = {name: np.asarray(array, order="C") for name, array in (*_named(vectors), *others.items())}
    config = {"format": FORMATS[-1], **config, "metadata": metadata}
    config["checksum"] = _checksum(config, arrays)
    write_atomically(path, pack(arrays, {**metadata, KEY: json.dumps(config)}))


def read(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the configuration that `write` was given, with the ``metadata`` in it, and the arrays by their names.

    Raises
    ------
    OSError
        If there is no such file, or it cannot be read.
    ValueError
        If it is not a model file, is damaged, or was written by a later version.
    """
    config, arrays = read_any(path)
    if ESTIMATOR in config:
        raise ValueError(f"{path} holds a {config[ESTIMATOR]}: read it with {config[ESTIMATOR]}.load")
    check(path, config, arrays)
    return config, arrays


def check(path: Path, config: dict[str, Any], arrays: dict[str, Array]) -> None:
    """Raise a ValueError unless `Network.save` could have written this configuration for these arrays."""
    with damage_in(path):
        _check(config, arrays)


def fill(vectors: Sequence[Parts], arrays: dict[str, Array]) -> None:
    """Copy the arrays of a file into vectors of the shapes and the dtype that they were written from."""
    for name, target in _named(vectors):
        _demand(name, arrays[name], target.shape, target.dtype)
        target[:] = arrays[name]


@contextlib.contextmanager
def damage_in(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong with parts that do not fit together into one ValueError that names the file."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: its parts do not fit together ({error})") from None


def check_metadata(metadata: Any) -> None:
    """Raise unless this is metadata that a file can hold: texts by names, none of them the file's own."""
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


def _check(config: dict[str, Any], arrays: dict[str, Array]) -> None:
    """Raise an error unless `Network.save` could have written this configuration for these arrays.

    The network takes memory by its sizes, so they are compared with the arrays first.
    """
    if config["dtype"] not in arguments.DTYPES:
        raise ValueError(f"dtype {config['dtype']!r}")
    for layer, (fan_in, fan_out) in enumerate(pairwise(arguments.sizes_of_network(config["sizes"]))):
        for name, shape in ((f"layers.{layer}.weights", (fan_in, fan_out)), (f"layers.{layer}.bias", (fan_out,))):
            _demand(name, arrays[name], shape, np.dtype(config["dtype"]))
    for name, array in arrays.items():
        if not (name.startswith(OTHERS) or np.isfinite(array).all()):
            raise ValueError(f"{name} holds NaN or infinity")
    for name in COUNTERS:
        if arguments.whole_number(name, config[name], 0) >= MOST_STEPS:
            raise ValueError(f"{name} must be below 2**62, got {config[name]}")
    if config["first_step"] > config["steps"]:
        raise ValueError(f"first_step {config['first_step']} is beyond the {config['steps']} steps")
    check_metadata(config["metadata"])


def read_any(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the configuration and the arrays of a file of a network or of an estimator, if the checksum holds."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as unpack

    texts, data = _contents(path)
    try:
        arrays = unpack(data)
    except (SafetensorError, KeyError, ValueError) as error:  # KeyError: a dtype that NumPy does not have
        raise ValueError(f"{path} is truncated or altered: {error}") from None
    try:
        config: dict[str, Any] = json.loads(texts[KEY])
        version, checksum = config["format"], config.pop("checksum")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError(f"{path} is damaged: its header cannot be read") from None
    if version not in FORMATS:
        raise ValueError(f"{path} has format {version!r}; this version of hotloop reads formats 2 to 4")
    if checksum != _checksum(config, arrays):
        raise ValueError(f"{path} has been altered: its checksum does not match")
    return {**ADDED, **config}, arrays


def _contents(path: Path) -> tuple[dict[str, str], bytes]:
    """Return the texts in the header, and the whole file, which is exactly as long as its header says."""
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
                raise ValueError(f"its header describes {end} bytes; it has {status.st_size}")
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise ValueError(f"{path} is not a safetensors file, or is truncated or altered ({error})") from None
        if not isinstance(texts, dict) or KEY not in texts:
            raise ValueError(f"{path} is a safetensors file, but not one that hotloop wrote")
        return texts, start + file.read(end - len(start))


def _demand(name: str, array: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}; wanted {shape}")
    if array.dtype != dtype:
        raise ValueError(f"{name} has dtype {array.dtype}; wanted {dtype}")


def _named(vectors: Sequence[Parts]) -> Iterator[tuple[str, Array]]:
    """Yield each array with its name in the file."""
    for index, parts in enumerate(vectors):
        prefix = f"optimizer.{index - 1}." if index else ""
        for name, array in parts.items():
            yield f"{prefix}{name}", array


def _checksum(config: dict[str, Any], arrays: dict[str, Array]) -> str:
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode() + arrays[name].tobytes())
    return digest.hexdigest()
