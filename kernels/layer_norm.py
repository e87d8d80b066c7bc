"""Layer normalisation: each row is shifted and scaled to mean 0 and variance 1, then by a learnt gain and shift a unit.

All arrays are vectors; what has several rows has them one after the other, each of `gain.size` numbers: the first
`fan_out` count, and the rest is padding, which becomes zero. The training loop calls the last two kernels by address.

Source: Ba, Kiros and Hinton, Layer Normalization (2016), equation 4, with the variance over all units of a row (biased)
and epsilon within the root, as in PyTorch's ``torch.nn.LayerNorm``, where it is 1e-5, and Keras's, where it is 1e-3.
"""

import numpy as np

from hotloop.kernels.jit import Array, inlined, kernel
from hotloop.kernels.ordered_sums import SUMS, row_sum, sum_of_products
from hotloop.kernels.views import segment, stack_array

EPSILON = 1e-5


@kernel
def layer_norm(
    z: Array, gain: Array, shift: Array, fan_out: int, epsilon: float, inverse_deviations: Array, out: Array
) -> None:
    """xhat = (z - mean) / sqrt(variance + epsilon); y = gain xhat + shift, row by row.

    A row whose variance overflows, of numbers above 1e19 in float32, becomes NaN.

    Parameters
    ----------
    z : array (B O,)
        Overwritten by xhat.
    gain, shift : array (O,)
    fan_out : int
        How many of the O numbers of a row count.
    epsilon : float
        Above 0.
    inverse_deviations : array (B,)
        1 / sqrt(variance + epsilon) of each row; overwritten.
    out : array (B O,)
        y; overwritten.
    """
    T, width, columns = z.dtype.type, gain.size, fan_out
    one, share, least, zero = T(1), T(1 / fan_out), T(epsilon), T(0)
    sums = stack_array(z, SUMS)
    for b in range(inverse_deviations.size):
        x, y = segment(z, b * width, width), segment(out, b * width, width)
        mean = row_sum(segment(x, 0, columns), sums) * share
        for j in range(columns):
            x[j] -= mean
        variance = sum_of_products(segment(x, 0, columns), segment(x, 0, columns), sums) * share
        scale = one / np.sqrt(variance + least) + (variance - variance)  # NaN, not 0, if the variance overflows
        inverse_deviations[b] = scale
        for j in range(columns):
            x[j] *= scale
            y[j] = gain[j] * x[j] + shift[j]
        for j in range(columns, width):
            x[j] = zero
            y[j] = zero


@kernel
def layer_norm_backward(
    gain: Array, inverse_deviations: Array, fan_out: int, normalised: Array, shift_delta: Array, delta: Array
) -> None:
    """dC/dz = (g - mean(g) - xhat mean(g xhat)) / sqrt(variance + epsilon) with g = gain dC/dy, row by row.

    The gradients of the gain and the shift are the sums over the batch of what is left in `normalised`, dC/dy xhat, and
    in `shift_delta`, dC/dy.

    Parameters
    ----------
    gain : array (O,)
    inverse_deviations : array (B,)
        From `layer_norm`.
    fan_out : int
        How many of the O numbers of a row count.
    normalised : array (B O,)
        xhat, from `layer_norm`; overwritten by dC/dy xhat.
    shift_delta : array (B O,)
        Overwritten by dC/dy.
    delta : array (B O,)
        dC/dy; overwritten by dC/dz.
    """
    T, width, columns = delta.dtype.type, gain.size, fan_out
    share, zero, sums = T(1 / fan_out), T(0), stack_array(delta, SUMS)
    for b in range(inverse_deviations.size):
        at, scale = b * width, inverse_deviations[b]
        xhat, dy, g = segment(normalised, at, columns), segment(shift_delta, at, columns), segment(delta, at, columns)
        for j in range(columns):
            dy[j] = g[j]
            g[j] *= gain[j]
        mean, slope = row_sum(g, sums) * share, sum_of_products(g, xhat, sums) * share
        for j in range(columns):
            g[j] = (g[j] - mean - xhat[j] * slope) * scale
            xhat[j] *= dy[j]
        for j in range(at + columns, at + width):
            normalised[j] = zero
            shift_delta[j] = zero
            delta[j] = zero


layer_norm_loop, layer_norm_backward_loop = inlined(layer_norm), inlined(layer_norm_backward)


@kernel
def normalise(
    workspace: Array, parameters: Array, linear: int, gain: int, shift: int, deviations: int, z: int, stride: int,
    fan_out: int, epsilon: float, start: int, stop: int,
) -> None:  # fmt: skip
    """Do as `layer_norm` with rows start to stop of a layer's buffers, which begin at these places."""
    at, size = start * stride, (stop - start) * stride
    layer_norm_loop(
        segment(workspace, linear + at, size), segment(parameters, gain, stride), segment(parameters, shift, stride),
        fan_out, epsilon, segment(workspace, deviations + start, stop - start), segment(workspace, z + at, size),
    )  # fmt: skip


@kernel
def normalise_backward(
    workspace: Array, parameters: Array, gain: int, deviations: int, linear: int, z: int, delta: int, stride: int,
    fan_out: int, start: int, stop: int,
) -> None:  # fmt: skip
    """Do as `layer_norm_backward` with rows start to stop of a layer's buffers; `z` gets what sums to the shift's."""
    at, size = start * stride, (stop - start) * stride
    layer_norm_backward_loop(
        segment(parameters, gain, stride), segment(workspace, deviations + start, stop - start), fan_out,
        segment(workspace, linear + at, size), segment(workspace, z + at, size), segment(workspace, delta + at, size),
    )  # fmt: skip
