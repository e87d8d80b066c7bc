"""The training step of examples/reference_step.py: the gradient that it claims, and hotloop's step to rounding."""

import ast
from pathlib import Path

import numpy as np
import pytest
from examples import reference_step

from hotloop import SGD, Network

SOURCE = Path(reference_step.__file__).read_text()
NETWORKS = [
    ((1, 1), ["identity"], 1),
    ((3, 2), ["sigmoid"], 4),
    ((4, 7, 3), ["tanh", "identity"], 9),
    ((5, 17, 6, 2), ["relu", "sigmoid", "tanh"], 33),
    ((6, 5, 5, 5, 1), ["sigmoid", "tanh", "relu", "identity"], 16),
]


def start(sizes, activations, rows):
    """Return a network of hotloop's, a batch, and copies of the network's parameters."""
    *hidden, output = activations
    net = Network(sizes, hidden, output=output, dtype="float64", seed=1)
    rng = np.random.default_rng(2)
    for bias in net.biases:
        bias[:] = rng.normal(size=bias.shape)
    x, y = rng.normal(size=(rows, sizes[0])), rng.normal(size=(rows, sizes[-1]))
    return net, x, y, [w.copy() for w in net.weights], [b.copy() for b in net.biases]


@pytest.mark.parametrize(("sizes", "activations", "rows"), NETWORKS, ids=str)
def test_ten_steps_are_hotloops(sizes, activations, rows):
    """To some roundings a step: the sums are the same, in another order."""
    net, x, y, weights, biases = start(sizes, activations, rows)
    before = net.parameters.copy()
    for _ in range(10):
        loss = reference_step.training_step(x, y, weights, biases, activations, 0.1)
        history = net.fit(x, y, epochs=1, batch_size=rows, optimizer=SGD(0.1), progress=False)
        assert history["loss"][0] == pytest.approx(loss, rel=1e-13)
    assert np.abs(net.parameters - before).max() > 1e-3
    for ours, theirs in zip([*net.weights, *net.biases], [*weights, *biases], strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("sizes", "activations", "rows"), NETWORKS, ids=str)
def test_the_gradient_is_the_slope_of_the_loss(sizes, activations, rows):
    """Central differences, parameter by parameter, of the loss that the forward pass gives."""
    _, x, y, weights, biases = start(sizes, activations, rows)

    def loss():
        return reference_step.mean_squared_error(
            reference_step.forward(x, weights, biases, activations)[-1], y
        )[0]  # fmt: skip

    a = reference_step.forward(x, weights, biases, activations)
    gradients = reference_step.backward(a, reference_step.mean_squared_error(a[-1], y)[1], weights, activations)
    for parameters, gradient in zip([*weights, *biases], [*gradients[0], *gradients[1]], strict=True):
        assert parameters.shape == gradient.shape
        for place in np.ndindex(parameters.shape):
            kept, h = parameters[place], 1e-5
            parameters[place] = kept + h
            above = loss()
            parameters[place] = kept - h
            below = loss()
            parameters[place] = kept
            assert gradient[place] == pytest.approx((above - below) / (2 * h), rel=1e-6, abs=1e-8)


def test_it_is_plain_and_short():
    """No class, no framework, and at most sixty lines from the first formula to the last update."""
    tree = ast.parse(SOURCE)
    assert not [node for node in ast.walk(tree) if isinstance(node, (ast.ClassDef, ast.AsyncFunctionDef))]
    assert {node.names[0].name for node in tree.body if isinstance(node, ast.Import)} == {"numpy"}
    assert {node.module for node in tree.body if isinstance(node, ast.ImportFrom)} == {"hotloop"}
    (first,) = (node for node in tree.body if isinstance(node, ast.Assign))
    (last,) = (node for node in tree.body if getattr(node, "name", "") == "training_step")
    assert last.end_lineno - first.lineno < 60
    assert all(f"BP{number}:" in SOURCE for number in (1, 2, 3, 4))
    assert not {"Network", "SGD"} & {node.id for node in ast.walk(last) if isinstance(node, ast.Name)}
