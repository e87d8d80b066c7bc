"""The outer loop of training: epochs, slices, progress, convergence, Ctrl-C. The inner loop is `kernels.training`."""

import math
import os
import sys
import threading
import time
import warnings
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from hotloop.kernels.jit import Array
from hotloop.kernels.team import new_team
from hotloop.kernels.training import train_slice
from hotloop.network.profiling.current import UNWATCHED
from hotloop.network.training.compilation import CompileNotice
from hotloop.network.training.history import ConvergenceWarning, DivergenceError, History, Record
from hotloop.network.training.thread_tuner import ThreadTuner

if TYPE_CHECKING:
    from hotloop.network.network import Network
    from hotloop.network.profiling.observer import Observer
    from hotloop.network.training.loop_arguments import LoopArguments


class Bar(tqdm):  # type: ignore[misc]
    """A progress bar with a lock of its own, and without a thread that watches over it."""

    monitor_interval = 0


def _new_lock() -> None:
    Bar.set_lock(threading.RLock())


_new_lock()
if hasattr(os, "register_at_fork"):
    # Each new bar takes the lock. At a fork it may be held by a thread that the child does not have.
    os.register_at_fork(after_in_child=_new_lock)


@dataclass
class FitConfiguration:
    """What one call of `Network.fit` was asked to do."""

    epochs: int
    task: "LoopArguments"
    validation: "LoopArguments | None"
    tolerance: float | None
    patience: int
    shuffle: bool
    progress: bool
    n_threads: int | str


def shuffled(seed: int, epoch: int, rows: int) -> Array:
    """Return the order of an epoch's rows: of (seed, epoch) alone, whatever was drawn before."""
    generator = np.random.Generator(np.random.Philox(key=[seed, epoch]))
    return generator.permutation(rows).astype(np.int64, copy=False)


def fit(net: "Network", plan: FitConfiguration, pace: ThreadTuner) -> History:
    """Train `net` in the threads of `pace`, which are ended.

    Whatever ends the run, the parameters are finite: those reached, if the last update was sound.
    """
    history, watch = History(), pace.watch
    silent = (
        None if plan.progress and sys.stderr is not None else True
    )  # None: tqdm is silent unless standard error is a terminal
    began, last_good = time.perf_counter(), net.parameters.copy()
    try:
        what, visible = str(net.dtype), plan.progress and sys.stderr is not None and sys.stderr.isatty()
        with (
            _span(watch, "load kernels"),
            CompileNotice(what if watch is None else f"{what} with a clock", visible) as notice,
        ):
            clocks = None if watch is None else watch.clock.of(1)
            given: tuple[Any, ...] = (*_arguments(net, plan, np.arange(plan.task.rows)), clocks)
            train_slice(0, 1, new_team(), 0, *given)
            if plan.validation is not None:
                net.compile_forward(plan.validation)
        history.compile_seconds, history.compiled = notice.seconds, notice.compiled
        began = time.perf_counter()
        total = plan.epochs * plan.task.rows
        with (
            Bar(total=total, unit=" samples", unit_scale=True, disable=silent, dynamic_ncols=True) as bar,
            closing(pace),  # here, so that a Ctrl-C that comes as its threads end is no error either
        ):
            history.stop_reason = _train(net, plan, history, last_good, bar, pace)
    except KeyboardInterrupt:
        history.stop_reason = "interrupted"
    finally:
        history.seconds, history.n_threads = time.perf_counter() - began, pace.n_threads
        if watch is not None:
            watch.ended(history)
        net.steps = int(plan.task.progress["step"][0])
        if not np.isfinite(net.parameters).all():  # the last update itself overflowed, which no loss has shown
            net.parameters[:] = last_good
            net.reset_optimizer()
    if history.stop_reason == "epochs" and plan.tolerance is not None:
        warnings.warn(
            f"no convergence in {plan.epochs} epochs (tolerance={plan.tolerance:g}, patience={plan.patience}): they "
            f"ran out before {plan.patience} had passed without an improvement above the tolerance. "
            "Train longer, or raise the tolerance.",
            ConvergenceWarning,
            stacklevel=4,  # the call of Network.fit, which is decorated
        )
    return history


