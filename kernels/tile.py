"""LLVM code of the register tile and of the transposing copy, which `simd` documents. Only the compiler runs this file.

The tile is generated for any height and width, since Numba has no vector registers and LLVM keeps nothing in them that
is indexed by a variable: in Python each shape would be a function of its own.
"""

from typing import Any

from llvmlite import binding, ir
from numba import config, types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from hotloop.kernels.llvm import FLAGS, VECTOR_BYTES, Vector, broadcast, check_elements, data_of, lanes

INDEX = ir.IntType(64)


def registers_of_a_vector() -> int:
    """Return how many registers hold a 64-byte vector on this CPU: the additions in the code of a vector's sum."""
    count = VECTOR_BYTES // 4
    name = config.CPU_NAME or binding.get_host_cpu_name()
    features = config.CPU_FEATURES
    if features is None:
        features = "" if config.CPU_NAME else binding.get_host_cpu_features().flatten()
    target = binding.Target.from_triple(binding.get_process_triple())
    machine = target.create_target_machine(cpu=name, features=features)
    vector = f"<{count} x float>"
    module = binding.parse_assembly(
        f"define void @sum(ptr %p, ptr %q) {{ %a = load {vector}, ptr %p\n%b = load {vector}, ptr %q\n"
        f"%c = fadd {vector} %a, %b\nstore {vector} %c, ptr %p\nret void }}"
    )
    lines = machine.emit_assembly(module).splitlines()
    return max(1, sum("add" in line.split("#")[0] and "\t" in line for line in lines))


def _at(builder: Any, address: Any, index: Any) -> Any:
    return builder.gep(address, [index])


def _constant(value: int) -> Any:
    return ir.Constant(INDEX, value)


def _constant_of(number: Any) -> int:
    if not isinstance(number, types.IntegerLiteral):
        raise TypingError("the numbers of rows and vectors of a tile are constants")
    return int(number.literal_value)


@intrinsic(prefer_literal=True)
def tile(
    typing_context: Any, rows: Any, vectors: Any, a: Any, at: Any, row: Any, step: Any, b: Any, bt: Any, b_row: Any,
    depth: Any, scale: Any, initial: Any, it: Any, initial_row: Any, c: Any, ct: Any, c_row: Any,
) -> Any:  # fmt: skip
    """Lower `simd.tile`."""
    check_elements(a.dtype, b.dtype, initial.dtype, c.dtype)
    if not c.mutable:
        raise TypingError("an output of a hotloop kernel is read-only")
    height, width, element = _constant_of(rows), _constant_of(vectors), c.dtype
    alignment, count = element.bitwidth // 8, lanes(element)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = context.get_value_type(Vector(element))

        def address(position: int) -> Any:
            data = data_of(context, builder, signature.args[position], args[position])
            return _at(builder, data, args[position + 1])

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

        first_a, first_b, row_stride, step_stride, line_stride = address(2), address(6), args[4], args[5], args[8]
        zero = ir.Constant(vector, [0.0] * count)
        starts = [zero] * (height * width)
        rows_of_a = [builder.mul(row_stride, _constant(r)) for r in range(height)]

        before, test = builder.block, builder.append_basic_block("tile")
        body, after = builder.append_basic_block("tile.step"), builder.append_basic_block("tile.end")
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
            builder.sub(left, _constant(1)), _at(builder, from_a, step_stride), _at(builder, from_b, line_stride),
            *totals,
        ]  # fmt: skip
        for phi, start, next_value in zip(
            [left, from_a, from_b, *sums], [args[9], first_a, first_b, *starts], following, strict=True
        ):
            phi.add_incoming(start, before)
            phi.add_incoming(next_value, body)
        builder.branch(test)

        builder.position_at_end(after)
        factor, initials = broadcast(builder, args[10], vector), block_at(address(11), args[13])
        for total, source, target in zip(sums, initials, block_at(address(14), args[16]), strict=True):
            result = builder.fadd(builder.fmul(factor, total, flags=FLAGS), load(source), flags=FLAGS)
            builder.store(result, target).align = alignment
        return context.get_dummy_value()

    index = types.intp
    signature = types.void(
        rows, vectors, a, index, index, index, b, index, index, index, element, initial, index, index, c, index, index
    )
    return signature, codegen


@intrinsic
def apart(typing_context: Any) -> Any:
    """Lower `simd.apart`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic(prefer_literal=True)
def turn(typing_context: Any, rows: Any, source: Any, at: Any, row: Any, out: Any, ot: Any, out_row: Any) -> Any:
    """Lower `simd.turn`: pairs of rows are interleaved until all are one long vector, which is stored in parts."""
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
