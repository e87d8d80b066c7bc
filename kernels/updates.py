"""Gradient descent: one pass over the flat parameter vector for each method.

g is dC/dw, w the parameters, alpha the learning rate. Vectors are contiguous and of one length; the last arguments,
moments and parameters, are overwritten. Hyper-parameters are Python floats, rounded once to the parameters' dtype.
The training loop calls `update`, which has a branch for each code.
"""

import math

import numpy as np

from hotloop.kernels import codes
from hotloop.kernels.jit import Array, inline, inlined, kernel, reduction
from hotloop.kernels.tables import Record
from hotloop.kernels.views import check_vectors, row, segment


@inline
def check_lengths(gradient: Array, moment: Array, parameters: Array) -> None:
    """Raise unless the vectors have the same length."""
    check_vectors(gradient, moment, parameters)
    if gradient.size != parameters.size or moment.size != parameters.size:
        raise ValueError("gradient, moments and parameters must have the same length")


@kernel
def sgd(gradient: Array, learning_rate: float, parameters: Array) -> None:
    """w := w - alpha g; alpha is the learning_rate, g the gradient, w the parameters.

    >>> import numpy as np
    >>> from hotloop.kernels import sgd
    >>> parameters = np.ones(3, np.float32)
    >>> sgd(np.array([1, 0, -1], np.float32), 0.5, parameters)
    >>> print(parameters)
    [0.5 1.  1.5]
    """
    check_lengths(gradient, gradient, parameters)
    alpha = parameters.dtype.type(learning_rate)
    for i in range(parameters.size):
        parameters[i] -= alpha * gradient[i]


@kernel
def momentum(gradient: Array, learning_rate: float, momentum: float, velocity: Array, parameters: Array) -> None:
    """v := mu v + g; w := w - alpha v.  Source: Polyak (1964), with alpha outside the velocity.

    alpha is the learning_rate, mu the momentum, g the gradient, v the velocity, w the parameters.

    >>> import numpy as np
    >>> from hotloop.kernels import momentum
    >>> velocity, parameters = np.ones(3, np.float32), np.ones(3, np.float32)
    >>> momentum(np.array([1, 0, -1], np.float32), 0.5, 0.75, velocity, parameters)
    >>> print(velocity, parameters)
    [ 1.75  0.75 -0.25] [0.125 0.625 1.125]
    """
    check_lengths(gradient, velocity, parameters)
    alpha, mu = parameters.dtype.type(learning_rate), parameters.dtype.type(momentum)
    for i in range(parameters.size):
        velocity[i] = mu * velocity[i] + gradient[i]
        parameters[i] -= alpha * velocity[i]


@kernel
def nesterov(gradient: Array, learning_rate: float, momentum: float, velocity: Array, parameters: Array) -> None:
    """v := mu v + g; w := w - alpha (g + mu v).  Source: Sutskever et al. (2013), at the look-ahead point.

    alpha is the learning_rate, mu the momentum, g the gradient, v the velocity, w the parameters.

    >>> import numpy as np
    >>> from hotloop.kernels import nesterov
    >>> velocity, parameters = np.zeros(3, np.float32), np.ones(3, np.float32)
    >>> nesterov(np.array([1, 0, -1], np.float32), 0.5, 0.5, velocity, parameters)
    >>> print(velocity, parameters)
    [ 1.  0. -1.] [0.25 1.   1.75]
    """
    check_lengths(gradient, velocity, parameters)
    alpha, mu = parameters.dtype.type(learning_rate), parameters.dtype.type(momentum)
    for i in range(parameters.size):
        velocity[i] = mu * velocity[i] + gradient[i]
        parameters[i] -= alpha * (gradient[i] + mu * velocity[i])


@kernel
def rmsprop(
    gradient: Array, learning_rate: float, rho: float, epsilon: float, mean_square: Array, parameters: Array
) -> None:
    """s := rho s + (1 - rho) g^2; w := w - alpha g / (sqrt(s) + epsilon).  Source: Hinton (2012), lecture 6e.

    alpha is the learning_rate, g the gradient, s the mean_square, w the parameters.

    >>> import numpy as np
    >>> from hotloop.kernels import rmsprop
    >>> mean_square, parameters = np.zeros(2, np.float32), np.ones(2, np.float32)
    >>> rmsprop(np.array([2, -2], np.float32), 0.25, 0.75, 1e-8, mean_square, parameters)
    >>> print(mean_square, parameters.round(4))
    [1. 1.] [0.5 1.5]
    """
    check_lengths(gradient, mean_square, parameters)
    T = parameters.dtype.type
    alpha, decay, gain, eps = T(learning_rate), T(rho), T(1 - rho), T(epsilon)
    for i in range(parameters.size):
        g = gradient[i]
        mean_square[i] = decay * mean_square[i] + gain * g * g
        parameters[i] -= alpha * g / (np.sqrt(mean_square[i]) + eps)


