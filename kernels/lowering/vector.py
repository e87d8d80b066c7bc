"""The vector type, and what the files of this folder share.

A vector is 64 bytes, 16 floats or 8 doubles: LLVM splits it into whatever registers the CPU has (two of AVX2, one of
AVX-512, four of NEON), so nothing here names an instruction set.
"""

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model

VECTOR_BYTES = 64
FLAGS = ("contract", "nsz", "arcp")  # "contract" joins the product and the sum into one fused multiply-add
LANE = ir.IntType(32)


class Vector(types.Type):
    """The Numba type of a vector of `element`."""

    def __init__(self, element: Any) -> None:
        self.element = element
        super().__init__(name=f"Vector({element})")


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    """A vector is one LLVM value."""

    def __init__(self, manager: Any, fe_type: Any) -> None:
        element = manager.lookup(fe_type.element).get_value_type()
        super().__init__(manager, fe_type, ir.VectorType(element, lanes(fe_type.element)))


def _arithmetic(function: Any, instruction: str) -> None:
    """Define an operator between two vectors."""

    @infer_global(function)
    class Operator(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            if len(args) == 2 and isinstance(args[0], Vector) and args[0] == args[1]:
                return signature(args[0], *args)
            return None

    @lower_builtin(function, Vector, Vector)
    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args, flags=FLAGS)


for _function, _instruction in (
    (operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv"),
):  # fmt: skip
    _arithmetic(_function, _instruction)


def lanes(element: Any) -> int:
    """Return how many values of the Numba type `element` a vector holds."""
    return int(VECTOR_BYTES * 8 // element.bitwidth)


def data_of(context: Any, builder: Any, array_type: Any, array: Any) -> Any:
    """Return the address of an array's first element."""
    return context.make_array(array_type)(context, builder, array).data


def broadcast(builder: Any, scalar: Any, vector_type: Any) -> Any:
    """Return a vector of one value."""
    undefined = ir.Constant(vector_type, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(LANE, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(LANE, vector_type.count), None))


def check_elements(*elements: Any) -> None:
    """Raise, while compiling, unless all element types are float32 or all are float64."""
    if len(set(elements)) > 1 or elements[0] not in (types.float32, types.float64):
        found = " and ".join(str(element) for element in elements)
        raise TypingError(f"hotloop's kernels take float32 or float64 arrays, of one dtype in a call; found {found}")


def check_writable(array: Any) -> None:
    """Raise, while compiling, if an array is read-only."""
    if not array.mutable:
        raise TypingError("an output of a hotloop kernel is read-only")
