"""Checkpoints: model files that also hold where a fit stands, and which fit it is.

Beside the network, as `Network.load` reads it, the header says how far the fit has come, with the records of its
history, what it must be resumed with, and the states of its callbacks, whose arrays are ``checkpoint.0`` and so on.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.persistence import model_file
from hotloop.network.persistence.identity import differences, with_state
from hotloop.network.persistence.persistent import configuration
from hotloop.network.persistence.plain_state import packed, unpacked
from hotloop.network.training.callbacks import Callback
from hotloop.network.training.optimizers import Optimizer
from hotloop.network.training.starting_point import StartingPoint
from hotloop.network.validation.printable import counted, shown

KEY = "checkpoint"  # in the configuration of the model file


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
        found, done = differences(self.identity, fit), self.start.epochs
        if epochs < done + self.start.in_epoch:
            part = f" and {self.start.row} samples of the next" if self.start.in_epoch else ""
            found.append(f"{counted(done, 'epoch')}{part} were trained, more than the epochs={epochs} asked for")
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
        epochs, steps, first_step, seed = (
            self.config[name] for name in ("epochs_trained", "steps", "first_step", "seed")
        )
        # All at once: Ctrl-C comes after a call only.
        net.parameters[:], net.seed, training.optimizer, training.moments = parameters, seed, optimizer, moments
        training.epochs, training.steps, training.step_offset = epochs, steps, first_step


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
    states = [_state_of(callback, arrays) for callback in with_state(callbacks)]
    about = {"identity": identity, "start": packed(asdict(start), arrays, "the history"), "callbacks": states}
    config = {**configuration(net), KEY: about | {"arrays": len(arrays)}}
    return config, {f"{model_file.OTHERS}{index}": array for index, array in enumerate(arrays)}


def _state_of(callback: Callback, arrays: list[Array]) -> Any:
    state, name = callback.state_dict(), f"state_dict() of {type(callback).__name__}"
    if not isinstance(state, dict):
        raise TypeError(f"{name} must return a dict, got {shown(state)}")
    return packed(state, arrays, name)
