"""How a training run fares, seen at sampled steps: gradients, updates and activations of each layer.

A look takes a step's time more than the step: the gradient of the next batch alone, then the step itself, between two
copies of the parameters. It changes no bit of the result. After the first, a look is taken when all have cost less
than `SHARE` of the time since, and a few in any case, spread over the steps of the fit: of a short one too something
can be concluded.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hotloop.kernels.clock import COUNTER, new_clock
from hotloop.kernels.codes import NO_UPDATE
from hotloop.kernels.jit import Array
from hotloop.kernels.team import new_team
from hotloop.kernels.training import train_slice
from hotloop.network.profiling.spans import Thinned
from hotloop.network.training.optimizers import Optimizer

if TYPE_CHECKING:
    from hotloop.network.network import Network
    from hotloop.network.profiling.phase_clock import PhaseClock
    from hotloop.network.profiling.spans import Spans
    from hotloop.network.training.fit import FitConfiguration
    from hotloop.network.training.history import History
    from hotloop.network.training.loop_arguments import LoopArguments

SHARE = 0.004
# Looks that are taken in any case, `SPARSE` steps apart or more, but in a fit of few steps half of them.
LEAST_LOOKS, SPARSE = 5, 8
MOST_LOOKS = 256
# A unit is saturated where its derivative is below this share of its largest.
SATURATED = 0.05
INPUT_KINDS = (np.dtype("uint8"), np.dtype("float32"), np.dtype("float64"))  # by the codes of kernels.gather


@dataclass(frozen=True)
class Look:
    """What was seen at one step; lists have an entry a layer.

    Attributes
    ----------
    moment, epoch, step, rows : float, int, int, int
        When, in seconds of `time.perf_counter` and counted over all fits; and how many rows the batch had.
    loss : float
        Of the batch.
    gradient_norm : float
        Of all layers' dC/dW together.
    gradient : list of float
        Root mean square of dC/dW.
    delta : list of float
        Root mean square of dC/dz.
    weight, update : list of float
        Root mean squares of the weights, and of what the step changed them by.
    saturated : list of float or None
        Share of the values of a hidden layer of sigmoid or tanh at which f' is below a twentieth of its largest.
    dead : list of float or None
        Share of the units of a hidden layer of ReLU that are zero in every row of the batch.
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
    """The looks at one fit, and what it takes to try a remedy on it."""

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    options: dict[str, Any]  # of Network
    optimizer: Optimizer
    batch_size: int
    initial: Array  # the parameters before
    final: Array  # and now: the network's own, copied when the fit ends
    X: Array
    y: Array
    looks: Thinned[Look] = field(default_factory=lambda: Thinned(MOST_LOOKS))
    history: "History | None" = None
    diverged: bool = False
    resumed: bool = False  # whether the network had been trained before
    spent: float = 0.0
    began: float | None = None  # when the first look was taken
    first: int = 0  # how many steps the network had taken before
    asked: int = 0  # for so many steps, unless it ends early
    steps: int = 0  # that it took

    @classmethod
    def of(cls, net: "Network", plan: "FitConfiguration") -> "FitSnapshots":
        """Return one without looks."""
        options = {
            "output": net.activations[-1], "loss": net.loss, "dropout": list(net.dropout), "l1": net.l1, "l2": net.l2,
            "input_scale": float(plan.task.settings["input_scale"][0]), "dtype": str(net.dtype), "seed": net.seed,
        }  # fmt: skip
        if net.optimizer is None:
            raise ValueError("the network has no optimizer: fit sets it before it trains")
        return cls(
            net.sizes, net.activations, options, net.optimizer, int(plan.task.settings["batch_size"][0]),
            net.parameters.copy(), net.parameters, *data_of(plan.task), resumed=net.steps > 0, first=net.steps,
            asked=plan.epochs * -(-plan.task.rows // int(plan.task.settings["batch_size"][0])),
        )  # fmt: skip

    @property
    def learning_rate(self) -> float:
        """The optimizer's."""
        rate: float = self.optimizer.learning_rate  # type: ignore[attr-defined]
        return rate

    @property
    def first_loss(self) -> float | None:
        """The loss of the first batch, before a step."""
        return self.looks.items[0].loss if self.looks.items else None

    @property
    def last_loss(self) -> float | None:
        """The loss of the last finished epoch, or of the last batch that was looked at."""
        if self.history is not None and self.history.epochs:
            return self.history.epochs[-1]["loss"]
        return self.looks.items[-1].loss if self.looks.items else None

    def due(self, progress: Array) -> bool:
        """Return whether a look is to be taken: at the start of a batch, if it costs little enough or is wanted."""
        if int(progress["row"][0]) % self.batch_size:
            return False
        if self.began is None or self.spent <= SHARE * (time.perf_counter() - self.began):
            return True
        return self.rows_before(progress) == 0

    def rows_before(self, progress: Array) -> int | None:
        """Return how many rows to train before the next look that is taken in any case; None if there is none."""
        looks, apart = self.looks.added, max(self.asked / LEAST_LOOKS, min(SPARSE, self.asked / 2))
        if looks >= LEAST_LOOKS:
            return None
        steps = math.ceil(looks * apart) - (int(progress["step"][0]) - self.first)
        return max(0, steps * self.batch_size - int(progress["row"][0]) % self.batch_size)

    def look(
        self, net: "Network", task: "LoopArguments", arguments: tuple[Any, ...], clock: "PhaseClock", spans: "Spans"
    ) -> bool:
        """Train one batch and look at it; return False, and leave all as it is, if its loss is not finite."""
        started, progress = time.perf_counter(), task.progress
        self.began = self.began or started
        with spans.span("look at the gradients", "profiler"):
            if not self._gradient(task, arguments):
                return False
            before = net.parameters.copy()
        trained = time.perf_counter()
        row, clocks = int(progress["row"][0]), clock.of(1)
        one_batch(task, (*arguments, clocks))
        clock.called(spans, 1, trained, row, int(progress["row"][0]) - row, task.rows)
        trained = time.perf_counter() - trained
        with spans.span("look at the gradients", "profiler"):
            if not progress["diverged"][0]:
                self.looks.add(seen(net, task, before))
        self.spent += time.perf_counter() - started - trained
        return True

    def _gradient(self, task: "LoopArguments", arguments: tuple[Any, ...]) -> bool:
        """Compute the gradient of the next batch into the gradient buffer, and change nothing else."""
        settings, progress = task.settings, task.progress
        kept, update = progress.copy(), int(settings["update"][0])
        try:
            settings["update"] = NO_UPDATE
            one_batch(task, (*arguments, new_clock(1, task.layers.size, COUNTER, 2**62)))
            return not progress["diverged"][0]
        finally:
            settings["update"] = update
            progress[:] = kept


def one_batch(task: "LoopArguments", arguments: tuple[Any, ...]) -> None:
    """Have the compiled loop work off one batch, from its start, in one call."""
    train_slice(0, 1, new_team(), int(task.settings["batch_size"][0]), *arguments)


def seen(net: "Network", task: "LoopArguments", before: Array) -> Look:
    """Return what the workspace, the gradient buffer and the parameters show after a step."""
    progress, old, new = task.progress[0], net.split(before)[0], net.weights
    gradients, deltas, saturated, dead = net.split(net.gradient_buffer)[0], [], [], []
    micro_batch, batch = int(task.settings["micro_batch"][0]), int(task.settings["batch_size"][0])
    last = int(progress["row"]) - 1
    rows = (last % batch) % micro_batch + 1  # of the batch's last micro-batch, which is what the workspace holds
    for index, (layer, name) in enumerate(zip(task.layers, net.activations, strict=True)):
        deltas.append(rms(values(task.workspace, layer, "delta", rows)))
        hidden = index < len(net.activations) - 1
        outputs = values(task.workspace, layer, "output", rows) * (1 - layer["dropout"])
        kept = outputs[outputs != 0] if layer["dropout"] > 0 else outputs  # what was dropped is not saturated
        saturated.append(saturation(name, kept) if hidden and kept.size else None)
        dead.append(float(np.mean((outputs <= 0).all(axis=0))) if hidden and name == "relu" else None)
    gradient = [rms(g) for g in gradients]
    norm = np.sqrt(sum(g.size * size**2 for g, size in zip(gradients, gradient, strict=True)))
    return Look(
        time.perf_counter(), net.epochs_trained + 1, int(progress["step"]), rows, float(progress["batch_loss"]),
        float(norm), gradient, deltas, [rms(w) for w in old],
        [rms(w - v) for w, v in zip(new, old, strict=True)], saturated, dead,
    )  # fmt: skip


def values(workspace: Array, layer: Any, name: str, rows: int) -> Array:
    """Return a layer's values in the workspace (rows, fan_out)."""
    start, stride = int(layer[name]), int(layer["stride"])
    return workspace[start : start + rows * stride].reshape(rows, stride)[:, : int(layer["fan_out"])]


def rms(array: Array) -> float:
    """Return the root mean square; no BLAS, whose threads would go on looking for work beside the training."""
    with np.errstate(over="ignore", under="ignore"):
        mean = float(np.mean(np.square(array), dtype=np.float64))
    if not 1e-30 < mean < math.inf:  # squares that the array's own dtype has no room for: slower, and seldom
        mean = float(np.mean(np.square(array, dtype=np.float64)))
    return math.sqrt(mean)


def saturation(activation: str, outputs: Array) -> float | None:
    """Return the share of saturated values of a layer, by f' of the outputs."""
    if activation == "sigmoid":
        return float(np.mean(4 * outputs * (1 - outputs) < SATURATED))
    if activation == "tanh":
        return float(np.mean(1 - outputs**2 < SATURATED))
    return None


def data_of(task: "LoopArguments") -> tuple[Array, Array]:
    """Return the inputs and targets of a task, as views."""
    inputs = task.inputs.view(INPUT_KINDS[int(task.settings["input_kind"][0])])
    return inputs, task.labels if task.labels.size else task.targets


def per_layer(looks: Sequence[Look], name: str) -> Array:
    """Return an attribute of looks as an array (looks, layers)."""
    return np.array([getattr(look, name) for look in looks], np.float64)
