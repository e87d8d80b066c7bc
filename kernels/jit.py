"""How hotloop's loops are compiled: the one place that spells Numba's options.

`kernel` compiles a public loop, `inline` a helper that only other compiled functions call, `reduction` a helper whose
sum may be taken in the compiler's order, and `part` marks one that is pasted into its caller. With
``NUMBA_DISABLE_JIT=1`` all return the function.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numba
import numpy as np
import numpy.typing as npt

import hotloop.kernels.tile_shape  # noqa: F401 - each key of the cache has its setting
from hotloop.kernels import cache
from hotloop.kernels.lowering.flush_to_zero import FlushingCompiler

Array: TypeAlias = npt.NDArray[Any]
Function = TypeVar("Function", bound=Callable[..., Any])

# No "nnan" and no "ninf": a NaN or an infinity in the data stays visible. No "reassoc": the vector maths depends on the
# order of its roundings. error_model="numpy" drops the divide-by-zero branch that stops LLVM's vectoriser (4 to 10
# times).
FASTMATH = {"contract", "nsz", "arcp"}
# Without "_nrt", Numba's counting of references: a kernel allocates nothing, and would else call the runtime twice for
# each view that it makes of an array.
OPTIONS: dict[str, Any] = {"_nrt": False, "nogil": True, "error_model": "numpy", "fastmath": FASTMATH}
# Denormal numbers are zero: 25 times faster where units have died.
FLUSHING = OPTIONS | {"pipeline_class": FlushingCompiler}
HELPER = OPTIONS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def kernel(function: Function) -> Function:
    """Compile a public kernel: without the GIL, cached on disk under the source of all of ``hotloop.kernels``.

    Parameters
    ----------
    function : callable
        A loop over arrays in the subset of Python that Numba compiles. It may be your own: the cache then covers its
        file and hotloop's kernels, which ``numba.njit(cache=True)`` does not, and it may allocate. Its arithmetic is in
        the floating-point mode of its caller; that of hotloop's kernels, be they called from it or not, flushes
        denormal numbers to zero.

    Returns
    -------
    callable
        The compiled function, or `function` itself under ``NUMBA_DISABLE_JIT=1``.

    Warns
    -----
    RuntimeWarning
        Once in a process, if machine code cannot be kept. The kernel then compiles anew in each process.
    """
    if numba.config.DISABLE_JIT:
        return function
    ours = str(function.__module__).startswith("hotloop.kernels.")  # None of what exec made without a __name__
    options = FLUSHING if ours else OPTIONS | {"_nrt": True}
    dispatcher: Any = numba.njit(**options)(function)
    cache.keep(dispatcher)
    if ours:  # pickled by name: Numba would send it to another process without its compiler and its cache
        dispatcher.__reduce_ex__ = lambda protocol: function.__name__
    compiled: Function = dispatcher
    return compiled


def inline(function: Function) -> Function:
    """Compile a helper of kernels. No Python or C wrapper (each would compile everything inlined into it once more)."""
    compiled: Function = numba.njit(**HELPER)(function)
    return compiled


def reduction(function: Function) -> Function:
    """Compile a helper, as `inline`, whose sums may be taken in the compiler's order, so that they vectorise.

    For a loss alone, which no parameter depends on: the order may differ from one compilation to the next. Terms that
    depend on the order of their roundings are `inline` functions of their own.
    """
    compiled: Function = numba.njit(**HELPER | {"fastmath": FASTMATH | {"reassoc"}})(function)
    return compiled


def body(kernel: Function) -> Function:
    """Return the loop of a public kernel as a `part`: a caller that has it pasted in need not compile its wrappers."""
    function: Function = getattr(kernel, "py_func", kernel)
    return part(function)


def part(function: Function) -> Function:
    """Mark a part of one kernel, written apart to be read apart: it is pasted into its caller before compiling."""
    compiled: Function = numba.njit(inline="always", **HELPER)(function)
    return compiled


def assembly(function: Any, *arguments: Any) -> str:
    """Return the assembly of a kernel, compiled anew for `arguments`: code from the cache cannot be looked into."""
    compiled: Any = numba.njit(**OPTIONS)(function.py_func)
    compiled(*arguments)
    return "\n".join(compiled.inspect_asm().values())


def constants(dtype: Any, *values: float) -> tuple[Any, ...]:
    """Return `values` as scalars of `dtype`: a bare Python float would turn a float32 loop into float64."""
    return tuple(np.dtype(dtype).type(value) for value in values)
