"""The division of a step among threads: every number once, in groups that divide the team, and where they pay."""

import numpy as np
import pytest
from conftest import needs_compiler

from hotloop.kernels import kernel
from hotloop.kernels.division import block_of, divides, group_size
from hotloop.network.activations import row_of
from hotloop.network.layout import Layout

PANEL = 32


def layers_of(sizes, rows=256):
    layout = Layout(sizes, np.dtype("float32"))
    kinds, n_layers = [row_of("relu")] * layout.n_layers, layout.n_layers
    return layout.table(rows, kinds, [True] * n_layers, [0.0] * n_layers)[0]


@kernel
def found_size(layers, rows, n_threads, panel, most):
    """Return the size of a group."""
    return group_size(layers, rows, n_threads, panel, most)


@kernel
def shared(columns, panel, size):
    """Return whether threads can share columns."""
    return divides(columns, panel, size)


@kernel
def cover(layers, panel, n_threads, size, rows, granule, counts):
    """Count how often each parameter of the first layer is in a block; return whether one began off its granule."""
    misplaced = False
    for thread in range(n_threads):
        start, stop, left, right = block_of(layers[0], panel, thread, n_threads, size, rows, granule)
        misplaced |= (start % granule != 0 and start < rows) or left % panel != 0
        for i in range(start, stop):
            for j in range(left, right):
                counts[i, j] += 1
    return misplaced


@pytest.mark.parametrize(("fan_out", "n_threads", "size"), [
    (10, 4, 2), (64, 4, 2), (96, 6, 3), (512, 16, 16), (512, 16, 4), (300, 5, 5), (33, 1, 1), (1000, 12, 6),
])  # fmt: skip
def test_each_parameter_is_in_one_block(fan_out, n_threads, size):
    layers, rows = layers_of((50, fan_out)), 51
    counts = np.zeros((rows, int(layers[0]["stride"])), np.int64)
    assert not cover(layers, PANEL, n_threads, size, rows, 8, counts)
    assert (counts == 1).all()


@pytest.mark.parametrize(("columns", "size", "answer"), [
    (64, 1, False), (64, 2, True), (96, 2, False), (32, 2, False), (512, 16, True), (8 * 32 - 16, 2, True),
    (7 * 32, 2, False), (9 * 32, 2, True),
])  # fmt: skip
def test_columns_are_shared_evenly_or_nearly(columns, size, answer):
    """By whole panels: as many for each thread, or so many that one more does not matter."""
    assert shared(columns, PANEL, size) == answer


@pytest.mark.parametrize("n_threads", [1, 2, 6, 7, 16, 64])
@pytest.mark.parametrize("sizes", [(3, 4, 2), (784, 128, 10), (784, 512, 512, 10), (2048, 2048, 2048, 10)], ids=str)
def test_a_group_divides_the_team(sizes, n_threads):
    layers = layers_of(sizes)
    for rows in (1, 32, 1024):
        assert n_threads % found_size(layers, rows, n_threads, PANEL, 0) == 0
    sizes = [found_size(layers, 32, n_threads, PANEL, most) for most in (1, 2, 4, 100)]
    divisors = [size for size in range(1, n_threads + 1) if n_threads % size == 0]
    assert sizes == [max(size for size in divisors if size <= most) for most in (1, 2, 4, 100)]


@pytest.mark.parametrize(("sizes", "rows", "n_threads", "size"), [
    ((64, 32, 10), 32, 4, 1),  # weights that are read sooner than a barrier is passed
    ((784, 128, 10), 32, 2, 2),  # few rows, large weights
    ((2048, 2048, 2048, 10), 512, 2, 2),
    ((128, 128, 10), 1024, 4, 1),  # many rows, small weights
])  # fmt: skip
def test_groups_form_where_weights_outweigh_rows(sizes, rows, n_threads, size):
    assert found_size(layers_of(sizes, rows), rows, n_threads, PANEL, 0) == size


@needs_compiler
def test_a_large_team_reads_least_in_between():
    """Sixteen threads that all had columns would read all rows; all with rows of their own, all weights."""
    layers = layers_of((2048, 2048, 2048, 10), 512)
    assert 1 < found_size(layers, 512, 16, PANEL, 0) < 16
