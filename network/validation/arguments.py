"""Numbers, flags, names and sizes that users pass: each is checked here, once, before anything is changed.

This module needs neither NumPy nor the compiler, so that the command line can answer ``--help`` without them; what asks
a dtype imports NumPy itself.
"""

import builtins
import inspect
import itertools
import math
import numbers
import types
from collections.abc import Callable, Iterable, Mapping, Sequence, Set, Sized
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeAlias, TypeVar, get_args

from hotloop.network.validation.printable import shown
from hotloop.network.validation.suggestions import hint

if TYPE_CHECKING:
    import numpy as np

Value = TypeVar("Value")
DTYPES = ("float32", "float64")
MOST_THREADS = 1024
LARGEST = 2**63 - 1  # of a whole number that a compiled loop takes


class Range(NamedTuple):
    """The numbers from `minimum` to below `below`; `minimum` itself is not among them if `open`."""

    minimum: float
    below: float = math.inf
    open: bool = False


ScheduleFunction: TypeAlias = Callable[[int, int], float]  # (step, steps in all) -> value

# Types of hyper-parameters.
Positive = Annotated[float, Range(0, open=True)]
NotNegative = Annotated[float, Range(0)]
Fraction = Annotated[float, Range(0, 1)]
# Of those that may change during a fit: a number, or a schedule, whose values have this range.
ScheduledNumber = Annotated[float | ScheduleFunction, Range(0)]
ScheduledFraction = Annotated[float | ScheduleFunction, Range(0, 1)]
PositiveOrNone = Annotated[float | None, Range(0, open=True)]
NotNegativeOrNone = Annotated[float | None, Range(0)]


def aliases_of(known: Mapping[str, Any]) -> dict[str, str]:
    """Return the other names of what is known: the `aliases` of the rows of a table, where they have any."""
    return {alias: name for name, row in known.items() for alias in getattr(row, "aliases", ())}


def name_of(argument: str, name: Any, known: Mapping[str, Any], listed: Iterable[str] | None = None) -> str:
    """Return the name that `known` has for a name or an alias, or raise an error that lists the names, or `listed`."""
    aliases, names = aliases_of(known), ", ".join(known if listed is None else listed)
    if not isinstance(name, str):
        theirs = getattr(name, "__name__", type(name).__name__)  # torch.nn.ReLU() or its class
        suggestion = hint(argument, theirs, known, aliases) if name is not None and theirs not in dir(builtins) else ""
        raise TypeError(f"{argument} must be a name ({names}), got {shown(name)}.{suggestion}")
    found = aliases.get(name, name)
    if found not in known:
        raise ValueError(f"{argument} {shown(name)} is not known.{hint(argument, name, known, aliases)} Known: {names}")
    return str(found)


def is_function(value: Any) -> bool:
    """Return whether this is a Python function, plain or compiled by Numba, that users may have written."""
    return isinstance(value, types.FunctionType) or hasattr(value, "py_func")


def choose(argument: str, name: Any, known: Mapping[str, Value]) -> Value:
    """Return what `known` has under a name or an alias, or raise an error that lists the names."""
    return known[name_of(argument, name, known)]


def whole_number(argument: str, value: Any, minimum: int, maximum: int | None = None) -> int:
    """Return `value` as an int with minimum <= value <= maximum."""
    if type(value) is not int and (isinstance(value, bool) or not isinstance(value, numbers.Integral)):
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


