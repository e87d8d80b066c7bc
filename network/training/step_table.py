"""What each step of a fit is told: the table that the compiled loop reads, filled by schedules a stretch ahead."""

from dataclasses import fields
from typing import get_args

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.training.loop_arguments import LoopArguments
from hotloop.network.training.optimizers import Optimizer
from hotloop.network.training.schedule_values import Value, evaluate
from hotloop.network.validation import arguments

STRETCH = 4096  # steps: 160 KiB


class StepTable:
    """The steps of one fit, in order; with nothing scheduled, one record for all of them.

    The first stretch is filled here, so that a schedule that fails does so before anything is changed. Stretches begin
    at multiples of `STRETCH`, wherever a compiled call ends, so that the bits do not depend on how the run is cut.

    Parameters
    ----------
    data : LoopArguments
        Of the fit; its table of steps is replaced.
    optimizer : Optimizer
    dropout : float, schedule or None
        What every layer's dropout rate is multiplied by.
    start : int
        Steps that the network had taken before the fit.
    epochs : int
    per_epoch : int or None
        Steps in an epoch; None, if nothing is scheduled, where it is not known.

    Attributes
    ----------
    scheduled : bool
        Whether anything is.
    steps : int
        How many the fit takes.
    factor : float
        What the learning rates of the last call were multiplied by.
    """

    def __init__(
        self, data: LoopArguments, optimizer: Optimizer, dropout: Value | None, start: int, epochs: int,
        per_epoch: int | None,
    ) -> None:  # fmt: skip
        self._data, self._start, self.factor = data, start, 1.0
        schedules = optimizer.schedules
        self.scheduled = bool(schedules) or dropout is not None
        self._per_epoch = per_epoch or 0
        self.steps = epochs * self._per_epoch
        self._columns: list[tuple[str, str, Value, float]] = []  # field, its name to users, schedule, below
        for field in fields(optimizer) if schedules else ():
            if field.name in schedules:
                below = get_args(field.type)[1].below
                self._columns.append((field.name, field.name, schedules[field.name], below))
        if dropout is not None:
            self._schedule_dropout(dropout)
        self._from = self._to = 0  # the steps in the table
        self._rates: Array | None = None  # its learning rates without a factor, once there is one
        if self.scheduled:
            data.steps = np.repeat(data.steps[:1], min(STRETCH, self.steps))
            self._fill(0)

    def _schedule_dropout(self, dropout: Value) -> None:
        dropout = arguments.scheduled_number("dropout_schedule", dropout)
        highest = float(max(self._data.layers["dropout"].max(), self._data.layers["input_dropout"].max()))
        if highest == 0:
            raise ValueError("dropout_schedule multiplies the network's dropout, which is 0: Network(..., dropout=0.2)")
        self._columns.append(("dropout", "dropout_schedule", dropout, 1 / highest))

    def prepare(self, factor: float, taken: int = 0) -> None:
        """Have the next call's steps in the table, with learning rates times `factor`; or the last `taken` before."""
        if self.scheduled:
            step = int(self._data.progress["step"][0]) - self._start - taken
            if not self._from <= step < self._to:
                self._fill(step)
                self._rates, self.factor = None, 1.0
        if factor != self.factor:
            if self._rates is None:
                self._rates = self._data.steps["learning_rate"].copy()
            self._data.steps["learning_rate"], self.factor = self._rates * factor, factor

    def limit(self, rows: int) -> int:
        """Return how many of `rows` rows the next call may train: none of a step beyond the table."""
        return min(rows, self._data.rows_to(self._start + self._to - int(self._data.progress["step"][0])))

    def values(self) -> dict[str, float]:
        """Return what is scheduled, as the last step was told it, or before the first step the first."""
        record = self._data.last_step
        return {field: float(record[field]) for field, *_ in self._columns}

    def check_length(self, epochs: int) -> None:
        """Raise a ValueError if the epochs so far had fewer steps than the schedules were made for."""
        if self.scheduled and int(self._data.progress["step"][0]) - self._start < epochs * self._per_epoch:
            self._raise_length("fewer")

    def _raise_length(self, found: str) -> None:
        raise ValueError(
            f"X gave {found} batches in an epoch than the {self._per_epoch} that its length says, on which what is "
            "scheduled counts: give steps_per_epoch"
        )

    def _fill(self, step: int) -> None:
        """Fill the table with the stretch that has a step, counted within the fit."""
        if step >= self.steps:
            self._raise_length("more")
        table, start = self._data.steps, step // STRETCH * STRETCH
        stop = min(start + STRETCH, self.steps)
        for field, name, schedule, below in self._columns:
            with np.errstate(all="ignore"):  # what is not finite is told below
                values = evaluate(schedule, np.arange(start, stop), self.steps, self._per_epoch)
            wrong = ~((values >= 0) & (values < below))
            if wrong.any():
                index = int(np.argmax(wrong))
                place = f"{name} in step {start + index} of {self.steps}, which its schedule gives,"
                arguments.real_number(place, float(values[index]), 0, below)
            table[field][: stop - start] = values
            table[field][stop - start :] = values[-1]
        self._from, self._to = start, stop
        self._data.settings["first_step"] = self._start + start
