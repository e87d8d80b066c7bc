"""The boundary: what users pass is checked and converted here, once, before anything is changed.

Every array that leaves this file is of one canonical type (one dtype, C order, writable, aligned), so that the kernels
are never compiled again for a Fortran-ordered, strided or read-only argument. Inputs alone may stay as they are, bytes
or floats in C order, which may be a file: the kernels see their bytes, and convert each batch.
"""

import builtins
import itertools
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence, Set, Sized
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.activations import ACTIVATIONS
from hotloop.network.losses import LOSSES
from hotloop.network.training.history import PATIENCE
from hotloop.network.training.optimizers import OPTIMIZERS, SGD, Optimizer
from hotloop.network.validation.array_like import column_names
from hotloop.network.validation.array_like import numeric as numeric
from hotloop.network.validation.suggestions import hint

Value = TypeVar("Value")
MOST_THREADS = 1024
LARGEST = 2**63 - 1  # of a whole number that a compiled loop takes
LONGEST_VALUE = 200  # characters of a wrong value that a message shows

AS_THEY_ARE = tuple(np.dtype(name) for name in ("uint8", "float32", "float64"))  # inputs that are not converted here
BLOCK = 2**22  # bytes checked at a time, so that what the check takes stays small beside the data


def shown(value: Any) -> str:
    """Return how a message shows a wrong value: as Python does, but short."""
    try:
        text = repr(value)
    except Exception:  # such as that of an int of more digits than Python turns into text
        return f"an object of type {type(value).__name__}"
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."


def choose(argument: str, name: Any, known: Mapping[str, Value]) -> Value:
    """Return known[name], or raise an error that lists the names."""
    if not isinstance(name, str):
        theirs = getattr(name, "__name__", type(name).__name__)  # such as torch.nn.ReLU(), or its class
        suggestion = hint(argument, theirs, known) if name is not None and theirs not in dir(builtins) else ""
        raise TypeError(f"{argument} must be a name ({', '.join(known)}), got {shown(name)}.{suggestion}")
    if name not in known:
        raise ValueError(
            f"{argument} {shown(name)} is not known.{hint(argument, name, known)} Known: {', '.join(known)}"
        )
    return known[name]


def whole_number(argument: str, value: Any, minimum: int, maximum: int | None = None) -> int:
    """Return `value` as an int with minimum <= value <= maximum."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{argument} must be a whole number, got {shown(value)}")
    number = int(value)
    if number < minimum:
        raise ValueError(f"{argument} must be at least {minimum}, got {shown(number)}")
    if maximum is not None and number > maximum:
        most = "below 2**63" if maximum == LARGEST else f"at most {maximum}"
        raise ValueError(f"{argument} must be {most}, got {shown(number)}")
    return number


def threads(value: Any) -> int | str:
    """Return a number of threads, or "auto"."""
    if isinstance(value, str):
        if value != "auto":
            raise ValueError(f'n_threads must be a whole number or "auto", got {shown(value)}')
        return value
    return whole_number("n_threads", value, 1, MOST_THREADS)


def real_number(argument: str, value: Any, minimum: float, below: float = np.inf) -> float:
    """Return `value` as a float with minimum <= value < below."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{argument} must be a number, got {shown(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = np.inf
    if not minimum <= number < below:
        upper = "" if below == np.inf else f" and below {below:g}"
        raise ValueError(f"{argument} must be finite, at least {minimum:g}{upper}, got {number!r}")
    return number


def scale(argument: str, value: Any, dtype: np.dtype[np.floating]) -> float:
    """Return `value` as a float that is above 0 and finite, in `dtype` too."""
    number, limits = real_number(argument, value, 0), np.finfo(dtype)
    if not float(limits.tiny) <= number <= float(limits.max):  # below `tiny` the kernels have zero
        allowed = f"{float(limits.tiny):.3g} to {float(limits.max):.3g}"
        raise ValueError(f"{argument} must be above 0 and finite in {dtype} ({allowed}), got {number!r}")
    return number


def stopping(tolerance: Any, patience: Any) -> tuple[float | None, int]:
    """Return when to stop as converged: the tolerance, None for never, and the patience."""
    epochs = whole_number("patience", PATIENCE if patience is None else patience, 1, LARGEST)
    if tolerance is None and patience is not None:
        raise ValueError(
            f"patience={shown(patience)} has no effect without a tolerance: give one too, such as tolerance=1e-4, or 0 "
            "for any improvement"
        )
    return None if tolerance is None else real_number("tolerance", tolerance, 0), epochs


def penalty(argument: str, value: Any, dtype: np.dtype[np.floating]) -> float:
    """Return `value` as a float that is at least 0, and twice of which is finite in `dtype`."""
    number, most = real_number(argument, value, 0), float(np.finfo(dtype).max) / 2
    if number > most:
        raise ValueError(f"{argument} must be at most {most:.3g} in {dtype}, got {number!r}")
    return number


def dropout_rate(value: Any) -> float:
    """Return the share of a layer's units that are dropped."""
    return real_number("dropout", value, 0, 1)


