"""`Network.check_gradients`: the gradient of every layer against central differences of the loss."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.display.terminal import Styled, styled
from hotloop.network.display.text_table import paragraph, table
from hotloop.network.html import elements
from hotloop.network.persistence.persistent import ARGUMENTS
from hotloop.network.validation import arguments
from hotloop.network.validation.array_like import numeric

STEP = 1e-4  # of the differences, relative to parameters above 1: h and h / 2, extrapolated
TOLERANCES = {"float64": 1e-6, "float32": 5e-3}  # relative, by the dtype of the gradient
ROUNDINGS = 8  # of the largest entry of a gradient, by which any other may be off
SMALLEST = {"float64": 1e-3, "float32": 1e-2}  # a smaller part of a layer's largest slope counts as this part
MOST_ROWS = 64
HEADS = ["layer", "of", "checked", "kinks", "worst error", "at", "gradient", "differences", "verdict"]
FIRST_TO_GO = ["kinks", "at", "differences", "gradient", "checked"]  # of the columns, in a narrow terminal
WRONG = "bold red"  # a style
KINDS = {  # by the name in `Network.parts`, in the order in which places are drawn
    "weights": "weights", "bias": "biases", "gain": "gain", "shift": "shift", "mix": "mix",
    "input_scale": "input_scale",
}  # fmt: skip


@dataclass(frozen=True)
class LayerCheck:
    """What was found for one kind of parameters of one layer.

    Parameters
    ----------
    layer : int
        From 1; a learnt scale of the inputs is of the first.
    kind : {"weights", "biases", "gain", "shift", "mix", "input_scale"}
    size : int
        How many parameters there are.
    checked, kinks, wrong : int
        How many were compared, at how many of these the loss has a kink (a ReLU that switches) so that they do not
        count, and how many are wrong.
    worst : float
        The largest relative error of those that count: |g - d| / (max(|g|, |d|) + r), where g is the gradient, d the
        differences, and r is what rounding may have done to them, divided by the relative error that is allowed.
    index : tuple of int
        Where that is.
    gradient, differences : float
        The two numbers there.
    """

    layer: int
    kind: str
    size: int
    checked: int
    kinks: int
    wrong: int
    worst: float
    index: tuple[int, ...]
    gradient: float
    differences: float

    @property
    def ok(self) -> bool:
        """Whether none is wrong, and some count."""
        return self.wrong == 0 and self.checked > self.kinks


@dataclass(frozen=True)
class GradientCheck:
    """What `Network.check_gradients` found; ``print`` shows it as a table. It is true if all is `ok`.

    Parameters
    ----------
    layers : tuple of LayerCheck
        Of each layer its weights, its biases, and what else it learns.
    rows : int
        How many rows of the data were used.
    tolerance : float
        The largest relative error that is allowed.
    """

    layers: tuple[LayerCheck, ...]
    rows: int
    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether the gradient of each layer agrees with the differences."""
        return all(layer.ok for layer in self.layers)

    def __bool__(self) -> bool:
        """Return `ok`."""
        return self.ok

    @property
    def worst(self) -> float:
        """The largest relative error."""
        return max(layer.worst for layer in self.layers)

    def __str__(self) -> str:
        """Return a table with a line for each kind of parameters of each layer, and the verdict."""
        lines = table(HEADS, self._cells(), left=["of"], first_to_go=FIRST_TO_GO)
        return Styled.joined("\n", [*lines, paragraph("", self._verdict())])

    def _repr_html_(self) -> str:
        """Return the same for notebooks."""
        verdict = elements.finding(self._verdict(), well=self.ok)
        return elements.representation(elements.table(HEADS, self._cells(), left=["of", "verdict"]), verdict)

    def _cells(self) -> list[list[str]]:
        rows = []
        for found in self.layers:
            verdict = "ok" if found.ok else f"{found.wrong} wrong" if found.wrong else "only kinks"
            verdict = verdict if found.ok else styled(verdict, WRONG)
            counts = f"{found.checked:,} of {found.size:,}", str(found.kinks)
            numbers = f"{found.worst:.1e}", str(list(found.index)), f"{found.gradient:.6g}", f"{found.differences:.6g}"
            rows.append([str(found.layer), found.kind, *counts, *numbers, verdict])
        return rows

    def _verdict(self) -> str:
        if self.ok:
            verdict = "The gradient agrees with the differences"
        elif any(found.wrong for found in self.layers):
            verdict = "The gradient is wrong"
        else:
            verdict = "A layer could not be checked: all of its parameters are at kinks"
        errors = f"worst relative error {self.worst:.1e}, allowed {self.tolerance:.0e}"
        return f"{verdict}: {errors}; {self.rows} rows"


class Slopes(NamedTuple):
    """Central differences of parameters, and how far from them a slope may be where the loss has a kink."""

    differences: Array
    reach: Array
    rounding: Array