def real_number(argument: str, value: Any, minimum: float = 0, below: float = math.inf, *, open: bool = False) -> float:
    """Return `value` as a float with minimum <= value < below, or with minimum < value if `open`."""
    if type(value) is not float and (isinstance(value, bool) or not isinstance(value, numbers.Real)):
        raise TypeError(f"{argument} must be a number, got {shown(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not minimum <= number < below or (open and number == minimum):
        lower = f"{'above' if open else 'at least'} {minimum:g}"
        upper = "" if below == math.inf else f" and below {below:g}"
        raise ValueError(f"{argument} must be finite, {lower}{upper}, got {number!r}")
    return number


def scheduled_number(
    argument: str, value: Any, minimum: float = 0, below: float = math.inf
) -> float | ScheduleFunction:
    """Return `value` as a float with minimum <= value < below, or a function of (step, steps) as it is."""
    if not callable(value):
        return real_number(argument, value, minimum, below)
    if isinstance(value, type):
        raise TypeError(f"{argument} must be a number or a schedule, got the class {value.__name__}: make one")
    try:
        inspect.signature(value).bind(0, 1)
    except TypeError:
        found = f"{getattr(value, '__qualname__', type(value).__name__)}{inspect.signature(value)}"
        raise TypeError(f"{argument} must be a number or a function of (step, steps), got {found}") from None
    except ValueError:  # of a function that does not say what it takes
        pass
    schedule: ScheduleFunction = value
    return schedule


def checked_field(name: str, kind: Any, value: Any) -> Any:
    """Return the value of a dataclass's field, checked if the field's type is bool, int or has a `Range`."""
    if kind is bool:
        return flag(name, value)
    if kind is int:
        return whole_number(name, value, 1, LARGEST)
    base, limits = (*get_args(kind), None, None)[:2]
    if not isinstance(limits, Range):
        return value
    if value is None and types.NoneType in get_args(base):
        return None
    if ScheduleFunction in get_args(base):
        return scheduled_number(name, value, limits.minimum, limits.below)
    return real_number(name, value, limits.minimum, limits.below, open=limits.open)


def scale(argument: str, value: Any, dtype: "np.dtype[np.floating]") -> float:
    """Return `value` as a float that is above 0 and finite, in `dtype` too."""
    import numpy as np

    number, limits = real_number(argument, value), np.finfo(dtype)
    if not float(limits.tiny) <= number <= float(limits.max):  # below `tiny` the kernels have zero
        allowed = f"{float(limits.tiny):.3g} to {float(limits.max):.3g}"
        raise ValueError(f"{argument} must be above 0 and finite in {dtype} ({allowed}), got {number!r}")
    return number


def penalty(argument: str, value: Any, dtype: "np.dtype[np.floating]") -> float:
    """Return `value` as a float of at least 0, twice which is finite in `dtype`."""
    import numpy as np

    number, most = real_number(argument, value, 0), float(np.finfo(dtype).max) / 2
    if number > most:
        raise ValueError(f"{argument} must be at most {most:.3g} in {dtype}, got {number!r}")
    return number


def dropout_rates(value: Any, layers: int) -> list[float]:
    """Return the share of units that are dropped, for each of the hidden layers; above 0 it needs one."""
    found = per_layer("dropout", value, layers, dropout_rate)
    if layers == 0 and isinstance(value, numbers.Real) and dropout_rate(value) > 0:
        raise ValueError("dropout is for hidden layers, and this network has none; input_dropout is for inputs")
    return found


def dropout_rate(value: Any) -> float:
    """Return the share of a layer's units that are dropped."""
    return real_number("dropout", value, 0, 1)


def flag(argument: str, value: Any) -> bool:
    """Return `value`, which must be True or False, Python's or NumPy's."""
    if not isinstance(value, bool) and (type(value).__module__, type(value).__name__[:4]) != ("numpy", "bool"):
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


def flags_per_layer(argument: str, value: Any, layers: int) -> list[bool]:
    """Return True or False for each of the hidden layers; True needs one."""
    found = per_layer(argument, value, layers, lambda entry: flag(argument, entry))
    if layers == 0 and value is True:
        raise ValueError(f"{argument} is for hidden layers, and this network has none")
    return found


def sizes_of_network(sizes: Any) -> tuple[int, ...]:
    """Return the sizes of a network's layers, inputs first."""
    import numpy as np

    sequence = isinstance(sizes, Sequence) or (isinstance(sizes, np.ndarray) and sizes.ndim > 0)
    if not sequence or isinstance(sizes, (str, bytes, bytearray, memoryview)):
        raise TypeError(f"sizes must be a sequence of whole numbers such as [64, 32, 10], got {shown(sizes)}")
    if len(sizes) < 2:
        raise ValueError(f"sizes must name at least inputs and outputs, such as [64, 10], got {shown(list(sizes))}")
    return tuple(whole_number(f"sizes[{index}]", size, 1, LARGEST) for index, size in enumerate(sizes))


def floating_dtype(dtype: Any) -> "np.dtype[np.floating]":
    """Return float32 or float64."""
    import numpy as np

    if dtype is None:
        raise TypeError("dtype must be 'float32' or 'float64', got None")
    try:
        found: np.dtype[Any] = np.dtype(dtype)
    except Exception as error:  # NumPy evaluates text as Python
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"dtype must be 'float32' or 'float64', got {shown(dtype)}") from error
    if found not in map(np.dtype, DTYPES):
        raise ValueError(f"dtype must be 'float32' or 'float64', got {found}")
    return found
