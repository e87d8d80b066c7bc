"""Elementwise activations, each with its derivative beside it.

Every function takes an input and, last, the output that it overwrites, of the same size; the output may be the input.
Arrays are contiguous, of any number of dimensions, float32 or float64. The derivative takes the
activation a = f(z) where it can, since a training step has it already; GELU, SiLU and Mish, which are not monotone,
take z.
NaN stays NaN: comparisons are written so that a NaN fails them. Errors are given in units in the last place (ulp).

Each formula is written once, as a function of one number, and used by two loops: the public kernel, and the branch of
`activate` or `times_derivative` that the training loop takes.
"""

from typing import Any

from hotloop.kernels import codes
from hotloop.kernels import elementary_functions as elementary
from hotloop.kernels.elementary_functions import exp_negative, expm1_negative, logistic
from hotloop.kernels.elementwise import copy, prepare
from hotloop.kernels.jit import Array, inline, kernel


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
def leaky(z: Any, below: Any) -> Any:
    """Return z where z > 0, else z times the slope `below` zero."""
    return z * below if z < type(z)(0) else z


@kernel
def leaky_relu(z: Array, out: Array) -> None:
    """a = z where z > 0, else 0.01 z."""
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = leaky(out[i], out.dtype.type(codes.LEAKY_SLOPE))


@inline
def leaky_slope(a: Any, below: Any) -> Any:
    """Return 1 where a > 0, the slope `below` zero where a <= 0."""
    return below if a <= type(a)(0) else (type(a)(1) if a > type(a)(0) else a)


@kernel
def leaky_relu_derivative(activation: Array, out: Array) -> None:
    """f'(z) = 1 where a > 0, else 0.01."""
    out = prepare(activation, out)
    for i in range(out.size):
        out[i] = leaky_slope(out[i], out.dtype.type(codes.LEAKY_SLOPE))


@inline
def exponential_linear(z: Any, above: Any, below: Any) -> Any:
    """Return above z where z > 0, else below (e^z - 1)."""
    zero = type(z)(0)
    negative = expm1_negative(zero if z > zero else z)
    return z * above if z > zero else negative * below


@inline
def exponential_linear_slope(a: Any, above: Any, below: Any) -> Any:
    """Return above where a > 0, else a + below."""
    return above if a > type(a)(0) else a + below


@kernel
def elu(z: Array, out: Array) -> None:
    """a = z where z > 0, else e^z - 1, within 2 ulp."""
    out = prepare(z, out)
    one = out.dtype.type(1)
    for i in range(out.size):
        out[i] = exponential_linear(out[i], one, one)


@kernel
def elu_derivative(activation: Array, out: Array) -> None:
    """f'(z) = 1 where a > 0, else a + 1."""
    out = prepare(activation, out)
    one = out.dtype.type(1)
    for i in range(out.size):
        out[i] = exponential_linear_slope(out[i], one, one)


@kernel
def selu(z: Array, out: Array) -> None:
    """a = lambda z where z > 0, else lambda alpha (e^z - 1), within 3 ulp; lambda = 1.0507..., alpha = 1.6733...

    Its weighted inputs keep mean 0 and variance 1 from layer to layer, if the weights have variance 1 / fan_in.
    """
    out = prepare(z, out)
    above, below = out.dtype.type(codes.SELU_ABOVE), out.dtype.type(codes.SELU_BELOW)
    for i in range(out.size):
        out[i] = exponential_linear(out[i], above, below)


@kernel
def selu_derivative(activation: Array, out: Array) -> None:
    """f'(z) = lambda where a > 0, else a + lambda alpha."""
    out = prepare(activation, out)
    above, below = out.dtype.type(codes.SELU_ABOVE), out.dtype.type(codes.SELU_BELOW)
    for i in range(out.size):
        out[i] = exponential_linear_slope(out[i], above, below)


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


@inline
def mish_parts(z: Any) -> tuple[Any, Any, Any]:
    """Return e = e^-|z| and n, d: tanh(softplus(z)) = n / d, where e^2z + 2 e^z over itself plus 2 is scaled by e^-2z.

    Below zero it is not scaled. No power overflows, and nothing cancels.
    """
    negative, two, e = z < type(z)(0), type(z)(2), exp_negative(-abs(z))
    n = e * (e + two) if negative else e + e + type(z)(1)
    return e, n, n + two * (type(z)(1) if negative else e * e)


@inline
def self_gated(z: Any) -> Any:
    """Return z tanh(softplus(z))."""
    _, n, d = mish_parts(z)
    return z * (n / d)


@kernel
def mish(z: Array, out: Array) -> None:
    """a = z tanh(softplus(z)), softplus(z) = log(1 + e^z), within 4 ulp; 0 where e^z would be denormal.

    Misra, Mish: A Self Regularized Non-Monotonic Activation Function (BMVC 2020), equation 1.
    """
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = self_gated(out[i])


@inline
def mish_slope(z: Any) -> Any:
    """Return t + z (1 - t^2) s, t = tanh(softplus(z)) = n / d, s = sigmoid(z): 4 e^z (1 + e^z) / d^2 is (1 - t^2) s."""
    e, n, d = mish_parts(z)
    rest = e * (e + type(z)(1)) * (type(z)(1) if z < type(z)(0) else e)
    return n / d + z * (type(z)(4) * rest / (d * d))


@kernel
def mish_derivative(z: Array, out: Array) -> None:
    """f'(z) = t + z (1 - t^2) sigmoid(z), with t = tanh(softplus(z)). Takes z, not the activation."""
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = mish_slope(out[i])


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
def activate(code: int, above: float, below: float, z: Array, out: Array) -> None:
    """Apply the elementwise activation with this code, from one vector to another or in place.

    `above` and `below` are its slopes beside zero, if it takes any.
    """
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
            out[i] = leaky(out[i], out.dtype.type(below))
    elif code == codes.ELU or code == codes.SELU:
        for i in range(out.size):
            out[i] = exponential_linear(out[i], out.dtype.type(above), out.dtype.type(below))
    elif code == codes.GELU:
        for i in range(out.size):
            out[i] = elementary.gelu(out[i])
    elif code == codes.SILU:
        for i in range(out.size):
            out[i] = weighted_logistic(out[i])
    elif code == codes.MISH:
        for i in range(out.size):
            out[i] = self_gated(out[i])
    elif code == codes.SOFTPLUS:
        for i in range(out.size):
            out[i] = elementary.softplus(out[i])
    elif code == codes.EXPONENTIAL:
        for i in range(out.size):
            out[i] = elementary.exp(out[i])


@inline
def times_derivative(
    code: int, above: float, below: float, z: Array, activation: Array, keep: float, delta: Array
) -> None:
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
            delta[i] *= leaky_slope(share * activation[i], delta.dtype.type(below))
    elif code == codes.ELU or code == codes.SELU:
        for i in range(delta.size):
            delta[i] *= exponential_linear_slope(
                share * activation[i], delta.dtype.type(above), delta.dtype.type(below)
            )
    elif code == codes.GELU:
        for i in range(delta.size):
            delta[i] *= elementary.gelu_slope(z[i])
    elif code == codes.SILU:
        for i in range(delta.size):
            delta[i] *= silu_slope(z[i])
    elif code == codes.MISH:
        for i in range(delta.size):
            delta[i] *= mish_slope(z[i])
    elif code == codes.SOFTPLUS:
        for i in range(delta.size):
            delta[i] *= softplus_slope(share * activation[i])
    elif code == codes.EXPONENTIAL:
        for i in range(delta.size):
            delta[i] *= share * activation[i]
