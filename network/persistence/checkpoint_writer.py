"""A fit that writes checkpoints, or goes on from one: the arguments checkpoint, every and resume of `Network.fit`."""

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hotloop.network.persistence import checkpoint as files
from hotloop.network.persistence.atomic_write import check_replaceable, path_of
from hotloop.network.persistence.checkpoint import Checkpoint
from hotloop.network.persistence.identity import identity, with_state
from hotloop.network.persistence.interval import DEFAULT, Interval
from hotloop.network.training.callbacks import Callback, FitProgress
from hotloop.network.training.csv_logger import CSVLogger
from hotloop.network.training.fit_options import FitOptions
from hotloop.network.training.history import INTERRUPTED, TIME, CheckpointWarning
from hotloop.network.training.loop_arguments import LoopArguments
from hotloop.network.training.model_checkpoint import ModelCheckpoint
from hotloop.network.training.optimizers import Optimizer
from hotloop.network.training.starting_point import StartingPoint
from hotloop.network.validation.caller import warn
from hotloop.network.validation.printable import shown

PASSING = (TIME,)  # reasons to stop that do not hold for a resumed fit


class CheckpointedFit:
    """The checkpoints of one fit: where they are written, and from which it goes on, if any.

    Parameters
    ----------
    checkpoint, every, resume
        As of `Network.fit`.
    """

    def __init__(self, checkpoint: Any, every: Any, resume: Any) -> None:
        self._path = None if checkpoint is None else path_of("checkpoint", checkpoint)
        self._identity: dict[str, Any] = {}
        if every is not None and self._path is None:
            raise ValueError(f"every={shown(every)} has no effect without a checkpoint: give the file to write")
        if self._path is not None:
            self._every = Interval.of(DEFAULT if every is None else every)
            check_replaceable(self._path)
        self._from = self._resumed(resume)

    def _resumed(self, resume: Any) -> Checkpoint | None:
        if resume is None or resume is False:
            return None
        if resume is not True:
            return Checkpoint.read(path_of("resume", resume))
        if self._path is None:
            raise ValueError("resume=True goes on from the file that checkpoint names: give checkpoint too, or a path")
        return Checkpoint.read(self._path) if os.path.lexists(self._path) else None

    def check(self, net: Any, data: LoopArguments, validation: LoopArguments | None, options: FitOptions) -> None:
        """Raise a ValueError if the checkpoint to go on from belongs to another fit; nothing is changed."""
        self._check_files(options.callbacks)
        deciding = {
            "batch_size": options.batch_size, "shuffle": options.shuffle, "tolerance": options.tolerance,
            "patience": options.patience, "validation_split": options.validation_split,
            "gradient_norm": options.gradient_norm, "dropout_schedule": options.dropout_schedule,
            "metrics": options.metrics,
        }  # fmt: skip
        self._identity = identity(net, data, validation, options.optimizer, options.callbacks, options.epochs, deciding)
        if self._from is not None:
            self._from.check(self._identity, options.epochs)

    def _check_files(self, callbacks: Sequence[Callback]) -> None:
        """Raise a ValueError if a callback would replace the checkpoint."""
        paths = [self._path, None if self._from is None else self._from.path]
        mine = {os.path.realpath(path) for path in paths if path is not None}
        for callback in callbacks:
            if isinstance(callback, (ModelCheckpoint, CSVLogger)) and os.path.realpath(callback.path) in mine:
                raise ValueError(
                    f"{type(callback).__name__} would replace the checkpoint of the fit, {callback.path}: give it "
                    "another file"
                )

    def seed_of(self, net: Any) -> int:
        """Return the seed of the fit: the network's, or that of the checkpoint to go on from."""
        return int(net.seed if self._from is None else self._from.config["seed"])

    def first_step(self, steps: int) -> int:
        """Return how many steps were taken before the fit, of a network that has taken `steps`."""
        return steps if self._from is None else int(self._from.config["steps"]) - self._from.start.steps

    def restore(self, net: Any, data: LoopArguments, optimizer: Optimizer) -> StartingPoint:
        """Give the network what the checkpoint holds, if there is one, and return where the fit starts."""
        if self._from is None:
            return StartingPoint()
        self._from.restore(net, optimizer)
        data.settings["seed"] = net.seed
        return self._from.start

    def callbacks(self, data: LoopArguments, start: StartingPoint) -> tuple[Sequence[Callback], Sequence[Callback]]:
        """Return what `FitConfiguration` puts before the user's callbacks, and after all others."""
        first: list[Callback] = []
        last: list[Callback] = []
        if self._from is not None:
            resumed = Resumed(self._from.states, start)
            first, last = [resumed.at_end], [resumed]
        self._from = None  # its arrays may be large
        if self._path is not None:
            writer = CheckpointWriter(self._path, self._every, self._identity, data, start)
            first, last = [writer.at_end, *first], [*last, writer]
        return first, last


class Resumed(Callback):
    """Restores the callbacks' states, after every `on_fit_begin`."""

    def __init__(self, states: Sequence[dict[str, Any]], start: StartingPoint) -> None:
        self._states, self._in_epoch = states, start.in_epoch
        self._waits = False  # all callbacks have begun, and have no states yet
        self.at_end = _AtEnd(self._load_if_it_waits)

    def on_fit_begin(self, fit: FitProgress) -> None:
        """Between two epochs."""
        self._waits = True
        if not self._in_epoch:
            self._load_if_it_waits(fit)

    def on_epoch_begin(self, fit: FitProgress) -> None:
        """In the middle of an epoch."""
        self._load_if_it_waits(fit)

    def _load_if_it_waits(self, fit: FitProgress) -> None:
        """Restore the states, unless that is done: at the latest before a callback is told that the fit has ended."""
        if not self._waits:
            return
        self._waits = False
        for callback, state in zip(with_state(fit.callbacks), self._states, strict=True):
            callback.load_state_dict(state)
        self._states = ()


