"""Networks that outlive their process: files, pickles for workers of joblib or multiprocessing, and copies."""

import os
from typing import Any, Self, cast

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.datasets.input_scaling import InputScaling
from hotloop.network.layout import Layout, aligned_zeros

SCRATCH = ("_layout", "_idle")  # made anew


class Persistent:
    """The part of `Network` that is saved, loaded, pickled and copied.

    `copy.copy` and `copy.deepcopy` give a network that shares nothing with the first.
    """

    metadata: dict[str, str]

    def save(self, path: str | os.PathLike[str], metadata: dict[str, str] | None = None) -> None:
        """Write the network to a safetensors file, first under a temporary name; see `hotloop.network.persistence.model_file`.

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
        from hotloop.network.persistence import model_file

        net: Any = self
        model_file.save(net, path, self.metadata if metadata is None else metadata)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a network that `save` wrote, by this version of hotloop or one before, or ``hotloop train --save``.

        It predicts from raw inputs: the scaling that it was trained with is its `input_offset` and `input_scale`.

        Raises
        ------
        OSError
            If there is no such file, or it cannot be read.
        ValueError
            If it is no model file, is damaged, or of a later version.
        """
        from hotloop.network.persistence import model_file

        kind: Any = cls
        return cast(Self, model_file.load(kind, path))

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes but for scratch memory."""
        return {name: value for name, value in vars(self).items() if name not in SCRATCH}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the attributes, with copies of the arrays.

        Those of a pickle may be read-only, or a file that joblib has mapped; kernels are compiled for neither.
        """
        state = {name: value for name, value in state.items() if name not in SCRATCH}
        sizes, dtype = state["sizes"], np.dtype(state["dtype"].type)  # in this machine's byte order
        layout = Layout(sizes, dtype)
        parameters: Array = aligned_zeros(layout.size, dtype)
        parameters[:] = state["_parameters"]
        if "_scaling" in state:
            offset, scale = state["_scaling"].offset, state["_scaling"].scale
        else:  # a pickle from before there was an offset
            offset, scale = 0.0, state.pop("input_scale")
        vars(self).update(
            state,
            dtype=dtype,
            _layout=layout,
            _parameters=parameters,
            _training=state["_training"].own_copy(dtype),
            metadata=dict(state["metadata"]),
            _scaling=InputScaling.of(offset, scale, sizes[0], dtype),
            _idle=[],
        )
