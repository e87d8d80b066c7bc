"""What both tabular estimators share: from a table and targets to networks, and from a table to predictions."""

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted

from hotloop.kernels.jit import Array
from hotloop.network.estimators import tabular_file
from hotloop.network.estimators.callback_support import CallbackSupportMixin, Tasks
from hotloop.network.estimators.fitted_html import tabular_html
from hotloop.network.estimators.tabular_importances import Importance, importances
from hotloop.network.estimators.tabular_network import Rows
from hotloop.network.estimators.tabular_recipe import CLASSES, VALUES, Recipe
from hotloop.network.estimators.tabular_targets import check_lengths, weights_of
from hotloop.network.estimators.tabular_tasks import TellsEpochs, tell_network
from hotloop.network.estimators.tabular_training import Ensemble
from hotloop.network.estimators.user_warnings import warn_user
from hotloop.network.network import Network
from hotloop.network.tables.preparation import Preparation
from hotloop.network.tables.table import Table, table_of
from hotloop.network.training.callbacks import Callback
from hotloop.network.training.csv_logger import CSVLogger
from hotloop.network.training.history import DIVERGED, INTERRUPTED, History
from hotloop.network.training.model_checkpoint import ModelCheckpoint
from hotloop.network.training.tensor_board import TensorBoard
from hotloop.network.validation import arguments
from hotloop.network.validation.printable import shown
from hotloop.network.validation.suggestions import explains_keywords


