"""The three products of a dense layer against the oracle.

The data are small whole numbers, so the results are exact whatever the order of the sums: a single term too many or
too few shows, and no tolerance hides it. Another test is about rounding. Letters: B batch, I fan_in, O fan_out.
"""

import numba
import numpy as np
import oracle
import pytest
from conftest import COMPILED, ODD_SIZES, fenced, poison, same_bits, walled, whole_numbers
from hypothesis import given
from hypothesis import strategies as st

from hotloop.kernels import accumulate_weight_gradient, dense_forward, input_gradient, matmul
from hotloop.kernels.matmul import KC, MR, NR
from hotloop.kernels.records import Matrix

DEEP, WIDEST = 2 * KC + 88, 16 * NR
SHAPES = [
    *[shape for size in ODD_SIZES for shape in ((size, 7, 17), (7, size, 17), (7, 17, size))],
    *[(7, DEEP, 17), (DEEP, 7, 17), (7, 17, DEEP)],  # more than two blocks in each of the three sums
    (1, 5, 4 * WIDEST + 17),  # a single row takes more vectors
    *[(0, 5, 17), (5, 0, 17), (5, 17, 0), (0, 0, 0)],  # nothing to do
    # Rows of x that share sets of the cache: copied first; and more rows and columns than one block of either has.
    *([(7, 1024, 130), (300, 1024, 130), (1100, 1024, 700), (700, 40, 1024)] if COMPILED else []),
]
PADDED_SHAPES = [
    *[(5, 6, 7), (6, 15, 16), (7, 17, 33), (17, 127, 31), (7, 17, 1)],
    # Rows and a block of B enough to be packed, more than one block; in plain Python just enough.
    *(
        [(96, KC + 1, 48), (KC + 1, 96, 48), (96, 48, KC + 1)]
        if COMPILED
        else [(48, KC + 1, 32), (KC + 1, 48, 32), (7, 17, KC + 1)]
    ),
    # One column more or less than micro-kernels side by side have, and one row than one or two of the tallest.
    *[(rows, 5, WIDEST + more) for rows in (MR + 1, 2 * MR - 1) for more in (-1, 1)],
    (2 * MR + 1, 5, 2 * WIDEST - 17),
]

# Arrays of any strides are other types to Numba, for which it compiles the kernel again. The product, which does the
# work, is the same code for all of them, and has tests of both dtypes: so one is enough.
STRIDED = np.float64


def layer(rng, shape, dtype, make=whole_numbers):
    """Return x (B, I), weights (I, O), bias (O,) and delta (B, O)."""
    B, I, O = shape  # noqa: E741
    return [make(rng, size, dtype) for size in ((B, I), (I, O), (O,), (B, O))]


def check_forward(x, weights, bias, padding=0):
    with fenced((x.shape[0], weights.shape[1]), x.dtype, padding) as out:
        poison(lambda: dense_forward(x, weights, bias, out), out)
        np.testing.assert_array_equal(out, oracle.dense_forward(x, weights, bias))


def check_weight_gradient(x, delta, padding=0):
    """Twice over, from a start that is not zero: it accumulates."""
    expected_weights, expected_bias = oracle.weight_gradient(x, delta)
    with fenced(expected_weights.shape, x.dtype, padding) as weights, fenced(expected_bias.shape, x.dtype) as bias:
        weights[...], bias[...] = 3, -5
        for _ in range(2):
            accumulate_weight_gradient(x, delta, weights, bias)
        np.testing.assert_array_equal(weights, 3 + 2 * expected_weights)
        np.testing.assert_array_equal(bias, -5 + 2 * expected_bias)


def check_input_gradient(delta, weights, padding=0):
    with fenced((delta.shape[0], weights.shape[0]), delta.dtype, padding) as out:
        poison(lambda: input_gradient(delta, weights, out), out)
        np.testing.assert_array_equal(out, oracle.input_gradient(delta, weights))


def check_all(x, weights, bias, delta, padding=0):
    check_forward(x, weights, bias, padding)
    check_weight_gradient(x, delta, padding)
    check_input_gradient(delta, weights, padding)


def walls(arrays, padding=0):
    return [walled(array, padding if array.ndim == 2 else 0)[0] for array in arrays]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_products(shape, dtype, rng):
    """Inputs stand between NaNs, outputs between canaries."""
    check_all(*walls(layer(rng, shape, dtype)))


