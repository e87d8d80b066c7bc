"""One row at a time: what a compiled loop is handed to predict it, and the short path of `Network.predict`."""

from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.kernels.prediction import predict_one
from hotloop.network.activations import row_of
from hotloop.network.layout import addresses
from hotloop.network.training.checked_data import CheckedData
from hotloop.network.training.thread_stack import CALLER


class OneRow(CheckedData):
    """The part of `Network` that predicts one row."""

    def _predict_one(self, X: Any) -> Array | None:
        """Return the outputs of one row without a copy or a table, in a third of the time; None of anything else."""
        if type(X) is not np.ndarray or X.shape != (1, self.sizes[0]) or X.dtype != self.dtype or not X.flags.carray:
            return None
        _ = CALLER.stack_is_enough
        out = np.empty((1, self.sizes[-1]), self.dtype)
        given = self._compiled
        if given is None:
            given = self._compiled = self.compiled_arguments()
        return out if predict_one(*given, X[0], out[0]) else None

    def compiled_arguments(self) -> tuple[Array, Array, Array]:
        """Return the first arguments of `hotloop.kernels.predict_one`: parameters, layer table, scaling of the inputs.

        Any number of threads may use them at a time. The parameters are a view, so predictions follow training; a
        later `input_offset` or `input_scale` they do not follow. Pass them to your compiled function as an argument.
        They hold addresses of this process: another one, of another program or spawned, must ask its own network.

        Examples
        --------
        >>> import numpy as np
        >>> from hotloop import Network
        >>> from hotloop.kernels import predict_one
        >>> net, out = Network([2, 8, 1], seed=0), np.empty(1, np.float32)
        >>> bool(predict_one(*net.compiled_arguments(), np.ones(2), out))  # in your own compiled loop
        True
        """
        kinds = [row_of(activation) for activation in self.activations]
        table, _ = self._layout.table(1, kinds, [True] * len(kinds), [0.0] * len(kinds))
        table["product"] = addresses(self.dtype, "product")["product"]
        return self._parameters, table[: len(kinds)], self._scaling.compiled(self.sizes[0])
