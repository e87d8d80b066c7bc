"""The formula of each elementwise activation and of its slope, once, as a function of one number.

Two loops use it: the public kernel in `hotloop.kernels.activations`, and here the branch of `activate` or
`times_derivative` that the training loop takes. NaN stays NaN: comparisons are written so that a NaN fails them.
"""

from typing import Any

from hotloop.kernels import codes
from hotloop.kernels import elementary_functions as elementary
from hotloop.kernels.elementary_functions import exp_negative, expm1_negative, logistic
from hotloop.kernels.elementwise import copy
from hotloop.kernels.jit import Array, inline


@inline
def sigmoid_slope(a: Any) -> Any:
    """Return a (1 - a)."""
    return a * (type(a)(1) - a)


@inline
def tanh_slope(a: Any) -> Any:
    """Return 1 - a^2."""
    return (type(a)(1) - a) * (type(a)(1) + a)


@inline
def rectified(z: Any) -> Any:
    """Return max(z, 0)."""
    return type(z)(0) if z < type(z)(0) else z


@inline
def relu_slope(a: Any) -> Any:
    """Return 1 where a > 0, 0 where a <= 0."""
    return type(a)(0) if a <= type(a)(0) else (type(a)(1) if a > type(a)(0) else a)


@inline
def leaky(z: Any, below: Any) -> Any:
    """Return z where z > 0, else z times the slope `below` zero."""
    return z * below if z < type(z)(0) else z


@inline
def leaky_slope(a: Any, below: Any) -> Any:
    """Return 1 where a > 0, the slope `below` zero where a <= 0."""
    return below if a <= type(a)(0) else (type(a)(1) if a > type(a)(0) else a)


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


@inline
def weighted_logistic(z: Any) -> Any:
    """Return z sigmoid(z)."""
    return z * logistic(z)


@inline
def silu_slope(z: Any) -> Any:
    """Return s + z s (1 - s), with s = sigmoid(z)."""
    s = logistic(z)
    return s + z * s * (type(s)(1) - s)


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


@inline
def mish_slope(z: Any) -> Any:
    """Return t + z (1 - t^2) s, t = tanh(softplus(z)) = n / d, s = sigmoid(z): 4 e^z (1 + e^z) / d^2 is (1 - t^2) s."""
    e, n, d = mish_parts(z)
    rest = e * (e + type(z)(1)) * (type(z)(1) if z < type(z)(0) else e)
    return n / d + z * (type(z)(4) * rest / (d * d))


@inline
def softplus_slope(a: Any) -> Any:
    """Return 1 - e^-a."""
    return -expm1_negative(-a)


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
