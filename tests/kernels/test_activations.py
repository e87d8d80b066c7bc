"""Each activation and each derivative against the oracle, and what they promise at the edges."""

import re
import time

import numpy as np
import oracle
import pytest
from conftest import COMPILED, ODD_SIZES, alone, fenced, llvm_code, needs_compiler, poison, same_bits, walled
from numba.core.errors import TypingError

from hotloop import kernels
from hotloop.kernels import activation_formulas, codes
from hotloop.kernels.jit import kernel
from hotloop.network.activations import ACTIVATIONS

WRONG_LAYOUT = (TypeError, TypingError)  # a layout is part of a type: it is refused while compiling
NAMES = list(oracle.ACTIVATIONS)
FUNCTIONS = [*NAMES, *(f"{name}_derivative" for name in NAMES)]
GRID = np.concatenate([
    np.linspace(-30, 30, 3001 if COMPILED else 151),
    np.linspace(-1, 1, 501 if COMPILED else 51),
    *[(-size, size) for size in (0.0, 1e-30, 1e-7, 87.0, 88.8, 103.0, 700.0, 745.0, 1e4)],
])  # fmt: skip


def evaluate(name, z):
    """Return the kernel's output for inputs between NaNs, the output between canaries."""
    with fenced(z.shape, z.dtype) as out:
        poison(lambda: getattr(kernels, name)(walled(z)[0], out), out)
        return out.copy()


def grid(name, dtype):
    """Return where an activation is computed: e^z where it is finite."""
    return (GRID[GRID <= 87] if name == "exponential" else GRID).astype(dtype)


def argument(name, z):
    """Return what the derivative of the activation `name` takes at z, in the dtype of z."""
    return z if name in oracle.DERIVATIVE_OF_Z else oracle.ACTIVATIONS[name](z).astype(z.dtype)


@pytest.mark.parametrize("name", NAMES)
def test_activation(name, dtype, eps):
    """Relatively, to the bounds of the functions in `elementary_functions`, and the roundings of the oracle in float64.

    GELU's erfc(x) multiplies the oracle's error of x = -z / sqrt(2) by 2 x**2. An activation below the smallest normal
    number may be zero, and so may its product with z (SiLU).
    """
    z = grid(name, dtype)
    expected = oracle.ACTIVATIONS[name](z)
    allowed = 3 * eps
    if name == "gelu":
        allowed = 8 * eps + 2 * z.astype(float) ** 2 * np.finfo(np.float64).eps
    error = np.abs(evaluate(name, z) - expected)
    assert np.all(error <= allowed * np.abs(expected) + 100 * np.finfo(dtype).tiny)


@pytest.mark.parametrize("name", NAMES)
def test_derivative(name, dtype, eps):
    """Absolutely, to a few roundings of numbers up to one: the activation itself is given to half an eps only.

    SiLU's multiplies the rounding of 1 - sigmoid(z) by z.
    """
    z = argument(name, grid(name, dtype))
    allowed = 2 * eps * (np.maximum(np.abs(z), 1) if name == "silu" else 1)
    error = np.abs(evaluate(f"{name}_derivative", z) - oracle.DERIVATIVES[name](z))
    assert np.all(error <= allowed)


@pytest.mark.parametrize("name", NAMES)
def test_derivative_is_that_of_the_activation(name):
    """Central differences, only in float64: in float32 rounding would hide all but gross errors. No kinks."""
    z, h = np.linspace(-4.05, 4.05, 82), 5e-6
    above, below = evaluate(name, z + h), evaluate(name, z - h)
    slope = evaluate(f"{name}_derivative", argument(name, z))
    largest = np.exp(4.05) if name == "exponential" else 1  # the third derivative, too
    np.testing.assert_allclose(slope, (above - below) / (2 * h), rtol=0, atol=2e-10 * largest)  # h**2 and eps / h


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_element_does_not_depend_on_its_neighbours(name, dtype, rng):
    """To the bit, though some are computed in vectors and the rest one by one."""
    z = rng.normal(size=ODD_SIZES[-1]).astype(dtype)
    whole = evaluate(name, z)
    for size in ODD_SIZES:
        assert same_bits(evaluate(name, z[:size]), whole[:size])
        assert same_bits(evaluate(name, z[-size:]), whole[-size:])


