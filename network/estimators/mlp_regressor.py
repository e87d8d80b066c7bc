"""`MLPRegressor`: scikit-learn's, trained in hotloop's loops."""

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from hotloop.kernels.jit import Array
from hotloop.network.estimators.mlp_base import FLOATS, BaseMLP, names_of
from hotloop.network.estimators.mlp_network import regressor_loss
from hotloop.network.losses import LOSSES, Loss, Quantile, loss_of
from hotloop.network.validation.suggestions import explains_keywords


class MLPRegressor(RegressorMixin, BaseMLP):
    """scikit-learn's multi-layer perceptron for values, trained in hotloop's loops.

    Parameters, attributes and methods are those of `sklearn.neural_network.MLPRegressor`, and so are its results to
    rounding, for the same integer `random_state`; docs/scikit-learn.md has the differences. Parameters and arithmetic
    have the dtype of X, float32 or float64. X may be sparse; y may have several columns.

    Parameters
    ----------
    loss : str or Loss, default "squared_error"
        Half the squared error; "poisson", half the deviance of counts, whose predictions are e^z; or another loss of
        `hotloop.Network`, such as "mae" or ``hotloop.losses.Quantile([0.1, 0.5, 0.9])``, which predicts three columns.
    hidden_layer_sizes : int or sequence of int, default (100,)
        Units of each hidden layer.
    activation : str, Activation, or a sequence of them, default "relu"
        Of the hidden layers, one for all or one for each: "identity", "logistic", "tanh", "relu", and all others of
        `hotloop.Network`.
    solver : {"adam", "sgd", "lbfgs"}
        The last is scipy's L-BFGS-B over all rows at once.
    alpha : float, default 1e-4
        Of the penalty alpha |W|^2 / 2, divided by the weight of the batch: of rows that have no weights, their number.
    batch_size : int or "auto"
        Rows in a step; "auto" is 200, or all if there are fewer.
    learning_rate : {"constant", "invscaling", "adaptive"}
        For "sgd": the initial one; it / (rows seen + 1)^power_t, after each epoch; or divided by 5 whenever training
        would otherwise stop, down to 1e-6.
    learning_rate_init, power_t : float, default 0.001 and 0.5
    max_iter : int, default 200
        Epochs; of "lbfgs" iterations.
    shuffle : bool, default True
    random_state : int, RandomState or None
        Of initial weights, held-out rows, orders of rows and dropout. The first three are scikit-learn's own.
    tol, n_iter_no_change : float and int, default 1e-4 and 10
        Training stops when the loss, or with `early_stopping` the score, has not been better by `tol` for more than
        this many epochs. "lbfgs" stops when no entry of the gradient is above `tol`.
    verbose : bool or int, default False
        Whether to print a line for each epoch.
    warm_start : bool, default False
        Whether `fit` goes on from the last weights, and from the moments of the optimizer.
    momentum, nesterovs_momentum : float and bool, default 0.9 and True
        For "sgd".
    early_stopping, validation_fraction : bool and float, default False and 0.1
        Whether to hold out this share of the rows, stop by the score on them, and return to the best weights.
    beta_1, beta_2, epsilon : float, default 0.9, 0.999 and 1e-8
        For "adam".
    max_fun : int, default 15000
        For "lbfgs": how often the loss may be computed.
    dropout : float or sequence of float, default 0
        Share of each hidden layer's units that a step drops.
    n_threads : int or "auto"
        As of `hotloop.Network.fit`: the result does not depend on it. "auto" is 1 in a worker of joblib.
    max_seconds : float, optional
        Training stops after so much time.
    callbacks : sequence of hotloop.Callback, optional
        Told of each epoch of `fit`. scikit-learn's own are set by `set_callbacks`.

    Attributes
    ----------
    loss_, best_loss_ : float
        The last epoch's, and the least of all; the second is None with `early_stopping`.
    loss_curve_ : list of float
        Of each epoch; not of "lbfgs".
    validation_scores_, best_validation_score_ : list of float and float, or None
        R^2 on the validation data, after each epoch.
    t_ : int
        Rows seen, over all epochs.
    coefs_, intercepts_ : list of array
        Weights (fan_in, fan_out) and biases (fan_out,) of each layer: views of the network's. An array that is put in
        the place of one counts.
    n_iter_ : int
        Epochs, or iterations, of the last fit.
    n_features_in_, n_layers_, n_outputs_ : int
    feature_names_in_ : array of str
        If X had names.
    out_activation_ : str
    network_ : hotloop.Network
        What predicts: it can be saved, profiled, plotted, trained on.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from hotloop.estimators import MLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> mlp = MLPRegressor(hidden_layer_sizes=2, solver="lbfgs", tol=20, random_state=0)
    >>> round(make_pipeline(StandardScaler(), mlp).fit(X, y).score(X, y), 2)
    0.53
    >>> mlp.predict(X[:3]).shape, mlp.score(X, y) < 0.5  # the pipeline scales X first
    ((3,), True)
    >>> MLPRegressor(random_state=0).partial_fit(X, y).n_iter_
    1
    """

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions({"squared_error", "poisson"} | names_of(LOSSES)), Loss],
    }

    @explains_keywords(kind="mlp")
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
        """Train from new weights, or with `warm_start` from those there are.

        Parameters
        ----------
        X : array-like or sparse matrix (N, inputs)
        y : array-like (N,) or (N, outputs)
        sample_weight : array-like (N,), optional
            At least 0. A batch's loss is the mean over its weights, an epoch's that over its rows.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Scored after each epoch. With `early_stopping` they take the place of the rows that it holds out.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an argument is not what it must be, or the weights became infinite or NaN.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` epochs were not enough.
        """
        self._fit(X, y, sample_weight, validation_data)
        return self

    @available_if(lambda self: self._check_solver())
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MLPRegressor":
        """Train for one epoch over the data given; not with the solver "lbfgs".

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        self
        """
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
        """Return the R^2 of outputs, a mean over their columns; `r2_score` would take as long as an epoch."""
        y, found = y.reshape(len(y), -1), self._of_median(outputs)
        each = np.ones((len(y), 1)) if weights is None else np.asarray(weights).reshape(-1, 1)
        squares = (each * (y - found) ** 2).sum(0)
        whole = (each * (y - np.average(y, axis=0, weights=weights)) ** 2).sum(0)
        constant = np.where(squares == 0, 1.0, 0.0)  # scikit-learn's choice where R^2 is not finite
        return float(np.where(whole == 0, constant, 1 - squares / np.where(whole == 0, 1, whole)).mean())

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
        """Return the predicted values for the rows of X, (N,), or (N, outputs) of several."""
        outputs = self._outputs(X)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the R^2 of the predictions for X beside y; of several quantiles that of those nearest the median.

        `sample_weight` (N,) weights the rows.
        """
        return float(r2_score(y, self._of_median(self._outputs(X)), sample_weight=sample_weight))
