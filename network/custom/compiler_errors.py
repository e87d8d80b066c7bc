"""Numba's errors about a user's own function in one line: what it returns instead of a number, or what is unknown."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numba import types
from numba.core.errors import NumbaError
from numba.np import numpy_support

NUMBERS = (types.Integer, types.Float, types.Boolean)
OTHERS = (
    (types.NoneType, "nothing"),
    (types.Optional, "nothing in some cases"),
    ((types.UnicodeType, types.StringLiteral), "text"),
    (types.BaseTuple, "a tuple"),
    (types.Array, "an array"),
    (types.Complex, "a complex number"),
)


def in_a_line(
    piece: Any, roles: Sequence[str], dtype: np.dtype[Any], arguments: Sequence[int], wanted: str, error: NumbaError
) -> str:
    """Return why a piece cannot be compiled.

    Parameters
    ----------
    piece : Custom
    roles : sequence of str
        What each of its functions is: "function", "derivative".
    dtype : dtype
        Of the numbers that they take.
    arguments : sequence of int
        What these are: 0 for a number, 1 for a vector.
    wanted : str
        What a function must return, in words.
    error : NumbaError
        Of the loop around the functions. Each is compiled alone here, which shows what it returns, or whose fault it
        is.
    """
    number = numpy_support.from_dtype(dtype)
    given = tuple(types.Array(number, 1, "C") if argument else number for argument in arguments)
    for role, function in zip(roles, piece._pieces, strict=True):
        try:
            function.compile(given)
        except NumbaError as own:
            error = own
            break
        returned = function.overloads[given].signature.return_type
        if not isinstance(returned, NUMBERS):
            found = next((words for kinds, words in OTHERS if isinstance(returned, kinds)), f"a {returned}")
            return f"{piece!r}: the {role} {function.py_func.__name__} returns {found}; {wanted}"
    return f"{piece!r} cannot be compiled by Numba: {_first_line(str(error))}"


def _first_line(message: str) -> str:
    """Return the first line of an error of Numba that says something, and where in the user's file it is."""
    lines = [line.strip() for line in message.splitlines()]
    lines = [line for line in lines if line and not line.startswith("Failed in ")] or ["no reason given"]
    said = lines[0]
    if said.endswith(":") and len(lines) > 1:
        said = f"{said} {lines[1].removeprefix('>>> ')}"
    place = re.search(r'^File "(.+)", line (\d+)', message, re.MULTILINE)
    return said if place is None else f"{said} ({Path(place[1]).name}, line {place[2]})"
