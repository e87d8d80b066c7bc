"""Slow, obvious NumPy twins of the kernels, in float64.

One function a kernel, of the same name, with the same arguments in the same order; where the kernel fills an output,
the twin returns a new array. Nothing here is fast, and nothing here is shared with `hotloop`: a mistake would have to
be made twice to pass. Letters in shapes: B batch, I fan_in, O fan_out, C classes.
"""

import math

import numpy as np

LEAKY_SLOPE = 0.01
SELU_LAMBDA, SELU_LAMBDA_ALPHA = 1.0507009873554804934, 1.7580993408473768599
HUBER_THRESHOLD = 1.0


def double(array):
    return np.asarray(array, dtype=np.float64)


# The three products of a dense layer.


def dense_forward(x, weights, bias):
    """x (B, I) @ weights (I, O) + bias (O,)."""
    return double(x) @ double(weights) + double(bias)


def weight_gradient(x, delta):
    """x.T @ delta, (I, O), and the sum of delta over the batch, (O,): what accumulate_weight_gradient adds."""
    return double(x).T @ double(delta), double(delta).sum(axis=0)


def input_gradient(delta, weights):
    """delta (B, O) @ weights.T (O, I)."""
    return double(delta) @ double(weights).T


# Activations, functions of z.


def sigmoid(z):
    small = np.exp(-np.abs(double(z)))  # at most 1: the other sign overflows
    return np.where(double(z) >= 0, 1 / (1 + small), small / (1 + small)) + 0 * double(z)


def tanh(z):
    return np.tanh(double(z))


def relu(z):
    return np.maximum(double(z), 0)


def leaky_relu(z):
    return np.where(double(z) > 0, z, LEAKY_SLOPE * double(z))


def elu(z):
    return np.where(double(z) > 0, z, np.expm1(np.minimum(double(z), 0)))


def gelu(z):
    return double(z) * normal_cdf(z)


def silu(z):
    return double(z) * sigmoid(z)


def selu(z):
    return np.where(double(z) > 0, SELU_LAMBDA * double(z), SELU_LAMBDA_ALPHA * np.expm1(np.minimum(double(z), 0)))


def mish(z):
    return double(z) * np.tanh(softplus(z))


def softplus(z):
    return np.logaddexp(0, double(z))


def identity(z):
    return double(z).copy()


def exponential(z):
    return np.exp(double(z))


