"""How raw inputs become those of the first layer: input_scale * (X - input_offset)."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.validation import arguments, arrays
from hotloop.network.validation.array_like import numeric

BLOCK = 2**22  # bytes scaled at a time, so that the float64 copy stays small


@dataclass(frozen=True, eq=False)
class InputScaling:
    """An offset and a scale, each one number or an array with an entry for each input."""

    offset: float | Array
    scale: float | Array

    @classmethod
    def of(cls, offset: Any, scale: Any, n_inputs: int, dtype: np.dtype[Any]) -> "InputScaling":
        """Return the scaling for a network with `n_inputs`, its numbers checked."""
        offset = (
            _for_each_input("input_offset", offset, n_inputs)
            if _are_several(offset)
            else arguments.real_number("input_offset", offset, -np.finfo(np.float64).max)
        )
        if not _are_several(scale):
            return cls(offset, arguments.scale("input_scale", scale, dtype))
        scale = _for_each_input("input_scale", scale, n_inputs)
        if (scale < 0).any():
            raise ValueError(f"input_scale must be at least 0 (0: the input is ignored), got {scale.min():g}")
        return cls(offset, scale)

    @cached_property
    def in_loop(self) -> bool:
        """Whether the compiled loops scale each batch as they gather it: by one factor, without an offset."""
        return isinstance(self.offset, float) and self.offset == 0 and isinstance(self.scale, float)

    @cached_property
    def factor(self) -> float:
        """What the compiled loops multiply inputs by."""
        return self.scale if self.in_loop else 1.0  # type: ignore[return-value]

    def check_in_loop(self) -> None:
        """Raise a ValueError unless `factor` is the whole scaling."""
        if not self.in_loop:
            raise ValueError(
                "compiled code can apply one input_scale and no input_offset; this network has more. In a copy of it "
                "(copy.copy) set input_offset = 0 and input_scale = 1, and give predict_one scaled inputs"
            )

    def inputs(self, X: Any, n_inputs: int, dtype: np.dtype[Any], argument: str = "X") -> Array:
        """Return X (rows, inputs), checked, for loops that multiply it by `factor`."""
        if self.in_loop:
            return arrays.inputs(X, n_inputs, dtype, self.factor, argument)
        raw = arrays.inputs(X, n_inputs, np.dtype(np.float64), argument=argument)
        scaled = self.apply(raw, dtype)
        for row, column in np.argwhere(~np.isfinite(scaled))[:1]:
            raise ValueError(
                f"{argument} must be finite in {dtype} once input_offset and input_scale are applied: "
                f"{raw[row, column]:g} in row {row}, column {column} becomes {scaled[row, column]}"
            )
        return scaled

    def apply(self, raw: Array, dtype: np.dtype[Any]) -> Array:
        """Return scale * (raw - offset) in `dtype`, computed in float64: years have no digits to spare in float32."""
        scaled = np.empty(raw.shape, dtype)
        step = max(1, BLOCK // (8 * raw.shape[1]))
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            for start in range(0, len(raw), step):
                rows = raw[start : start + step]
                scaled[start : start + step] = (rows.astype(np.float64) - self.offset) * self.scale
        return scaled

    def __str__(self) -> str:
        """Return the arguments of `Network` that make it, behind a comma; the numbers of arrays are left out."""
        named = (("input_offset", self.offset, 0), ("input_scale", self.scale, 1))
        shown = [(name, value if isinstance(value, float) else "[...]", usual) for name, value, usual in named]
        return "".join(f", {name}={value}" for name, value, usual in shown if value != usual)


def _are_several(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, (str, bytes))


def _for_each_input(argument: str, value: Any, n_inputs: int) -> Array:
    """Return `value` as a read-only array of one finite number for each input."""
    array = numeric(argument, value)
    if array.shape != (n_inputs,):
        raise ValueError(f"{argument} has shape {array.shape}; wanted one number, or ({n_inputs},): one for each input")
    found = array.astype(np.float64)
    if not np.isfinite(found).all():
        column = int(np.argmin(np.isfinite(found)))
        raise ValueError(f"{argument} must be finite: found {found[column]} for input {column}")
    found.setflags(write=False)
    return found


class ScaledInputs:
    """The part of `Network` that owns its scaling of inputs."""

    sizes: tuple[int, ...]
    dtype: np.dtype[np.floating]
    _scaling: InputScaling
    _idle: list[tuple[Array, Array, Array, float]]

    def _set_scaling(self, offset: Any, scale: Any) -> None:
        self._scaling = InputScaling.of(offset, scale, self.sizes[0], self.dtype)
        self._idle = []  # those before hold another factor

    @property
    def input_offset(self) -> Any:
        """What is subtracted from X: a number, or a read-only array with one for each input."""
        return self._scaling.offset

    @input_offset.setter
    def input_offset(self, value: Any) -> None:
        self._set_scaling(value, self.input_scale)

    @property
    def input_scale(self) -> Any:
        """What X less `input_offset` is multiplied by: a number, or a read-only array with one for each input."""
        return self._scaling.scale

    @input_scale.setter
    def input_scale(self, value: Any) -> None:
        self._set_scaling(self.input_offset, value)