@kernel
def adagrad(gradient: Array, learning_rate: float, epsilon: float, sum_of_squares: Array, parameters: Array) -> None:
    """s := s + g^2; w := w - alpha g / (sqrt(s) + epsilon).  Source: Duchi, Hazan and Singer (2011), with epsilon.

    alpha is the learning_rate, g the gradient, s the sum_of_squares, w the parameters.

    >>> import numpy as np
    >>> from hotloop.kernels import adagrad
    >>> sum_of_squares, parameters = np.zeros(2, np.float32), np.ones(2, np.float32)
    >>> adagrad(np.array([2, -2], np.float32), 0.25, 1e-10, sum_of_squares, parameters)
    >>> print(sum_of_squares, parameters.round(4))
    [4. 4.] [0.75 1.25]
    """
    check_lengths(gradient, sum_of_squares, parameters)
    T = parameters.dtype.type
    alpha, eps = T(learning_rate), T(epsilon)
    for i in range(parameters.size):
        g = gradient[i]
        sum_of_squares[i] += g * g
        parameters[i] -= alpha * g / (np.sqrt(sum_of_squares[i]) + eps)


@kernel
def adam(
    gradient: Array, learning_rate: float, beta1: float, beta2: float, epsilon: float, step: int,
    first_moment: Array, second_moment: Array, parameters: Array,
) -> None:  # fmt: skip
    """m := b1 m + (1-b1) g; v := b2 v + (1-b2) g^2; w := w - alpha m' / (sqrt(v') + epsilon).

    m' = m / (1 - b1^t) and v' = v / (1 - b2^t), t = `step`, counted from 1. alpha is the learning_rate, b1 is beta1, b2
    is beta2, g the gradient, m the first_moment, v the second_moment, w the parameters. Source: Kingma and Ba (2015),
    Algorithm 1.

    >>> import numpy as np
    >>> from hotloop.kernels import adam
    >>> first_moment, second_moment, parameters = np.zeros((3, 2), np.float32)
    >>> adam(np.array([5, -3], np.float32), 0.01, 0.9, 0.999, 1e-8, 1, first_moment, second_moment, parameters)
    >>> print(parameters.round(4))  # the first step is alpha long, however steep the slope
    [-0.01  0.01]
    """
    adamw(gradient, learning_rate, beta1, beta2, epsilon, 0.0, step, first_moment, second_moment, parameters)


@kernel
def adamw(
    gradient: Array, learning_rate: float, beta1: float, beta2: float, epsilon: float, weight_decay: float, step: int,
    first_moment: Array, second_moment: Array, parameters: Array,
) -> None:  # fmt: skip
    """w := w - alpha lambda w, then as `adam`: the decay is not part of the gradient.

    lambda is the weight_decay; learning_rate, beta1, beta2, epsilon, step, gradient, first_moment, second_moment and
    parameters are those of `adam`. Every parameter decays, biases too. Source: Loshchilov and Hutter (2019),
    Algorithm 2.

    >>> import numpy as np
    >>> from hotloop.kernels import adamw
    >>> first_moment, second_moment = np.zeros((2, 2), np.float32)
    >>> parameters = np.ones(2, np.float32)
    >>> adamw(np.zeros(2, np.float32), 0.5, 0.9, 0.999, 1e-8, 0.5, 1, first_moment, second_moment, parameters)
    >>> print(parameters)  # no gradient, only decay
    [0.75 0.75]
    """
    check_lengths(gradient, first_moment, parameters)
    check_lengths(gradient, second_moment, parameters)
    rate, correction = corrections(learning_rate, beta1, beta2, step)
    keep = 1 - learning_rate * weight_decay
    adamw_pass(gradient, rate, beta1, beta2, epsilon, correction, keep, first_moment, second_moment, parameters)


@inlined
def corrections(learning_rate: float, beta1: float, beta2: float, step: int) -> tuple[float, float]:
    """Return alpha / (1 - b1^t) and 1 / sqrt(1 - b2^t)."""
    return learning_rate / (1 - beta1**step), 1 / math.sqrt(1 - beta2**step)


