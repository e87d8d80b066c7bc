"""Elementwise activations, each with its derivative beside it: public kernels.

Every function takes an input and, last, the output that it overwrites, of the same size; the output may be the input.
Arrays are contiguous, of any number of dimensions, float32 or float64. The derivative takes the activation a = f(z),
which a training step has already; those for which it cannot are in `gated_activations`. NaN stays NaN. Errors are given
in units in the last place (ulp). The formulas are in `activation_formulas`.
"""

from hotloop.kernels import codes
from hotloop.kernels import elementary_functions as elementary
from hotloop.kernels.activation_formulas import (
    exponential_linear,
    exponential_linear_slope,
    leaky,
    leaky_slope,
    rectified,
    relu_slope,
    sigmoid_slope,
    softplus_slope,
    tanh_slope,
)
from hotloop.kernels.elementary_functions import logistic
from hotloop.kernels.elementwise import prepare
from hotloop.kernels.jit import Array, kernel


@kernel
def identity(z: Array, out: Array) -> None:
    """out = z.

    >>> import numpy as np
    >>> from hotloop.kernels import identity
    >>> out = np.empty(3, np.float32)
    >>> identity(np.array([-1, 0, 1], np.float32), out)
    >>> print(out)
    [-1.  0.  1.]
    """
    prepare(z, out)


@kernel
def identity_derivative(activation: Array, out: Array) -> None:
    """out = f'(z) = 1; a is the activation.

    >>> import numpy as np
    >>> from hotloop.kernels import identity_derivative
    >>> out = np.empty(3, np.float32)
    >>> identity_derivative(np.array([-1, 0, 1], np.float32), out)
    >>> print(out)
    [1. 1. 1.]
    """
    out = prepare(activation, out)
    for i in range(out.size):
        out[i] = 1


@kernel
def sigmoid(z: Array, out: Array) -> None:
    """out = 1 / (1 + e^-z), within 2 ulp.

    >>> import numpy as np
    >>> from hotloop.kernels import sigmoid
    >>> out = np.empty(3, np.float32)
    >>> sigmoid(np.array([-1, 0, 1], np.float32), out)
    >>> print(out.round(2))
    [0.27 0.5  0.73]
    """
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = logistic(out[i])


@kernel
def sigmoid_derivative(activation: Array, out: Array) -> None:
    """out = f'(z) = a (1 - a); a is the activation.

    >>> import numpy as np
    >>> from hotloop.kernels import sigmoid_derivative
    >>> out = np.empty(3, np.float32)
    >>> sigmoid_derivative(np.array([0, 0.5, 1], np.float32), out)
    >>> print(out)
    [0.   0.25 0.  ]
    """
    out = prepare(activation, out)
    for i in range(out.size):
        out[i] = sigmoid_slope(out[i])


@kernel
def tanh(z: Array, out: Array) -> None:
    """out = tanh z, within 2 ulp.

    >>> import numpy as np
    >>> from hotloop.kernels import tanh
    >>> out = np.empty(3, np.float32)
    >>> tanh(np.array([-1, 0, 1], np.float32), out)
    >>> print(out.round(2))
    [-0.76  0.    0.76]
    """
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = elementary.tanh(out[i])


@kernel
def tanh_derivative(activation: Array, out: Array) -> None:
    """out = f'(z) = 1 - a^2; a is the activation.

    >>> import numpy as np
    >>> from hotloop.kernels import tanh_derivative
    >>> out = np.empty(3, np.float32)
    >>> tanh_derivative(np.array([-1, 0, 0.5], np.float32), out)
    >>> print(out)
    [0.   1.   0.75]
    """
    out = prepare(activation, out)
    for i in range(out.size):
        out[i] = tanh_slope(out[i])


@kernel
def relu(z: Array, out: Array) -> None:
    """out = max(z, 0).

    >>> import numpy as np
    >>> from hotloop.kernels import relu
    >>> out = np.empty(3, np.float32)
    >>> relu(np.array([-1, 0, 2], np.float32), out)
    >>> print(out)
    [0. 0. 2.]
    """
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = rectified(out[i])


@kernel
def relu_derivative(activation: Array, out: Array) -> None:
    """out = f'(z) = 1 where a > 0, else 0 (so at z = 0 too); a is the activation.

    >>> import numpy as np
    >>> from hotloop.kernels import relu_derivative
    >>> out = np.empty(3, np.float32)
    >>> relu_derivative(np.array([0, 0.5, 2], np.float32), out)
    >>> print(out)
    [0. 1. 1.]
    """
    out = prepare(activation, out)
    for i in range(out.size):
        out[i] = relu_slope(out[i])


@kernel
def leaky_relu(z: Array, out: Array) -> None:
    """out = z where z > 0, else 0.01 z.

    >>> import numpy as np
    >>> from hotloop.kernels import leaky_relu
    >>> out = np.empty(3, np.float32)
    >>> leaky_relu(np.array([-1, 0, 1], np.float32), out)
    >>> print(out.round(2))
    [-0.01  0.    1.  ]
    """
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = leaky(out[i], out.dtype.type(codes.LEAKY_SLOPE))


