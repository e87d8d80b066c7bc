"""What training keeps from one fit of a network to the next."""

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
    is_fitting : bool
        Whether a fit is running.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.steps = self.epochs = 0
        self.is_fitting = False
        self.moments: Array = np.zeros((0, 0), dtype)
        self.reset()

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
