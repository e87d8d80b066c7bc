"""Your own compiled training loop, built from the public kernels: two sigmoid layers and plain gradient descent.

Kernels are Numba functions: `@njit` code calls them like any other. Here each epoch is one compiled call. What is
special about your training (the order of the samples, noise on the inputs, a schedule) goes into the loop. With
`@kernel` of `hotloop.kernels` instead of `@njit`, the loop would be kept on disk for the next run.

    python examples/user_loop.py
"""

import argparse

import numpy as np
from numba import njit

from hotloop.datasets import load_digits
from hotloop.kernels import (
    accumulate_weight_gradient,
    dense_forward,
    input_gradient,
    mean_squared_error,
    sgd,
    sigmoid,
    sigmoid_derivative,
)

INPUTS, HIDDEN, OUTPUTS, BATCH = 64, 30, 10, 10


def views(vector):
    """Return the parts of a flat vector of parameters or gradients: two layers of weights and biases."""
    shapes = [(INPUTS, HIDDEN), (HIDDEN,), (HIDDEN, OUTPUTS), (OUTPUTS,)]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return tuple(part.reshape(shape) for part, shape in zip(np.split(vector, ends[:-1]), shapes, strict=True))


@njit(error_model="numpy", nogil=True)
def train_epoch(x, y, order, learning_rate, parameters, gradient, layers, gradients):
    """Train on every whole batch once, in the given order, and return the mean loss."""
    w1, b1, w2, b2 = layers
    dw1, db1, dw2, db2 = gradients
    batch_x, batch_y = np.empty((BATCH, INPUTS), x.dtype), np.empty((BATCH, OUTPUTS), x.dtype)
    a1, a2 = np.empty((BATCH, HIDDEN), x.dtype), np.empty((BATCH, OUTPUTS), x.dtype)
    slope1, delta1, slope2, delta2 = np.empty_like(a1), np.empty_like(a1), np.empty_like(a2), np.empty_like(a2)
    loss = 0.0
    batches = len(x) // BATCH
    for batch in range(batches):
        for row in range(BATCH):  # number by number: Numba takes 2 s longer to compile batch_x[row] = x[sample]
            sample = order[batch * BATCH + row]
            for column in range(INPUTS):
                batch_x[row, column] = x[sample, column]
            for column in range(OUTPUTS):
                batch_y[row, column] = y[sample, column]
        dense_forward(batch_x, w1, b1, a1)
        sigmoid(a1, a1)
        dense_forward(a1, w2, b2, a2)
        sigmoid(a2, a2)

        loss += mean_squared_error(a2, batch_y, delta2)
        sigmoid_derivative(a2, slope2)
        delta2 *= slope2
        input_gradient(delta2, w2, delta1)
        sigmoid_derivative(a1, slope1)
        delta1 *= slope1

        gradient[:] = 0
        accumulate_weight_gradient(batch_x, delta1, dw1, db1)
        accumulate_weight_gradient(a1, delta2, dw2, db2)
        sgd(gradient, learning_rate, parameters)
    return loss / batches


def main() -> None:
    """Train on the digits and print loss and test accuracy."""
    parser = argparse.ArgumentParser(description="Train with a compiled loop over the public kernels.")
    parser.add_argument("--epochs", type=int, default=30)
    arguments = parser.parse_args()

    data = load_digits()
    targets = np.eye(OUTPUTS, dtype=np.float32)[data.y_train]
    generator = np.random.default_rng(0)
    parameters = generator.normal(0, 0.2, INPUTS * HIDDEN + HIDDEN + HIDDEN * OUTPUTS + OUTPUTS).astype(np.float32)
    gradient = np.zeros_like(parameters)
    layers, gradients = views(parameters), views(gradient)

    for epoch in range(1, arguments.epochs + 1):
        order = generator.permutation(len(data.x_train))
        loss = train_epoch(data.x_train, targets, order, 10.0, parameters, gradient, layers, gradients)
        if epoch % 5 == 0 or epoch == arguments.epochs:
            print(f"epoch {epoch:3d}  loss {loss:.5f}")

    a1 = np.empty((len(data.x_test), HIDDEN), np.float32)
    a2 = np.empty((len(data.x_test), OUTPUTS), np.float32)
    dense_forward(data.x_test, layers[0], layers[1], a1)
    sigmoid(a1, a1)
    dense_forward(a1, layers[2], layers[3], a2)
    print(f"test accuracy {np.mean(a2.argmax(axis=1) == data.y_test):.2%}")


if __name__ == "__main__":
    main()
