"""Checkpoints: model files that also hold where a fit stands, and which fit it is.

Beside the network, as `Network.load` reads it, the header says how far the fit has come, with the records of its
history, what it must be resumed with, and the states of its callbacks, whose arrays are ``checkpoint.0`` and so on.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.persistence import model_file
from hotloop.network.persistence.persistent import configuration
from hotloop.network.persistence.plain_optimizer import plain
from hotloop.network.persistence.plain_state import packed, unpacked
from hotloop.network.training.callbacks import Callback
from hotloop.network.training.loop_arguments import INPUT_KINDS, LoopArguments
from hotloop.network.training.optimizers import Optimizer
from hotloop.network.training.starting_point import StartingPoint
from hotloop.network.validation.printable import shown

KEY = "checkpoint"  # in the configuration of the model file
FROM_FILE = ("epochs_trained", "steps", "first_step", "optimizer", "seed")  # of the configuration: taken from the file
SAMPLED_ROWS = 256  # of inputs that are larger than this many bytes
SMALL = 2**20
VALUES = "values"  # what a checksum is called
MISSING = object()


def with_state(callbacks: Sequence[Callback]) -> list[Callback]:
    """Return the callbacks that have a state, in their order."""
    return [callback for callback in callbacks if type(callback).state_dict is not Callback.state_dict]


def identity(
    net: Any, data: LoopArguments, validation: LoopArguments | None, optimizer: Optimizer,
    callbacks: Sequence[Callback], arguments: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Return what a fit must have in common with the one that it resumes, as JSON; the seed is the file's.

    `arguments` are those of `Network.fit` that decide the result.
    """
    about_network = {name: value for name, value in configuration(net).items() if name not in FROM_FILE}
    found = {
        **about_network,
        "optimizer": plain(optimizer),
        **arguments,
        **_about(data),
        "validation_data": None if validation is None else _about(validation),
        "callbacks with a state": [type(callback).__name__ for callback in with_state(callbacks)],
    }
    as_json: dict[str, Any] = json.loads(json.dumps(found))
    return as_json


def _about(data: LoopArguments) -> dict[str, Any]:
    """Return what tells these data from others: shapes, types, and checksums of some inputs and of all targets."""
    kind = next(str(dtype) for dtype, code in INPUT_KINDS.items() if code == int(data.settings["input_kind"][0]))
    targets = data.labels if data.labels.size else data.targets
    return {
        "X": {"rows": data.rows, "dtype": kind, VALUES: _checksum(_sample(data.inputs))},
        "y": {"kind": "classes" if data.labels.size else "numbers", VALUES: _checksum(targets)},
        "loss parameters": data.loss_parameters.tolist(),
        "weights": {VALUES: _checksum(data.weights)} if data.weights.size else "equal",
    }


