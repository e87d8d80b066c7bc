"""What is wrong with the arguments of a kernel, in front of Numba's own error, which begins with its passes.

A kernel checks the types of its arguments when it is compiled for them; whoever calls it, from Python or from compiled
code, then gets this error. A call of what is compiled already does not come here.
"""

import inspect
import re
from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
from numba import types
from numba.core import sigutils
from numba.core.errors import ForceLiteralArg, NumbaError, TypingError

ARRAY = npt.NDArray[Any]  # `jit.Array`
NUMBERS = (types.Number, types.Boolean)
OTHERS = (
    (types.BaseTuple, "a tuple"),
    ((types.List, types.LiteralList, types.ListType), "a list"),
    (types.NoneType, "None"),
    (types.UnicodeType, "text"),
    (types.PyObject, "nothing that Numba has a type for"),
)
FROZEN = (
    "the network's arguments are read-only, as global or enclosing variables of compiled code are, which it copies "
    "when it is compiled: pass net.compiled_arguments() to your function as an argument"
)


class ArgumentError(TypingError, TypeError):
    """A kernel cannot be compiled for the types of its arguments."""


def explain(dispatcher: Any) -> None:
    """Have a kernel say first what is wrong with its arguments when it cannot be compiled for them."""
    compile_for, name = dispatcher.compile, dispatcher.py_func.__name__
    parameters = inspect.signature(dispatcher.py_func).parameters.values()

    def compile_or_explain(signature: Any) -> Any:
        try:
            return compile_for(signature)
        except ForceLiteralArg:  # no fault: the compiler asks to be called again
            raise
        except NumbaError as error:
            given, _ = sigutils.normalize_signature(signature)
            named = [(p.name, p.annotation, kind) for p, kind in zip(parameters, given, strict=True)]
            listed = "".join(f"\n  {parameter}: {in_words(kind)}" for parameter, _, kind in named)
            said = f"{name}: {fault(named, str(error))}; it was given{listed}"
            raise ArgumentError(f"{said}\n\n{error}") from None

    dispatcher.compile = compile_or_explain


def fault(arguments: Sequence[tuple[str, Any, Any]], text: str) -> str:
    """Return what is wrong with arguments, each with its name, annotation and type, about which Numba says `text`."""
    arrays = {name: kind for name, _, kind in arguments if isinstance(kind, types.Array)}
    for name, annotation, kind in arguments:
        if annotation in (int, float) and not isinstance(kind, (*NUMBERS, types.Omitted)):
            return f"{name} must be a number"
        if annotation == ARRAY and name not in arrays:
            return f"{name} must be a NumPy array"
    labels = arrays.get("labels")
    if labels is not None and (labels.ndim != 1 or not isinstance(labels.dtype, types.Integer)):
        return "labels must be integers, 1 dimension"
    if "the network's arguments are read-only" in text:
        return FROZEN
    if "of one dtype in a call" in text or any(array.dtype == types.pyobject for array in arrays.values()):
        return "its arrays must be of one dtype, float32 or float64"
    wrong = re.search(r"takes arrays of (\d) dimensions here; found (\d)", text)
    if wrong:
        return f"an array of {_dimensions(int(wrong[2]))} is where one of {_dimensions(int(wrong[1]))} is wanted"
    scattered = [name for name, array in arrays.items() if array.layout != "C"]
    if "take contiguous arrays" in text and scattered:
        return f"{' and '.join(scattered)} must be contiguous: use numpy.ascontiguousarray"
    frozen = [name for name, array in arrays.items() if not array.mutable]
    if re.search(r"read-?only", text) and frozen:
        return f"{frozen[-1]} is read-only, and is to be overwritten"  # outputs come last
    return "it cannot be compiled for such arguments"


def in_words(kind: Any) -> str:
    """Return a type in words."""
    if not isinstance(kind, types.Array):
        return next((words for kinds, words in OTHERS if isinstance(kind, kinds)), str(kind))
    if isinstance(kind.dtype, types.Record):
        return "a structured array"
    order = {"C": "", "F": " in Fortran order", "A": ", not contiguous"}[kind.layout]
    return f"{kind.dtype} array, {_dimensions(kind.ndim)}{order}{'' if kind.mutable else ', read-only'}"


def _dimensions(count: int) -> str:
    return f"{count} dimension{'' if count == 1 else 's'}"
