"""Factors of the learning rate and of the decay, by layer and by kind of parameter."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from hotloop.network.validation import arguments
from hotloop.network.validation.printable import shown

if TYPE_CHECKING:
    from hotloop.kernels.jit import Array

# By the names of a layer's rows of parameters after its weights: which field is theirs.
FIELDS = {"bias": "biases", "gain": "norm", "shift": "norm", "mix": "activation", "input_scale": "input_scale"}


@dataclass(frozen=True)
class Factors:
    """Each a number of at least 0, or one for each layer: `norm` is of a layer norm's gain and shift."""

    weights: float | tuple[float, ...] = 1.0
    biases: float | tuple[float, ...] = 1.0
    norm: float | tuple[float, ...] = 1.0
    activation: float | tuple[float, ...] = 1.0
    input_scale: float | tuple[float, ...] = 1.0

    @classmethod
    def of(cls, argument: str, value: Any) -> "Factors":
        """Return the factors that a user's mapping gives, or raise an error that names the argument."""
        if isinstance(value, Factors):
            return value
        if not isinstance(value, Mapping):
            raise TypeError(f"{argument} must be a mapping such as {{'biases': 0}}, got {shown(value)}")
        known = [field.name for field in fields(cls)]
        for name in value:
            if name not in known:
                raise ValueError(f"{argument} has the key {shown(name)}; wanted some of {', '.join(known)}")
        if isinstance(value.get("input_scale", 1.0), Iterable):
            raise TypeError(f"{argument}['input_scale'] must be a number, got {shown(value['input_scale'])}")
        return cls(**{name: _number_or_numbers(f"{argument}[{name!r}]", factor) for name, factor in value.items()})

    def check_layers(self, argument: str, layers: int) -> None:
        """Raise a ValueError if a field is for another number of layers."""
        for field in fields(self):
            factor = getattr(self, field.name)
            if isinstance(factor, tuple) and len(factor) != layers:
                raise ValueError(
                    f"{argument}[{field.name!r}] must be one number, or one a layer ({layers}), got {len(factor)}"
                )

    def table(self, after_weights: Sequence[Sequence[str]]) -> "Array":
        """Return for each layer the factors of its weights, then of each row after them, as `LAYER` has them.

        A layer is given by the names of these rows. Places that a layer does not use repeat its first factor.
        """
        import numpy as np

        from hotloop.kernels.tables import N_FACTORS

        found = np.empty((len(after_weights), N_FACTORS))
        for layer, names in enumerate(after_weights):
            factors = [getattr(self, field) for field in ("weights", *(FIELDS[name] for name in names))]
            numbers = [
                factor[min(layer, len(factor) - 1)] if isinstance(factor, tuple) else factor for factor in factors
            ]
            found[layer] = numbers[0]
            found[layer, : len(numbers)] = numbers
        return found

    def __repr__(self) -> str:
        """Return the mapping that says the same."""
        return repr({f.name: value for f in fields(self) if (value := getattr(self, f.name)) != 1})


def _number_or_numbers(argument: str, value: Any) -> float | tuple[float, ...]:
    if not isinstance(value, Iterable) or isinstance(value, (str, bytes, Mapping)) or getattr(value, "ndim", 1) == 0:
        return arguments.real_number(argument, value)
    return tuple(arguments.real_number(argument, number) for number in value)