class CheckpointWriter(Callback):
    """Writes a checkpoint now and then, and when the fit ends: the last callback of all, when the others are done.

    A step that has begun is left out: its parameters are those before, and a resumed fit begins it again.

    Parameters
    ----------
    path : Path
    every : Interval
    identity : dict
        Of the fit.
    data : LoopArguments
        Of the fit.
    start : StartingPoint
        Of the fit.
    """

    def __init__(
        self, path: Path, every: Interval, identity: Mapping[str, Any], data: LoopArguments, start: StartingPoint
    ) -> None:
        self._path, self._every, self._identity, self._data, self._start = path, every, identity, data, start
        self._first_step = int(data.progress["step"][0]) - start.steps
        self._batch_size = int(data.settings["batch_size"][0])
        self._steps_written, self._began, self._waiting_since = start.steps, 0.0, 0.0
        self._call: tuple[int, int] | None = None  # epoch and row of the compiled call that runs
        self._failed = False
        self._written = "none has been written by this fit"
        self.at_end = _AtEnd(self._interrupted)

    @property
    def _steps(self) -> int:
        """Steps of this fit."""
        return int(self._data.progress["step"][0]) - self._first_step

    def on_fit_begin(self, fit: FitProgress) -> None:
        """Raise an error now if the states of the callbacks cannot be written."""
        files.contents(fit.network, self._identity, self._start, fit.callbacks)
        self._waiting_since = time.perf_counter()

    def on_epoch_begin(self, fit: FitProgress) -> None:
        """Note when the first epoch begins, after compiling."""
        self._began = self._began or fit.epoch_start

    def on_call_begin(self, fit: FitProgress) -> None:
        """Note that nothing but the compiled loop runs."""
        self._call = fit.epoch, fit.rows_done

    def rows_of_call(self, fit: FitProgress, rows: int) -> int:
        """End a call with the step after which a checkpoint is due."""
        if self._every.unit != "steps":
            return rows
        return min(rows, self._data.rows_to(int(self._every.number) - self._steps % int(self._every.number)))

    def _at_end_of_call(self, fit: FitProgress) -> None:
        """Write in the middle of an epoch, if it is time or the fit stops."""
        self._call = None
        if fit.rows is not None and fit.rows_done < fit.rows and (self._is_due() or fit.stop_reason is not None):
            self._write_in_epoch(fit)

    def on_epoch_end(self, fit: FitProgress) -> None:
        """Write between two epochs, if it is time or the fit ends."""
        by_epochs = self._every.unit == "epochs" and fit.epoch % self._every.number == 0
        if by_epochs or self._is_due() or fit.stop_reason is not None or fit.epoch == fit.epochs:
            self._write(fit, fit.epoch, 0, 0.0, 0.0)

    def on_fit_end(self, fit: FitProgress) -> None:
        """Say so if the last checkpoint could not be written."""
        if self._failed:
            self._warn(f"{self._path} is not up to date: {self._written}")

    def _is_due(self) -> bool:
        if self._every.unit == "steps":
            number = int(self._every.number)
            return self._steps // number > self._steps_written // number
        return self._every.unit == "seconds" and time.perf_counter() - self._waiting_since >= self._every.number

    def _interrupted(self, fit: FitProgress) -> None:
        """Write if Ctrl-C came in a compiled call: elsewhere the callbacks may have seen half of a moment."""
        if fit.history.stop_reason == INTERRUPTED and self._call == (fit.epoch, fit.rows_done):
            self._write_in_epoch(fit)

    def _write_in_epoch(self, fit: FitProgress) -> None:
        progress = self._data.progress[0]
        row, sums = int(progress["row"]), [float(progress[name]) for name in ("loss_sum", "norm_sum")]
        if not progress["diverged"] and all(map(math.isfinite, sums)):
            self._write(fit, fit.epoch - 1, row if row == fit.rows else row - row % self._batch_size, *sums)

    def _write(self, fit: FitProgress, epochs: int, row: int, loss_sum: float, norm_sum: float) -> None:
        net, now, in_epoch = fit.network, time.perf_counter(), epochs < fit.epoch
        training = net._training
        if training.optimizer is None or not all(np.isfinite(v).all() for v in (net.parameters, training.moments)):
            return  # the fit is about to end with an error, or has: the last checkpoint stays
        earlier = self._start.epoch_seconds if fit.epoch == self._start.epochs + 1 else 0.0
        start = StartingPoint(
            epochs, in_epoch, row, loss_sum, norm_sum, self._steps, fit.history.epochs, fit.learning_rate_factor,
            None if in_epoch or fit.stop_reason in PASSING else fit.stop_reason,
            now - self._began + self._start.seconds, now - fit.epoch_start + earlier if in_epoch else 0.0,
        )  # fmt: skip
        try:
            files.write(self._path, net, self._identity, start, fit.callbacks)
            self._failed, self._written = False, f"the last checkpoint was written after {self._steps} steps of the fit"
        except (OSError, MemoryError, TypeError, ValueError) as error:
            if not self._failed:
                self._warn(f"no checkpoint was written: {error}. Training goes on, and tries again later")
            self._failed = True
        self._steps_written, self._waiting_since = self._steps, time.perf_counter()

    @staticmethod
    def _warn(text: str) -> None:
        warn(text, CheckpointWarning)


class _AtEnd(Callback):
    """Calls a function first of all when the fit ends: other callbacks may then change the parameters."""

    def __init__(self, function: Callable[[FitProgress], None]) -> None:
        self._function = function

    def on_fit_end(self, fit: FitProgress) -> None:
        """Call it."""
        self._function(fit)
