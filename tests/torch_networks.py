"""What the tests of PyTorch share: PyTorch's losses for hotloop's, and the modules that they try."""

import torch
from torch import nn
from torch.nn import functional

from hotloop import Network

torch.set_num_threads(1)  # for networks as small as these a second one takes longer to wake than it computes

LOSSES = {
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
    "cross_entropy": functional.cross_entropy,
    "binary_cross_entropy": functional.binary_cross_entropy_with_logits,
    "poisson": functional.poisson_nll_loss,
}


def loss_of(module, net, X, y):
    """Return PyTorch's value of a network's loss; the module gives logits where the loss takes them."""
    return LOSSES[net.loss](module(torch.from_numpy(X)), torch.from_numpy(y))


def network(**options):
    """Return a network with everything that is learnt."""
    chosen = {"layer_norm": True, "learn_activation": True, "learn_input_scale": True, "input_offset": 0.5, "seed": 0}
    return Network([4, 8, 6, 3], "tanh", **(chosen | options))


class Quickstart(nn.Module):
    """The network of PyTorch's quickstart tutorial, for FashionMNIST."""

    def __init__(self):
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(28 * 28, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
        )

    def forward(self, x):
        x = self.flatten(x)
        return self.linear_relu_stack(x)


class Calls(nn.Module):
    """Layers, and a forward that a test writes; only those that it names, and two linear ones."""

    def __init__(self, forward):
        super().__init__()
        self.fc1, self.fc2, self.calls, self.act = nn.Linear(6, 5), nn.Linear(5, 3), forward, nn.ReLU()
        for name, part in (("square", nn.Linear(5, 5)), ("norm", nn.LayerNorm(5))):
            if name in forward.__code__.co_names:
                setattr(self, name, part)

    def forward(self, x):
        return self.calls(self, x)
