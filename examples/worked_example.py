"""One sigmoid neuron, three weights, one step of gradient descent, every number printed.

The same numbers stand on paper in docs/backpropagation.md, "One neuron on paper", step 1. Run it with

    python examples/worked_example.py
"""

import numpy as np

from hotloop import SGD, Network
from hotloop.kernels import (
    accumulate_weight_gradient,
    dense_forward,
    mean_squared_error,
    sgd,
    sigmoid,
    sigmoid_derivative,
)

LEARNING_RATE = 0.1


def show(name: str, formula: str, values: np.ndarray | float) -> None:
    """Print a quantity to twelve digits."""
    print(f"{name:<8}= {formula:<22}=", "  ".join(f"{value:#.12g}" for value in np.ravel(values)))


def main() -> None:
    """Take the step by the kernels, then by Network, and print both."""
    x = np.array([[0.5, 2.0, 3.0]])
    y = np.array([[0.0]])
    w = np.array([[0.2], [-0.1], [0.4]])
    b = np.array([0.1])
    net = Network([3, 1], output="sigmoid", loss="mse", initializer=[(w, b)], dtype="float64", seed=0)

    z, a, dc_da, slope = (np.empty((1, 1)) for _ in range(4))
    dense_forward(x, w, b, z)
    show("z", "x w + b", z)
    sigmoid(z, a)
    show("a", "1 / (1 + exp(-z))", a)
    loss = mean_squared_error(a, y, dc_da)
    show("C", "(a - y)^2", loss)
    show("dC/da", "2 (a - y)", dc_da)
    sigmoid_derivative(a, slope)
    show("f'(z)", "a (1 - a)", slope)
    delta = dc_da * slope
    show("delta", "dC/da f'(z)", delta)

    dc_dw, dc_db = np.zeros_like(w), np.zeros_like(b)
    accumulate_weight_gradient(x, delta, dc_dw, dc_db)
    show("dC/dw", "x delta", dc_dw)
    show("dC/db", "delta", dc_db)
    sgd(dc_dw.reshape(-1), LEARNING_RATE, w.reshape(-1))
    sgd(dc_db, LEARNING_RATE, b)
    show("new w", "w - 0.1 dC/dw", w)
    show("new b", "b - 0.1 dC/db", b)

    net.fit(x, y, epochs=1, optimizer=SGD(LEARNING_RATE), progress=False)
    print("\nThe same step by Network.fit:")
    show("new w", "net.weights[0]", net.weights[0])
    show("new b", "net.biases[0]", net.biases[0])
    show("a", "net.predict(x)", net.predict(x))


if __name__ == "__main__":
    main()
