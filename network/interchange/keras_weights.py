"""Keras's files of weights, ``.weights.h5``: into a network of the same layers, and from one."""

import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hotloop.kernels.jit import Array
from hotloop.network.interchange.keras_models import to_keras
from hotloop.network.interchange.layers import Activate, layers_of, parameter, refuse
from hotloop.network.interchange.libraries import library
from hotloop.network.network import Network
from hotloop.network.persistence.atomic_write import path_of, write_atomically

SUFFIX = ".weights.h5"


def save_keras_weights(net: Network, path: str | os.PathLike[str]) -> None:
    """Write a network's parameters into a file for ``load_weights`` of a Keras model of the same layers.

    The file is written whole or not at all.

    Parameters
    ----------
    net : Network
    path : path
        Ends in ``.weights.h5``, as Keras wants it.

    Raises
    ------
    ValueError
        If `to_keras` refuses the network, or the path has another ending.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.interchange import load_keras_weights, save_keras_weights
    >>> save_keras_weights(Network([4, 8, 3], seed=0), "net.weights.h5")
    >>> load_keras_weights(Network([4, 8, 3]), "net.weights.h5")
    """
    target = _checked(path)
    model = to_keras(net)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"net{SUFFIX}"
        model.save_weights(file)
        write_atomically(target, file.read_bytes())


def load_keras_weights(net: Network, path: str | os.PathLike[str]) -> None:
    """Set a network's parameters to those in a file that a Keras model's ``save_weights`` wrote.

    The file has only what the model's layers keep as variables. What they have as arguments is in no file of weights,
    and stays as it is in the network: the constants of Rescaling and of Normalization(mean=, variance=), activations
    and their slopes, epsilons, dropout. Where the model's are others, the network predicts otherwise, without an error;
    `from_keras` of a ``.keras`` file takes them over.

    A file that does not fit changes nothing. Keras itself reads a file with more or other layers than the model
    without an error.

    Parameters
    ----------
    net : Network
        Its dense layers and layer normalisations are as many, and of the same shapes, as the file's.
    path : path
        Ends in ``.weights.h5``. The models in it are not nested.

    Raises
    ------
    ValueError
        If the file does not fit; it names the layer.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.interchange import load_keras_weights, save_keras_weights
    >>> net, other = Network([4, 8, 3], seed=0), Network([4, 8, 3], seed=1)
    >>> save_keras_weights(net, "net.weights.h5")
    >>> load_keras_weights(other, "net.weights.h5")
    >>> bool((other.parameters == net.parameters).all())
    True
    """
    target = _checked(path)
    wanted, found = _named(net), _read(target)
    for name in [*found, *wanted]:
        if name not in wanted or name not in found:
            has, lacks = ("file", "network") if name in found else ("network", "file")
            raise ValueError(f"{target} does not fit: the {has} has a layer {name!r}, the {lacks} has not")
    new = []
    for name, views in wanted.items():
        place = f"{name} in {target}"
        if len(found[name]) != len(views):
            refuse(place, f"has {len(found[name])} arrays; that of the network has {len(views)}")
        for index, (value, view) in enumerate(zip(found[name], views, strict=True)):
            new.append((view, parameter(place, f"array {index}", value, view.shape)))
    for view, value in new:
        view[:] = value


def _checked(path: Any) -> Path:
    target = path_of("path", path)
    if not target.name.endswith(SUFFIX):
        raise ValueError(f"path must end in {SUFFIX}, got {str(target)!r}")
    return target


def _named(net: Network) -> dict[str, list[Array]]:
    """Return views of the network's parameters by the names that Keras gives: dense, dense_1, dense_2 ..."""
    found: dict[str, list[Array]] = {}
    numbers: Counter[str] = Counter()

    def add(kind: str, *views: Array) -> None:
        found[f"{kind}_{numbers[kind]}" if numbers[kind] else kind] = list(views)
        numbers[kind] += 1

    for layer in layers_of(net, "Keras"):
        if isinstance(layer, Activate) and layer.mix is not None:
            refuse(layer.place, "it is learnt, which no Keras file holds")
    if net.learnt_input_scale is not None:
        add("einsum_dense", net.learnt_input_scale)
    for weights, bias, gain, shift in zip(net.weights, net.biases, net.gains, net.shifts, strict=True):
        add("dense", weights, bias)
        if gain is not None and shift is not None:
            add("layer_normalization", gain, shift)
    return found


def _read(path: Path) -> dict[str, list[Array]]:
    """Return the arrays of each layer in a file that has any."""
    h5py = library("h5py", "keras", "h5py")
    found = {}
    try:
        file = h5py.File(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist") from None
    except OSError as error:
        raise ValueError(f"{path} is no HDF5 file: {error}") from None
    with file:
        if "layers" not in file:
            raise ValueError(f"{path} has no layers: wanted what save_weights of a Keras 3 model wrote")
        for name, layer in file["layers"].items():
            if "layers" in layer:
                raise ValueError(f"{path} holds a model within a model, {name!r}: read its .keras file with from_keras")
            values = [layer["vars"][str(index)][()] for index in range(len(layer.get("vars", ())))]
            if values:
                found[name] = values
    return found
