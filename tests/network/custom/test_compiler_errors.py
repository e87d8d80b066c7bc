"""A user's own function that Numba cannot compile, or that returns no number: one line about it, and not a dump."""

import numba
import numpy as np
import pytest
from conftest import COMPILED
from numba.core.registry import CPUDispatcher

from hotloop import Network
from hotloop.activations import CustomActivation
from hotloop.losses import CustomLoss
from hotloop.network.custom.compiler_errors import in_a_line


def square(z):
    return z * z


def zero(outputs, target, gradient):
    return 0.0


def nothing(outputs, target, gradient):
    for j in range(outputs.size):
        gradient[j] = outputs[j] - target[j]


def maybe(z):
    if z > 0:
        return z


def loop_forgotten(outputs, target, gradient):
    return outputs - target


def unknown_name(outputs, target, gradient):
    return cube(outputs)  # noqa: F821


def a_method_that_is_none(z):
    return z.cube()


def added_to_text(z):
    return z + "1"


LOSS_RETURNS = "a loss returns the loss of the row, a number"
ACTIVATION_RETURNS = "it must return a number"


@pytest.mark.skipif(not COMPILED, reason="about the compiler")
@pytest.mark.parametrize(("function", "check", "message"), [
    (nothing, True, f"CustomLoss('nothing'): the function nothing returns nothing; {LOSS_RETURNS}"),
    (nothing, False, f"CustomLoss('nothing'): the function nothing returns nothing; {LOSS_RETURNS}"),
    (loop_forgotten, True,
     f"CustomLoss('loop_forgotten'): the function loop_forgotten returns an array; {LOSS_RETURNS}"),
    (unknown_name, True,
     "CustomLoss('unknown_name') cannot be compiled by Numba: NameError: name 'cube' is not defined"),
])  # fmt: skip
def test_a_loss_that_cannot_be_compiled(function, check, message):
    """One line, of the network that first needs the machine code: made with the check, trained without."""
    loss = CustomLoss(function, check=check)
    with pytest.raises(TypeError) as caught:
        Network([3, 2], loss=loss, seed=0).fit(np.ones((4, 3)), np.ones((4, 2)), epochs=1, progress=False)
    assert str(caught.value) == message
    assert isinstance(caught.value.__cause__, numba.core.errors.NumbaError)


@pytest.mark.skipif(not COMPILED, reason="about the compiler")
@pytest.mark.parametrize(("pair", "message"), [
    ((lambda z: "text", square), f"CustomActivation('f'): the function <lambda> returns text; {ACTIVATION_RETURNS}"),
    ((lambda z: (z, z), square), f"CustomActivation('f'): the function <lambda> returns a tuple; {ACTIVATION_RETURNS}"),
    ((square, lambda z: z * 1j),
     f"CustomActivation('f'): the derivative <lambda> returns a complex number; {ACTIVATION_RETURNS}"),
    ((square, maybe),
     f"CustomActivation('f'): the derivative maybe returns nothing in some cases; {ACTIVATION_RETURNS}"),
    ((a_method_that_is_none, square),
     "CustomActivation('f') cannot be compiled by Numba: Unknown attribute 'cube' of type float64 "
     f"(test_compiler_errors.py, line {a_method_that_is_none.__code__.co_firstlineno + 1})"),
    ((square, added_to_text),
     "CustomActivation('f') cannot be compiled by Numba: No implementation of function Function(<built-in function "
     "add>) found for signature: add(float64, Literal[str](1)) (test_compiler_errors.py, "
     f"line {added_to_text.__code__.co_firstlineno + 1})"),
])  # fmt: skip
def test_an_activation_that_cannot_be_compiled(pair, message):
    with pytest.raises(TypeError) as caught:
        CustomActivation(*pair, name="f")
    assert str(caught.value) == message
    assert isinstance(caught.value.__cause__, numba.core.errors.NumbaError)


@pytest.mark.parametrize(("function", "line"), [
    (nothing, "CustomLoss('nothing'): the function nothing returns nothing; wanted"),
    (unknown_name, "CustomLoss('unknown_name') cannot be compiled by Numba: NameError: name 'cube' is not defined"),
    (zero, "CustomLoss('zero') cannot be compiled by Numba: of the loop"),
])  # fmt: skip
def test_whose_fault_it_is(function, line):
    """The compiler is asked about the function alone, also where hotloop's kernels are plain Python."""
    piece = CustomLoss(function, check=False)
    vars(piece)["_pieces"] = (CPUDispatcher(function, targetoptions={"nopython": True}),)
    error = numba.core.errors.TypingError("Failed in nopython mode\nof the loop")
    assert in_a_line(piece, ["function"], np.dtype("f4"), (1, 1, 1), "wanted", error) == line