@pytest.mark.parametrize("shape", PADDED_SHAPES, ids=str)
def test_products_in_padded_rows(shape, rng):
    """So does each row."""
    check_all(*walls(layer(rng, shape, STRIDED), padding=3), padding=3)


@given(st.integers(0, 14), st.integers(0, 20), st.integers(0, 35), st.integers(0, 2**32))
def test_products_of_any_shape(dtype, batch, fan_in, fan_out, seed):
    check_all(*walls(layer(np.random.default_rng(seed), (batch, fan_in, fan_out), dtype)))


def every_second(array):
    """Return the same values with two elements of NaN or another row between them, along both axes."""
    wide = np.full((2 * array.shape[0], 3 * array.shape[1]), np.nan, array.dtype)
    wide[::2, ::3] = array
    return wide[::2, ::3]


def down_columns(array):
    """Return the same values with columns contiguous and a gap after each, as in a part of a Fortran array.

    To Numba it is an array of any strides, for which nothing more is compiled; a whole one has a test below.
    """
    tall = np.full((array.shape[0] + 1, array.shape[1]), np.nan, array.dtype, order="F")
    tall[:-1] = array
    return tall[:-1]


@pytest.mark.parametrize("restride", [down_columns, every_second], ids=lambda f: f.__name__)
@pytest.mark.parametrize("shape", [(13, 9, 17), (7, 300, 5), (100, 9, 17)], ids=str)
def test_inputs_of_any_strides(shape, restride, rng):
    x, weights, bias, delta = walls(layer(rng, shape, STRIDED), padding=3)
    check_forward(restride(x), weights, bias, padding=3)
    check_weight_gradient(restride(x), delta, padding=3)
    check_input_gradient(restride(delta), restride(weights), padding=3)


def test_one_row_repeated(rng):
    """A stride of zero."""
    _, weights, bias, delta = walls(layer(rng, (8, 9, 17), STRIDED), padding=3)
    row = whole_numbers(rng, 9, STRIDED)
    x = np.lib.stride_tricks.as_strided(row, (8, 9), (0, row.itemsize))
    check_forward(x, weights, bias, padding=3)
    check_weight_gradient(x, delta, padding=3)


def test_inputs_of_other_types(rng):
    """Read-only arrays, and whole ones in Fortran order, where they are allowed: to Numba these are other types."""
    x, weights, bias, delta = layer(rng, (13, 9, 17), np.float32)
    x, delta_down, weights_down = map(np.asfortranarray, (x, delta, weights))
    for array in (x, weights, weights_down, bias, delta, delta_down):
        array.setflags(write=False)
    check_forward(x, weights, bias)
    check_weight_gradient(x, delta)
    check_input_gradient(delta_down, weights_down)


def normal(rng, shape, dtype):
    return rng.normal(size=shape).astype(dtype)


@pytest.mark.parametrize("shape", [(13, 300, 17), (300, 13, 17), (13, 17, 300)], ids=str)
def test_rounding(shape, dtype, eps, rng):
    """Each sum of n products errs by at most n u / (1 - n u) times the sum of their magnitudes, u = eps / 2.

    Higham, Accuracy and Stability of Numerical Algorithms (2002), section 3.1; one more for what the sum starts from.
    """
    x, weights, bias, delta = layer(rng, shape, dtype, normal)
    out, gradient = np.empty_like(delta), np.zeros_like(weights)
    bias_gradient, x_gradient = np.zeros_like(bias), np.empty_like(x)
    dense_forward(x, weights, bias, out)
    accumulate_weight_gradient(x, delta, gradient, bias_gradient)
    input_gradient(delta, weights, x_gradient)
    magnitudes = [np.abs(array) for array in (x, weights, bias, delta)]
    largest = (
        oracle.dense_forward(*magnitudes[:3]),
        *oracle.weight_gradient(magnitudes[0], magnitudes[3]),
        oracle.input_gradient(magnitudes[3], magnitudes[1]),
    )
    exact = (
        oracle.dense_forward(x, weights, bias),
        *oracle.weight_gradient(x, delta),
        oracle.input_gradient(delta, weights),
    )
    terms = (shape[1], shape[0], shape[0], shape[2])
    for actual, e, magnitude, n in zip((out, gradient, bias_gradient, x_gradient), exact, largest, terms, strict=True):
        u = (n + 1) * eps / 2
        assert np.all(np.abs(actual - e) <= u / (1 - u) * magnitude)


