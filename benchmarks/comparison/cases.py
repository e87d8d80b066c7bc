"""The networks to compare, their data and initial weights: the same arrays for every peer.

Only NumPy is imported here: a peer's process holds no other peer's libraries.
"""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Layers: TypeAlias = list[tuple[Array, Array]]

SEED = 3
ADAM = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}  # the defaults of every peer


@dataclass(frozen=True)
class Case:
    """A network, how it is trained, and the target ratios.

    `fastest` is the target for the fastest peer's time over hotloop's, `eager` for PyTorch's in eager mode. If `mnist`
    names a folder, the data are the 60,000 images there, as bytes that the network divides by 255.
    """

    sizes: tuple[int, ...]
    batch: int
    activation: str = "relu"
    loss: str = "cross_entropy"
    optimizer: str = "sgd"
    learning_rate: float = 0.05
    rows: int = 4096
    dropout: float = 0.0
    mnist: str = ""
    fastest: float | None = None
    eager: float | None = None

    @property
    def name(self) -> str:
        """The sizes, and what is not the default: "784-128-10, batch 32, adam"."""
        runs = [(width, len(list(run))) for width, run in groupby(self.sizes[1:-1])]
        hidden = [f"{count} x {width}" if count > 3 else "-".join([str(width)] * count) for width, count in runs]
        defaults = [(self.activation, "relu"), (self.loss, "cross_entropy"), (self.optimizer, "sgd")]
        marks = [f"batch {self.batch}", *(found for found, default in defaults if found != default)]
        return ", ".join(["-".join([str(self.sizes[0]), *hidden, str(self.sizes[-1])]), *marks])

    @property
    def steps(self) -> int:
        """Steps in an epoch: a whole number of batches."""
        return self.rows // self.batch

    @property
    def flops(self) -> int:
        """Floating-point operations in the matrix products of a step: 2 for each multiply-add."""
        products = [2 * self.batch * i * o for i, o in pairwise(self.sizes)]
        return 3 * sum(products) - products[0]  # no gradient of the inputs


NETWORKS = {
    "64-32-10": Case((64, 32, 10), 32, fastest=3.5, eager=50),
    "784-30-10": Case((784, 30, 10), 10, "sigmoid", "mse", rows=4000, fastest=3.0, eager=18),
    "784-128-10": Case((784, 128, 10), 32, fastest=1.35, eager=3.5),
    "784-512-512-10": Case((784, 512, 512, 10), 128, fastest=1.15, eager=1.2),
    "784-512-512-10-b1024": Case((784, 512, 512, 10), 1024),
    "1024-1024-1024-10": Case((1024, 1024, 1024, 10), 256, fastest=1.08, eager=1.05),
    "2048-2048-2048-10": Case((2048, 2048, 2048, 10), 512, rows=1024, fastest=1.05),
    "784-128-10-adam": Case((784, 128, 10), 32, optimizer="adam", learning_rate=0.001, fastest=1.4, eager=4),
    "64-8x64-1": Case((64, *[64] * 8, 1), 64, "tanh", "mse", fastest=1.5, eager=5),
}
PREDICTED = Case((784, 512, 512, 10), 60_000, rows=60_000)  # by `predict`, in one call


def data(case: Case) -> tuple[Array, Array]:
    """Return the inputs and targets of a case.

    Inputs (rows, inputs) are like images, half of the pixels dark. Targets are a random linear map of them: classes
    (rows,) for cross_entropy, else values (rows, outputs) of standard deviation 1. They can be learned, so a peer whose
    steps are wrong by a factor ends at another loss.
    """
    if case.mnist:
        return idx(case.mnist, "train-images-idx3"), idx(case.mnist, "train-labels-idx1").astype(np.int64)
    rng = np.random.default_rng(SEED)
    inputs = np.maximum(rng.uniform(-1, 1, (case.rows, case.sizes[0])), 0)
    scores = (inputs - inputs.mean(axis=0)) @ rng.standard_normal((case.sizes[0], case.sizes[-1]))
    targets = scores.argmax(axis=1) if case.loss == "cross_entropy" else (scores / scores.std()).astype(np.float32)
    return inputs.astype(np.float32), targets


