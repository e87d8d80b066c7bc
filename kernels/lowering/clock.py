"""LLVM code of the two clocks of `clock`, and of the bins of its laps."""

from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

# LLVM's name of what a program may read at any time: on x86-64 the time-stamp counter, which has ticked at a constant
# rate since 2008; elsewhere one that does by its definition (AArch64's CNTVCT_EL0), since there cycles are not for all.
COUNTERS = {"x86_64": "llvm.readcyclecounter"}
COUNTER_ELSEWHERE = "llvm.readsteadycounter"
MONOTONIC = {"linux": 1, "darwin": 6}  # the C library's number of CLOCK_MONOTONIC
INT32, INT64 = ir.IntType(32), ir.IntType(64)


def has_monotonic_clock() -> bool:
    """Return whether the C library has a clock that compiled code can call."""
    return binding.address_of_symbol("clock_gettime") is not None


@intrinsic
def cycle_counter(typing_context: Any) -> Any:
    """Lower `clock.cycle_counter`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        name = COUNTERS.get(builder.module.triple.split("-")[0], COUNTER_ELSEWHERE)
        return builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(INT64, []), name), [])

    return types.int64(), codegen


@intrinsic
def monotonic_clock(typing_context: Any) -> Any:
    """Lower `clock.monotonic_clock`; where there is none it is the counter."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        system = "darwin" if "darwin" in builder.module.triple else "linux"
        timespec = cgutils.alloca_once(builder, ir.ArrayType(INT64, 2))
        kind = ir.FunctionType(INT32, [INT32, timespec.type])
        function = cgutils.get_or_insert_function(builder.module, kind, "clock_gettime")
        builder.call(function, [INT32(MONOTONIC[system]), timespec])
        now = builder.load(timespec)
        seconds, nanoseconds = builder.extract_value(now, 0), builder.extract_value(now, 1)
        return builder.add(builder.mul(seconds, INT64(10**9)), nanoseconds)

    if not has_monotonic_clock():
        return cycle_counter(typing_context)
    return types.int64(), codegen


@intrinsic
def bit_length(typing_context: Any, value: Any) -> Any:
    """Lower `clock.bit_length`: 64 less the leading zeros."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.sub(INT64(64), builder.ctlz(args[0], ir.IntType(1)(0)))

    return types.int64(types.int64), codegen
