"""The outer loop of training: epochs and compiled calls, and whom to tell. The inner loop is `kernels.training`."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.kernels.records import Training
from hotloop.kernels.team import new_team
from hotloop.kernels.training import train_slice
from hotloop.network.metrics.named import Metric
from hotloop.network.training.callbacks import (
    Callback,
    FitProgress,
    active,
    call_all,
    clocks_of,
    methods_of,
    span,
)
from hotloop.network.training.compilation import CompileNotice
from hotloop.network.training.convergence import Convergence
from hotloop.network.training.display import is_shown
from hotloop.network.training.divergence import Divergence
from hotloop.network.training.history import DivergenceError, History, Record
from hotloop.network.training.loop_arguments import LoopArguments
from hotloop.network.training.passes import load_forward, scores
from hotloop.network.training.thread_tuner import ThreadTuner
from hotloop.network.training.training_state import TrainingState


@dataclass(frozen=True)
class FitConfiguration:
    """What one call of `Network.fit` was asked to do, and what it changes: the parameters and the training state."""

    network: Any  # only shown to callbacks and observers
    parameters: Array
    gradient: Array  # scratch
    training: TrainingState
    data: LoopArguments
    validation: LoopArguments | None
    epochs: int
    seed: int
    shuffle: bool
    n_threads: int | str
    tolerance: float | None
    patience: int
    progress: bool
    callbacks: Sequence[Callback]
    metrics: Sequence[Metric] = ()


def shuffled(seed: int, epoch: int, rows: int) -> Array:
    """Return the order of an epoch's rows, which depends only on (seed, epoch), whatever was drawn before."""
    generator = np.random.Generator(np.random.Philox(key=[seed, epoch]))
    return generator.permutation(rows).astype(np.int64, copy=False)


def fit(configuration: FitConfiguration, tuner: ThreadTuner) -> History:
    """Train in the threads of `tuner`, which are ended.

    Whatever ends the fit, the parameters are finite: those reached, if the last update was sound.
    """
    training, data = configuration.training, configuration.data
    progress = FitProgress(configuration.network, configuration.epochs, data.rows)
    history = progress.history
    tuner.observers = [observer.of_fit(progress, data) for observer in active()]
    callbacks = [*tuner.observers, *_callbacks(configuration)]
    began = time.perf_counter()
    try:
        for method in methods_of(callbacks, "on_fit_begin"):
            method(progress)
        notice = _load_loops(configuration, tuner)
        history.compile_seconds, history.compiled = notice.seconds, notice.compiled
        began = time.perf_counter()
        with closing(tuner):  # here, so that a Ctrl-C that comes as its threads end is no error either
            _train(configuration, progress, callbacks, tuner)
        history.stop_reason = progress.stop_reason or "epochs"
    except KeyboardInterrupt:
        history.stop_reason = "interrupted"
    except BaseException as error:
        history.stop_reason = "diverged" if isinstance(error, DivergenceError) else "failed"
        raise
    finally:
        training.fit_in = None  # first, and after no call: Ctrl-C cannot come between
        training.steps = int(data.progress["step"][0])
        history.seconds, history.n_threads = time.perf_counter() - began, tuner.n_threads
        call_all(methods_of(callbacks, "on_fit_end"), progress)
    return history


def _callbacks(configuration: FitConfiguration) -> list[Callback]:
    """Return the callbacks of a fit, in their order."""
    found: list[Callback] = [Divergence(configuration.data, configuration.parameters, configuration.training)]
    found += configuration.callbacks
    if configuration.tolerance is not None:
        found.append(Convergence(configuration.tolerance, configuration.patience))
    if configuration.progress and is_shown():
        from hotloop.network.training.progress_bar import ProgressBar  # tqdm takes as long to import as some fits

        found.append(ProgressBar())
    return found


def _load_loops(configuration: FitConfiguration, tuner: ThreadTuner) -> CompileNotice:
    """Compile the loops, or load them from the cache, by calls that train nothing."""
    data, clocks = configuration.data, clocks_of(tuner.observers, 1)
    what = str(data.layout.dtype) if clocks is None else f"{data.layout.dtype} with a clock"
    visible = configuration.progress and is_shown()
    with span("load kernels"), CompileNotice(what, visible) as notice:
        train_slice(0, 1, new_team(), 0, _run(configuration, np.arange(data.rows)), clocks)
        if configuration.validation is not None:
            load_forward(configuration.validation, configuration.parameters)
    return notice


def _train(
    configuration: FitConfiguration, fit: FitProgress, callbacks: Sequence[Callback], tuner: ThreadTuner
) -> None:
    """Run the epochs, until they end or a callback asks for an end."""
    training, data, rows = configuration.training, configuration.data, fit.rows
    on_epoch_begin, on_epoch_end = methods_of(callbacks, "on_epoch_begin"), methods_of(callbacks, "on_epoch_end")
    train_epoch = _epoch_trainer(configuration, fit, callbacks, tuner)
    in_order = np.arange(rows)
    for epoch in range(1, configuration.epochs + 1):
        if fit.stop_reason is not None:
            break
        fit.epoch, fit.epoch_start, fit.rows_done = epoch, time.perf_counter(), 0
        order = shuffled(configuration.seed, training.epochs, rows) if configuration.shuffle else in_order
        for method in on_epoch_begin:
            method(fit)
        train_epoch(_run(configuration, order))
        if fit.rows_done < rows:
            break
        training.epochs += 1
        record: Record = {"epoch": training.epochs, "loss": float(data.progress["loss_sum"][0]) / rows}
        fit.history.epochs.append(record)
        if configuration.validation is not None:
            with span("validation"):
                found = scores(
                    configuration.validation, configuration.parameters, configuration.n_threads, 1,
                    configuration.metrics,
                )  # fmt: skip
            record.update({f"val_{name}": value for name, value in found.items()})
        record["learning_rate"] = data.last_learning_rate()
        record["seconds"] = time.perf_counter() - fit.epoch_start
        for method in on_epoch_end:
            method(fit)


def _epoch_trainer(
    configuration: FitConfiguration, fit: FitProgress, callbacks: Sequence[Callback], tuner: ThreadTuner
) -> Callable[[Training], None]:
    """Return a function that trains a run until all rows are done, or an end is asked for."""
    training, observers = configuration.training, tuner.observers
    on_call_begin, on_call_end = methods_of(callbacks, "on_call_begin"), methods_of(callbacks, "on_call_end")
    limits = methods_of(callbacks, "limit")
    configuration.data.set_threads(tuner.most)
    progress = configuration.data.progress

    def limit(rows: int) -> int:
        return min((method(fit, rows) for method in limits), default=rows)

    def train(run: Training) -> None:
        progress["row"], progress["loss_sum"] = 0, 0.0
        while fit.rows_done < fit.rows and fit.stop_reason is None:
            for method in on_call_begin:
                method(fit)
            if not (observers and any(observer.take_batch(run) for observer in observers)):
                tuner.call(train_slice, (run,), progress, limit)
            fit.rows_done, training.steps = int(progress["row"][0]), int(progress["step"][0])
            for method in on_call_end:
                method(fit)

    return train


def _run(configuration: FitConfiguration, order: Array) -> Training:
    moments = configuration.training.moments
    return configuration.data.training(configuration.parameters, configuration.gradient, moments, order)
