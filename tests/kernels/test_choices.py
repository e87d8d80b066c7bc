"""What is chosen for each CPU, what the environment variables ask for, and that each is reached."""

import json
import platform
import re
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from programs import ENVIRONMENT

from benchmarks.comparison.worker import TUNING
from hotloop.kernels import choices, registers
from hotloop.kernels.caches import ASSUMED, KB, Cache, Caches
from hotloop.kernels.choices import CHOICES, CPU, choose, written

SPEED = Path(__file__).parents[2] / "docs" / "speed.md"
VARIABLES = list(dict.fromkeys(choice.variable for choice in CHOICES))
SHAPE = "HOTLOOP_MICRO_KERNEL"


def cpu(registers, first, second, ways=8, cores=1):
    return CPU(registers, Caches(Cache(first * KB, ways), Cache(second * KB * cores, 8, cores), None, "made up"))


CPUS = {
    "Zen 3": cpu(2, 32, 512),
    "Zen 4": cpu(1, 32, 1024),
    "Zen 5": cpu(1, 48, 1024, ways=12),
    "Emerald Rapids": cpu(1, 48, 2048, ways=12),
    "four small cores": cpu(2, 32, 512, cores=4),
    "ARM, unknown": CPU(4, ASSUMED),
    "Neoverse": cpu(4, 64, 1024, ways=4),
    "Lion Cove": cpu(2, 48, 3072, ways=12),
    "tiny": cpu(1, 16, 128, ways=4),
    "the least that is believed": CPU(1, Caches(Cache(8 * KB, 32), Cache(64 * KB, 8, 4096), None, "made up")),
    "the most": CPU(4, Caches(Cache(1024 * KB, 1), Cache(256 * KB * KB, 1), None, "made up")),
}


def values(cpu, **variables):
    return {chosen.choice.name: chosen.value for chosen in choose(cpu, variables)}


# What each CPU gets: MR x NR, KC, KB of a block, pitch, numbers of B worth packing.
@pytest.mark.parametrize(("name", "numbers"), [
    ("Zen 3", ("6x1", 384, 128, 1024, 8192)),
    ("Zen 4", ("8x2", 384, 256, 1024, 8192)),
    ("Zen 5", ("8x2", 384, 256, 1024, 12288)),
    ("Emerald Rapids", ("8x2", 384, 512, 1024, 12288)),
    ("four small cores", ("6x1", 384, 128, 1024, 8192)),
    ("ARM, unknown", ("6x1", 384, 256, 1024, 8192)),
    ("Neoverse", ("6x1", 384, 256, 1024, 16384)),
    ("Lion Cove", ("6x1", 384, 512, 1024, 12288)),
    ("tiny", ("8x2", 96, 64, 1024, 4096)),
])  # fmt: skip
def test_what_a_cpu_gets(name, numbers):
    found = values(CPUS[name])
    assert [found[key] for key in ("MR x NR", "KC", "block", "pitch", "packed size")] == [*map(str, numbers)]
    assert (found["packed rows"], found["micro-batch"]) == ("48", "1024")


@pytest.mark.parametrize("name", CPUS)
def test_the_numbers_are_within_the_bounds_of_the_variables(name):
    """So what is chosen may also be asked for, and changes nothing then but the reason."""
    derived = choose(CPUS[name], {})
    asked = {
        variable: written(*(c.numbers for c in derived if c.choice.variable == variable)) for variable in VARIABLES
    }
    found = choose(CPUS[name], asked)
    assert [chosen.numbers for chosen in found] == [chosen.numbers for chosen in derived]
    assert {chosen.overridden for chosen in derived} == {False}
    assert {chosen.overridden for chosen in found} == {True}


