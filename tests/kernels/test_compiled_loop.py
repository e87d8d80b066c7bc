"""What the training loop is compiled to: one signature a dtype, no allocation, a different name for each function.

And no double precision in the loops of float32.
"""

import math
import re
from collections import Counter

import pytest
from compiled_loops import LOSSES, losses
from conftest import DTYPES, needs_compiler
from numba import types
from numba.core.dispatcher import Dispatcher

from hotloop import kernels
from hotloop.kernels import jit, matmul


def of_both(observed, key):
    """Return the signatures that either process compiled, by function."""
    reports = [report[key] for report in observed.values()]
    return {name: {(dtype, found) for report in reports for dtype, found in report.get(name, ())}
            for name in reports[0] | reports[1]}  # fmt: skip


def repeated(signatures):
    """Return the functions that were compiled more than once for a dtype, but for those without a team's words."""
    compiled_for = {
        name: [(dtype, signature) for dtype, signature in compiled if "none" not in signature.split(", ")[0]]
        for name, compiled in signatures.items()
    }
    return {
        name: [signature for _, signature in compiled]
        for name, compiled in compiled_for.items()
        if len({dtype for dtype, _ in compiled}) < len(compiled)
    }


@needs_compiler
def test_one_signature_a_dtype(observed):
    assert repeated(of_both(observed, "signatures")) == {}


def compiled_for_both(signatures):
    """Return the functions of which there is machine code for float32 and for float64."""
    return {name for name, found in signatures.items() if {dtype for dtype, _ in found} >= {"float32", "float64"}}


@needs_compiler
def test_training_was_compiled_for_both_dtypes(observed):
    """The test above sees something: the loop, and the functions that are not inlined into it.

    Public kernels it does not call: it has their loops, or those of their rows.
    """
    compiled = compiled_for_both(of_both(observed, "signatures"))
    assert {"training.train_slice", "prediction.forward_slice", "matmul.product"} <= compiled
    assert {
        "row_softmax.softmax_rows",
        "activation_formulas.activate",
        "activation_formulas.times_derivative",
    } <= compiled
    in_the_loop = {name for name in compiled if re.match(r"losses\..*_row$", name)}
    assert len(in_the_loop) == len([loss for loss in LOSSES if loss == "labels" or losses.LOSSES[loss].kernel is None])


@needs_compiler
def test_every_kernel_was_compiled_for_both_dtypes(observed):
    """Kernels that training does not call were called by themselves, except the elementwise ones.

    Other tests read the code of these. No kernel compiles the products once more.
    """
    names = {
        f"{d.py_func.__module__.rpartition('.')[2]}.{d.py_func.__name__}"
        for d in (getattr(kernels, name) for name in kernels.__all__)
        if isinstance(d, Dispatcher)
    }
    compiled = of_both(observed, "signatures of all")
    missing = names - compiled_for_both(compiled)
    assert {
        name for name in missing if not name.startswith(("activations.", "gated_activations.", "exp_log."))
    } == set()
    assert {name for name in repeated(compiled) if name.startswith("matmul.")} == set()


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
def test_functions_have_names_of_their_own(dtype, observed):
    """Numba links by name: of two functions with one name, both from the cache, one is taken for the other."""
    functions = observed[dtype]["functions"]
    assert [name for name, count in Counter(functions).items() if count > 1] == []
    panels = {"micro_panels1", f"micro_panels{matmul.NR}"}  # closures, both of one function
    assert {f"hotloop.kernels.matmul.{name}" for name in {"product", *panels}} <= {*functions}


@needs_compiler
def test_a_planted_signature_is_seen(observed):
    assert "row_softmax.softmax" in repeated(of_both(observed, "planted signature"))


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_training_step_allocates_nothing(dtype, observed):
    allocations = observed[dtype]["allocations"]
    assert len(allocations) == len(LOSSES) + 2
    assert {case: few for case, (few, _) in allocations.items()} == {
        case: many for case, (_, many) in allocations.items()
    }


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_planted_allocation_is_seen(dtype, observed):
    few, many = observed[dtype]["planted allocation"]
    assert many[0] - few[0] == 39


# float32 stays float32.


def basic_blocks(function):
    """Return the instructions of each basic block of an LLVM function, and the blocks that it may go to next."""
    blocks, label = {}, "entry"
    for line in function.splitlines():
        if found := re.match(r'("[^"]+"|[\w.$-]+):', line):
            label = found[1]
        else:
            blocks.setdefault(label, []).append(line.partition(";")[0])
    edges = {label: set(re.findall(r'label %("[^"]+"|[\w.$-]+)', "\n".join(lines))) for label, lines in blocks.items()}
    return blocks, edges


