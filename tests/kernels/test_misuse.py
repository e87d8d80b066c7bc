"""Kernels called with arrays that they must refuse: read-only outputs, and other dtypes.

Compiled ones say so in their first line, by which `test_argument_errors` tests what else they say.
"""

import numpy as np
import pytest
from conftest import COMPILED

from hotloop import kernels

REFUSED = TypeError if COMPILED else (TypeError, ValueError)  # compiled while typing; in plain Python by NumPy

X, W, B, Z = np.ones((3, 4)), np.ones((4, 5)), np.ones(5), np.ones((3, 5))
CALLS = {
    "dense_forward": ((X, W, B, Z), [3]),
    "accumulate_weight_gradient": ((X, Z, W, B), [2, 3]),
    "input_gradient": ((Z, W, X), [2]),
    "identity": ((Z, Z), [1]),
    "sigmoid": ((Z, Z), [1]),
    "sigmoid_derivative": ((Z, Z), [1]),
    "softmax": ((Z, Z), [1]),
    "mean_squared_error": ((Z, Z, Z), [2]),
    "binary_cross_entropy": ((Z, Z, Z), [2]),
    "soft_cross_entropy": ((Z, Z, Z), [2]),
    "sgd": ((B, 0.1, B), [2]),
    "adam": ((B, 0.1, 0.9, 0.999, 1e-8, 1, B, B, B), [6, 7, 8]),
}
PLACES = [(name, place) for name, (_, outputs) in CALLS.items() for place in outputs]


def arguments_of(name, place, change):
    """Return copies of a call's arguments, that at `place` changed."""
    arguments = [each.copy() if isinstance(each, np.ndarray) else each for each in CALLS[name][0]]
    arguments[place] = change(arguments[place])
    return arguments


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(("name", "place"), PLACES)
def test_a_read_only_output_is_refused(name, place):
    arguments = arguments_of(name, place, read_only)
    before = arguments[place].copy()
    with pytest.raises(REFUSED, match=rf"^{name}: \w+ is read-only, and" if COMPILED else "read-?only"):
        getattr(kernels, name)(*arguments)
    np.testing.assert_array_equal(arguments[place], before)


@pytest.mark.parametrize(
    ("name", "place"), [place for place in PLACES if not place[0].startswith(("identity", "sigmoid"))]
)
def test_other_numbers_of_dimensions_are_refused(name, place):
    """An index of a vector would run over the end of a matrix."""
    said = rf"^{name}: an array of [23] dimensions is where" if COMPILED else "takes arrays of [12] dimensions here"
    with pytest.raises(TypeError, match=said):
        getattr(kernels, name)(*arguments_of(name, place, lambda array: np.stack([array, array])))


# The last output of each: one check is of both the dtype and the number of dimensions.
MIXED = [
    (name, outputs[-1], np.float32)
    for name, (_, outputs) in CALLS.items()
    if not name.startswith(("identity", "sigmoid", "softmax"))
]


@pytest.mark.parametrize(("name", "place", "dtype"), [*MIXED, ("sgd", 2, np.int64)])
def test_one_dtype_in_a_call(name, place, dtype):
    said = f"^{name}: its arrays must be of one dtype" if COMPILED else "float32 or float64 arrays, of one dtype"
    with pytest.raises(TypeError, match=said):
        getattr(kernels, name)(*arguments_of(name, place, lambda array: array.astype(dtype)))
