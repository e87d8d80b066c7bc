"""Trials of remedies: twins of a network, trained for a short while with one thing changed."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hotloop.kernels.clock import COUNTER, new_clock
from hotloop.kernels.codes import NO_UPDATE
from hotloop.kernels.jit import Array
from hotloop.kernels.team import new_team
from hotloop.kernels.training import train_slice
from hotloop.network import flops
from hotloop.network.layout import Layout
from hotloop.network.network import Network
from hotloop.network.profiling.diagnosis.snapshots import FitSnapshots, rms, values
from hotloop.network.training.composed_schedules import Scaled
from hotloop.network.training.history import DivergenceError
from hotloop.network.training.loop_arguments import LoopArguments
from hotloop.network.training.optimizers import Optimizer

Runner = Callable[[Callable[[], float]], float]  # calls a function, and returns what it returns

WORK = 3e10  # floating-point operations of a trial: half a second to a second
MOST_ROWS, MOST_STEPS, FEWEST_STEPS = 4096, 2000, 20
PROBE_ROWS = 256  # at a time: a micro-batch
PROBES = 4


@dataclass(frozen=True)
class Probe:
    """What some rows show of a network, by layer: the root mean square of dC/dz, and the share of dead units."""

    delta: list[float]
    dead: list[float | None]


@dataclass(frozen=True)
class Outcome:
    """What became of a twin: its loss afterwards, infinite if it diverged."""

    loss: float


class Trials:
    """Trials on the data of one fit, all of the same number of steps on the same rows from the same initial weights.

    Parameters
    ----------
    fit : FitSnapshots
    runner : callable
        Calls each training of a twin, for example in a profile.
    """

    def __init__(self, fit: FitSnapshots, runner: Runner) -> None:
        self._fit, self._runner = fit, runner
        work = flops.training_of_a_row(fit.sizes)
        self.batch_size = batch = fit.batch_size
        steps = int(min(MOST_STEPS, max(FEWEST_STEPS, WORK / (work * batch))))
        if not fit.diverged and fit.history is not None and fit.history.epochs:
            taken = len(fit.history.epochs) * math.ceil(len(fit.X) / batch)
            steps = min(steps, max(taken, FEWEST_STEPS))
        rows = min(len(fit.X), max(MOST_ROWS, batch))
        self._epochs = max(1, round(steps * batch / rows))
        self.steps = self._epochs * math.ceil(rows / batch)
        chosen = np.sort(np.random.default_rng(0).permutation(len(fit.X))[:rows])
        self.X, self.y, self._weighting = fit.X[chosen], fit.y[chosen], dict(fit.weighting)
        if "sample_weight" in fit.weighting:
            self._weighting["sample_weight"] = of_chosen(fit.weighting["sample_weight"], chosen)
        self._cache: dict[str, Outcome] = {}

    def unchanged(self) -> Outcome:
        """Return the outcome without a change."""
        return self.run("unchanged")

    def start(self) -> float:
        """Return the loss before the first step."""
        net = self.twin()
        return self._runner(lambda: self._loss(net, self.X))

    def run(
        self, key: str, *, net: Network | None = None, optimizer: Optimizer | None = None, X: Array | None = None
    ) -> Outcome:
        """Return the outcome with another network, optimizer or inputs; `key` names the change."""
        if key not in self._cache:
            net = self.twin() if net is None else net
            self._cache[key] = self._trained(net, optimizer or self._fit.optimizer, self.X if X is None else X)
        return self._cache[key]

    def at_rate(self, factor: float) -> Outcome:
        """Return the outcome at another learning rate."""
        optimizer = self._fit.optimizer
        rate = optimizer.learning_rate
        changed: dict[str, Any] = {"learning_rate": Scaled(rate, factor) if callable(rate) else rate * factor}
        return self.run(f"rate {factor:g}", optimizer=replace(optimizer, **changed))

    def twin(self, activation: str | list[Any] | None = None, *, initial: bool = True, **options: Any) -> Network:
        """Return the network as it was before the fit, with its `initial` weights or new ones of the default."""
        return twin(self._fit, activation, initial=initial, **options)

    def _trained(self, net: Network, optimizer: Optimizer, X: Array) -> Outcome:
        def train() -> float:
            try:
                history = net.fit(
                    X, self.y, epochs=self._epochs, batch_size=self._fit.batch_size, optimizer=optimizer, n_threads=1,
                    progress=False, **self._weighting,
                )  # fmt: skip
            except DivergenceError:
                return math.inf
            if history.interrupted:
                raise KeyboardInterrupt
            return self._loss(net, X)

        return Outcome(self._runner(train))

    def _loss(self, net: Network, X: Array) -> float:
        weighting = dict(self._weighting)
        if "sample_weight" in weighting:
            weighting["sample_weight"] = of_chosen(weighting["sample_weight"], slice(PROBE_ROWS))
        loss, _ = net.gradient(X[:PROBE_ROWS], self.y[:PROBE_ROWS], **weighting)
        return loss if math.isfinite(loss) else math.inf


def of_chosen(weights: Array | None, rows: Any) -> Array | None:
    """Return the weights of some rows; None if they are all 0, with which nothing can be trained."""
    chosen = None if weights is None else weights[rows]
    return chosen if chosen is not None and chosen.any() else None


def twin(
    fit: FitSnapshots, activation: str | list[Any] | None = None, *, initial: bool = True, **options: Any
) -> Network:
    """Return the network as it was before the fit: see `Trials.twin`."""
    hidden = list(fit.activations[:-1]) if activation is None else activation
    net = Network(fit.sizes, hidden or "relu", **(fit.options | options))
    if initial:
        net.parameters[:] = fit.initial
    return net


def probe(net: Network, X: Array, y: Array) -> Probe | None:
    """Return what up to a thousand rows show of a network, without dropout; None if its loss is not finite."""
    deltas, alive = [], []
    for start in range(0, min(len(X), PROBES * PROBE_ROWS), PROBE_ROWS):
        rows = X[start : start + PROBE_ROWS]
        labelled = y.ndim == 1 and net.loss == "cross_entropy"
        targets = np.empty((0, 0), net.dtype) if labelled else y[start : start + PROBE_ROWS]
        labels = y[start : start + PROBE_ROWS] if labelled else np.empty(0, np.int64)
        layout = Layout(
            net.sizes, net.dtype, net.layer_norm, net.learn_activation, net.learn_input_scale, net.layer_norm_epsilon
        )
        data = LoopArguments.prepare(
            layout, net.activations, net.loss, np.ascontiguousarray(rows), targets, labels,
            batch_size=len(rows), input_scale=net.input_scale,
        )  # fmt: skip
        data.settings["update"] = NO_UPDATE
        gradient, moments = np.zeros_like(net.parameters), np.zeros((0, 0), net.dtype)
        run = data.training(net.parameters, gradient, moments, np.arange(data.rows))
        train_slice(0, 1, new_team(), data.rows, run, new_clock(1, data.layers.size, COUNTER, 2**62))
        if data.progress["diverged"][0]:
            return None
        last = (data.rows - 1) % int(data.settings["micro_batch"][0]) + 1  # rows of the last micro-batch
        outputs = [values(data.workspace, layer, "activated", last) for layer in data.layers]
        deltas.append([rms(values(data.workspace, layer, "delta", last)) for layer in data.layers])
        alive.append([(a > 0).any(axis=0) for a in outputs])
    hidden = len(net.activations) - 1
    dead = [
        float(1 - np.mean(np.any(masks, axis=0))) if name == "relu" and index < hidden else None
        for index, (name, masks) in enumerate(zip(net.activations, zip(*alive, strict=True), strict=True))
    ]
    return Probe([float(np.median(d)) for d in zip(*deltas, strict=True)], dead)
