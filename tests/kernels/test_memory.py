"""No step takes memory: read in the linked code of the compiled loops."""

import contextlib
import itertools
import re

import numpy as np
from conftest import needs_compiler
from small_networks import build, data

from hotloop import profile
from hotloop.kernels import kernel, prediction, training


@kernel
def allocating(values):
    """Allocate memory, which a user's kernel may."""
    return np.zeros(values.size).sum()


def calls_beyond(dispatcher):
    """Return what the compiled function and all that it calls want from outside, its wrappers for Python left out."""
    found = set()
    for result in dispatcher.overloads.values():
        functions = list(result.library._get_module_for_linking().functions)  # also of code from the cache
        defined = {function.name for function in functions if not function.is_declaration}
        for function in functions:
            if not function.is_declaration and not function.name.startswith(("_ZN7cpython", "cfunc.")):
                found |= set(re.findall(r'call [^@\n]*@"?([^"(]+)', str(function))) - defined
    return {name for name in found if not name.startswith("llvm.")}


@needs_compiler
def test_no_step_takes_memory_in_any_thread():
    """Nothing that could give memory is called: a proof for any number of threads and steps.

    Numba's counters of allocations, as `test_compiled_loop` reads them, count only those by Numba's runtime.
    """
    X, y = data()
    for name, context in itertools.product(("float32", "float64"), (contextlib.nullcontext, profile)):
        with context():
            build(dtype=name).fit(X, y, epochs=1, validation_data=(X, y), progress=False)
    for function, overloads in ((training.train_slice, 4), (prediction.forward_slice, 2)):
        assert len(function.overloads) == overloads  # for each dtype one, and of the first another with a clock
        assert calls_beyond(function) <= {"syscall", "usleep", "sqrt", "sqrtf", "clock_gettime"}
    assert {"syscall", "usleep"} & calls_beyond(training.train_slice)  # where a thread waits: there is something to see
    allocating(np.ones(1))
    assert "NRT_MemInfo_alloc_aligned" in calls_beyond(allocating)