@inlined
def adamw_pass(
    gradient: Array, rate: float, beta1: float, beta2: float, epsilon: float, correction: float, keep: float,
    first_moment: Array, second_moment: Array, parameters: Array,
) -> None:  # fmt: skip
    """Update by the results of `corrections`, computed once for all parameters; keep = 1 - alpha lambda."""
    T = parameters.dtype.type
    b1, gain1, b2, gain2, eps = T(beta1), T(1 - beta1), T(beta2), T(1 - beta2), T(epsilon)
    alpha, root_scale, kept = T(rate), T(correction), T(keep)
    for i in range(parameters.size):
        g = gradient[i]
        m = b1 * first_moment[i] + gain1 * g
        v = b2 * second_moment[i] + gain2 * g * g
        first_moment[i] = m
        second_moment[i] = v
        parameters[i] = kept * parameters[i] - alpha * m / (np.sqrt(v) * root_scale + eps)


sgd_loop, momentum_loop, nesterov_loop = inlined(sgd), inlined(momentum), inlined(nesterov)
rmsprop_loop, adagrad_loop = inlined(rmsprop), inlined(adagrad)


@inline
def update(
    s: Record, h: Record, rate: float, correction: float, rate_factor: float, decay_factor: float, at: int,
    gradient: Array, moments: Array, parameters: Array,
) -> None:  # fmt: skip
    """Update a segment of the parameters, which starts at index `at`, by the method in the settings s at the step h.

    The factors are those of its rows, for the learning rate and the decay.
    """
    method, alpha, size = s["update"], rate_factor * h["learning_rate"], parameters.size
    if method == codes.SGD:
        sgd_loop(gradient, alpha, parameters)
    elif method == codes.MOMENTUM:
        momentum_loop(gradient, alpha, h["momentum"], segment(row(moments, 0), at, size), parameters)
    elif method == codes.NESTEROV:
        nesterov_loop(gradient, alpha, h["momentum"], segment(row(moments, 0), at, size), parameters)
    elif method == codes.RMSPROP:
        rmsprop_loop(gradient, alpha, s["rho"], s["epsilon"], segment(row(moments, 0), at, size), parameters)
    elif method == codes.ADAGRAD:
        adagrad_loop(gradient, alpha, s["epsilon"], segment(row(moments, 0), at, size), parameters)
    elif method == codes.ADAM or method == codes.ADAMW:
        keep = 1 - alpha * (decay_factor * h["weight_decay"])
        first_moment, second_moment = segment(row(moments, 0), at, size), segment(row(moments, 1), at, size)
        epsilon = s["epsilon"] * (correction if s["epsilon_hat"] != 0 else 1.0)
        adamw_pass(
            gradient, rate_factor * rate, h["beta1"], s["beta2"], epsilon, correction, keep, first_moment,
            second_moment, parameters,
        )  # fmt: skip


@kernel
def add_penalty(weights: Array, l1: float, l2: float, gradient: Array) -> float:
    """Return l1 sum |w| + l2 sum w^2; gradient += l1 sign(w) + 2 l2 w, where w are the weights.

    >>> import numpy as np
    >>> from hotloop.kernels import add_penalty
    >>> weights, gradient = np.array([-2, 0, 1], np.float32), np.zeros(3, np.float32)
    >>> add_penalty(weights, 1.0, 0.5, gradient)
    5.5
    >>> print(gradient)
    [-3.  0.  2.]
    """
    check_lengths(weights, weights, gradient)
    return penalty_row(weights, l1, l2, gradient)


@reduction
def penalty_row(weights: Array, l1: float, l2: float, gradient: Array) -> float:
    """Like `add_penalty`, for one row of a layer's weights."""
    T = weights.dtype.type
    a, two_b, zero = T(l1), T(2 * l2), T(0)
    sizes, squares = zero, zero
    for i in range(weights.size):
        w = weights[i]
        sizes += abs(w)
        squares += w * w
        sign = T(1) if w > zero else (T(-1) if w < zero else w)
        gradient[i] += a * sign + two_b * w
    # A penalty that is off must not enter: if its sum overflowed, 0 * inf would be NaN.
    return (l1 * float(sizes) if l1 > 0 else 0.0) + (l2 * float(squares) if l2 > 0 else 0.0)
