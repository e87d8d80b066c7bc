"""The callback that lowers the learning rate when nothing gets better."""

from collections.abc import Mapping
from typing import Any

from hotloop.network.training.callbacks import FitProgress, PlannedFit
from hotloop.network.training.monitor import Monitor
from hotloop.network.validation import arguments
from hotloop.network.validation.suggestions import explains_its_keywords


@explains_its_keywords
class ReduceLROnPlateau(Monitor):
    """Multiplies the learning rate by `factor` when `monitor` has not got better for `patience` epochs.

    It multiplies `fit.learning_rate_factor`, so it also works on top of a schedule. The rate holds to the end of the
    fit: the next fit begins with the optimizer's own.

    Parameters
    ----------
    monitor : str, default "val_loss"
        A number in the record of each epoch.
    factor : float, default 0.1
        Above 0 and below 1.
    patience : int, default 10
        How many epochs in a row without improvement lower the rate.
    mode : {"auto", "min", "max"}
        Whether less or more is better.
    min_delta : float, default 1e-4
        How much better than the best a value must be to count as better.
    cooldown : int, default 0
        After the rate is lowered, so many epochs do not count.
    min_lr : float, default 0
        The rate is not lowered below it. Above 0 it needs an optimizer whose learning rate is a number.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop import SGD, Network
    >>> from hotloop.callbacks import ReduceLROnPlateau
    >>> X = np.zeros((10, 1))  # nothing to learn
    >>> slower = ReduceLROnPlateau("loss", factor=0.5, patience=2)
    >>> history = Network([1, 1], seed=0).fit(X, np.zeros(10), epochs=6, optimizer=SGD(0.1), callbacks=[slower])
    >>> history["learning_rate"]
    [0.1, 0.1, 0.1, 0.05, 0.05, 0.025]
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        factor: float = 0.1,
        patience: int = 10,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.factor = arguments.real_number("factor", factor, 0, 1, open=True)
        self.patience = arguments.whole_number("patience", patience, 0)
        self.cooldown = arguments.whole_number("cooldown", cooldown, 0)
        self.min_lr = arguments.real_number("min_lr", min_lr)

    def _begin(self) -> None:
        super()._begin()
        self.wait = self.cooldown_left = 0

    def on_fit_begin(self, fit: FitProgress) -> None:
        """Forget the fit before, and turn `min_lr` into a factor."""
        super().on_fit_begin(fit)
        self._least = 0.0
        if self.min_lr > 0:
            rate = fit.network.optimizer.learning_rate
            self._least = self.min_lr / rate if rate > 0 else 0.0

    def on_epoch_end(self, fit: FitProgress) -> None:
        """Compare the epoch with the best so far."""
        value = self._value(fit)
        if self.cooldown_left > 0:
            self.cooldown_left -= 1
        if self._better(value, self.best):
            self.best, self.wait = value, 0
        elif self.cooldown_left == 0:
            self.wait += 1
            if self.wait >= self.patience and fit.learning_rate_factor > self._least:
                fit.learning_rate_factor = max(self.factor * fit.learning_rate_factor, self._least)
                self.wait, self.cooldown_left = 0, self.cooldown

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and the two counts; the factor is the fit's own."""
        return super().state_dict() | {"wait": self.wait, "cooldown_left": self.cooldown_left}

    def _check_before_fit(self, planned: PlannedFit) -> None:
        super()._check_before_fit(planned)
        if self.min_lr > 0 and "learning_rate" in planned.optimizer.schedules:
            raise ValueError(f"min_lr={self.min_lr:g} needs a learning rate that is a number; the fit has a schedule")

    def _compared_settings(self) -> dict[str, Any]:
        own = ("factor", "patience", "cooldown", "min_lr")
        return super()._compared_settings() | {name: getattr(self, name) for name in own}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state."""
        super().load_state_dict(state)
        self.wait, self.cooldown_left = int(state["wait"]), int(state["cooldown_left"])
