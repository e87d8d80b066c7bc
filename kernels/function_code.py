"""What a function's machine code depends on besides its source file: its bytecode, and the values that it names."""

import dis
import hashlib
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import numpy as np
from numba.core import serialize


def code_of(function: Any, seen: list[Any] | None = None) -> list[bytes]:
    """Return a function's bytecode, what it closes over, and the global constants that it names.

    Of a compiled function its code is returned, unless it is one of those `seen`: its pickle differs from process to
    process. The globals of hotloop's kernels are in their source; those of a notebook are in other cells.
    """
    seen = [] if seen is None else seen
    seen.append(function)
    parts = [repr(_constants(function.__code__)).encode()]
    values = [cell.cell_contents for cell in function.__closure__ or ()]
    for name in () if is_ours(function) else _names(function.__code__):
        value = function.__globals__.get(name)
        if hasattr(value, "py_func"):
            values += [name, value]
        else:
            parts.append(f"{name} {_constant(value)}".encode())
    for value in values:
        inner = getattr(value, "py_func", None)
        if inner is None:
            parts.append(serialize.dumps(value))
        elif inner in seen:
            parts.append(b"%d" % seen.index(inner))
        else:
            path = Path(inner.__code__.co_filename)
            parts += [path.read_bytes() if path.is_file() else b"", *code_of(inner, seen)]
    return parts


def named_by_code(function: Any) -> Any:
    """Return a copy of a function, under a qualified name that says what it does: see `symbol`."""
    copy = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__, copy.__module__ = function.__kwdefaults__, function.__module__
    copy.__qualname__ = symbol(function.__qualname__, hash_of(*code_of(function)))
    return copy


def symbol(name: str, code: str) -> str:
    """Return a qualified name with a hash of the code, in place of one that it may have.

    Numba links functions by qualified name, types, and a number that it counts up in each process. Two with one name
    that different processes compiled may so have one symbol, and in a process that loads both from the cache the first
    is called for the second.
    """
    return f"{plain_name(name)}@{code[:16]}"


def plain_name(name: str) -> str:
    """Return a qualified name without the hash of `symbol`."""
    return name.partition("@")[0]


def is_ours(function: Any) -> bool:
    """Whether a function is in a file of `hotloop.kernels`."""
    return Path(__file__).parent in Path(function.__code__.co_filename).parents


def _names(code: CodeType) -> list[str]:
    """Return the names of the globals that a function, or one inside it, reads."""
    inner = [name for value in code.co_consts if isinstance(value, CodeType) for name in _names(value)]
    return sorted({*inner, *(step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL")})


def _constant(value: Any) -> str | None:
    """Return a global variable as text if Numba compiles it into the code as a constant, else None.

    Not as a pickle: that of a class, such as a named tuple's, may differ from process to process.
    """
    if isinstance(value, tuple):
        return f"{type(value).__qualname__} {[_constant(item) for item in value]}"
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return f"{value.dtype} {value.shape} {value.strides} {hash_of(value.tobytes())}"
    return repr(value) if isinstance(value, (int, float, complex, str, bytes, np.generic)) else None


def _constants(code: CodeType) -> list[Any]:
    """Return what a code object does, without its place in the file."""
    constants = [_constants(value) if isinstance(value, CodeType) else ordered(value) for value in code.co_consts]
    return [code.co_code, code.co_names, code.co_varnames, constants]


def ordered(value: Any) -> str:
    """Return a value as text; a set sorted, since its order differs from process to process."""
    return str(sorted(map(repr, value))) if isinstance(value, (set, frozenset)) else repr(value)


def hash_of(*parts: bytes) -> str:
    """Return a hash of some parts, which depends on where each ends."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()
