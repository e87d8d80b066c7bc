"""Functions, and what is made of them, as JSON that another process computes alike: what a checkpoint compares.

A function is known by its name and bytecode, its defaults, what it closes over, and the constants and functions that it
names; not by its place in a file, and the same whether it is compiled or not. Of an installed package the name is
enough.
"""

import dis
import functools
import hashlib
import math
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

from hotloop.kernels.function_code import ordered, plain_name
from hotloop.kernels.jit import Array

# Keys; those of a user's variables have no spaces.
NAME, CLASS, CODE, VALUES = "function name", "class name", "code checksum", "values"
PYTHON = str(sys.implementation.cache_tag)  # bytecode of one version can be compared
HOTLOOP, PACKAGES = Path(__file__).parents[2], {"site-packages", "dist-packages"}
MOST = 64  # entries: of longer lists only a checksum is kept
STORES = {"STORE_GLOBAL", "STORE_DEREF", "DELETE_GLOBAL", "DELETE_DEREF"}
PLAIN = bool, int, float, str, bytes, np.generic, np.ndarray  # and tuples of them: constants


def described(value: Any, above: list[Any] | None = None) -> Any:
    """Return a value as JSON; of an object that is neither data nor callable only its class.

    `above` are the functions that were met so far, and what the value is within: none is gone into again.
    """
    above, value = [] if above is None else above, _plain(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (bytes, type)):
        return value.hex() if isinstance(value, bytes) else {CLASS: value.__qualname__}
    if isinstance(value, np.ndarray):
        about = {"array": f"{value.dtype} {value.shape}"}
        return about if value.dtype.hasobject else about | {VALUES: checksum(value)}
    if any(value is other for other in above):
        return f"again {next(index for index, other in enumerate(above) if other is value)}"
    above.append(value)
    found = _described(value, above)
    if not isinstance(value, FunctionType):
        above.pop()
    if isinstance(value, (list, tuple, Mapping)) and len(found) > MOST:
        return {"entries": len(found), VALUES: _hash(found)}
    return found


def _plain(value: Any) -> Any:
    """Return what is within NumPy's numbers, functions that Numba has compiled, and those with a cache."""
    if isinstance(value, np.generic):
        return value.item()
    if callable(value) and not isinstance(value, (FunctionType, MethodType, type)):
        for name in ("py_func", "__wrapped__"):
            if isinstance(inner := getattr(value, name, None), FunctionType):
                return inner
    return value


def _described(value: Any, above: list[Any]) -> Any:
    if isinstance(value, (list, tuple)):
        return [described(entry, above) for entry in value]
    if isinstance(value, (set, frozenset)):
        return sorted(ordered(entry) for entry in value if _is_constant(entry))
    if isinstance(value, Mapping):
        return {str(key): described(entry, above) for key, entry in value.items()}
    if isinstance(value, functools.partial):
        given = {"args": list(value.args), "keywords": dict(value.keywords)}
        return {"partial": described(value.func, above), **described(given, above)}
    if isinstance(value, MethodType):
        function, owner = described(value.__func__, above), described(value.__self__, above)
        return {**function, "self": owner} if isinstance(function, dict) else {"method": function, "self": owner}
    if isinstance(value, FunctionType):
        return _function(value, above)
    return _object(value, above)


def checksum(array: Array) -> str:
    """Return a checksum of an array's bytes."""
    return hashlib.blake2b(np.ascontiguousarray(array).view(np.uint8).data, digest_size=16).hexdigest()


def _object(value: Any, above: list[Any]) -> dict[str, Any]:
    """Return an object's class; if it is callable or a dataclass its attributes, and the code of a user's own class."""
    kind = type(value)
    if isinstance(name := getattr(value, "__name__", None), str):  # a function written in C, for example
        return {NAME: name}
    if not callable(value) and not is_dataclass(kind):
        return {CLASS: kind.__qualname__}
    attributes = {f.name: getattr(value, f.name) for f in fields(value)} if is_dataclass(kind) else vars(value)
    methods = [method for base in kind.__mro__ for method in vars(base).values() if isinstance(method, FunctionType)]
    own = [_bytecode(method.__code__) for method in methods if not _is_installed(method.__code__.co_filename)]
    code = {CODE: {PYTHON: _hash(own)}} if own else {}
    return {CLASS: kind.__qualname__, **code, **{name: described(entry, above) for name, entry in attributes.items()}}


def _function(function: FunctionType, above: list[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {NAME: plain_name(function.__qualname__)}
    code, installed = function.__code__, _is_installed(function.__code__.co_filename)
    if installed and "<locals>" not in function.__qualname__:
        return found
    if not installed:
        found[CODE] = {PYTHON: _hash(_bytecode(code))}
    changed = {step.argval for inner in _codes(code) for step in dis.get_instructions(inner) if step.opname in STORES}
    parts = {
        "defaults": _defaults(function),
        "closes over": dict(_cells(function)),
        "names": {} if installed else dict(_globals(function)),
    }
    for part, values in parts.items():
        kept = {name: described(value, above) for name, value in values.items() if name not in changed}
        if kept:
            found[part] = kept
    return found


def _defaults(function: FunctionType) -> dict[str, Any]:
    values, names = function.__defaults__ or (), function.__code__.co_varnames[: function.__code__.co_argcount]
    return dict(zip(names[len(names) - len(values) :], values, strict=True)) | (function.__kwdefaults__ or {})


def _cells(function: FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # it is empty
            continue


def _globals(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the globals that a function reads, if they are constants or functions."""
    steps = (step for code in _codes(function.__code__) for step in dis.get_instructions(code))
    for name in sorted({step.argval for step in steps if step.opname == "LOAD_GLOBAL"}):
        value = _plain(function.__globals__.get(name))
        if _is_constant(value) or isinstance(value, (FunctionType, functools.partial)):
            yield name, value


def _is_constant(value: Any) -> bool:
    return all(map(_is_constant, value)) if isinstance(value, tuple) else isinstance(value, PLAIN)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and those within it."""
    yield code
    for value in code.co_consts:
        if isinstance(value, CodeType):
            yield from _codes(value)


def _bytecode(code: CodeType) -> list[Any]:
    constants = [_bytecode(value) if isinstance(value, CodeType) else ordered(value) for value in code.co_consts]
    return [code.co_code.hex(), code.co_names, code.co_varnames, code.co_freevars, constants]


def _hash(found: Any) -> str:
    return hashlib.blake2b(repr(found).encode(), digest_size=16).hexdigest()


@cache
def _is_installed(file: str) -> bool:
    """Return whether a source file is hotloop's, Python's, or of an installed package."""
    paths = sysconfig.get_paths()
    places = {HOTLOOP, *(Path(paths[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib"))}
    path = Path(file)
    return not places.isdisjoint(path.parents) or not PACKAGES.isdisjoint(path.parts)
