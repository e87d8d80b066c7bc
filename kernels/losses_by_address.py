"""Losses that few networks have: kernels that the training loop calls by address, and was not compiled with.

Each takes a row: outputs a (O,), or for a loss of logits the weighted inputs z of the last layer, targets y, the
loss's parameters, and the row's weight w. It returns w l and overwrites g (O,) with w dl/da, or w dl/dz. l is a mean
over the outputs, but for the last three. float32 or float64 but for w and w l, which are float64.
"""

from typing import Any

import numpy as np

from hotloop.kernels.elementary_functions import (
    exp,
    exp_negative,
    expm1_negative,
    log,
    log1p_rest,
    logistic,
    softplus,
    tanh,
)
from hotloop.kernels.jit import Array, inline, kernel, reduction
from hotloop.kernels.losses import binary_cross_entropy_row

LN2 = np.log(2.0)


@inline
def pinball(d: Any, level: Any) -> tuple[Any, Any]:
    """Return max(q d, (q - 1) d) for d = y - a, and its derivative by a: -q, 1 - q, or 0 where d = 0."""
    zero = type(d)(0)
    slope = level if d > zero else (level - type(d)(1) if d < zero else d)
    return slope * d, -slope


@reduction
def quantile_row(a: Array, y: Array, g: Array, levels: Array, share: Any) -> float:
    """Return the sum of the pinball losses, and write their derivatives times `share`."""
    total, columns = y.dtype.type(0), levels.size
    for t in range(y.size):
        for q in range(columns):
            loss, slope = pinball(y[t] - a[t * columns + q], levels[q])
            total += loss
            g[t * columns + q] = slope * share
    return float(total)


@kernel
def quantile(a: Array, y: Array, g: Array, parameters: Array, weight: float) -> float:
    """l = mean of max(q (y - a), (q - 1) (y - a)); dl/da = -q, 1 - q or 0, over the outputs.

    The parameters are the levels q. The outputs are those of the first target, one a level, then of the second.
    Koenker & Bassett, Regression Quantiles (Econometrica 46, 1978), equation 2.1.
    """
    weight /= max(a.size, 1)
    return weight * quantile_row(a, y, g, parameters, a.dtype.type(weight))


@reduction
def huber_sum(a: Array, y: Array, g: Array, delta: Any, share: Any) -> float:
    """Return the sum of Huber's losses, and write their derivatives times `share`."""
    total = y.dtype.type(0)
    for j in range(y.size):
        d = a[j] - y[j]
        clipped = delta if d > delta else (-delta if d < -delta else d)
        total += clipped * (d - type(d)(0.5) * clipped)
        g[j] = clipped * share
    return float(total)


@kernel
def huber_delta(a: Array, y: Array, g: Array, parameters: Array, weight: float) -> float:
    """l = mean of h(a - y), h(d) = d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2); dl/da = clip(a - y) / O.

    The parameter is delta.
    """
    weight /= max(a.size, 1)
    return weight * huber_sum(a, y, g, parameters[0], a.dtype.type(weight))


@inline
def log_cosh_of(d: Any) -> Any:
    """Return log(cosh d), of which no part overflows, nor cancels near 0.

    With e = e^-|d| it is log(1 + (1 - e)^2 / (2 e)), and further out |d| + log(1 + e^2) - log 2.
    """
    size, two = abs(d), type(d)(2)
    e, rest = exp_negative(-size), expm1_negative(-size)
    f = rest * rest / (two * e)
    near = f - log1p_rest(f)
    square = e * e
    far = (size - type(d)(LN2)) + (square - log1p_rest(square))
    return near if size < type(d)(1) else far


@reduction
def log_cosh_sum(a: Array, y: Array, g: Array, share: Any) -> float:
    """Return the sum of the losses, and write their derivatives times `share`."""
    total = y.dtype.type(0)
    for j in range(y.size):
        d = a[j] - y[j]
        total += log_cosh_of(d)
        g[j] = tanh(d) * share
    return float(total)


@kernel
def log_cosh(a: Array, y: Array, g: Array, parameters: Array, weight: float) -> float:
    """l = mean of log(cosh(a - y)); dl/da = tanh(a - y) / O."""
    weight /= max(a.size, 1)
    return weight * log_cosh_sum(a, y, g, a.dtype.type(weight))


