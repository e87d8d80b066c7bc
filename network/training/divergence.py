"""Ends a fit that diverges, and keeps the last finite parameters."""

import math

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.training.callbacks import Callback, FitProgress
from hotloop.network.training.history import DivergenceError
from hotloop.network.training.loop_arguments import LoopArguments
from hotloop.network.training.training_state import TrainingState


class Divergence(Callback):
    """Raises a DivergenceError as soon as a loss is not finite, or at the end of an epoch a parameter or a moment.

    However the fit ends, parameters that are not finite are set back to those of the last epoch.

    Parameters
    ----------
    data : LoopArguments
        Of the fit.
    parameters : array (P,)
        The network's own.
    training : TrainingState
    in_parts : bool
        Whether the data come in parts, so that the rows of a run are not those of an epoch: the outer loop then calls
        `check_epoch`.
    """

    def __init__(self, data: LoopArguments, parameters: Array, training: TrainingState, in_parts: bool) -> None:
        self._data, self._parameters, self._training, self._in_parts = data, parameters, training, in_parts
        self._last_good = parameters.copy()

    def on_call_end(self, fit: FitProgress) -> None:
        """Check the loss, and after the last call of an epoch the parameters and moments."""
        if self._data.progress["diverged"][0]:
            raise self._error(fit, "loss or a parameter")
        if fit.rows_left == 0 and not self._in_parts:
            self.check_epoch(fit)

    def check_epoch(self, fit: FitProgress) -> None:
        """Check the parameters and moments, and the sum of the losses, and keep the parameters."""
        moments = self._training.moments
        finite = np.isfinite(self._parameters).all() and (moments.size == 0 or np.isfinite(moments).all())
        if not (finite and math.isfinite(self._data.progress["loss_sum"][0])):
            raise self._error(fit, "loss or a parameter")
        self._last_good[:] = self._parameters

    def on_epoch_end(self, fit: FitProgress) -> None:
        """Check the validation loss."""
        if not math.isfinite(fit.record.get("val_loss", 0.0)):
            raise self._error(fit, "validation loss")

    def on_fit_end(self, fit: FitProgress) -> None:
        """Set parameters back that the last update, or a callback, left infinite or NaN: no loss has shown it.

        Unless a callback has begun another fit, whose guard sees to them.
        """
        if self._training.fit_in is None and not np.isfinite(self._parameters).all():
            self._parameters[:] = self._last_good
            self._training.reset()

    def _error(self, fit: FitProgress, what: str) -> DivergenceError:
        """Drop the optimizer's moments, which may be as bad as the loss, and return the error."""
        self._training.reset()
        kept = "is set back to the epoch before"
        if np.isfinite(self._parameters).all():
            kept = "keeps its last finite parameters"
        steps = f"{fit.step} step{'s' * (fit.step != 1)}"
        epoch = self._training.epochs + (what != "validation loss")  # which is known after its epoch
        return DivergenceError(
            f"training diverged in epoch {epoch}, after {steps} of this fit: the {what} is not finite. The network "
            f"{kept}. Use a smaller learning rate than {fit.learning_rate:g}, and inputs scaled to about -1 to 1.",
            fit.history,
        )