@kernel
def leaky_relu_derivative(activation: Array, out: Array) -> None:
    """out = f'(z) = 1 where a > 0, else 0.01; a is the activation.

    >>> import numpy as np
    >>> from hotloop.kernels import leaky_relu_derivative
    >>> out = np.empty(3, np.float32)
    >>> leaky_relu_derivative(np.array([-0.01, 0, 2], np.float32), out)
    >>> print(out.round(2))
    [0.01 0.01 1.  ]
    """
    out = prepare(activation, out)
    for i in range(out.size):
        out[i] = leaky_slope(out[i], out.dtype.type(codes.LEAKY_SLOPE))


@kernel
def elu(z: Array, out: Array) -> None:
    """out = z where z > 0, else e^z - 1, within 2 ulp.

    >>> import numpy as np
    >>> from hotloop.kernels import elu
    >>> out = np.empty(3, np.float32)
    >>> elu(np.array([-1, 0, 1], np.float32), out)
    >>> print(out.round(2))
    [-0.63  0.    1.  ]
    """
    out = prepare(z, out)
    one = out.dtype.type(1)
    for i in range(out.size):
        out[i] = exponential_linear(out[i], one, one)


@kernel
def elu_derivative(activation: Array, out: Array) -> None:
    """out = f'(z) = 1 where a > 0, else a + 1; a is the activation.

    >>> import numpy as np
    >>> from hotloop.kernels import elu_derivative
    >>> out = np.empty(3, np.float32)
    >>> elu_derivative(np.array([-0.5, 0, 2], np.float32), out)
    >>> print(out)
    [0.5 1.  1. ]
    """
    out = prepare(activation, out)
    one = out.dtype.type(1)
    for i in range(out.size):
        out[i] = exponential_linear_slope(out[i], one, one)


@kernel
def selu(z: Array, out: Array) -> None:
    """out = lambda z where z > 0, else lambda alpha (e^z - 1), within 3 ulp; lambda = 1.0507..., alpha = 1.6733...

    Its weighted inputs keep mean 0 and variance 1 from layer to layer, if the weights have variance 1 / fan_in.

    >>> import numpy as np
    >>> from hotloop.kernels import selu
    >>> out = np.empty(3, np.float32)
    >>> selu(np.array([-1, 0, 1], np.float32), out)
    >>> print(out.round(2))
    [-1.11  0.    1.05]
    """
    out = prepare(z, out)
    above, below = out.dtype.type(codes.SELU_ABOVE), out.dtype.type(codes.SELU_BELOW)
    for i in range(out.size):
        out[i] = exponential_linear(out[i], above, below)


@kernel
def selu_derivative(activation: Array, out: Array) -> None:
    """out = f'(z) = lambda where a > 0, else a + lambda alpha; a is the activation.

    >>> import numpy as np
    >>> from hotloop.kernels import selu_derivative
    >>> out = np.empty(3, np.float32)
    >>> selu_derivative(np.array([-1, 0, 2], np.float32), out)
    >>> print(out.round(2))
    [0.76 1.76 1.05]
    """
    out = prepare(activation, out)
    above, below = out.dtype.type(codes.SELU_ABOVE), out.dtype.type(codes.SELU_BELOW)
    for i in range(out.size):
        out[i] = exponential_linear_slope(out[i], above, below)


@kernel
def softplus(z: Array, out: Array) -> None:
    """out = log(1 + e^z), within 2 ulp.

    >>> import numpy as np
    >>> from hotloop.kernels import softplus
    >>> out = np.empty(3, np.float32)
    >>> softplus(np.array([-1, 0, 1], np.float32), out)
    >>> print(out.round(2))
    [0.31 0.69 1.31]
    """
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = elementary.softplus(out[i])


@kernel
def softplus_derivative(activation: Array, out: Array) -> None:
    """out = f'(z) = sigmoid(z) = 1 - e^-a; a is the activation.

    >>> import numpy as np
    >>> from hotloop.kernels import softplus_derivative
    >>> out = np.empty(3, np.float32)
    >>> softplus_derivative(np.array([0.5, 1, 2], np.float32), out)
    >>> print(out.round(2))
    [0.39 0.63 0.86]
    """
    out = prepare(activation, out)
    for i in range(out.size):
        out[i] = softplus_slope(out[i])


@kernel
def exponential(z: Array, out: Array) -> None:
    """out = e^z, within 2 ulp.

    >>> import numpy as np
    >>> from hotloop.kernels import exponential
    >>> out = np.empty(3, np.float32)
    >>> exponential(np.array([-1, 0, 1], np.float32), out)
    >>> print(out.round(2))
    [0.37 1.   2.72]
    """
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = elementary.exp(out[i])


@kernel
def exponential_derivative(activation: Array, out: Array) -> None:
    """out = f'(z) = a; a is the activation.

    >>> import numpy as np
    >>> from hotloop.kernels import exponential_derivative
    >>> out = np.empty(3, np.float32)
    >>> exponential_derivative(np.array([0, 1, 2], np.float32), out)
    >>> print(out)
    [0. 1. 2.]
    """
    prepare(activation, out)
