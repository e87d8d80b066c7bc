"""Each vector operation, and each view, against its plain meaning."""

from functools import cache, partial

import numba
import numpy as np
import pytest
from conftest import MARGIN, fenced, whole_numbers

from hotloop.kernels import simd, views
from hotloop.kernels.records import Matrix

compiled = numba.njit(error_model="numpy")


@pytest.fixture
def lanes(dtype):
    return 64 // np.dtype(dtype).itemsize


@compiled
def width(array):
    return simd.width(array)


@compiled
def item(array, index):
    return simd.item(array, index)


@compiled
def copy(source, source_index, out, out_index):
    simd.store(out, out_index, simd.load(source, source_index))


@compiled
def prefetch(array, index):
    simd.prefetch(array, index)


@compiled
def load_twice(array, out):
    """The vector is a value: storing to the memory that it came from does not change it."""
    vector = simd.load(array, 0)
    simd.store(array, 0, simd.load(array, 1))
    simd.store(out, 0, vector)


def test_a_vector_is_64_bytes(dtype, lanes):
    assert width(np.zeros(1, dtype)) == lanes


def test_item_reads_one_element(dtype):
    array = np.arange(40, dtype=dtype)
    assert [item(array, i) for i in (0, 1, 39)] == [0, 1, 39]


def test_an_index_counts_through_memory_whatever_the_shape(dtype):
    array = np.arange(40, dtype=dtype).reshape(5, 8)
    assert item(array, 13) == 13
    assert item(array[:, :6], 13) == 13
    assert item(array[2:], 13) == 29


@pytest.mark.parametrize("index", [0, 1, 7, 20])
def test_load_and_store_move_one_vector_and_nothing_else(dtype, lanes, index):
    source = np.arange(60, dtype=dtype)
    with fenced((lanes,), dtype) as out:
        copy(source, index, out, 0)
        np.testing.assert_array_equal(out, source[index : index + lanes])
    buffer = np.full(60, -1, dtype)
    copy(source, 0, buffer, index)
    expected = np.full(60, -1, dtype)
    expected[index : index + lanes] = source[:lanes]
    np.testing.assert_array_equal(buffer, expected)


def test_prefetch_reads_nothing(dtype):
    """So that the line may lie outside the array, or outside the process's memory."""
    array = np.arange(40, dtype=dtype)
    for index in (0, 39, 10**6, 10**15):
        prefetch(array, index)
    np.testing.assert_array_equal(array, np.arange(40))


def test_a_loaded_vector_is_a_copy(dtype, lanes):
    array, out = np.arange(lanes + 1, dtype=dtype), np.empty(lanes, dtype)
    load_twice(array, out)
    np.testing.assert_array_equal(out, np.arange(lanes))
    np.testing.assert_array_equal(array, [*range(1, lanes + 1), lanes])


@cache
def micro_kernel_of(mr, nr):
    """Return a function that computes one micro-kernel: the numbers of rows and vectors are constants."""

    @compiled
    def function(a, b, depth, scale, initial, c):
        simd.micro_kernel(mr, nr, a, b, depth, scale, initial, c)

    return function


def micro_kernel_up_to(most, nr):
    """Return a function that computes a micro-kernel of any number of rows up to a constant."""

    @compiled
    def function(mr, a, b, depth, scale, initial, c):
        simd.micro_kernel_up_to(most, nr, mr, a, b, depth, scale, initial, c)

    return function


@pytest.mark.parametrize("depth", [0, 1, 9])
@pytest.mark.parametrize(("rows", "vectors"), [(1, 1), (1, 4), (2, 3), (6, 1), (8, 2)])
def test_micro_kernel(rows, vectors, depth, dtype, lanes, rng):
    """A row of A along memory and down its columns, from several rows and from one row, with odd offsets."""
    check_micro_kernel(micro_kernel_of(rows, vectors), rows, vectors, depth, dtype, lanes, rng)


