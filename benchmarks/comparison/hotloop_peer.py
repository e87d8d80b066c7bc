"""hotloop, through its public interface."""

import time
from typing import Any

import numba
import numpy as np

from benchmarks.comparison.cases import (
    SEED,
    Array,
    Case,
    LayerProducts,
    Layers,
    data,
    idx,
    initial_weights,
    rows_to_predict,
)
from hotloop import SGD, Adam, Network, RMSprop, profile
from hotloop.kernels import accumulate_weight_gradient, dense_forward, input_gradient, predict_one
from hotloop.network.profiling import roofline

OPTIMIZERS = {"sgd": SGD, "adam": Adam, "rmsprop": RMSprop}
PREDICTIONS = {"hotloop, predict_one compiled": 100}  # in one call


class Peer:
    """A network and how to fit it. Its seed also draws the order of the rows, as in `cases.orders`."""

    def __init__(self, case: Case, n_threads: int | str = 1) -> None:
        self.case = case
        self.inputs, self.targets = data(case)
        self.network = Network(
            case.sizes, case.activation, loss=case.loss, dropout=case.dropout, seed=SEED, **scale(case)
        )
        self.fitting: dict[str, Any] = {
            "batch_size": case.batch,
            "optimizer": OPTIMIZERS[case.optimizer](case.learning_rate),
            "progress": False,
            "n_threads": n_threads,
        }
        self.reset()

    def reset(self) -> None:
        for weights, bias, initial in zip(
            self.network.weights, self.network.biases, initial_weights(self.case), strict=True
        ):
            weights[:], bias[:] = initial
        self.network.reset_optimizer()
        self.network.epochs_trained = 0

    def train(self, epochs: int) -> float:
        history = self.network.fit(self.inputs, self.targets, epochs=epochs, **self.fitting)
        self.n_threads = history.n_threads
        return history.epochs[-1]["loss"]

    def chosen(self) -> int:
        """Return the number of threads that the last fit ended with."""
        return self.n_threads

    def profiled(self, epochs: int) -> float:
        """Train under a profile, and return only the seconds of the training."""
        with profile():
            began = time.perf_counter()
            self.train(epochs)
            return time.perf_counter() - began

    def parameters(self) -> Layers:
        return list(zip(self.network.weights, self.network.biases, strict=True))

    def test_accuracy(self) -> float:
        """Return the accuracy on MNIST's test images."""
        images, labels = idx(self.case.mnist, "t10k-images-idx3"), idx(self.case.mnist, "t10k-labels-idx1")
        return self.network.evaluate(images, labels.astype(np.int64))["accuracy"]


def scale(case: Case) -> dict[str, float]:
    """Return the argument that divides images of bytes by 255."""
    return {"input_scale": 1 / 255} if case.mnist else {}


def peak_flops() -> float:
    """Return the peak of one core in float32, in floating-point operations a second."""
    return roofline.peak_flops("float32")


@numba.njit
def predict_many(given: Any, row: Array, out: Array, times: int) -> None:
    """Predict one row `times` times, as a user's compiled loop would."""
    for _ in range(times):
        predict_one(*given, row, out)


def one_row(layers: Layers, row: Array) -> dict[str, Any]:
    """Return the ways to predict one row."""
    sizes = [len(layers[0][0]), *(len(bias) for _, bias in layers)]
    network = Network(sizes, loss="cross_entropy", initializer=layers, seed=SEED)
    given, out = network.compiled_arguments(), np.empty((1, sizes[-1]), "f4")

    def compiled() -> Array:
        predict_many(given, row[0], out[0], PREDICTIONS["hotloop, predict_one compiled"])
        return out

    return {"hotloop, Network.predict": lambda: network.predict(row), "hotloop, predict_one compiled": compiled}


class Predictor:
    """A network that predicts many rows, which cross-entropy makes probabilities of."""

    def __init__(self, case: Case, n_threads: int | str = 1) -> None:
        self.network = Network(case.sizes, case.activation, loss=case.loss, initializer=initial_weights(case))
        self.inputs, self.n_threads = rows_to_predict(case), n_threads

    def predict(self, times: int) -> None:
        for _ in range(times):
            self.outputs = self.network.predict(self.inputs, n_threads=self.n_threads)

    def output(self) -> Array:
        return self.outputs


class Products(LayerProducts):
    """The three products of a layer, by hotloop's kernels. The first also adds a bias, and the second accumulates."""

    def __init__(self, rows: int, fan_in: int, fan_out: int) -> None:
        super().__init__(rows, fan_in, fan_out)
        self.bias, self.db = np.zeros((2, fan_out), "f4")

    def forward(self, times: int) -> None:
        for _ in range(times):
            dense_forward(self.x, self.w, self.bias, self.z)

    def weight_gradient(self, times: int) -> None:
        for _ in range(times):
            accumulate_weight_gradient(self.x, self.delta, self.dw, self.db)

    def input_gradient(self, times: int) -> None:
        for _ in range(times):
            input_gradient(self.delta, self.w, self.dx)
