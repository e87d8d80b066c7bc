"""Activations, each with its derivative beside it.

Every function takes an input and, last, the output that it overwrites, of the same size; the output may be the input.
Arrays are contiguous, of any number of dimensions (softmax: two), float32 or float64. The derivative takes the
activation a = f(z) where it can, since a training step has it already; GELU and SiLU, which are not monotone, take z.
NaN stays NaN: comparisons are written so that a NaN fails them.
"""

import math
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array, inline, kernel, part
from hotloop.kernels.maths import exp, expm1, logistic
from hotloop.kernels.maths import softplus as softplus_of
from hotloop.kernels.maths import tanh as tanh_of
from hotloop.kernels.views import check_matrices, check_rows, row, vector_of

IDENTITY, SIGMOID, TANH, RELU, LEAKY_RELU, ELU, GELU, SILU, SOFTPLUS, SOFTMAX = range(10)
LEAKY_SLOPE = 0.01
SQRT_HALF, INVERSE_SQRT_2_PI = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi)


@inline
def flat_pair(z: Array, out: Array) -> tuple[Array, Array]:
    """Return input and output as vectors; raise unless their sizes agree."""
    if z.size != out.size:
        raise ValueError("input and output must have the same size")
    return vector_of(z), vector_of(out)


@kernel
def identity(z: Array, out: Array) -> None:
    """a = z."""
    z, out = flat_pair(z, out)
    for i in range(z.size):
        out[i] = z[i]


@kernel
def identity_derivative(activation: Array, out: Array) -> None:
    """f'(z) = 1."""
    activation, out = flat_pair(activation, out)
    for i in range(out.size):
        out[i] = 1


@kernel
def sigmoid(z: Array, out: Array) -> None:
    """a = 1 / (1 + e^-z)."""
    z, out = flat_pair(z, out)
    for i in range(z.size):
        out[i] = logistic(z[i])


@kernel
def sigmoid_derivative(activation: Array, out: Array) -> None:
    """f'(z) = a (1 - a)."""
    activation, out = flat_pair(activation, out)
    for i in range(activation.size):
        a = activation[i]
        out[i] = a * (type(a)(1) - a)


@kernel
def tanh(z: Array, out: Array) -> None:
    """a = tanh z."""
    z, out = flat_pair(z, out)
    for i in range(z.size):
        out[i] = tanh_of(z[i])


@kernel
def tanh_derivative(activation: Array, out: Array) -> None:
    """f'(z) = 1 - a^2."""
    activation, out = flat_pair(activation, out)
    for i in range(activation.size):
        a = activation[i]
        out[i] = (type(a)(1) - a) * (type(a)(1) + a)


@kernel
def relu(z: Array, out: Array) -> None:
    """a = max(z, 0)."""
    z, out = flat_pair(z, out)
    for i in range(z.size):
        out[i] = type(z[i])(0) if z[i] < 0 else z[i]


@kernel
def relu_derivative(activation: Array, out: Array) -> None:
    """f'(z) = 1 where a > 0, else 0 (so at z = 0 too)."""
    activation, out = flat_pair(activation, out)
    for i in range(activation.size):
        a = activation[i]
        out[i] = type(a)(0) if a <= 0 else (type(a)(1) if a > 0 else a)


@kernel
def leaky_relu(z: Array, out: Array) -> None:
    """a = z where z > 0, else 0.01 z."""
    z, out = flat_pair(z, out)
    for i in range(z.size):
        out[i] = z[i] * type(z[i])(LEAKY_SLOPE) if z[i] < 0 else z[i]


@kernel
def leaky_relu_derivative(activation: Array, out: Array) -> None:
    """f'(z) = 1 where a > 0, else 0.01."""
    activation, out = flat_pair(activation, out)
    for i in range(activation.size):
        a = activation[i]
        out[i] = type(a)(LEAKY_SLOPE) if a <= 0 else (type(a)(1) if a > 0 else a)


@kernel
def elu(z: Array, out: Array) -> None:
    """a = z where z > 0, else e^z - 1."""
    z, out = flat_pair(z, out)
    for i in range(z.size):
        zero = type(z[i])(0)
        below = expm1(zero if z[i] > zero else z[i])
        out[i] = z[i] if z[i] > zero else below


@kernel
def elu_derivative(activation: Array, out: Array) -> None:
    """f'(z) = 1 where a > 0, else a + 1."""
    activation, out = flat_pair(activation, out)
    for i in range(activation.size):
        a = activation[i]
        out[i] = type(a)(1) if a > 0 else a + type(a)(1)


@kernel
def gelu(z: Array, out: Array) -> None:
    """a = z Phi(z), Phi(z) = erfc(-z / sqrt 2) / 2 the normal distribution's; exact, not the tanh approximation."""
    z, out = flat_pair(z, out)
    for i in range(z.size):
        out[i] = z[i] * normal_distribution(z[i])


