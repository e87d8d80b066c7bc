"""`TabularRegressor`."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from hotloop.kernels.jit import Array
from hotloop.network.estimators.tabular_base import TabularEstimator
from hotloop.network.estimators.tabular_recipe import Recipe
from hotloop.network.estimators.tabular_targets import values_of
from hotloop.network.validation.printable import counted
from hotloop.network.validation.suggestions import explains_keywords


class TabularRegressor(RegressorMixin, TabularEstimator):
    """Values from a table of mixed columns, by small networks with defaults that suit most tables.

    The targets are standardised for training. The recipe is RealMLP's, the simple version: see
    `hotloop.estimators.Recipe` for its numbers, and docs/tabular.md for the formulas. Source: Holzmüller, Grinsztajn
    and Steinwart (2024), Better by default.

    Parameters
    ----------
    preset : {"default", "fast", "best", "realmlp"} or Recipe, default "default"
        How the networks are made and trained.
    n_ensemble : int, optional
        How many networks are trained, with other random numbers and other rows held out: by default 4 for the preset
        "default", 8 for "best", else as many as the recipe has. Their values are averaged.
    max_epochs : int, optional
        At most so many, and the schedule with them.
    time_limit : float, optional
        Seconds of training, of all networks together. Each goes back to its best epoch so far; networks that have not
        been begun are left out. The result then depends on the machine.
    categorical : sequence of str or int, optional
        Columns of numbers that are categories, by name or place.
    random_state : int, RandomState instance or None, default None
    n_threads : int or "auto", default "auto"
        For all networks together; the result is the same to the bit. "auto" is all cores that this process may use, or
        one in a worker of joblib.
    verbose : bool, default False
        Whether to show one progress bar, if there is a terminal or a notebook.
    callbacks : sequence of Callback, optional
        For the fit of each network; with several networks, copies, none of which may write a file.

    Attributes
    ----------
    target_mean_, target_scale_, target_range_ : array
        Mean, standard deviation, and least and largest value of each target (outputs,), (outputs,), (2, outputs), of
        all rows that the fit was given.
    n_outputs_ : int
    networks_ : tuple of Network
    history_ : tuple of History
        Of each network's fit, with losses of standardised targets.
    preparation_ : Preparation
        From a table to the networks' inputs.
    columns_ : tuple
        What each column was taken for.
    recipe_ : Recipe
    n_features_in_ : int
    feature_names_in_ : array of str
        If the table's columns had names.

    Examples
    --------
    >>> from hotloop.estimators import Recipe, TabularRegressor
    >>> X = {"size": [1.0, 2.0, None, 8.0, 9.0, 7.0], "place": ["town", "town", "land", "land", None, "land"]}
    >>> small = Recipe(hidden_sizes=(8,), activation="mish", epochs=30, learning_rate=0.2)
    >>> model = TabularRegressor(preset=small, random_state=0).fit(X, [10, 11, 12, 30, 32, 31])
    >>> bool(model.predict({"place": ["land"], "size": [8.5]})[0] > 20)
    True
    >>> model.score(X, [10, 11, 12, 30, 32, 31]) > 0.5
    True
    >>> set(model.feature_importances(X, [10, 11, 12, 30, 32, 31], random_state=0)) == {"size", "place"}
    True
    >>> model.save("prices.safetensors")
    >>> again = TabularRegressor.load("prices.safetensors")
    >>> bool((again.predict(X) == model.predict(X)).all())
    True
    """

    _classifies = False
    target_mean_: Array
    target_scale_: Array
    target_range_: Array
    n_outputs_: int
    _one_column: bool

    @explains_keywords(kind="tabular")
    def __init__(
        self,
        *,
        preset: str | Recipe = "default",
        n_ensemble: int | None = None,
        max_epochs: int | None = None,
        time_limit: float | None = None,
        categorical: Any = None,
        random_state: Any = None,
        n_threads: int | str = "auto",
        verbose: bool = False,
        callbacks: Any = None,
    ) -> None:
        self.preset = preset
        self.n_ensemble = n_ensemble
        self.max_epochs = max_epochs
        self.time_limit = time_limit
        self.categorical = categorical
        self.random_state = random_state
        self.n_threads = n_threads
        self.verbose = verbose
        self.callbacks = callbacks

    def __sklearn_tags__(self) -> Any:
        """Say what it can do."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _read_targets(self, y: Any) -> tuple[Array, dict[str, Any]]:
        values = values_of(y)
        columns = values.reshape(len(values), -1)
        least, most = columns.min(axis=0), columns.max(axis=0)
        with np.errstate(over="ignore", invalid="ignore"):
            mean, scale = columns.mean(axis=0), columns.std(axis=0)
        varies = most > least
        if not (np.isfinite(mean).all() and np.isfinite(scale).all() and scale[varies].all()):
            raise ValueError("y has values whose squares are beyond float64: multiply or divide them by a constant")
        reading = {
            "target_mean_": mean,
            "target_scale_": np.where(varies, scale, 1.0),  # that of equal numbers is not quite 0
            "target_range_": np.array([least, most]),
            "n_outputs_": columns.shape[1],
            "_one_column": values.ndim == 1,
        }
        return self._more_targets(values, reading), reading

    def _more_targets(self, y: Any, reading: Mapping[str, Any]) -> Array:
        values = values_of(y)
        columns = values.reshape(len(values), -1)
        if columns.shape[1] != reading["n_outputs_"]:
            wanted = reading["n_outputs_"]
            raise ValueError(
                f"eval_set: y has {counted(columns.shape[1], 'column')}, that of the training rows has {wanted}"
            )
        standardised: Array = ((columns - reading["target_mean_"]) / reading["target_scale_"]).astype(np.float32)
        return standardised

    def _n_outputs(self, reading: Mapping[str, Any]) -> int:
        return int(reading["n_outputs_"])

    def _predicted(self, inputs: Array) -> Array:
        values = self._averaged(inputs) * self.target_scale_ + self.target_mean_
        if self.recipe_.clip:
            values = np.clip(values, *self.target_range_)
        predicted: Array = values[:, 0] if self._one_column else values
        return predicted

    def _score_of(self, y: Any, sample_weight: Any) -> Callable[[Array], float]:
        truth = values_of(y)
        return lambda predicted: float(r2_score(truth, predicted, sample_weight=sample_weight))
