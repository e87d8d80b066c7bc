"""Activations z g(z), which are not monotone, so that their derivatives take z: GELU, SiLU and Mish, public kernels.

Arguments as in `activations`.
"""

from hotloop.kernels import elementary_functions as elementary
from hotloop.kernels.activation_formulas import mish_slope, self_gated, silu_slope, weighted_logistic
from hotloop.kernels.elementwise import prepare
from hotloop.kernels.jit import Array, kernel


@kernel
def gelu(z: Array, out: Array) -> None:
    """out = z Phi(z), the distribution of the standard normal, within 8 ulp; exact, not the tanh approximation.

    >>> import numpy as np
    >>> from hotloop.kernels import gelu
    >>> out = np.empty(3, np.float32)
    >>> gelu(np.array([-1, 0, 1], np.float32), out)
    >>> print(out.round(2))
    [-0.16  0.    0.84]
    """
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = elementary.gelu(out[i])


@kernel
def gelu_derivative(z: Array, out: Array) -> None:
    """out = f'(z) = Phi(z) + z phi(z), with phi(z) = e^(-z^2 / 2) / sqrt(2 pi). Takes z, not the activation.

    >>> import numpy as np
    >>> from hotloop.kernels import gelu_derivative
    >>> out = np.empty(3, np.float32)
    >>> gelu_derivative(np.array([-1, 0, 1], np.float32), out)
    >>> print(out.round(2))
    [-0.08  0.5   1.08]
    """
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = elementary.gelu_slope(out[i])


@kernel
def silu(z: Array, out: Array) -> None:
    """out = z sigmoid(z), within 3 ulp; 0 where sigmoid(z) would be denormal, at z < -87.3 (float64: -708.3).

    >>> import numpy as np
    >>> from hotloop.kernels import silu
    >>> out = np.empty(3, np.float32)
    >>> silu(np.array([-1, 0, 1], np.float32), out)
    >>> print(out.round(2))
    [-0.27  0.    0.73]
    """
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = weighted_logistic(out[i])


@kernel
def silu_derivative(z: Array, out: Array) -> None:
    """out = f'(z) = s + z s (1 - s), with s = sigmoid(z). Takes z, not the activation.

    >>> import numpy as np
    >>> from hotloop.kernels import silu_derivative
    >>> out = np.empty(3, np.float32)
    >>> silu_derivative(np.array([-1, 0, 1], np.float32), out)
    >>> print(out.round(2))
    [0.07 0.5  0.93]
    """
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = silu_slope(out[i])


@kernel
def mish(z: Array, out: Array) -> None:
    """out = z tanh(softplus(z)), softplus(z) = log(1 + e^z), within 4 ulp; 0 where e^z would be denormal.

    Misra, Mish: A Self Regularized Non-Monotonic Activation Function (BMVC 2020), equation 1.

    >>> import numpy as np
    >>> from hotloop.kernels import mish
    >>> out = np.empty(3, np.float32)
    >>> mish(np.array([-1, 0, 1], np.float32), out)
    >>> print(out.round(2))
    [-0.3   0.    0.87]
    """
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = self_gated(out[i])


@kernel
def mish_derivative(z: Array, out: Array) -> None:
    """out = f'(z) = t + z (1 - t^2) sigmoid(z), with t = tanh(softplus(z)). Takes z, not the activation.

    >>> import numpy as np
    >>> from hotloop.kernels import mish_derivative
    >>> out = np.empty(3, np.float32)
    >>> mish_derivative(np.array([-1, 0, 1], np.float32), out)
    >>> print(out.round(2))
    [0.06 0.6  1.05]
    """
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = mish_slope(out[i])
