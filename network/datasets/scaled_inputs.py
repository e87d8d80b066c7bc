"""The scaling of a network's inputs: its arguments input_offset and input_scale, checked, and X checked and scaled."""

from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.datasets.scaling import Scaling
from hotloop.network.validation import arguments, arrays
from hotloop.network.validation.array_like import numeric


class ScaledInputs:
    """The part of `Network` that owns its `input_offset` and `input_scale`."""

    sizes: tuple[int, ...]
    dtype: np.dtype[np.floating]
    _scaling: Scaling
    _compiled: tuple[Array, Array, Array] | None

    def _set_scaling(self, offset: Any, scale: Any) -> None:
        self._scaling = checked_scaling(offset, scale, self.sizes[0], self.dtype)
        self._compiled = None  # it holds the old scaling

    @property
    def input_offset(self) -> Any:
        """What is subtracted from X: a number, or a read-only array with one for each input."""
        return self._scaling.offset

    @input_offset.setter
    def input_offset(self, value: Any) -> None:
        self._set_scaling(value, self.input_scale)

    @property
    def input_scale(self) -> Any:
        """What X - `input_offset` is multiplied by: a number, or a read-only array with one for each input."""
        return self._scaling.scale

    @input_scale.setter
    def input_scale(self, value: Any) -> None:
        self._set_scaling(self.input_offset, value)

    def _scaled(self, X: Any, argument: str = "X") -> Array:
        """Return X (rows, inputs), checked, for loops that multiply it by the scaling's `factor`."""
        n_inputs, dtype, scaling = self.sizes[0], self.dtype, self._scaling
        if scaling.in_loop:
            return arrays.inputs(X, n_inputs, dtype, scaling.factor, argument)
        raw = arrays.inputs(X, n_inputs, np.dtype(np.float64), argument=argument)
        scaled = scaling.apply(raw, dtype)
        for row, column in np.argwhere(~np.isfinite(scaled))[:1]:
            raise ValueError(
                f"{argument} must be finite in {dtype} once input_offset and input_scale are applied: "
                f"{raw[row, column]:g} in row {row}, column {column} becomes {scaled[row, column]}"
            )
        return scaled

    def _scaling_in_words(self) -> str:
        """Return the arguments of `Network` that make the scaling, each after a comma; arrays are shortened."""
        named = (("input_offset", self.input_offset, 0), ("input_scale", self.input_scale, 1))
        shown = [(name, value if isinstance(value, float) else "[...]", usual) for name, value, usual in named]
        return "".join(f", {name}={value}" for name, value, usual in shown if value != usual)


def checked_scaling(offset: Any, scale: Any, n_inputs: int, dtype: np.dtype[Any]) -> Scaling:
    """Return the scaling of a network with `n_inputs`, its numbers checked."""
    offset = (
        _for_each_input("input_offset", offset, n_inputs)
        if _are_several(offset)
        else arguments.real_number("input_offset", offset, -np.finfo(np.float64).max)
    )
    if not _are_several(scale):
        return Scaling(offset, arguments.scale("input_scale", scale, dtype))
    scale = _for_each_input("input_scale", scale, n_inputs)
    if (scale < 0).any():
        raise ValueError(f"input_scale must be at least 0 (0: the input is ignored), got {scale.min():g}")
    return Scaling(offset, scale)


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
