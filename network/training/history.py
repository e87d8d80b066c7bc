"""What a fit reports: a record for each epoch, why it stopped, and the warning and error of training."""

from dataclasses import dataclass, field

Record = dict[str, float]
PATIENCE = 5  # epochs without an improvement, where a tolerance is given and nothing else


class ConvergenceWarning(UserWarning):
    """A tolerance was given, and the epochs ended before the loss converged."""


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
        the parameters moved), with validation data "validation_loss" and "validation_accuracy" or "validation_r2",
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
    """

    epochs: list[Record] = field(default_factory=list)
    stop_reason: str = "epochs"
    seconds: float = 0.0
    compile_seconds: float = 0.0
    compiled: bool = False
    n_threads: int = 1

    @property
    def loss(self) -> list[float]:
        """Training loss of each epoch."""
        return [record["loss"] for record in self.epochs]

    @property
    def validation_loss(self) -> list[float]:
        """Validation loss of each epoch; empty without validation data."""
        return [record["validation_loss"] for record in self.epochs if "validation_loss" in record]

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
        columns = []
        for name in self.epochs[0]:
            form = ".0f" if name == "epoch" else ".4g"
            cells = [format(record[name], form) if name in record else "-" for record in self.epochs]
            cells = [name.replace("_", " "), *cells]
            columns.append([cell.rjust(max(map(len, cells))) for cell in cells])
        lines = ["  ".join(line) for line in zip(*columns, strict=True)]
        return "\n".join([*lines, f"stopped: {self.stop_reason}"])
