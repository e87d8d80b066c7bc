"""LLVM code of calls by address: of the C wrapper that Numba compiles for each dispatcher, or without one."""

from collections.abc import Callable
from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import typing
from numba.extending import intrinsic
from numba.np import numpy_support

from hotloop.kernels.records import Matrix

_keep_alive: list[Any] = []


@cache
def address_of(function: Callable[..., Any], dtype: Any, *arguments: Any, returns: Any = None) -> int:
    """Compile a kernel, or load it from the cache, and return the address of its C wrapper, or its own without one."""
    scalar = numpy_support.from_dtype(dtype)
    given = [_type_of(scalar, argument) for argument in arguments]
    result = types.none if returns is None else numpy_support.from_dtype(returns)
    dispatcher: Any = function
    if returns is None:
        dispatcher.compile(tuple(given))  # as a call does: a signature would get a place of its own in the cache
    compiled = dispatcher.get_compile_result(typing.signature(result, *given))
    _keep_alive.append(compiled)
    described = compiled.fndesc
    bare = dispatcher.targetoptions.get("no_cfunc_wrapper", False)
    name = described.llvm_func_name if bare else described.llvm_cfunc_wrapper_name
    return int(compiled.library.get_pointer_to_function(name))


def _type_of(scalar: Any, argument: Any) -> Any:
    """Return the type of an argument: of arrays of `scalar`."""
    if argument is Matrix:
        return types.NamedTuple([types.Array(scalar, 1, "C"), *[types.int64] * 3], Matrix)
    return types.Array(scalar, argument, "C") if argument > 0 else {0: types.float64, -1: types.int64}[argument]


def _call(result: Any, arguments: Any) -> Any:
    """Return the signature and the code of a call that returns `result`."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer, packed = values
        passed = [builder.extract_value(packed, i) for i in range(len(arguments))]
        returned = ir.VoidType() if result == types.void else context.get_value_type(result)
        function = ir.FunctionType(returned, [context.get_value_type(kind) for kind in arguments])
        value = builder.call(builder.inttoptr(pointer, function.as_pointer()), passed)
        return context.get_dummy_value() if result == types.void else value

    return result(types.int64, types.StarArgTuple(arguments)), codegen


@intrinsic
def call(typing_context: Any, address: Any, *arguments: Any) -> Any:
    """Lower `by_address.call`."""
    return _call(types.void, arguments)


@intrinsic
def call_for_float(typing_context: Any, address: Any, *arguments: Any) -> Any:
    """Lower `by_address.call_for_float`."""
    return _call(types.float64, arguments)


@intrinsic
def call_apart(typing_context: Any, address: Any, *arguments: Any) -> Any:
    """Lower `by_address.call_apart`: a call in Numba's own convention, without the copies of a C wrapper."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer, packed = values
        passed = [builder.extract_value(packed, i) for i in range(len(arguments))]
        function = context.call_conv.get_function_type(types.none, arguments)
        pointer = builder.inttoptr(pointer, function.as_pointer())
        context.call_conv.call_function(builder, pointer, types.none, arguments, passed)
        return context.get_dummy_value()

    return types.void(types.int64, types.StarArgTuple(arguments)), codegen
