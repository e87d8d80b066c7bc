"""What the pictures of classifiers ask one: which class a row has, and how likely it holds each."""

from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.losses import loss_of
from hotloop.network.metrics.named import probabilities
from hotloop.network.validation import arrays
from hotloop.network.validation.targets import classes_of


def check_decides(net: Any, what: str) -> None:
    """Raise a ValueError unless the network decides for one class."""
    loss, outputs = loss_of(net.loss), net.sizes[-1]
    if not loss.classifies or (outputs > 1 and not loss.takes_labels):
        raise ValueError(f"a {what} needs one class a row; the loss is {loss.name}, with {outputs} outputs")


def true_classes(net: Any, y: Any, rows: int) -> Array:
    """Return the class of each row, checked as `Network.fit` checks it."""
    loss = loss_of(net.loss)
    return np.asarray(classes_of(*arrays.targets(y, rows, net.sizes[-1], loss, net.dtype), loss))


def shares_of(net: Any, points: Array) -> Array:
    """Return the probability of each class, (rows, classes), two for one output."""
    outputs = np.asarray(net.predict(points.astype(net.dtype)))
    if net.activations[-1] == "identity":
        outputs = probabilities(outputs, loss_of(net.loss).takes_labels)
    return outputs if outputs.shape[1] > 1 else np.hstack([1 - outputs, outputs])
