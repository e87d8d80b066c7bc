"""How `jit.kernel` compiles a function whose denormal numbers are flushed to zero.

A denormal number, nonzero but smaller than 1.2e-38 (float32) or 2.2e-308 (float64), may cost a CPU 150 cycles wherever
it is computed or read: units whose z is far below zero made a training step 25 times as slow. So a kernel sets the
floating-point mode of its thread when it is entered: such a result becomes zero (flush to zero, FTZ), and such an
operand counts as zero (denormals are zero, DAZ). At its return it restores its caller's mode; an exception is a return
as well, with another status.

A kernel is never inlined. LLVM does not know that arithmetic depends on the mode, and would be free to move a caller's
in between. In the kernel it may move arithmetic on scalars, but no access to memory, and so no loop over arrays.

A helper that has to compute with denormal numbers within a kernel, as NumPy does, is compiled by `KeepingCompiler`: it
clears the mode when it is entered, and restores it in the same way.

The parameter ``pipeline_class`` of `numba.njit` is public; the passes and what they call are not.
tests/kernels/test_flush_to_zero.py shows that they work in the installed version.
"""

from typing import Any

from llvmlite import ir
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.lowering import Lower
from numba.core.typed_passes import NativeLowering

# By LLVM's name of the machine, what is set in its control register: FTZ and DAZ in MXCSR, FZ, which is both, in FPCR.
# Other machines stay as they are.
FLUSH = {"x86_64": 1 << 15 | 1 << 6, "aarch64": 1 << 24}
INT8, INT32, INT64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)


class ControlRegister:
    """Code that reads and writes the register of the floating-point mode."""

    def __init__(self, builder: Any, machine: str) -> None:
        self.machine = machine
        if machine == "x86_64":  # its instructions exchange MXCSR with memory
            self.memory = builder.alloca(INT32)

    def read(self, builder: Any) -> Any:
        """Return the mode."""
        if self.machine == "aarch64":
            return _call(builder, "llvm.aarch64.get.fpcr", INT64)
        _call(builder, "llvm.x86.sse.stmxcsr", ir.VoidType(), builder.bitcast(self.memory, INT8.as_pointer()))
        return builder.load(self.memory)

    def write(self, builder: Any, mode: Any) -> None:
        """Set the mode, between fences for the compiler, which are no instructions: no access to memory passes them."""
        builder.fence("seq_cst", targetscope="singlethread")
        if self.machine == "aarch64":
            _call(builder, "llvm.aarch64.set.fpcr", ir.VoidType(), mode)
        else:
            builder.store(mode, self.memory)
            _call(builder, "llvm.x86.sse.ldmxcsr", ir.VoidType(), builder.bitcast(self.memory, INT8.as_pointer()))
        builder.fence("seq_cst", targetscope="singlethread")


def _call(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(builder.module.declare_intrinsic(name, (), kind), arguments)


class FlushingLower(Lower):
    """Make LLVM code of a function, with the mode set at its entry and restored at its only return."""

    flushes = True

    def pre_lower(self) -> None:
        """Set the mode, unless it is that of the caller already: to write it takes longer than to look."""
        super().pre_lower()
        self.machine = self.module.triple.split("-")[0].replace("arm64", "aarch64")
        if self.machine not in FLUSH:
            return
        self.function.attributes.add("noinline")
        self.register = ControlRegister(self.builder, self.machine)
        self.mode = self.register.read(self.builder)
        bits = self.mode.type(FLUSH[self.machine])
        wanted = self.builder.or_(self.mode, bits)
        if not self.flushes:
            wanted = self.builder.xor(wanted, bits)
        self.changed = self.builder.icmp_unsigned("!=", wanted, self.mode)
        with self.builder.if_then(self.changed):
            self.register.write(self.builder, wanted)

    def post_lower(self) -> None:
        """Make all returns one, which restores the mode."""
        if self.machine in FLUSH:
            returns = [block for block in self.function.blocks if isinstance(block.terminator, ir.Ret)]
            builder = ir.IRBuilder(self.function.append_basic_block("restore"))
            status = builder.phi(INT32)
            for block in returns:
                status.add_incoming(block.terminator.return_value, block)
                block.instructions.pop()
                block.terminator = None
                ir.IRBuilder(block).branch(status.parent)
            with builder.if_then(self.changed):
                self.register.write(builder, self.mode)
            builder.ret(status)
        super().post_lower()


class KeepingLower(FlushingLower):
    """Likewise, with the mode cleared."""

    flushes = False


@register_pass(mutates_CFG=True, analysis_only=False)
class FlushingLowering(NativeLowering):
    """The pass of Numba's compiler that makes LLVM code."""

    _name = "flushing_lowering"
    lowering_class = FlushingLower


@register_pass(mutates_CFG=True, analysis_only=False)
class KeepingLowering(NativeLowering):
    """Likewise, with the mode cleared."""

    _name = "keeping_lowering"
    lowering_class = KeepingLower


class FlushingCompiler(CompilerBase):
    """Numba's compiler, with that pass in place of its own."""

    lowering: type[NativeLowering] = FlushingLowering

    def define_pipelines(self) -> list[Any]:
        """Return the passes, as the only pipeline."""
        pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
        pipeline.passes = [
            (self.lowering, text) if kind is NativeLowering else (kind, text) for kind, text in pipeline.passes
        ]
        pipeline.finalize()
        return [pipeline]


class KeepingCompiler(FlushingCompiler):
    """Likewise, for helpers that compute with denormal numbers."""

    lowering = KeepingLowering