def flag(argument: str, value: Any) -> bool:
    """Return `value`, which must be True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{argument} must be True or False, got {shown(value)}")
    return bool(value)


def per_layer(argument: str, value: Any, layers: int, check: Callable[[Any], Value]) -> list[Value]:
    """Return one checked value a layer: `value` itself, repeated, or its entries."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable) or getattr(value, "ndim", 1) == 0:
        return [check(value)] * layers
    if isinstance(value, (Set, Mapping)):
        raise TypeError(f"{argument} must be one value, or a sequence of one a layer, got {shown(value)}")
    values = list(itertools.islice(value, layers + 1))  # of an iterator that may never end
    if len(values) != layers:
        found = len(value) if isinstance(value, Sized) else f"{len(values)} or more"
        raise ValueError(f"{argument} must be one value, or one a layer ({layers}), got {found}")
    return [check(entry) for entry in values]


def sizes_of_network(sizes: Any) -> tuple[int, ...]:
    """Return the sizes of a network's layers, inputs first."""
    sequence = isinstance(sizes, Sequence) or (isinstance(sizes, np.ndarray) and sizes.ndim > 0)
    if not sequence or isinstance(sizes, (str, bytes, bytearray, memoryview)):
        raise TypeError(f"sizes must be a sequence of whole numbers such as [64, 32, 10], got {shown(sizes)}")
    if len(sizes) < 2:
        raise ValueError(f"sizes must name at least inputs and outputs, such as [64, 10], got {shown(list(sizes))}")
    return tuple(whole_number(f"sizes[{index}]", size, 1, LARGEST) for index, size in enumerate(sizes))


def floating_dtype(dtype: Any) -> np.dtype[np.floating]:
    """Return float32 or float64."""
    if dtype is None:
        raise TypeError("dtype must be 'float32' or 'float64', got None")
    try:
        found: np.dtype[Any] = np.dtype(dtype)
    except Exception as error:  # NumPy evaluates text as Python
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"dtype must be 'float32' or 'float64', got {shown(dtype)}") from error
    if found not in (np.dtype("float32"), np.dtype("float64")):
        raise ValueError(f"dtype must be 'float32' or 'float64', got {found}")
    return found


def hidden_activation(name: Any) -> str:
    """Return the name of an activation of a hidden layer."""
    choose("activation", name, ACTIVATIONS)
    if name == "softmax":
        raise ValueError("activation 'softmax' is for the last layer: use output='softmax'")
    return str(name)


def output_activation(output: Any, loss: str, outputs: int) -> str:
    """Return the name of the last layer's activation, by default the loss's."""
    kind = LOSSES[loss]
    name = kind.output if output is None else output
    choose("output", name, ACTIVATIONS)
    if kind.from_logits and name not in (kind.output, "identity"):
        raise ValueError(
            f"output must be {kind.output!r} or 'identity' (logits) for loss {loss!r}, which is computed from logits; "
            f"got {name!r}"
        )
    if loss == "cross_entropy" and outputs < 2:
        raise ValueError("cross_entropy needs at least 2 outputs; for one output use loss='binary_cross_entropy'")
    return str(name)


def optimizer_of(optimizer: Optimizer | str | None, dtype: np.dtype[np.floating]) -> Optimizer:
    """Return an optimizer for `dtype`: the one given, or by its name, or plain gradient descent."""
    if optimizer is None:
        return SGD()
    if isinstance(optimizer, str):
        return choose("optimizer", optimizer, OPTIMIZERS)()
    if type(optimizer) not in OPTIMIZERS.values():
        names = ", ".join(kind.__name__ for kind in OPTIMIZERS.values())
        called = f"; make one: {optimizer.__name__}()" if isinstance(optimizer, type) else ""
        raise TypeError(f"optimizer must be one of {names} or its name, got {shown(optimizer)}{called}")
    for field in fields(optimizer):
        if field.name in ("learning_rate", "epsilon"):  # zero or infinity of the others is harmless, or diverges
            scale(f"{field.name} of {type(optimizer).__name__}", getattr(optimizer, field.name), dtype)
    return optimizer


def canonical(argument: str, array: Array, dtype: np.dtype[Any], of: Any = None) -> Array:
    """Return the array in the type that kernels are compiled for; every value must be finite in it."""
    _check_finite(argument, array, dtype, of=of)
    return np.require(array, dtype, ["C", "A", "W", "E"])


def inputs(X: Any, columns: int, dtype: np.dtype[Any], input_scale: float = 1.0, argument: str = "X") -> Array:
    """Check inputs, to (rows, columns). They stay as they are if they are bytes or floats in C order, mapped or not."""
    array = numeric(argument, X)
    if array.ndim == 1 and array.size == columns:
        raise ValueError(
            f"{argument} has shape {array.shape}; wanted (rows, {columns}): for one row use X.reshape(1, -1)"
        )
    if array.ndim != 2 or array.shape[1] != columns:
        raise ValueError(f"{argument} has shape {array.shape}; wanted (rows, {columns}), the network's inputs")
    if array.shape[0] == 0:
        raise ValueError(f"{argument} has no rows")
    _check_finite(argument, array, dtype, input_scale, X)
    return np.require(array, array.dtype if array.dtype in AS_THEY_ARE else dtype, ["C", "E"])


