"""What the hot loops are compiled to, read in the assembly, so that a loss is seen without a clock.

Other processes compile: for this CPU, and on x86-64 for one of each width of registers. Code for another CPU is only
read, never run. The loop of a micro-kernel must hold its fused multiply-adds, what it reads for them, and little else.
"""

import json
import os
import platform
import re
import subprocess
import sys
import typing
from pathlib import Path

import numpy as np
import pytest
from conftest import needs_compiler
from llvmlite import binding
from numba import types
from programs import ENVIRONMENT

from hotloop.kernels import choices, clock, jit, matmul, simd, updates, views
from hotloop.kernels.records import Ahead, Matrix

X86 = platform.machine() in ("x86_64", "AMD64")
ARM = platform.machine() in ("aarch64", "arm64")
HERE = "this CPU"
# The registers of a 64-byte vector, and the rows and vectors of the tallest micro-kernel.
SHAPES = {"haswell": (2, 6, 1), "znver4": (1, 8, 2)}
CPUS = [HERE, *(SHAPES if X86 else ())]
# Two fused multiply-adds a cycle, of four cycles each: so many sums keep a CPU busy.
ENOUGH_SUMS = 8
# The code of "haswell" for registers of 16 bytes, of which there are twice as many: what an AArch64 compiles.
NEON = "neoverse-n1"

pytestmark = [
    needs_compiler,
    pytest.mark.skipif(not X86 and not ARM, reason="reads only the assembly of x86-64 and AArch64"),
    pytest.mark.skipif(
        X86 and not binding.get_host_cpu_features().get("fma"), reason="this CPU has no fused multiply-add"
    ),
]


# What the other processes compile.


def spilling(a, b, depth, scale, initial, c, n, ahead):
    """More sums than any CPU has registers."""
    simd.micro_kernel(8, 4, a, b, depth, scale, initial, c)


def wrapping(a, b, depth, scale, initial, c, n, ahead):
    """Read A as Python does: an index below zero counts from the end."""
    one = views.stack_array(c.data, 1)
    for p in range(depth):
        one[0] = a.data[a.offset + p * a.column_stride]
        line = Matrix(b.data, b.offset + p * b.row_stride, 0, 1)
        simd.micro_kernel(1, 1, Matrix(one, 0, 0, 0), line, 1, scale, c, c)


def branching(a, b, depth, scale, initial, c, n, ahead):
    """Skip the zeros of A, as a checked index skips those outside."""
    for p in range(depth):
        at = a.offset + p * a.column_stride
        if simd.item(a.data, at) != 0:
            line = Matrix(b.data, b.offset + p * b.row_stride, 0, 1)
            simd.micro_kernel(1, 1, Matrix(a.data, at, 0, 0), line, 1, scale, c, c)


def scalar(a, b, depth, scale, initial, c, n, ahead):
    for i in range(n):
        c.data[i] = np.exp(a.data[i])


def compiled(function, signature):
    dispatcher = jit.inline(function)
    dispatcher.compile(signature)
    return dispatcher


def panels_signature(element):
    index, array = types.intp, types.Array(element, 1, "C")
    matrix, ahead = (types.NamedTuple((array, *[index] * (len(k._fields) - 1)), k) for k in (Matrix, Ahead))
    return matrix, matrix, index, element, matrix, matrix, index, ahead


def for_neon(dispatcher):
    """Return the assembly that AArch64 would run: the same LLVM code for another machine."""
    code = dispatcher.inspect_llvm(dispatcher.signatures[0])
    code = re.sub(r'^target (datalayout|triple).*$|"target-(cpu|features)"="[^"]*"', "", code, flags=re.M)
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    triple = "aarch64-unknown-linux-gnu"
    machine = binding.Target.from_triple(triple).create_target_machine(cpu=NEON, opt=3)
    module = binding.parse_assembly(code)
    module.triple, module.data_layout = triple, str(machine.target_data)
    return machine.emit_assembly(module)


