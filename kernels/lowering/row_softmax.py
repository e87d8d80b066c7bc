"""LLVM code of the scalar store of `row_softmax`."""

from typing import Any

from numba import types
from numba.extending import intrinsic

from hotloop.kernels.lowering.vector import check_writable


@intrinsic
def place(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Lower `softmax.place`: a relaxed atomic store, which is a plain one to the CPU and no part of a vector's."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        address = builder.gep(data, [args[1]])
        builder.store_atomic(args[2], address, "monotonic", signature.args[0].dtype.bitwidth // 8)
        return context.get_dummy_value()

    check_writable(array)
    return types.void(array, types.intp, array.dtype), codegen
