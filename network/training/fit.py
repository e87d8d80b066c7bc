"""The outer loop of training: epochs and compiled calls, and whom to tell. The inner loop is `kernels.training`."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.kernels.records import Training
from hotloop.kernels.team import new_team
from hotloop.kernels.training import train_slice
from hotloop.network.display.terminal import is_shown
from hotloop.network.training.callbacks import (
    Callback,
    FitProgress,
    active,
    call_all,
    clocks_of,
    methods_of,
    rows_of,
    span,
)
from hotloop.network.training.checked_data import FitData
from hotloop.network.training.compilation import CompileNotice
from hotloop.network.training.convergence import Convergence
from hotloop.network.training.divergence import Divergence
from hotloop.network.training.fit_options import FitOptions
from hotloop.network.training.history import DIVERGED, EPOCHS, FAILED, INTERRUPTED, DivergenceError, History, Record
from hotloop.network.training.passes import load_forward, scores
from hotloop.network.training.starting_point import StartingPoint
from hotloop.network.training.step_table import StepTable
from hotloop.network.training.thread_tuner import ThreadTuner
from hotloop.network.training.time_limit import TimeLimit
from hotloop.network.training.training_state import TrainingState


@dataclass
class FitConfiguration:
    """What one call of `Network.fit` was asked to do, and what it changes: the parameters and the training state."""

    network: Any  # only shown to callbacks and observers
    parameters: Array
    gradient: Array  # scratch
    training: TrainingState
    data: FitData
    options: FitOptions
    seed: int
    table: StepTable
    start: StartingPoint
    first_callbacks: Sequence[Callback]  # before those of the user
    last_callbacks: Sequence[Callback]  # after all others
    epoch_order: Callable[[int], Array] | None = None  # of so many rows, in place of `shuffled`


class _Generator(threading.local):
    """Each thread's, for all orders: to make one takes three times as long as to set its state, and draws a seed."""

    def __init__(self) -> None:
        self.generator = np.random.Generator(np.random.Philox(key=[0, 0]))
        self.state: Any = self.generator.bit_generator.state  # a copy
        self.key, self.counter = (self.state["state"][name] for name in ("key", "counter"))


_GENERATOR = _Generator()
LOADED: set[tuple[Any, ...]] = set()  # loops that this process has compiled or loaded: (name, dtype, with clocks)


def shuffled(seed: int, epoch: int, rows: int, part: int = 0) -> Array:
    """Return the order of an epoch's rows, which depends only on (seed, epoch, part), whatever was drawn before."""
    generator, key = _GENERATOR.generator, _GENERATOR.key
    key[0], key[1], _GENERATOR.counter[3] = seed, epoch, part
    generator.bit_generator.state = _GENERATOR.state
    return generator.permutation(rows).astype(np.int64, copy=False)


def fit(configuration: FitConfiguration, tuner: ThreadTuner) -> History:
    """Train in the threads of `tuner`, which are ended.

    Whatever ends the fit, the parameters are finite: those reached, if the last update was sound.
    """
    training, data, start = configuration.training, configuration.data.training, configuration.start
    progress = FitProgress(configuration.network, configuration.options.epochs, data)
    if configuration.data.parts is not None:
        progress.rows = None
    progress.epoch, progress.step, progress.stop_reason = start.epochs, start.steps, start.stop_reason
    progress.learning_rate_factor = start.learning_rate_factor
    history = progress.history
    history.epochs.extend(start.records)
    tuner.observers = [observer.of_fit(progress, data) for observer in active()]
    guard = Divergence(data, configuration.parameters, training, configuration.data.parts is not None)
    progress.callbacks = callbacks = [*tuner.observers, guard, *_callbacks(configuration)]
    began = time.perf_counter()
    try:
        for method in methods_of(callbacks, "on_fit_begin"):
            method(progress)
        _load_loops(configuration, tuner, history)
        began = time.perf_counter()
        with closing(tuner):  # here, so that a Ctrl-C that comes as its threads end is no error either
            _train(configuration, progress, callbacks, tuner, guard)
        history.stop_reason = progress.stop_reason or EPOCHS
    except KeyboardInterrupt:
        history.stop_reason = INTERRUPTED
    except BaseException as error:
        history.stop_reason = DIVERGED if isinstance(error, DivergenceError) else FAILED
        raise
    finally:
        training.fit_in = None  # first, and after no call: Ctrl-C cannot come between
        training.steps = int(data.progress["step"][0])
        history.seconds, history.n_threads = time.perf_counter() - began + start.seconds, tuner.n_threads
        # The guard once more, at last: a callback may have written into the parameters.
        at_end = methods_of(callbacks, "on_fit_end")
        call_all([*at_end, guard.on_fit_end] if len(at_end) > 1 else at_end, progress)
    return history


