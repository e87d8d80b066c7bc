"""Learnt activations, between none and f: (1 - a) x + a f(x), with an a for each unit that is trained like a weight.

All arrays are vectors; what has several rows has them one after the other, each of `a.size` numbers. The training loop
computes f and f' itself, and calls the last two kernels by address.
"""

from hotloop.kernels.jit import Array, inlined, kernel
from hotloop.kernels.views import segment


@kernel
def learnt_activation(x: Array, activated: Array, a: Array, out: Array) -> None:
    """out = (1 - a) x + a f(x), row by row; to the bit f(x) where a is 1 and x finite.

    Parameters
    ----------
    x, activated : array (B O,)
        x and f(x).
    a : array (O,)
    out : array (B O,)
        Overwritten.
    """
    width, one = a.size, a.dtype.type(1)
    for at in range(0, out.size, width):
        values, f, mixed = segment(x, at, width), segment(activated, at, width), segment(out, at, width)
        for j in range(width):
            mixed[j] = (one - a[j]) * values[j] + a[j] * f[j]


@kernel
def learnt_activation_backward(x: Array, activated: Array, a: Array, a_delta: Array, delta: Array) -> None:
    """dC/dx = g ((1 - a) + a f'(x)) and dC/da = sum over the batch of g (f(x) - x), row by row, g = dC/d(output).

    Parameters
    ----------
    x, activated : array (B O,)
        x and f(x).
    a : array (O,)
    a_delta : array (B O,)
        g; overwritten by g (f(x) - x), whose sum over the rows is the gradient of a.
    delta : array (B O,)
        g f'(x); overwritten by dC/dx.
    """
    width, one = a.size, a.dtype.type(1)
    for at in range(0, delta.size, width):
        values, f = segment(x, at, width), segment(activated, at, width)
        g, slopes = segment(a_delta, at, width), segment(delta, at, width)
        for j in range(width):
            slopes[j] = (one - a[j]) * g[j] + a[j] * slopes[j]
            g[j] *= f[j] - values[j]


forward_loop, backward_loop = inlined(learnt_activation), inlined(learnt_activation_backward)


@kernel
def mix(
    workspace: Array, parameters: Array, z: int, activated: int, a: int, output: int, stride: int, start: int, stop: int
) -> None:
    """Do as `learnt_activation` with rows start to stop of a layer's buffers, which begin at these places."""
    at, size = start * stride, (stop - start) * stride
    forward_loop(
        segment(workspace, z + at, size), segment(workspace, activated + at, size), segment(parameters, a, stride),
        segment(workspace, output + at, size),
    )  # fmt: skip


@kernel
def mix_backward(
    workspace: Array, parameters: Array, z: int, activated: int, a: int, a_delta: int, delta: int, stride: int,
    start: int, stop: int,
) -> None:  # fmt: skip
    """Do as `learnt_activation_backward` with rows start to stop of a layer's buffers."""
    at, size = start * stride, (stop - start) * stride
    backward_loop(
        segment(workspace, z + at, size), segment(workspace, activated + at, size), segment(parameters, a, stride),
        segment(workspace, a_delta + at, size), segment(workspace, delta + at, size),
    )  # fmt: skip
