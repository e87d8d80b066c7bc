"""hotloop's gradient against plain NumPy's, which sums in other orders."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from conftest import needs_compiler

from benchmarks.comparison import cases, hotloop_peer, numpy_peer
from benchmarks.comparison.cases import NETWORKS


def exact_numbers(case, monkeypatch):
    """Start both peers from numbers for which the weighted inputs of two layers are exact in any order of summation.

    Inputs are 0 to 7 eighths, weights a power of two, its negative or 0: all terms of a sum are multiples of one unit,
    and their magnitudes add up to less than 2**24 of it. Else a unit whose z is 0 but for rounding is on in one program
    and off in the other, and their gradients differ by far more than sums do.
    """
    rng = np.random.default_rng(cases.SEED)
    _, targets = cases.data(case)
    inputs = np.maximum(rng.integers(-7, 8, (case.rows, case.sizes[0])), 0).astype(np.float32) / 8
    layers, unit, largest = [], 1 / 8, inputs.astype(float)
    for number, (fan_in, fan_out) in enumerate(pairwise(case.sizes), 1):
        scale = 0.5 ** math.ceil(math.log2(math.sqrt(fan_in) / 2))
        weights = scale * rng.integers(-1, 2, (fan_in, fan_out)).astype(np.float32)
        layers.append((weights, np.zeros(fan_out, np.float32)))
        unit, largest = unit * scale, largest @ np.abs(weights)
        assert case.activation != "relu" or number == len(case.sizes) - 1 or largest.max() < 2**24 * unit
    for peer in (numpy_peer, hotloop_peer):
        monkeypatch.setattr(peer, "data", lambda _: (inputs, targets))
        monkeypatch.setattr(peer, "initial_weights", lambda _: layers)
    return inputs, targets, layers


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs_compiler) for name in NETWORKS])
def test_numpy_has_the_gradient_of_hotloop(name, monkeypatch):
    """A step of plain descent at rate 1 is the gradient. float32 sums of up to 1024 terms: 1e-5 of the largest."""
    case = replace(NETWORKS[name], rows=NETWORKS[name].batch, optimizer="sgd", learning_rate=1.0)
    *given, initial = exact_numbers(case, monkeypatch)
    theirs, ours = numpy_peer.Peer(case), hotloop_peer.Peer(case)
    loss, gradient = ours.network.gradient(*given)
    assert theirs.train(1) == pytest.approx(loss, rel=1e-5)
    weights, biases = ours.network.split(gradient)
    for layer, (w, b) in enumerate(theirs.parameters()):
        for found, wanted in ((initial[layer][0] - w, weights[layer]), (initial[layer][1] - b, biases[layer])):
            # What is left of a weight of order 1 after the subtraction is rounded to 6e-8 besides.
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max() + 1.2e-7)
