"""What of a network is kept: in a model file, in a pickle for a worker of joblib or multiprocessing, in a copy."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.datasets.scaled_inputs import checked_scaling
from hotloop.network.layout import Layout, aligned_zeros
from hotloop.network.persistence import model_file
from hotloop.network.persistence.atomic_write import path_of
from hotloop.network.persistence.pieces import check_names, pieces_of, plain_piece
from hotloop.network.persistence.plain_optimizer import plain, restored
from hotloop.network.training.kept import KEPT
from hotloop.network.training.training_state import TrainingState
from hotloop.network.validation.suggestions import explains_keywords

# Besides sizes and activations: arguments of `Network` that are attributes under the same names.
ARGUMENTS = ("loss", "dropout", "l1", "l2", "input_offset", "input_scale", "dtype", "seed", *model_file.ADDED)
COUNTERS = {"epochs_trained": "epochs", "steps": "steps", "first_step": "step_offset"}  # in the file: in the training
SCRATCH = ("_layout", "_compiled", *KEPT)  # made again


class Persistent:
    """The part of `Network` that is saved, loaded, pickled and copied.

    `copy.copy` and `copy.deepcopy` give a network that shares nothing with the first.
    """

    metadata: dict[str, str]

    @explains_keywords(owner="Network")
    def save(self, path: str | os.PathLike[str], metadata: dict[str, str] | None = None) -> None:
        """Write the network to a safetensors file that takes the place of `path` once it is whole.

        The optimizer's schedules are saved, but your own function cannot be: the file has a number instead, what
        the function gave for the last step.

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
            If the parameters are not finite, which `load` would refuse, or two different custom pieces have one name.

        Examples
        --------
        >>> from hotloop import Network
        >>> net = Network([2, 8, 1], seed=0)
        >>> net.save("first.safetensors", metadata={"trained on": "nothing yet"})
        >>> Network.load("first.safetensors").metadata
        {'trained on': 'nothing yet'}
        """
        net: Any = self
        path, metadata = path_of("path", path), net.metadata if metadata is None else metadata
        model_file.check_metadata(metadata)
        check_names([*net.activations, net.loss])
        training: TrainingState = net._training
        for name, vector in (("net.parameters", net.parameters), ("the optimizer's moments", training.moments)):
            if not np.isfinite(vector).all():
                raise ValueError(f"{name} must be finite to be saved: found NaN or infinity")
        model_file.write(path, configuration(net), _vectors(net), metadata)

    @classmethod
    @explains_keywords(owner="Network")
    def load(cls, path: str | os.PathLike[str], *, custom: Mapping[str, Any] | None = None) -> Self:
        """Read a network that `save` or ``hotloop train --save`` wrote.

        It predicts from raw inputs: the scaling that it was trained with is its `input_offset` and `input_scale`.
        `PreparedNetwork.load` reads a file that ``hotloop train`` wrote for a table.

        Parameters
        ----------
        path : path
        custom : mapping, optional
            A network's own activations and losses by their names, `CustomActivation` and `CustomLoss`: a file has no
            code.

        Raises
        ------
        OSError
            If there is no such file, or it cannot be read.
        ValueError
            If it is not a model file, is damaged, or was written by a later version; or if it needs a piece that is not
            in `custom`.

        Returns
        -------
        Network

        Examples
        --------
        >>> from hotloop import Network
        >>> net = Network([2, 8, 1], seed=0)
        >>> net.save("first.safetensors")
        >>> again = Network.load("first.safetensors")
        >>> bool((again.parameters == net.parameters).all())
        True
        """
        path = path_of("path", path)
        return cls._from(path, *model_file.read(path), custom)

    @classmethod
    def _from(
        cls, path: Path, config: dict[str, Any], arrays: dict[str, Array], custom: Mapping[str, Any] | None = None
    ) -> Self:
        """Return the network that a file describes."""
        activations, loss = pieces_of(path, config, custom)
        with model_file.damage_in(path):
            *hidden, output = activations
            arguments = {name: config[name] for name in ARGUMENTS} | {"loss": loss}
            net = cast(Any, cls)(config["sizes"], hidden, output=output, initializer="zeros", **arguments)
            if config["optimizer"] is not None:
                net._training.use(restored(config["optimizer"]), net.parameters.size)
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
        layout = Layout(
            sizes, dtype, state["layer_norm"], state["learn_activation"], state["learn_input_scale"],
            state["layer_norm_epsilon"],
        )  # fmt: skip
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
            _compiled=None,
        )


def configuration(net: Any) -> dict[str, Any]:
    """Return what a network is made of and how far it has been trained, as `model_file.write` takes it."""
    training: TrainingState = net._training
    return {
        "sizes": net.sizes,
        "activations": [plain_piece(activation) for activation in net.activations],
        "loss": plain_piece(net.loss),
        **{name: _plain(getattr(net, name)) for name in ARGUMENTS if name != "loss"},
        **{name: getattr(training, count) for name, count in COUNTERS.items()},
        "optimizer": None if training.optimizer is None else plain(training.optimizer, training.scheduled),
    }


def description(net: Any) -> tuple[dict[str, Any], model_file.Parts]:
    """Return what a network is made of, without its optimizer, and its parameters in parts: for a file of several."""
    return configuration(net) | {"optimizer": None, "metadata": net.metadata}, net.parts(net.parameters)


def from_description(path: Path, kind: Any, config: dict[str, Any], arrays: dict[str, Array]) -> Any:
    """Return the network, of class `kind`, whose `description` a file has."""
    model_file.check(path, config, arrays)
    return kind._from(path, config, arrays)


def _vectors(net: Any) -> Sequence[model_file.Parts]:
    """Return the vectors that are saved, in parts: the parameters, then the optimizer's moments."""
    return [net.parts(vector) for vector in (net.parameters, *net._training.moments)]


def _plain(value: Any) -> Any:
    """Return an argument as JSON has it."""
    if isinstance(value, np.dtype):
        return str(value)
    return value.tolist() if isinstance(value, np.ndarray) else value
