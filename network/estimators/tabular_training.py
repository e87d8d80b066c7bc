"""The networks of one tabular estimator: which rows each is trained on, and their training, side by side."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.display.terminal import is_shown
from hotloop.network.estimators.tabular_network import Rows, new_network, train
from hotloop.network.estimators.tabular_recipe import Recipe
from hotloop.network.network import Network
from hotloop.network.training.callbacks import Callback, FitProgress
from hotloop.network.training.cores import available_cores
from hotloop.network.training.history import INTERRUPTED, History
from hotloop.network.training.thread_stack import with_large_stack
from hotloop.network.training.time_limit import TimeLimit
from hotloop.network.validation.printable import counted

NONE_HELD_OUT = -1
MOST_FOLDS = 10
LISTENS = 0.1  # seconds: not every system interrupts a longer wait for a thread at Ctrl-C


@dataclass(frozen=True)
class Trained:
    """A network and the history of its fit."""

    network: Network
    history: History


def folds(n_rows: int, n_folds: int, seed: Sequence[int], labels: Array | None = None) -> Array:
    """Return the fold (N,) that each row is in: at random, of almost equal sizes, with the same share of each class.

    The only row of a class is in none: a network that never saw the class could not learn it.
    """
    order = np.random.default_rng(seed).permutation(n_rows)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
        order = order[np.bincount(labels)[labels[order]] > 1]
    found = np.full(n_rows, NONE_HELD_OUT)
    found[order] = np.arange(len(order)) % max(min(n_folds, len(order)), 1)
    return found


def held_out(
    n_rows: int, fraction: float, index: int, count: int, seed: int, labels: Array | None = None
) -> Array:  # fmt: skip
    """Return a mask (N,) of the rows that network number `index` of `count` is validated on.

    The rows are dealt into 1 / `fraction` folds, or as many as there are networks, if these are more, up to 10. Each
    network holds out another fold; when all have been, the rows are dealt anew.
    """
    n_folds = max(round(1 / fraction), min(count, MOST_FOLDS))
    mask: Array = folds(n_rows, n_folds, (seed, index // n_folds), labels) == index % n_folds
    return mask


@dataclass
class Limits:
    """What ends all fits together: the time, and an interruption.

    Parameters
    ----------
    seconds : float or None
        Of training, from the first epoch of the first network: not of compiling.
    """

    seconds: float | None
    reason: str | None = None
    _start: float | None = None
    _lock: Any = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Start the clock, unless it runs."""
        with self._lock:
            if self._start is None:
                self._start = time.perf_counter()

    def left(self) -> float:
        """Return the seconds that are left."""
        if self.seconds is None or self._start is None:
            return math.inf if self.seconds is None else self.seconds
        return self._start + self.seconds - time.perf_counter()


class _Limited(TimeLimit):
    """Ends one network's fit when its share of the time is over, or all are interrupted."""

    def __init__(self, limits: Limits, rounds: int) -> None:
        super().__init__(math.inf)
        self._limits, self._rounds = limits, rounds

    def on_epoch_begin(self, fit: FitProgress) -> None:
        """Start the clock of all, and take a share of what is left."""
        if fit.step == 0:
            self._limits.start()
            self._max_seconds = self._limits.left() / self._rounds
        super().on_epoch_begin(fit)

    def on_call_end(self, fit: FitProgress) -> None:
        """Look at the clock, and at what has happened to the others."""
        if self._limits.reason is not None:
            fit.stop(self._limits.reason)
        else:
            super().on_call_end(fit)


class _Bar(Callback):
    """One progress bar for all networks, of epochs."""

    def __init__(self, networks: int, epochs: int) -> None:
        from hotloop.network.training.progress_bar import Bar  # rich takes longer to import than some fits

        self._bar = Bar(networks * epochs, "epochs", head=counted(networks, "network"))
        self._done, self._lock = 0, threading.Lock()

    def on_epoch_end(self, fit: FitProgress) -> None:
        """Count the epoch."""
        with self._lock:
            self._done += 1
            self._bar.update(self._done)

    def close(self) -> None:
        """Leave the bar on the screen."""
        self._bar.close()


