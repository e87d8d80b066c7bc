"""An optimizer as plain data, and back: schedules by their names and fields.

A function of the user's own cannot be stored. What it gave for the last step takes its place.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from hotloop.network.training.factors import Factors
from hotloop.network.training.optimizers import OPTIMIZERS, Optimizer
from hotloop.network.training.schedule_values import SCHEDULES

NAME = "schedule"  # the key of a schedule's name


class OwnFunctionError(TypeError):
    """A schedule has a function in it that is not hotloop's."""


def plain(optimizer: Optimizer, last: Mapping[str, float]) -> dict[str, Any]:
    """Return an optimizer as JSON has it.

    `last` is what the last step was told of what is scheduled, to take the place of a function of the user's own.
    """
    name = next(name for name, kind in OPTIMIZERS.items() if type(optimizer) is kind)
    values = {f.name: value for f in fields(optimizer) if (value := getattr(optimizer, f.name)) is not None}
    values |= {name: asdict(value) for name, value in values.items() if isinstance(value, Factors)}
    for field, schedule in optimizer.schedules.items():
        try:
            values[field] = plain_value(schedule)
        except OwnFunctionError:
            values[field] = last[field]
    return {"name": name, **values}


def restored(values: Mapping[str, Any]) -> Optimizer:
    """Return the optimizer that `plain` was given."""
    kind = OPTIMIZERS[values["name"]]
    return kind(**{name: restored_value(value) for name, value in values.items() if name != "name"})


def plain_value(value: Any) -> Any:
    """Return a field of a schedule, or a schedule, as JSON has it."""
    if SCHEDULES.get(type(value).__name__) is type(value):
        return {NAME: type(value).__name__, **{f.name: plain_value(getattr(value, f.name)) for f in fields(value)}}
    if callable(value):
        raise OwnFunctionError(f"{value!r} cannot be stored")
    return [plain_value(entry) for entry in value] if isinstance(value, tuple) else value


def restored_value(value: Any) -> Any:
    """Return what `plain_value` was given."""
    if isinstance(value, dict) and NAME in value:
        return SCHEDULES[value[NAME]](**{name: restored_value(v) for name, v in value.items() if name != NAME})
    return [restored_value(entry) for entry in value] if isinstance(value, list) else value
