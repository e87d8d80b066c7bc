"""The micro-kernel's rows and vectors, and the depth of a panel: chosen for the CPU, or by HOTLOOP_MICRO_KERNEL.

``HOTLOOP_MICRO_KERNEL=MRxNR`` or ``MRxNRxKC``, read when the kernels are imported, overrides the choice: with it tests
reach every shape on any machine, and measurements compare them. The shape is part of the cache's key.
"""

import os
import re
from typing import NamedTuple

import numba
from llvmlite import binding

from hotloop.kernels import cache

VARIABLE = "HOTLOOP_MICRO_KERNEL"
FLOATS = 16  # in a vector of 64 bytes


class Shape(NamedTuple):
    """The rows (MR) and vectors (NR) of the largest micro-kernel, and the rows of B in a panel (KC)."""

    mr: int
    nr: int
    kc: int


def registers_of_a_vector() -> int:
    """Return how many registers hold a 64-byte vector on this CPU: the additions in the code of a vector's sum."""
    name = numba.config.CPU_NAME or binding.get_host_cpu_name()
    features = numba.config.CPU_FEATURES
    if features is None:
        features = "" if numba.config.CPU_NAME else binding.get_host_cpu_features().flatten()
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_triple(binding.get_process_triple())
    machine = target.create_target_machine(cpu=name, features=features)
    vector = f"<{FLOATS} x float>"
    module = binding.parse_assembly(
        f"define void @sum(ptr %p, ptr %q) {{ %a = load {vector}, ptr %p\n%b = load {vector}, ptr %q\n"
        f"%c = fadd {vector} %a, %b\nstore {vector} %c, ptr %p\nret void }}"
    )
    lines = machine.emit_assembly(module).splitlines()
    return max(1, sum("add" in line.split("#")[0] and "\t" in line for line in lines))


def shape_for(registers: int) -> Shape:
    """Return the shape for a CPU on which a vector takes this many registers: the largest that stays in registers.

    Where one register holds a vector, eight rows by two vectors are 16 accumulators, 92 % of the peak in the
    first-level cache; where it takes two, six rows by one are 12 of 16. A panel is a third to two thirds of that cache.
    """
    return Shape(8, 2, 256) if registers == 1 else Shape(6, 1, 256)


# The largest that may be asked for. 16 rows by 4 vectors exceed the registers of every CPU; a panel of 512 rows for
# them is 128 KB of float32, on the stack.
MOST = Shape(16, 4, 512)


def shape_of(text: str, default: Shape) -> Shape:
    """Return the shape that `text` asks for: the default if empty, and the default's KC if it names none."""
    if not text:
        return default
    found = re.fullmatch(r"(\d{1,3})x(\d{1,3})(?:x(\d{1,3}))?", text, re.ASCII)
    shape = found and Shape(int(found[1]), int(found[2]), int(found[3] or default.kc))
    if not shape or not all(1 <= value <= most for value, most in zip(shape, MOST, strict=True)):
        raise ValueError(
            f"{VARIABLE} must be MRxNR or MRxNRxKC, from 1x1x1 to {name_of(MOST)}, for example "
            f"{name_of(default)}; got {text!r}"
        )
    return shape


def name_of(shape: Shape) -> str:
    """Return a shape as HOTLOOP_MICRO_KERNEL names it."""
    return "x".join(map(str, shape))


REGISTERS = 2 if numba.config.DISABLE_JIT else registers_of_a_vector()
SHAPE = shape_of(os.environ.get(VARIABLE, ""), shape_for(REGISTERS))
cache.OWN_SETTINGS[VARIABLE] = name_of(SHAPE)
