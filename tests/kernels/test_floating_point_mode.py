"""The floating-point mode: that of the caller stays as it was, and a kernel's loops lie between the two changes.

`test_flush_to_zero` has what the mode does to numbers. The mode is read and set here by the C library.
"""

import ctypes
import re
import sys
from contextlib import contextmanager

import numba
import numpy as np
import pytest
from conftest import COMPILED, needs_compiler, same_bits
from dead_units import FLUSH, MACHINE, QUIET, build, data, is_denormal, needs_mode, small, train
from llvmlite import binding

from hotloop import Adam, DivergenceError, kernels
from hotloop.kernels import jit, updates
from hotloop.kernels.lowering import flush_to_zero

linux = pytest.mark.skipif(sys.platform != "linux", reason="knows only the C library of Linux")
RESERVED = {"x86_64": 0x3F, "aarch64": 0}  # of the register, the bits that say what has happened
ROUND_UP = {"x86_64": 2 << 13, "aarch64": 1 << 22}
PLACE = {"x86_64": 28, "aarch64": 0}  # of the register in what the C library calls the environment


def environment():
    """Return the C library's environment, and an integer in it, the register."""
    memory = (ctypes.c_char * 64)()
    assert ctypes.CDLL(None).fegetenv(memory) == 0
    return memory, ctypes.c_uint32.from_buffer(memory, PLACE[MACHINE])


def mode():
    """Return the register of this thread without the flags of what has happened."""
    return environment()[1].value & ~RESERVED[MACHINE]


@contextmanager
def in_mode(bits):
    """Run in the usual mode and these bits; the caller's is restored."""
    before, _ = environment()
    memory, register = environment()
    register.value = register.value & ~(FLUSH[MACHINE] | ROUND_UP[MACHINE]) | bits
    ctypes.CDLL(None).fesetenv(memory)
    try:
        yield
    finally:
        ctypes.CDLL(None).fesetenv(before)


def modes():
    """Return some modes: the usual one, flushing, by halves where there are two, and rounding otherwise."""
    if MACHINE not in FLUSH:
        return []
    flush = FLUSH[MACHINE]
    return [*sorted({0, flush, flush & -flush, flush & (flush - 1)}), ROUND_UP[MACHINE]]


def wrong_shapes(net):
    for call in (
        lambda: kernels.sgd(np.ones(3), 0.1, np.ones(4)),
        lambda: kernels.cross_entropy(np.ones((2, 3)), np.array([0, 7]), np.ones((2, 3))),
        lambda: kernels.predict_one(*net.compiled_arguments(), np.ones(7, net.dtype), np.ones(3, net.dtype)),
    ):
        with pytest.raises(ValueError, match=r"length|column|entries"):
            call()


def diverge(net):
    with pytest.raises(DivergenceError):
        net.fit(data()[0], data()[1], epochs=3, optimizer=Adam(1e37), n_threads=1, **QUIET)


CALLS = {
    "fit": lambda net: net.fit(*data(), epochs=2, n_threads=1, **QUIET),
    "fit by threads": lambda net: net.fit(*data(), epochs=2, n_threads=3, validation_data=data(), **QUIET),
    "a fit that diverges": diverge,
    "predict": lambda net: net.predict(data()[0]),
    "predict of a row": lambda net: net.predict(np.ones((1, 5), net.dtype)),
    "evaluate": lambda net: net.evaluate(*data(), n_threads=2),
    "gradient": lambda net: net.gradient(*data()),
    "a kernel": lambda net: kernels.silu(net.parameters, net.parameters.copy()),
    "a kernel in a kernel": lambda net: kernels.adam(*[np.ones(3)], 0.1, 0.9, 0.9, 0.1, 1, *np.ones((3, 3))),
    "kernels that raise": wrong_shapes,
}