def test_micro_kernels_of_any_height(dtype, lanes, rng):
    function = micro_kernel_up_to(5, 3)
    for rows in range(1, 6):
        check_micro_kernel(partial(function, rows), rows, 3, 4, dtype, lanes, rng)


def check_micro_kernel(function, rows, vectors, depth, dtype, lanes, rng):
    size = vectors * lanes
    a, b = whole_numbers(rng, (rows, depth), dtype), whole_numbers(rng, (depth, size), dtype)
    start, scale = whole_numbers(rng, (rows, size), dtype), dtype(-3)
    along, along_row = np.full(3 + rows * (depth + 1), np.nan, dtype), depth + 1
    down, down_step = np.full(3 + depth * (rows + 1), np.nan, dtype), rows + 1
    along[3:].reshape(rows, depth + 1)[:, :depth] = a
    down[3:].reshape(depth, rows + 1)[:, :rows] = a.T
    lines, line = np.full(1 + depth * (size + 2), np.nan, dtype), size + 2
    lines[1:].reshape(depth, line)[:, :size] = b
    for given, row, step in ((along, along_row, 1), (down, 1, down_step)):
        for initial_row in (size, 0):
            with fenced((rows, size), dtype, padding=5) as c:
                c[...] = np.nan
                initial = np.concatenate([[dtype(np.nan)], start.ravel()])
                function(
                    Matrix(given, 3, row, step), Matrix(lines, 1, line, 1), depth, scale,
                    Matrix(initial, 1, initial_row, 1), Matrix(c, 0, size + 5, 1),
                )  # fmt: skip
                expected = (start if initial_row else start[0]) + scale * (a @ b)
                np.testing.assert_array_equal(c, expected)


@compiled
def transpose4(source, at, row, out, ot, out_row):
    simd.transpose(4, source, at, row, out, ot, out_row)


def test_transpose(dtype, lanes):
    source = np.arange(4 * (lanes + 3) + 2, dtype=dtype)
    with fenced((lanes, 4), dtype, padding=3) as out:
        out[...] = -1
        transpose4(source, 2, lanes + 3, out, 0, 7)
        np.testing.assert_array_equal(out, source[2:].reshape(4, lanes + 3)[:, :lanes].T)


@compiled
def fill_segment(array, offset, size, value):
    part = views.segment(array, offset, size)
    for i in range(part.size):
        part[i] = value


@compiled
def number_matrix(array, offset, rows, columns, stride):
    part = views.matrix(array, offset, rows, columns, stride)
    for i in range(part.shape[0]):
        for j in range(part.shape[1]):
            part[i, j] = 10 * i + j


@compiled
def fill_row(array, index, value):
    part = views.row(array, index)
    for j in range(part.size):
        part[j] = value


@compiled
def reverse(array):
    scratch = views.stack_array(array, 32)
    for i in range(array.size):
        scratch[i] = array[array.size - 1 - i]
    for i in range(array.size):
        array[i] = scratch[i]
    return scratch.size


def test_segment(dtype):
    with fenced((30,), dtype) as array:
        array[:] = 0
        fill_segment(array, 5, 20, 1)
        np.testing.assert_array_equal(array, [0] * 5 + [1] * 20 + [0] * 5)


def test_matrix(dtype):
    array = np.full(20, -1, dtype)
    number_matrix(array, 2, 3, 2, 5)
    expected = np.full(20, -1, dtype)
    expected[[2, 3, 7, 8, 12, 13]] = [0, 1, 10, 11, 20, 21]
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("padding", [0, 3])
def test_row(dtype, padding):
    with fenced((4, 5), dtype, padding) as array:
        array[...] = 0
        fill_row(array, 2, 1)
        np.testing.assert_array_equal(array, np.outer([0, 0, 1, 0], np.ones(5)))


def test_stack_array(dtype):
    array = np.arange(MARGIN // 2, dtype=dtype)
    assert reverse(array) == 32
    np.testing.assert_array_equal(array, np.arange(MARGIN // 2)[::-1])
