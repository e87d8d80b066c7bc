"""Elementwise activations, each with its derivative beside it.

Every function takes an input and, last, the output that it overwrites, of the same size; the output may be the input.
Arrays are contiguous, of any number of dimensions, float32 or float64. The derivative takes the
activation a = f(z) where it can, since a training step has it already; GELU and SiLU, which are not monotone, take z.
NaN stays NaN: comparisons are written so that a NaN fails them. Errors are given in units in the last place (ulp).

Each formula is written once, as a function of one number, and used by two loops: the public kernel, and the branch of
`activate` or `times_derivative` that the training loop takes.
"""

from typing import TYPE_CHECKING, Any

import numba

from hotloop.kernels import codes
from hotloop.kernels import elementary_functions as elementary
from hotloop.kernels.elementary_functions import expm1_negative, logistic
from hotloop.kernels.jit import Array, inline, inlined, kernel
from hotloop.kernels.views import check_dtype, segment, vector_of

if TYPE_CHECKING or numba.config.DISABLE_JIT:

    def copy(source: Array, target: Array) -> None:
        """Copy a vector to another of the same size and dtype, which may be the same memory."""
        target[:] = source

else:
    from hotloop.kernels.lowering.activations import copy

LEAKY_SLOPE = 0.01
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


@kernel
def identity(z: Array, out: Array) -> None:
    """a = z."""
    prepare(z, out)


@kernel
def identity_derivative(activation: Array, out: Array) -> None:
    """f'(z) = 1."""
    out = prepare(activation, out)
    for i in range(out.size):
        out[i] = 1


@kernel
def sigmoid(z: Array, out: Array) -> None:
    """a = 1 / (1 + e^-z), within 2 ulp."""
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = logistic(out[i])


@inline
def sigmoid_slope(a: Any) -> Any:
    """Return a (1 - a)."""
    return a * (type(a)(1) - a)


@kernel
def sigmoid_derivative(activation: Array, out: Array) -> None:
    """f'(z) = a (1 - a)."""
    out = prepare(activation, out)
    for i in range(out.size):
        out[i] = sigmoid_slope(out[i])


@kernel
def tanh(z: Array, out: Array) -> None:
    """a = tanh z, within 2 ulp."""
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = elementary.tanh(out[i])


@inline
def tanh_slope(a: Any) -> Any:
    """Return 1 - a^2."""
    return (type(a)(1) - a) * (type(a)(1) + a)


@kernel
def tanh_derivative(activation: Array, out: Array) -> None:
    """f'(z) = 1 - a^2."""
    out = prepare(activation, out)
    for i in range(out.size):
        out[i] = tanh_slope(out[i])


@inline
def rectified(z: Any) -> Any:
    """Return max(z, 0)."""
    return type(z)(0) if z < type(z)(0) else z


@kernel
def relu(z: Array, out: Array) -> None:
    """a = max(z, 0)."""
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = rectified(out[i])


@inline
def relu_slope(a: Any) -> Any:
    """Return 1 where a > 0, 0 where a <= 0."""
    return type(a)(0) if a <= type(a)(0) else (type(a)(1) if a > type(a)(0) else a)


@kernel
def relu_derivative(activation: Array, out: Array) -> None:
    """f'(z) = 1 where a > 0, else 0 (so at z = 0 too)."""
    out = prepare(activation, out)
    for i in range(out.size):
        out[i] = relu_slope(out[i])


@inline
def leaky(z: Any) -> Any:
    """Return z where z > 0, else 0.01 z."""
    return z * type(z)(LEAKY_SLOPE) if z < type(z)(0) else z


@kernel
def leaky_relu(z: Array, out: Array) -> None:
    """a = z where z > 0, else 0.01 z."""
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = leaky(out[i])


@inline
def leaky_slope(a: Any) -> Any:
    """Return 1 where a > 0, 0.01 where a <= 0."""
    return type(a)(LEAKY_SLOPE) if a <= type(a)(0) else (type(a)(1) if a > type(a)(0) else a)


@kernel
def leaky_relu_derivative(activation: Array, out: Array) -> None:
    """f'(z) = 1 where a > 0, else 0.01."""
    out = prepare(activation, out)
    for i in range(out.size):
        out[i] = leaky_slope(out[i])


@inline
def exponential_linear(z: Any) -> Any:
    """Return z where z > 0, else e^z - 1."""
    zero = type(z)(0)
    below = expm1_negative(zero if z > zero else z)
    return z if z > zero else below


@kernel
def elu(z: Array, out: Array) -> None:
    """a = z where z > 0, else e^z - 1, within 2 ulp."""
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = exponential_linear(out[i])


@inline
def elu_slope(a: Any) -> Any:
    """Return 1 where a > 0, else a + 1."""
    return type(a)(1) if a > type(a)(0) else a + type(a)(1)


