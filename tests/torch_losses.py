"""Losses, weights and label smoothing as PyTorch has them in float64, in torch_losses.json.

``python tests/torch_losses.py`` writes the file again; it needs PyTorch, which the tests do not. Nothing is random.
"""

import json
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("torch_losses.json")
ROWS, BATCH, STEPS = 20, 8, 12
LEVELS, SMOOTHING, DELTA = [0.1, 0.5, 0.9], 0.13, 0.7
POSITIVE, CLASSES = [0.5, 3.0, 2.0], {0: 0.5, 2: 4.0}
# The name of the loss, what its targets are, outputs of the network, and arguments of `Network` and of `fit`.
CASES = {
    "mse, weights": ("mse", "real", 3, {}, ["sample_weight"]),
    "classes": ("cross_entropy", "classes", 3, {}, []),
    "classes, weights": ("cross_entropy", "classes", 3, {}, ["sample_weight"]),
    "classes, class weights": ("cross_entropy", "classes", 3, {}, ["class_weight"]),
    "classes, both weights": ("cross_entropy", "classes", 3, {}, ["sample_weight", "class_weight"]),
    "classes, smoothed": ("cross_entropy", "classes", 3, {"label_smoothing": SMOOTHING}, []),
    "distributions, smoothed": ("cross_entropy", "shares", 3, {"label_smoothing": SMOOTHING}, []),
    "classes, smoothed, weights": ("cross_entropy", "classes", 3, {"label_smoothing": SMOOTHING}, ["sample_weight"]),
    "binary, positive weights": ("binary_cross_entropy", "binary", 3, {}, ["positive_weight"]),
    "binary, both weights": ("binary_cross_entropy", "binary", 3, {}, ["positive_weight", "sample_weight"]),
    "binary, smoothed": ("binary_cross_entropy", "binary", 3, {"label_smoothing": SMOOTHING}, []),
    "poisson": ("poisson", "counts", 3, {}, []),
    "poisson, weights": ("poisson", "counts", 3, {}, ["sample_weight"]),
    "huber": ("huber", "real", 3, {}, []),
    "log_cosh": ("log_cosh", "real", 3, {}, []),
    "quantile": ("quantile", "real", 9, {}, []),
    "quantile, weights": ("quantile", "real", 9, {}, ["sample_weight"]),
}


def spread(*shape, start=0.0):
    """Return numbers from -1 to 1 without a pattern, the same on every machine to the last digit or so."""
    count = int(np.prod(shape))
    return (np.modf((np.arange(count) + 1 + start) * 0.6180339887498949)[0] * 2 - 1).reshape(shape)


def problem(kind):
    """Return X and the targets of a kind."""
    real = 2 * spread(ROWS, 3, start=0.3)
    targets = {
        "real": real,
        "classes": np.arange(ROWS) ** 2 % 7 % 3,
        "shares": (1.1 + real / 2) / (1.1 + real / 2).sum(axis=1, keepdims=True),
        "binary": (real > 0.4).astype(float),
        "counts": np.floor(np.abs(2 * real)),
    }
    return spread(ROWS, 4), targets[kind]


def weights():
    """Return the weight of each row, 0 for some."""
    found = 1 + spread(ROWS, start=0.7)
    found[::7] = 0
    return found


def start(outputs):
    """Return the weights and biases of two layers."""
    return [spread(4, 8) / 2, spread(8, outputs, start=0.5) / 2], [spread(8, start=0.2), spread(outputs, start=0.9)]


def record(name):
    """Return PyTorch's loss and gradient of all rows, and its parameters after some steps of Adam."""
    import torch
    import torch.nn.functional as formula

    loss, kind, outputs, options, arguments = CASES[name]
    (X, y), rows = problem(kind), np.ones(ROWS)
    rows = rows * weights() if "sample_weight" in arguments else rows
    rows = rows * np.array([CLASSES.get(label, 1.0) for label in y]) if "class_weight" in arguments else rows
    smoothing, levels = options.get("label_smoothing", 0.0), torch.tensor(LEVELS, dtype=torch.float64)
    positive = torch.tensor(POSITIVE, dtype=torch.float64) if "positive_weight" in arguments else None
    X, y, rows = torch.from_numpy(X), torch.from_numpy(y), torch.from_numpy(rows)

    def pinball(z, t):
        excess = t[:, :, None] - z.reshape(len(z), -1, len(LEVELS))
        return torch.maximum(levels * excess, (levels - 1) * excess).mean((1, 2))

    formulas = {
        "mse": lambda z, t: ((z - t) ** 2).mean(1),
        "cross_entropy": lambda z, t: formula.cross_entropy(z, t, label_smoothing=smoothing, reduction="none"),
        "binary_cross_entropy": lambda z, t: formula.binary_cross_entropy_with_logits(
            z, t * (1 - smoothing) + smoothing / 2, pos_weight=positive, reduction="none"
        ).mean(1),
        "poisson": lambda z, t: formula.poisson_nll_loss(z, t, reduction="none").mean(1),
        "huber": lambda z, t: formula.huber_loss(z, t, delta=DELTA, reduction="none").mean(1),
        "log_cosh": lambda z, t: torch.log(torch.cosh(z - t)).mean(1),
        "quantile": pinball,
    }
    W, b = ([torch.from_numpy(array).requires_grad_() for array in arrays] for arrays in start(outputs))

    def mean(chosen):
        z = torch.tanh(X[chosen] @ W[0] + b[0]) @ W[1] + b[1]
        return (formulas[loss](z, y[chosen]) * rows[chosen]).sum() / rows[chosen].sum()

    whole = mean(slice(None))
    whole.backward()
    gradient = [array.grad.numpy().copy() for array in (*W, *b)]
    optimizer = torch.optim.Adam([*W, *b], lr=0.01)
    for step in range(STEPS):
        optimizer.zero_grad()
        at = step % -(-ROWS // BATCH) * BATCH
        mean(slice(at, at + BATCH)).backward()
        optimizer.step()
    end = [array.detach().numpy() for array in (*W, *b)]
    return {
        "loss": whole.item(), "gradient": [array.ravel().tolist() for array in gradient],
        "end": [array.ravel().tolist() for array in end],
    }  # fmt: skip


if __name__ == "__main__":
    FILE.write_text(json.dumps({name: record(name) for name in CASES}, indent=0) + "\n")