def observe(path, whole):
    """Write the assembly of the micro-kernels, of planted faults, and with `whole` of updates and the clock."""
    report = {"shape": (choices.HERE.registers, matmul.MR, matmul.NR), "code": {}, "neon": {}}
    elements = {"float32": types.float32, "float64": types.float64}
    functions = {1: matmul.narrow_micro_panels.py_func, matmul.NR: matmul.micro_panels.py_func}
    panels = {f"{vectors} {name}": (f, e) for vectors, f in functions.items() for name, e in elements.items()}
    planted = {f.__name__: (f, types.float32) for f in (spilling, wrapping, branching, scalar)}
    for name, (function, element) in (panels | planted).items():
        dispatcher = compiled(function, panels_signature(element))
        report["code"][name] = "\n".join(dispatcher.inspect_asm().values())
        if X86 and name in panels and matmul.NR == 1:
            report["neon"][name] = for_neon(dispatcher)
    if whole:
        vector = types.Array(types.float32, 1, "C")
        for name in UPDATES:
            method = getattr(updates, name).py_func
            kinds = [
                types.float64 if kind is float else vector for kind in list(typing.get_type_hints(method).values())[:-1]
            ]
            report["code"][f"updates.{name}"] = "\n".join(compiled(method, tuple(kinds)).inspect_asm().values())
        words = types.Array(types.int64, 1, "C")
        dispatcher = compiled(clock.lap.py_func, (words, types.intp, types.intp))
        report["code"]["lap"] = "\n".join(dispatcher.inspect_asm().values())
    from hotloop.kernels.lowering import simd as lowered

    lowered.FLAGS = ("nsz", "arcp")
    report["code"]["unfused"] = "\n".join(
        compiled(matmul.micro_panels_of(1).py_func, panels_signature(types.float32)).inspect_asm().values()
    )
    Path(path).write_text(json.dumps(report))


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("codegen")
    programs = {}
    for cpu in CPUS:
        environment = ENVIRONMENT | {"NUMBA_CACHE_DIR": str(folder / cpu)}
        # The last may ask for more registers than there are.
        for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "HOTLOOP_MICRO_KERNEL"):
            environment.pop(name, None)
        if cpu != HERE:
            environment |= {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": ""}
        code = f"import {__name__}; {__name__}.observe({str(folder / f'{cpu}.json')!r}, {cpu == HERE})"
        programs[cpu] = subprocess.Popen([sys.executable, "-c", code], env=environment)
    assert {cpu: program.wait() for cpu, program in programs.items()} == dict.fromkeys(CPUS, 0)
    return {cpu: json.loads((folder / f"{cpu}.json").read_text()) for cpu in CPUS}


# What is read in it.


def functions(assembly):
    """Return the lines of each function by the names of its module and itself."""
    found, lines = {}, []
    for line in assembly.splitlines():
        if name := re.match(r"_?_ZN7hotloop7kernels\d+([a-z]\w*?)\d+([a-z]\w*?)B\d*v", line):
            lines = found.setdefault(f"{name[1]}.{name[2]}", [])
        elif re.match(r"[^\s.L#/][^\s:]*:", line):
            lines = []
        lines.append(line)
    return found


def loops(lines):
    """Yield the instructions of each loop without a branch but the one back to its start."""
    label, block = None, []
    for line in lines:
        if found := re.match(r"(\.?LBB\w+):", line):
            label, block = found[1], []
        elif instruction := re.match(r"\t([a-z].*?)\s*((##?|//|;)\s.*)?$", line):
            block.append(instruction[1])
            if re.match(r"j|b(\.\w+|r)?\t|cbn?z|tbn?z|ret", instruction[1]):
                if label and re.search(rf"[\s,]{re.escape(label)}$", instruction[1]):
                    yield block
                label, block = None, []


class X86Code:
    """AT&T syntax: the target is last, memory in brackets."""

    FUSED = r"vfn?m(add|sub)\w+p[sd]\b"
    NEGATED = r"vfnmadd\w+p[sd]\b"
    UNFUSED = r"v(mul|add|sub)p[sd]\b"
    ROOT = r"vsqrtp[sd]\b"
    STORE, PAIR = r"vmov\w+\t%[xyz]mm.*\)$", r"never"
    SPILL = r"(%[xyz]mm.*\(%rsp|\(%rsp.*%[xyz]mm)"
    CHOICE, CALL = r"cmov|vblendv|sar\w?\t\$63", r"call"
    SYMBOL = r"\$([A-Za-z_]\w*)"

    @staticmethod
    def reads(line):
        """Return how many registers of B and how many numbers of A an instruction reads from memory."""
        if not re.search(r"\)\S*, %[xyz]mm", line):
            return 0, 0
        number = re.search(r"broadcast|\{1to|vmovddup|vmovs[sd]\b", line)
        return (0, 1) if number else (1, 0)


class ArmCode:
    """The target is first, memory in square brackets."""

    FUSED, NEGATED, UNFUSED = r"fml[as]\b", r"fmls\b", r"f(mul|add|sub)[.\t].*v\d"
    ROOT = r"fsqrt[.\t].*v\d"
    STORE, PAIR = r"st(p|u?r)\tq", r"stp\tq"  # of two registers
    SPILL = r"\b[qvds]\d+\b.*\[sp"
    CHOICE, CALL = r"cs(el|inc|inv|neg)|bsl|.*asr #63", r"blr?\t"
    SYMBOL = r"(?::abs_g0\w*:|\bbl\t)([A-Za-z_]\w*)"

    @staticmethod
    def reads(line):
        pair = line.startswith("ldp")
        if re.match(r"(ldp|ldu?r)\tq", line):
            return 1 + pair, 0
        return 0, (1 + pair) * bool(re.match(r"(ldp|ldu?r)\t[sd]\d|ld1r?\b", line))


def count(pattern, lines):
    return sum(bool(re.match(pattern, line)) for line in lines)


def examine(code, loop, width):
    """Return how many rows a micro-kernel's loop of `width` registers a row computes, and what is wrong with it.

    The rows follow from what it reads, `width` registers of B and one number of A for each row. LLVM may unroll it.
    """
    fused = count(code.FUSED, loop)
    of_b, of_a = (sum(counts) for counts in zip(*map(code.reads, loop), strict=True))
    steps = max(of_b // width, 1)
    rows = of_a // steps
    # An address for each row, two more, and once a round the count, the comparison and the jump. With few sums a step
    # waits for its additions to end, and LLVM unrolls it until addresses are on the stack: twice as many cost nothing.
    other = sum(not re.match(code.FUSED, line) and not any(code.reads(line)) for line in loop)
    allowed = steps * (rows + 2) + 4
    if rows * width < ENOUGH_SUMS:
        allowed *= 2
    faults = {
        "fused multiply-adds": fused != steps * rows * width or not fused,
        "reads of B": of_b != steps * width,
        "reads of A": of_a != steps * rows,
        "not fused": count(code.UNFUSED, loop) > 0,
        "moves to the stack": any(re.search(code.SPILL, line) for line in loop),
        "choices of an index": count(code.CHOICE, loop) > 0,
        "calls": count(code.CALL, loop) > 0,
        "other instructions": other > allowed,
    }
    return rows, [fault for fault, found in faults.items() if found]


def micro_kernels(code, lines, width):
    """Return the heights of the micro-kernels found, and the faults of all."""
    arithmetic = f"{code.FUSED}|{code.UNFUSED}"
    found = [examine(code, loop, width) for loop in loops(lines) if count(arithmetic, loop)]
    return {rows for rows, _ in found}, [(rows, *faults) for rows, faults in found if faults]


HOST = X86Code if X86 else ArmCode


@pytest.mark.parametrize("cpu", list(SHAPES))
def test_the_micro_kernel_of_each_width_of_registers(cpu, reports):
    if not X86:
        pytest.skip("compiles only for this CPU, which is not x86-64")
    registers, rows, vectors = SHAPES[cpu]
    assert reports[cpu]["shape"] == [registers, rows, vectors]
    panels = reports[cpu]["code"][f"{vectors} float32"].splitlines()
    tallest = [loop for loop in loops(panels) if examine(X86Code, loop, vectors * registers)[0] == rows]
    assert tallest
    for loop in tallest:
        names = re.findall("%([xyz]mm)", "\n".join(loop))
        assert set(names) == {"ymm" if registers == 2 else "zmm"}


@pytest.mark.parametrize("element", ["float32", "float64"])
@pytest.mark.parametrize("cpu", CPUS)
def test_micro_kernels(cpu, element, reports):
    """Of every height."""
    registers, rows, vectors = reports[cpu]["shape"]
    for width in {1, vectors}:
        panels = reports[cpu]["code"][f"{width} {element}"].splitlines()
        assert micro_kernels(HOST, panels, width * registers) == (set(range(1, rows + 1)), [])


@pytest.mark.skipif(not X86, reason="other CPUs than this are compiled for on x86-64")
@pytest.mark.parametrize("element", ["float32", "float64"])
def test_micro_kernels_in_registers_of_16_bytes(element, reports):
    panels = reports["haswell"]["neon"][f"1 {element}"].splitlines()
    assert micro_kernels(ArmCode, panels, 4) == ({1, 2, 3, 4, 5, 6}, [])


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize(("name", "width", "fault"), [
    ("spilling", 4, "moves to the stack"),
    ("unfused", 1, "not fused"),
    ("unfused", 1, "fused multiply-adds"),
    ("wrapping", 1, "choices of an index"),
])  # fmt: skip
def test_planted_faults_are_seen(cpu, name, width, fault, reports):
    width *= reports[cpu]["shape"][0]
    _, faults = micro_kernels(HOST, reports[cpu]["code"][name].splitlines(), width)
    assert any(fault in found for found in faults)


@pytest.mark.parametrize("cpu", CPUS)
def test_a_planted_branch_is_seen(cpu, reports):
    assert micro_kernels(HOST, reports[cpu]["code"]["branching"].splitlines(), reports[cpu]["shape"][0])[0] == set()


# The training loop that users run.


@pytest.fixture(scope="module")
def train_slice(observed):
    return observed["float32"]["train_slice"]


@pytest.mark.skipif("HOTLOOP_MICRO_KERNEL" in os.environ, reason="it may ask for more registers than there are")
def test_micro_kernels_in_training(train_slice, observed):
    registers, rows, vectors = observed["float32"]["shape"]
    for width in {1, vectors}:
        panels = functions(train_slice)[f"matmul.micro_panels{width}"]
        assert micro_kernels(HOST, panels, width * registers) == (set(range(1, rows + 1)), [])


# Of one step of a method: vectors stored, products subtracted from one, and roots.
UPDATES = {
    "sgd": (1, 1, 0),
    "momentum": (2, 1, 0),
    "nesterov": (2, 1, 0),
    "rmsprop": (2, 0, 1),
    "adagrad": (2, 0, 1),
    "adamw_pass": (3, 0, 1),
}
# Loops with a polynomial: activations, derivatives, and the exponentials of a softmax.
POLYNOMIALS = {
    "activation_formulas.activate": 6,
    "activation_formulas.times_derivative": 3,
    "row_softmax.softmax_columns": 1,
}


def loops_of(name, train_slice):
    """Return the loops of a function, which may be inlined into the training loop."""
    found = functions(train_slice)
    caller = found["updates.update"] if name.startswith("updates.") else found["training.train_slice"]
    return list(loops(found.get(name, caller)))


def contents(loop):
    stores = count(HOST.STORE, loop) + count(HOST.PAIR, loop)
    return stores, count(HOST.NEGATED, loop), count(HOST.ROOT, loop)


@pytest.mark.parametrize("method", UPDATES)
def test_updates_are_of_vectors(method, reports):
    unrolled = {tuple(times * part for part in UPDATES[method]) for times in (1, 2, 4, 8)}
    assert unrolled & set(map(contents, loops(reports[HERE]["code"][f"updates.{method}"].splitlines())))


@pytest.mark.parametrize("method", UPDATES)
def test_updates_in_training_are_of_vectors(method, train_slice):
    """Methods with the same operations cannot be told apart here; the test before sees each by itself."""
    unrolled = {tuple(times * part for part in UPDATES[method]) for times in (1, 2, 4, 8)}
    assert unrolled & set(map(contents, loops_of(f"updates.{method}", train_slice)))


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_maths_in_training_is_of_vectors(name, train_slice):
    """Five fused multiply-adds are the shortest polynomial. What is left over may have a loop of shorter vectors."""
    found = [loop for loop in loops_of(name, train_slice) if count(HOST.FUSED, loop) >= 5]
    widths = [max(re.findall("%([xyz])mm", "\n".join(loop)), default="") for loop in found]
    assert widths.count(max(widths, default="")) >= POLYNOMIALS[name]
    assert not any(count(HOST.CALL, loop) for loop in found)


def library_calls(assembly):
    """Return the functions outside hotloop and Numba that are called for; constant data may look like anything."""
    code = re.sub(r"^\t\.asci[iz]\t.*$", "", assembly, flags=re.M)
    names = {name.removeprefix("_") for name in re.findall(HOST.SYMBOL, code)}
    return {name for name in names if not re.match(r"_?ZN|numba_|Py", name)}


CLOCKS = r"\trdtsc|cntvct_el0|CNTVCT_EL0|clock_gettime"


def test_training_without_a_clock_reads_none(train_slice, reports):
    """Both clocks are read where there is one: in the end of a phase, which is called at each."""
    assert re.findall(CLOCKS, train_slice) == []
    assert len({found.lower() for found in re.findall(CLOCKS, reports[HERE]["code"]["lap"])}) == 2


def test_training_calls_no_mathematical_library(train_slice):
    """But for Adam's powers of beta, one call a step."""
    assert library_calls(train_slice) <= {"memcpy", "memmove", "memset", "pow", "syscall", "usleep"}


def test_a_planted_call_is_seen(reports):
    assert library_calls(reports[HERE]["code"]["scalar"]) == {"expf"}
