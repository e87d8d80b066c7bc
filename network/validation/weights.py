"""Weights that users pass, of samples, classes and positive targets: each checked here, once.

What leaves this file is float64, at least 0, and scaled by a power of two, so that the largest is from 1/2 to 1 and no
sum overflows: only the ratios of weights matter, and a power of two changes no bit of them. Weights of a batch that is
one of many, ``batch=True``, are left as they are: they also count beside those of the other batches.
"""

import numbers
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.validation import arguments
from hotloop.network.validation.array_like import numeric
from hotloop.network.validation.printable import shown
from hotloop.network.validation.targets import ClassRules, classes_of

NONE = np.empty(0)  # no weights: all samples count alike
BALANCED = "balanced"
LARGEST_IN_BATCHES = 1e100  # sums of these, and their products with losses, do not overflow


class Classes(ClassRules, Protocol):
    """What class weights must know of a loss."""

    @property
    def name(self) -> str:
        """The loss."""


def sample_weights(
    value: Any, rows: int, argument: str = "sample_weight", beside: str = "X", *, batch: bool = False
) -> Array:
    """Return the weight of each of the rows of `beside`, empty for None: finite, at least 0, not all 0.

    Those of a batch may be all 0, and are at most 1e100.
    """
    if value is None:
        return NONE
    weights = row_weights(value, rows, argument, beside, zeros=batch)
    return _in_batches(argument, weights) if batch else _scaled(weights)


def row_weights(
    value: Any, rows: int, argument: str = "sample_weight", beside: str = "X", *, zeros: bool = False
) -> Array:
    """Return the weight of each of the rows of `beside` as it is: finite, at least 0, and not all 0 unless `zeros`."""
    if isinstance(value, str):
        raise TypeError(
            f"{argument} must be numbers, one a row, got {shown(value)}; for classes: class_weight='balanced'"
        )
    array = numeric(argument, value)
    if array.shape != (rows,):
        found = "is a single number" if array.ndim == 0 else f"has shape {array.shape}"
        raise ValueError(f"{argument} {found}; wanted ({rows},), a number for each row of {beside}")
    weights = array.astype(np.float64)
    sound = (weights >= 0) & (weights < np.inf)  # false for NaN
    if not sound.all():
        row = int(np.argmin(sound))
        raise ValueError(f"{argument} must be finite and at least 0: found {array[row]} in row {row}")
    if not (zeros or weights.any()):
        raise ValueError(f"{argument} must not be all zeros")
    return weights


def class_weights(
    value: Any,
    targets: Array,
    labels: Array,
    outputs: int,
    loss: Classes,
    kept: Array | None = None,
    *,
    batch: bool = False,
) -> Array:
    """Return the weight of each row by its class, empty for None.

    Parameters
    ----------
    value : dict of int to float, "balanced", or None
        Of a class number; a class that is missing weighs 1. "balanced" is n / (classes * count), as scikit-learn has
        it, where `classes` is the number of those that occur.
    targets, labels : array (rows, outputs), int64 array (rows,)
        One of them is empty.
    outputs : int
    loss : Classes
    kept : array, optional
        The rows that "balanced" counts; all by default.
    """
    if value is None:
        return NONE
    if not loss.classifies:
        raise ValueError(f"class_weight is for losses of classes; for loss {loss.name!r} use sample_weight")
    classes = classes_of(targets, labels, loss)
    if classes is None:
        raise ValueError(
            "class_weight is for classes that exclude each other; for the outputs of binary_cross_entropy use "
            "positive_weight"
        )
    n_classes = max(outputs, 2)
    if isinstance(value, str):
        if value != BALANCED:
            raise ValueError(f'class_weight must be a dict or "balanced", got {shown(value)}')
        counts = np.bincount(classes if kept is None else classes[kept], minlength=n_classes)
        of_class = 1 / np.maximum(counts, 1)  # times n / classes, which changes no ratio
    elif isinstance(value, Mapping):
        of_class = np.ones(n_classes)
        for key, weight in value.items():
            name = f"class_weight[{shown(key)}]"
            if isinstance(key, str):
                raise ValueError(
                    f"{name}: classes are numbers, 0 to {n_classes - 1}; number them by "
                    "classes, y = numpy.unique(y, return_inverse=True)"
                )
            if not _is_whole(key) or not 0 <= int(key) < n_classes:
                raise ValueError(f"{name} is for no class: they are 0 to {n_classes - 1}")
            of_class[int(key)] = arguments.real_number(name, weight)
    else:
        raise TypeError(f'class_weight must be a dict of class numbers to weights or "balanced", got {shown(value)}')
    weights: Array = of_class[classes]
    if batch:
        return _in_batches("class_weight", weights)
    if not weights.any():
        raise ValueError("class_weight must not be 0 for all classes that occur")
    return _scaled(weights)


def _is_whole(key: Any) -> bool:
    """Return whether this is a whole number, such as 1 or, of a float y, 1.0."""
    if isinstance(key, bool):
        return False
    return hasattr(key, "__index__") or (isinstance(key, numbers.Real) and float(key).is_integer())


def together(first: Array, second: Array, *, batch: bool = False) -> Array:
    """Return the product of two weights of each row, where an empty array is of no weights."""
    if not first.size or not second.size:
        return first if first.size else second
    product: Array = first * second
    if batch:
        return _in_batches("sample_weight times class_weight", product)
    if not product.any():
        raise ValueError("sample_weight times class_weight must not be all zeros")
    return _scaled(product)


def positive_weights(value: Any, outputs: int, loss: str) -> tuple[float, ...] | None:
    """Return the weight of the positive targets of each output, None for None.

    Parameters
    ----------
    value : float, sequence of float (outputs,), or None
    outputs : int
    loss : str
        Its name.
    """
    if value is None:
        return None
    if loss != "binary_cross_entropy":
        raise ValueError(f"positive_weight is for loss 'binary_cross_entropy'; for loss {loss!r} use class_weight")
    array = numeric("positive_weight", value)
    if array.shape not in ((), (outputs,)):
        wanted = f"a number, or one for each output ({outputs},)"
        raise ValueError(f"positive_weight has shape {array.shape}; wanted {wanted}")
    weights = np.broadcast_to(array, (outputs,)).astype(np.float64)
    sound = (weights >= 0) & (weights < float(np.finfo(np.float32).max))
    if not sound.all():
        raise ValueError(f"positive_weight must be finite and at least 0: found {weights[np.argmin(sound)]}")
    return tuple(weights.tolist())


def _in_batches(argument: str, weights: Array) -> Array:
    if weights.max(initial=0) > LARGEST_IN_BATCHES:
        raise ValueError(f"{argument} of a batch must be at most {LARGEST_IN_BATCHES:g}, got {weights.max():g}")
    return weights


def _scaled(weights: Array) -> Array:
    """Return weights divided by the power of two above the largest; those below 2**-1022 of it are 0."""
    scaled: Array = np.ldexp(weights, -np.frexp(weights.max())[1])
    scaled[scaled < np.finfo(np.float64).tiny] = 0
    return scaled