def _sample(rows: Array) -> Array:
    """Return the rows if they are small, else some, evenly spread: a file larger than memory is not read for this."""
    if rows.nbytes <= SMALL:
        return rows
    return rows[np.unique(np.arange(SAMPLED_ROWS) * (len(rows) - 1) // (SAMPLED_ROWS - 1))]


def _checksum(array: Array) -> str:
    return hashlib.blake2b(np.ascontiguousarray(array).view(np.uint8).data, digest_size=16).hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Attributes
    ----------
    path : Path
    config, arrays
        As `model_file.read` returns them.
    identity : dict
        Of the fit.
    start : StartingPoint
        Where the fit goes on.
    states : list of dict
        Of the callbacks that have one, in their order.
    """

    path: Path
    config: dict[str, Any]
    arrays: dict[str, Array]
    identity: dict[str, Any]
    start: StartingPoint
    states: list[dict[str, Any]]

    @classmethod
    def read(cls, path: Path) -> "Checkpoint":
        """Read a checkpoint.

        Raises
        ------
        OSError
            If there is no such file, or it cannot be read.
        ValueError
            If it is no checkpoint, or is damaged.
        """
        try:
            config, arrays = model_file.read(path)
        except FileNotFoundError:
            raise FileNotFoundError(f"there is no checkpoint {path} to resume") from None
        if KEY not in config:
            raise ValueError(
                f"{path} is a saved network, not a checkpoint of a fit: go on with Network.load({os.fspath(path)!r}), "
                "without resume"
            )
        with model_file.damage_in(path):
            about = config[KEY]
            others = [arrays[f"{model_file.OTHERS}{index}"] for index in range(about["arrays"])]
            start, states = unpacked(about["start"], others), unpacked(about["callbacks"], others)
            return cls(path, config, arrays, dict(about["identity"]), StartingPoint(**start), list(states))

    def check(self, fit: Mapping[str, Any], epochs: int) -> None:
        """Raise a ValueError that says all differences, unless the checkpoint belongs to the fit of this identity."""
        found, done = [*_differences(self.identity, fit)], self.start.epochs
        if epochs < done:
            found.append(f"{done} epochs were trained, more than the epochs={epochs} asked for")
        if found:
            raise ValueError(
                f"{self.path} was written by another fit: {'; '.join(found)}. Resume with the same network, data and "
                f"arguments, or go on differently from Network.load({os.fspath(self.path)!r})"
            )

    def restore(self, net: Any, optimizer: Optimizer) -> None:
        """Give the network the parameters, moments, counts and seed of the file; all or none."""
        training, size = net._training, net.parameters.size
        parameters = np.zeros(size, net.dtype)
        moments = np.zeros((optimizer.n_moments, size), net.dtype)
        with model_file.damage_in(self.path):
            model_file.fill([net.parts(vector) for vector in (parameters, *moments)], self.arrays)
        net.parameters[:], net.seed = parameters, self.config["seed"]
        training.optimizer, training.moments = optimizer, moments
        training.epochs, training.steps, training.step_offset = (
            self.config[name] for name in ("epochs_trained", "steps", "first_step")
        )


def write(
    path: Path, net: Any, identity: Mapping[str, Any], start: StartingPoint, callbacks: Sequence[Callback]
) -> None:
    """Write a checkpoint.

    Parameters
    ----------
    path : Path
    net : Network
    identity : dict
        Of the fit: see `identity`.
    start : StartingPoint
        Where a fit that resumes it starts.
    callbacks : sequence of Callback
        Of the fit.
    """
    config, others = contents(net, identity, start, callbacks)
    vectors = [net.parts(vector) for vector in (net.parameters, *net._training.moments)]
    model_file.write(path, config, vectors, net.metadata, others)


def contents(
    net: Any, identity: Mapping[str, Any], start: StartingPoint, callbacks: Sequence[Callback]
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the configuration and the callbacks' arrays for the file; raise an error if it cannot hold them."""
    model_file.check_metadata(net.metadata)
    arrays: list[Array] = []
    states = [
        packed(callback.state_dict(), arrays, f"state_dict() of {type(callback).__name__}")
        for callback in with_state(callbacks)
    ]
    about = {"identity": identity, "start": packed(asdict(start), arrays, "the history"), "callbacks": states}
    config = {**configuration(net), KEY: about | {"arrays": len(arrays)}}
    return config, {f"{model_file.OTHERS}{index}": array for index, array in enumerate(arrays)}


def _differences(there: Any, here: Any, name: str = "") -> Iterator[str]:
    """Yield the differences of two identities, in words."""
    if isinstance(there, dict) and isinstance(here, dict):
        found: list[str] = []
        for key in dict.fromkeys([*there, *here]):
            if key != VALUES:
                place = f"{name}.{key}" if name else key
                found += _differences(there.get(key, MISSING), here.get(key, MISSING), place)
        if not found and there.get(VALUES) != here.get(VALUES):
            found = [f"{name} had other values"]
        yield from found
    elif there != here:
        yield f"{name} was {_seen(there)}, is {_seen(here)}"


def _seen(value: Any) -> str:
    if isinstance(value, dict) and "X" in value:
        return "given"
    return "absent" if value is MISSING else shown(value)