@linux
@needs_mode
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("bits", modes(), ids=hex)
def test_the_callers_mode_stays(bits, call):
    net = build()
    with in_mode(bits):
        before = mode()
        CALLS[call](net)
        assert mode() == before
        assert before & (FLUSH[MACHINE] | ROUND_UP[MACHINE]) == bits


@linux
@needs_mode
@pytest.mark.parametrize("bits", modes()[:-1], ids=hex)
def test_the_mode_of_the_caller_changes_no_bit(bits):
    """Except the direction of rounding, which stays the caller's."""
    usual = train("Adam", 2)
    with in_mode(bits):
        assert same_bits(train("Adam", 2).parameters, usual.parameters)


def multiply(a, b, out):
    out[0] = a[0] * b[0]
    kernels.sgd(a, b[0], out[1:2])
    out[2] = a[0] * b[0]


def multiply_and_fail(a, b, out):
    out[0] = a[0] * b[0]
    try:
        kernels.sgd(a, b[0], out)
    except Exception:  # noqa: BLE001, RUF100 (Numba catches no other)
        out[1] = 0
    out[2] = a[0] * b[0]


@needs_mode
@pytest.mark.parametrize("function", [multiply, multiply_and_fail])
@pytest.mark.parametrize("decorator", [numba.njit, kernels.kernel], ids=["njit", "kernel"])
def test_a_users_own_arithmetic_is_as_before(decorator, function):
    """In compiled code, around a kernel that flushes: to whose mode it returns, also from a raised exception."""
    a = np.full(1, small(np.float64))
    out = np.zeros(3)
    decorator(function)(a, a, out)
    assert is_denormal(out).tolist() == [True, False, True]


if COMPILED and sys.platform == "linux":
    set_environment, get_environment = ctypes.CDLL(None).fesetenv, ctypes.CDLL(None).fegetenv
    for function in (set_environment, get_environment):
        function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_int

    @numba.njit
    def users_loop(flushing, usual, seen, a, out):
        """Set a mode, call a kernel, look at the mode, and set the usual one again."""
        set_environment(flushing.ctypes)
        kernels.sgd(a, a[0], out[:1])
        out[1] = a[0] * a[0]
        get_environment(seen.ctypes)
        set_environment(usual.ctypes)
        out[2] = a[0] * a[0]


@linux
@needs_mode
@pytest.mark.parametrize("bits", modes(), ids=hex)
def test_a_users_loop_that_set_a_mode_keeps_it(bits):
    """Whoever flushes by choice goes on flushing."""
    with in_mode(0):
        usual, flushing = (np.frombuffer(environment()[0], np.uint8).copy() for _ in range(2))
        register = flushing[PLACE[MACHINE] :][:4].view(np.uint32)
        register[0] |= bits
        seen, out = np.zeros_like(flushing), np.zeros(3)
        users_loop(flushing, usual, seen, np.full(1, small(np.float64)), out)
    after = int(seen[PLACE[MACHINE] :][:4].view(np.uint32)[0])
    assert after & ~RESERVED[MACHINE] == int(register[0]) & ~RESERVED[MACHINE]
    flush_results = FLUSH[MACHINE] & -65536 or 1 << 15
    assert is_denormal(out).tolist() == [False, not bits & flush_results, True]


# The code.


VECTOR = numba.types.Array(numba.types.float32, 1, "C")


class Stop(Exception):
    pass


def llvm_code(machine, function, signature):
    """Return what Numba makes of a kernel for a machine, stopped before LLVM."""
    texts = []

    class Lower(flush_to_zero.FlushingLower):
        def lower_normal_function(self, fndesc):
            self.module.triple = f"{machine}-unknown-linux-gnu"
            super().lower_normal_function(fndesc)
            texts.append(str(self.module))
            raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush_to_zero.FlushingLowering, "lowering_class", Lower)
        with pytest.raises(Stop):
            numba.njit(**jit.FLUSHING)(function).compile(signature)
    return texts[0]


