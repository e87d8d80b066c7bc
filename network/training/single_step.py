"""A training step by itself: `Network.partial_fit`, whose batches have one shape and come one at a time.

Whatever a step needs is kept for the next one with as many rows, so that it allocates nothing.
"""

from collections.abc import Mapping
from operator import is_
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.kernels.single_step import ready_to_step, still_finite
from hotloop.kernels.team import new_team
from hotloop.kernels.training import train_slice
from hotloop.network.display.terminal import is_shown
from hotloop.network.layout import aligned_zeros
from hotloop.network.losses import loss_of
from hotloop.network.training.callbacks import span
from hotloop.network.training.compilation import CompileNotice
from hotloop.network.training.history import DIVERGED, DivergenceError, History
from hotloop.network.training.kept import Unchanged
from hotloop.network.training.loop_arguments import LoopArguments
from hotloop.network.training.training_state import TrainingState


class SingleStep:
    """The arrays of a step, for a number of rows, and the call of the compiled loop.

    Parameters
    ----------
    attributes : mapping
        Of the network: once another object takes the place of one of them, this step is out of date.
    training : TrainingState
        Its optimizer is the step's.
    parameters : array (P,)
        The network's own.
    inputs : array (rows, inputs)
        Memory for a batch, scaled, as `data` sees it. So are the `targets` and `labels` of `data`.
    data : LoopArguments
    factor : float or None
        By which inputs are scaled here; None if that takes more, and is done before.
    raw_targets : bool
        Whether the loop takes targets as the user gives them.
    """

    def __init__(
        self, attributes: Mapping[str, Any], training: TrainingState, parameters: Array, inputs: Array,
        data: LoopArguments, factor: float | None, raw_targets: bool,
    ) -> None:  # fmt: skip
        self._unchanged = Unchanged(attributes)
        self._training, self._state = training, (training.optimizer, training.moments, training.step_offset)
        self._parameters, self._kept = parameters, np.empty_like(parameters)
        self._inputs, self._targets, self._labels, self._weights = inputs, data.targets, data.labels, data.weights
        self._raw = factor is not None and raw_targets and not data.weights.size
        self._scales = factor not in (None, 1.0)
        self._factor = inputs.dtype.type(factor or 1.0)
        loss, dtype = loss_of(data.loss), inputs.dtype
        least, most = max(loss.lowest_target, float(np.finfo(dtype).min)), float(np.finfo(dtype).max)
        if loss.classifies:
            least, most = 0.0, 1.0
        sums = loss.takes_labels and data.targets.size > 0
        self._batch = (
            inputs,
            data.targets,
            data.labels,
            data.layout.sizes[-1],
            least,
            most,
            sums,
            parameters,
            self._kept,
        )
        gradient, order = aligned_zeros(data.layout.size, data.layout.dtype), np.arange(data.rows)
        self._run, self._rows, self._words = (
            data.training(parameters, gradient, training.moments, order), data.rows, new_team(),
        )  # fmt: skip
        progress = data.progress
        self._row, self._step, self._loss, self._diverged = (
            progress[name] for name in ("row", "step", "batch_loss", "diverged")
        )
        with span("load kernels"), CompileNotice(str(dtype), is_shown()):
            train_slice(0, 1, self._words, 0, self._run, None)
            ready_to_step(*self._batch)
            still_finite(parameters, training.moments)

    def is_current(self, attributes: Mapping[str, Any]) -> bool:
        """Return whether the network and its optimizer are as they were when this was made."""
        training = self._training
        return (
            self._unchanged(attributes)
            and all(map(is_, (training.optimizer, training.moments), self._state))
            and training.step_offset == self._state[2]
        )

    def load(self, X: Any, y: Any) -> bool:
        """Copy a batch, without a check of its values; False if it is not of this shape and the network's dtype."""
        inputs, labels, targets = self._inputs, self._labels, self._targets
        if type(X) is not np.ndarray or type(y) is not np.ndarray or not self._raw:
            return False
        if X.dtype not in (inputs.dtype, np.uint8) or X.shape != inputs.shape:
            return False
        if labels.size:
            if y.dtype.kind not in "iu" or y.shape != labels.shape:
                return False
            labels[:] = y
        else:
            if y.dtype != targets.dtype or y.size != targets.size or y.shape[:1] != targets.shape[:1]:
                return False
            if y.shape != targets.shape:
                if y.ndim != 1:
                    return False
                y = y.reshape(targets.shape)
            targets[:] = y
        if self._scales:
            np.multiply(X, self._factor, out=inputs)
        else:
            inputs[:] = X
        return True

    def load_checked(self, *batch: Array) -> bool:
        """Copy inputs, targets, labels and weights that were checked; False if they are not of these shapes."""
        mine = self._inputs, self._targets, self._labels, self._weights
        if any(given.shape != here.shape for given, here in zip(batch, mine, strict=True)):
            return False
        for given, here in zip(batch, mine, strict=True):
            here[:] = given
        if self._scales:
            np.multiply(self._inputs, self._factor, out=self._inputs)
        return True

    def is_ready(self) -> bool:
        """Return whether the batch and the parameters are sound; the parameters are then kept for `take`."""
        return bool(ready_to_step(*self._batch))

    def take(self) -> float:
        """Take the step and return the loss before it; a DivergenceError leaves the parameters as they were."""
        training, before = self._training, self._training.steps
        self._row[0], self._step[0], self._diverged[0] = 0, before, 0
        try:
            train_slice(0, 1, self._words, self._rows, self._run, None)
        finally:
            training.steps = int(self._step[0])
        if self._diverged[0] or not still_finite(self._parameters, training.moments):
            self._parameters[:] = self._kept
            training.steps = before
            training.reset()
            raise DivergenceError(
                f"partial_fit diverged in step {before + 1}: the loss or a parameter is not finite. The network keeps "
                "its parameters from before this step. Use a smaller learning rate than "
                f"{float(self._run.steps[0]['learning_rate']):g}, and inputs scaled to about -1 to 1.",
                History(stop_reason=DIVERGED),
            )
        return float(self._loss[0])
