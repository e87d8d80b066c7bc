"""Twenty steps of a small network with clipping and parameter groups, as PyTorch takes them, in torch_updates.json.

``python tests/torch_updates.py`` writes the file again; it needs PyTorch, which the tests do not. Nothing is random.
"""

import json
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("torch_updates.json")
SIZES, ROWS, STEPS = (5, 7, 3), 8, 20
# The optimizer's name, its arguments, and what every optimizer of hotloop takes besides.
CASES = {
    "norm": ("SGD", {"learning_rate": 0.5}, {"clip_norm": 0.3}),
    "value": ("SGD", {"learning_rate": 0.1, "momentum": 0.9}, {"clip_value": 0.02}),
    "value, then norm": ("Adam", {"learning_rate": 0.02}, {"clip_value": 0.05, "clip_norm": 0.1}),
    "a norm above all": ("SGD", {"learning_rate": 0.5}, {"clip_norm": 1e3}),
    "the last layer only": (
        "SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True},
        {"learning_rate_factors": {"weights": [0, 1], "biases": [0, 1]}, "clip_norm": 0.2},
    ),
    "plain factors": ("SGD", {"learning_rate": 0.3}, {"learning_rate_factors": {"weights": [0.5, 2], "biases": 0.25}}),
    "no decay of biases": (
        "AdamW", {"learning_rate": 0.02, "weight_decay": 0.5},
        {"learning_rate_factors": {"biases": 2}, "weight_decay_factors": {"weights": [1, 0.25], "biases": 0},
         "clip_norm": 0.2},
    ),
}  # fmt: skip


def problem():
    """Return X, y and the weights and biases to start from."""
    angles = np.arange(1000.0)
    X, y = np.sin(angles[: ROWS * 5]).reshape(ROWS, 5), 3 * np.cos(angles[: ROWS * 3]).reshape(ROWS, 3)
    first, second = np.sin(7 * angles[:35]).reshape(5, 7), np.sin(5 * angles[:21]).reshape(7, 3)
    return X, y, [(first, np.sin(angles[:7])), (second, np.sin(angles[:3]))]


def per_layer(factors, name):
    value = (factors or {}).get(name, 1)
    return value if isinstance(value, list) else [value, value]


def by_torch(name, options, common):
    """Return the parameters after all steps, weights (fan_in, fan_out) and bias by layer, and the norms it returned."""
    import torch

    X, y, start = problem()
    tensors = [torch.tensor(array, requires_grad=True) for pair in start for array in pair]
    options, rates, decays = dict(options), common.get("learning_rate_factors"), common.get("weight_decay_factors")
    rate, groups = options.pop("learning_rate"), []
    for layer in range(2):
        for kind, tensor in zip(("weights", "biases"), tensors[2 * layer : 2 * layer + 2], strict=True):
            group = {"params": [tensor], "lr": rate * per_layer(rates, kind)[layer]}
            if "weight_decay" in options:
                group["weight_decay"] = options["weight_decay"] * per_layer(decays, kind)[layer]
            groups.append(group)
    optimizer, norms = getattr(torch.optim, name)(groups, **options), []
    for _ in range(STEPS):
        optimizer.zero_grad()
        hidden = torch.tanh(torch.tensor(X) @ tensors[0] + tensors[1])
        torch.nn.functional.mse_loss(hidden @ tensors[2] + tensors[3], torch.tensor(y)).backward()
        if "clip_value" in common:
            torch.nn.utils.clip_grad_value_(tensors, common["clip_value"])
        norms.append(float(torch.nn.utils.clip_grad_norm_(tensors, common.get("clip_norm", np.inf))))
        optimizer.step()
    return [tensor.detach().numpy().ravel().tolist() for tensor in tensors], norms


if __name__ == "__main__":
    found = {case: dict(zip(("parameters", "norms"), by_torch(*CASES[case]), strict=True)) for case in CASES}
    FILE.write_text(json.dumps(found, indent=None, separators=(",", ":")) + "\n")
