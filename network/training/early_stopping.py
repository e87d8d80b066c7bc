"""The callback that ends a fit when nothing gets better any more, and keeps the best parameters."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.training.callbacks import FitProgress
from hotloop.network.training.history import EARLY_STOPPING
from hotloop.network.training.monitor import Monitor
from hotloop.network.validation import arguments
from hotloop.network.validation.suggestions import explains_its_keywords

PREFERENCES = {"first": False, "last": True}


@explains_its_keywords
class EarlyStopping(Monitor):
    """Ends a fit when `monitor` has not got better for `patience` epochs, and goes back to its best parameters.

    A value is better if it is below the best so far by more than `min_delta`, or above it where more is better. The
    fit goes back to the best parameters however it ends, also after its last epoch, Ctrl-C or an error. The optimizer's
    moments, which belong to later parameters, then begin anew; nothing is lost if the last epoch was the best.
    `History.best_epoch` says which it was, and `History.stop_reason` is "early stopping" if it ended the fit.

    Parameters
    ----------
    monitor : str, default "val_loss"
        A number in the record of each epoch: "loss", "val_loss", "val_accuracy" ...
    min_delta : float, default 0
        How much better than the best a value must be to count as better.
    patience : int, default 10
        How many epochs in a row without improvement end the fit. It goes on for at least two epochs.
    mode : {"auto", "min", "max"}
        Whether less or more is better. "auto" knows it of losses, errors and the metrics that there are.
    baseline : float, optional
        The patience begins anew only with a value that is also better than this one.
    start_from_epoch : int, default 0
        The first epochs, which are passed over.
    restore_best : bool, default True
        Whether to go back to the best parameters. It takes one copy of them.
    prefer : {"first", "last"}
        Which of several epochs with the same best value to keep. A later one of them does not begin the patience anew.

    Attributes
    ----------
    best : float
        The best value of the fit.
    best_epoch : int or None
        Its epoch, counted as in the record: over all fits of the network.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop import EarlyStopping, Network
    >>> x = np.linspace(0, 1, 64).reshape(-1, 1)
    >>> net = Network([1, 16, 1], "tanh", seed=0)
    >>> history = net.fit(x, np.sin(9 * x), epochs=1000, validation_split=0.25, callbacks=[EarlyStopping(patience=3)])
    >>> bool(history.best_epoch <= len(history.epochs))
    True
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        min_delta: float = 0.0,
        patience: int = 10,
        mode: str = "auto",
        baseline: float | None = None,
        start_from_epoch: int = 0,
        restore_best: bool = True,
        prefer: str = "first",
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = arguments.whole_number("patience", patience, 0)
        self.baseline = None if baseline is None else arguments.real_number("baseline", baseline, -np.inf)
        self.start_from_epoch = arguments.whole_number("start_from_epoch", start_from_epoch, 0)
        self.restore_best = arguments.flag("restore_best", restore_best)
        self._last = arguments.choose("prefer", prefer, PREFERENCES)

    def _begin(self) -> None:
        super()._begin()
        self.best_epoch: int | None = None
        self.wait = 0
        self._parameters: Array | None = None

    def on_epoch_end(self, fit: FitProgress) -> None:
        """Compare the epoch with the best so far."""
        value = self._value(fit)
        if fit.epoch <= self.start_from_epoch:
            return
        self.wait += 1
        better = self._better(value, self.best)
        if better or (self._last and value == self.best):
            self.best, self.best_epoch = value, int(fit.record["epoch"])
            fit.history.best_epoch = self.best_epoch
            if self.restore_best:
                self._parameters = fit.network.parameters.copy()
        if better and (self.baseline is None or self._better(value, self.baseline)):
            self.wait = 0
        elif not better and self.wait >= self.patience and fit.epoch > 1:
            fit.stop(EARLY_STOPPING)

    def on_fit_end(self, fit: FitProgress) -> None:
        """Go back to the best parameters."""
        super().on_fit_end(fit)
        fit.history.best_epoch = self.best_epoch
        best, self._parameters = self._parameters, None
        if best is not None and not np.array_equal(best, fit.network.parameters):
            fit.network.parameters[:] = best
            fit.network._training.restart()

    def state_dict(self) -> dict[str, Any]:
        """Return the best value, its epoch and parameters, and how many epochs have been no better since."""
        state = super().state_dict() | {"best_epoch": self.best_epoch, "wait": self.wait}
        return state if self._parameters is None else state | {"parameters": self._parameters}

    def _compared_settings(self) -> dict[str, Any]:
        own = ("patience", "baseline", "start_from_epoch", "restore_best")
        return super()._compared_settings() | {name: getattr(self, name) for name in own} | {
            "prefer": "last" if self._last else "first"
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state."""
        super().load_state_dict(state)
        self.best_epoch, self.wait = state["best_epoch"], int(state["wait"])
        self._parameters = np.array(state["parameters"]) if "parameters" in state else None
