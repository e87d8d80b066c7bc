"""What a schedule is: a function of (step, steps in all), its values for many steps in one pass, and durations.

A duration is a whole number of steps, a fraction of the run (a float from 0 to 1), or a text such as ``"10 epochs"`` or
``"500 steps"``.
"""

import numbers
from dataclasses import dataclass, fields
from typing import Any, TypeAlias, TypeVar, dataclass_transform

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.validation import arguments
from hotloop.network.validation.arguments import ScheduleFunction
from hotloop.network.validation.durations import parsed
from hotloop.network.validation.printable import shown
from hotloop.network.validation.suggestions import explains_its_keywords

Duration: TypeAlias = int | float | str
Value: TypeAlias = float | ScheduleFunction

SCHEDULES: dict[str, type["Schedule"]] = {}  # by name: those that a model file can hold
Kind = TypeVar("Kind", bound="Schedule")


@dataclass_transform(frozen_default=True)
def schedule(kind: type[Kind]) -> type[Kind]:
    """Make a class a schedule: a frozen dataclass, listed above."""
    kind = explains_its_keywords(dataclass(frozen=True)(kind))
    SCHEDULES[kind.__name__] = kind
    return kind


@dataclass(frozen=True)
class Schedule:
    """What the schedules of this module share: the check of their fields, and the call for one step."""

    def __post_init__(self) -> None:
        """Check every field by its type."""
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            if field.type is Duration:
                value = checked_duration(name, value)
            elif field.type is Value:
                value = arguments.scheduled_number(name, value)
            else:
                value = arguments.checked_field(name, field.type, value)
            object.__setattr__(self, name, value)

    def __call__(self, step: int, steps: int, steps_per_epoch: int | None = None) -> float:
        """Return the value for a step of a fit of `steps` steps; durations in epochs need `steps_per_epoch`."""
        return float(self.values(np.array([step], np.int64), steps, steps_per_epoch)[0])

    def values(self, step: Array, steps: int, steps_per_epoch: int | None) -> Array:
        """Return the values for an array of steps, in float64."""
        raise NotImplementedError


def evaluate(value: Value, step: Array, steps: int, steps_per_epoch: int | None) -> Array:
    """Return a number's, a schedule's or any function's values for an array of steps, in float64."""
    if isinstance(value, Schedule):
        return value.values(step, steps, steps_per_epoch)
    if not callable(value):
        return np.full(len(step), float(value))
    found = [value(one, steps) for one in step.tolist()]
    if {*map(type, found)} != {float}:
        for one, given in zip(step.tolist(), found, strict=True):
            if isinstance(given, bool) or not isinstance(given, numbers.Real):
                name = getattr(value, "__qualname__", type(value).__name__)
                text = f"the schedule {name} must return a number, got {shown(given)} for step {one} of {steps}"
                raise TypeError(text)
    return np.array(found, np.float64)


def checked_duration(argument: str, value: Any) -> Duration:
    """Return a duration as it is given, or raise an error that says what it may be."""
    wanted = f'{argument} must be a number of steps, a fraction of the run (0.1), or a text such as "10 epochs"'
    if isinstance(value, str):
        number, unit = parsed(value) or (0.0, "")
        if unit not in ("steps", "epochs"):
            raise ValueError(f"{wanted}, got {shown(value)}")
        return f"{int(number) if number.is_integer() else number} {unit[:-1] if number == 1 else unit}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{wanted}, got {shown(value)}")
    if isinstance(value, numbers.Integral):
        return arguments.whole_number(argument, value, 1, arguments.LARGEST)
    if not 0 < (fraction := float(value)) <= 1:
        raise ValueError(f"{wanted}; a float is a fraction, above 0 and at most 1, got {shown(value)}")
    return fraction


def counted(duration: Duration) -> tuple[float, str]:
    """Return the number of a checked duration, and what it counts: "steps", "epochs" or "runs"."""
    if isinstance(duration, str) and (found := parsed(duration)) is not None:
        return found
    return float(duration), "runs" if isinstance(duration, float) else "steps"


def in_steps(duration: Duration, steps: int, steps_per_epoch: int | None) -> float:
    """Return a checked duration as a number of steps of a run."""
    number, unit = counted(duration)
    if unit == "epochs":
        if steps_per_epoch is None:
            raise ValueError(f"{duration!r} needs steps_per_epoch outside a fit")
        return number * steps_per_epoch
    return number * steps if unit == "runs" else number
