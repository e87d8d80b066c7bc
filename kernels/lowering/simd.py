"""LLVM code of the vector operations, the micro-kernel and the transposing copy of `simd`.

The micro-kernel is generated for any height and width, since Numba has no vector registers and LLVM keeps nothing in
them that is indexed by a variable: in Python each shape would be a function. Where the height is known only at run
time, a loop is generated for each.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

from hotloop.kernels.lowering.vector import FLAGS, Vector, broadcast, check_elements, check_writable, data_of, lanes

INDEX = ir.IntType(64)
FIRST_LEVEL, SECOND_LEVEL = 3, 2  # caches, in LLVM's numbers of locality


def _at(builder: Any, address: Any, index: Any) -> Any:
    return builder.gep(address, [index])


def _constant(value: int) -> Any:
    return ir.Constant(INDEX, value)


def _constant_of(number: Any) -> int:
    if not isinstance(number, types.IntegerLiteral):
        raise TypingError("the numbers of rows and vectors of a micro-kernel are constants")
    return int(number.literal_value)


def _vector_address(context: Any, builder: Any, signature: Any, args: Any) -> tuple[Any, int]:
    """Return the address of args[0][args[1]] as a vector's, and its alignment, an element's."""
    array_type = signature.args[0]
    vector_type = context.get_value_type(Vector(array_type.dtype))
    address = builder.gep(data_of(context, builder, array_type, args[0]), [args[1]])
    return builder.bitcast(address, vector_type.as_pointer()), array_type.dtype.bitwidth // 8


@intrinsic
def width(typing_context: Any, array: Any) -> Any:
    """Lower `simd.width`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.get_constant(types.intp, lanes(signature.args[0].dtype))

    return types.intp(array), codegen


@intrinsic
def load(typing_context: Any, array: Any, index: Any) -> Any:
    """Lower `simd.load`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address, alignment = _vector_address(context, builder, signature, args)
        value = builder.load(address)
        value.align = alignment
        return value

    check_elements(array.dtype)
    return Vector(array.dtype)(array, types.intp), codegen


@intrinsic
def item(typing_context: Any, array: Any, index: Any) -> Any:
    """Lower `simd.item`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(builder.gep(data_of(context, builder, signature.args[0], args[0]), [args[1]]))

    return array.dtype(array, types.intp), codegen


@intrinsic
def store(typing_context: Any, array: Any, index: Any, vector: Any) -> Any:
    """Lower `simd.store`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address, alignment = _vector_address(context, builder, signature, args)
        builder.store(args[2], address).align = alignment
        return context.get_dummy_value()

    check_elements(array.dtype, vector.element)
    check_writable(array)
    return types.void(array, types.intp, vector), codegen


@intrinsic
def prefetch(typing_context: Any, array: Any, index: Any) -> Any:
    """Lower `simd.prefetch`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = builder.gep(data_of(context, builder, signature.args[0], args[0]), [args[1]])
        _prefetch(builder, address, SECOND_LEVEL)
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen


def _prefetch(builder: Any, address: Any, cache: int) -> None:
    """Generate a prefetch of an address, to read, of data, for the first- or second-level cache."""
    number, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [builder.bitcast(address, pointer), number(0), number(cache), number(1)])


@intrinsic(prefer_literal=True)
def micro_kernel(
    typing_context: Any, mr: Any, nr: Any, a: Any, b: Any, depth: Any, scale: Any, initial: Any, c: Any
) -> Any:
    """Lower `simd.micro_kernel`."""
    operands = _operands(a, b, initial, c)
    height, width = _constant_of(mr), _constant_of(nr)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _compute(context, builder, operands, args[2:], height, width)
        return context.get_dummy_value()

    return types.void(mr, nr, *operands), codegen


@intrinsic(prefer_literal=True)
def micro_kernel_up_to(
    typing_context: Any, most: Any, nr: Any, mr: Any, a: Any, b: Any, depth: Any, scale: Any, initial: Any, c: Any
) -> Any:
    """Lower `simd.micro_kernel_up_to`: a micro-kernel for each number of rows, and a switch between them."""
    operands = _operands(a, b, initial, c)
    tallest, width = _constant_of(most), _constant_of(nr)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        places = [builder.append_basic_block(f"micro_kernel.{height}") for height in range(1, tallest + 1)]
        after = builder.append_basic_block("micro_kernel.any")
        choice = builder.switch(args[2], places[0])
        for height in range(tallest, 0, -1):
            choice.add_case(_constant(height), places[height - 1])
            builder.position_at_end(places[height - 1])
            _compute(context, builder, operands, args[3:], height, width)
            builder.branch(after)
        builder.position_at_end(after)
        return context.get_dummy_value()

    return types.void(most, nr, types.intp, *operands), codegen


def _operands(a: Any, b: Any, initial: Any, c: Any) -> tuple[Any, ...]:
    """Return the types of a micro-kernel's arguments from A on."""
    matrices = a[0], b[0], initial[0], c[0]
    check_elements(*(array.dtype for array in matrices))
    check_writable(c[0])
    return a, b, types.intp, c[0].dtype, initial, c


