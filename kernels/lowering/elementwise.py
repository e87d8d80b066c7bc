"""LLVM code of the copy of `elementwise`."""

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from hotloop.kernels.lowering.vector import check_writable


@intrinsic
def copy(typing_context: Any, source: Any, target: Any) -> Any:
    """Lower `activations.copy`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        from_array, to_array = (
            context.make_array(t)(context, builder, a) for t, a in zip(signature.args, args, strict=True)
        )
        cgutils.raw_memmove(builder, to_array.data, from_array.data, from_array.nitems, from_array.itemsize)
        return context.get_dummy_value()

    check_writable(target)
    return types.void(source, target), codegen
