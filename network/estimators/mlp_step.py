"""One step of `partial_fit`: what was checked for the last is not checked again."""

from operator import is_
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.estimators.mlp_epochs import NOT_FINITE, Epochs, keep_velocity
from hotloop.network.estimators.mlp_network import optimizer_of
from hotloop.network.training.history import DivergenceError


def take_step(mlp: Any, X: Array, targets: Array, weights: Array | None = None) -> None:
    """Train one step on all rows, with the network's own moments, and note it as an epoch."""
    network, rate = mlp.network_, mlp._optimizer.learning_rate
    mlp.n_iter_ = 0
    watch = Epochs(mlp, len(X))
    last, at = mlp.__dict__.get("_stepped", (None, 0.0))
    optimizer = last if last is not None and last is network.optimizer and at == rate else optimizer_of(mlp, rate)
    try:
        loss = network.partial_fit(X, targets, optimizer=optimizer, sample_weight=weights)
    except DivergenceError as error:
        raise ValueError(f"{NOT_FINITE} {error}") from error
    watch.end_epoch(loss)
    if (after := mlp._optimizer.learning_rate) != rate:
        keep_velocity(network, rate, after)
    mlp._stepped = network.optimizer, rate


class Remembered:
    """What held for the last step: while it does, the next needs no more checks than those of the network.

    Parameters
    ----------
    mlp : BaseMLP
        After a step.
    rows : int
        How many a step may have.
    """

    def __init__(self, mlp: Any, rows: int) -> None:
        self._names = tuple(mlp.get_params(deep=False))
        self._values = self._of(mlp)
        self._rows, self._network, self._optimizer = rows, mlp.network_, mlp._optimizer
        self._conventions = mlp.network_._conventions

    def _of(self, mlp: Any) -> tuple[Any, ...]:
        return tuple(map(mlp.__dict__.get, self._names))

    def step(self, mlp: Any, X: Any, y: Any) -> bool:
        """Take the step, or return False if anything is not as it was; then nothing is changed."""
        network = self._network
        if type(X) is not np.ndarray or type(y) is not np.ndarray or X.ndim != 2 or y.ndim != 1:
            return False
        if X.dtype != network.dtype or not 0 < len(X) == len(y) <= self._rows or X.shape[1] != network.sizes[0]:
            return False
        same = mlp.network_ is network and mlp._optimizer is self._optimizer
        if not (same and network._conventions is self._conventions and all(map(is_, self._values, self._of(mlp)))):
            return False
        targets = mlp._quick_targets(y)
        if targets is None:
            return False
        mlp._adopt()
        try:
            take_step(mlp, X, targets)
        except (TypeError, ValueError) as error:
            if str(error).startswith(NOT_FINITE):
                raise
            return False  # scikit-learn says what is wrong with it
        if mlp.shuffle and not isinstance(mlp.random_state, (int, np.integer)):
            mlp._random_state.shuffle(np.arange(len(X)))  # as scikit-learn would, for whoever draws from it next
        return True


def remembered(mlp: Any) -> Remembered | None:
    """Return what to remember of a step, None if each needs all checks."""
    mine = mlp.__dict__
    if mlp.early_stopping or mlp.warm_start or mine.get("class_weight") is not None or "feature_names_in_" in mine:
        return None
    return Remembered(mlp, 200 if isinstance(mlp.batch_size, str) else int(mlp.batch_size))