def _callbacks(configuration: FitConfiguration) -> list[Callback]:
    """Return the callbacks of a fit after the check for divergence, in their order."""
    options = configuration.options
    found = [*configuration.first_callbacks, *options.callbacks]
    if options.max_seconds is not None:
        found.append(TimeLimit(options.max_seconds))
    if options.tolerance is not None:
        found.append(Convergence(options.tolerance, options.patience))
    if options.progress and is_shown():
        from hotloop.network.training.progress_bar import ProgressBar  # rich takes longer to import than some fits

        found.append(ProgressBar())
    return [*found, *configuration.last_callbacks]


def _load_loops(configuration: FitConfiguration, tuner: ThreadTuner, history: History) -> None:
    """Compile the loops, or load them from the cache, by calls that train nothing; the history notes how long."""
    data, validation = configuration.data.training, configuration.data.validation
    clocks = clocks_of(tuner.observers, 1)
    loops = {("training", data.layout.dtype, clocks is not None)}
    if validation is not None:
        loops.add(("forward", data.layout.dtype, False))
    with span("load kernels"):
        if loops <= LOADED:
            return
        what = str(data.layout.dtype) if clocks is None else f"{data.layout.dtype} with a clock"
        with CompileNotice(what, configuration.options.progress and is_shown()) as notice:
            train_slice(0, 1, new_team(), 0, _run(configuration, np.arange(data.rows)), clocks)
            if validation is not None:
                load_forward(validation, configuration.parameters)
    LOADED.update(loops)
    history.compile_seconds, history.compiled = notice.seconds, notice.compiled


def _train(
    configuration: FitConfiguration, fit: FitProgress, callbacks: Sequence[Callback], tuner: ThreadTuner,
    guard: Divergence,
) -> None:  # fmt: skip
    """Run the epochs, until they end or a callback asks for an end."""
    training, table, options = configuration.training, configuration.table, configuration.options
    data, validation, parts = configuration.data.training, configuration.data.validation, configuration.data.parts
    on_epoch_begin, on_epoch_end = methods_of(callbacks, "on_epoch_begin"), methods_of(callbacks, "on_epoch_end")
    train_epoch = _epoch_trainer(configuration, fit, callbacks, tuner)
    at, rate = configuration.start, fit.learning_rate
    if at.row > 0:  # no call may be left of this epoch
        table.prepare(fit.learning_rate_factor, taken=1)
    for epoch in range(at.epochs + 1, options.epochs + 1):
        if fit.stop_reason is not None:
            break
        fit.epoch, fit.epoch_start, fit.rows_done = epoch, time.perf_counter(), at.row
        orders = _orders(configuration)
        order, progress = next(orders), data.progress
        progress["row"], progress["loss_sum"], progress["norm_sum"] = at.row, at.loss_sum, at.norm_sum
        for method in on_epoch_begin:
            method(fit)
        weight, steps, before = 0.0, 0, 0  # of the parts that are done
        for rows in chain([order], orders):
            if before > 0:
                progress["row"] = 0
            train_epoch(_run(configuration, rows), before)
            if fit.rows_left > 0:
                return
            weight, before = weight + data.loss_weight, fit.rows_done
            steps += data.batches if options.gradient_norm else 0
            if parts is not None and fit.stop_reason is not None:
                return
        if parts is not None:
            guard.check_epoch(fit)
            table.check_length(epoch)
        fit.rows = before
        training.epochs += 1
        loss = float(progress["loss_sum"][0]) / weight if weight > 0 else math.nan  # batches may weigh nothing
        record: Record = {"epoch": training.epochs, "loss": loss}
        if options.gradient_norm:
            record["gradient_norm"] = float(progress["norm_sum"][0]) / steps
        if validation is not None:
            with span("validation"):
                found = scores(validation, configuration.parameters, options.n_threads, 1, options.metrics)
            record.update({f"val_{name}": value for name, value in found.items()})
        record["learning_rate"] = fit.learning_rate if table.scheduled or table.factor != 1 else rate
        record["seconds"] = time.perf_counter() - fit.epoch_start + at.epoch_seconds
        fit.history.epochs.append(record)  # as a whole: Ctrl-C may have come in the validation
        at = StartingPoint()  # of an epoch: its beginning
        for method in on_epoch_end:
            method(fit)