CODES = {name: getattr(codes, name.upper()) for name in NAMES}
SLOPES = {name: ACTIVATIONS[name].slopes for name in NAMES}


@kernel
def through_training(code, above, below, z, keep, out, delta):
    activation_formulas.activate(code, above, below, z, out)
    for i in range(out.size):
        out[i] /= out.dtype.type(keep)
    activation_formulas.times_derivative(code, above, below, z, out, keep, delta)


@pytest.mark.parametrize("keep", [1.0, 0.25])
@pytest.mark.parametrize("name", CODES)
def test_what_training_calls(name, keep, dtype, eps, rng):
    """The same bits as the public kernels, and their product with delta to one rounding.

    After dropout the activation is stored as a / keep, here exactly: the derivative is that of a.
    """
    z, delta = rng.normal(size=(2, 77)).astype(dtype)
    before, out = delta.copy(), np.full_like(z, np.nan)
    through_training(CODES[name], *SLOPES[name], z, keep, out, delta)
    activation = evaluate(name, z)
    assert same_bits(out, activation / dtype(keep))
    slope = evaluate(f"{name}_derivative", z if name in oracle.DERIVATIVE_OF_Z else activation)
    np.testing.assert_allclose(delta, before * slope, rtol=2 * eps)
    in_place = z.copy()
    through_training(CODES[name], *SLOPES[name], in_place, keep, in_place, before)
    assert same_bits(in_place, out)


def test_any_number_of_dimensions(rng):
    z = rng.normal(size=(2, 3, 5)).astype(np.float32)
    assert same_bits(evaluate("sigmoid", z).ravel(), evaluate("sigmoid", z.ravel()))
    assert evaluate("sigmoid", np.empty((2, 0, 5), np.float32)).size == 0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nothing_to_do(name, dtype):
    assert evaluate(name, np.empty(0, dtype)).size == 0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_output_may_be_the_input(name, dtype, rng):
    z = rng.normal(size=33).astype(dtype)
    expected = evaluate(name, z)
    getattr(kernels, name)(z, z)
    assert same_bits(z, expected)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "identity_derivative"])
def test_nan_stays_nan(name, dtype):
    """Only the derivative of the identity reads nothing: it is 1."""
    z = np.ones(40, dtype)
    z[[0, 7, 38]] = np.nan
    np.testing.assert_array_equal(np.isnan(evaluate(name, z)), np.isnan(z))


def test_derivatives_at_the_kinks(dtype):
    """At zero the left derivative, as in PyTorch, where it has two."""
    zero = np.array([0.0, -0.0], dtype)
    for name, slope in (
        ("relu", 0), ("leaky_relu", oracle.LEAKY_SLOPE), ("elu", 1), ("selu", oracle.SELU_LAMBDA_ALPHA),
    ):  # fmt: skip
        np.testing.assert_array_equal(evaluate(f"{name}_derivative", zero), np.full(2, slope, dtype))


def test_limits(dtype):
    infinity = np.array([-np.inf, np.inf], dtype)
    limits = {"sigmoid": (0, 1), "tanh": (-1, 1), "relu": (0, np.inf), "leaky_relu": (-np.inf, np.inf)}
    limits |= {"elu": (-1, np.inf), "softplus": (0, np.inf), "identity": (-np.inf, np.inf)}
    limits["selu"] = -oracle.SELU_LAMBDA_ALPHA, np.inf
    for name, expected in limits.items():
        np.testing.assert_array_equal(evaluate(name, infinity), np.array(expected, dtype))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_sizes_and_layouts_that_do_not_fit(name):
    kernel, z = getattr(kernels, name), np.ones(4)
    with pytest.raises(ValueError, match="input and output must have the same size"):
        kernel(z, np.ones(5))
    with pytest.raises(WRONG_LAYOUT, match="elementwise kernels take contiguous arrays"):
        kernel(np.ones(8)[::2], z)


