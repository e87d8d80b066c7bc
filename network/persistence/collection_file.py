"""Files of several networks and whatever else belongs to them: an estimator with its preparation.

The format is that of `model_file`. The configuration has an entry ``estimator``, the name of the class that reads the
file, and ``networks``, the configuration of each network; its arrays are ``networks.0.layers.0.weights`` and so on.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.persistence import model_file
from hotloop.network.persistence.atomic_write import path_of
from hotloop.network.persistence.persistent import description, from_description

ESTIMATOR = model_file.ESTIMATOR
PREPARATION = "preparation."  # prefix of the arrays of a `Preparation`


def write(
    path: str | os.PathLike[str], estimator: str, config: Mapping[str, Any], arrays: Mapping[str, Array],
    networks: Sequence[Any],
) -> None:  # fmt: skip
    """Write a file that takes the place of `path` once it is whole.

    Parameters
    ----------
    path : path
    estimator : str
        The name of the class that reads it.
    config : mapping
        As JSON has it.
    arrays : mapping of str to array
    networks : sequence of Network
        Their optimizers are left out.
    """
    of_networks = [description(network) for network in networks]
    whole = dict(arrays)
    for index, (_, parts) in enumerate(of_networks):
        whole |= prefixed(f"networks.{index}.", parts)
    described = {ESTIMATOR: estimator, **config, "networks": [network for network, _ in of_networks]}
    model_file.write(path_of("path", path), described, [], {}, whole)


def read(
    path: str | os.PathLike[str], estimator: str, kind: Any
) -> tuple[Path, dict[str, Any], dict[str, Array], list[Any]]:
    """Return path, configuration, arrays and networks of what `write` wrote for this estimator; `kind` is Network.

    Raises
    ------
    OSError
        If there is no such file, or it cannot be read.
    ValueError
        If it is another file, is damaged, or was written by a later version.
    """
    file = path_of("path", path)
    config, arrays = model_file.read_any(file)
    found = config.get(ESTIMATOR)
    if found != estimator:
        holds, reader = ("a network", "Network") if found is None else (f"a {found}", found)
        raise ValueError(f"{file} holds {holds}: read it with {reader}.load")
    with model_file.damage_in(file):
        networks = [
            from_description(file, kind, network, under(f"networks.{index}.", arrays))
            for index, network in enumerate(config["networks"])
        ]
    return file, config, arrays, networks


def prefixed(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays with a prefix before their names, as `under` finds them."""
    return {f"{prefix}{name}": array for name, array in arrays.items()}


def under(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): np.asarray(a) for name, a in arrays.items() if name.startswith(prefix)}
