"""A learnt scale for each input: x s, with an s for each column of X that is trained like a weight.

The training loop calls these kernels by their address. All arrays are vectors; what has several rows has them one after
the other, each of `scale.size` numbers.
"""

from hotloop.kernels.jit import Array, kernel
from hotloop.kernels.views import segment


@kernel
def scale_inputs(x: Array, scale: Array, out: Array) -> None:
    """out = x s, row by row.

    Parameters
    ----------
    x : array (B I,)
    scale : array (I,)
        s.
    out : array (B I,)
        Overwritten.
    """
    width = scale.size
    for at in range(0, out.size, width):
        values, scaled = segment(x, at, width), segment(out, at, width)
        for j in range(width):
            scaled[j] = values[j] * scale[j]


@kernel
def scale_inputs_backward(x: Array, delta: Array) -> None:
    """dC/ds = sum over the batch of x dC/d(x s).

    Parameters
    ----------
    x : array (B I,)
    delta : array (B I,)
        dC/d(x s); overwritten by what is summed over the rows.
    """
    for i in range(delta.size):
        delta[i] *= x[i]
