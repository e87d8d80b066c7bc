"""Functions of one name that different processes compiled: a process that loads them from the cache calls each itself.

Numba tells them apart by a number that it counts up in each process, so that here both get the same one.
"""

import json
import os

import pytest
from conftest import COMPILED
from own_functions import call, module

from hotloop.kernels import jit
from hotloop.kernels.function_code import named_by_code

# Large, so that LLVM does not inline it: a call by its name is left.
LARGE = """
import math

def times(factor):
    def scaled(x):
        total = 0.0
        for i in range(50):
            total += math.sin(x * i + factor) * math.cos(x + i) + math.exp(-x * x * i)
            if total > 1e5:
                total = math.log(total) + math.tanh(x)
            if total < -1e5:
                total = math.atan2(total, x + 1.5)
        if x > 1e9:
            total += math.lgamma(x) + math.erf(x) + math.asinh(x)
        return total * 0 + x * factor
    return scaled

def calls(inner):
    def outer(x):
        return inner(x)
    return outer
"""


def in_another_process(action):
    """Return what `action` returns in a fork, which counts on from where this process is."""
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, json.dumps(action()).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.wait()
    return json.loads(text)


def check(functions):
    """Compile each function in another process, then load both in a third, in either order."""
    for factor, function in functions.items():
        assert in_another_process(lambda function=function: call(function, 5.0)) == [5 * factor, False]
    for order in (1, -1):
        chosen = list(functions)[::order]
        found = in_another_process(lambda chosen=chosen: [call(functions[factor], 5.0) for factor in chosen])
        assert found == [[5 * factor, True] for factor in chosen]


@pytest.fixture
def large(tmp_path, folder):
    return module(tmp_path / "own.py", LARGE)


@pytest.mark.skipif(not COMPILED, reason="about compiled functions that others call")
@pytest.mark.parametrize("compiled", [jit.own, jit.kernel], ids=["own", "kernel"])
def test_two_functions_of_one_name(compiled, large):
    check({factor: large.calls(compiled(large.times(factor))) for factor in (2.0, 3.0)})


def test_a_name_is_of_the_code(own):
    """The same code has one name, in a copy of a copy too; the function itself keeps its own."""
    first, same, other = (named_by_code(own.times(factor)) for factor in (2.0, 2.0, 3.0))
    assert first.__qualname__ == same.__qualname__ == named_by_code(first).__qualname__ != other.__qualname__
    assert first.__name__ == "scaled"
    assert own.times(2.0).__qualname__ == "times.<locals>.scaled"
    assert (first(5.0), other(5.0)) == (10.0, 15.0)