def test_an_output_that_is_not_contiguous():
    with pytest.raises(WRONG_LAYOUT, match="elementwise kernels take contiguous arrays"):
        kernels.sigmoid(np.ones(4), np.ones(8)[::2])


@pytest.mark.parametrize("name", ["sigmoid", "softmax"])
def test_read_only_input(name, rng):
    z = rng.normal(size=(3, 7) if name == "softmax" else 7).astype(np.float32)
    expected, out = np.empty_like(z), np.empty_like(z)
    getattr(kernels, name)(z, expected)
    z.setflags(write=False)
    getattr(kernels, name)(z, out)
    assert same_bits(out, expected)


def softmax_of(z, padding=0):
    with fenced(z.shape, z.dtype, padding) as out:
        poison(lambda: kernels.softmax(walled(z, padding)[0], out), out)
        return out.copy()


@pytest.mark.parametrize("classes", ODD_SIZES)
@pytest.mark.parametrize("padding", [0, 3])
def test_softmax(classes, padding, dtype, eps, rng):
    """To the errors of exp and of a sum of `classes` terms; z less its largest is exact to half an eps times itself."""
    z = (5 * rng.normal(size=(6, classes))).astype(dtype)
    np.testing.assert_allclose(softmax_of(z, padding), oracle.softmax(z), rtol=(20 + classes / 2) * eps)


def test_softmax_at_the_edges(dtype):
    z = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [0, -np.inf, 0], [1e4, 1e4, -np.inf]], dtype)
    expected = np.array([[1, 0, 0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0, 0.5], [0.5, 0.5, 0]], dtype)
    np.testing.assert_array_equal(softmax_of(z), expected)


@pytest.mark.parametrize("position", [0, 3, 16])
def test_softmax_of_nan(position, dtype, rng):
    """All of its row, and no other."""
    z = rng.normal(size=(3, 17)).astype(dtype)
    z[1, position] = np.nan
    np.testing.assert_array_equal(np.isnan(softmax_of(z)), [[False] * 17, [True] * 17, [False] * 17])


@pytest.mark.parametrize("classes", [10, 128, 129])
def test_softmax_of_a_row_does_not_depend_on_its_batch(classes, dtype, eps, rng):
    """Of fewer rows than are transposed together, of as many, and of more; of few classes and of many."""
    z = rng.normal(size=(37, classes)).astype(dtype)
    whole = softmax_of(z)
    np.testing.assert_allclose(whole, oracle.softmax(z), rtol=(20 + classes / 2) * eps)
    for start, stop in ((0, 1), (5, 14), (14, 30), (36, 37)):
        assert same_bits(softmax_of(z[start:stop]), whole[start:stop])
    kernels.softmax(z, z)
    assert same_bits(z, whole)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)], ids=str)
def test_softmax_of_nothing(shape, dtype):
    z, out = np.empty(shape, dtype), np.empty(shape, dtype)
    kernels.softmax(z, out)
    kernels.softmax_input_gradient(z, z, out)


@pytest.mark.parametrize("classes", ODD_SIZES)
@pytest.mark.parametrize("padding", [0, 3])
def test_softmax_input_gradient(classes, padding, dtype, eps, rng):
    """To a sum of `classes` products of magnitude a |g|, taken from a g."""
    a = oracle.softmax(rng.normal(size=(6, classes))).astype(dtype)
    g = rng.normal(size=(6, classes)).astype(dtype)
    with fenced(a.shape, dtype, padding) as out:
        inputs = walled(a, padding)[0], walled(g, padding)[0]
        poison(lambda: kernels.softmax_input_gradient(*inputs, out), out)
        np.testing.assert_allclose(
            out, oracle.softmax_input_gradient(a, g), rtol=0, atol=(4 + classes / 2) * eps * np.abs(g).max()
        )


@pytest.mark.parametrize("reused", [0, 1])
def test_softmax_input_gradient_in_place(reused, dtype, rng):
    inputs = rng.normal(size=(2, 6, 17)).astype(dtype)
    expected = np.empty((6, 17), dtype)
    kernels.softmax_input_gradient(*inputs, expected)
    kernels.softmax_input_gradient(*inputs, inputs[reused])
    assert same_bits(inputs[reused], expected)


