"""Small networks, their data and all optimizers, for tests that compare whole trainings."""

import numpy as np
from conftest import COMPILED

from hotloop import SGD, Adagrad, Adam, AdamW, Network, RMSprop
from hotloop.network.losses import LOSSES
from hotloop.network.training import optimizers

NAMED = {
    "SGD": SGD(0.05),
    "momentum": SGD(0.05, momentum=0.9),
    "Nesterov": SGD(0.05, momentum=0.9, nesterov=True),
    "RMSprop": RMSprop(0.01),
    "Adagrad": Adagrad(0.05),
    "Adam": Adam(0.01),
    "AdamW": AdamW(0.01, weight_decay=0.1),
}
OPTIMIZERS = NAMED | {kind.__name__: kind() for kind in optimizers.OPTIMIZERS.values() if kind.__name__ not in NAMED}
# A loss and its output: every way through the compiled loop's branches.
LOSSES_AND_OUTPUTS = [
    ("mse", "tanh"), ("mse", "softmax"), ("mae", "gelu"), ("huber", "softplus"),
    ("binary_cross_entropy", "sigmoid"), ("cross_entropy", "softmax"), ("labels", "softmax"),
]  # fmt: skip
LOSSES_AND_OUTPUTS += [(loss, row.output) for loss, row in LOSSES.items() if loss not in dict(LOSSES_AND_OUTPUTS)]
QUIET = {"progress": False}
OPTIONS = {"epochs": 1, "batch_size": 5, "optimizer": Adam(0.01), "shuffle": False, **QUIET}


def build(sizes=(5, 17, 6, 3), loss="mse", hidden=("tanh", "silu"), dtype="float32", seed=7, **options):
    kind = "cross_entropy" if loss == "labels" else loss
    return Network(sizes, hidden, loss=kind, dtype=dtype, seed=seed, **options)


def data(loss="mse", rows=25, inputs=5, outputs=3):
    rng = np.random.default_rng(rows)
    X, labels = rng.normal(size=(rows, inputs)), rng.integers(0, outputs, rows)
    return X, (labels if loss == "labels" else np.eye(outputs)[labels])


def everything(net):
    """Return all that training changes."""
    training = net._training
    return net.parameters.tobytes(), training.moments.tobytes(), training.epochs, training.steps, training.step_offset


class Side:
    """A network and its data, to be trained beside others."""

    def __init__(self, seed, rows=2000 if COMPILED else 30):
        self.net = Network([40, 64, 5], "gelu", loss="cross_entropy", dropout=0.2, seed=seed)
        rng = np.random.default_rng(seed)
        self.X, self.y = rng.normal(size=(rows, 40)), rng.integers(0, 5, rows)

    def fit(self, n_threads=2, epochs=10 if COMPILED else 1):
        self.net.fit(self.X, self.y, epochs=epochs, optimizer="adam", n_threads=n_threads, **QUIET)
        return everything(self.net)
