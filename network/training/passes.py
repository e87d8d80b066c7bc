"""One pass over data that changes no parameter: outputs, scores, or the gradient."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.kernels.prediction import forward_slice
from hotloop.kernels.team import new_team
from hotloop.kernels.training import train_slice
from hotloop.network.layout import aligned_zeros
from hotloop.network.losses import loss_of
from hotloop.network.metrics import score
from hotloop.network.metrics.named import Metric
from hotloop.network.training.callbacks import active, clocks_of, observed
from hotloop.network.training.loop_arguments import LoopArguments
from hotloop.network.training.team import Team
from hotloop.network.training.thread_tuner import for_prediction

# Parameters (and 100) times rows in one call: about 20 ms, so that Ctrl-C is heard.
CALL_WORK, ROW_WORK = 10**9, 100


def rows_in_a_call(n_parameters: int) -> int:
    """Return how many rows a thread takes in one compiled call."""
    return max(1, CALL_WORK // (n_parameters + ROW_WORK))


def outputs_and_loss(
    data: LoopArguments, parameters: Array, n_threads: int | str, fewest: int | None = None
) -> tuple[Array, float]:
    """Return the outputs (N, outputs) and the loss, the mean over the samples' weights, without penalties.

    Parameters
    ----------
    data : LoopArguments
        Without targets and labels the loss is 0.
    parameters : array (P,)
    n_threads : int or "auto"
    fewest : int, optional
        Go on with this many threads if more cannot be started. By default "auto" goes on with one, and others do not.
    """
    outputs, losses = _forward(data, parameters, n_threads, fewest)
    with np.errstate(over="ignore", invalid="ignore"):  # infinite or NaN, and so returned
        if data.weights.size and losses.size:  # they were divided by the number of rows
            counts = data.weights > 0
            losses = losses[counts] * (data.weights[counts] * (data.rows / data.total_weight))
        return outputs, float(losses.sum())


def row_losses(data: LoopArguments, parameters: Array, n_threads: int | str) -> Array:
    """Return the loss of each row (N,), without penalties and whatever the weights are; data with targets or labels."""
    _, losses = _forward(data, parameters, n_threads, None)
    return losses * data.rows


def _forward(data: LoopArguments, parameters: Array, n_threads: int | str, fewest: int | None) -> tuple[Array, Array]:
    """Return the outputs, and what each row adds to the mean loss; nothing of the second without targets or labels."""
    fewest = 1 if n_threads == "auto" else fewest
    n_parameters = data.layout.n_parameters
    outputs = np.empty((data.rows, data.layout.sizes[-1]), data.layout.dtype)
    losses = np.zeros(data.rows if data.targets.size or data.labels.size else 0)
    n_threads = min(for_prediction(n_threads, data.rows * n_parameters), int(data.settings["micro_batch"][0]))
    data.share_rows(n_threads)
    run = data.prediction(parameters, losses, outputs)
    with Team(n_threads, fewest) as team, observed(lambda observer: observer.forward(data, team.n_threads)):
        rows = rows_in_a_call(n_parameters) * team.n_threads
        for start in range(0, data.rows, rows):
            team.run(forward_slice, start, min(start + rows, data.rows), run)
    return outputs, losses


def load_forward(data: LoopArguments, parameters: Array) -> None:
    """Compile or load the loop of `outputs_and_loss`, for later calls with such data."""
    outputs = np.empty((0, data.layout.sizes[-1]), data.layout.dtype)
    forward_slice(0, 1, new_team(), 0, 0, data.prediction(parameters, np.zeros(0), outputs))


def scores(
    data: LoopArguments,
    parameters: Array,
    n_threads: int | str,
    fewest: int | None = None,
    metrics: Sequence[Metric] = (),
) -> dict[str, float]:
    """Return the loss, penalties included, the accuracy or the R^2, and `metrics`; else as `outputs_and_loss`."""
    outputs, total = outputs_and_loss(data, parameters, n_threads, fewest)
    found = score(loss_of(data.loss), data.activations[-1], outputs, data.targets, data.labels, metrics, data.weights)
    return {"loss": total + _penalty(data, parameters), **found}


def loss_and_gradient(network: Any, data: LoopArguments, parameters: Array) -> tuple[float, Array]:
    """Return the loss, penalties included, and its gradient (P,). The network is only shown to observers."""
    gradient = aligned_zeros(data.layout.size, data.layout.dtype)
    order, moments = np.arange(data.rows), np.zeros((0, 0), data.layout.dtype)
    run = data.training(parameters, gradient, moments, order)
    words, progress = new_team(), data.progress
    observers = [observer.of_gradient(network, data) for observer in active()]
    while (row := int(progress["row"][0])) < data.rows:
        clocks, start = clocks_of(observers, 1), time.perf_counter()
        try:
            train_slice(0, 1, words, rows_in_a_call(data.layout.n_parameters), run, clocks)
        finally:
            for observer in observers:
                observer.called(1, start, row, int(progress["row"][0]) - row)
    return float(progress["batch_loss"][0]), gradient


def _penalty(data: LoopArguments, parameters: Array) -> float:
    l1, l2 = float(data.settings["l1"][0]), float(data.settings["l2"][0])
    total = 0.0
    if l1 > 0 or l2 > 0:
        with np.errstate(over="ignore"):
            for weights in data.layout.split(parameters)[0]:
                w = weights.astype(np.float64)
                total += l1 * float(np.abs(w).sum()) if l1 > 0 else 0.0
                total += l2 * float(np.square(w).sum()) if l2 > 0 else 0.0
    return total
