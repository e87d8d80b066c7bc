"""Whether layers fit each other in another order, against all orders."""

from itertools import pairwise, permutations

import numpy as np
import pytest

from hotloop.network.interchange.layer_order import another_order_fits


@pytest.mark.parametrize("seed", range(60))
def test_against_all_orders(seed):
    rng = np.random.default_rng(seed)
    widths = rng.integers(1, 7, rng.integers(2, 7)).tolist()
    shapes = [*pairwise(widths)]
    fitting = [
        order
        for order in permutations(range(len(shapes)))
        if all(shapes[before][1] == shapes[after][0] for before, after in pairwise(order))
    ]
    assert another_order_fits(shapes) == (len(fitting) > 1)


def test_no_layers():
    assert not another_order_fits([])
