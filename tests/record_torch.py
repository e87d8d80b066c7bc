"""Writes tests/recorded_torch.json: networks of PyTorch in float64, with outputs, gradients and 20 steps of Adam.

Run as ``python tests/record_torch.py`` where PyTorch is installed; the suite only reads the file.
"""

import json
from itertools import pairwise
from pathlib import Path

import torch

ACTIVATIONS = {"tanh": torch.tanh, "gelu": torch.nn.functional.gelu, "silu": torch.nn.functional.silu}
STEPS, RATE = 20, 0.01


class Peer(torch.nn.Module):
    """A dense network in the order of ``torchvision.ops.MLP``: linear, layer normalisation, activation."""

    def __init__(self, sizes, activation, options):
        super().__init__()
        pairs = list(pairwise(sizes))
        self.linear = torch.nn.ModuleList(torch.nn.Linear(*pair) for pair in pairs)
        self.f, hidden = ACTIVATIONS[activation], sizes[1:-1]
        self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(n) for n in hidden if options.get("layer_norm"))
        self.mixes = torch.nn.ParameterList(torch.ones(n) for n in hidden if options.get("learn_activation"))
        self.scale = torch.nn.Parameter(torch.ones(sizes[0])) if options.get("learn_input_scale") else None

    def forward(self, x):
        x = x if self.scale is None else x * self.scale
        for layer, linear in enumerate(self.linear):
            x = linear(x)
            if layer < len(self.norms):
                x = self.norms[layer](x)
            if layer < len(self.linear) - 1:
                f = self.f(x)
                x = (1 - self.mixes[layer]) * x + self.mixes[layer] * f if self.mixes else f
        return x

    def parts(self):
        """Return the parameters under hotloop's names, and whether each is transposed."""
        for layer, linear in enumerate(self.linear):
            yield f"layers.{layer}.weights", linear.weight, True
            yield f"layers.{layer}.bias", linear.bias, False
            if layer < len(self.norms):
                yield f"layers.{layer}.gain", self.norms[layer].weight, False
                yield f"layers.{layer}.shift", self.norms[layer].bias, False
            if layer < len(self.mixes):
                yield f"layers.{layer}.mix", self.mixes[layer], False
        if self.scale is not None:
            yield "input_scale", self.scale, False


def plain(tensor, transposed):
    """Return nested lists."""
    return (tensor.T if transposed else tensor).detach().tolist()


def record(sizes, activation, options):
    """Return what a network starts from, computes and becomes."""
    torch.manual_seed(0)
    net, loss = Peer(sizes, activation, options).double(), torch.nn.MSELoss()
    with torch.no_grad():
        for name, parameter, _ in net.parts():
            if not name.endswith("weights"):
                parameter += torch.rand(parameter.shape, dtype=torch.float64) - 0.5
    X, y = torch.randn(7, sizes[0], dtype=torch.float64), torch.randn(7, sizes[-1], dtype=torch.float64)
    start = {name: plain(parameter, flipped) for name, parameter, flipped in net.parts()}
    outputs = net(X)
    loss(outputs, y).backward()
    gradient = {name: plain(parameter.grad, flipped) for name, parameter, flipped in net.parts()}
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE, eps=1e-8)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss(net(X), y).backward()
        optimizer.step()
    return {
        "sizes": sizes, "activation": activation, "options": options, "X": X.tolist(), "y": y.tolist(), "start": start,
        "outputs": outputs.tolist(), "gradient": gradient,
        "end": {name: plain(parameter, flipped) for name, parameter, flipped in net.parts()},
    }  # fmt: skip


if __name__ == "__main__":
    cases = {
        "layer normalisation": ([5, 9, 6, 3], "tanh", {"layer_norm": True}),
        "learnt activation": ([5, 9, 6, 3], "gelu", {"learn_activation": True}),
        "learnt input scale": ([5, 9, 3], "silu", {"learn_input_scale": True}),
        "all": ([5, 17, 6, 3], "gelu", {"layer_norm": True, "learn_activation": True, "learn_input_scale": True}),
    }
    found = {name: record(*case) for name, case in cases.items()}
    (Path(__file__).parent / "recorded_torch.json").write_text(json.dumps(found, indent=1) + "\n")
