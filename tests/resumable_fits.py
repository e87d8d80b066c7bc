"""Three fits that differ in whatever a checkpoint holds, for tests that stop them and go on."""

import numpy as np

from hotloop import SGD, Adam, AdamW, Network

# Name: arguments of Network, and of fit. The last has batches of several micro-batches, of at most 256 rows each.
FITS = {
    "momentum": (
        {"activation": "sigmoid", "seed": 1},
        {"optimizer": SGD(0.1, momentum=0.9), "batch_size": 8, "shuffle": False},
    ),
    "Adam": (
        {"activation": "gelu", "loss": "cross_entropy", "dropout": [0.3, 0.1], "seed": 2, "dtype": "float64"},
        {"optimizer": Adam(0.003), "batch_size": 7, "tolerance": 0.0, "patience": 50},
    ),
    "AdamW": (
        {"activation": ["relu", "silu"], "dropout": 0.2, "l1": 1e-4, "l2": 1e-3, "seed": 3},
        {"optimizer": AdamW(0.01, weight_decay=0.1), "batch_size": 600},
    ),
}


def build(name, hidden=(9, 6), **changes):
    options = FITS[name][0] | changes
    return Network([5, *hidden, 3], options.pop("activation"), **options)


def data(name, rows):
    rng = np.random.default_rng(rows)
    X, labels = rng.normal(size=(rows, 5)), rng.integers(0, 3, rows)
    return X.astype("f" if name == "momentum" else "d"), labels if name == "Adam" else np.eye(3)[labels]


def train(net, name, rows, pair=None, **options):
    """Fit the network, by default to its own data, and return the history."""
    X, y = data(name, rows) if pair is None else pair
    validation = {} if name == "momentum" else {"validation_data": (X[:13], y[:13])}
    return net.fit(X, y, **({"progress": False} | FITS[name][1] | validation | options))


def outcome(net, history):
    """Return all that must not depend on whether a fit was stopped."""
    training = net._training
    records = [{name: value for name, value in record.items() if name != "seconds"} for record in history.epochs]
    counts = training.epochs, training.steps, training.step_offset, training.optimizer, net.seed
    return net.parameters.tobytes(), training.moments.tobytes(), counts, records, history.stop_reason
