"""Networks most of whose units are dead, so that denormal numbers arise, and the CPU's mode that makes them zero."""

import platform

import numpy as np
import pytest
from conftest import COMPILED
from small_networks import OPTIMIZERS

from hotloop import Network

MACHINE = platform.machine().lower().replace("arm64", "aarch64").replace("amd64", "x86_64")
FLUSH = {"x86_64": 0x8040, "aarch64": 1 << 24}  # the bits FTZ and DAZ of MXCSR, the bit FZ of FPCR
needs_mode = pytest.mark.skipif(
    not COMPILED or MACHINE not in FLUSH, reason="denormal numbers are flushed only in compiled code"
)
QUIET = {"batch_size": 8, "progress": False}


def is_denormal(array):
    return (array != 0) & (abs(array) < np.finfo(array.dtype).tiny)


def small(dtype):
    """Return a number whose square is denormal."""
    return dtype(np.sqrt(np.finfo(dtype).tiny) / 8)


def dead(net):
    """Kill all units but two of each hidden layer: the activations at their z are denormal."""
    tiny = np.log(np.finfo(net.dtype).tiny)
    for bias in net.biases[:-1]:
        bias[2::2] = np.linspace(0.9, 1.2, bias[2::2].size) * tiny
        bias[3::2] = -np.sqrt(-2 * np.linspace(0.9, 1.2, bias[3::2].size) * tiny)  # of the normal distribution
    return net


def build(activation="silu", loss="labels", output=None, dtype="float32"):
    kind = "cross_entropy" if loss == "labels" else loss
    return dead(Network([5, 40, 40, 3], activation, output=output, loss=kind, dtype=dtype, seed=3))


def data(loss="labels", rows=24 if COMPILED else 8):
    rng = np.random.default_rng(1)
    X, labels = rng.normal(size=(rows, 5)), rng.integers(0, 3, rows)
    return X, (labels if loss == "labels" else np.eye(3)[labels])


def train(optimizer, n_threads=1, **options):
    """Return a network with dead units after some epochs that began with decayed moments."""
    net, loss = build(**options), options.get("loss", "labels")
    settings = QUIET | {"optimizer": OPTIMIZERS[optimizer], "n_threads": n_threads}
    net.fit(*data(loss), epochs=1, **settings)
    net._training.moments[:] = np.finfo(net.dtype).tiny / 4
    net.fit(*data(loss), epochs=2 if COMPILED else 1, **settings)
    return net
