"""How many threads of a team read each number of a layer, and what one of them touches, thread by thread."""

from itertools import pairwise

import numpy as np
import pytest

from hotloop import SGD, Adam, Network
from hotloop.kernels.matmul import MR
from hotloop.kernels.training import GRANULE
from hotloop.network.profiling import work


def part_of(total, granule, part, parts):
    """Return which of range(total) a part has, in whole granules."""
    granules = -(-total // granule)
    return {i for i in range(total) if granules * part // parts <= i // granule < granules * (part + 1) // parts}


@pytest.mark.parametrize("optimizer", [SGD(), Adam()], ids=lambda optimizer: type(optimizer).__name__)
def test_how_many_threads_read_each_number(optimizer, monkeypatch):
    """Thread by thread: eight in groups of four, which share the columns of some layers; 24 rows, so six have some."""
    sizes, rows, n, size = (40, 64, 128, 10), 24, 8, 4
    shared = [(4, 1), (4, 4), (1, 4)]  # forward and backward
    monkeypatch.setattr(work.Work, "_shared", lambda self, n_threads: shared)
    net = Network(sizes, seed=0)
    data = net._prepared(net._checked(np.ones((rows, sizes[0])), np.ones((rows, sizes[-1]))), rows)
    data.set_optimizer(optimizer, 0, 0)
    formulas = work.Work(data)
    touched = 0
    for (I, O), (forward, backward), found in zip(pairwise(sizes), shared, formulas.divisions(n), strict=True):  # noqa: E741
        sums = np.zeros(8)
        for thread in range(n):
            group, member = divmod(thread, size)
            of_group = part_of(rows, GRANULE, group, n // size)
            mine = part_of(len(of_group), GRANULE, member, size)
            r, columns = (of_group, part_of(O, 16, member, size)) if forward > 1 else (mine, range(O))
            sums[:2] += len(r) * I * bool(columns), I * len(columns) * bool(r)
            below, r = (part_of(I, 16, member, size), of_group) if backward > 1 else (range(I), mine)
            sums[2:4] += len(r) * O * bool(below), len(below) * O * bool(r)
            of_thread = part_of(I + 1, MR, thread, n)
            sums[4:6] += len(of_thread - {I}) * rows, rows * O * bool(of_thread)
            inputs = part_of(I + 1, MR, group, n // size) if forward > 1 else of_thread
            sums[6:] += len(inputs - {I}) * rows, rows * len(columns) * bool(inputs)
            below = set() if sizes[0] == I else {*below}  # the first layer has no backward pass
            updated = of_thread - {I} if isinstance(optimizer, Adam) else set()
            weights = {(i, o) for i in range(I) for o in columns} | {(i, o) for i in below | updated for o in range(O)}
            touched += len(weights) + len(columns)
        expected = (sums / [rows * I, I * O, rows * O, I * O, rows * I, rows * O, rows * I, rows * O]).tolist()
        assert (expected.pop(4), [*found]) == (1, expected)
    values = rows * (40 * 4 + 64 * 2 * 4 + 128 * 2 * 4 + 10 * 3)  # x, then a and delta, and z of the last
    parameters = 41 * 64 + 65 * 128 + 129 * 10
    arrays = parameters * (3 if isinstance(optimizer, Adam) else 0)  # gradient and moments: a thread has its share
    of_all = 4 * (touched + values + arrays)
    assert n * formulas.bytes_of_a_thread(n) == pytest.approx(of_all, rel=0.02)  # biases are no rows
    assert formulas.step_bytes == 4 * (parameters + arrays + rows * (40 + 64 * 2 + 128 * 2 + 10 * 3))
