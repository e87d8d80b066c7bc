"""What a fit is asked for beside its data: the arguments of `Network.fit`, checked before any data are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hotloop.network.losses import loss_of
from hotloop.network.metrics.named import Metric, checked_metrics
from hotloop.network.training.callback_checks import checked_callbacks
from hotloop.network.training.callbacks import Callback
from hotloop.network.training.history import stopping
from hotloop.network.training.optimizers import Optimizer, optimizer_of
from hotloop.network.training.validation_split import split_of
from hotloop.network.validation import arguments
from hotloop.network.validation.arguments import ScheduleFunction

DEFAULT_BATCH = 32  # samples in a step


@dataclass
class FitOptions:
    """The arguments of `Network.fit`, except for data, weights and checkpoints.

    `batch_size` is None where each batch that an iterable gives is a step. `validates` says whether there are
    validation data, given or held out.
    """

    epochs: int
    batch_size: int | None
    steps_per_epoch: int | None
    optimizer: Optimizer
    dropout_schedule: float | ScheduleFunction | None
    validation_split: float
    validates: bool
    metrics: Sequence[Metric]
    gradient_norm: bool
    tolerance: float | None
    patience: int
    max_seconds: float | None
    shuffle: bool
    n_threads: int | str
    progress: bool
    callbacks: Sequence[Callback]

    @classmethod
    def checked(
        cls, net: Any, in_parts: bool, epochs: Any, batch_size: Any, steps_per_epoch: Any, optimizer: Any,
        dropout_schedule: Any, validation_data: Any, validation_split: Any, metrics: Any, gradient_norm: Any,
        tolerance: Any, patience: Any, max_seconds: Any, shuffle: Any, n_threads: Any, progress: Any, callbacks: Any,
    ) -> "FitOptions":  # fmt: skip
        """Return what a fit of a network is asked for, or raise an error.

        Parameters
        ----------
        net : Network
        in_parts : bool
            Whether the data come as an iterable of batches.
        epochs, batch_size, steps_per_epoch, optimizer, ...
            As of `Network.fit`.
        """
        epochs = arguments.whole_number("epochs", epochs, 1, arguments.LARGEST)
        if batch_size is not None:
            batch_size = arguments.whole_number("batch_size", batch_size, 1)
        elif not in_parts:
            batch_size = DEFAULT_BATCH
        if steps_per_epoch is not None:
            if not in_parts:
                raise ValueError("steps_per_epoch is for batches from an iterable: with X and y an epoch is all rows")
            steps_per_epoch = arguments.whole_number("steps_per_epoch", steps_per_epoch, 1)
        if in_parts and validation_split:
            raise ValueError("validation_split needs all rows at once: give validation_data=(X, y)")
        tolerance, patience = stopping(tolerance, patience)
        validation_split = split_of(validation_split, validation_data)
        validates = validation_data is not None or validation_split > 0
        loss = loss_of(net.loss)
        if optimizer is None or optimizer is not net.optimizer:  # which was checked
            optimizer = optimizer_of(optimizer, net.dtype, len(net.sizes) - 1)
        metrics, gradient_norm = (
            _metrics(metrics, validates, loss, net.sizes[-1]), arguments.flag("gradient_norm", gradient_norm),
        )  # fmt: skip
        return cls(
            epochs, batch_size, steps_per_epoch, optimizer, dropout_schedule, validation_split, validates, metrics,
            gradient_norm, tolerance, patience,
            None if max_seconds is None else arguments.real_number("max_seconds", max_seconds, open=True),
            arguments.flag("shuffle", shuffle), arguments.threads(n_threads), arguments.flag("progress", progress),
            checked_callbacks(callbacks, optimizer, loss, metrics, validates, gradient_norm),
        )  # fmt: skip


def _metrics(metrics: Any, validates: bool, loss: Any, outputs: int) -> Sequence[Metric]:
    found = checked_metrics(metrics, loss, outputs)
    if found and not validates:
        raise ValueError(
            "metrics are computed on validation data: give validation_data=(X, y) or validation_split too; for the "
            "training data call net.evaluate(X, y, metrics=...) after the fit"
        )
    return found
