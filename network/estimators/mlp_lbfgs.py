"""Training by L-BFGS: the solver "lbfgs" of an estimator, scipy's over the network's vector of parameters."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize
from sklearn.utils.optimize import _check_optimize_result

from hotloop.kernels.jit import Array
from hotloop.network.estimators import sparse_rows
from hotloop.network.estimators.callback_support import Tasks
from hotloop.network.estimators.mlp_network import scaled_weights
from hotloop.network.training.conventions import HOTLOOP
from hotloop.network.training.passes import loss_and_gradient

Objective = Callable[[Array], tuple[float, Array]]


def fit_lbfgs(mlp: Any, X: Any, y: Array, weights: Array | None, tasks: Tasks) -> None:
    """Minimise the loss of all rows; the arguments are as in `fit_stochastic`."""
    network, began = mlp.network_, time.perf_counter()
    network._conventions = HOTLOOP
    total = float(X.shape[0] if weights is None else weights.sum())
    penalty = _penalty(network, mlp.alpha / total)
    loss = _loss(mlp, X, y, weights)
    # scikit-learn reports the mean of squares over the outputs, and descends their sum.
    outputs = network.sizes[-1] if getattr(network.loss, "name", "") == "half_squared_error" else 1

    def objective(parameters: Array) -> tuple[float, Array]:
        network.parameters[:] = parameters
        (value, gradient), (added, slope) = loss(), penalty(parameters)
        return value * outputs + added, gradient + slope

    steps, stopped = 0, False

    def watch(intermediate_result: Any) -> None:
        nonlocal steps, stopped
        steps += 1
        if mlp.verbose:
            print(f"Iteration {steps}, loss = {intermediate_result.fun:.8f}")
        if tasks.told:
            network.parameters[:] = intermediate_result.x
            tasks.begin()
            stopped = tasks.end(mlp._fitted)
        if stopped or (mlp.max_seconds is not None and time.perf_counter() - began >= mlp.max_seconds):
            stopped = True
            raise StopIteration

    with np.errstate(over="ignore", invalid="ignore"):
        found = minimize(
            objective, network.parameters.astype(np.float64), method="L-BFGS-B", jac=True, callback=watch,
            options={"maxfun": mlp.max_fun, "maxiter": mlp.max_iter, "gtol": mlp.tol},
        )  # fmt: skip
    mlp.n_iter_ = found.nit if stopped else _check_optimize_result("lbfgs", found, mlp.max_iter)
    network.parameters[:] = found.x
    added = penalty(found.x)[0]
    mlp.loss_ = (float(found.fun) - added) / outputs + added


def _loss(mlp: Any, X: Any, y: Array, weights: Array | None) -> Callable[[], tuple[float, Array]]:
    """Return what computes the loss, without penalty, and its gradient, both float64, from the network's parameters."""
    network, targets = mlp.network_, mlp._targets(y)
    weights, _ = scaled_weights(weights)
    whole = None if sparse_rows.is_large(X) else _prepared(network, X, targets, weights)
    shares = np.ones(X.shape[0]) if weights is None else weights
    total = shares.sum()

    def loss() -> tuple[float, Array]:
        if whole is not None:
            return _loss_and_gradient(network, whole)
        value, gradient = 0.0, np.zeros(network.parameters.size)
        for rows, inputs in sparse_rows.blocks(X):
            share = shares[rows].sum() / total
            if share > 0:
                data = _prepared(network, inputs, targets[rows], None if weights is None else weights[rows])
                of_block = _loss_and_gradient(network, data)
                value, gradient = value + share * of_block[0], gradient + share * of_block[1]
        return value, gradient

    return loss


def _prepared(network: Any, X: Array, targets: Array, weights: Array | None) -> Any:
    return network._trained_on(network._checked(X, targets), weights)


def _loss_and_gradient(network: Any, data: Any) -> tuple[float, Array]:
    data.progress[:] = 0
    value, gradient = loss_and_gradient(network, data, network.parameters)
    return value, gradient.astype(np.float64)


def _penalty(network: Any, strength: float) -> Callable[[Array], tuple[float, Array]]:
    """Return what computes strength |W|^2 / 2, and its gradient, of the weights without the biases."""
    kept = np.zeros_like(network.parameters)
    for weights in network.split(kept)[0]:
        weights[:] = 1
    scale = strength * kept.astype(np.float64)

    def penalty(parameters: Array) -> tuple[float, Array]:
        slope = scale * parameters
        return float(slope @ parameters) / 2, slope

    return penalty
