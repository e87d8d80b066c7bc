"""What the pictures of classifiers ask one: its classes, and for each row the true one, the predicted one and shares.

A network is asked for its outputs, any other classifier by the names of scikit-learn: `predict`, `predict_proba`,
`classes_`.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.losses import loss_of
from hotloop.network.metrics.named import class_shares, predicted_classes
from hotloop.network.validation import arrays
from hotloop.network.validation.printable import shown
from hotloop.network.validation.targets import classes_of


class Classifier(Protocol):
    """A classifier of any kind."""

    names: list[str]  # of the classes, of any length
    n_inputs: int | None

    def truth(self, y: Any, rows: int) -> Array:
        """Return the number of the true class of each row."""

    def predicted(self, X: Any) -> Array:
        """Return the number of the predicted class of each row."""

    def shares(self, X: Any) -> Array | None:
        """Return the probability of each class, (rows, classes); None from a classifier that gives none."""


def classifier_of(model: Any, what: str, labels: Sequence[Any] | None) -> Classifier:
    """Return how to ask a model for the picture called `what`; raise if it is none that decides for one class."""
    if hasattr(model, "sizes") and hasattr(model, "loss"):
        found: Classifier = _Network(model, what)
    elif hasattr(model, "predict") and hasattr(model, "classes_"):
        found = _Estimator(model, what)
    elif hasattr(model, "fit") and hasattr(model, "predict"):
        raise TypeError(f"{shown(model)} has no classes_: fit it first, and a {what} is of a classifier")
    else:
        raise TypeError(f"a {what} is of a Network, or of a fitted classifier with classes_; got {shown(model)}")
    if labels is not None:
        if len(labels) != len(found.names):
            raise ValueError(f"labels has {len(labels)} names for {len(found.names)} classes")
        found.names = [*map(str, labels)]
    return found


class _Network:
    def __init__(self, net: Any, what: str) -> None:
        self.loss, outputs = loss_of(net.loss), net.sizes[-1]
        if not self.loss.classifies or (outputs > 1 and not self.loss.takes_labels):
            raise ValueError(f"a {what} needs one class a row; the loss is {self.loss.name}, with {outputs} outputs")
        self.net, self.n_inputs = net, net.sizes[0]
        self.names = [str(number) for number in range(max(2, outputs))]

    def truth(self, y: Any, rows: int) -> Array:
        targets = arrays.targets(y, rows, self.net.sizes[-1], self.loss, self.net.dtype)
        return np.asarray(classes_of(*targets, self.loss)).astype(np.intp)

    def predicted(self, X: Any) -> Array:
        return predicted_classes(self.net.activations[-1], np.asarray(self.net.predict(X)))

    def shares(self, X: Any) -> Array:
        return class_shares(self.loss, self.net.activations[-1], np.asarray(self.net.predict(X)))


class _Estimator:
    def __init__(self, model: Any, what: str) -> None:
        self.model = model
        self.numbers = {label: number for number, label in enumerate(np.asarray(model.classes_).tolist())}
        if len(self.numbers) < 2:
            raise ValueError(f"a {what} needs two classes; classes_ is {shown(model.classes_)}")
        self.names = [*map(str, self.numbers)]
        self.n_inputs = getattr(model, "n_features_in_", None)

    def truth(self, y: Any, rows: int) -> Array:
        found = self._numbered(y, "y")
        if rows == 0:
            raise ValueError("X has no rows")
        if len(found) != rows:
            raise ValueError(f"y has {len(found)} rows; X has {rows} rows")
        return found

    def predicted(self, X: Any) -> Array:
        return self._numbered(self.model.predict(X), "what predict returned")

    def shares(self, X: Any) -> Array | None:
        return np.asarray(self.model.predict_proba(X)) if hasattr(self.model, "predict_proba") else None

    def _numbered(self, labels: Any, what: str) -> Array:
        column = np.asarray(labels)
        if column.ndim == 2 and column.shape[1] == 1:
            column = column[:, 0]
        if column.ndim != 1:
            raise ValueError(f"{what} has shape {column.shape}; wanted one class a row")
        unknown = [label for label in column.tolist() if label not in self.numbers]
        if unknown:
            known = shown([*self.numbers])
            raise ValueError(f"{what} has the class {shown(unknown[0])}, which classes_ lacks: {known}")
        return np.array([self.numbers[label] for label in column.tolist()], np.intp)
