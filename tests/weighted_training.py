"""A slow, obvious NumPy twin of weighted training: C = sum w_i l_i / sum w_i of each batch, in float64.

A network of one hidden layer of tanh, and Adam. The value and the delta of a row's loss come from `oracle`.
"""

import numpy as np
import oracle

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def row_losses(loss, last, y):
    """Return the loss of each row, and its gradient by the row's last z or a; `loss` takes (rows, outputs) of both."""
    pairs = [loss(last[i : i + 1], y[i : i + 1]) for i in range(len(y))]
    return np.array([value for value, _ in pairs]), np.concatenate([slope for _, slope in pairs])


def loss_and_gradient(arrays, loss, x, y, w):
    """Return C and its gradient by W1, b1, W2, b2: of weights w (rows,), 0 if all are 0."""
    w1, b1, w2, b2 = arrays
    a = np.tanh(x @ w1 + b1)
    values, delta = row_losses(loss, a @ w2 + b2, y)
    share = w / w.sum() if w.any() else w
    delta = delta * share[:, None]
    below = (delta @ w2.T) * (1 - a**2)
    return share @ values, [x.T @ below, below.sum(axis=0), a.T @ delta, delta.sum(axis=0)]


def train(net, loss, x, y, w, *, epochs, batch_size, learning_rate):
    """Return the arrays after training from the network's, and the loss of each epoch: the mean over all weights."""
    arrays = [np.array(part, np.float64) for pair in zip(net.weights, net.biases, strict=True) for part in pair]
    first, second, step, losses = [0.0] * 4, [0.0] * 4, 0, []
    for _ in range(epochs):
        total = 0.0
        for start in range(0, len(x), batch_size):
            rows, step = slice(start, start + batch_size), step + 1
            value, gradient = loss_and_gradient(arrays, loss, x[rows], y[rows], w[rows])
            total += value * w[rows].sum()
            for i, g in enumerate(gradient):
                first[i], second[i], arrays[i] = oracle.adam(
                    g, learning_rate, BETA1, BETA2, EPSILON, step, first[i], second[i], arrays[i]
                )
        losses.append(total / w.sum())
    return arrays, losses
