"""Ends a fit whose loss has converged within a tolerance, and warns if the epochs ended before."""

import math
from collections.abc import Mapping
from typing import Any

from hotloop.network.training.callbacks import Callback, FitProgress
from hotloop.network.training.history import CONVERGED, EPOCHS, ConvergenceWarning
from hotloop.network.validation.caller import warn


class Convergence(Callback):
    """Stops a fit when the loss has not improved by more than `tolerance` for `patience` epochs.

    It is the validation loss, or without validation data the training loss.
    """

    def __init__(self, tolerance: float, patience: int) -> None:
        self._tolerance, self._patience = tolerance, patience
        self._best, self._stale = math.inf, 0

    def on_epoch_end(self, fit: FitProgress) -> None:
        """Compare the loss with the best so far."""
        loss = fit.record.get("val_loss", fit.record["loss"])
        self._stale = 0 if loss < self._best - self._tolerance else self._stale + 1
        self._best = min(self._best, loss)
        if self._stale >= self._patience:
            fit.stop(CONVERGED)

    def state_dict(self) -> dict[str, Any]:
        """Return the best loss, and for how many epochs it has not improved."""
        return {"best": self._best, "stale": self._stale}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from such a state."""
        self._best, self._stale = float(state["best"]), int(state["stale"])

    def on_fit_end(self, fit: FitProgress) -> None:
        """Warn if the epochs were too few."""
        if fit.history.stop_reason == EPOCHS:
            warn(
                f"no convergence in {fit.epochs} epochs (tolerance={self._tolerance:g}, patience={self._patience}): "
                f"they ended before {self._patience} had passed without an improvement above the tolerance. "
                "Train longer, or raise the tolerance.",
                ConvergenceWarning,
            )
