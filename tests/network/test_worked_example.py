"""The neuron on paper in docs/backpropagation.md, number by number: by the kernels, and by Network."""

import re
from pathlib import Path

import numpy as np
import pytest

from hotloop import SGD, Network
from hotloop.kernels import (
    accumulate_weight_gradient,
    dense_forward,
    mean_squared_error,
    sgd,
    sigmoid,
    sigmoid_derivative,
)

DOCUMENT = (Path(__file__).parents[2] / "docs" / "backpropagation.md").read_text()
WEIGHTS, BIAS = [[0.2], [-0.1], [0.4]], [0.1]
INPUT, TARGET = np.array([[0.5, 2.0, 3.0]]), np.array([[0.0]])
LEARNING_RATE = 0.1
PARAMETERS = ["w1", "w2", "w3", "b"]
GRADIENT = ["dC/dw1", "dC/dw2", "dC/dw3", "dC/db"]


def table():
    """Return the document's numbers, as written: {quantity: (step 1, step 2, after)}."""
    digits = r" (-?\d\.\d+) "
    rows = re.findall(rf"^\| (\S+) \|[^|]+\|{digits}\|{digits}\|{digits}\|$", DOCUMENT, re.M)
    return {quantity: tuple(numbers) for quantity, *numbers in rows}


def written(value):
    """Write a number as the document does, to 12 significant digits."""
    return f"{float(np.squeeze(value)):#.12g}"


def step_by_kernels(weights, bias):
    """Take one step of descent in place; return every number on the way."""
    z, a, slope, grad = (np.full((1, 1), np.nan) for _ in range(4))
    weight_gradient, bias_gradient = np.zeros((3, 1)), np.zeros(1)
    numbers = dict(zip(PARAMETERS, [*weights.flat, *bias], strict=True))
    dense_forward(INPUT, weights, bias, z)
    sigmoid(z, a)
    loss = mean_squared_error(a, TARGET, grad)
    sigmoid_derivative(a, slope)
    delta = grad * slope
    accumulate_weight_gradient(INPUT, delta, weight_gradient, bias_gradient)
    numbers |= {"z": z, "a": a, "C": loss, "dC/da": grad, "f'(z)": slope, "delta": delta}
    numbers |= dict(zip(GRADIENT, [*weight_gradient.flat, *bias_gradient], strict=True))
    sgd(weight_gradient.reshape(-1), LEARNING_RATE, weights.reshape(-1))
    sgd(bias_gradient, LEARNING_RATE, bias)
    return {quantity: written(number) for quantity, number in numbers.items()}


def neuron():
    initial = [(np.array(WEIGHTS), np.array(BIAS))]
    return Network([3, 1], output="sigmoid", loss="mse", initializer=initial, dtype="float64", seed=0)


def parameters(vector, network):
    weights, biases = network.split(vector)
    return [written(number) for number in [*weights[0].flat, *biases[0]]]


def column(quantities, step):
    return [table()[quantity][step] for quantity in quantities]


def test_the_document_has_every_number():
    assert set(table()) == {*PARAMETERS, "z", "a", "C", "dC/da", "f'(z)", "delta", *GRADIENT}
    assert all(len(re.sub(r"^-?0?\.?0*|\.", "", text)) == 12 for numbers in table().values() for text in numbers)


def test_the_prose_has_the_numbers_of_the_table():
    known = {text.removeprefix("-") for numbers in table().values() for text in numbers}
    assert [text for text in re.findall(r"\d\.\d{9,}", DOCUMENT) if text not in known] == []


def test_the_kernels_arrive_at_the_numbers():
    weights, bias = np.array(WEIGHTS), np.array(BIAS)
    for step in range(3):
        numbers = step_by_kernels(weights, bias)
        assert numbers == {quantity: texts[step] for quantity, texts in table().items()}


def test_the_network_arrives_at_the_numbers():
    network = neuron()
    for step in range(3):
        loss, gradient = network.gradient(INPUT, TARGET)
        assert written(loss) == table()["C"][step]
        assert parameters(gradient, network) == column(GRADIENT, step)
        assert parameters(network.parameters, network) == column(PARAMETERS, step)
        assert written(network.predict(INPUT)) == table()["a"][step]
        network.fit(INPUT, TARGET, epochs=1, batch_size=1, optimizer=SGD(LEARNING_RATE), progress=False)


def test_one_fit_takes_the_two_steps():
    network = neuron()
    history = network.fit(INPUT, TARGET, epochs=2, optimizer=SGD(LEARNING_RATE), shuffle=False, progress=False)
    assert [written(loss) for loss in history["loss"]] == list(table()["C"][:2])
    assert parameters(network.parameters, network) == column(PARAMETERS, 2)


@pytest.mark.parametrize("step", range(3))
def test_single_precision_agrees_to_six_digits(step):
    network = Network([3, 1], output="sigmoid", loss="mse", initializer=[(WEIGHTS, BIAS)], dtype="float32", seed=0)
    if step:
        network.fit(INPUT, TARGET, epochs=step, optimizer=SGD(LEARNING_RATE), progress=False)
    weights, biases = network.split(network.parameters)
    expected = [float(text) for text in column(PARAMETERS, step)]
    np.testing.assert_allclose([*weights[0].flat, *biases[0]], expected, rtol=1e-6)