def check_gradients(net: Any, X: Any, y: Any, per_layer: Any, seed: Any) -> GradientCheck:
    """Compare the gradient of a network with finite differences: see `Network.check_gradients`."""
    per_layer = arguments.whole_number("per_layer", per_layer, 1)
    rng = np.random.default_rng(arguments.whole_number("seed", seed, 0))
    X, y = _some_rows(net, X, y, rng)
    loss, gradient = net.gradient(X, y)
    if not np.isfinite(loss) or not np.isfinite(gradient).all():
        raise ValueError("the loss or its gradient is not finite here, so there is nothing to compare")
    twin, dtype = in_float64(net), str(net.dtype)
    found = []
    arrays, kinds = twin.parts(twin.parameters), list(KINDS)
    for name, slope in sorted(net.parts(gradient).items(), key=lambda part: kinds.index(part[0].rpartition(".")[2])):
        layer = int(name.split(".")[1]) + 1 if "." in name else 1
        places = np.sort(rng.permutation(slope.size)[:per_layer])
        slopes = slopes_of(twin, X, y, arrays[name], places)
        # Rounded at the size of the whole gradient: where a normalisation makes a sum vanish, this is what is left.
        slopes.rounding[:] += ROUNDINGS * np.finfo(net.dtype).eps * np.abs(gradient).max()
        found.append(_compared(layer, KINDS[name.rpartition(".")[2]], slope, places, slopes, dtype))
    found.sort(key=lambda one: one.layer)
    return GradientCheck(tuple(found), len(X), TOLERANCES[dtype])


def _some_rows(net: Any, X: Any, y: Any, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return at most `MOST_ROWS` rows, drawn at random."""
    X, y = numeric("X", X), numeric("y", y, labels=True)
    if X.ndim < 2 or y.ndim < 1 or len(X) != len(y) or len(X) <= MOST_ROWS:
        return X, y  # `gradient` says what is wrong
    rows = np.sort(rng.permutation(len(X))[:MOST_ROWS])
    return X[rows], y[rows]


def in_float64(net: Any) -> Any:
    """Return the network with its parameters in float64."""
    options = {name: getattr(net, name) for name in ARGUMENTS} | {"dtype": "float64"}
    *hidden, output = net.activations
    twin = type(net)(net.sizes, hidden, output=output, initializer="zeros", **options)
    for name, target in twin.parts(twin.parameters).items():
        target[:] = net.parts(net.parameters)[name]
    return twin


def slopes_of(net: Any, X: Array, y: Array, array: Array, places: Array) -> Slopes:
    """Return central differences of the loss at some places of an array of parameters, which is left as it was.

    With slopes near = D(h / 2) and far = D(h), the error of (4 near - far) / 3 is of fourth order. A kink less than h
    away shows: near and far differ, or the slope jumps by as much over h / 2 as over h, where that of a smooth function
    jumps by half.
    """
    differences, reach, rounding = np.empty((3, places.size))
    here = net.gradient(X, y)[0]
    for i, place in enumerate(places):
        index = np.unravel_index(place, array.shape)
        before = array[index]
        step = STEP * max(1.0, abs(float(before)))
        values = []
        for times in (-1, -0.5, 0.5, 1):
            array[index] = before + times * step
            values.append(net.gradient(X, y)[0])
        array[index] = before
        far_left, left, right, far_right = values
        near, far = (right - left) / step, (far_right - far_left) / (2 * step)
        near_jump, far_jump = abs(right - 2 * here + left) / (step / 2), abs(far_right - 2 * here + far_left) / step
        differences[i] = (4 * near - far) / 3
        reach[i] = 4 * abs(near - far) + (0.55 * near_jump if near_jump > 0.75 * far_jump else 0)
        rounding[i] = 20 * np.finfo(np.float64).eps * max(abs(here), *map(abs, values)) / step
    return Slopes(differences, reach, rounding)


def _compared(layer: int, kind: str, gradient: Array, places: Array, slopes: Slopes, dtype: str) -> LayerCheck:
    """Return what the differences say of one array of a gradient."""
    given = gradient.reshape(-1)[places].astype(np.float64)
    size = np.maximum(np.abs(given), np.abs(slopes.differences))
    size = np.maximum(size, SMALLEST[dtype] * size.max())
    size = size + slopes.rounding / TOLERANCES[dtype]
    error, allowed = np.abs(given - slopes.differences), TOLERANCES[dtype] * size
    off = ~(error <= allowed)
    kinks = off & (error <= slopes.reach + allowed)
    counted = np.where(kinks, -1.0, error / np.where(size > 0, size, 1))
    worst = int(np.argmax(counted))
    index = tuple(int(i) for i in np.unravel_index(places[worst], gradient.shape))
    return LayerCheck(
        layer, kind, gradient.size, places.size, int(kinks.sum()), int((off & ~kinks).sum()),
        max(float(counted[worst]), 0.0), index, float(given[worst]), float(slopes.differences[worst]),
    )  # fmt: skip
