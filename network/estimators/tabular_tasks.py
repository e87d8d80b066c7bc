"""What scikit-learn's callbacks are told of a tabular fit: each epoch of one network, or each of several networks."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from hotloop.network.estimators.callback_support import Tasks
from hotloop.network.estimators.tabular_training import Trained
from hotloop.network.network import Network
from hotloop.network.training.callbacks import Callback, FitProgress


class TellsEpochs(Callback):
    """Tells of the epochs of one network.

    Parameters
    ----------
    tasks : Tasks
    fitted : callable
        From a network to the attributes of an estimator that predicts with it.
    """

    def __init__(self, tasks: Tasks, fitted: Callable[[Network], Mapping[str, Any]]) -> None:
        self._tasks, self._fitted = tasks, fitted

    def on_epoch_begin(self, fit: FitProgress) -> None:
        """Begin the task."""
        self._tasks.begin()

    def on_epoch_end(self, fit: FitProgress) -> None:
        """End the task, and the fit if a callback asks for it."""
        if self._tasks.end(partial(self._fitted, fit.network)):
            fit.stop("a callback asked for it")


def tell_network(
    tasks: Tasks, fitted: Callable[[Sequence[Network]], Mapping[str, Any]], trained: Sequence[Trained]
) -> bool:
    """Tell of one more network, and return whether a callback asks for an end."""
    tasks.begin("network")
    return tasks.end(partial(fitted, [one.network for one in trained]))
