"""Snapshots of a training run: gradients, updates and activations of each layer at sampled steps.

A snapshot takes a step's time more than the step: the gradient of the next batch first, then the step itself, between
two copies of the parameters. It changes no bit of the result. After the first, one is taken whenever all have cost less
than `SHARE` of the time since, and a few in any case, spread over the steps of the fit, so that something can be
concluded about a short fit too.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hotloop.kernels.clock import COUNTER, new_clock
from hotloop.kernels.codes import NO_UPDATE
from hotloop.kernels.jit import Array
from hotloop.kernels.records import Training
from hotloop.kernels.team import new_team
from hotloop.kernels.training import train_slice
from hotloop.network.activations import Activation
from hotloop.network.losses import Loss
from hotloop.network.network import Network
from hotloop.network.profiling.phase_clock import PhaseClock
from hotloop.network.profiling.spans import Spans, Thinned
from hotloop.network.training.history import History
from hotloop.network.training.loop_arguments import INPUT_KINDS, LoopArguments
from hotloop.network.training.optimizers import Optimizer
from hotloop.network.training.schedule_values import evaluate

SHARE = 0.004
# Snapshots that are taken in any case, at least `SPARSE` steps apart, or half of the steps in a shorter fit.
LEAST_SNAPSHOTS, SPARSE = 5, 8
MOST_SNAPSHOTS = 256
MOST_RATES = 1000  # of a schedule, to find the highest
# A unit is saturated where its derivative is below this share of its largest.
SATURATED = 0.05
SPAN = "take a snapshot"
INPUT_DTYPES: dict[int, Any] = {code: dtype for dtype, code in INPUT_KINDS.items()}


@dataclass(frozen=True)
class Snapshot:
    """What was seen at one step. Lists have an entry for each layer.

    Attributes
    ----------
    moment, epoch, step, rows : float, int, int, int
        When, in seconds of `time.perf_counter` and counted over all fits, and how many rows were seen.
    loss : float
        Of the batch.
    gradient_norm : float
        Of all layers' dC/dW together.
    gradient : list of float
        Root mean square of dC/dW.
    delta : list of float
        Root mean square of dC/dz.
    weight, update : list of float
        Root mean squares of the weights and of their change in the step.
    saturated : list of float or None
        Share of a hidden layer's values, of sigmoid or tanh, at which f' is below a twentieth of its largest.
    dead : list of float or None
        Share of a hidden ReLU layer's units that are zero in every row.
    """

    moment: float
    epoch: int
    step: int
    rows: int
    loss: float
    gradient_norm: float
    gradient: list[float]
    delta: list[float]
    weight: list[float]
    update: list[float]
    saturated: list[float | None]
    dead: list[float | None]


@dataclass
class FitSnapshots:
    """The snapshots of one fit, and what it takes to try a remedy on it."""

    sizes: tuple[int, ...]
    activations: tuple[str | Activation, ...]
    options: dict[str, Any]  # of Network
    optimizer: Optimizer
    batch_size: int
    initial: Array  # the parameters before
    final: Array  # and now: the network's own, copied when the fit ends
    X: Array
    y: Array
    snapshots: Thinned[Snapshot] = field(default_factory=lambda: Thinned(MOST_SNAPSHOTS))
    weighting: dict[str, Any] = field(default_factory=dict)  # sample_weight and positive_weight, if there are any
    history: History | None = None
    diverged: bool = False
    resumed: bool = False  # whether the network had been trained before
    spent: float = 0.0  # seconds, on snapshots
    began: float | None = None  # when the first was taken
    first: int = 0  # steps that the network had taken before
    asked: int = 0  # steps that it takes unless it ends early
    steps: int = 0  # steps that it took

    @classmethod
    def of(cls, net: Network, data: LoopArguments, epochs: int) -> "FitSnapshots":
        """Return those of a fit that is about to begin."""
        options = {
            "output": net.activations[-1], "loss": net.loss, "dropout": list(net.dropout), "l1": net.l1, "l2": net.l2,
            "layer_norm": list(net.layer_norm), "learn_activation": list(net.learn_activation),
            "learn_input_scale": net.learn_input_scale, "input_dropout": net.input_dropout, "max_norm": net.max_norm,
            "label_smoothing": net.label_smoothing if data.labels.size else 0.0,  # targets are smoothed already
            "input_scale": float(data.settings["input_scale"][0]), "dtype": str(net.dtype), "seed": net.seed,
        }  # fmt: skip
        if net.optimizer is None:
            raise ValueError("the network has no optimizer: fit sets it before it trains")
        return cls(
            net.sizes, net.activations, options, net.optimizer, int(data.settings["batch_size"][0]),
            net.parameters.copy(), net.parameters, *data_of(data), weighting=weighting_of(net, data),
            resumed=net.steps > 0, first=net.steps,
            asked=epochs * -(-data.rows // int(data.settings["batch_size"][0])),
        )  # fmt: skip

    @property
    def learning_rate(self) -> float:
        """The optimizer's; of a schedule the highest that it gives."""
        rate, steps = self.optimizer.learning_rate, max(self.asked, 1)
        if not callable(rate):
            return rate
        stretch = np.unique(np.linspace(0, steps - 1, min(steps, MOST_RATES)).astype(np.int64))
        return float(evaluate(rate, stretch, steps, -(-len(self.X) // self.batch_size)).max())

    @property
    def first_loss(self) -> float | None:
        """The loss of the first batch, before a step."""
        return self.snapshots.items[0].loss if self.snapshots.items else None

    @property
    def last_loss(self) -> float | None:
        """The loss of the last finished epoch, or of the last snapshot."""
        if self.history is not None and self.history.epochs:
            return self.history.epochs[-1]["loss"]
        return self.snapshots.items[-1].loss if self.snapshots.items else None

    def due(self, progress: Array) -> bool:
        """Return whether to take a snapshot: at the start of a batch, if they have cost little or one must be taken."""
        if int(progress["row"][0]) % self.batch_size:
            return False
        if self.began is None or self.spent <= SHARE * (time.perf_counter() - self.began):
            return True
        return self.rows_before(progress) == 0

    def rows_before(self, progress: Array) -> int | None:
        """Return how many rows to train before the next snapshot that must be taken; None if none must."""
        taken, apart = self.snapshots.added, max(self.asked / LEAST_SNAPSHOTS, min(SPARSE, self.asked / 2))
        if taken >= LEAST_SNAPSHOTS:
            return None
        steps = math.ceil(taken * apart) - (int(progress["step"][0]) - self.first)
        return max(0, steps * self.batch_size - int(progress["row"][0]) % self.batch_size)

    def take(self, net: Network, data: LoopArguments, run: Training, clock: PhaseClock, spans: Spans) -> bool:
        """Train one batch and take a snapshot of it; if its loss is not finite, change nothing and return False."""
        started, progress = time.perf_counter(), data.progress
        self.began = self.began or started
        with spans.span(SPAN, "profiler"):
            if not self._gradient(run):
                return False
            # Now: the step clips and scales its gradient, or keeps only a part of it at a time.
            before, sizes = net.parameters.copy(), [rms(gradient) for gradient in net.split(run.gradient)[0]]
        trained = time.perf_counter()
        row, clocks = int(progress["row"][0]), clock.of(1)
        one_batch(run, clocks)
        clock.called(spans, 1, trained, row, int(progress["row"][0]) - row, data.rows)
        trained = time.perf_counter() - trained
        with spans.span(SPAN, "profiler"):
            if not progress["diverged"][0]:
                self.snapshots.add(after_step(net, data, sizes, before))
        self.spent += time.perf_counter() - started - trained
        return True

    def _gradient(self, run: Training) -> bool:
        """Compute the gradient of the next batch into the gradient buffer; return whether its loss is finite."""
        settings, progress = run.settings, run.progress
        kept, update = progress.copy(), int(settings["update"][0])
        try:
            settings["update"] = NO_UPDATE
            one_batch(run, new_clock(1, run.layers.size, COUNTER, 2**62))
            return not progress["diverged"][0]
        finally:
            settings["update"] = update
            progress[:] = kept


def one_batch(run: Training, clocks: Array) -> None:
    """Train one batch, from its start, in one call of the compiled loop."""
    train_slice(0, 1, new_team(), int(run.settings["batch_size"][0]), run, clocks)


def after_step(net: Network, data: LoopArguments, sizes: list[float], before: Array) -> Snapshot:
    """Return what the workspace and the parameters show after a step.

    `before` are the parameters before it, and `sizes` the root mean squares of each layer's gradient.
    """
    progress, old, new = data.progress[0], net.split(before)[0], net.weights
    deltas, saturated, dead = [], [], []
    micro_batch, batch = int(data.settings["micro_batch"][0]), int(data.settings["batch_size"][0])
    last = int(progress["row"]) - 1
    rows = (last % batch) % micro_batch + 1  # of the batch's last micro-batch, which the workspace holds
    for index, (layer, name) in enumerate(zip(data.layers, net.activations, strict=True)):
        deltas.append(rms(values(data.workspace, layer, "delta", rows)))
        hidden = index < len(net.activations) - 1
        outputs = values(data.workspace, layer, "activated", rows)  # f(z), also where the activation is learnt
        if layer["dropout"] > 0 and layer["activated"] == layer["output"]:
            outputs = outputs * (1 - layer["dropout"])
        kept = outputs[outputs != 0] if layer["dropout"] > 0 else outputs  # dropped units are not saturated
        saturated.append(saturation(name, kept) if hidden and kept.size else None)
        dead.append(float(np.mean((outputs <= 0).all(axis=0))) if hidden and name == "relu" else None)
    norm = np.sqrt(sum(w.size * size**2 for w, size in zip(new, sizes, strict=True)))
    return Snapshot(
        time.perf_counter(), net.epochs_trained + 1, int(progress["step"]), rows, float(progress["batch_loss"]),
        float(norm), sizes, deltas, [rms(w) for w in old],
        [rms(w - v) for w, v in zip(new, old, strict=True)], saturated, dead,
    )  # fmt: skip


def values(workspace: Array, layer: Any, name: str, rows: int) -> Array:
    """Return a layer's values in the workspace (rows, fan_out)."""
    start, stride = int(layer[name]), int(layer["stride"])
    return workspace[start : start + rows * stride].reshape(rows, stride)[:, : int(layer["fan_out"])]


def rms(array: Array) -> float:
    """Return the root mean square, without BLAS, whose threads would go on spinning beside the training."""
    with np.errstate(over="ignore", under="ignore"):
        mean = float(np.mean(np.square(array), dtype=np.float64))
    if not 1e-30 < mean < math.inf:  # rare: the squares are beyond the array's dtype
        mean = float(np.mean(np.square(array, dtype=np.float64)))
    return math.sqrt(mean)


def saturation(activation: str | Activation, outputs: Array) -> float | None:
    """Return the share of a layer's values that are saturated, by f' of the outputs."""
    if activation == "sigmoid":
        return float(np.mean(4 * outputs * (1 - outputs) < SATURATED))
    if activation == "tanh":
        return float(np.mean(1 - outputs**2 < SATURATED))
    return None


def data_of(data: LoopArguments) -> tuple[Array, Array]:
    """Return the inputs and targets of a run, as views; a copy where some of the rows are held out."""
    inputs = data.inputs.view(INPUT_DTYPES[int(data.settings["input_kind"][0])])
    targets = data.labels if data.labels.size else data.targets
    return (inputs, targets) if data.kept is None else (inputs[data.kept], targets[data.kept])


def weighting_of(net: Network, data: LoopArguments) -> dict[str, Any]:
    """Return the weights of a run as arguments of `fit` (the class weights are in those of the samples)."""
    weights = data.weights if data.kept is None or not data.weights.size else data.weights[data.kept]
    found: dict[str, Any] = {"sample_weight": weights} if weights.any() else {}
    if isinstance(data.loss, Loss) and data.loss != net.loss:
        found["positive_weight"] = data.loss.parameters
    return found


def per_layer(snapshots: Sequence[Snapshot], name: str) -> Array:
    """Return an attribute of snapshots as an array (snapshots, layers)."""
    return np.array([getattr(snapshot, name) for snapshot in snapshots], np.float64)
