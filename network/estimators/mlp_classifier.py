"""`MLPClassifier`: scikit-learn's, trained in hotloop's loops."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    check_classification_targets,
    type_of_target,
    unique_labels,
)
from sklearn.utils.validation import validate_data

from hotloop.kernels.jit import Array
from hotloop.network.estimators.mlp_base import FLOATS, BaseMLP, names_of
from hotloop.network.estimators.mlp_network import classifier_loss
from hotloop.network.losses import LOSSES, Loss
from hotloop.network.validation.suggestions import explains_keywords

MULTILABEL = "multilabel-indicator"


class MLPClassifier(ClassifierMixin, BaseMLP):
    """scikit-learn's multi-layer perceptron for classes, trained in hotloop's loops.

    Parameters, attributes and methods are those of `sklearn.neural_network.MLPClassifier`, and so are its results to
    rounding, for the same integer `random_state`; docs/scikit-learn.md has the differences. Parameters and arithmetic
    have the dtype of X, float32 or float64. X may be sparse; y may have several labels a row.

    Parameters
    ----------
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
    loss : str or Loss, default "log_loss"
        Or another loss of `hotloop.Network`, of probabilities and targets of 0 and 1.
    class_weight : dict, "balanced" or None
        What the rows of each class weigh, times `sample_weight`; as in other classifiers of scikit-learn.
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
    classes_ : array
    loss_, best_loss_ : float
        The last epoch's, and the least of all; the second is None with `early_stopping`.
    loss_curve_ : list of float
        Of each epoch; not of "lbfgs".
    validation_scores_, best_validation_score_ : list of float and float, or None
        Accuracy on the validation data, after each epoch.
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
    >>> from sklearn.datasets import load_iris
    >>> from hotloop.estimators import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> mlp = MLPClassifier(hidden_layer_sizes=3, solver="lbfgs", alpha=1, tol=0.01, random_state=0)
    >>> round(mlp.fit(X, y).score(X, y), 2)
    0.99
    >>> mlp.predict(X[:3]), mlp.predict_proba(X[:3]).shape, mlp.predict_log_proba(X[:3]).shape
    (array([0, 0, 0]), (3, 3), (3, 3))
    >>> batches = MLPClassifier(random_state=0)
    >>> for first in range(0, 150, 50):
    ...     batches = batches.partial_fit(X[first : first + 50], y[first : first + 50], classes=[0, 1, 2])
    >>> batches.classes_
    array([0, 1, 2])
    """

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions({"log_loss"} | names_of(LOSSES)), Loss],
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }

    @explains_keywords(kind="mlp")
    def __init__(
        self,
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
        loss: str | Loss = "log_loss",
        class_weight: Any = None,
        dropout: Any = 0.0,
        n_threads: int | str = "auto",
        max_seconds: float | None = None,
        callbacks: Any = None,
    ) -> None:
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
        self.loss = loss
        self.class_weight = class_weight
        self.dropout = dropout
        self.n_threads = n_threads
        self.max_seconds = max_seconds
        self.callbacks = callbacks

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation_data: Any = None) -> "MLPClassifier":
        """Train from new weights, or with `warm_start` from those there are.

        Parameters
        ----------
        X : array-like or sparse matrix (N, inputs)
        y : array-like (N,), or (N, labels) of 0 and 1
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
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> "MLPClassifier":
        """Train for one epoch over the data given; not with the solver "lbfgs".

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        classes : array-like, optional
            All classes there will be: needed in the first call.

        Returns
        -------
        self
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight='balanced' is not supported for partial_fit, which sees a part of the data: pass "
                "class_weight=dict(zip(classes, compute_class_weight('balanced', classes=classes, y=y))), y of all data"
            )
        if (classes is not None or "classes_" not in self.__dict__) and _check_partial_fit_first_call(self, classes):
            self._kind = MULTILABEL if type_of_target(y).startswith("multilabel") else self._kind_of(self.classes_)
            self._sparse_target = sparse.issparse(y)
        self._partial_fit(X, y, sample_weight, sample_weight is None)
        return self

    # What is asked of an estimator by `BaseMLP`.

    @staticmethod
    def _kind_of(classes: Any) -> str:
        return "multiclass" if len(classes) > 2 else "binary"

    def _loss_and_output(self) -> tuple[str | Loss, str]:
        return classifier_loss(self.loss, self._kind)

    def _validated(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        X, y = validate_data(self, X, y, accept_sparse=["csr", "csc"], multi_output=True, dtype=FLOATS, reset=reset)
        if y.ndim == 2 and y.shape[1] == 1 and not sparse.issparse(y):
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            kind = type_of_target(y)
            if kind not in ("binary", "multiclass", MULTILABEL):
                check_classification_targets(y)
                raise ValueError("Multioutput target data is not supported with label binarization")
            self.classes_ = np.arange(y.shape[1]) if kind == MULTILABEL else np.unique(y)
            if self.classes_.dtype == object:
                self.classes_ = np.array(self.classes_.tolist())  # of str, as scikit-learn has them
            self._kind = MULTILABEL if kind == MULTILABEL else self._kind_of(self.classes_)
            self._sparse_target = sparse.issparse(y)
            return X, y
        classes = unique_labels(y)
        if self.warm_start:
            if set(classes) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                    f"Previously got {self.classes_}, `y` has {classes}"
                )
        elif len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
            )
        return X, y

    def _encoded(self, y: Any) -> Array:
        """Return class numbers (N,) of several classes, else (N, labels) of bool."""
        if self._kind == MULTILABEL:
            dense: Array = y.toarray() if sparse.issparse(y) else y
            return dense.astype(bool)
        numbers: Array = np.searchsorted(self.classes_, y)
        if self._kind == "multiclass":
            return numbers
        return numbers.astype(bool).reshape(-1, 1)

    def _n_outputs(self, y: Array) -> int:
        return len(self.classes_) if self._kind == "multiclass" else int(y.shape[1])

    def _targets(self, y: Array) -> Array:
        """Return encoded targets as the network takes them."""
        dtype = self.network_.dtype
        if self._kind != "multiclass":
            return y.astype(dtype)
        return y if self.network_.loss == "cross_entropy" else np.eye(self.n_outputs_, dtype=dtype)[y]

    def _quick_targets(self, y: Array) -> Array | None:
        """Return targets as the network takes them; None if they need a look."""
        classes = self.classes_
        if self._kind == MULTILABEL or y.dtype.kind != classes.dtype.kind:
            return None
        numbers = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
        if not (classes[numbers] == y).all():
            return None
        return self._targets(numbers if self._kind == "multiclass" else numbers.astype(bool).reshape(-1, 1))

    def _weighted_by_class(self, y: Any, weights: Array | None) -> Array | None:
        if self.class_weight is None:
            return weights
        by_class: Array = compute_sample_weight(self.class_weight, y)
        return by_class if weights is None else by_class * weights

    def _score_of(self, outputs: Array, y: Array, weights: Array | None) -> float:
        """Return the accuracy of outputs, y encoded."""
        right = outputs.argmax(1) == y if self._kind == "multiclass" else ((outputs > 0.5) == y).all(1)
        return float(np.average(right, weights=weights))

    # Prediction.

    def predict(self, X: Any) -> Any:
        """Return the class of each row of X, (N,); of several labels a matrix (N, labels) of 0 and 1."""
        outputs = self._outputs(X)
        if self._kind == MULTILABEL:
            labels = (outputs > 0.5).astype(int)
            return sparse.csr_matrix(labels) if self._sparse_target else labels
        numbers = outputs.argmax(1) if self._kind == "multiclass" else (outputs[:, 0] > 0.5).astype(np.intp)
        return self.classes_[np.minimum(numbers, len(self.classes_) - 1)]

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class for the rows of X, (N, classes), in the order of `classes_`."""
        outputs = self._outputs(X)
        if self._kind != "binary":
            return outputs
        return np.column_stack([1 - outputs[:, 0], outputs[:, 0]])

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of `predict_proba` of X."""
        probabilities = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            return np.log(probabilities, out=probabilities)

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn must know."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
