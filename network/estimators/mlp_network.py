"""The network of an estimator: layers, loss, initial weights, optimizer, as scikit-learn's parameters say."""

from collections.abc import Iterable
from itertools import pairwise
from operator import index
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.losses import OF_SKLEARN, Loss
from hotloop.network.network import Network
from hotloop.network.training.conventions import Conventions
from hotloop.network.training.optimizers import SGD, Adam, Optimizer

OUTPUTS = {"sigmoid": "logistic", "exponential": "exp"}  # what scikit-learn calls some activations
LOG_LOSS = ("log_loss", "cross_entropy", "binary_cross_entropy")
BELOW_ONE = float(np.nextafter(1, 0))  # a momentum of 1, within rounding
Layers = tuple[list[Any], list[Any]]  # weights, biases


def hidden_sizes(given: Any) -> list[int]:
    """Return the units of each hidden layer."""
    sizes = list(given) if isinstance(given, Iterable) else [given]
    if any(size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [index(size) for size in sizes]


def classifier_loss(given: str | Loss, kind: str) -> tuple[str | Loss, str]:
    """Return the loss of a network that tells classes apart, and its output activation.

    `kind` is scikit-learn's of the target: "multiclass" has an output a class, "multilabel-indicator" one a label,
    "binary" one.
    """
    if kind == "multiclass":
        return "cross_entropy" if given in LOG_LOSS else given, "softmax"
    if given in LOG_LOSS:
        return OF_SKLEARN["log_loss_of_labels"] if kind.startswith("multilabel") else "binary_cross_entropy", "sigmoid"
    return given, "sigmoid"


def regressor_loss(given: str | Loss) -> str | Loss:
    """Return the loss of a network that predicts numbers."""
    scikit_learn = {"squared_error": "half_squared_error", "poisson": "half_poisson_deviance"}
    return OF_SKLEARN[scikit_learn[given]] if isinstance(given, str) and given in scikit_learn else given


def initial_layers(sizes: list[int], activation: Any, dtype: Any, rng: np.random.RandomState) -> Layers:
    """Return weights and biases of all layers, drawn in scikit-learn's order, uniform within Glorot's bound.

    The bound is sqrt(6 / (fan_in + fan_out)), for the logistic function with 2 instead of 6; of several activations a
    layer has its own, and the output layer that of the last hidden one. Source: Glorot and Bengio (2010), equation 16.
    """
    hidden = len(sizes) - 2
    names = list(activation) if isinstance(activation, (list, tuple)) else [activation] * max(hidden, 1)
    weights, biases = [], []
    for layer, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        factor = 2.0 if names[min(layer, len(names) - 1)] in ("logistic", "sigmoid") else 6.0
        bound = np.sqrt(factor / (fan_in + fan_out))
        weights.append(rng.uniform(-bound, bound, (fan_in, fan_out)).astype(dtype, copy=False))
        biases.append(rng.uniform(-bound, bound, fan_out).astype(dtype, copy=False))
    return weights, biases


def new_network(
    sizes: list[int], activation: Any, output: str | None, loss: str | Loss, dropout: Any, dtype: Any, layers: Layers,
    seed: int | None,
) -> Network:  # fmt: skip
    """Return a network with these weights and biases."""
    several = isinstance(activation, (list, tuple))
    return Network(
        sizes, list(activation) if several else activation, output=output, loss=loss,
        initializer=[(np.asarray(w), np.asarray(b)) for w, b in zip(*layers, strict=True)],
        dropout=dropout, dtype=dtype, seed=seed,
    )  # fmt: skip


def conventions_of(mlp: Any, scale: float) -> Conventions:
    """Return what a fit of this estimator computes otherwise; the samples' weights were multiplied by `scale`."""
    return Conventions(l2_per_weight=mlp.alpha / 2 * scale, mean_by_rows=True, epsilon_hat=True)


def optimizer_of(mlp: Any, rate: float) -> Optimizer:
    """Return the optimizer, at a learning rate."""
    if mlp.solver == "adam":
        return Adam(rate, beta1=mlp.beta_1, beta2=mlp.beta_2, epsilon=mlp.epsilon)
    momentum = min(float(mlp.momentum), BELOW_ONE)
    return SGD(rate, momentum=momentum, nesterov=bool(mlp.nesterovs_momentum) and momentum > 0)


def scaled_weights(weights: Array | None) -> tuple[Array | None, float]:
    """Return weights of samples times a power of two, the largest from 1/2 to 1, as `Network` scales them; and that."""
    if weights is None or not weights.size or not (largest := float(weights.max())) > 0 or not np.isfinite(largest):
        return weights, 1.0
    exponent = -int(np.frexp(largest)[1])
    return np.ldexp(np.asarray(weights, np.float64), exponent), float(np.ldexp(1.0, exponent))
