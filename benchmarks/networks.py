"""Training and prediction through the Python API: seconds a call."""

import numpy as np

from benchmarks import Timing
from hotloop import SGD, Network

ROWS = 4096


def images(rows, pixels):
    """Return inputs and labels like handwritten digits: brightness from 0 to 1, most pixels dark, ten classes."""
    rng = np.random.default_rng(0)
    inputs = np.maximum(rng.uniform(-1, 1, (rows, pixels)), 0).astype("float32")
    return inputs, rng.integers(0, 10, rows)


class Epoch(Timing):
    """One epoch of 4096 rows, ReLU, softmax cross-entropy, plain SGD, float32."""

    params = [[((64, 32, 10), 32), ((784, 30, 10), 10)]]
    param_names = ["(layers, batch_size)"]

    def setup(self, case):
        layers, batch_size = case
        self.inputs, self.labels = images(ROWS, layers[0])
        self.network = Network(layers, loss="cross_entropy", seed=0)
        self.settings = {"epochs": 1, "batch_size": batch_size, "optimizer": SGD(1e-3), "progress": False}
        self.time_fit(case)

    def time_fit(self, case):
        self.network.fit(self.inputs, self.labels, **self.settings)


class PredictOneRow(Timing):
    """The latency of one prediction, which is mostly that of Python."""

    params = [[(64, 32, 10), (784, 30, 10)]]
    param_names = ["layers"]

    def setup(self, layers):
        self.row = images(1, layers[0])[0]  # (1, inputs)
        self.network = Network(layers, loss="cross_entropy", seed=0)
        self.time_predict(layers)

    def time_predict(self, layers):
        self.network.predict(self.row)
