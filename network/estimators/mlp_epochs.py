"""What happens after each epoch, by scikit-learn's rules: learning rate, stopping, the best weights."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from hotloop.kernels.jit import Array
from hotloop.network.estimators.callback_support import Tasks
from hotloop.network.estimators.user_warnings import warn_user
from hotloop.network.training.callbacks import Callback, FitProgress
from hotloop.network.training.history import CONVERGED

NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)
Score = Callable[[], float]


class LearningRate:
    """The learning rate from epoch to epoch.

    Parameters
    ----------
    mlp : BaseMLP

    Attributes
    ----------
    learning_rate : float
        Of the next epoch.
    """

    def __init__(self, mlp: Any) -> None:
        self.initial = self.learning_rate = float(mlp.learning_rate_init)
        self._kind = mlp.learning_rate if mlp.solver == "sgd" else "constant"
        self._power = mlp.power_t

    def end_epoch(self, samples: int) -> None:
        """Take what follows from so many samples, over all epochs."""
        if self._kind == "invscaling":
            self.learning_rate = self.initial / (samples + 1) ** self._power

    def end_plateau(self) -> tuple[bool, str]:
        """Return whether nothing is left but to stop, and what is done in words; divide the rate if it is adaptive."""
        if self._kind != "adaptive":
            return True, "Stopping."
        if self.learning_rate <= 1e-6:
            return True, "Learning rate too small. Stopping."
        self.learning_rate /= 5
        return False, f"Setting learning rate to {self.learning_rate:f}"


class Epochs(Callback):
    """Keeps an estimator's record of its training, and ends it.

    Parameters
    ----------
    mlp : BaseMLP
    rows : int
        Samples in an epoch.
    score : callable, optional
        Returns the score on the validation data.
    stops_by_score : bool
        Whether that is what decides.
    tasks : Tasks, optional
        To be told of each epoch.
    """

    def __init__(
        self, mlp: Any, rows: int, score: Score | None = None, stops_by_score: bool = False, tasks: Tasks | None = None
    ) -> None:  # fmt: skip
        self._tasks = tasks
        self._mlp: Any = mlp
        self._rows, self._score, self._stops_by_score = rows, score, stops_by_score
        self._begin = mlp._optimizer.learning_rate  # the optimizer's, which factors multiply

    def end_epoch(self, loss: float) -> bool:
        """Note an epoch's loss, and return whether training is to stop."""
        mlp = self._mlp
        mlp.n_iter_ += 1
        mlp.loss_ = loss
        mlp.t_ += self._rows
        mlp.loss_curve_.append(loss)
        if mlp.verbose:
            print(f"Iteration {mlp.n_iter_}, loss = {loss:.8f}")
        score = None if self._score is None else self._score()
        if score is not None:
            self._note_score(score)
        if not self._stops_by_score:
            worse = loss > mlp.best_loss_ - mlp.tol
            mlp.best_loss_ = min(loss, mlp.best_loss_)
        else:
            worse = score < self._best_before + mlp.tol  # False for NaN
        mlp._no_improvement_count = mlp._no_improvement_count + 1 if worse else 0
        mlp._optimizer.end_epoch(mlp.t_)
        if mlp._no_improvement_count <= mlp.n_iter_no_change:
            return False
        stops, action = mlp._optimizer.end_plateau()
        if mlp.verbose:
            what = "Validation score" if self._stops_by_score else "Training loss"
            print(
                f"{what} did not improve more than tol={mlp.tol:f} for {mlp.n_iter_no_change} consecutive epochs. "
                f"{action}"
            )
        if not stops:
            mlp._no_improvement_count = 0
        return bool(stops)

    def _note_score(self, score: float) -> None:
        mlp = self._mlp
        mlp.validation_scores_.append(score)
        if mlp.verbose:
            print(f"Validation score: {score:f}")
        self._best_before = mlp.best_validation_score_
        if score > mlp.best_validation_score_:
            mlp.best_validation_score_ = score
            if self._stops_by_score:
                mlp._best_parameters = mlp.network_.parameters.copy()

    def on_epoch_begin(self, fit: FitProgress) -> None:
        """Tell scikit-learn's callbacks."""
        if self._tasks is not None:
            self._tasks.begin()

    def on_epoch_end(self, fit: FitProgress) -> None:
        """Note the epoch; change the learning rate, or end the fit."""
        rate = self._mlp._optimizer.learning_rate
        if self.end_epoch(fit.record["loss"]):
            fit.stop(CONVERGED)
        if (after := self._mlp._optimizer.learning_rate) != rate:
            fit.learning_rate_factor = after / self._begin
            keep_velocity(fit.network, rate, after)
        if self._tasks is not None and self._tasks.end(self._mlp._fitted):
            fit.stop("callback")


def keep_velocity(network: Any, rate: float, after: float) -> None:
    """Multiply the moments of gradient descent by the rates' quotient.

    scikit-learn's velocity has the learning rate in it, hotloop's is to be multiplied by it.
    """
    if after > 0:
        network._training.moments *= rate / after


def warn_of_last_epoch(mlp: Any) -> None:
    """Warn that the epochs ended before the loss did."""
    warn_user(
        f"Stochastic Optimizer: Maximum iterations ({mlp.max_iter}) reached and the optimization hasn't converged yet.",
        ConvergenceWarning,
    )


def orders(rng: np.random.RandomState, rows: int) -> Callable[[int], Array]:
    """Return what draws the order of each epoch, as scikit-learn draws it: the last order, shuffled."""
    order = np.arange(rows)

    def draw(_: int) -> Array:
        nonlocal order
        shuffled = np.arange(rows)
        rng.shuffle(shuffled)
        order = order[shuffled]
        return order

    return draw