def assembly(code):
    """Return what LLVM makes of that."""
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    module = binding.parse_assembly(re.sub(r"^target datalayout.*$", "", code, flags=re.M))
    target = binding.Target.from_triple(module.triple).create_target_machine(opt=3)
    module.data_layout = str(target.target_data)
    builder = binding.create_pass_builder(target, binding.create_pipeline_tuning_options(3))
    builder.getModulePassManager().run(module, builder)
    return target.emit_assembly(module)


# By machine: what reads the mode, what adds the bits, and what writes it; arithmetic on vectors; a jump and its target,
# one without condition, and a return.
SYNTAX = {
    "x86_64": (
        r"v?stmxcsr", r"or\w*\t\$32832,", r"v?ldmxcsr", r"v?(f?n?m?(add|sub|mul)\w*)p[sd]\b", r"j\w+\t(\S+)", r"jmp\t",
        r"ret",
    ),
    "aarch64": (
        r"mrs\t\w+, FPCR", r"orr\t.*, #0x1000000$", r"msr\tFPCR",
        r"f(ml[as]|mul|add|sub)\S*\t.*\.[24][sd]|f(ml[as]|mul)\.[24][sd]",
        r"(?:b|b\.\w+|cbn?z\t\w+,|tbn?z\t\w+, #\d+,)\s+(\S+)", r"b\t", r"ret",
    ),
}  # fmt: skip


def reachable(lines, start, jump, always, ends, stop=None):
    """Return the numbers of the lines that control may reach from `start` on, not beyond those that match `stop`."""
    places = {line[:-1]: number for number, line in enumerate(lines) if line.endswith(":")}
    seen, left = set(), [start]
    while left:
        at = left.pop()
        while at < len(lines) and at not in seen:
            seen.add(at)
            line = lines[at]
            if re.match(ends, line) or (stop and re.match(stop, line)):
                break
            if found := re.match(jump, line):
                left.append(places[found[1]])
                if re.match(always, line):
                    break
            at += 1
    return seen


@needs_compiler
@pytest.mark.parametrize("machine", SYNTAX)
def test_loops_lie_between_the_changes_of_the_mode(machine):
    """The register is read before any loop; one writer precedes loops, and nothing but a return follows the other."""
    code = llvm_code(machine, updates.momentum.py_func, (VECTOR, numba.float64, numba.float64, VECTOR, VECTOR))
    assert re.search(r"^define .*momentum.*\bnoinline\b", code, re.M)  # else a caller's arithmetic could come between
    reads, adds, writes, arithmetic, jump, always, ends = SYNTAX[machine]
    lines = [re.sub(r"\s*(##? |//).*", "", line).strip() for line in assembly(code).splitlines()]
    start = next(i for i, line in enumerate(lines) if re.match(r"_ZN.*momentum.*:$", line))
    lines = lines[start : next(i for i in range(start, len(lines)) if lines[i].startswith(".Lfunc_end"))]

    def loops_after(at, stop=None):
        return sum(bool(re.match(arithmetic, lines[i])) for i in reachable(lines, at, jump, always, ends, stop))

    assert sum(bool(re.match(adds, line)) for line in lines) == 1
    (read,) = (i for i, line in enumerate(lines) if re.match(reads, line))
    first, last = sorted((i for i, line in enumerate(lines) if re.match(writes, line)), key=loops_after, reverse=True)
    assert loops_after(0, stop=reads) == 0
    assert loops_after(first) == loops_after(read) > 0
    assert loops_after(last) == 0
    returns = [i for i, line in enumerate(lines) if re.match(ends, line)]
    assert any(i in reachable(lines, last, jump, always, ends) for i in returns)


@needs_compiler
def test_other_machines_are_left_alone():
    code = llvm_code("riscv64", updates.sgd.py_func, (VECTOR, numba.float64, VECTOR))
    assert not re.search("csr|fpcr|noinline", code, re.I)
    assert assembly(code)