def test_softmax_of_shapes_that_do_not_fit(dtype):
    z, wider, taller = (np.ones(shape, dtype) for shape in ((3, 4), (3, 5), (4, 4)))
    for other in (wider, taller):
        with pytest.raises(ValueError, match="softmax: z and out must have the same shape"):
            kernels.softmax(z, other)
        for arguments in ((other, z, z), (z, other, z), (z, z, other)):
            with pytest.raises(ValueError, match="softmax_input_gradient: activation, gradient and out must have"):
                kernels.softmax_input_gradient(*arguments)


def test_softmax_of_rows_that_are_not_contiguous(dtype):
    """The valid arguments have padded rows too, so that all cases run the same compiled code."""
    z, columns = np.ones((3, 8), dtype)[:, :4], np.ones((3, 8), dtype)[:, ::2]
    for arguments in ((columns, z), (z, columns)):
        with pytest.raises(ValueError, match="contiguous"):
            kernels.softmax(*arguments)
    for arguments in ((columns, z, z), (z, columns, z), (z, z, columns)):
        with pytest.raises(ValueError, match="contiguous"):
            kernels.softmax_input_gradient(*arguments)


@needs_compiler
@pytest.mark.parametrize("name", [*FUNCTIONS, "softmax", "softmax_input_gradient"])
def test_compiled_code(name, dtype):
    """float32 stays float32; no call in a loop, and no question whether input and output overlap: they are slow."""
    z = np.ones((3, 4) if name.startswith("softmax") else 4, dtype)
    code = llvm_code(getattr(kernels, name), *[z] * (3 if name == "softmax_input_gradient" else 2))
    assert dtype == np.float64 or "double" not in code
    assert not re.search(r"\bcall [^\n]*7kernels(7exp_log|19activation_formulas|20elementary_functions)", code)
    assert "vector.memcheck" not in code or name.startswith("softmax")


@needs_compiler
@pytest.mark.parametrize("function", [activation_formulas.activate, activation_formulas.times_derivative])
def test_training_goes_over_vectors(function):
    """No call of a function of one number is left, which would keep a loop from vectorising."""
    for dtype in (np.float32, np.float64):
        z, out, delta = np.ones((3, 4), dtype)
        llvm_code(through_training, 1, 1.0, 1.0, z, 1.0, out, delta)
    codes = list(function.inspect_llvm().values())
    assert len(codes) >= 2
    for code in codes:
        assert "vector.body" in code
        assert not re.search(r"\bcall [^\n]*@_ZN7hotloop7kernels", code)


@needs_compiler
@pytest.mark.parametrize("name", ["softmax", "softmax_input_gradient"])
def test_sums_keep_their_order(name):
    """Gradients depend on them: reassociated, their bits differ from one compilation to the next."""
    arguments = [np.ones((2, 5), np.float32)] * (2 if name == "softmax" else 3)
    assert "reassoc" not in llvm_code(getattr(kernels, name), *arguments)


def after(array, size, page=4096):
    """Return an array of `size` numbers that lies 16 bytes after `array`, modulo a page."""
    memory = np.empty(size * array.itemsize + 2 * page, np.uint8)
    start = (array.ctypes.data + 16 - memory.ctypes.data) % page
    return memory[start : start + size * array.itemsize].view(array.dtype)


def least(call, times=200):
    """Return the least time of a call: other load on the machine can only add."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


@needs_compiler
@alone
def test_where_the_output_lies_costs_nothing(rng):
    """The instruction by which the C library copies large blocks is twenty times as slow there on some CPUs."""
    z = rng.normal(size=65536).astype(np.float32)
    out = after(z, z.size)
    assert (out.ctypes.data - z.ctypes.data) % 4096 == 16
    kernels.sigmoid(z, out)
    in_place, apart = least(lambda: kernels.sigmoid(out, out)), least(lambda: kernels.sigmoid(z, out))
    assert apart < 2 * in_place
