"""What hotloop chooses for the CPU that it runs on, why, and the environment variable that overrides each choice.

`CHOICES` has a row for each, which says how it follows from the CPU's registers and caches, and ``hotloop doctor``
prints what was chosen. The variables are read when the kernels are imported: with them tests reach every choice on any
machine, and measurements compare them. A choice that changes machine code is part of the cache's key.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, groupby
from typing import NamedTuple, TypeAlias

import numba

from hotloop.kernels import cache
from hotloop.kernels.caches import ASSUMED, KB, Caches, caches
from hotloop.kernels.registers import registers_of_a_vector

PAGE = 4 * KB
FLOAT = 4  # bytes
VECTOR = 64
Derived: TypeAlias = tuple[tuple[int, ...], str]  # the numbers of a choice, and why


class CPU(NamedTuple):
    """What the choices depend on: the registers that hold a vector of 64 bytes, and the caches."""

    registers: int
    caches: Caches


class Choice(NamedTuple):
    """How one or more numbers are chosen for a CPU.

    Parameters
    ----------
    name : str
        In the table that `hotloop doctor` prints.
    variable : str
        The environment variable that overrides it. If several choices have the same, it takes the numbers of all, with
        an x between them, and the later ones may be left out.
    form : str
        What the variable takes, in words.
    least, most : tuple of int
        The bounds of each number.
    derive : callable
        Returns the numbers for a CPU and, in words, why.
    in_code : bool, default True
        Whether machine code depends on it.
    in_bits : bool, default False
        Whether it changes the order of sums, and so the bits of results.
    """

    name: str
    variable: str
    form: str
    least: tuple[int, ...]
    most: tuple[int, ...]
    derive: Callable[[CPU], Derived]
    in_code: bool = True
    in_bits: bool = False


class Chosen(NamedTuple):
    """The numbers of a choice for this process, and why: what they follow from, or that the variable is set."""

    choice: Choice
    numbers: tuple[int, ...]
    why: str
    overridden: bool

    @property
    def value(self) -> str:
        """The numbers as the variable takes them."""
        return written(self.numbers)


def micro_kernel(cpu: CPU) -> Derived:
    """Return the largest MR x NR whose sums stay in registers.

    Where one register holds a vector, eight rows by two vectors are 16 sums, 92 % of the peak in the first-level cache;
    where it takes two, six rows by one are 12 of 16 registers.
    """
    mr, nr = (8, 2) if cpu.registers == 1 else (6, 1)
    sums, size = mr * nr * cpu.registers, VECTOR // cpu.registers
    return (mr, nr), f"rows by vectors of C: {sums} sums in registers of {size} bytes"


def panel(cpu: CPU) -> Derived:
    """Return KC: 384, or fewer if a micro-panel of B then took more than an eighth of the second-level cache.

    A deeper panel reads and writes C less often. It need not fit into the first-level cache, since it is read in order.
    """
    (_, nr), _ = micro_kernel(cpu)
    kc, share = 384, cpu.caches.second.share
    while kc * nr * VECTOR > share // 8 and kc > 64:
        kc //= 2
    size = f"{kc * nr * VECTOR // KB} KB of {share // KB} KB of second-level cache"
    return (kc,), f"rows of B in a micro-panel: if NR is {nr}, {size}"


def block(cpu: CPU) -> Derived:
    """Return how many KB of B to pack at a time, and of A to copy; a block of A in place is twice that."""
    share = cpu.caches.second.share // KB
    size = min(max(share // 4, 64), 512)
    part = "a quarter" if size == share // 4 else "part"
    return (size,), f"KB of packed B, and half of a block of A: {part} of a core's {share} KB of second-level cache"


def pitch(cpu: CPU) -> Derived:
    """Return how many elements apart columns share few sets of the first-level cache: a way of it, or a page."""
    size, ways = cpu.caches.first.size, cpu.caches.first.ways
    distance = min(size // ways, PAGE)
    sets = size // ways // distance
    which, where = "a set" if sets == 1 else f"{sets} sets", f"first-level cache of {size // KB} KB in {ways} ways"
    return (distance // FLOAT,), f"elements between columns that share {which}: {where}"


def packed_rows(cpu: CPU) -> Derived:
    """Return how many rows of C share the cost of packing B. At least two: the panel has no room for a single row's."""
    return (48,), "rows of C from which B is packed: the same on every CPU"


