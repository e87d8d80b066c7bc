"""Scaling of inputs and of columns of data, scale * (values - offset), and which columns are constant."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

BLOCK = 2**22  # bytes scaled at a time, so that the float64 copy stays small
ROUNDINGS = 8  # by which the values of a column may differ and still count as one


@dataclass(frozen=True, eq=False)
class Scaling:
    """scale * (values - offset), each one number or an array with an entry for each column.

    The scale multiplies, as in the compiled loops; it is 0 for a column that is to be ignored.

    Parameters
    ----------
    offset, scale : float or array (columns,), default 0 and 1

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop.datasets import Scaling
    >>> x = np.array([[1.0, 10.0], [3.0, 30.0]])
    >>> scaling = Scaling.standardising(x, label=lambda column: f"column {column}")
    >>> scaling.apply(x, "float32").tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    >>> Scaling(scale=0.5).compiled(2), scaling.compiled(2)
    (array([0.5]), array([ 2. , 20. ,  1. ,  0.1]))
    >>> Scaling(scale=1 / 255).apply(np.array([[0, 255]], np.uint8), "float32").tolist()
    [[0.0, 1.0]]
    """

    offset: float | Array = 0.0
    scale: float | Array = 1.0

    @classmethod
    def standardising(cls, values: Array, label: Callable[[int], str], constant_scale: float = 0.0) -> "Scaling":
        """Return the scaling that gives each column mean 0 and standard deviation 1.

        Parameters
        ----------
        values : array (rows, columns)
        label : callable
            Returns the name of a column, for the message.
        constant_scale : float, default 0
            Scale of a column that is constant up to rounding. A network learns nothing from such an input, so another
            value that turns up later must not disturb it: 0. A target keeps its unit: 1.

        Raises
        ------
        ValueError
            If the numbers of a column are so large or so small that the scale is not a finite number above 0.
        """
        constant = constant_columns(values)
        columns = values.astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            offset, scale = columns.mean(axis=0), 1 / columns.std(axis=0)
        offset[constant], scale[constant] = columns[0, constant], constant_scale
        faults = np.flatnonzero(~constant & (~np.isfinite(scale) | (scale == 0.0)))
        if len(faults):
            raise ValueError(f"{label(int(faults[0]))}: the numbers are too large or too small to be standardised")
        return cls(offset, scale)

    @cached_property
    def in_loop(self) -> bool:
        """Whether the compiled loops scale each batch as they gather it: by one factor, without an offset."""
        return isinstance(self.offset, float) and self.offset == 0 and isinstance(self.scale, float)

    @property
    def is_neutral(self) -> bool:
        """Whether it leaves values as they are."""
        return self.in_loop and self.factor == 1

    @cached_property
    def factor(self) -> float:
        """What the compiled loops multiply inputs by."""
        return self.scale if self.in_loop else 1.0  # type: ignore[return-value]

    def compiled(self, n_inputs: int) -> Array:
        """Return the factor, or offsets and then scales of `n_inputs` inputs, as `kernels.predict_one` takes them."""
        if self.in_loop:
            return np.array([self.factor])
        return np.concatenate([np.broadcast_to(part, n_inputs) for part in (self.offset, self.scale)])

    def apply(self, values: Array, dtype: npt.DTypeLike) -> Array:
        """Return the scaled `values` in `dtype`, computed in float64: years have no digits to spare in float32."""
        scaled = np.empty(values.shape, dtype)
        step = max(1, BLOCK * len(values) // (8 * max(1, values.size)))
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            for start in range(0, len(values), step):
                rows = values[start : start + step]
                scaled[start : start + step] = (rows.astype(np.float64) - self.offset) * self.scale
        return scaled


def constant_columns(values: Array) -> npt.NDArray[np.bool_]:
    """Say of each column whether its values differ by no more than a few roundings.

    A number that is computed in two ways, as 0.3 and 0.1 + 0.2, differs in its last bits. Whole numbers up to 2 / eps
    are exact, so a difference between them counts: identifiers, seconds since 1970.
    """
    least, most = values.min(axis=0), values.max(axis=0)
    constant: npt.NDArray[np.bool_] = least == most
    if values.dtype.kind != "f":
        return constant
    eps = np.finfo(values.dtype).eps
    largest = np.maximum(np.abs(least), np.abs(most))
    with np.errstate(over="ignore"):
        nearly = (most - least <= ROUNDINGS * eps * largest) & ~constant
    for column in np.flatnonzero(nearly):
        exact = largest[column] <= 2 / eps and np.all(values[:, column] == np.rint(values[:, column]))
        constant[column] = not exact
    return constant
