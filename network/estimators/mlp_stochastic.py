"""Training by stochastic gradient descent: the solvers "sgd" and "adam" of an estimator, as one fit of its network."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from hotloop.kernels.jit import Array
from hotloop.network.estimators import sparse_rows
from hotloop.network.estimators.callback_support import Tasks
from hotloop.network.estimators.mlp_epochs import (
    NOT_FINITE,
    Epochs,
    LearningRate,
    keep_velocity,
    orders,
    warn_of_last_epoch,
)
from hotloop.network.estimators.mlp_network import conventions_of, optimizer_of, scaled_weights
from hotloop.network.estimators.mlp_step import take_step
from hotloop.network.estimators.user_warnings import warn_user
from hotloop.network.training.history import EPOCHS, INTERRUPTED, DivergenceError

# What an estimator notes of its training, as it is before the first epoch.
RECORD: dict[str, Any] = {
    "loss_": np.nan, "loss_curve_": None, "validation_scores_": None, "best_validation_score_": None,
    "best_loss_": None, "_no_improvement_count": 0,
}  # fmt: skip
Validation = tuple[Any, Array, Array | None]  # inputs, encoded targets, weights


def fit_stochastic(
    mlp: Any, X: Any, y: Array, weights: Array | None, validation: Validation | None, tasks: Tasks | None
) -> None:  # fmt: skip
    """Train for up to `max_iter` epochs, or for one, incrementally, without `tasks`.

    Parameters
    ----------
    mlp : BaseMLP
        With a network.
    X : array or CSR matrix
    y : array
        As the estimator encodes them.
    weights : array or None
    validation : (X, y, weights), optional
        The user's.
    tasks : Tasks or None
        To be told of each epoch.
    """
    incremental = tasks is None
    if mlp.early_stopping and incremental:
        raise ValueError("partial_fit does not support early_stopping=True")
    rng = mlp._random_state
    if mlp.early_stopping and validation is None:
        X, y, weights, validation = _held_out(mlp, X, y, weights, rng)
    if validation is not None and validation[2] is not None and not validation[2].any():
        raise ValueError("the rows to validate on all have sample_weight 0: there is no score of them")
    begin_record(mlp, validates=validation is not None)
    start_optimizer(mlp, incremental)
    rows = X.shape[0]
    batch_size = _batch_size(mlp, rows)
    weights, scale = scaled_weights(weights)
    use_conventions(mlp, scale)
    draw = orders(rng, rows) if mlp.shuffle else None
    if incremental and batch_size == rows and not sparse_rows.is_large(X):
        if draw is not None and not isinstance(mlp.random_state, (int, np.integer)):
            draw(rows)  # as scikit-learn does, for whoever draws from it next
        take_step(mlp, X, mlp._targets(y), weights)
        return
    score = None if validation is None else _scorer(mlp, *validation)
    watch = Epochs(mlp, rows, score, mlp.early_stopping, tasks)
    network, mlp.n_iter_ = mlp.network_, 0
    network._epoch_order = draw
    data, options = _data(mlp, X, y, weights, batch_size)
    callbacks = () if incremental else tuple(mlp.callbacks or ())
    if callbacks and validation is not None and not sparse_rows.is_large(validation[0]):  # they may monitor it
        options["validation_data"] = validation[0], mlp._targets(validation[1]), validation[2]
    try:
        history = network.fit(
            *data, **options, epochs=1 if incremental else mlp.max_iter,
            optimizer=optimizer_of(mlp, mlp._optimizer.learning_rate), shuffle=bool(mlp.shuffle),
            max_seconds=mlp.max_seconds, n_threads=mlp.n_threads, progress=False,
            callbacks=[*callbacks, watch],
        )  # fmt: skip
        reason = history.stop_reason
    except DivergenceError as error:
        if not mlp.early_stopping:
            raise ValueError(f"{NOT_FINITE} {error}") from error
        _note_divergence(mlp, error)
        reason = None
    finally:
        del network._epoch_order
    if mlp.early_stopping:
        network.parameters[:] = mlp._best_parameters
    if reason == INTERRUPTED:
        warn_user("Training interrupted by user.")
    elif reason == EPOCHS and not incremental:
        warn_of_last_epoch(mlp)


def begin_record(mlp: Any, validates: bool = False) -> None:
    """Set what an estimator notes of its training, unless it has it."""
    mine = mlp.__dict__
    for name, value in RECORD.items():
        mine.setdefault(name, value)
    mlp.loss_curve_ = mlp.loss_curve_ or []
    if not mlp.early_stopping and mlp.best_loss_ is None:
        mlp.best_loss_ = np.inf
    if (mlp.early_stopping or validates) and mlp.validation_scores_ is None:
        mlp.validation_scores_, mlp.best_validation_score_ = [], -np.inf
    if mlp.early_stopping and mine.get("_best_parameters") is None:
        mlp._best_parameters = mlp.network_.parameters.copy()


def start_optimizer(mlp: Any, incremental: bool) -> None:
    """Begin with the first learning rate, or go on with the last; moments are kept either way."""
    last = mlp.__dict__.get("_optimizer")
    if last is None or not incremental:
        mlp._optimizer = LearningRate(mlp)
        if last is not None and mlp.solver == "sgd":
            keep_velocity(mlp.network_, last.learning_rate, mlp._optimizer.learning_rate)


def use_conventions(mlp: Any, scale: float) -> None:
    """Tell the network what an estimator computes otherwise."""
    conventions = conventions_of(mlp, scale)
    if mlp.network_._conventions != conventions:  # what is prepared for a step stays valid if they are the same
        mlp.network_._conventions = conventions


def _batch_size(mlp: Any, rows: int) -> int:
    if isinstance(mlp.batch_size, str):
        return min(200, rows)
    if mlp.batch_size > rows:
        warn_user("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped")
    return int(np.clip(mlp.batch_size, 1, rows))


def _held_out(
    mlp: Any, X: Any, y: Array, weights: Array | None, rng: Any
) -> tuple[Any, Array, Array | None, Validation]:  # fmt: skip
    """Return the rows to train on, and those held out: the very rows that scikit-learn draws."""
    strata = y.reshape(-1, 1) if is_classifier(mlp) and mlp.n_outputs_ == 1 else None
    kept, held_out = train_test_split(
        np.arange(X.shape[0]), random_state=rng, test_size=mlp.validation_fraction, stratify=strata
    )
    if len(held_out) < 2:
        raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
    of_rows = (None, None) if weights is None else (weights[kept], weights[held_out])
    return X[kept], y[kept], of_rows[0], (X[held_out], y[held_out], of_rows[1])


def _data(
    mlp: Any, X: Any, y: Array, weights: Array | None, batch_size: int
) -> tuple[tuple[Any, ...], dict[str, Any]]:  # fmt: skip
    """Return what `Network.fit` trains on: arrays, or of a large sparse matrix a batch at a time."""
    targets = mlp._targets(y)
    if not sparse_rows.is_large(X):
        return (X, targets), {"sample_weight": weights, "batch_size": batch_size}
    draw = mlp.network_._epoch_order or (lambda rows: np.arange(rows))
    return (_batches(X, targets, weights, batch_size, draw),), {"batch_size": None}


def _batches(
    X: Any, y: Array, weights: Array | None, batch_size: int, draw: Callable[[int], Array]
) -> Callable[[], Iterator[tuple[Array, ...]]]:  # fmt: skip
    def read() -> Iterator[tuple[Array, ...]]:
        order = draw(X.shape[0])
        for start in range(0, X.shape[0], batch_size):
            rows = order[start : start + batch_size]
            batch = (sparse_rows.dense(X, rows), y[rows])
            yield batch if weights is None else (*batch, weights[rows])

    return read


def _scorer(mlp: Any, X: Any, y: Array, weights: Array | None) -> Callable[[], float]:
    """Return what scores the network on validation data."""

    def score() -> float:
        outputs = mlp._predicted(X)
        return float(mlp._score_of(outputs, y, weights)) if np.isfinite(outputs).all() else float("nan")

    return score


def _note_divergence(mlp: Any, error: DivergenceError) -> None:
    """Go on with the best parameters, of an epoch before."""
    mlp.n_iter_ += 1
    mlp.validation_scores_.append(float("nan"))
    mlp.loss_ = float("nan")
    mlp.loss_curve_.append(mlp.loss_)
    warn_user(
        f"Stochastic Optimizer: {error} The weights are those with the best validation score.", ConvergenceWarning
    )