def _compute(context: Any, builder: Any, operands: tuple[Any, ...], args: Any, height: int, width: int) -> None:
    """Generate the loop of a micro-kernel of `height` rows by `width` vectors."""
    element = operands[3]
    alignment, count, vector = element.bitwidth // 8, lanes(element), context.get_value_type(Vector(element))
    a, b, depth, scale, initial, c = args
    row_stride, step_stride = builder.extract_value(a, 2), builder.extract_value(a, 3)
    line_stride, initial_stride, stride = (builder.extract_value(matrix, 2) for matrix in (b, initial, c))

    def address(position: int) -> Any:
        array, offset = (builder.extract_value(args[position], k) for k in (0, 1))
        return _at(builder, data_of(context, builder, operands[position][0], array), offset)

    def lines_at(first: Any) -> list[Any]:
        """Return the addresses of `width` vectors side by side."""
        places = [_at(builder, first, _constant(v * count)) for v in range(width)]
        return [builder.bitcast(place, vector.as_pointer()) for place in places]

    def load(place: Any) -> Any:
        value = builder.load(place)
        value.align = alignment
        return value

    def block_at(first: Any, stride: Any) -> list[Any]:
        return [
            line for r in range(height) for line in lines_at(_at(builder, first, builder.mul(stride, _constant(r))))
        ]

    first_a, first_b = address(0), address(1)
    for place in block_at(address(4), initial_stride):
        _prefetch(builder, place, FIRST_LEVEL)
    zero = ir.Constant(vector, [0.0] * count)
    starts = [zero] * (height * width)
    rows_of_a = [builder.mul(row_stride, _constant(r)) for r in range(height)]

    before, test = builder.block, builder.append_basic_block("micro_kernel")
    body, after = builder.append_basic_block("micro_kernel.step"), builder.append_basic_block("micro_kernel.end")
    builder.branch(test)
    builder.position_at_end(test)
    left, from_a, from_b = builder.phi(INDEX), builder.phi(first_a.type), builder.phi(first_b.type)
    sums = [builder.phi(vector) for _ in starts]
    builder.cbranch(builder.icmp_signed(">", left, _constant(0)), body, after)

    builder.position_at_end(body)
    lines = [load(place) for place in lines_at(from_b)]
    totals = []
    for r in range(height):
        factor = broadcast(builder, builder.load(_at(builder, from_a, rows_of_a[r])), vector)
        for v in range(width):
            product = builder.fmul(factor, lines[v], flags=FLAGS)
            totals.append(builder.fadd(product, sums[r * width + v], flags=FLAGS))
    following = [
        builder.sub(left, _constant(1)), _at(builder, from_a, step_stride), _at(builder, from_b, line_stride), *totals,
    ]  # fmt: skip
    for phi, start, next_value in zip(
        [left, from_a, from_b, *sums], [depth, first_a, first_b, *starts], following, strict=True
    ):
        phi.add_incoming(start, before)
        phi.add_incoming(next_value, body)
    builder.branch(test)

    builder.position_at_end(after)
    factor, initials = broadcast(builder, scale, vector), block_at(address(4), initial_stride)
    for total, source, target in zip(sums, initials, block_at(address(5), stride), strict=True):
        result = builder.fadd(builder.fmul(factor, total, flags=FLAGS), load(source), flags=FLAGS)
        builder.store(result, target).align = alignment


@intrinsic
def noinline(typing_context: Any) -> Any:
    """Lower `simd.noinline`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic(prefer_literal=True)
def transpose(typing_context: Any, rows: Any, source: Any, at: Any, row: Any, out: Any, ot: Any, out_row: Any) -> Any:
    """Lower `simd.transpose`: interleave pairs of rows until they are one long vector, and store it in parts."""
    check_elements(source.dtype, out.dtype)
    height, element = _constant_of(rows), out.dtype
    alignment, count = element.bitwidth // 8, lanes(element)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = context.get_value_type(Vector(element))
        first = _at(builder, data_of(context, builder, signature.args[1], args[1]), args[2])
        parts = []
        for r in range(height):
            place = _at(builder, first, builder.mul(args[3], _constant(r)))
            part = builder.load(builder.bitcast(place, vector.as_pointer()))
            part.align = alignment
            parts.append(part)
        while len(parts) > 1:
            half, size = len(parts) // 2, parts[0].type.count
            order = [i // 2 + size * (i % 2) for i in range(2 * size)]
            parts = [_shuffle(builder, parts[q], parts[q + half], order) for q in range(half)]
        target = _at(builder, data_of(context, builder, signature.args[4], args[4]), args[5])
        for p in range(count):
            column = _shuffle(builder, parts[0], parts[0], list(range(p * height, (p + 1) * height)))
            place = _at(builder, target, builder.mul(args[6], _constant(p)))
            builder.store(column, builder.bitcast(place, column.type.as_pointer())).align = alignment
        return context.get_dummy_value()

    index = types.intp
    return types.void(rows, source, index, index, out, index, index), codegen


def _shuffle(builder: Any, first: Any, second: Any, order: list[int]) -> Any:
    lane = ir.IntType(32)
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(lane, len(order)), order))