def softmax(z):
    shifted = np.exp(double(z) - double(z).max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def normal_cdf(z):
    """By erfc, which keeps its digits in the left tail, where 1 + erf loses all."""
    return 0.5 * np.vectorize(math.erfc, otypes=[np.float64])(-double(z) / math.sqrt(2))


# Derivatives, functions of the activation a = f(z); those in DERIVATIVE_OF_Z of z itself.


def sigmoid_derivative(a):
    return double(a) * (1 - double(a))


def tanh_derivative(a):
    return (1 - double(a)) * (1 + double(a))


def relu_derivative(a):
    return np.heaviside(double(a), 0)


def leaky_relu_derivative(a):
    return LEAKY_SLOPE + (1 - LEAKY_SLOPE) * np.heaviside(double(a), 0)


def elu_derivative(a):
    return 1 + np.minimum(double(a), 0)


def selu_derivative(a):
    return np.where(double(a) > 0, SELU_LAMBDA, double(a) + SELU_LAMBDA_ALPHA)


def softplus_derivative(a):
    return -np.expm1(-double(a))


def exponential_derivative(a):
    return double(a).copy()


def identity_derivative(a):
    return np.ones_like(double(a)) + 0 * double(a)


def gelu_derivative(z):
    density = np.exp(-0.5 * double(z) ** 2) / math.sqrt(2 * math.pi)
    return normal_cdf(z) + double(z) * density


def silu_derivative(z):
    return sigmoid(z) * (1 + double(z) * (1 - sigmoid(z)))


def mish_derivative(z):
    s = np.minimum(softplus(z), 300)  # the square of the next one's cosh is finite
    return np.tanh(s) + double(z) * sigmoid(z) / np.cosh(s) ** 2


def softmax_input_gradient(activation, gradient):
    """Row by row, the Jacobian diag(a) - a a.T times the gradient, written out."""
    rows = zip(double(activation), double(gradient), strict=True)
    products = [(np.diag(a) - np.outer(a, a)) @ g for a, g in rows]
    return np.array(products).reshape(np.shape(activation))


ACTIVATIONS = {
    "sigmoid": sigmoid,
    "tanh": tanh,
    "relu": relu,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "gelu": gelu,
    "silu": silu,
    "selu": selu,
    "mish": mish,
    "softplus": softplus,
    "exponential": exponential,
    "identity": identity,
}  # without softmax, which is not a function of one element
DERIVATIVES = {
    "sigmoid": sigmoid_derivative,
    "tanh": tanh_derivative,
    "relu": relu_derivative,
    "leaky_relu": leaky_relu_derivative,
    "elu": elu_derivative,
    "gelu": gelu_derivative,
    "silu": silu_derivative,
    "selu": selu_derivative,
    "mish": mish_derivative,
    "softplus": softplus_derivative,
    "exponential": exponential_derivative,
    "identity": identity_derivative,
}
DERIVATIVE_OF_Z = ("gelu", "silu", "mish")  # all others take the activation


# Losses: each returns the loss and its gradient.


def mean_squared_error(outputs, targets):
    difference = double(outputs) - double(targets)
    return np.mean(difference**2), 2 * difference / difference.size


def mean_absolute_error(outputs, targets):
    difference = double(outputs) - double(targets)
    return np.mean(np.abs(difference)), np.sign(difference) / difference.size


def huber(outputs, targets, d=HUBER_THRESHOLD):
    difference = double(outputs) - double(targets)
    size = np.abs(difference)
    return (
        np.mean(np.where(size <= d, difference**2 / 2, d * (size - d / 2))),
        np.clip(difference, -d, d) / difference.size,
    )


def log_cosh(outputs, targets):
    difference = double(outputs) - double(targets)
    size = np.abs(difference)
    near = np.log1p(2 * np.sinh(np.minimum(size, 1) / 2) ** 2)
    return np.mean(np.where(size < 1, near, np.logaddexp(size, -size) - math.log(2))), np.tanh(difference) / size.size


def quantile(outputs, targets, levels=(0.5,)):
    """Outputs (B, T Q), target by target a level each; targets (B, T)."""
    y, q = np.repeat(double(targets), len(levels), axis=1), np.tile(levels, np.shape(targets)[1])
    above = y - double(outputs)
    return np.mean(np.maximum(q * above, (q - 1) * above)), ((above < 0) * (1 - q) - (above > 0) * q) / y.size


def poisson(logits, targets):
    z, t = double(logits), double(targets)
    return np.mean(np.exp(z) - t * z), (np.exp(z) - t) / z.size


def binary_cross_entropy(logits, targets, positive=1.0):
    """-w t log p - (1 - t) log(1 - p) with p = sigmoid(z), where -log p = softplus(-z), and w 1 or `positive`."""
    z, t, w = double(logits), double(targets), double(positive)
    value = np.mean(w * t * softplus(-z) + (1 - t) * softplus(z))
    return value, ((1 - t) * sigmoid(z) - w * t * sigmoid(-z)) / z.size


def soft_cross_entropy(logits, targets):
    z, t = double(logits), double(targets)
    log_probability = z - np.logaddexp.reduce(z, axis=1, keepdims=True)
    return -np.sum(t * log_probability) / len(z), (softmax(z) - t) / len(z)


def cross_entropy(logits, labels):
    return soft_cross_entropy(logits, np.eye(np.shape(logits)[1])[labels])


LOSSES = {
    "mse": mean_squared_error,
    "mae": mean_absolute_error,
    "huber": huber,
    "log_cosh": log_cosh,
    "quantile": quantile,
    "poisson": poisson,
    "binary_cross_entropy": binary_cross_entropy,
    "cross_entropy": soft_cross_entropy,
}


OF_LOGITS = ("poisson", "binary_cross_entropy", "cross_entropy")


def smoothed(targets, smoothing, classes):
    """The targets that training sees with label smoothing: `classes` is 2 for the binary cross-entropy."""
    return (1 - smoothing) * double(targets) + smoothing / classes


# Updates: each returns what the kernel overwrites, state first, parameters last.


def sgd(gradient, learning_rate, parameters):
    return (parameters - learning_rate * gradient,)


def momentum(gradient, learning_rate, momentum, velocity, parameters):
    velocity = momentum * velocity + gradient
    return velocity, parameters - learning_rate * velocity


def nesterov(gradient, learning_rate, momentum, velocity, parameters):
    velocity = momentum * velocity + gradient
    return velocity, parameters - learning_rate * (gradient + momentum * velocity)


def rmsprop(gradient, learning_rate, rho, epsilon, mean_square, parameters):
    mean_square = rho * mean_square + (1 - rho) * gradient**2
    return mean_square, parameters - learning_rate * gradient / (np.sqrt(mean_square) + epsilon)


def adagrad(gradient, learning_rate, epsilon, sum_of_squares, parameters):
    sum_of_squares = sum_of_squares + gradient**2
    return sum_of_squares, parameters - learning_rate * gradient / (np.sqrt(sum_of_squares) + epsilon)


def adam(gradient, learning_rate, beta1, beta2, epsilon, step, first_moment, second_moment, parameters):
    """Kingma & Ba, "Adam", 2015, Algorithm 1; step counts from 1."""
    first_moment = beta1 * first_moment + (1 - beta1) * gradient
    second_moment = beta2 * second_moment + (1 - beta2) * gradient**2
    mean = first_moment / (1 - beta1**step)
    variance = second_moment / (1 - beta2**step)
    return first_moment, second_moment, parameters - learning_rate * mean / (np.sqrt(variance) + epsilon)


def adamw(gradient, learning_rate, beta1, beta2, epsilon, weight_decay, step, first_moment, second_moment, parameters):
    """Loshchilov & Hutter, "Decoupled weight decay regularization", 2019, Algorithm 2, with schedule multiplier lr."""
    decayed = parameters - learning_rate * weight_decay * parameters
    return adam(gradient, learning_rate, beta1, beta2, epsilon, step, first_moment, second_moment, decayed)


# By method: how many vectors of state it has, and its numbers at step t. Epsilon is large, so that its place shows.
METHODS = {
    "sgd": (0, lambda t: (0.1,)),
    "momentum": (1, lambda t: (0.1, 0.9)),
    "nesterov": (1, lambda t: (0.1, 0.9)),
    "rmsprop": (1, lambda t: (0.1, 0.9, 0.25)),
    "adagrad": (1, lambda t: (0.1, 0.25)),
    "adam": (2, lambda t: (0.1, 0.9, 0.99, 0.25, t)),
    "adamw": (2, lambda t: (0.1, 0.9, 0.99, 0.25, 0.2, t)),
}


def add_penalty(weights, l1, l2, gradient):
    """The penalty, and the gradient with that of the penalty added."""
    w = double(weights)
    penalty = l1 * np.abs(w).sum() + l2 * (w**2).sum()
    return penalty, double(gradient) + l1 * np.sign(w) + 2 * l2 * w


# Random numbers.


def philox(counter, key):
    """Philox4x32-10 in Python's whole numbers. Salmon et al., SC 2011, section 3.3; constants from its figure 4."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c0, 2**32)
        high1, low1 = divmod(0xCD9E8D57 * c2, 2**32)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return c0, c1, c2, c3


def dropout(seed, step, first_row, first_unit, rate, values):
    """Keep what draws at least rate * 2**32; seed and step are 64 bits, low word first.

    A block of 32 units shares eight draws: their first words are for the first eight units, and so on.
    """
    high_step, low_step = divmod(step, 2**32)
    key = (seed % 2**32, seed // 2**32)
    result = np.zeros(values.shape)
    for row, unit in np.ndindex(values.shape):
        block, inside = divmod(first_unit + unit, 32)
        place, draw = divmod(inside, 8)
        word = philox((8 * block + draw, first_row + row, low_step, high_step), key)[place]
        result[row, unit] = values[row, unit] / (1 - rate) if word >= int(rate * 2**32) else 0
    return result


# A whole network.


def forward(x, weights, biases, activations):
    """Every z and every activation, layer by layer; the input is activation number 0."""
    zs, outputs = [], [double(x)]
    for w, b, name in zip(weights, biases, activations, strict=True):
        zs.append(dense_forward(outputs[-1], w, b))
        outputs.append(softmax(zs[-1]) if name == "softmax" else ACTIVATIONS[name](zs[-1]))
    return zs, outputs


def network_loss(x, targets, weights, biases, activations, loss):
    """C of the whole network; the cross-entropies read the last z, the others the last activation."""
    zs, outputs = forward(x, weights, biases, activations)
    return LOSSES[loss](zs[-1] if loss in OF_LOGITS else outputs[-1], targets)[0]