def initial_weights(case: Case) -> Layers:
    """Return (weights (fan_in, fan_out), bias (fan_out,)) of each layer, float32: Glorot's uniform, and zeros."""
    rng = np.random.default_rng(SEED + 1)
    layers = []
    for fan_in, fan_out in pairwise(case.sizes):
        limit = np.sqrt(6 / (fan_in + fan_out))
        weights = rng.uniform(-limit, limit, (fan_in, fan_out)).astype(np.float32)
        layers.append((weights, np.zeros(fan_out, np.float32)))
    return layers


def orders(case: Case, epochs: int) -> Iterator[Array]:
    """Yield the order of the rows in each epoch, drawn on demand by hotloop's own rule.

    Each peer draws it inside its timed loop, as hotloop does, so it costs all the same. The last rows that do not fill
    a batch are left out.
    """
    for epoch in range(epochs):
        yield np.random.Generator(np.random.Philox(key=[SEED, epoch])).permutation(case.rows)[: case.steps * case.batch]


def rows_to_predict(case: Case) -> Array:
    """Return a case's rows, (rows, inputs) float32 from 0 to 1, without targets: quicker and smaller than `data`."""
    return np.random.default_rng(SEED).random((case.rows, case.sizes[0]), np.float32)


class LayerProducts:
    """What the three products of a layer are made of, the same arrays for every peer; see `hotloop_peer.Products`.

    A subclass has the methods in `RESULTS`, which compute a product so many times, and keeps its result in the
    attribute.
    """

    RESULTS = {"forward": "z", "weight_gradient": "dw", "input_gradient": "dx"}

    def __init__(self, rows: int, fan_in: int, fan_out: int) -> None:
        rng = np.random.default_rng(SEED)
        shapes = (rows, fan_in), (fan_in, fan_out), (rows, fan_out)
        self.x, self.w, self.delta = (rng.standard_normal(shape, np.float32) for shape in shapes)
        self.z, self.dw, self.dx = (np.zeros_like(array) for array in (self.delta, self.w, self.x))

    def output(self, product: str) -> Array:
        """Return the first rows of a result."""
        return np.asarray(getattr(self, self.RESULTS[product]))[:8]


def idx(folder: str, name: str) -> Array:
    """Return the bytes of a file of MNIST, a row for each image or label."""
    found = sorted(Path(folder).expanduser().glob(f"{name}*"))
    if not found:
        raise FileNotFoundError(f"no {name}* in {folder}")
    content = found[0].read_bytes()
    if found[0].suffix == ".gz":
        content = gzip.decompress(content)
    rows = int.from_bytes(content[4:8], "big")
    array = np.frombuffer(content, np.uint8, offset=4 + 4 * content[3])  # magic number, ..., number of axes; sizes
    return array.reshape(rows, -1) if content[3] > 1 else array


def loss_of(case: Case, layers: Layers) -> float:
    """Return the mean loss of a trained network over all rows, computed by plain NumPy in float64."""
    inputs, targets = data(case)
    hidden: dict[str, Any] = {
        "relu": lambda z: np.maximum(z, 0),
        "tanh": np.tanh,
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    }
    outputs = inputs.astype(np.float64)
    for number, (weights, bias) in enumerate(layers, 1):
        outputs = outputs @ weights.astype(np.float64) + bias
        if number < len(layers):
            outputs = hidden[case.activation](outputs)
    if case.loss == "mse":
        return float(np.mean((outputs - targets) ** 2))
    outputs -= outputs.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(outputs).sum(axis=1)) - outputs[np.arange(case.rows), targets]))
