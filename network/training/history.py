"""What a fit reports: a record for each epoch, why it stopped, and the warning and error of training."""

import numbers
from dataclasses import dataclass, field
from typing import Any

from hotloop.network.text_table import table
from hotloop.network.validation import arguments
from hotloop.network.validation.printable import shown

Record = dict[str, float]
PATIENCE = 5  # epochs without an improvement, where a tolerance is given and nothing else


class ConvergenceWarning(UserWarning):
    """A tolerance was given, and the epochs ended before the loss converged."""


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written; the fit went on."""


class DivergenceError(ArithmeticError):
    """The loss, the validation loss or a parameter became infinite or NaN.

    Attributes
    ----------
    history : History
        The epochs before; for a validation loss its epoch too.
    """

    def __init__(self, message: str, history: "History") -> None:
        super().__init__(message, history)  # both, so that it can be pickled
        self.history = history

    def __str__(self) -> str:
        """Return the message."""
        return str(self.args[0])


@dataclass
class History:
    """The course of one call of `Network.fit`.

    Attributes
    ----------
    epochs : list of dict
        For each finished epoch: "epoch" (counted over all fits of the network, from 1), "loss" (mean over the epoch, as
        the parameters moved), with validation data "val_loss" and "val_accuracy" or "val_r2",
        "seconds", and what callbacks added.
    stop_reason : str
        "epochs" (all were trained), "converged", "interrupted", "diverged", "failed" (a callback raised an error), or
        what a callback said when it stopped the fit.
    seconds : float
        Time of the fit without compiling.
    compile_seconds : float
        Time before the first step for compiling kernels, or loading them from the cache.
    compiled : bool
        Whether kernels were compiled, not only loaded.
    n_threads : int
        How many threads trained; for "auto" the last choice.
    best_epoch : int or None
        The epoch whose parameters the network has, where a fit keeps the best.
    """

    epochs: list[Record] = field(default_factory=list)
    stop_reason: str = "epochs"
    seconds: float = 0.0
    compile_seconds: float = 0.0
    compiled: bool = False
    n_threads: int = 1
    best_epoch: int | None = None

    @property
    def loss(self) -> list[float]:
        """Training loss of each epoch."""
        return [record["loss"] for record in self.epochs]

    @property
    def val_loss(self) -> list[float]:
        """Validation loss of each epoch; empty without validation data."""
        return [record["val_loss"] for record in self.epochs if "val_loss" in record]

    @property
    def converged(self) -> bool:
        """Whether the loss converged within the tolerance."""
        return self.stop_reason == "converged"

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the fit."""
        return self.stop_reason == "interrupted"

    def __str__(self) -> str:
        """Return a table, a line an epoch."""
        if not self.epochs:
            return f"no epoch finished ({self.stop_reason})"
        names = list({name: None for record in self.epochs for name in record})  # a callback may add one later
        lines = table(
            [name.replace("_", " ") for name in names], [[_cell(e, name) for name in names] for e in self.epochs]
        )
        return "\n".join([*lines, f"stopped: {self.stop_reason}"])


def stopping(tolerance: Any, patience: Any) -> tuple[float | None, int]:
    """Return when a fit counts as converged: the tolerance, None for never, and the patience."""
    epochs = arguments.whole_number("patience", PATIENCE if patience is None else patience, 1, arguments.LARGEST)
    if tolerance is None and patience is not None:
        raise ValueError(
            f"patience={shown(patience)} has no effect without a tolerance: give one too, such as tolerance=1e-4, or 0 "
            "for any improvement"
        )
    return None if tolerance is None else arguments.real_number("tolerance", tolerance), epochs


def short(value: Any) -> str:
    """Return a number of a record in four digits. Whatever else a callback has added is shown as it is."""
    return f"{value:.4g}" if isinstance(value, numbers.Real) else str(value)


def _cell(record: Record, name: str) -> str:
    if name not in record:
        return "-"
    return f"{record[name]:.0f}" if name == "epoch" else short(record[name])
