"""What training keeps from one fit of a network to the next."""

import pickle
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Self

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.training.optimizers import Optimizer


class TrainingState:
    """The optimizer with its moments, and how far training has come.

    Parameters
    ----------
    dtype : numpy.dtype
        Of the parameters.

    Attributes
    ----------
    optimizer : Optimizer or None
        Of the last fit; None before the first, and after a reset.
    moments : array (n_moments, P)
        The optimizer's, each in the layout of the parameters.
    step_offset : int
        Steps that had been taken when these moments began.
    scheduled : dict of str to float
        What of the optimizer is scheduled, as the last step was told it.
    steps, epochs : int
        Taken in all fits.
    fit_in : tuple of one Thread, or None
        In which a fit is running; each fit has its own tuple.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.steps = self.epochs = 0
        self.fit_in: tuple[threading.Thread] | None = None
        self.moments: Array = np.zeros((0, 0), dtype)
        self.reset()

    def check_no_fit_runs(self, method: str) -> None:
        """Raise a RuntimeError if a fit is running."""
        self._check(self.fit_in, method)

    @contextmanager
    def only_fit(self, method: str = "fit") -> Iterator[None]:
        """Keep other fits out, or raise a RuntimeError if one is running."""
        mine = (threading.current_thread(),)
        try:
            while self.fit_in is not mine:
                found = self.fit_in
                self._check(found, method)
                if self.fit_in is found:
                    self.fit_in = mine  # after no call: no other thread comes between
            yield
        finally:
            if self.fit_in is mine:
                self.fit_in = None

    @staticmethod
    def _check(fit_in: tuple[threading.Thread] | None, method: str) -> None:
        """Raise an error if this thread lives: a fork leaves the child none but the one that forked."""
        if fit_in is not None and fit_in[0] in threading.enumerate():
            raise RuntimeError(f"{method} was called in the middle of a fit of this network: use a copy (copy.copy)")

    def reset(self) -> None:
        """Drop the optimizer and its moments; the counts stay."""
        self.optimizer: Optimizer | None = None  # first: whatever the moments are, they are no longer anyone's
        self.moments = np.zeros((0, 0), self.moments.dtype)
        self.step_offset = 0
        self.scheduled: dict[str, float] = {}

    def restart(self) -> None:
        """Begin new moments, of the same optimizer."""
        self.moments = np.zeros_like(self.moments)
        self.step_offset = self.steps

    def use(self, optimizer: Optimizer, size: int, scheduled: dict[str, float] | None = None) -> None:
        """Go on with the moments of one of its class and method, or start with zeros for `size` parameters."""
        last, moments, step_offset, scheduled = self.optimizer, self.moments, self.step_offset, scheduled or {}
        if last is not optimizer and (last is None or (type(last), last.code) != (type(optimizer), optimizer.code)):
            moments, step_offset = np.zeros((optimizer.n_moments, size), moments.dtype), self.steps
        # All at once: Ctrl-C comes after a call only. Moments of another optimizer would be written beyond their end.
        self.optimizer, self.moments, self.step_offset, self.scheduled = optimizer, moments, step_offset, scheduled

    def own_copy(self, dtype: np.dtype[Any]) -> Self:
        """Return a copy whose moments are as the kernels take them, and which no fit changes."""
        copy = type(self)(dtype)
        copy.optimizer, copy.step_offset, copy.steps, copy.epochs = (
            self.optimizer, self.step_offset, self.steps, self.epochs,
        )  # fmt: skip
        copy.scheduled = dict(self.scheduled)
        copy.moments = np.array(self.moments, dtype, order="C", subok=False)
        return copy

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes for a pickle: no fit runs in it, and schedules that cannot be pickled are numbers."""
        optimizer = None if self.optimizer is None else _picklable(self.optimizer, self.scheduled)
        return vars(self) | {"fit_in": None, "optimizer": optimizer}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a copy whose optimizer has the same schedules, of whatever kind."""
        return self.own_copy(self.moments.dtype)


def _picklable(optimizer: Optimizer, last: Mapping[str, float]) -> Optimizer:
    """Return an optimizer as it is, but for schedules that cannot be pickled, such as a lambda: for these `last`."""
    changed: dict[str, Any] = {}
    for field, schedule in optimizer.schedules.items():
        try:
            pickle.dumps(schedule)
        except Exception:  # of whatever kind: the function is the user's
            changed[field] = last[field]
    return replace(optimizer, **changed) if changed else optimizer
