"""One network of a tabular estimator: made and trained as a recipe says."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.estimators.tabular_recipe import RATES, Recipe
from hotloop.network.network import Network
from hotloop.network.training.callbacks import Callback
from hotloop.network.training.early_stopping import EarlyStopping
from hotloop.network.training.history import DivergenceError, History
from hotloop.network.training.optimizers import Adam, AdamW, Optimizer
from hotloop.network.training.schedules import FlatCosine


@dataclass(frozen=True)
class Rows:
    """Inputs, targets and weights of rows: float32 (N, inputs); classes (N,) or values (N, outputs); (N,) or None."""

    inputs: Array
    targets: Array
    weights: Array | None = None

    def take(self, rows: Array) -> "Rows":
        """Return some of the rows, copied."""
        return Rows(self.inputs[rows], self.targets[rows], None if self.weights is None else self.weights[rows])

    def as_validation(self) -> tuple[Array, ...]:
        """Return them as `Network.fit` takes `validation_data`."""
        return (self.inputs, self.targets) if self.weights is None else (self.inputs, self.targets, self.weights)


def new_network(recipe: Recipe, n_inputs: int, n_outputs: int, classes: bool, seed: int) -> Network:
    """Return a network with its initial weights: W ~ N(0, 1) / sqrt(fan_in), b ~ N(0, bias_std^2), 0 in the last layer.

    RealMLP has W ~ N(0, 1) and z = W x / sqrt(fan_in) + b. Under Adam, whose steps do not depend on the scale of the
    gradient, that is the same as this with the learning rate divided by sqrt(fan_in).
    """
    sizes = [n_inputs, *recipe.hidden_sizes, n_outputs]
    generator = np.random.default_rng(seed)
    initial: list[tuple[Array, Array]] = []
    for fan_in, fan_out in pairwise(sizes[:-1]):
        weights = generator.normal(0, 1 / math.sqrt(fan_in), (fan_in, fan_out))
        initial.append((weights, generator.normal(0, recipe.bias_std, fan_out)))
    initial.append((np.zeros(sizes[-2:]), np.zeros(n_outputs)))
    return Network(
        sizes, recipe.activation, loss="cross_entropy" if classes else "mse", initializer=initial,
        learn_activation=recipe.learn_activation, learn_input_scale=recipe.input_scale_factor is not None,
        dropout=recipe.dropout if recipe.hidden_sizes else 0.0,
        label_smoothing=recipe.label_smoothing if classes else 0.0, seed=seed,
    )  # fmt: skip


def optimizer_of(recipe: Recipe, sizes: Sequence[int]) -> Optimizer:
    """Return Adam, or AdamW, with the recipe's schedules and factors."""
    factors: dict[str, Any] = {
        "weights": [1 / math.sqrt(fan_in) for fan_in in sizes[:-1]], "biases": recipe.bias_factor,
    }  # fmt: skip
    if recipe.learn_activation:
        factors["activation"] = recipe.activation_factor
    if recipe.input_scale_factor is not None:
        factors["input_scale"] = recipe.input_scale_factor
    rate = RATES[recipe.schedule](recipe.learning_rate)
    given: dict[str, Any] = {"beta2": recipe.beta2, "epsilon": recipe.epsilon, "learning_rate_factors": factors}
    if recipe.weight_decay == 0:
        return Adam(rate, **given)
    decay = FlatCosine(recipe.weight_decay, end=0, flat=0.5)
    return AdamW(rate, weight_decay=decay, weight_decay_factors={"biases": 0}, **given)


def batch_size(recipe: Recipe, n_rows: int) -> int:
    """Return the size of batches that divides the rows evenly, at most the recipe's.

    RealMLP leaves out the last, smaller batch: a step of few rows is as long as one of many, and noisier.
    """
    return math.ceil(n_rows / math.ceil(n_rows / recipe.batch_size))


def train(
    net: Network, recipe: Recipe, training: Rows, validation: Rows | None, classes: bool, n_threads: int | str,
    callbacks: Sequence[Callback],
) -> History:  # fmt: skip
    """Train the network, and go back to its best epoch.

    A fit that diverges after its first epoch goes back to the best as well; the history says so.
    """
    best: list[Callback] = []
    if validation is not None:
        monitor = "val_accuracy" if classes else "val_loss"
        best = [EarlyStopping(monitor, patience=recipe.epochs, prefer=recipe.prefer)]
    try:
        return net.fit(
            training.inputs, training.targets, sample_weight=training.weights, epochs=recipe.epochs,
            batch_size=batch_size(recipe, len(training.inputs)), optimizer=optimizer_of(recipe, net.sizes),
            dropout_schedule=FlatCosine(1, end=0, flat=0.5) if recipe.dropout > 0 else None,
            validation_data=None if validation is None else validation.as_validation(),
            n_threads=n_threads, progress=False, callbacks=[*best, *callbacks],
        )  # fmt: skip
    except DivergenceError as error:
        if error.history.best_epoch is None:
            raise
        return error.history