@pytest.mark.parametrize("shape", [(33, 40, 17), (6, 600, 5), *([(100, 260, 48)] if COMPILED else [])], ids=str)
def test_a_row_does_not_depend_on_its_batch(shape, dtype, rng):
    """To the bit: by itself, in a batch of any height, whether the kernel packs its panel or not."""
    x, weights, bias, delta = layer(rng, shape, dtype, normal)
    z, dx = np.empty_like(delta), np.empty_like(x)
    dense_forward(x, weights, bias, z)
    input_gradient(delta, weights, dx)
    for first, last in ((0, 1), (2, 5), (1, 6), (shape[0] - 1, shape[0])):
        rows = slice(first, last)
        z_part, dx_part = np.empty_like(z[rows]), np.empty_like(dx[rows])
        dense_forward(x[rows], weights, bias, z_part)
        input_gradient(delta[rows], weights, dx_part)
        assert same_bits(z_part, z[rows])
        assert same_bits(dx_part, dx[rows])


@pytest.mark.skipif(COMPILED, reason="a compiled micro-kernel cannot be watched")
def test_a_single_row_takes_wide_micro_kernels(monkeypatch):
    """In a network too, which has no room for packed columns and needs none."""
    depth, columns, seen = 3, 2 * matmul.NR_OF_A_ROW * 16, []
    compute = matmul.micro_kernel
    monkeypatch.setattr(matmul, "micro_kernel", lambda mr, nr, *rest: (seen.append((mr, nr)), compute(mr, nr, *rest)))
    x, w, out = np.ones(depth, "f4"), np.ones(depth * columns, "f4"), np.zeros(columns, "f4")
    a, b, c = Matrix(x, 0, depth, 1), Matrix(w, 0, columns, 1), Matrix(out, 0, columns, 1)
    matmul.product(a, b, columns, 1.0, c, c, 1, columns, depth, np.empty(0, "f4"), 0)
    assert seen == [(1, matmul.NR_OF_A_ROW)] * 2
    assert (out == depth).all()


def test_a_weight_gradient_of_two_batches(dtype, eps, rng):
    """To the bit: of the weights a call adds its own sum to what is there, of the biases row by row, cut anywhere.

    So the weight gradient of one batch differs, by the rounding of sums of 40 products in another order.
    """
    x, weights, bias, delta = layer(rng, (40, 13, 17), dtype, normal)
    whole, parts = (np.ones_like(weights), np.ones_like(bias)), (np.ones_like(weights), np.ones_like(bias))
    accumulate_weight_gradient(x, delta, *whole)
    expected = np.ones_like(weights)
    for rows in (slice(0, 11), slice(11, 40)):
        accumulate_weight_gradient(x[rows], delta[rows], *parts)
        alone = np.zeros_like(weights), np.zeros_like(bias)
        accumulate_weight_gradient(x[rows], delta[rows], *alone)
        expected += alone[0]
    assert same_bits(parts[0], expected)
    assert same_bits(parts[1], whole[1])
    assert np.all(np.abs(parts[0] - whole[0]) <= 42 * eps * (1 + np.abs(x).T @ np.abs(delta)))


def test_a_single_row_that_was_reversed_is_accumulated_into(dtype):
    """Its stride stays below zero, which `product` takes for a start from zero."""
    gradient = np.full((1, 17), 5, dtype)[::-1]
    assert gradient.strides[0] < 0
    accumulate_weight_gradient(np.ones((3, 1), dtype), np.ones((3, 17), dtype), gradient, np.zeros(17, dtype))
    assert (gradient == 8).all()


def test_nan_in_one_row_stays_in_it(dtype, rng):
    x, weights, bias, _ = layer(rng, (13, 9, 17), dtype)
    x[4, 3] = np.nan
    out = np.empty((13, 17), dtype)
    dense_forward(x, weights, bias, out)
    np.testing.assert_array_equal(np.isnan(out).all(axis=1), np.arange(13) == 4)
    assert np.isnan(out).sum() == 17


def test_a_call_from_compiled_code(rng):
    @numba.njit
    def two_layers(x, weights, bias, out):
        first, second = out[:, :4], out[:, 4:]  # rows of views are padded
        dense_forward(x, weights, bias, first)
        dense_forward(first, weights, bias, second)

    x, weights, bias, _ = walls(layer(rng, (5, 4, 4), STRIDED), padding=3)
    out = np.empty((5, 8), STRIDED)
    two_layers(x, weights, bias, out)
    first = oracle.dense_forward(x, weights, bias)
    np.testing.assert_array_equal(out, np.hstack([first, oracle.dense_forward(first, weights, bias)]))


