"""What training keeps from one fit of a network to the next."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
        Steps that had been taken when this optimizer began.
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
        self.optimizer: Optimizer | None = None
        self.moments = np.zeros((0, 0), self.moments.dtype)
        self.step_offset = 0

    def use(self, optimizer: Optimizer, size: int) -> None:
        """Go on with an equal optimizer's moments, or start with new ones, zeros for `size` parameters."""
        if optimizer != self.optimizer:
            self.optimizer, self.step_offset = optimizer, self.steps
            self.moments = np.zeros((optimizer.n_moments, size), self.moments.dtype)

    def own_copy(self, dtype: np.dtype[Any]) -> Self:
        """Return a copy whose moments are as the kernels take them, and which no fit changes."""
        copy = type(self)(dtype)
        copy.optimizer, copy.step_offset, copy.steps, copy.epochs = (
            self.optimizer, self.step_offset, self.steps, self.epochs,
        )  # fmt: skip
        copy.moments = np.array(self.moments, dtype, order="C", subok=False)
        return copy

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes; no fit runs in a copy."""
        return vars(self) | {"fit_in": None}
