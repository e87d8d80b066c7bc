"""`TabularClassifier`."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.class_weight import compute_sample_weight

from hotloop.kernels.jit import Array
from hotloop.network.estimators.tabular_base import TabularEstimator
from hotloop.network.estimators.tabular_recipe import Recipe
from hotloop.network.estimators.tabular_targets import classes_of, labels_of, numbers_of, weights_of
from hotloop.network.validation.printable import shown
from hotloop.network.validation.suggestions import explains_keywords


class TabularClassifier(ClassifierMixin, TabularEstimator):
    """Classes from a table of mixed columns, by small networks with defaults that suit most tables.

    The recipe is RealMLP's, the simple version: see `hotloop.estimators.Recipe` for its numbers, and docs/tabular.md
    for the formulas. Source: Holzmüller, Grinsztajn and Steinwart (2024), Better by default.

    Parameters
    ----------
    preset : {"default", "fast", "best", "realmlp"} or Recipe, default "default"
        How the networks are made and trained.
    n_ensemble : int, optional
        How many networks are trained, with other random numbers and other rows held out: by default 4 for the preset
        "default", 8 for "best", else as many as the recipe has. Their probabilities are averaged.
    max_epochs : int, optional
        At most so many, and the schedule with them.
    time_limit : float, optional
        Seconds of training, of all networks together. Each goes back to its best epoch so far; networks that have not
        been begun are left out. The result then depends on the machine.
    categorical : sequence of str or int, optional
        Columns of numbers that are categories, by name or place.
    class_weight : dict or "balanced", optional
        A weight for each class, times the sample's own, in training and in the choice of the epoch.
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
    classes_ : array (classes,)
        Sorted.
    networks_ : tuple of Network
    history_ : tuple of History
        Of each network's fit.
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
    >>> from hotloop.estimators import Recipe, TabularClassifier
    >>> X = {"weight": [1.0, 2.0, None, 8.0, 9.0, 7.0], "colour": ["red", "red", "blue", "blue", None, "blue"]}
    >>> small = Recipe(hidden_sizes=(8,), epochs=30, learning_rate=0.2)
    >>> model = TabularClassifier(preset=small, random_state=0).fit(X, ["small"] * 3 + ["large"] * 3)
    >>> new = {"colour": ["blue", "green"], "weight": [8.5, 1.5]}
    >>> model.predict(new)
    array(['large', 'small'], dtype='<U5')
    >>> (model.predict_proba(new) > 0.5).tolist(), model.predict_log_proba(new).shape
    ([[True, False], [False, True]], (2, 2))
    >>> model.score(X, ["small"] * 3 + ["large"] * 3)
    1.0
    >>> list(model.feature_importances(X, ["small"] * 3 + ["large"] * 3, random_state=0))
    ['weight', 'colour']
    >>> model.save("fruit.safetensors")
    >>> TabularClassifier.load("fruit.safetensors").predict(new)
    array(['large', 'small'], dtype='<U5')
    """

    _classifies = True
    classes_: Array

    @explains_keywords(kind="tabular")
    def __init__(
        self,
        *,
        preset: str | Recipe = "default",
        n_ensemble: int | None = None,
        max_epochs: int | None = None,
        time_limit: float | None = None,
        categorical: Any = None,
        class_weight: Any = None,
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
        self.class_weight = class_weight
        self.random_state = random_state
        self.n_threads = n_threads
        self.verbose = verbose
        self.callbacks = callbacks

    def _read_targets(self, y: Any) -> tuple[Array, dict[str, Any]]:
        classes, numbers = classes_of(y)
        return numbers, {"classes_": classes}

    def _more_targets(self, y: Any, reading: Mapping[str, Any]) -> Array:
        return numbers_of(labels_of(y), reading["classes_"])

    def _n_outputs(self, reading: Mapping[str, Any]) -> int:
        return len(reading["classes_"])

    def _check_enough(self, targets: Array) -> None:
        if len(np.unique(targets)) < 2:
            raise ValueError(f"{type(self).__name__} needs rows of two classes or more to train on, got one class")

    def _weights(self, y: Any, sample_weight: Any, n_rows: int) -> Array | None:
        given = super()._weights(y, sample_weight, n_rows)
        if self.class_weight is None:
            return given
        if not isinstance(self.class_weight, dict) and str(self.class_weight) != "balanced":
            raise TypeError(f'class_weight must be a dict, "balanced" or None, got {shown(self.class_weight)}')
        of_classes = compute_sample_weight(self.class_weight, labels_of(y))
        return weights_of(of_classes if given is None else given * of_classes, n_rows)

    def predict_proba(self, X: Any) -> Array:
        """Return the probabilities of the classes for the rows of X, in the order of `classes_`: (N, classes).

        They are the mean of the networks' own. Those are trained on smoothed labels, which keeps them from being near 0
        and 1; `sklearn.calibration.CalibratedClassifierCV` corrects that where it matters.
        """
        return self._probabilities(self._prepared(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy: the share of the rows of X, by `sample_weight`, whose class y is predicted."""
        return self._score_of(y, sample_weight)(self.predict(X))

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithms of the probabilities for the rows of X: (N, classes)."""
        logarithms: Array = np.log(self.predict_proba(X))
        return logarithms

    def _probabilities(self, inputs: Array) -> Array:
        mean = self._averaged(inputs)
        mean /= mean.sum(axis=1, keepdims=True)
        return mean

    def _predicted(self, inputs: Array) -> Array:
        predicted: Array = self.classes_[np.argmax(self._averaged(inputs), axis=1)]
        return predicted

    def _score_of(self, y: Any, sample_weight: Any) -> Callable[[Array], float]:
        truth = labels_of(y)
        return lambda predicted: float(accuracy_score(truth, predicted, sample_weight=sample_weight))