# Arguments in the order of the kernel, each shape right but one. B = 4, I = 3, O = 5.
WRONG_SHAPES = [
    (dense_forward, [(4, 2), (3, 5), (5,), (4, 5)], "x has another number of columns than weights has rows"),
    (dense_forward, [(4, 3), (3, 5), (5,), (3, 5)], "out must have the rows of x"),
    (dense_forward, [(4, 3), (3, 5), (5,), (4, 4)], "the columns of weights"),
    (dense_forward, [(4, 3), (3, 5), (4,), (4, 5)], "bias as many entries"),
    (accumulate_weight_gradient, [(3, 3), (4, 5), (3, 5), (5,)], "x and delta have different numbers of rows"),
    (accumulate_weight_gradient, [(4, 2), (4, 5), (3, 5), (5,)], "weight_gradient must have shape"),
    (accumulate_weight_gradient, [(4, 3), (4, 5), (3, 4), (5,)], "weight_gradient must have shape"),
    (accumulate_weight_gradient, [(4, 3), (4, 5), (3, 5), (4,)], "bias_gradient must have one entry"),
    (input_gradient, [(4, 4), (3, 5), (4, 3)], "delta and weights have different numbers of columns"),
    (input_gradient, [(4, 5), (3, 5), (3, 3)], "out must have shape"),
    (input_gradient, [(4, 5), (3, 5), (4, 2)], "out must have shape"),
]


@pytest.mark.parametrize(("kernel", "shapes", "message"), WRONG_SHAPES)
def test_shapes_that_do_not_fit(kernel, shapes, message, dtype):
    arrays = [np.ones(shape, dtype) for shape in shapes]
    with pytest.raises(ValueError, match=message):
        kernel(*arrays)
    assert all((array == 1).all() for array in arrays)


APART, REVERSED = "rows must be contiguous", "kernels take no reversed arrays"
BAD_LAYOUTS = [  # the argument that is laid out wrongly
    (dense_forward, [(4, 3), (3, 5), (5,), (4, 5)], 1, every_second, APART),
    (dense_forward, [(4, 3), (3, 5), (5,), (4, 5)], 3, every_second, APART),
    (dense_forward, [(4, 3), (3, 5), (5,), (4, 5)], 2, lambda a: np.repeat(a, 2)[::2], "bias must be contiguous"),
    (dense_forward, [(4, 3), (3, 5), (5,), (4, 5)], 0, np.flipud, REVERSED),
    (dense_forward, [(4, 3), (3, 5), (5,), (4, 5)], 0, np.fliplr, REVERSED),
    (accumulate_weight_gradient, [(4, 3), (4, 5), (3, 5), (5,)], 1, every_second, APART),
    (accumulate_weight_gradient, [(4, 3), (4, 5), (3, 5), (5,)], 2, every_second, APART),
    (accumulate_weight_gradient, [(4, 3), (4, 5), (3, 5), (5,)], 2, np.flipud, REVERSED),
    (input_gradient, [(4, 5), (3, 5), (4, 3)], 2, every_second, APART),
    (input_gradient, [(4, 5), (3, 5), (4, 3)], 1, np.fliplr, REVERSED),
]


@pytest.mark.parametrize(("kernel", "shapes", "position", "lay_out", "message"), BAD_LAYOUTS)
def test_layouts_that_do_not_fit(kernel, shapes, position, lay_out, message):
    arrays = walls([np.ones(shape) for shape in shapes], padding=3)
    arrays[position] = lay_out(arrays[position])
    with pytest.raises(ValueError, match=message):
        kernel(*arrays)
    assert all((array == 1).all() for array in arrays)


def test_strides_that_are_no_whole_number_of_elements():
    """Such as a field of a record array has. The others have padded rows, for which the code is compiled already."""
    field = np.zeros((4, 3), [("x", np.float64), ("flag", np.int8)])["x"]
    weights, bias, out = walls([np.ones((3, 5)), np.ones(5), np.ones((4, 5))], padding=3)
    with pytest.raises(ValueError, match="strides"):
        dense_forward(field, weights, bias, out)
