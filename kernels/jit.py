"""How hotloop's loops are compiled: the one place that spells Numba's options.

`kernel` compiles a public loop, `inline` a helper that only other compiled functions call, `reduction` a helper whose
sums may be taken in the compiler's order, and `inlined` marks one that is pasted into its caller before compiling. With
``NUMBA_DISABLE_JIT=1`` all return the function.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numba
import numpy as np
import numpy.typing as npt

import hotloop.kernels.choices  # noqa: F401 - each key of the cache has its settings
from hotloop.kernels import argument_errors, cache
from hotloop.kernels.function_code import named_by_code
from hotloop.kernels.lowering.flush_to_zero import FlushingCompiler, KeepingCompiler

Array: TypeAlias = npt.NDArray[Any]
Function = TypeVar("Function", bound=Callable[..., Any])

# No "nnan" and no "ninf": a NaN or an infinity in the data stays visible. No "reassoc": the vector maths depends on the
# order of its roundings. error_model="numpy" drops the divide-by-zero branch that stops LLVM's vectoriser (4 to 10
# times).
FASTMATH = {"contract", "nsz", "arcp"}
# Without "_nrt", Numba's reference counting: a kernel allocates nothing, and would otherwise call the runtime twice for
# each view of an array.
OPTIONS: dict[str, Any] = {"_nrt": False, "nogil": True, "error_model": "numpy", "fastmath": FASTMATH}
# Denormal numbers are zero: 25 times faster where units have died.
FLUSHING = OPTIONS | {"pipeline_class": FlushingCompiler}
HELPER = OPTIONS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def kernel(function: Function) -> Function:
    """Compile a public kernel: without the GIL, cached on disk under the source of all of ``hotloop.kernels``.

    Parameters
    ----------
    function : callable
        A loop over arrays in the subset of Python that Numba compiles. It may be yours: it may then allocate, and the
        cache covers its file and hotloop's kernels, which ``numba.njit(cache=True)`` does not. Its arithmetic is in the
        floating-point mode of its caller; hotloop's kernels flush denormal numbers to zero, also when it calls them.

    Returns
    -------
    callable
        The compiled function, or `function` itself under ``NUMBA_DISABLE_JIT=1``.

    Warns
    -----
    RuntimeWarning
        Once in a process, if machine code cannot be kept. Each process then compiles the kernel again.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop.kernels import kernel, relu
    >>> @kernel
    ... def halved_and_rectified(z, out):
    ...     relu(z, out)
    ...     out *= 0.5
    >>> out = np.empty(3, np.float32)
    >>> halved_and_rectified(np.array([-1, 0, 1], np.float32), out)
    >>> print(out)
    [0.  0.  0.5]
    """
    if numba.config.DISABLE_JIT:
        return function
    ours = str(function.__module__).startswith("hotloop.kernels.")  # None of what exec made without a __name__
    options = FLUSHING if ours else OPTIONS | {"_nrt": True}
    dispatcher: Any = numba.njit(**options)(function)
    cache.keep(dispatcher)
    if ours:
        argument_errors.explain(dispatcher)
        # Pickled by name: Numba would send it to another process without its compiler and its cache.
        dispatcher.__reduce_ex__ = lambda protocol: function.__name__
    compiled: Function = dispatcher
    return compiled


def inline(function: Function) -> Function:
    """Compile a helper of kernels. No Python or C wrapper: each would compile all that is inlined into it once more."""
    compiled: Function = numba.njit(**HELPER)(function)
    return compiled


def keeping_denormals(function: Function) -> Function:
    """Compile a helper, as `inline`, that computes with denormal numbers although the kernel that calls it does not."""
    compiled: Function = numba.njit(**HELPER | {"pipeline_class": KeepingCompiler})(function)
    return compiled


def reduction(function: Function) -> Function:
    """Compile a helper, as `inline`, whose sums may be taken in the compiler's order, so that they vectorise.

    Only for losses, on which no parameter depends: the order may differ between compilations. Terms that depend on the
    order of their roundings are separate `inline` functions.
    """
    compiled: Function = numba.njit(**HELPER | {"fastmath": FASTMATH | {"reassoc"}})(function)
    return compiled


def own(function: Function) -> Function:
    """Compile a user's function, given plain or compiled, as a helper of a `kernel` of theirs: it may allocate.

    Other options that it was compiled with are dropped, so that a division by zero gives an infinity, as in kernels.
    """
    plain: Function = getattr(function, "py_func", function)
    if numba.config.DISABLE_JIT:
        return plain
    compiled: Function = numba.njit(**HELPER | {"_nrt": True})(named_by_code(plain))
    return compiled


def apart(function: Function) -> Function:
    """Compile a large helper, as `inline`, but cached, so that few processes do so.

    Kernels that call it by its address do not even link it. The floating-point mode is the caller's.
    """
    compiled = inline(function)
    if not numba.config.DISABLE_JIT:
        cache.keep(compiled)
    return compiled


def inlined(function: Function) -> Function:
    """Mark part of a kernel, a function only for the reader: it is pasted into its caller before compiling.

    Of a public kernel it is the loop: the caller need not compile the kernel's wrappers.
    """
    compiled: Function = numba.njit(inline="always", **HELPER)(getattr(function, "py_func", function))
    return compiled


def assembly(function: Any, *arguments: Any) -> str:
    """Return the assembly of a kernel, compiled for `arguments`: code from the cache cannot be inspected."""
    compiled: Any = numba.njit(**OPTIONS)(function.py_func)
    compiled(*arguments)
    return "\n".join(compiled.inspect_asm().values())


def constants(dtype: Any, *values: float) -> tuple[Any, ...]:
    """Return `values` as scalars of `dtype`: a bare Python float would turn a float32 loop into float64."""
    return tuple(np.dtype(dtype).type(value) for value in values)
