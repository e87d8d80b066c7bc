"""`MLPRegressor`: scikit-learn's, trained in hotloop's loops."""

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from hotloop.kernels.jit import Array
from hotloop.network.estimators.mlp_base import FLOATS, BaseMLP
from hotloop.network.estimators.mlp_network import regressor_loss
from hotloop.network.losses import Loss, Quantile, loss_of


class MLPRegressor(RegressorMixin, BaseMLP):
    """A network that predicts numbers, with the parameters, attributes and methods of scikit-learn's own."""

    def __init__(
        self,
        loss: str | Loss = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: Any = 0.0,
        n_threads: int | str = "auto",
        max_seconds: float | None = None,
        callbacks: Any = None,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.dropout = dropout
        self.n_threads = n_threads
        self.max_seconds = max_seconds
        self.callbacks = callbacks

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation_data: Any = None) -> "MLPRegressor":
        """Train from new weights, or with `warm_start` from those there are."""
        self._fit(X, y, sample_weight, validation_data)
        return self

    @available_if(lambda self: self._check_solver())
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MLPRegressor":
        """Train for one epoch over the data given."""
        self._partial_fit(X, y, sample_weight, sample_weight is None)
        return self

    # What is asked of an estimator by `BaseMLP`.

    def _loss_and_output(self) -> tuple[str | Loss, str | None]:
        return regressor_loss(self.loss), None

    def _validated(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        X, y = validate_data(
            self, X, y, accept_sparse=["csr", "csc"], multi_output=True, y_numeric=True, dtype=FLOATS, reset=reset
        )
        return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _encoded(self, y: Array) -> Array:
        return y

    def _n_outputs(self, y: Array) -> int:
        loss = loss_of(regressor_loss(self.loss))
        levels = len(loss.parameters) if isinstance(loss, Quantile) else 1
        return levels * (1 if y.ndim == 1 else int(y.shape[1]))

    def _targets(self, y: Array) -> Array:
        return y.astype(self.network_.dtype, copy=False)

    def _quick_targets(self, y: Array) -> Array | None:
        """Return targets as the network takes them; None if they need a look."""
        return self._targets(y) if y.dtype.kind in "fiu" and self.n_outputs_ == 1 else None

    def _weighted_by_class(self, y: Any, weights: Array | None) -> Array | None:
        return weights

    def _score_of(self, outputs: Array, y: Array, weights: Array | None) -> float:
        """Return the R^2 of outputs."""
        return float(r2_score(y, self._of_median(outputs), sample_weight=weights))

    def _of_median(self, outputs: Array) -> Array:
        """Return of several quantiles those nearest the median."""
        loss = loss_of(self.network_.loss)
        if not isinstance(loss, Quantile) or len(loss.parameters) == 1:
            return outputs
        levels = np.asarray(loss.parameters)
        found: Array = outputs.reshape(len(outputs), -1, len(levels))[:, :, np.abs(levels - 0.5).argmin()]
        return found

    # Prediction.

    def predict(self, X: Any) -> Array:
        """Return the predicted values, (N,), or (N, outputs) of several."""
        outputs = self._outputs(X)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the R^2; of several quantiles that of those nearest the median."""
        return float(r2_score(y, self._of_median(self._outputs(X)), sample_weight=sample_weight))
