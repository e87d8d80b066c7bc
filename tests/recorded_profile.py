"""A profile with much in it, for tests of what is made of it."""

import numpy as np
import pytest

from hotloop import SGD, Adam, Network, profile
from hotloop.network.profiling import recording
from hotloop.network.profiling.roofline import Roof

CORE = Roof(1e11, (1e4, 1e6, 1e8), (1e11, 5e10, 1e10))  # to measure one takes half a second
QUIET = {"progress": False}
HOSTILE = "<b>&amp; </td>\"'</script><script>"
RECORDS = ("a;b", "a b", "c\nd", HOSTILE, "long " * 20, "µs")


def fitted(sizes=(6, 5, 3), optimizer=None, rows=60, **options):
    X, y = np.random.default_rng(rows).normal(size=(rows, sizes[0])), np.arange(rows) % sizes[-1]
    net = Network(sizes, loss="cross_entropy", seed=0)
    net.fit(X, y, **QUIET | {"epochs": 3, "batch_size": 8, "optimizer": optimizer, "n_threads": 1} | options)
    return net


def recorded():
    """Return a profile of two networks, one in two threads, and of nested records with names that need care."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "measured", lambda *_, **__: CORE)
        with profile() as prof:
            with prof.record("mine"):
                fitted(optimizer=Adam())
            fitted((4, 9, 8, 2), SGD(0.1), n_threads=2).predict(np.ones((5, 4)))
            for name in RECORDS:
                with prof.record(name, flops=10.0, bytes=20.0), prof.record("inner"):
                    sum(range(20_000))
        prof.diagnose(try_remedies=False)
        assert prof.rows
    return prof