def innermost_loops(edges, blocks=None):
    """Yield the innermost loops of a control flow graph, each a set of blocks.

    A loop is a set of blocks that all reach one another; without the blocks where it is entered, what still goes round
    is a loop within.
    """
    blocks = edges.keys() if blocks is None else blocks
    bits = {block: 1 << place for place, block in enumerate(blocks)}
    reach = {block: sum(bits[after] for after in edges[block] & bits.keys()) for block in blocks}
    for between in blocks:
        for block in blocks:
            if reach[block] & bits[between]:
                reach[block] |= reach[between]
    entered = [block for block in blocks if reach[block] & bits[block]]
    for loop in {frozenset(b for b in entered if reach[a] & bits[b] and reach[b] & bits[a]) for a in entered}:
        entries = {block for a in edges.keys() - loop for block in edges[a] & loop}
        yield from list(innermost_loops(edges, loop - entries)) or [loop]


# A float that is widened, multiplied by a weight and stored immediately, and nothing else.
LOSS_OF_A_ROW = re.compile(
    r" *(%\S+) = fpext float \S+ to double\n"
    r" *(%\S+) = fmul [^\n]*double (?:\1, %[^\s,]+|%[^\s,]+, \1)\n"
    r" *store double \2, [^\n]*\n?"
)


def doubles(llvm):
    """Return the instructions on doubles in innermost loops over memory: not those of a set-up, or of a sum over rows.

    A call of a function over arrays, by its name or its address, is an inner loop. A double that is read and at once
    rounded to a float is data of float64 (`gather`); one that is stored as soon as it is made is a row's loss, and a
    loop that reads no float adds these up: whatever else is computed in double has more to show.
    """
    found = []
    for function in re.findall(r"^define [^\n]*\{\n(.*?)^\}", llvm, re.M | re.S):
        blocks, edges = basic_blocks(function)
        for loop in innermost_loops(edges):
            lines = [line for block in loop for line in blocks[block]]
            text = "\n".join(lines)
            if (
                re.search(r"\b(load|store)\b", text)
                and not re.search(r"\bcall .*(@_ZN7hotloop\w*5Array|%[\w.]+\()", text)
                and re.search(r"\bfloat\b", text)
            ):
                lines = [line for line in lines if not re.search(r"= (load|getelementptr) .*double|= fptrunc ", line)]
                lines = [line for line in lines if re.search(r"\bdouble\b", line)]
                found += LOSS_OF_A_ROW.sub("", "\n".join(lines)).splitlines()
    return found


def standardises(lines):
    """Whether they are scale * (x - offset), as hotloop standardises columns: in float64, of each float once."""
    done = Counter(re.search(r"= (\w+)", line)[1] for line in lines)
    return set(done) == {"fpext", "fsub", "fmul"} and len({*done.values()}) == 1


@needs_compiler
def test_float32_stays_float32(observed):
    """Of the kernels their loops, of functions of numbers everything."""
    code = observed["float32"]["llvm"]
    assert len(code) > 40
    for name in ("training.train_slice", "prediction.forward_slice", "matmul.product", "losses.huber"):
        assert any(found.startswith(f"{name}(") for found in code)
    assert all("define" in llvm for llvm in code.values())
    found = {
        name: doubles(llvm) if "array" in name.lower() else re.findall(r".*\bdouble\b.*", llvm)
        for name, llvm in code.items()
        if not name.startswith("losses.cross_entropy(")  # a sum over rows without a loop within; see train_slice
    }
    scaled = [name for name, lines in found.items() if name.startswith("prediction.") and standardises(lines)]
    assert {name.partition("(")[0] for name in scaled} == {"prediction.predict_one", "prediction.standardised"}
    assert {name: len(lines) for name, lines in found.items() if lines and name not in scaled} == {}


def tenths(z, out):
    for i in range(z.size):
        out[i] = 0.1 * z[i]


def sum_of_all(z, out):
    total = 0.0
    for i in range(z.size):
        total += z[i]
    out[0] = total


def reciprocals(z, out):
    for i in range(z.size):
        out[i] = 1 / (1 + z[i])


def scalar_calls(z, out):
    for i in range(z.size):
        out[i] = math.erfc(0.1 * z[i])


def losses_of_elements(z, out):
    total = 0.0
    for i in range(z.size):
        loss = 0.5 * z[i]
        total += loss
        out[i] = total


PLANTED = (tenths, sum_of_all, reciprocals, scalar_calls, losses_of_elements)


@needs_compiler
@pytest.mark.parametrize("function", PLANTED, ids=lambda f: f.__name__)
def test_planted_doubles_are_seen(function):
    """To Numba a literal is of float64, and so is whatever it meets."""
    vector = types.Array(types.float32, 1, "C")
    compiled = jit.inline(function)
    compiled.compile((vector, vector))
    found = doubles(compiled.inspect_llvm(compiled.signatures[0]))
    assert found != []
    assert not standardises(found)