@pytest.mark.parametrize(("name", "reasons"), [
    ("Zen 3", [
        "rows by vectors of C: 12 sums in registers of 32 bytes",
        "rows of B in a micro-panel: if NR is 1, 24 KB of 512 KB of second-level cache",
        "KB of packed B, and half of a block of A: a quarter of a core's 512 KB of second-level cache",
        "elements of B from which it is packed: a first-level cache of 32 KB",
    ]),
    ("Emerald Rapids", [
        "rows by vectors of C: 16 sums in registers of 64 bytes",
        "rows of B in a micro-panel: if NR is 2, 48 KB of 2048 KB of second-level cache",
        "KB of packed B, and half of a block of A: a quarter of a core's 2048 KB of second-level cache",
        "elements between columns that share a set: first-level cache of 48 KB in 12 ways",
    ]),
    ("Neoverse", ["elements between columns that share 4 sets: first-level cache of 64 KB in 4 ways"]),
    ("Lion Cove", ["KB of packed B, and half of a block of A: part of a core's 3072 KB of second-level cache"]),
    ("tiny", ["KB of packed B, and half of a block of A: part of a core's 128 KB of second-level cache"]),
])  # fmt: skip
def test_reasons_have_the_numbers_that_they_follow_from(name, reasons):
    found = [chosen.why for chosen in choose(CPUS[name], {})]
    assert {*reasons} <= {*found}


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names CPUs of x86-64")
@pytest.mark.parametrize(("cpu", "number", "shape"), [
    ("x86-64", 4, "6x1"), ("haswell", 2, "6x1"), ("znver3", 2, "6x1"), ("znver4", 1, "8x2"),
    ("skylake-avx512", 1, "8x2"), ("sapphirerapids", 1, "8x2"),
])  # fmt: skip
def test_registers_are_counted_in_code(cpu, number, shape, monkeypatch):
    monkeypatch.setattr(numba.config, "CPU_NAME", cpu)
    monkeypatch.setattr(numba.config, "CPU_FEATURES", "")
    assert registers.registers_of_a_vector() == number
    assert values(CPU(number, ASSUMED))["MR x NR"] == shape


def test_for_another_machine_or_in_plain_python_caches_are_assumed(monkeypatch):
    """Else code that one machine compiles for another would not be found there."""
    monkeypatch.setattr(choices, "caches", lambda: CPUS["Emerald Rapids"].caches)
    monkeypatch.setattr(choices, "registers_of_a_vector", lambda: 1)
    for disabled, name, expected in (
        (0, None, CPUS["Emerald Rapids"]),
        (0, "generic", CPU(1, ASSUMED)),
        (1, None, CPU(2, ASSUMED)),
    ):
        monkeypatch.setattr(numba.config, "DISABLE_JIT", disabled)
        monkeypatch.setattr(numba.config, "CPU_NAME", name)
        found = choices.this_cpu()
        assert (found.registers, found.caches[:3]) == (expected.registers, expected.caches[:3])
        assert (found.caches.source == "made up") == (expected is CPUS["Emerald Rapids"])


# What the variables ask for.


@pytest.mark.parametrize(("text", "found"), [
    ("", ("6x1", "384")), ("8x2", ("8x2", "384")), ("12x3x128", ("12x3", "128")), ("1x1x1", ("1x1", "1")),
    ("16x4x512", ("16x4", "512")),
])  # fmt: skip
def test_a_shape(text, found):
    seen = values(CPUS["Zen 3"], HOTLOOP_MICRO_KERNEL=text)
    assert (seen["MR x NR"], seen["KC"]) == found


def test_a_wider_shape_leaves_the_depth_of_a_panel():
    """It changes bits, which MR and NR must not."""
    assert values(CPUS["Zen 3"], HOTLOOP_MICRO_KERNEL="9x4")["KC"] == "384"


@pytest.mark.parametrize("text", [
    "8", "8x", "x2", "0x2", "8x0", "8x2x0", "17x1", "1x5", "8x2x513", "8x2x256x1", "-8x2", "8 x 2", "8X2", "8x2\n", "a",
    "٨x2", "1" * 5000 + "x1",
])  # fmt: skip
def test_what_is_no_shape(text):
    wanted = f"^{SHAPE} must be MRxNR or MRxNRxKC, from 1x1x1 to 16x4x512, for example 6x1x384; got "
    with pytest.raises(ValueError, match=wanted + re.escape(repr(text))):
        choose(CPUS["Zen 3"], {SHAPE: text})