@reduction
def poisson_sum(z: Array, y: Array, g: Array, share: Any) -> float:
    """Return the sum of the losses, and write their derivatives times `share`."""
    total = y.dtype.type(0)
    for j in range(y.size):
        mean = exp(z[j])
        total += mean - y[j] * z[j]
        g[j] = (mean - y[j]) * share
    return float(total)


@kernel
def poisson(z: Array, y: Array, g: Array, parameters: Array, weight: float) -> float:
    """l = mean of e^z - y z; dl/dz = (e^z - y) / O: the negative log-likelihood of counts y with means e^z.

    Without log y!, which no parameter changes.
    """
    weight /= max(z.size, 1)
    return weight * poisson_sum(z, y, g, z.dtype.type(weight))


@inline
def positive_term(z: Any, y: Any, positive: Any) -> tuple[Any, Any]:
    """Return (1 - y) z + L log(1 + e^-z), L = 1 + (p - 1) y, and its derivative L sigmoid(z) - p y.

    Of the logarithm, z is taken out where it is below 0: there it leaves -p y z beside the first term.
    """
    one = type(z)(1)
    outside = (one - y) * z if z > type(z)(0) else -(positive * y) * z
    scale = one + (positive - one) * y
    return scale * softplus(-abs(z)) + outside, scale * logistic(z) - positive * y


@reduction
def positive_sum(z: Array, y: Array, g: Array, positive: Array, share: Any) -> float:
    """Return the sum of the losses, and write their derivatives times `share`."""
    total = y.dtype.type(0)
    for j in range(y.size):
        loss, slope = positive_term(z[j], y[j], positive[j])
        total += loss
        g[j] = slope * share
    return float(total)


@kernel
def positive_binary_cross_entropy(z: Array, y: Array, g: Array, parameters: Array, weight: float) -> float:
    """l = mean of -p y log s - (1 - y) log(1 - s), s = sigmoid(z); dl/dz = ((1 - y) s - p y (1 - s)) / O.

    The parameters are p, the weight of the positive targets of each output.
    """
    weight /= max(z.size, 1)
    return weight * positive_sum(z, y, g, parameters, z.dtype.type(weight))


# scikit-learn's, for `hotloop.estimators`: l is a sum over the outputs.


@reduction
def half_squared_sum(a: Array, y: Array, g: Array, share: Any) -> float:
    """Return the sum of the squares, and write half their derivatives times `share`."""
    total = y.dtype.type(0)
    for j in range(y.size):
        d = a[j] - y[j]
        total += d * d
        g[j] = d * share
    return float(total)


@kernel
def half_squared_error(a: Array, y: Array, g: Array, parameters: Array, weight: float) -> float:
    """l = sum (a - y)^2 / (2 O); g = a - y, which is O dl/da: scikit-learn reports the mean, and descends the sum."""
    return weight / max(2 * a.size, 1) * half_squared_sum(a, y, g, a.dtype.type(weight))


@reduction
def poisson_deviance_sum(z: Array, y: Array, g: Array, share: Any) -> float:
    """Return the sum of the losses, and write their derivatives times `share`."""
    zero = y.dtype.type(0)
    total = zero
    for j in range(y.size):
        mean, t = exp(z[j]), y[j]
        total += (t * (log(t) - z[j]) if t > zero else zero) + (mean - t)
        g[j] = (mean - t) * share
    return float(total)


@kernel
def half_poisson_deviance(z: Array, y: Array, g: Array, parameters: Array, weight: float) -> float:
    """l = sum y log(y / e^z) - y + e^z; dl/dz = e^z - y: half the deviance of counts y with means e^z."""
    return weight * poisson_deviance_sum(z, y, g, z.dtype.type(weight))


@kernel
def log_loss_of_labels(z: Array, y: Array, g: Array, parameters: Array, weight: float) -> float:
    """l = -sum y log s + (1 - y) log(1 - s), s = sigmoid(z); dl/dz = s - y."""
    return binary_cross_entropy_row(z, y, g, weight)