def _check_finite(argument: str, array: Array, dtype: np.dtype[Any], scale: float = 1.0, of: Any = None) -> None:
    """Raise unless every value is finite in `dtype`, and so is its product with `scale`; `of` is what users gave."""
    factor = dtype.type(scale)
    if array.dtype == np.uint8 and 255 * scale < float(np.finfo(dtype).max):
        return

    def finite(rows: Array) -> Array:
        values: Array = rows
        if scale != 1 or rows.dtype != dtype:
            with np.errstate(over="ignore"):
                values = rows.astype(dtype)
                values *= factor
        sound: Array = np.isfinite(values)
        return sound

    step = max(1, BLOCK * len(array) // max(1, array.size * dtype.itemsize))
    for start in range(0, len(array), step):
        sound = finite(array[start : start + step])
        if not sound.all():
            row, *column = (int(i) for i in np.argwhere(~sound)[0])
            first = (start + row, *column)
            count = sum(int((~finite(array[at : at + step])).sum()) for at in range(start, len(array), step))
            raise ValueError(_not_finite(argument, array, first, count, dtype, scale, column_names(of)))


def _not_finite(
    argument: str,
    array: Array,
    first: tuple[int, ...],
    count: int,
    dtype: np.dtype[Any],
    scale: float,
    names: list[Any] | None,
) -> str:
    """Say which value is not finite, and why."""
    place = f"row {first[0]}" + (f", column {first[1]}" if len(first) > 1 else "")
    place += f" ({names[first[1]]!r})" if names is not None and len(first) > 1 else ""
    with np.errstate(over="ignore"):
        value = dtype.type(array[first])
    why = ""
    if np.isfinite(value):
        why = f" (times the input_scale {scale:g} it is too large for {dtype})"
    elif np.isfinite(array[first]):
        why = f" ({array[first]} is too large for {dtype})"
    return f"{argument} must be finite: found {value} in {place}{why}, {count} in all; rows and columns count from 0"


def targets(
    y: Any, rows: int, outputs: int, loss: str, dtype: np.dtype[Any], argument: str = "y", beside: str = "X"
) -> tuple[Array, Array]:
    """Check and convert targets. Return (targets, no labels), or (no targets, labels) for integer classes."""
    array = numeric(argument, y, labels=True)
    if array.ndim == 0 or array.shape[0] != rows:
        found = "is a single number" if array.ndim == 0 else f"has {array.shape[0]} rows"
        raise ValueError(f"{argument} {found}; {beside} has {rows} rows")
    if loss == "cross_entropy" and array.ndim == 1:
        return np.empty((0, 0), dtype), _labels(array, outputs, argument)
    if array.ndim == 1 and outputs == 1:
        array = array.reshape(-1, 1)
    if array.ndim != 2 or array.shape[1] != outputs:
        alternative = f" or ({rows},) integer labels" if loss == "cross_entropy" else ""
        if array.ndim == 1 and outputs > 1 and loss != "cross_entropy" and _are_classes(array, outputs):
            alternative = f"; whole numbers from 0 to {outputs - 1}, as here, are classes for loss='cross_entropy'"
        raise ValueError(f"{argument} has shape {array.shape}; wanted ({rows}, {outputs}){alternative}")
    result = canonical(argument, array, dtype, y)
    if loss in ("cross_entropy", "binary_cross_entropy") and (result.min() < 0 or result.max() > 1):
        r, c = (int(i) for i in np.argwhere((result < 0) | (result > 1))[0])
        raise ValueError(
            f"{argument} must be probabilities, 0 to 1, for {loss}: found {result[r, c]:g} in row {r}, column {c}"
        )
    if loss == "cross_entropy":
        sums = result.sum(axis=1, dtype=np.float64)
        if np.abs(sums - 1).max() > 1e-3:
            r = int(np.argmax(np.abs(sums - 1) > 1e-3))
            raise ValueError(f"{argument} must sum to 1 in each row for cross_entropy: row {r} sums to {sums[r]:g}")
    return result, np.empty(0, np.int64)


def _are_classes(array: Array, classes: int) -> bool:
    """Whether each value could be the number of a class."""
    return bool(((array >= 0) & (array < classes) & (array == np.floor(array))).all()) if array.size else False


def _labels(array: Array, classes: int, argument: str) -> Array:
    if array.dtype.kind == "f":
        whole = np.isfinite(array) & (np.floor(array) == array)
        if not whole.all():
            r = int(np.argmin(whole))
            raise ValueError(f"{argument} must be whole numbers, the class of each row: found {array[r]} in row {r}")
    bad = (array < 0) | (array >= classes)
    if bad.any():
        r = int(np.argmax(bad))
        raise ValueError(
            f"{argument} must be classes 0 to {classes - 1} (the network's outputs): found {array[r]} in row {r}"
        )
    return np.require(array, np.int64, ["C", "A", "W", "E"])
