"""Profiles of small fits, and fits made up for single checks."""

import numpy as np

from hotloop import SGD, Network, profile
from hotloop.network.profiling.diagnosis.snapshots import FitSnapshots, Snapshot
from hotloop.network.profiling.spans import Thinned
from hotloop.network.training.history import History

QUIET = {"progress": False, "n_threads": 1}


def data(sizes, n_rows, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_rows, sizes[0])).astype(np.float32), rng.integers(0, sizes[-1], n_rows)


def fitted(sizes=(6, 5, 3), n_rows=40, **options):
    """Return the profile of a fit."""
    net, (X, y) = Network(sizes, loss="cross_entropy", seed=0), data(sizes, n_rows)
    with profile() as prof:
        net.fit(X, y, **QUIET | {"epochs": 2, "batch_size": 8} | options)
    return prof


def named(prof, name, layer=None):
    (row,) = [row for row in prof.rows if (row["name"], row["layer"]) == (name, layer)]
    return row


def made_up(history=(), **changes):
    """Return a fit of one made-up snapshot."""
    shown = {"gradient": [1.0] * 3, "delta": [1.0] * 3, "weight": [1.0] * 3, "update": [1e-3] * 3}
    shown |= {name: value for name, value in changes.items() if name in shown}
    fit = FitSnapshots(
        (4, 4, 4, 2), ("tanh", "tanh", "identity"), {"input_scale": 1.0, "dtype": "float64"}, SGD(0.1), 8,
        np.zeros(1), np.zeros(1), np.random.default_rng(0).normal(size=(64, 4)), np.zeros((64, 2)),
    )  # fmt: skip
    fit.snapshots = Thinned(4)
    fit.snapshots.add(Snapshot(0.0, 1, 1, 8, 1.0, 1.0, **shown, saturated=[0.0, 0.0, None], dead=[None] * 3))
    names = ("epoch", "loss", "val_loss")
    fit.history = History(epochs=[dict(zip(names, (n + 1, *record), strict=True)) for n, record in enumerate(history)])
    return fit
