"""What both estimators share: parameters, the network, `coefs_` and `intercepts_`, fit and partial_fit."""

import copy
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from hotloop.kernels.jit import Array
from hotloop.network.activations import HIDDEN_ACTIVATIONS, Activation
from hotloop.network.estimators import sparse_rows
from hotloop.network.estimators.callback_support import CallbackSupportMixin, Tasks
from hotloop.network.estimators.fitted_html import mlp_html
from hotloop.network.estimators.mlp_lbfgs import fit_lbfgs
from hotloop.network.estimators.mlp_network import OUTPUTS, hidden_sizes, initial_layers, new_network
from hotloop.network.estimators.mlp_step import Remembered, remembered
from hotloop.network.estimators.mlp_stochastic import RECORD, Validation, begin_record, fit_stochastic
from hotloop.network.training.validation_split import validation_pair

STOCHASTIC = ("sgd", "adam")
FLOATS = (np.float64, np.float32)
OF_NETWORK = ("_coefs", "_intercepts", "_views", "_step", "_stepped")  # made again from the network


def names_of(table: Any) -> set[str]:
    """Return the names of the rows of a table, and their other names."""
    return {name for row in table.values() for name in (row.name, *row.aliases)}


class BaseMLP(CallbackSupportMixin, BaseEstimator):
    """What `MLPClassifier` and `MLPRegressor` share."""

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012 - scikit-learn's name, and its habit
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(names_of(HIDDEN_ACTIVATIONS)), Activation, list, tuple],
        "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
        "n_threads": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_seconds": [Interval(Real, 0, None, closed="neither"), None],
        "callbacks": [list, tuple, None],
    }

    # What a network has, as scikit-learn shows it.

    @property
    def coefs_(self) -> list[Any]:
        """Weights of each layer, (fan_in, fan_out): views of the network's. An array put in their place counts."""
        return self._layers()[0]

    @coefs_.setter
    def coefs_(self, value: Sequence[Any]) -> None:
        self._coefs = list(value)

    @property
    def intercepts_(self) -> list[Any]:
        """Biases of each layer, (fan_out,): views of the network's. An array put in their place counts."""
        return self._layers()[1]

    @intercepts_.setter
    def intercepts_(self, value: Sequence[Any]) -> None:
        self._intercepts = list(value)

    def _layers(self) -> tuple[list[Any], list[Any]]:
        mine = self.__dict__
        if "network_" in mine:
            if "_views" not in mine:
                self._views = self.network_.weights, self.network_.biases
            for name, views in zip(OF_NETWORK, self._views, strict=False):
                if name not in mine:
                    mine[name] = list(views)
        elif "_coefs" not in mine or "_intercepts" not in mine:
            raise AttributeError(f"this {type(self).__name__} is not fitted yet: it has no weights")
        return self._coefs, self._intercepts

    def _adopt(self) -> None:
        """Copy what was put into `coefs_` and `intercepts_` into the network."""
        mine = self.__dict__
        if "_coefs" not in mine and "_intercepts" not in mine:
            return
        if "network_" not in mine:
            self._network_of_layers()
        lists = self._layers()
        for values, views in zip(lists, self._views, strict=True):
            if len(values) != len(views):
                raise ValueError(f"coefs_ and intercepts_ need an array for each of {len(views)} layers")
            for layer, (value, view) in enumerate(zip(values, views, strict=True)):
                if value is not view:
                    view[...] = value
                    values[layer] = view

    def _network_of_layers(self) -> None:
        """Make the network of weights that were set by hand."""
        sizes = [np.shape(self._coefs[0])[0], *(np.shape(weights)[1] for weights in self._coefs)]
        dtype = np.result_type(*(np.asarray(weights).dtype for weights in self._coefs))
        self._make_network(sizes, np.float32 if dtype == np.float32 else np.float64, self._layers())

    def _make_network(self, sizes: list[int], dtype: Any, layers: tuple[list[Any], list[Any]]) -> None:
        loss, output = self._loss_and_output()
        network = new_network(sizes, self.activation, output, loss, self.dropout, dtype, layers, self._seed())
        self.network_, self._views = network, (network.weights, network.biases)
        self.n_layers_ = len(sizes)
        name = str(getattr(network.activations[-1], "name", network.activations[-1]))
        self.out_activation_ = OUTPUTS.get(name, name)

    def _seed(self) -> int | None:
        """Return the network's seed, of dropout: drawn only if it is needed, as scikit-learn's draws are to be its."""
        if isinstance(self.random_state, (int, np.integer)):
            return abs(int(self.random_state))
        return int(self._random_state.randint(2**31)) if np.any(self.dropout) else None

    # Training.

    def _fit(
        self, X: Any, y: Any, sample_weight: Any = None, validation_data: Any = None, incremental: bool = False
    ) -> Any:  # fmt: skip
        hidden = hidden_sizes(self.hidden_layer_sizes)
        first = not self.__sklearn_is_fitted__() or not (self.warm_start or incremental)
        self._check_options(validation_data)
        X, y = self._validated(X, y, incremental, reset=first)
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        weights = self._weighted_by_class(y, weights)
        X, labels, y = sparse_rows.dense_if_small(X), y, self._encoded(y)
        validation = None if validation_data is None else self._validation(validation_data)
        self._random_state = check_random_state(self.random_state)
        self.n_outputs_ = self._n_outputs(y)
        if first:
            self._initialize([X.shape[1], *hidden, self.n_outputs_], X.dtype)
        self._adopt()
        tasks = None if incremental else Tasks(self, self.max_iter, X, labels, sample_weight)
        if self.solver in STOCHASTIC or tasks is None:
            fit_stochastic(self, X, y, weights, validation, tasks)
        else:
            fit_lbfgs(self, X, y, weights, tasks)
        if tasks is not None:
            tasks.close(self._fitted)
        return self

    def _fitted(self) -> dict[str, Any]:
        """Return what a copy needs that is ready to predict, whatever training goes on to do."""
        return {"network_": copy.copy(self.network_)}

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, quick: bool) -> Any:
        """Train for one epoch; `quick` says that the call had no more than X and y."""
        step: Remembered | None = self.__dict__.get("_step")
        if quick and step is not None and step.step(self, X, y):
            return self
        self._step = None
        if "network_" not in self.__dict__:
            self._validate_params()
        self._fit(X, y, sample_weight, incremental=True)
        self._step = remembered(self) if sample_weight is None else None
        return self

    def _check_options(self, validation_data: Any) -> None:
        """Raise an error about what L-BFGS does not have."""
        if self.solver == "lbfgs":
            given = {"dropout": np.any(self.dropout), "callbacks": self.callbacks, "validation_data": validation_data}
            for name, value in given.items():
                if value:
                    raise ValueError(f"{name} is for the solvers 'adam' and 'sgd'; the solver is 'lbfgs'")

    def _initialize(self, sizes: list[int], dtype: Any) -> None:
        """Make a new network, and set all attributes as they are before the first epoch."""
        for name in ("_optimizer", "_best_parameters", *RECORD, *OF_NETWORK):
            self.__dict__.pop(name, None)
        self.n_iter_ = self.t_ = 0
        layers = initial_layers(sizes, self.activation, dtype, self._random_state)
        self._make_network(sizes, dtype, layers)
        if self.solver in STOCHASTIC:
            begin_record(self)

    def _validation(self, validation_data: Any) -> Validation:
        """Return the user's validation data, checked."""
        X, y, *rest = validation_pair(validation_data)
        X, y = self._validated(X, y, True, reset=False)
        weights = _check_sample_weight(rest[0], X) if rest and rest[0] is not None else None
        return sparse_rows.dense_if_small(X), self._encoded(y), weights

    def _check_solver(self) -> bool:
        """Raise an AttributeError for the solver without `partial_fit`."""
        if self.solver not in STOCHASTIC:
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    # Prediction.

    def _outputs(self, X: Any) -> Array:
        """Return the network's outputs for X, which is checked."""
        if "network_" not in self.__dict__:
            check_is_fitted(self)
            self._random_state = check_random_state(self.random_state)
        self._adopt()
        network = self.network_
        if type(X) is np.ndarray and X.dtype == network.dtype and "feature_names_in_" not in self.__dict__:
            try:
                found: Array = network.predict(X, n_threads=self.n_threads)
                return found
            except (TypeError, ValueError):  # scikit-learn says what is wrong with it
                pass
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=FLOATS, reset=False)
        return self._predicted(sparse_rows.dense_if_small(X))

    def _predicted(self, X: Any) -> Array:
        """Return the network's outputs for rows that were checked."""
        if not sparse_rows.is_large(X):
            found: Array = self.network_.predict(X, n_threads=self.n_threads)
            return found
        return np.concatenate([self.network_.predict(rows) for _, rows in sparse_rows.blocks(X)])

    # What an estimator is.

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether there are weights, also if they were set by hand."""
        return "network_" in self.__dict__ or {"_coefs", "_intercepts"} <= self.__dict__.keys()

    def _html_repr(self) -> str:
        """Return scikit-learn's page for notebooks, and the network if there is one."""
        page: str = super()._html_repr()
        return page + mlp_html(self) if "network_" in self.__dict__ else page

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes; the network has the weights."""
        if "network_" in self.__dict__:
            self._adopt()
        state: dict[str, Any] = super().__getstate__()
        left_out = OF_NETWORK if "network_" in state else ()
        return {name: value for name, value in state.items() if name not in left_out}

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn must know."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
