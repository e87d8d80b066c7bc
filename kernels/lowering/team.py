"""LLVM code of the operations of `team`.

Atomic access to words of an int64 array, and the ways to wait. What a platform lacks is left out, or replaced: without
an instruction for waiting loops there is none, without Linux's futex a sleep has a fixed length, and without usleep
(Windows) a thread that should sleep goes on looking.
"""

from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ALIGNMENT = 8  # of a word; LLVM wants it before it makes an atomic access one instruction
ORDER = "seq_cst"
# By LLVM's name of the machine: its instruction for waiting loops (1 is YIELD), and Linux's number of the call futex.
HINTS = {"x86_64": ("llvm.x86.sse2.pause", ()), "aarch64": ("llvm.aarch64.hint", (1,))}
FUTEX = {"x86_64": 202, "aarch64": 98}
WAIT, WAKE = 128, 129  # FUTEX_WAIT and FUTEX_WAKE, within one process
EVERYONE = 2**31 - 1
INT32, INT64 = ir.IntType(32), ir.IntType(64)


def _address(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Return the address of args[0][args[1]]."""
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.gep(array.data, [args[1]])


def _call_system(builder: Any, name: str, result: Any, *arguments: Any, fixed: int | None = None) -> bool:
    """Call a function of the C library and return True; False if the process has none: the call would end it."""
    if binding.address_of_symbol(name) is None:
        return False
    kinds = [argument.type for argument in arguments][:fixed]
    kind = ir.FunctionType(result, kinds, var_arg=fixed is not None)
    builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)
    return True


def _futex(builder: Any, address: Any, operation: int, value: Any, *more: Any) -> bool:
    """Call futex on the lower half of a word, which comes first; False if there is none."""
    machine, _, system = builder.module.triple.partition("-")
    if machine not in FUTEX or "linux" not in system:
        return False
    number, operation = INT64(FUTEX[machine]), INT64(operation)
    return _call_system(builder, "syscall", INT64, number, address, operation, value, *more, fixed=1)


@intrinsic
def atomic_load(typing_context: Any, words: Any, index: Any) -> Any:
    """Lower `team.atomic_load`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_address(context, builder, signature, args), ORDER, ALIGNMENT)

    return types.int64(words, types.intp), codegen


@intrinsic
def atomic_add(typing_context: Any, words: Any, index: Any, value: Any) -> Any:
    """Lower `team.atomic_add`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", _address(context, builder, signature, args), args[2], ORDER)

    return types.int64(words, types.intp, types.int64), codegen


@intrinsic
def pause(typing_context: Any) -> Any:
    """Lower `team.pause`: LLVM has no name for it that holds on every CPU."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        machine = builder.module.triple.split("-")[0].replace("arm64", "aarch64")
        if machine in HINTS:
            name, operands = HINTS[machine]
            kind = ir.FunctionType(ir.VoidType(), [INT32] * len(operands))
            hint = builder.module.declare_intrinsic(name, (), kind)
            builder.call(hint, [INT32(operand) for operand in operands])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic(prefer_literal=True)
def sleep(typing_context: Any, words: Any, index: Any, value: Any, longest: Any, fixed: Any) -> Any:
    """Lower `team.sleep`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, signature, args)
        timespec = cgutils.alloca_once_value(
            builder, ir.Constant(ir.ArrayType(INT64, 2), [0, longest.literal_value * 1000])
        )
        if not _futex(builder, address, WAIT, args[2], timespec):
            _call_system(builder, "usleep", INT32, INT32(fixed.literal_value))
        return context.get_dummy_value()

    return types.void(words, types.intp, types.int64, longest, fixed), codegen


@intrinsic
def wake(typing_context: Any, words: Any, index: Any) -> Any:
    """Lower `team.wake`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _futex(builder, _address(context, builder, signature, args), WAKE, INT64(EVERYONE))
        return context.get_dummy_value()

    return types.void(words, types.intp), codegen
