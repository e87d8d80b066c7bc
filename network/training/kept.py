"""What a network keeps from one step or fit for the next one, so that it is not made again."""

from collections.abc import Mapping
from operator import is_
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.kernels.tables import PROGRESS, SETTINGS, STEP
from hotloop.network.training.fit_options import FitOptions
from hotloop.network.training.loop_arguments import INPUT_KINDS, LoopArguments, bytes_of_rows

# The attributes of a network that hold such things. Each is right as long as the others are what they were.
KEPT = ("_single_step", "_last_fit")
NOTHING = np.empty(0)


class Unchanged:
    """Whether the attributes of a network are still what they were.

    Parameters
    ----------
    attributes : mapping
        Of the network.
    """

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self._values = [value for name, value in attributes.items() if name not in KEPT]

    def __call__(self, attributes: Mapping[str, Any]) -> bool:
        """Return whether no other object has taken the place of one of them."""
        values = [value for name, value in attributes.items() if name not in KEPT]
        return len(values) == len(self._values) and all(map(is_, values, self._values))


class LastFit:
    """The tables and the scratch of a fit, for the next one that differs from it in the data only.

    Parameters
    ----------
    attributes : mapping
        Of the network.
    options : FitOptions
        With nothing scheduled.
    data : LoopArguments
        Not of data in parts, and without weights of positive targets.
    gradient : array (P,)
        Scratch of the fit.
    """

    def __init__(
        self, attributes: Mapping[str, Any], options: FitOptions, data: LoopArguments, gradient: Array
    ) -> None:
        self._unchanged, self._asked_for, self.gradient = Unchanged(attributes), _asked_for(options), gradient
        self._shape = len(data.inputs), int(data.settings["input_kind"][0]), data.labels.size > 0
        self._records = data.settings.tobytes(), data.steps.tobytes()
        # Without what belongs to this fit, above all the user's data.
        nothing = dict.fromkeys(("inputs", "targets", "labels", "weights", "settings", "steps", "progress"), NOTHING)
        self._data = data.changed(**nothing, kept=None)

    def suits(self, attributes: Mapping[str, Any], options: FitOptions) -> bool:
        """Return whether a fit with these options may use it."""
        return self._asked_for == _asked_for(options) and self._unchanged(attributes)

    def is_of(self, data: LoopArguments) -> bool:
        """Return whether these arguments were made of it."""
        return data.workspace is self._data.workspace

    def for_batch(self, inputs: Array, targets: Array, labels: Array, weights: Array) -> LoopArguments | None:
        """Return its arguments for other data; None unless they are of the same kind."""
        if (len(inputs), INPUT_KINDS[inputs.dtype], labels.size > 0) != self._shape:
            return None
        settings, steps = self._records
        return self._data.changed(
            inputs=bytes_of_rows(inputs), targets=targets, labels=labels, weights=weights,
            settings=_records(settings, SETTINGS), steps=_records(steps, STEP), progress=np.zeros(1, PROGRESS),
        )  # fmt: skip


def _asked_for(options: FitOptions) -> tuple[Any, ...]:
    return options.batch_size, options.optimizer, options.gradient_norm, options.dropout_schedule


def _records(memory: bytes, dtype: np.dtype[Any]) -> Array:
    """Return a copy of records: `copy` of a structured array takes thirty times as long."""
    return np.frombuffer(bytearray(memory), dtype)
