"""What all elementwise kernels begin with: the output holds the input, and is then changed in place."""

from typing import TYPE_CHECKING

import numba

from hotloop.kernels.jit import Array, inlined
from hotloop.kernels.views import check_dtype, segment, vector_of

if TYPE_CHECKING or numba.config.DISABLE_JIT:

    def copy(source: Array, target: Array) -> None:
        """Copy a vector to another of the same size and dtype, which may be the same memory."""
        target[:] = source

else:
    from hotloop.kernels.lowering.elementwise import copy

BLOCK = 128  # numbers


@inlined
def prepare(z: Array, out: Array) -> Array:
    """Return the output as a vector that holds the input; raise unless their sizes agree.

    A loop over one array vectorises whether or not that is the input; over two it would ask first whether they
    overlap, and go through them one by one if so. The copy goes in blocks: the C library copies more than 2 to 8 KB by
    one instruction, which AMD's Zen 3 carries out twenty times as slowly if the output lies 1 to 31 bytes after the
    input, or that and a multiple of 4 KB, as it does for some arrays of NumPy's.
    """
    if z.size != out.size:
        raise ValueError("input and output must have the same size")
    check_dtype(z, out, out)
    out = vector_of(out)
    z = vector_of(z)
    for start in range(0, out.size, BLOCK):
        size = min(BLOCK, out.size - start)
        copy(segment(z, start, size), segment(out, start, size))
    return out
