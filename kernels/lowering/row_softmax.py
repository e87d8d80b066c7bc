"""LLVM code of the transposing copies of `row_softmax`."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from hotloop.kernels.lowering.vector import LANE, Vector, broadcast, check_elements, check_writable, data_of, lanes

INDEX = ir.IntType(64)
ROWS = 16


@intrinsic
def to_columns(typing_context: Any, source: Any, at: Any, stride: Any, rows: Any, block: Any, ot: Any) -> Any:
    """Lower `row_softmax.to_columns`."""
    check_elements(source.dtype, block.dtype)
    element = block.dtype

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector, count = context.get_value_type(Vector(element)), lanes(element)
        places = _rows(builder, _element(context, builder, signature, args, 0), args[2], args[3])
        target = _element(context, builder, signature, args, 4)
        for r in range(0, ROWS, count):
            columns = _transposed(builder, [_load(builder, place, vector) for place in places[r : r + count]])
            for p, column in enumerate(columns):
                _store(builder, column, builder.gep(target, [ir.Constant(INDEX, ROWS * p + r)]))
        return context.get_dummy_value()

    index = types.intp
    return types.void(source, index, index, index, block, index), codegen


@intrinsic
def to_rows(typing_context: Any, block: Any, ot: Any, target: Any, at: Any, stride: Any, rows: Any) -> Any:
    """Lower `row_softmax.to_rows`: rows that are missing are written to the last, before it."""
    check_elements(block.dtype, target.dtype)
    check_writable(target)
    element = block.dtype

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector, count = context.get_value_type(Vector(element)), lanes(element)
        source = _element(context, builder, signature, args, 0)
        places = _rows(builder, _element(context, builder, signature, args, 2), args[4], args[5])
        for r in range(ROWS - count, -1, -count):
            columns = [builder.gep(source, [ir.Constant(INDEX, ROWS * p + r)]) for p in range(count)]
            lines = _transposed(builder, [_load(builder, column, vector) for column in columns])
            for place, line in zip(places[r : r + count][::-1], lines[::-1], strict=True):
                _store(builder, line, place)
        return context.get_dummy_value()

    index = types.intp
    return types.void(block, index, target, index, index, index), codegen


@intrinsic
def place(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Lower `row_softmax.place`: a relaxed atomic store, which is a plain one to the CPU and no part of a vector's."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _element(context, builder, signature, args, 0)
        builder.store_atomic(args[2], address, "monotonic", signature.args[0].dtype.bitwidth // 8)
        return context.get_dummy_value()

    check_writable(array)
    return types.void(array, types.intp, array.dtype), codegen


@intrinsic
def larger(typing_context: Any, values: Any, top: Any) -> Any:
    """Lower `row_softmax.larger`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<=", *args), args[1], args[0])

    return top(values, top), codegen


@intrinsic
def spread(typing_context: Any, array: Any, value: Any) -> Any:
    """Lower `row_softmax.spread`."""
    vector = Vector(array.dtype)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return broadcast(builder, args[1], context.get_value_type(vector))

    return vector(array, array.dtype), codegen


def _element(context: Any, builder: Any, signature: Any, args: Any, position: int) -> Any:
    """Return the address of an argument's element, whose index is the argument after it."""
    return builder.gep(data_of(context, builder, signature.args[position], args[position]), [args[position + 1]])


def _rows(builder: Any, first: Any, stride: Any, rows: Any) -> list[Any]:
    """Return the addresses of `ROWS` rows, the last one's for those that are missing."""
    last = builder.sub(rows, ir.Constant(INDEX, 1))
    numbers = [ir.Constant(INDEX, r) for r in range(ROWS)]
    places = [builder.select(builder.icmp_signed("<", r, last), r, last) for r in numbers]
    return [builder.gep(first, [builder.mul(place, stride)]) for place in places]


def _load(builder: Any, address: Any, vector: Any) -> Any:
    value = builder.load(builder.bitcast(address, vector.as_pointer()))
    value.align = 4
    return value


def _store(builder: Any, value: Any, address: Any) -> None:
    builder.store(value, builder.bitcast(address, value.type.as_pointer())).align = 4


def _transposed(builder: Any, lines: list[Any]) -> list[Any]:
    """Return the columns of as many vectors as each has elements: log2 of these rounds of interleaving in pairs."""
    count = len(lines)
    low = [i // 2 + count * (i % 2) for i in range(count)]
    orders = [ir.Constant(ir.VectorType(LANE, count), [i + shift for i in low]) for shift in (0, count // 2)]
    for _ in range(count.bit_length() - 1):
        pairs = zip(lines[: count // 2], lines[count // 2 :], strict=True)
        lines = [builder.shuffle_vector(a, b, order) for a, b in pairs for order in orders]
    return lines
