"""Targets and weights that users give the tabular estimators, checked."""

from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_array, column_or_1d

from hotloop.kernels.jit import Array
from hotloop.network.tables.column import is_missing


def classes_of(y: Any) -> tuple[Array, Array]:
    """Return the classes, sorted, and the number (N,) of each row's class."""
    labels = labels_of(y)
    classes, numbers = np.unique(labels, return_inverse=True)
    return classes, numbers.astype(np.int64)


def labels_of(y: Any) -> Array:
    """Return the class (N,) of each row as it was given, or raise an error that says which is missing."""
    labels: Array = column_or_1d(_array(y), warn=True)
    _check_missing(labels)
    if labels.dtype == object:
        kinds = {type(label) for label in labels.tolist()}
        if all(issubclass(kind, str) for kind in kinds):
            labels = np.array([str.__str__(label) for label in labels.tolist()], dtype=object)
        elif len(kinds) == 1 and kinds <= {bool, int, np.bool_, np.int64}:
            labels = np.array(labels.tolist())
        elif len(kinds) > 1 and any(issubclass(kind, str) for kind in kinds):
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise TypeError(f"y has classes of types {names}: make them of one type, for example text")
    check_classification_targets(labels)
    return labels


def numbers_of(labels: Array, classes: Array) -> Array:
    """Return the number of each row's class, or raise an error that names one that is unknown."""
    places = {label: number for number, label in enumerate(classes.tolist())}
    try:
        return np.array([places[label] for label in labels.tolist()], np.int64)
    except KeyError as error:
        raise ValueError(f"eval_set: y has the class {error.args[0]!r}, which the training rows do not have") from None


def values_of(y: Any) -> Array:
    """Return values (N,) or (N, outputs) in float64, checked; one column becomes (N,), with a warning."""
    array = _array(y)
    if array.dtype.kind in "mM":
        raise TypeError(f"y holds values of dtype {array.dtype}: make them numbers, in a unit of your choice")
    _check_missing(array)
    values: Array = check_array(array, dtype=np.float64, ensure_2d=False, input_name="y")
    return column_or_1d(values, warn=True) if values.ndim == 2 and values.shape[1] == 1 else values


def weights_of(sample_weight: Any, n_rows: int) -> Array:
    """Return weights (N,), checked."""
    weights: Array = _check_sample_weight(sample_weight, np.empty((n_rows, 1)), ensure_non_negative=True)
    return weights.astype(np.float64)


def check_lengths(X: Any, y: Any, what: str = "X and y") -> None:
    """Raise an error if there are not as many targets as rows."""
    if len(X) != len(y):
        raise ValueError(f"{what} have inconsistent numbers of samples: [{len(X)}, {len(y)}]")


def _array(y: Any) -> Array:
    """Return targets as an array; a series of pandas or polars knows the type of its values best."""
    to_numpy = None if hasattr(y, "to_pylist") else getattr(y, "to_numpy", None)  # Arrow's may refuse to copy
    array: Array = np.asarray(y) if to_numpy is None else np.asarray(to_numpy())
    if array.dtype.kind == "U" and isinstance(y, (list, tuple)) and not {*map(type, y)} <= {str, np.str_}:
        array = np.array(y, dtype=object)  # NumPy makes text of NaN and of numbers, and cuts that of enumerations
    return array


def _check_missing(array: Array) -> None:
    kind = array.dtype.kind
    if kind == "f":
        missing = np.isnan(array)
    elif kind in "mM":
        missing = np.isnat(array)
    elif kind == "O":
        missing = np.array([not isinstance(value, str) and is_missing(value) for value in array.ravel()], bool)
        missing = missing.reshape(array.shape)
    else:
        return
    if missing.any():
        row = int(np.argwhere(missing)[0, 0])
        raise ValueError(f"Input y contains NaN, first in row {row}: leave out the rows without a target")