def _orders(configuration: FitConfiguration) -> Iterator[Array]:
    """Yield the order of the epoch's rows; of data in parts one for each part, when it has been read."""
    data, parts, options = configuration.data.training, configuration.data.parts, configuration.options
    training = configuration.training
    for index, part in enumerate([data] if parts is None else parts.epoch()):
        if part is not data and training.optimizer is not None:
            data.replace(part, training.optimizer, gradient_norm=options.gradient_norm)
        if options.shuffle and not (parts is not None and data.batches == 1):
            draw = configuration.epoch_order
            order = shuffled(configuration.seed, training.epochs, data.rows, index) if draw is None else draw(data.rows)
        else:
            order = np.arange(data.rows)
        yield order if data.kept is None else data.rows_in(order)


def _epoch_trainer(
    configuration: FitConfiguration, fit: FitProgress, callbacks: Sequence[Callback], tuner: ThreadTuner
) -> Callable[[Training, int], None]:
    """Return `train(run, rows_before)`, which makes compiled calls until the run or the fit ends."""
    training, observers, table = configuration.training, tuner.observers, configuration.table
    on_call_begin, on_step = methods_of(callbacks, "on_call_begin"), methods_of(callbacks, "on_step")
    on_call_end, at_last = methods_of(callbacks, "on_call_end"), methods_of(callbacks, "_at_end_of_call")
    wishes = methods_of(callbacks, "rows_of_call")
    data = configuration.data.training
    data.set_threads(tuner.most)
    progress = data.progress
    first_step = training.steps - configuration.start.steps

    def limited(rows: int) -> int:
        if table.scheduled:
            rows = table.limit(rows)
        for method in wishes:
            rows = rows_of(method, fit, rows)
        return min(rows, data.rows_to(1)) if on_step else rows

    limit = limited if table.scheduled or wishes or on_step else None

    def train(run: Training, before: int) -> None:
        whole = data.rows
        fit.rows_left = before + whole - fit.rows_done
        while fit.rows_left > 0 and fit.stop_reason is None:
            for method in on_call_begin:
                method(fit)
            table.prepare(fit.learning_rate_factor)
            taken = False
            for observer in observers:
                taken = taken or observer.take_batch(run)
            if not taken:
                tuner.call(train_slice, (run,), progress, limit)
            done, training.steps = int(progress["row"][0]), int(progress["step"][0])
            fit.rows_done, fit.rows_left = before + done, whole - done
            if table.scheduled:
                training.scheduled = table.values()
            steps, fit.step = fit.step, training.steps - first_step
            for method in on_call_end:
                method(fit)
            if fit.step > steps:
                for method in on_step:
                    method(fit)
            for method in at_last:
                method(fit)

    return train


def _run(configuration: FitConfiguration, order: Array) -> Training:
    moments = configuration.training.moments
    return configuration.data.training.training(configuration.parameters, configuration.gradient, moments, order)
