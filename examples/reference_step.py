"""One training step of a dense network in plain NumPy, and the same step by hotloop.

Forward, loss, backward, update, with each formula of backpropagation beside its line. hotloop does this, in compiled
loops. Letters in shapes: B rows of the batch, I inputs of a layer, O its outputs. Run it with

    python examples/reference_step.py
"""

import numpy as np

from hotloop import SGD, Network

# f(z), and its derivative f'(z) written in terms of a = f(z), since a is what the forward pass keeps.
ACTIVATIONS = {
    "identity": (lambda z: z, np.ones_like),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda a: a * (1 - a)),
    "tanh": (np.tanh, lambda a: 1 - a**2),
    "relu": (lambda z: np.maximum(z, 0), lambda a: np.where(a > 0, 1.0, 0.0)),
}


def forward(x, weights, biases, activations):
    """Return the input x (B, I) and the activations a (B, O) of each layer, which the backward pass needs."""
    a = [x]
    for w, b, name in zip(weights, biases, activations, strict=True):
        f, _ = ACTIVATIONS[name]
        z = a[-1] @ w + b  # z(l) = a(l-1) W(l) + b(l)
        a.append(f(z))  # a(l) = f(z(l))
    return a


def mean_squared_error(output, y):
    """Return the loss C, the mean over rows and outputs, and its derivative dC/da (B, O)."""
    error = output - y
    return np.mean(error**2), 2 * error / error.size


def backward(a, dc_da, weights, activations):
    """Return the gradient: dC/dW (I, O) and dC/db (O,) of each layer, in lists like those of the parameters."""
    slopes = [ACTIVATIONS[name][1](output) for name, output in zip(activations, a[1:], strict=True)]  # f'(z(l))
    dc_dw, dc_db = [], []
    delta = dc_da * slopes[-1]  # BP1: delta(L) = dC/da(L) * f'(z(L))
    for layer in reversed(range(len(weights))):
        dc_dw.insert(0, a[layer].T @ delta)  # BP3: dC/dW(l) = a(l-1).T delta(l)
        dc_db.insert(0, delta.sum(axis=0))  # BP4: dC/db(l) = sum of delta(l) over the batch
        if layer > 0:
            delta = (delta @ weights[layer].T) * slopes[layer - 1]  # BP2: delta(l-1) = (delta(l) W(l).T) * f'(z(l-1))
    return dc_dw, dc_db


def training_step(x, y, weights, biases, activations, learning_rate):
    """Move the parameters one step down the gradient, in place, and return the loss before the step."""
    a = forward(x, weights, biases, activations)
    loss, dc_da = mean_squared_error(a[-1], y)
    dc_dw, dc_db = backward(a, dc_da, weights, activations)
    for w, b, dw, db in zip(weights, biases, dc_dw, dc_db, strict=True):
        w -= learning_rate * dw  # w := w - alpha dC/dw
        b -= learning_rate * db
    return loss


def main() -> None:
    """Train one network by this step and by hotloop, from the same weights on the same batch."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(32, 3))
    y = np.column_stack([x[:, 0] * x[:, 1], np.sin(x[:, 2])])
    net = Network([3, 16, 8, 2], ["tanh", "sigmoid"], dtype="float64", seed=0)
    weights, biases = [w.copy() for w in net.weights], [b.copy() for b in net.biases]

    print("step  loss in NumPy   loss in hotloop")
    for step in range(1, 6):
        loss = training_step(x, y, weights, biases, net.activations, learning_rate=0.5)
        history = net.fit(x, y, epochs=1, batch_size=len(x), optimizer=SGD(0.5), progress=False)
        print(f"{step:4d}  {loss:.12f}  {history['loss'][0]:.12f}")
    pairs = zip([*net.weights, *net.biases], [*weights, *biases], strict=True)
    print(f"largest difference of a parameter: {max(np.abs(a - b).max() for a, b in pairs):.1e}")


if __name__ == "__main__":
    main()
