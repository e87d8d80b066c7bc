"""LLVM code of the views and checks of `views`."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from hotloop.kernels.lowering.vector import VECTOR_BYTES, check_elements, data_of, lanes

POINTER = ir.IntType(8).as_pointer()
WORD_BYTES = 8  # of an address


def _itemsize(array: Any) -> int:
    return int(array.dtype.bitwidth // 8)


def _view(context: Any, builder: Any, array_type: Any, data: Any, shape: Any, strides: Any) -> Any:
    """Return an array value that owns nothing, so that no reference is counted."""
    view = context.make_array(array_type)(context, builder)
    itemsize = context.get_constant(types.intp, array_type.dtype.bitwidth // 8)
    populate_array(view, data=data, shape=shape, strides=strides, itemsize=itemsize, meminfo=None)
    return view._getvalue()


def _contiguous(array: Any) -> Any:
    return types.Array(array.dtype, 1, "C", readonly=not array.mutable)


@intrinsic
def segment(typing_context: Any, array: Any, offset: Any, size: Any) -> Any:
    """Lower `views.segment`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = builder.gep(data_of(context, builder, signature.args[0], args[0]), [args[1]])
        itemsize = context.get_constant(types.intp, signature.return_type.dtype.bitwidth // 8)
        return _view(context, builder, signature.return_type, data, [args[2]], [itemsize])

    return _contiguous(array)(array, types.intp, types.intp), codegen


@intrinsic
def readable(typing_context: Any, array: Any) -> Any:
    """Lower `views.readable`: the same memory, of another type."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return args[0]

    return array.copy(readonly=False)(array), codegen


def _nothing(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return context.get_dummy_value()


def _check_arrays(arrays: Any, ndim: int | None) -> None:
    for array in arrays:
        if not isinstance(array, types.Array):
            raise TypingError(f"hotloop's kernels take NumPy arrays; found {array}")
        if ndim is not None and array.ndim != ndim:
            raise TypingError(f"this kernel takes arrays of {ndim} dimensions here; found {array.ndim}")
    check_elements(*(array.dtype for array in arrays))


@intrinsic
def check_dtype(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """Lower `views.check_dtype`: nothing is left of it in the compiled code."""
    _check_arrays((a, b, c), None)
    return types.void(a, b, c), _nothing


@intrinsic
def check_vectors(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """Lower `views.check_vectors`."""
    _check_arrays((a, b, c), 1)
    return types.void(a, b, c), _nothing


@intrinsic
def check_matrices(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """Lower `views.check_matrices`."""
    _check_arrays((a, b, c), 2)
    return types.void(a, b, c), _nothing


@intrinsic
def check_writable(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """Lower `views.check_writable`."""
    _check_arrays((a,), 1)
    if not all(isinstance(array, types.Array) and array.mutable for array in (a, b, c)):
        raise TypingError("the network's arguments are read-only")
    return types.void(a, b, c), _nothing


@intrinsic
def vector_of(typing_context: Any, array: Any) -> Any:
    """Lower `views.vector_of`."""
    _check_arrays((array,), None)
    if array.layout != "C":
        raise TypingError("elementwise kernels take contiguous arrays: use numpy.ascontiguousarray")

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = context.make_array(signature.args[0])(context, builder, args[0])
        itemsize = context.get_constant(types.intp, signature.return_type.dtype.bitwidth // 8)
        return _view(context, builder, signature.return_type, source.data, [source.nitems], [itemsize])

    return _contiguous(array)(array), codegen


@intrinsic
def matrix(typing_context: Any, array: Any, offset: Any, rows: Any, columns: Any, stride: Any) -> Any:
    """Lower `views.matrix`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = builder.gep(data_of(context, builder, signature.args[0], args[0]), [args[1]])
        itemsize = context.get_constant(types.intp, signature.return_type.dtype.bitwidth // 8)
        strides = [builder.mul(args[4], itemsize), itemsize]
        return _view(context, builder, signature.return_type, data, [args[2], args[3]], strides)

    view = types.Array(array.dtype, 2, "A", readonly=not array.mutable)
    return view(array, types.intp, types.intp, types.intp, types.intp), codegen


@intrinsic
def row(typing_context: Any, array: Any, index: Any) -> Any:
    """Lower `views.row`."""
    if getattr(array, "ndim", 2) != 2:
        raise TypingError("rows are those of a matrix")

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = context.make_array(signature.args[0])(context, builder, args[0])
        itemsize = context.get_constant(types.intp, signature.return_type.dtype.bitwidth // 8)
        stride = cgutils.unpack_tuple(builder, source.strides, 2)[0]
        size = cgutils.unpack_tuple(builder, source.shape, 2)[1]
        data = cgutils.pointer_add(builder, source.data, builder.mul(args[1], stride), source.data.type)
        return _view(context, builder, signature.return_type, data, [size], [itemsize])

    return _contiguous(array)(array, types.intp), codegen


@intrinsic
def reinterpret(typing_context: Any, values: Any, dtype: Any) -> Any:
    """Lower `views.reinterpret`. Elements need not be aligned: the file that they are in may have a header."""
    view = types.Array(dtype.dtype, 1, "C", readonly=not values.mutable, aligned=False)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = context.make_array(signature.args[0])(context, builder, args[0])
        itemsize = context.get_constant(types.intp, view.dtype.bitwidth // 8)
        data = builder.bitcast(source.data, context.get_value_type(view.dtype).as_pointer())
        return _view(context, builder, view, data, [builder.udiv(source.nitems, itemsize)], [itemsize])

    return view(values, dtype), codegen


def _in_frame(result: Any, count: int) -> Any:
    """Return the code of an array of `count` elements in the function's frame."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        element = context.get_data_type(result.dtype)
        with builder.goto_entry_block():  # cgutils.alloca_once would fill it with zeros at each call
            memory = builder.alloca(ir.ArrayType(element, count))
        memory.align = VECTOR_BYTES
        data = builder.bitcast(memory, element.as_pointer())
        itemsize = context.get_constant(types.intp, result.dtype.bitwidth // 8)
        return _view(context, builder, result, data, [context.get_constant(types.intp, count)], [itemsize])

    return codegen


def _constant(size: Any) -> int:
    if not isinstance(size, types.IntegerLiteral):
        raise TypeError("the size of a stack array is a constant")
    return int(size.literal_value)


@intrinsic(prefer_literal=True)
def stack_array(typing_context: Any, like: Any, size: Any) -> Any:
    """Lower `views.stack_array`: memory in the function's frame, taken once however often the call stands in a loop."""
    result = types.Array(like.dtype, 1, "C")
    return result(like, size), _in_frame(result, _constant(size))


@intrinsic(prefer_literal=True)
def stack_vectors(typing_context: Any, like: Any, count: Any) -> Any:
    """Lower `views.stack_vectors`."""
    result = types.Array(like.dtype, 1, "C")
    return result(like, count), _in_frame(result, _constant(count) * lanes(like.dtype))


@intrinsic
def heap_array(typing_context: Any, like: Any, size: Any) -> Any:
    """Lower `views.heap_array`, by the allocator of Numba's runtime.

    It starts on a cache line, so that no vector lies on two; the word before it is the address to be freed.
    """
    result = types.Array(like.dtype, 1, "C")

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        element = context.get_data_type(result.dtype)
        kind = ir.FunctionType(POINTER, [context.get_value_type(types.intp)])
        allocate = cgutils.get_or_insert_function(builder.module, kind, "NRT_Allocate")
        itemsize = context.get_constant(types.intp, _itemsize(result))
        more = context.get_constant(types.intp, VECTOR_BYTES + WORD_BYTES)
        memory = builder.call(allocate, [builder.add(builder.mul(args[1], itemsize), more)])
        with cgutils.if_unlikely(builder, cgutils.is_null(builder, memory)):
            context.call_conv.return_user_exc(builder, MemoryError, ("no memory for a hotloop kernel's scratch",))
        word = context.get_value_type(types.intp)
        end = builder.add(builder.ptrtoint(memory, word), more)
        start = builder.inttoptr(builder.and_(end, context.get_constant(types.intp, -VECTOR_BYTES)), POINTER)
        builder.store(memory, _word_before(context, builder, start))
        return _view(context, builder, result, builder.bitcast(start, element.as_pointer()), [args[1]], [itemsize])

    return result(like, types.intp), codegen


def _word_before(context: Any, builder: Any, address: Any) -> Any:
    """Return where the pointer before an address is."""
    place = cgutils.pointer_add(builder, address, context.get_constant(types.intp, -WORD_BYTES))
    return builder.bitcast(place, POINTER.as_pointer())


@intrinsic
def free(typing_context: Any, array: Any) -> Any:
    """Lower `views.free`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        give_back = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [POINTER]), "NRT_Free"
        )
        data = builder.bitcast(data_of(context, builder, signature.args[0], args[0]), POINTER)
        builder.call(give_back, [builder.load(_word_before(context, builder, data))])
        return context.get_dummy_value()

    return types.void(array), codegen