@kernel
def gelu_derivative(z: Array, out: Array) -> None:
    """f'(z) = Phi(z) + z phi(z), with phi(z) = e^(-z^2 / 2) / sqrt(2 pi). Takes z, not the activation."""
    z, out = flat_pair(z, out)
    for i in range(z.size):
        x = z[i]
        density = exp(-x * x * type(x)(0.5)) * type(x)(INVERSE_SQRT_2_PI)
        out[i] = normal_distribution(x) + x * density


@inline
def normal_distribution(x: Any) -> Any:
    """Return Phi(x)."""
    return type(x)(0.5) * type(x)(math.erfc(-x * type(x)(SQRT_HALF)))


@kernel
def silu(z: Array, out: Array) -> None:
    """a = z sigmoid(z)."""
    z, out = flat_pair(z, out)
    for i in range(z.size):
        out[i] = z[i] * logistic(z[i])


@kernel
def silu_derivative(z: Array, out: Array) -> None:
    """f'(z) = s + z s (1 - s), with s = sigmoid(z). Takes z, not the activation."""
    z, out = flat_pair(z, out)
    for i in range(z.size):
        s = logistic(z[i])
        out[i] = s + z[i] * s * (type(s)(1) - s)


@kernel
def softplus(z: Array, out: Array) -> None:
    """a = log(1 + e^z)."""
    z, out = flat_pair(z, out)
    for i in range(z.size):
        out[i] = softplus_of(z[i])


@kernel
def softplus_derivative(activation: Array, out: Array) -> None:
    """f'(z) = sigmoid(z) = 1 - e^-a."""
    activation, out = flat_pair(activation, out)
    for i in range(activation.size):
        out[i] = -expm1(-activation[i])


@kernel
def softmax(z: Array, out: Array) -> None:
    """a_j = e^z_j / sum over k of e^z_k, row by row, each z less its row's largest so that nothing overflows."""
    check_matrices(z, z, out)
    if z.shape != out.shape:
        raise ValueError("softmax: z and out must have the same shape")
    check_rows(z)
    check_rows(out)
    for b in range(z.shape[0]):
        z_b, out_b = row(z, b), row(out, b)
        total = exponentials(z_b, out_b)[1]
        for j in range(z_b.size):
            out_b[j] /= total


@inline
def exponentials(z: Array, out: Array) -> tuple[Any, Any]:
    """Write e^(z - m), m the largest entry of z, and return m and their sum."""
    top = largest(z)
    for j in range(z.size):
        out[j] = exp(z[j] - top)
    return top, ordered_sum(out)


@inline
def ordered_sum(values: Array) -> Any:
    """Return the sum, taken from the first to the last.

    A gradient depends on it, so its bits are not the compiler's choice. A loop of its own, so that the one before it
    still vectorises.
    """
    total = values.dtype.type(0)
    for j in range(values.size):
        total += values[j]
    return total


@inline
def largest(values: Array) -> Any:
    """Return the largest of `values`, -inf of none; a NaN among them may be passed over."""
    top = values.dtype.type(-np.inf)
    for j in range(values.size):
        top = top if values[j] <= top else values[j]
    return top


@kernel
def softmax_input_gradient(activation: Array, gradient: Array, out: Array) -> None:
    """dC/dz_j = a_j (g_j - sum over k of g_k a_k), row by row, g = dC/da: softmax has no elementwise derivative."""
    check_matrices(activation, gradient, out)
    if activation.shape != gradient.shape or out.shape != gradient.shape:
        raise ValueError("softmax_input_gradient: activation, gradient and out must have the same shape")
    check_rows(activation)
    check_rows(gradient)
    check_rows(out)
    for b in range(activation.shape[0]):
        a, g, out_b = row(activation, b), row(gradient, b), row(out, b)
        total = out.dtype.type(0)
        for j in range(a.size):
            total += a[j] * g[j]
        for j in range(a.size):
            out_b[j] = a[j] * (g[j] - total)


@part
def activate(code: int, z: Array, out: Array) -> None:
    """Apply the elementwise activation with this code."""
    if code == SIGMOID:
        sigmoid(z, out)
    elif code == TANH:
        tanh(z, out)
    elif code == RELU:
        relu(z, out)
    elif code == LEAKY_RELU:
        leaky_relu(z, out)
    elif code == ELU:
        elu(z, out)
    elif code == GELU:
        gelu(z, out)
    elif code == SILU:
        silu(z, out)
    elif code == SOFTPLUS:
        softplus(z, out)
    else:
        identity(z, out)


@part
def derivative(code: int, z: Array, activation: Array, out: Array) -> None:
    """Compute f' of the elementwise activation with this code."""
    if code == SIGMOID:
        sigmoid_derivative(activation, out)
    elif code == TANH:
        tanh_derivative(activation, out)
    elif code == RELU:
        relu_derivative(activation, out)
    elif code == LEAKY_RELU:
        leaky_relu_derivative(activation, out)
    elif code == ELU:
        elu_derivative(activation, out)
    elif code == GELU:
        gelu_derivative(z, out)
    elif code == SILU:
        silu_derivative(z, out)
    elif code == SOFTPLUS:
        softplus_derivative(activation, out)
    else:
        identity_derivative(activation, out)