def packed_size(cpu: CPU) -> Derived:
    """Return the size of B, in elements, from which it is packed."""
    size = cpu.caches.first.size
    return (size // FLOAT,), f"elements of B from which it is packed: a first-level cache of {size // KB} KB"


def micro_batch(cpu: CPU) -> Derived:
    """Return how many rows of a batch are processed at a time, at most."""
    return (1024,), "rows of a batch at a time: the weights are read once for all of them"


def group(cpu: CPU) -> Derived:
    """Return how many threads share the columns of wide layers, 0 for what `division.group_size` computes."""
    return (0,), "threads that share columns of wide layers: 0 for as many as then read least from other cores"


MICRO_KERNEL = "HOTLOOP_MICRO_KERNEL"
# 16 rows by 4 vectors exceed the registers of every CPU; a panel of 512 rows for them is 128 KB of float32, on the
# stack.
CHOICES = (
    Choice("MR x NR", MICRO_KERNEL, "MRxNR", (1, 1), (16, 4), micro_kernel),
    Choice("KC", MICRO_KERNEL, "KC", (1,), (512,), panel, in_bits=True),
    Choice("block", "HOTLOOP_BLOCK", "a number of KB", (64,), (512,), block),
    Choice("pitch", "HOTLOOP_PITCH", "a number of matrix elements", (64,), (65536,), pitch),
    Choice("packed rows", "HOTLOOP_PACKED_ROWS", "a number of rows", (2,), (65536,), packed_rows),
    Choice("packed size", "HOTLOOP_PACKED_SIZE", "a number of matrix elements", (1,), (2**24,), packed_size),
    Choice(
        "micro-batch", "HOTLOOP_MICRO_BATCH", "a number of rows", (32,), (4096,), micro_batch, in_code=False,
        in_bits=True,
    ),
    Choice("group", "HOTLOOP_GROUP", "a number of threads", (0,), (1024,), group, in_code=False),
)  # fmt: skip


def choose(cpu: CPU, variables: Mapping[str, str]) -> list[Chosen]:
    """Return what is chosen for a CPU, or what environment variables ask for, in the order of `CHOICES`.

    Raises
    ------
    ValueError
        If a variable is set to what it does not take.
    """
    found = []
    for variable, its_choices in groupby(CHOICES, key=lambda choice: choice.variable):
        choices = list(its_choices)
        derived = [choice.derive(cpu) for choice in choices]
        asked = _asked(variables.get(variable, ""), choices, written(*(numbers for numbers, _ in derived)))
        for choice, (numbers, why) in zip(choices, derived, strict=True):
            mine, asked = asked[: len(numbers)], asked[len(numbers) :]
            if mine:
                why = f"set by {variable}; otherwise {written(numbers)} {why}"
            found.append(Chosen(choice, mine or numbers, why, bool(mine)))
    return found


def written(*groups: Sequence[int]) -> str:
    """Return numbers as a variable takes them: 8x2x256."""
    return "x".join(str(number) for numbers in groups for number in numbers)


def _asked(text: str, choices: Sequence[Choice], example: str) -> tuple[int, ...]:
    """Return the numbers in the value of a variable, for all of its choices or the first of them."""
    if not text:
        return ()
    least, most = ([number for choice in choices for number in getattr(choice, end)] for end in ("least", "most"))
    numbers = tuple(map(int, text.split("x"))) if re.fullmatch(r"\d{1,9}(x\d{1,9})*", text, re.ASCII) else ()
    lengths = [*accumulate(len(choice.least) for choice in choices)]
    if len(numbers) not in lengths or not all(a <= n <= b for a, n, b in zip(least, numbers, most, strict=False)):
        forms = " or ".join(accumulate((choice.form for choice in choices), "{}x{}".format))
        raise ValueError(
            f"{choices[0].variable} must be {forms}, from {written(least)} to {written(most)}, for example {example}; "
            f"got {text!r}"
        )
    return numbers


def this_cpu() -> CPU:
    """Return what the choices of this process depend on.

    The caches of this machine say nothing of the one that NUMBA_CPU_NAME compiles for; and code that one machine has
    compiled for another would not be found there if the sizes of the first were in its key. In plain Python the choices
    are the same everywhere.
    """
    if numba.config.DISABLE_JIT:
        return CPU(2, ASSUMED._replace(source="assumed in plain Python"))
    if numba.config.CPU_NAME:
        return CPU(registers_of_a_vector(), ASSUMED._replace(source="assumed, since NUMBA_CPU_NAME is set"))
    return CPU(registers_of_a_vector(), caches())


HERE = this_cpu()
CHOSEN = choose(HERE, os.environ)
for variable, its_choices in groupby(CHOSEN, key=lambda chosen: chosen.choice.variable):
    if numbers := [chosen.numbers for chosen in its_choices if chosen.choice.in_code]:
        cache.OWN_SETTINGS[variable] = written(*numbers)
(
    (MR, NR), (KC,), (kilobytes,), (PITCH,), (ROWS_WORTH_PACKING,), (SIZE_WORTH_PACKING,), (LARGEST_MICRO_BATCH,),
    (GROUP,),
) = (chosen.numbers for chosen in CHOSEN)  # fmt: skip
SHAPE, BLOCK = (MR, NR, KC), kilobytes * KB
