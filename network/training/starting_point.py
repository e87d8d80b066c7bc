"""Where a fit starts: at its beginning, or where a checkpoint was written."""

from collections.abc import Sequence
from dataclasses import dataclass

from hotloop.network.training.history import Record


@dataclass(frozen=True)
class StartingPoint:
    """How much of a fit has been done before.

    Attributes
    ----------
    epochs : int
        Finished in this fit.
    in_epoch : bool
        Whether the next epoch has begun.
    row : int
        Samples of it that have been trained: whole batches.
    loss_sum : float
        Of these samples.
    norm_sum : float
        Of the norms of the epoch's gradients, if they are asked for.
    steps : int
        Taken in this fit.
    records : sequence of dict
        Of the finished epochs.
    learning_rate_factor : float
        See `FitProgress`.
    stop_reason : str or None
        Why the fit ended, if a callback ended it.
    seconds, epoch_seconds : float
        Spent on the fit so far, and on the epoch that is not finished.
    """

    epochs: int = 0
    in_epoch: bool = False
    row: int = 0
    loss_sum: float = 0.0
    norm_sum: float = 0.0
    steps: int = 0
    records: Sequence[Record] = ()
    learning_rate_factor: float = 1.0
    stop_reason: str | None = None
    seconds: float = 0.0
    epoch_seconds: float = 0.0