def _train(
    net: "Network", plan: FitConfiguration, history: History, last_good: Array, bar: Bar, pace: ThreadTuner
) -> str:
    """Run the epochs and return why they ended; `last_good` is kept at those of the last epoch."""
    best, stale, watch = np.inf, 0, pace.watch
    plan.task.records(pace.most)
    in_order = np.arange(plan.task.rows)
    for count in range(1, plan.epochs + 1):
        start = time.perf_counter()
        order = shuffled(net.seed, net.epochs_trained, plan.task.rows) if plan.shuffle else in_order
        if watch is not None:
            watch.drawn(start)
        bar.set_description(f"epoch {count}/{plan.epochs}", refresh=False)
        arguments = _arguments(net, plan, order)
        progress = plan.task.progress
        progress["row"], progress["loss_sum"] = 0, 0.0
        while progress["row"][0] < plan.task.rows:
            row = int(progress["row"][0])
            if watch is None or not watch.looked(arguments):
                pace.call(train_slice, arguments, progress)
            if progress["diverged"][0]:
                raise _divergence(net, plan, history)
            bar.update(int(progress["row"][0]) - row)
        loss = float(progress["loss_sum"][0]) / plan.task.rows
        if not (math.isfinite(loss) and np.isfinite(net.parameters).all() and np.isfinite(net.state).all()):
            raise _divergence(net, plan, history)
        last_good[:] = net.parameters
        net.epochs_trained += 1
        record: Record = {"epoch": net.epochs_trained, "loss": loss}
        history.epochs.append(record)
        if plan.validation is not None:
            with _span(watch, "validation"):
                scores = net.score(plan.validation, plan.n_threads, fewest=1)
            record.update({f"validation_{name}": value for name, value in scores.items()})
        record["seconds"] = time.perf_counter() - start
        if watch is not None:
            watch.epoch()
        if not bar.disable:  # the text takes as long as two steps of a small network
            shown = {name: f"{value:.4g}" for name, value in record.items() if name not in ("epoch", "seconds")}
            bar.set_postfix(shown, refresh=False)
        loss = record.get("validation_loss", loss)
        if not math.isfinite(loss):
            raise _divergence(net, plan, history, "validation loss")
        if plan.tolerance is not None:
            stale = 0 if loss < best - plan.tolerance else stale + 1
            best = min(best, loss)
            if stale >= plan.patience:
                return "converged"
    return "epochs"


def _span(watch: "Observer | None", name: str) -> Any:
    """Return a span of the profile, if there is one."""
    return UNWATCHED if watch is None else watch.span(name)


def _arguments(net: "Network", plan: FitConfiguration, order: Array) -> tuple[Array, ...]:
    return plan.task.training(net.parameters, net.gradient_buffer, net.state, order)


def _divergence(
    net: "Network", plan: FitConfiguration, history: History, what: str = "loss or a parameter"
) -> DivergenceError:
    """Drop the optimiser's state, which may be as bad as the loss, and return the error."""
    net.reset_optimizer()
    history.stop_reason = "diverged"
    kept = "is set back to the epoch before"
    if np.isfinite(net.parameters).all():
        kept = "keeps its last finite parameters"
    settings, progress = plan.task.settings[0], plan.task.progress[0]
    step = -(-int(progress["row"]) // int(settings["batch_size"]))
    epoch = net.epochs_trained + (what != "validation loss")  # which is known after its epoch
    return DivergenceError(
        f"training diverged in epoch {epoch}, step {step} (after {int(progress['step'])} "
        f"updates in all): the {what} is not finite. The network {kept}. Use a smaller learning "
        f"rate than {float(settings['learning_rate']):g}, and inputs scaled to about -1 to 1.",
        history,
    )
