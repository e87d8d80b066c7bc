"""Snapshots of a training run: gradients, updates and activations of each layer at sampled steps.

A snapshot copies the parameters, lets the fit take its step, and computes the gradient once more from what the step has
left in the workspace, which takes a third of a step. It changes no bit of the result. After the first, one is taken
whenever all have cost less than `SHARE` of the time since, and a few in any case, spread over the steps of the fit, so
that something can be concluded about a short fit too.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hotloop.kernels.batch_gradient import batch_gradient
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
# Snapshots that are taken in any case, at least `SPARSE` steps apart, or half of the steps in a shorter fit: as many as
# take `SHARE_OF_FIT` of the fit or `BRIEF` seconds, but the first two.
LEAST_SNAPSHOTS, SPARSE = 5, 8
SHARE_OF_FIT, BRIEF, FIRST_TWO = 0.007, 0.003, 2
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
    planned: int = LEAST_SNAPSHOTS  # in any case
    next_step: float = 0  # before which one must be taken
    next_moment: float = 0.0  # from which on one may
    before: Array | None = None  # the parameters before a step, and its gradient: scratch
    gradient: Array | None = None

    @classmethod
    def of(cls, net: Network, data: LoopArguments, epochs: int) -> "FitSnapshots":
        """Return those of a fit that is about to begin."""
        options = {
            "output": net.activations[-1], "loss": net.loss, "dropout": list(net.dropout), "l1": net.l1, "l2": net.l2,
            "layer_norm": list(net.layer_norm), "layer_norm_epsilon": list(net.layer_norm_epsilon),
            "learn_activation": list(net.learn_activation), "learn_input_scale": net.learn_input_scale,
            "input_dropout": net.input_dropout, "max_norm": net.max_norm,
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

    def due(self, step: int) -> bool:
        """Return whether to take a snapshot before a step, counted in this fit: one must, or all have cost little."""
        return step >= self.next_step or time.perf_counter() >= self.next_moment

    def take(self, net: Network, data: LoopArguments, run: Training, clock: PhaseClock, spans: Spans) -> None:
        """Train one batch, and take a snapshot of it unless its loss is not finite."""
        if self.before is None or self.gradient is None:
            with spans.span("load kernels"):
                self.before, self.gradient = net.parameters.copy(), np.zeros_like(net.parameters)
                batch_gradient(run, 0, True, self.gradient)
        started, progress, trained = time.perf_counter(), data.progress, 0.0
        with spans.span(SPAN, "profiler"):
            np.copyto(self.before, net.parameters)
        step, first, diverged = int(progress["step"][0]), True, False
        while progress["step"][0] == step and not diverged:  # a micro-batch at a time
            began, row, clocks = time.perf_counter(), int(progress["row"][0]), clock.of(1)
            train_slice(0, 1, new_team(), 1, run, clocks)
            rows, diverged = int(progress["row"][0]) - row, bool(progress["diverged"][0])
            clock.called(spans, 1, began, row, rows, data.rows)
            trained += time.perf_counter() - began
            with spans.span(SPAN, "profiler"):
                batch_gradient(run, rows, first, self.gradient)
                if progress["step"][0] > step and not diverged:
                    self.snapshots.add(after_step(net, data, self.gradient, self.before))
            first = False
        self.spent += time.perf_counter() - started - trained
        self._plan(started, trained)

    def _plan(self, started: float, trained: float) -> None:
        """Plan the next, after one that began at `started`, with a step of `trained` seconds."""
        taken = self.snapshots.added
        if self.began is None:
            self.began = started
            affordable = max(SHARE_OF_FIT * self.asked * trained, BRIEF) / self.spent
            self.planned = int(min(max(affordable, FIRST_TWO), LEAST_SNAPSHOTS))
        apart = max(self.asked / self.planned, min(SPARSE, self.asked / 2))
        self.next_step = math.ceil(taken * apart) if taken < self.planned else math.inf
        self.next_moment = self.began + self.spent / SHARE if SHARE > 0 else math.inf


def after_step(net: Network, data: LoopArguments, gradient: Array, before: Array) -> Snapshot:
    """Return what the workspace and the parameters show after a step.

    `before` are the parameters before it, and `gradient` that of its loss without penalties; both are overwritten.
    """
    progress, settings = data.progress[0], data.settings[0]
    old, gradients = net.split(before)[0], net.split(gradient)[0]
    last = (int(progress["row"]) - 1) % int(settings["batch_size"])  # row of the batch
    rows = last % int(settings["micro_batch"]) + 1  # of its last micro-batch, which the workspace holds
    add_penalties(settings, float(progress["batch_weight"]) if data.weights.size else last + 1.0, old, gradients)
    weights = [rms(w) for w in old]
    np.subtract(net.parameters, before, out=before)
    deltas, saturated, dead = [], [], []
    for index, (layer, name) in enumerate(zip(data.layers, net.activations, strict=True)):
        deltas.append(rms(values(data.workspace, layer, "delta", rows)))
        hidden = index < len(net.activations) - 1
        outputs = values(data.workspace, layer, "activated", rows)  # f(z), also where the activation is learnt
        if layer["dropout"] > 0 and layer["activated"] == layer["output"]:
            outputs = outputs * (1 - layer["dropout"])
        kept = outputs[outputs != 0] if layer["dropout"] > 0 else outputs  # dropped units are not saturated
        saturated.append(saturation(name, kept) if hidden and kept.size else None)
        dead.append(float(np.mean((outputs <= 0).all(axis=0))) if hidden and name == "relu" else None)
    sizes = [rms(g) for g in gradients]
    norm = math.sqrt(sum(g.size * size**2 for g, size in zip(gradients, sizes, strict=True)))
    return Snapshot(
        time.perf_counter(), net.epochs_trained + 1, int(progress["step"]), rows, float(progress["batch_loss"]),
        norm, sizes, deltas, weights, [rms(w) for w in old], saturated, dead,
    )  # fmt: skip


def add_penalties(settings: Any, weight: float, weights: Sequence[Array], gradients: Sequence[Array]) -> None:
    """Add the gradients of the penalties, of a batch of this weight: gradient += l1 sign(w) + 2 l2 w."""
    l1, l2 = float(settings["l1"]), float(settings["l2"])
    if settings["l2_per_weight"] > 0 and weight > 0:
        l2 += float(settings["l2_per_weight"]) / weight
    if l1 > 0 or l2 > 0:
        for w, gradient in zip(weights, gradients, strict=True):
            gradient += l1 * np.sign(w) + 2 * l2 * w


def values(workspace: Array, layer: Any, name: str, rows: int) -> Array:
    """Return a layer's values in the workspace (rows, fan_out)."""
    start, stride = int(layer[name]), int(layer["stride"])
    return workspace[start : start + rows * stride].reshape(rows, stride)[:, : int(layer["fan_out"])]


def rms(array: Array) -> float:
    """Return the root mean square of a matrix, without BLAS, whose threads would go on spinning beside the training."""
    mean = float(np.einsum("ij,ij->", array, array)) / array.size  # no copy: a third of the time of np.mean(array**2)
    if not 1e-30 < mean < math.inf:  # rare: the squares are beyond the array's dtype
        with np.errstate(over="ignore", under="ignore"):
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