@kernel
def elu_derivative(activation: Array, out: Array) -> None:
    """f'(z) = 1 where a > 0, else a + 1."""
    out = prepare(activation, out)
    for i in range(out.size):
        out[i] = elu_slope(out[i])


@kernel
def gelu(z: Array, out: Array) -> None:
    """a = z Phi(z), the distribution of the standard normal, within 8 ulp; exact, not the tanh approximation."""
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = elementary.gelu(out[i])


@kernel
def gelu_derivative(z: Array, out: Array) -> None:
    """f'(z) = Phi(z) + z phi(z), with phi(z) = e^(-z^2 / 2) / sqrt(2 pi). Takes z, not the activation."""
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = elementary.gelu_slope(out[i])


@inline
def weighted_logistic(z: Any) -> Any:
    """Return z sigmoid(z)."""
    return z * logistic(z)


@kernel
def silu(z: Array, out: Array) -> None:
    """a = z sigmoid(z), within 3 ulp; 0 where sigmoid(z) would be denormal, at z < -87.3 (float64: -708.3)."""
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = weighted_logistic(out[i])


@inline
def silu_slope(z: Any) -> Any:
    """Return s + z s (1 - s), with s = sigmoid(z)."""
    s = logistic(z)
    return s + z * s * (type(s)(1) - s)


@kernel
def silu_derivative(z: Array, out: Array) -> None:
    """f'(z) = s + z s (1 - s), with s = sigmoid(z). Takes z, not the activation."""
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = silu_slope(out[i])


@kernel
def softplus(z: Array, out: Array) -> None:
    """a = log(1 + e^z), within 2 ulp."""
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = elementary.softplus(out[i])


@inline
def softplus_slope(a: Any) -> Any:
    """Return 1 - e^-a."""
    return -expm1_negative(-a)


@kernel
def softplus_derivative(activation: Array, out: Array) -> None:
    """f'(z) = sigmoid(z) = 1 - e^-a."""
    out = prepare(activation, out)
    for i in range(out.size):
        out[i] = softplus_slope(out[i])


@kernel
def exponential(z: Array, out: Array) -> None:
    """a = e^z, within 2 ulp."""
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = elementary.exp(out[i])


@kernel
def exponential_derivative(activation: Array, out: Array) -> None:
    """f'(z) = a."""
    prepare(activation, out)


@inline
def activate(code: int, z: Array, out: Array) -> None:
    """Apply the elementwise activation with this code, from one vector to another or in place."""
    copy(z, out)
    if code == codes.SIGMOID:
        for i in range(out.size):
            out[i] = logistic(out[i])
    elif code == codes.TANH:
        for i in range(out.size):
            out[i] = elementary.tanh(out[i])
    elif code == codes.RELU:
        for i in range(out.size):
            out[i] = rectified(out[i])
    elif code == codes.LEAKY_RELU:
        for i in range(out.size):
            out[i] = leaky(out[i])
    elif code == codes.ELU:
        for i in range(out.size):
            out[i] = exponential_linear(out[i])
    elif code == codes.GELU:
        for i in range(out.size):
            out[i] = elementary.gelu(out[i])
    elif code == codes.SILU:
        for i in range(out.size):
            out[i] = weighted_logistic(out[i])
    elif code == codes.SOFTPLUS:
        for i in range(out.size):
            out[i] = elementary.softplus(out[i])
    elif code == codes.EXPONENTIAL:
        for i in range(out.size):
            out[i] = elementary.exp(out[i])


@inline
def times_derivative(code: int, z: Array, activation: Array, keep: float, delta: Array) -> None:
    """delta := delta * f', for vectors and the elementwise activation with this code; delta in separate memory.

    After dropout the activation is stored as a / keep where it was kept; elsewhere delta is zero.
    """
    share = delta.dtype.type(keep)
    if code == codes.SIGMOID:
        for i in range(delta.size):
            delta[i] *= sigmoid_slope(share * activation[i])
    elif code == codes.TANH:
        for i in range(delta.size):
            delta[i] *= tanh_slope(share * activation[i])
    elif code == codes.RELU:
        for i in range(delta.size):
            delta[i] *= relu_slope(share * activation[i])
    elif code == codes.LEAKY_RELU:
        for i in range(delta.size):
            delta[i] *= leaky_slope(share * activation[i])
    elif code == codes.ELU:
        for i in range(delta.size):
            delta[i] *= elu_slope(share * activation[i])
    elif code == codes.GELU:
        for i in range(delta.size):
            delta[i] *= elementary.gelu_slope(z[i])
    elif code == codes.SILU:
        for i in range(delta.size):
            delta[i] *= silu_slope(z[i])
    elif code == codes.SOFTPLUS:
        for i in range(delta.size):
            delta[i] *= softplus_slope(share * activation[i])
    elif code == codes.EXPONENTIAL:
        for i in range(delta.size):
            delta[i] *= share * activation[i]
