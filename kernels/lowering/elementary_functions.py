"""LLVM code of the primitives of `elementary_functions`: each is a few instructions written into its caller."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from hotloop.kernels.lowering.vector import FLAGS

# Bits of the mantissa, the exponent of 1, and the bits of sqrt(1/2), of 1.5 * 2**mantissa.
FORMATS = {32: (23, 127, 0x3F3504F3, 0x4B400000), 64: (52, 1023, 0x3FE6A09E667F3BCD, 0x4338000000000000)}


@intrinsic
def choose(typing_context: Any, x: Any, for32: Any, for64: Any) -> Any:
    """Lower `choose`."""
    index = 1 if x == types.float32 else 2

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return args[index]

    return (for32 if index == 1 else for64)(x, for32, for64), codegen


@intrinsic
def polynomial(typing_context: Any, x: Any, coefficients: Any) -> Any:
    """Lower `polynomial`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        terms = [builder.extract_value(args[1], k) for k in range(signature.args[1].count)]
        total = terms.pop()
        while terms:
            total = builder.fadd(builder.fmul(total, args[0], flags=FLAGS), terms.pop(), flags=FLAGS)
        return total

    return x(x, coefficients), codegen


@intrinsic
def power_of_two(typing_context: Any, shifted: Any) -> Any:
    """Lower `power_of_two`: integer arithmetic on the bits, so that a NaN is no undefined behaviour."""
    mantissa, bias, _, _ = FORMATS[shifted.bitwidth]

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        integer = ir.IntType(signature.args[0].bitwidth)
        exponent = builder.shl(builder.bitcast(args[0], integer), ir.Constant(integer, mantissa))
        biased = builder.add(exponent, ir.Constant(integer, bias << mantissa))
        return builder.bitcast(biased, args[0].type)

    return shifted(shifted), codegen


@intrinsic
def split(typing_context: Any, x: Any) -> Any:
    """Lower `split`: the exponent becomes a number in the mantissa of a large one, as in `power_of_two`."""
    mantissa, bias, root, shift = FORMATS[x.bitwidth]

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        integer = ir.IntType(signature.args[0].bitwidth)
        bits = builder.bitcast(args[0], integer)
        from_root = builder.add(bits, ir.Constant(integer, (bias << mantissa) - root))
        exponent = builder.lshr(from_root, ir.Constant(integer, mantissa))
        raised = builder.bitcast(builder.add(exponent, ir.Constant(integer, shift)), args[0].type)
        offset = ir.Constant(args[0].type, float(3 * 2 ** (mantissa - 1) + bias))
        n = builder.fsub(raised, offset)
        above = builder.sub(
            builder.shl(exponent, ir.Constant(integer, mantissa)), ir.Constant(integer, bias << mantissa)
        )
        m = builder.bitcast(builder.sub(bits, above), args[0].type)
        return context.make_tuple(builder, signature.return_type, [m, n])

    return types.UniTuple(x, 2)(x), codegen
