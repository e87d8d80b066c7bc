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
from hotloop.network.estimators.mlp_base import FLOATS, BaseMLP
from hotloop.network.estimators.mlp_network import classifier_loss
from hotloop.network.losses import Loss

MULTILABEL = "multilabel-indicator"


class MLPClassifier(ClassifierMixin, BaseMLP):
    """A network that tells classes apart, with the parameters, attributes and methods of scikit-learn's own."""

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012
        **BaseMLP._parameter_constraints,
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }

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
        """Train from new weights, or with `warm_start` from those there are."""
        self._fit(X, y, sample_weight, validation_data)
        return self

    @available_if(lambda self: self._check_solver())
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> "MLPClassifier":
        """Train for one epoch over the data given."""
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
        """Return the class of each row, (N,); of several labels a matrix (N, labels) of 0 and 1."""
        outputs = self._outputs(X)
        if self._kind == MULTILABEL:
            labels = (outputs > 0.5).astype(int)
            return sparse.csr_matrix(labels) if self._sparse_target else labels
        numbers = outputs.argmax(1) if self._kind == "multiclass" else (outputs[:, 0] > 0.5).astype(np.intp)
        return self.classes_[np.minimum(numbers, len(self.classes_) - 1)]

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, (N, classes), in the order of `classes_`."""
        outputs = self._outputs(X)
        if self._kind != "binary":
            return outputs
        return np.column_stack([1 - outputs[:, 0], outputs[:, 0]])

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of `predict_proba`."""
        probabilities = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            return np.log(probabilities, out=probabilities)

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn must know."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