class TabularEstimator(CallbackSupportMixin, BaseEstimator, ABC):
    """The part of `TabularClassifier` and `TabularRegressor` that does not depend on what is predicted."""

    _classifies: ClassVar[bool]
    _parameter_constraints: ClassVar[dict[str, Any]] = {}  # `fit` checks them, with more to say
    preset: Any
    n_ensemble: Any
    max_epochs: Any
    time_limit: Any
    categorical: Any
    random_state: Any
    n_threads: Any
    verbose: Any
    callbacks: Any
    networks_: tuple[Network, ...]
    preparation_: Preparation
    history_: tuple[History, ...]
    recipe_: Recipe
    n_features_in_: int
    feature_names_in_: Array
    _reading: tuple[str, ...]

    def _html_repr(self) -> str:
        """Return scikit-learn's page for notebooks, and once it is fitted what hotloop knows of it."""
        page: str = super()._html_repr()
        return page + tabular_html(self) if "networks_" in self.__dict__ else page

    def __sklearn_tags__(self) -> Any:
        """Say what it can do: missing values, categories and texts."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    # What is predicted decides on these. A reading is the fitted attributes that say how targets are read.

    @abstractmethod
    def _read_targets(self, y: Any) -> tuple[Array, dict[str, Any]]:
        """Return targets as networks are trained on them, and their reading."""

    @abstractmethod
    def _more_targets(self, y: Any, reading: Mapping[str, Any]) -> Array:
        """Return the targets of other rows, read in the same way."""

    @abstractmethod
    def _n_outputs(self, reading: Mapping[str, Any]) -> int:
        """Return how many outputs the networks have."""

    @abstractmethod
    def _predicted(self, inputs: Array) -> Array:
        """Return the predictions for prepared inputs."""

    @abstractmethod
    def _score_of(self, y: Any, sample_weight: Any) -> Callable[[Array], float]:
        """Return the score of predictions as a function of them."""

    def _check_enough(self, targets: Array) -> None:
        """Raise an error if there are too few rows."""
        if len(targets) < 2:
            raise ValueError(f"{type(self).__name__} needs two rows or more to train on, got n_samples=1")

    def _weights(self, y: Any, sample_weight: Any, n_rows: int) -> Array | None:
        """Return the weights of rows, if they have any; not all of them are zero."""
        return None if sample_weight is None else weights_of(sample_weight, n_rows)

    @explains_keywords(kind="tabular fit")
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, *, sample_weight: Any = None, eval_set: Any = None) -> Self:
        """Prepare the table and train the networks.

        Parameters
        ----------
        X : data frame, mapping of columns or array-like (N, columns)
            A frame of pandas, polars or Arrow, or anything else that narwhals reads. Its columns may hold numbers,
            texts, categories, booleans, dates and missing values.
        y : array-like (N,)
            The targets. `TabularRegressor` also takes (N, outputs).
        sample_weight : array-like (N,), optional
            At least 0. Rows of weight 0 are left out.
        eval_set : (X, y) or (X, y, sample_weight), optional
            What the epoch is chosen by, instead of a part of the rows.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            Of arguments that do not suit; the estimator then stays as it was.

        Warns
        -----
        ConvergenceWarning
            If Ctrl-C ended the training, or the loss of a network diverged after its best epoch.
        """
        recipe = Recipe.of(self.preset, CLASSES if self._classifies else VALUES)
        most_epochs = self.max_epochs
        if most_epochs is not None:
            most_epochs = arguments.whole_number("max_epochs", most_epochs, 1, arguments.LARGEST)
        count = recipe.n_ensemble
        if self.n_ensemble is not None:
            count = arguments.whole_number("n_ensemble", self.n_ensemble, 1)
        n_threads, progress = arguments.threads(self.n_threads), bool(self.verbose)
        seconds = self.time_limit
        if seconds is not None:
            seconds = arguments.real_number("time_limit", seconds, open=True)
        callbacks = self._callbacks_of(count)
        table = self._table(X)
        if y is None:
            raise ValueError(f"This {type(self).__name__} requires y to be passed, but the target y is None")
        targets, reading = self._read_targets(y)
        check_lengths(table, targets)
        weights = self._weights(y, sample_weight, len(targets))
        if weights is not None and not weights.all():
            kept = np.flatnonzero(weights)
            table, targets, weights = table.take(kept), targets[kept], weights[kept]
        self._check_enough(targets)
        preparation = Preparation.fit(table, self.categorical, numeric_bins=recipe.bins_of(len(table.columns)))
        rows = Rows(preparation.transform(table), targets, weights)
        validation = None if eval_set is None else self._validation(eval_set, preparation, reading)
        held_out = recipe.validation_fraction if validation is None else 0.0
        recipe = recipe.for_rows(math.ceil(len(targets) * (1 - held_out)), most_epochs)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        ensemble = Ensemble(recipe, self._n_outputs(reading), self._classifies, seed, n_threads)
        names = _names_of(X, table)

        def fitted(networks: Sequence[Network]) -> dict[str, Any]:
            return self._fitted(reading, preparation, recipe, networks, names)

        tasks = Tasks(self, recipe.epochs if count == 1 else count, X, y, sample_weight)
        after_network = None
        if tasks.told and count == 1:
            callbacks.append(TellsEpochs(tasks, lambda net: fitted([net])))
        elif tasks.told:
            after_network = partial(tell_network, tasks, fitted)
        trained = ensemble.train(count, rows, validation, seconds, progress, callbacks, after_network)
        self._set_fitted(fitted([one.network for one in trained]))
        self.history_ = tuple(one.history for one in trained)
        tasks.close(partial(fitted, self.networks_))
        for reason, what in ((INTERRUPTED, "was interrupted"), (DIVERGED, "diverged after its best epoch")):
            found = [str(number) for number, history in enumerate(self.history_) if history.stop_reason == reason]
            if found:
                networks = f"network{'s' * (len(found) > 1)} {', '.join(found)}"
                warn_user(f"the training of {networks} {what}", ConvergenceWarning)
        return self

    @staticmethod
    def _fitted(
        reading: Mapping[str, Any], preparation: Preparation, recipe: Recipe, networks: Sequence[Network],
        names: Sequence[str] | None,
    ) -> dict[str, Any]:  # fmt: skip
        """Return the attributes of an estimator that predicts."""
        named = {} if names is None else {"feature_names_in_": np.array(names, dtype=object)}
        return dict(reading) | named | {
            "_reading": tuple(reading), "preparation_": preparation, "recipe_": recipe, "networks_": tuple(networks),
            "n_features_in_": len(preparation.columns),
        }  # fmt: skip

    def _callbacks_of(self, count: int) -> list[Callback]:
        """Return the user's callbacks for so many networks, or raise an error about what they are."""
        callbacks = () if self.callbacks is None else self.callbacks
        if isinstance(callbacks, Callback) or not isinstance(callbacks, Sequence):
            raise TypeError(f"callbacks must be a sequence of hotloop.Callback, got {shown(callbacks)}")
        for index, callback in enumerate(callbacks):
            if not isinstance(callback, Callback):
                raise TypeError(f"callbacks[{index}] must be a hotloop.Callback, got {shown(callback)}")
        for callback in callbacks if count > 1 else ():
            if isinstance(callback, (CSVLogger, ModelCheckpoint, TensorBoard)):
                name = type(callback).__name__
                raise ValueError(f"{name} writes in one place, and there are {count} networks: n_ensemble=1 trains one")
        return list(callbacks)

    def _set_fitted(self, attributes: Mapping[str, Any]) -> None:
        """Take what a fit, or a file, gives."""
        if hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        for name, value in attributes.items():
            setattr(self, name, value)

    def _validation(self, eval_set: Any, preparation: Preparation, reading: Mapping[str, Any]) -> Rows:
        """Return the rows that were given to choose the epoch by."""
        if isinstance(eval_set, list) and len(eval_set) == 1:  # as LightGBM and XGBoost have it
            eval_set = eval_set[0]
        if isinstance(eval_set, list) and len(eval_set) > 1 and all(isinstance(each, tuple) for each in eval_set):
            raise ValueError(f"eval_set has {len(eval_set)} sets: the epoch is chosen by one, eval_set=(X, y)")
        if not isinstance(eval_set, (tuple, list)) or len(eval_set) not in (2, 3):
            raise TypeError(f"eval_set must be a pair (X, y), or (X, y, sample_weight), got {shown(eval_set)}")
        X, y, *weight = eval_set
        table = self._table(X, preparation.needed)
        inputs, targets = self._inputs(table, preparation), self._more_targets(y, reading)
        check_lengths(inputs, targets, "eval_set: X and y")
        return Rows(inputs, targets, self._weights(y, weight[0] if weight else None, len(targets)))

    def _table(self, X: Any, only: Collection[str] | None = None) -> Table:
        """Return the table that a user gave, of one row and one column at least; `only` is that of `table_of`."""
        plain = isinstance(X, np.ndarray) and X.dtype.kind in "biufcO" and not isinstance(X, np.ma.MaskedArray)
        if plain or hasattr(X, "toarray"):
            X = check_array(X, dtype=None, ensure_all_finite="allow-nan", estimator=self, input_name="X")
        table = table_of(X, only)
        if only is not None and table.names is not None and not table.columns:
            return table  # which lacks all that is needed, as its preparation says
        for size, what in ((len(table.columns), "feature"), (len(table), "sample")):
            if size == 0:
                raise ValueError(f"Found a table with 0 {what}(s), while a minimum of 1 is required")
        return table

    def _inputs(self, table: Table, preparation: Preparation) -> Array:
        """Return a table as inputs of the networks: its columns by name, or in their order where there are no names."""
        found, wanted = len(table.columns), len(preparation.columns)
        if (table.names is None or preparation.names is None) and found != wanted:
            raise ValueError(
                f"X has {found} features, but {type(self).__name__} is expecting {wanted} features as input"
            )
        inputs: Array = preparation.transform(table)
        return inputs

    def _prepared(self, X: Any) -> Array:
        """Return what is predicted for, as inputs of the networks."""
        check_is_fitted(self, "networks_")
        table = self._table(X, self.preparation_.needed)
        inputs = self._inputs(table, self.preparation_)
        if table.names is None and hasattr(self, "feature_names_in_"):
            name = type(self).__name__
            warn_user(f"X does not have valid feature names, but {name} was fitted with feature names")
        return inputs

    def _averaged(self, inputs: Array) -> Array:
        """Return the mean of the networks' outputs, in float64: (N, outputs)."""
        total = np.zeros((len(inputs), self.networks_[0].sizes[-1]))
        for net in self.networks_:
            total += net.predict(inputs, n_threads=self.n_threads)
        return total / len(self.networks_)

    @property
    def columns_(self) -> tuple[Any, ...]:
        """What each column was taken for: a record with its name, kind, treatment, missing values and inputs."""
        check_is_fitted(self, "networks_")
        return tuple(self.preparation_.columns)

    def predict(self, X: Any) -> Array:
        """Return the predictions for the rows of a table.

        Columns are found by their names, if the table of the fit had names: their order does not matter, and columns
        that were not there are ignored. A category that was not there counts as missing; so does a missing value of a
        column that had none.

        Parameters
        ----------
        X : data frame, mapping of columns or array-like (N, columns)

        Returns
        -------
        array (N,) or (N, outputs)
            The classes, or the values.
        """
        return self._predicted(self._prepared(X))

    def feature_importances(
        self, X: Any, y: Any, *, n_repeats: int = 5, sample_weight: Any = None, random_state: Any = None
    ) -> dict[str, Importance]:
        """Return by how much the score falls if a column's values are shuffled among the rows.

        The score is that of `score`: accuracy, or R^2. Give rows that were not trained on. Source: Breiman (2001),
        Random forests, section 10. scikit-learn's `permutation_importance` gives the same kind of numbers, and prepares
        the table anew for each.

        Parameters
        ----------
        X, y, sample_weight
            As in `score`.
        n_repeats : int, default 5
            How often each column is shuffled.
        random_state : int, RandomState instance or None

        Returns
        -------
        dict of str to Importance
            By the names of the columns, the most important first: mean and standard deviation over the repeats.
        """
        n_repeats = arguments.whole_number("n_repeats", n_repeats, 1)
        inputs, score = self._prepared(X), self._score_of(y, sample_weight)
        return importances(
            inputs, self.columns_, lambda shuffled: score(self._predicted(shuffled)), n_repeats,
            check_random_state(random_state),
        )  # fmt: skip

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to one safetensors file: parameters, preparation, classes and all networks.

        The file takes the place of `path` once it is whole. It has no code and no history; callbacks and a
        `random_state` that is not a number are left out.

        Raises
        ------
        OSError
            If the file cannot be written; an old one is then still there.
        TypeError
            If the classes are of a type that a file cannot hold, or an activation is your own: pickle then can.
        """
        check_is_fitted(self, "networks_")
        tabular_file.write(path, self)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read an estimator that `save` wrote. Its predictions are the same to the bit.

        Parameters
        ----------
        path : path

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        OSError
            If there is no such file, or it cannot be read.
        ValueError
            If it is another file, is damaged, or was written by a later version.
        """
        estimator: Self = tabular_file.read(path, cls)
        return estimator


def _names_of(X: Any, table: Table) -> Sequence[str] | None:
    """Return the names of the columns, if they are texts; pandas numbers them if they have none."""
    if table.names is None or (hasattr(X, "iloc") and not all(isinstance(name, str) for name in X.columns)):
        return None
    return table.names
