"""Schedules made of others: after a warm-up, one after another, or times a factor."""

from collections.abc import Sequence

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.training.schedule_values import (
    Duration,
    Schedule,
    Value,
    checked_duration,
    counted,
    evaluate,
    in_steps,
    schedule,
)
from hotloop.network.validation import arguments
from hotloop.network.validation.arguments import Fraction, NotNegative
from hotloop.network.validation.printable import shown


@schedule
class LinearWarmup(Schedule):
    """alpha(t) = then(0) (start_factor + (1 - start_factor) t / W) for t < W, then(t - W) from W on.

    `then` is told that the run is W steps shorter. PyTorch's LinearLR before another in SequentialLR.

    Parameters
    ----------
    then : float or schedule
        What follows; any function will do.
    duration : duration
        W: a number of steps, a fraction of the run, or a text such as ``"2 epochs"``.
    start_factor : float, default 0
        From 0 to below 1.

    Examples
    --------
    >>> from hotloop.schedules import Cosine, LinearWarmup
    >>> rate = LinearWarmup(Cosine(0.1), 10)
    >>> [round(rate(step, 110), 4) for step in (0, 5, 10, 60)]
    [0.0, 0.05, 0.1, 0.05]
    """

    then: Value
    duration: Duration
    start_factor: Fraction = 0.0

    def values(self, step: Array, steps: int, steps_per_epoch: int | None) -> Array:
        """Return the values for each step in `step`, of `steps` in all and `steps_per_epoch` in an epoch."""
        width = round(in_steps(self.duration, steps, steps_per_epoch))
        found, rest = np.empty(len(step)), max(steps - width, 1)
        warm = step < width
        if warm.any():
            peak = evaluate(self.then, np.zeros(1, np.int64), rest, steps_per_epoch)[0]
            found[warm] = peak * (self.start_factor + (1 - self.start_factor) * step[warm] / width)
        found[~warm] = evaluate(self.then, step[~warm] - width, rest, steps_per_epoch)
        return found


@schedule
class Piecewise(Schedule):
    """alpha(t) = value_i(t - end_(i-1)) for end_(i-1) <= t < end_i: one value or schedule after another.

    A schedule in it is told that the run is end_i - end_(i-1) steps long, from 0. The last piece also has what is left
    of the run.

    Parameters
    ----------
    pieces : sequence of (end, value)
        When each ends (a number of steps, a fraction of the run, or a text such as ``"2 epochs"``), and a number, a
        schedule or any function.

    Examples
    --------
    >>> from hotloop.schedules import Piecewise
    >>> falling = lambda step, steps: 0.01 * (1 - step / steps)
    >>> rates = Piecewise([("10 epochs", 0.1), ("20 epochs", 0.01), (1.0, falling)])
    >>> [rates(step, 3000, steps_per_epoch=100) for step in (0, 1000, 2000, 2500)]
    [0.1, 0.01, 0.01, 0.005]
    """

    pieces: Sequence[tuple[Duration, Value]]

    def __post_init__(self) -> None:
        """Check every piece."""
        wanted = "pieces must be a sequence of pairs (end, value), such as [(0.5, 0.1), (1.0, 0.01)]"
        if not isinstance(self.pieces, Sequence) or isinstance(self.pieces, str):
            raise TypeError(f"{wanted}, got {shown(self.pieces)}")
        checked: list[tuple[Duration, Value]] = []
        last: dict[str, tuple[float, Duration]] = {}  # the latest end, by what it is counted in
        for index, piece in enumerate(self.pieces):
            if not isinstance(piece, Sequence) or isinstance(piece, str) or len(piece) != 2:
                raise TypeError(f"{wanted}, got {shown(piece)}")
            end = checked_duration(f"pieces[{index}][0]", piece[0])
            number, unit = counted(end)
            before, shown_before = last.get(unit, (0, 0))
            if number <= before:
                raise ValueError(
                    f"pieces must end one after another: pieces[{index}] ends at {end!r}, not above {shown_before!r}"
                )
            last[unit] = number, end
            checked.append((end, arguments.scheduled_number(f"pieces[{index}][1]", piece[1])))
        if not checked:
            raise ValueError(f"{wanted}, got none")
        object.__setattr__(self, "pieces", tuple(checked))

    def values(self, step: Array, steps: int, steps_per_epoch: int | None) -> Array:
        """Return the values for each step in `step`, of `steps` in all and `steps_per_epoch` in an epoch."""
        found, start = np.empty(len(step)), 0
        for index, (end, value) in enumerate(self.pieces):
            stop = round(in_steps(end, steps, steps_per_epoch))
            if stop <= start:
                raise ValueError(f"pieces[{index}] ends at step {stop} of {steps}, where it begins at {start}")
            if index == len(self.pieces) - 1:
                stop = max(stop, steps)
            mine = (step >= start) & (step < stop)
            if mine.any():
                found[mine] = evaluate(value, step[mine] - start, stop - start, steps_per_epoch)
            start = stop
        return found


@schedule
class Scaled(Schedule):
    """alpha(t) = factor * schedule(t)."""

    schedule: Value
    factor: NotNegative

    def values(self, step: Array, steps: int, steps_per_epoch: int | None) -> Array:
        """Return the values for each step in `step`, of `steps` in all and `steps_per_epoch` in an epoch."""
        return self.factor * evaluate(self.schedule, step, steps, steps_per_epoch)
