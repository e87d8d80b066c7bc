"""What of a network is kept: in a model file, in a pickle for a worker of joblib or multiprocessing, in a copy."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Self, cast

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.datasets.scaled_inputs import checked_scaling
from hotloop.network.layout import Layout, aligned_zeros
from hotloop.network.persistence import model_file
from hotloop.network.persistence.atomic_write import path_of
from hotloop.network.training.optimizers import OPTIMIZERS
from hotloop.network.training.training_state import TrainingState

# Besides sizes and activations: arguments of `Network` that are attributes under the same names. Those of `ADDED` came
# with format 3, and are in a file only if they are not false or zero: others are still written in format 2.
ADDED = ("layer_norm", "learn_activation", "learn_input_scale", "input_dropout")
ARGUMENTS = ("loss", "dropout", "l1", "l2", "input_offset", "input_scale", "dtype", "seed", *ADDED)
COUNTERS = {"epochs_trained": "epochs", "steps": "steps", "first_step": "step_offset"}  # in the file: in the training
SCRATCH = ("_layout", "_idle")  # made again


class Persistent:
    """The part of `Network` that is saved, loaded, pickled and copied.

    `copy.copy` and `copy.deepcopy` give a network that shares nothing with the first.
    """

    metadata: dict[str, str]

    def save(self, path: str | os.PathLike[str], metadata: dict[str, str] | None = None) -> None:
        """Write the network to a safetensors file that takes the place of `path` once it is whole.

        Parameters
        ----------
        path : path
            Replaced if it exists; the new file has the mode of the old one.
        metadata : dict of str to str, optional
            Kept in the file, and given back as `Network.metadata`. By default this network's own.

        Raises
        ------
        OSError
            If the file cannot be written; an old one is then still there.
        ValueError
            If the parameters are not finite: `load` would refuse them.
        """
        net: Any = self
        path, metadata = path_of("path", path), net.metadata if metadata is None else metadata
        model_file.check_metadata(metadata)
        training: TrainingState = net._training
        for name, vector in (("net.parameters", net.parameters), ("the optimizer's moments", training.moments)):
            if not np.isfinite(vector).all():
                raise ValueError(f"{name} must be finite to be saved: found NaN or infinity")
        optimizer = None
        if training.optimizer is not None:
            name = next(name for name, kind in OPTIMIZERS.items() if type(training.optimizer) is kind)
            optimizer = {"name": name, **asdict(training.optimizer)}
        config = {
            "sizes": net.sizes,
            "activations": net.activations,
            **{
                name: _plain(getattr(net, name))
                for name in ARGUMENTS
                if name not in ADDED or np.any(getattr(net, name))
            },
            **{name: getattr(training, count) for name, count in COUNTERS.items()},
            "optimizer": optimizer,
        }
        added = not config.keys().isdisjoint(ADDED)
        model_file.write(path, config, _vectors(net), metadata, 3 if added else 2)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a network that `save` or ``hotloop train --save`` wrote.

        It predicts from raw inputs: the scaling that it was trained with is its `input_offset` and `input_scale`.

        Raises
        ------
        OSError
            If there is no such file, or it cannot be read.
        ValueError
            If it is not a model file, is damaged, or was written by a later version.
        """
        path, kind = path_of("path", path), cast(Any, cls)
        config, arrays = model_file.read(path)
        with model_file.damage_in(path):
            *hidden, output = config["activations"]
            arguments = {name: config[name] for name in ARGUMENTS if name not in ADDED or name in config}
            net = kind(config["sizes"], hidden, output=output, initializer="zeros", **arguments)
            if config["optimizer"] is not None:
                values = dict(config["optimizer"])
                net._training.use(OPTIMIZERS[values.pop("name")](**values), net.parameters.size)
            model_file.fill(_vectors(net), arrays)
            for name, count in COUNTERS.items():
                setattr(net._training, count, config[name])
            net.metadata = config["metadata"]
        return cast(Self, net)

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes without scratch memory."""
        return {name: value for name, value in vars(self).items() if name not in SCRATCH}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the attributes, with copies of the arrays.

        The arrays of a pickle may be read-only, or a file that joblib has mapped; kernels are compiled for neither.
        """
        state = {name: value for name, value in state.items() if name not in SCRATCH}
        sizes, dtype = state["sizes"], np.dtype(state["dtype"].type)  # in this machine's byte order
        layout = Layout(sizes, dtype, state["layer_norm"], state["learn_activation"], state["learn_input_scale"])
        parameters: Array = aligned_zeros(layout.size, dtype)
        parameters[:] = state["_parameters"]
        vars(self).update(
            state,
            dtype=dtype,
            _layout=layout,
            _parameters=parameters,
            _training=state["_training"].own_copy(dtype),
            metadata=dict(state["metadata"]),
            _scaling=checked_scaling(state["_scaling"].offset, state["_scaling"].scale, sizes[0], dtype),
            _idle=[],
        )


def _vectors(net: Any) -> Sequence[model_file.Parts]:
    """Return the vectors that are saved, in parts: the parameters, then the optimizer's moments."""
    return [net.parts(vector) for vector in (net.parameters, *net._training.moments)]


def _plain(value: Any) -> Any:
    """Return an argument as JSON has it."""
    if isinstance(value, np.dtype):
        return str(value)
    return value.tolist() if isinstance(value, np.ndarray) else value
