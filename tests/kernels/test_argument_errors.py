"""A kernel that cannot be compiled for its arguments says in its first line what is wrong with them."""

import inspect

import numba
import numpy as np
import pytest
from conftest import needs_compiler

from hotloop import kernels
from hotloop.kernels import argument_errors
from hotloop.kernels.jit import Array, kernel

pytestmark = needs_compiler

B, Z, LABELS = np.ones(5), np.ones((3, 5)), np.zeros(3, np.int64)


def parameters(name):
    function = getattr(kernels, name)
    return inspect.signature(getattr(function, "py_func", function)).parameters.values()


# Of the public kernels one for each list of parameters.
NAMES = {tuple(p.name for p in parameters(name)): name for name in kernels.__all__ if name != "kernel"}.values()


def refused(name, *arguments):
    """Return the first line of the error, and the lines after it that say what was given."""
    with pytest.raises(argument_errors.ArgumentError) as caught:
        getattr(kernels, name)(*arguments)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, numba.core.errors.TypingError)
    own, numbas = str(caught.value).split("\n\n", 1)
    assert numbas.startswith("Failed in nopython mode pipeline")
    first, *given = own.splitlines()
    return first, given


@pytest.mark.parametrize("name", NAMES)
def test_a_list_for_an_array(name):
    """For the last of the arrays: an output. Each kernel says its name and all that it was given."""
    arrays = [p.name for p in parameters(name) if p.annotation == Array]
    arguments = [[1.0] if p.name == arrays[-1] else B if p.annotation == Array else 1 for p in parameters(name)]
    first, given = refused(name, *arguments)
    assert first == f"{name}: {arrays[-1]} must be a NumPy array; it was given"
    assert [line.split(":")[0].strip() for line in given] == [p.name for p in parameters(name)]
    assert f"  {arrays[-1]}: a list" in given


def strided(array):
    return np.repeat(array, 2, axis=-1)[..., ::2]


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


CASES = {
    "one dtype": (("sgd", B, 0.1, B.astype("f4")), "its arrays must be of one dtype, float32 or float64"),
    "integers": (("sigmoid", LABELS, LABELS), "its arrays must be of one dtype, float32 or float64"),
    "objects": (("sigmoid", Z.astype(object), Z), "its arrays must be of one dtype, float32 or float64"),
    "half": (("sgd", B.astype("f2"), 0.1, B.astype("f2")), "its arrays must be of one dtype, float32 or float64"),
    "dimensions": (("sgd", Z, 0.1, B), "an array of 2 dimensions is where one of 1 dimension is wanted"),
    "layout": (("sigmoid", strided(Z), Z), "z must be contiguous: use numpy.ascontiguousarray"),
    "layouts": (("tanh", Z.T, Z.T), "z and out must be contiguous: use numpy.ascontiguousarray"),
    "outputs": (("sgd", read_only(B), 0.1, read_only(B)), "parameters is read-only, and is to be overwritten"),
    "copied output": (("tanh", Z, read_only(Z)), "out is read-only, and is to be overwritten"),
    "moments": (
        ("momentum", B, 0.1, 0.9, read_only(B), B), "velocity is read-only, and is to be overwritten"
    ),
    "number": (("sgd", B, B, B), "learning_rate must be a number"),
    "nothing": (("sgd", None, 0.1, B), "gradient must be a NumPy array"),
    "a tuple": (("sgd", (1.0,), 0.1, B), "gradient must be a NumPy array"),
    "text": (("sgd", B, "0.1", B), "learning_rate must be a number"),
    "an object": (("sgd", B, 0.1, object()), "parameters must be a NumPy array"),
    "labels": (("cross_entropy", Z, LABELS.astype(float), Z), "labels must be integers, 1 dimension"),
    "one-hot labels": (("cross_entropy", Z, Z.astype(int), Z), "labels must be integers, 1 dimension"),
    "of a kernel in a kernel": (("adam", B, 0.1, 0.9, 0.9, 0.1, 1, B, B, B.astype("f4")),
                                "its arrays must be of one dtype, float32 or float64"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong(case):
    (name, *arguments), wanted = CASES[case]
    assert refused(name, *arguments)[0] == f"{name}: {wanted}; it was given"


def test_what_was_given():
    _, given = refused("momentum", read_only(B), 0.1, 1, strided(B), np.asfortranarray(Z))
    assert given == [
        "  gradient: float64 array, 1 dimension, read-only",
        "  learning_rate: float64",
        "  momentum: int64",
        "  velocity: float64 array, 1 dimension, not contiguous",
        "  parameters: float64 array, 2 dimensions in Fortran order",
    ]


def test_from_a_users_compiled_code():
    """Numba puts one line before it, and tells after it where in the user's file the call is."""
    sgd = kernels.sgd

    @numba.njit
    def descend(gradient, parameters):
        sgd(gradient, 0.1, parameters)

    with pytest.raises(numba.core.errors.TypingError) as caught:
        descend(B, B.astype("f4"))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("Failed in nopython mode pipeline")
    assert lines[1] == "sgd: its arrays must be of one dtype, float32 or float64; it was given"
    assert any("test_argument_errors.py" in line for line in lines)


def test_a_kernel_of_the_users_keeps_numbas_error():
    @kernel
    def mine(x, out):
        out.nonsense = x

    with pytest.raises(numba.core.errors.TypingError) as caught:
        mine(B, B)
    assert not isinstance(caught.value, argument_errors.ArgumentError)


def test_what_cannot_be_explained_still_names_the_kernel():
    found = argument_errors.fault([("x", Array, numba.typeof(B)), ("n", int, numba.typeof(1))], "no reason")
    assert found == "it cannot be compiled for such arguments"


def test_a_compiled_kernel_is_called_without_it(monkeypatch):
    kernels.sgd(B, 0.1, B.copy())
    monkeypatch.setattr(kernels.sgd, "compile", None)
    kernels.sgd(B, 0.1, B.copy())