@dataclass(frozen=True)
class Ensemble:
    """What is trained: networks that differ by their seeds and by the rows that are held out.

    Parameters
    ----------
    recipe : Recipe
    n_outputs : int
    classes : bool
        Whether the targets are classes.
    seed : int
        Of which all random numbers are made.
    n_threads : int or "auto"
        For all networks together.
    """

    recipe: Recipe
    n_outputs: int
    classes: bool
    seed: int
    n_threads: int | str = "auto"

    def train(
        self, count: int, rows: Rows, validation: Rows | None = None, seconds: float | None = None,
        progress: bool = False, callbacks: Sequence[Callback] = (),
        after_network: Callable[[Sequence[Trained]], bool] | None = None,
    ) -> list[Trained]:  # fmt: skip
        """Return the trained networks, in their order; the first at least, if the time is short.

        The networks are trained side by side, as many as there are threads, each in its share of them: a step of one in
        two threads takes more than half the time that it takes in one. The result is the same to the bit.

        Parameters
        ----------
        count : int
            Networks.
        rows : Rows
            To train on; by default a part of them is held out.
        validation : Rows, optional
            To choose the epoch by, for all networks.
        seconds : float, optional
            For all networks together.
        progress : bool
            Whether to show a bar, if there is somebody to see it.
        callbacks : sequence of Callback
            For each network; copies, if there are many.
        after_network : callable, optional
            Called when a network is trained, by one thread at a time, with those that are; True asks for an end.
        """
        threads = available_cores() if self.n_threads == "auto" else int(self.n_threads)
        side_by_side = min(count, threads)
        of_each = self.n_threads if side_by_side == 1 else threads // side_by_side
        seeds = np.random.SeedSequence(self.seed).generate_state(count, np.uint32)
        limits, trained, telling = Limits(seconds), dict[int, Trained](), threading.Lock()
        if count > 1:
            callbacks = [callback._for_networks(count) for callback in callbacks]
        bar = _Bar(count, self.recipe.epochs) if progress and is_shown() else None

        def task(index: int) -> None:
            if index > 0 and limits.left() <= 0:
                return
            limited = _Limited(limits, math.ceil((count - index) / side_by_side))
            own = callbacks if count == 1 else deepcopy(callbacks)
            given = [*own, limited] if bar is None else [*own, limited, bar]
            trained[index] = self._one(index, count, int(seeds[index]), rows, validation, of_each, given)
            if trained[index].history.stop_reason == INTERRUPTED:
                limits.reason = INTERRUPTED
            if after_network is not None:
                with telling:
                    if after_network([trained[number] for number in sorted(trained)]):
                        limits.reason = limits.reason or "a callback asked for it"

        try:
            in_threads(side_by_side, task, count, limits)
        finally:
            if bar is not None:
                bar.close()
        if not trained:
            raise KeyboardInterrupt
        return [trained[index] for index in sorted(trained)]

    def _one(
        self, index: int, count: int, seed: int, rows: Rows, validation: Rows | None, n_threads: int | str,
        callbacks: Sequence[Callback],
    ) -> Trained:  # fmt: skip
        """Return one network, trained."""
        recipe = self.recipe
        if validation is None and recipe.validation_fraction > 0:
            labels = rows.targets if self.classes else None
            mask = held_out(len(rows.inputs), recipe.validation_fraction, index, count, self.seed, labels)
            if mask.any():
                rows, validation = rows.take(~mask), rows.take(mask)
        net = new_network(recipe, rows.inputs.shape[1], self.n_outputs, self.classes, seed)
        return Trained(net, train(net, recipe, rows, validation, self.classes, n_threads, callbacks))


def in_threads(n_threads: int, task: Callable[[int], None], count: int, limits: Limits) -> None:
    """Call ``task(0)`` to ``task(count - 1)``, in order, `n_threads` of them at a time.

    The first error ends the others, and is raised. Ctrl-C ends all; what has been trained is kept.
    """
    waiting, lock = iter(range(count)), threading.Lock()
    errors: list[BaseException] = []

    def work() -> None:
        while limits.reason is None:
            with lock:
                index = next(waiting, None)
            if index is None:
                return
            try:
                task(index)
            except BaseException as error:
                errors.append(error)
                limits.reason = "another network failed"

    if n_threads == 1:
        work()
    else:
        threads = [threading.Thread(target=work, daemon=True) for _ in range(n_threads)]
        try:
            for thread in threads:
                with_large_stack(thread.start)
            for thread in threads:
                while thread.is_alive():
                    thread.join(LISTENS)
        except BaseException as error:  # Ctrl-C, or a thread that cannot be started
            limits.reason = INTERRUPTED
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            if not isinstance(error, KeyboardInterrupt):
                raise
    if errors:
        raise errors[0]