SINGLE = [choice for choice in CHOICES if choice.variable != SHAPE]


@pytest.mark.parametrize("choice", SINGLE, ids=lambda choice: choice.name)
def test_a_number(choice):
    """From the least to the most; the reason then also has what would have been chosen, and why."""
    (least,), (most,) = choice.least, choice.most
    usual, why = choice.derive(CPUS["Zen 4"])
    for number in least, most:
        (found,) = (c for c in choose(CPUS["Zen 4"], {choice.variable: str(number)}) if c.choice is choice)
        assert (found.numbers, found.overridden) == ((number,), True)
        assert found.why == f"set by {choice.variable}; otherwise {written(usual)} {why}"
    wanted = rf"^{choice.variable} must be {choice.form}, from {least} to {most}, for example {written(usual)}; got "
    for text in str(least - 1), str(most + 1), "a", "1.5", f" {least}", f"{least}x{least}":
        with pytest.raises(ValueError, match=wanted + re.escape(repr(text))):
            choose(CPUS["Zen 4"], {choice.variable: text})


# Where else they are named.


def test_the_document_has_every_variable_and_its_bounds():
    """With what CPUs of two kinds get, both with registers of 64 bytes."""
    rows = re.findall(r"^\| (?:(`HOTLOOP_\w+`) )?\|.*\| (\w+) \| (\w+) \| (\w+) \| (\w+) \|$", SPEED.read_text(), re.M)
    wanted, before = [], None
    for choice in CHOICES:
        name = f"`{choice.variable}`" if choice.variable != before else ""
        both = (values(CPUS[cpu])[choice.name] for cpu in ("Zen 4", "Emerald Rapids"))
        wanted.append((name, written(choice.least), written(choice.most), *both))
        before = choice.variable
    assert rows == wanted


def test_no_comparison_is_made_under_one_of_them():
    assert [variable for variable in VARIABLES if not variable.startswith(TUNING)] == []


# Where they are reached, in another process.

ASKED = {
    SHAPE: "7x3x96", "HOTLOOP_BLOCK": "128", "HOTLOOP_PITCH": "512", "HOTLOOP_PACKED_ROWS": "5",
    "HOTLOOP_PACKED_SIZE": "100", "HOTLOOP_MICRO_BATCH": "64", "HOTLOOP_GROUP": "3",
}  # fmt: skip
PROGRAM = """
import json
import numpy as np
from hotloop.kernels import cache, choices, matmul
from hotloop.network.layout import Layout
micro_batch = Layout((64, 32, 10), np.dtype("f4")).micro_batch(5000)
print(json.dumps([matmul.MR, matmul.NR, matmul.KC, choices.BLOCK, matmul.PITCH, matmul.ROWS_WORTH_PACKING,
                  matmul.SIZE_WORTH_PACKING, micro_batch, choices.GROUP, cache.settings()]))
"""


def test_every_variable_is_reached_and_what_changes_code_is_in_the_key():
    assert [*ASKED] == VARIABLES
    text = subprocess.check_output([sys.executable, "-W", "error", "-c", PROGRAM], env=ENVIRONMENT | ASKED, text=True)
    *numbers, settings = json.loads(text)
    assert numbers == [7, 3, 96, 128 * KB, 512, 5, 100, 64, 3]
    in_code = {choice.variable for choice in CHOICES if choice.in_code}
    assert in_code == {*VARIABLES} - {"HOTLOOP_MICRO_BATCH", "HOTLOOP_GROUP"}
    own = {name: value for name, value in settings.items() if name.startswith("HOTLOOP_")}
    assert own == {name: value for name, value in ASKED.items() if name in in_code}


@pytest.mark.parametrize(("variable", "text"), [(SHAPE, "6by1"), ("HOTLOOP_BLOCK", "7")])
def test_a_mistake_is_one_clear_error(variable, text):
    command = [sys.executable, "-c", "from hotloop.kernels import sigmoid"]
    done = subprocess.run(command, env=ENVIRONMENT | {variable: text}, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"ValueError: {variable} must be ")
    assert done.stderr.splitlines()[-1].endswith(f"got {text!r}")
