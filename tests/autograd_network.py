"""The same network again, differentiated by HIPS autograd and trained by the methods as published, in float64.

The losses are the textbooks', from probabilities and not from logits, so they hold only for moderate z. The only
derivative written here is that of the normal distribution, which autograd has only with SciPy. Vectors have no padding.
"""

import math
from itertools import pairwise

import autograd.numpy as anp
import numpy as np
import oracle
from autograd import value_and_grad
from autograd.extend import defvjp, primitive

from hotloop.network.training.fit import shuffled


@primitive
def normal_cdf(z):
    return 0.5 * np.vectorize(math.erfc, otypes=[np.float64])(-z / math.sqrt(2))


defvjp(normal_cdf, lambda cdf, z: lambda g: g * anp.exp(-(z**2) / 2) / math.sqrt(2 * math.pi))


def sigmoid(z):
    return 1 / (1 + anp.exp(-z))


def softmax(z):
    e = anp.exp(z)
    return e / anp.sum(e, axis=1, keepdims=True)


ACTIVATIONS = {
    "identity": lambda z: z,
    "sigmoid": sigmoid,
    "tanh": anp.tanh,
    "relu": lambda z: anp.where(z > 0, z, 0.0),
    "leaky_relu": lambda z: anp.where(z > 0, z, 0.01 * z),
    "elu": lambda z: anp.where(z > 0, z, anp.expm1(anp.where(z > 0, 0.0, z))),
    "gelu": lambda z: z * normal_cdf(z),
    "selu": lambda z: (
        1.0507009873554805 * anp.where(z > 0, z, 1.6732632423543772 * anp.expm1(anp.where(z > 0, 0.0, z)))
    ),
    "silu": lambda z: z * sigmoid(z),
    "mish": lambda z: z * anp.tanh(anp.log1p(anp.exp(z))),
    "softplus": lambda z: anp.log1p(anp.exp(z)),
    "exponential": anp.exp,
    "softmax": softmax,
}
HIDDEN = tuple(name for name in ACTIVATIONS if name not in ("exponential", "softmax"))


def huber(d):
    return anp.where(anp.abs(d) <= 1, d**2 / 2, anp.abs(d) - 0.5)


# Functions of the last weighted inputs z, the last activations a and the targets y.
LOSSES = {
    "mse": lambda z, a, y: anp.mean((a - y) ** 2),
    "mae": lambda z, a, y: anp.mean(anp.abs(a - y)),
    "huber": lambda z, a, y: anp.mean(huber(a - y)),
    "log_cosh": lambda z, a, y: anp.mean(anp.log(anp.cosh(a - y))),
    "quantile": lambda z, a, y: anp.mean(anp.abs(a - y)) / 2,
    "poisson": lambda z, a, y: anp.mean(anp.exp(z) - y * z),
    "binary_cross_entropy": lambda z, a, y: -anp.mean(y * anp.log(sigmoid(z)) + (1 - y) * anp.log(1 - sigmoid(z))),
    "cross_entropy": lambda z, a, y: -anp.sum(y * anp.log(softmax(z))) / len(y),
}


def layer_norm(z, gain, shift, epsilon):
    """Ba, Kiros and Hinton (2016), equation 4, with an epsilon as PyTorch has it."""
    centred = z - anp.mean(z, axis=1, keepdims=True)
    return gain * centred / anp.sqrt(anp.mean(centred**2, axis=1, keepdims=True) + epsilon) + shift


def forward(weights, biases, activations, x, masks=None, parts=None, input_mask=None):
    """Return z and a of every layer; `masks`, one a hidden layer, multiply its activations, `input_mask` the inputs.

    `parts` has by name what some networks learn beside weights and biases. z is what the activation is given.
    """
    parts = parts or {}
    x = x if input_mask is None else x * input_mask
    zs, outputs = [], [x * parts.get("input_scale", 1.0)]
    for layer, (w, b, name) in enumerate(zip(weights, biases, activations, strict=True)):
        z = anp.dot(outputs[-1], w) + b
        if f"layers.{layer}.gain" in parts:
            z = layer_norm(z, *(parts[f"layers.{layer}.{name}"] for name in ("gain", "shift", "epsilon")))
        zs.append(z)
        outputs.append(ACTIVATIONS[name](z))
        if f"layers.{layer}.mix" in parts:
            mix = parts[f"layers.{layer}.mix"]
            outputs[-1] = (1 - mix) * z + mix * outputs[-1]
        if masks is not None and layer < len(masks):
            outputs[-1] = outputs[-1] * masks[layer]
    return zs, outputs[1:]


def penalty(weights, l1, l2):
    return sum(l1 * anp.sum(anp.abs(w)) + l2 * anp.sum(w**2) for w in weights)


def flat(net, vector):
    """Return a vector in the layout of `net.parameters` without its padding, in float64: weights and bias by layer."""
    return np.concatenate([part.ravel() for part in net.parts(vector).values()], dtype="f8")


def padding(net, vector):
    """Return the entries of a vector in the layout of `net.parameters` that are no parameters."""
    inside = np.zeros(vector.shape, bool)
    for view in net.parts(inside).values():
        view[...] = True
    return vector[~inside]


def parts_of(net, vector):
    """Return the parts of a vector without padding by name."""
    parts, start = {}, 0
    for name, shape in shapes(net).items():
        parts[name] = vector[start : start + math.prod(shape)].reshape(shape)
        start += math.prod(shape)
    return parts


def with_epsilons(net, parts):
    """Return the parts with what layer normalisation adds to variances, which is not learnt."""
    epsilons = enumerate(net.layer_norm_epsilon)
    return parts | {f"layers.{layer}.epsilon": e for layer, e in epsilons if net.layer_norm[layer]}


def shapes(net):
    """Return what a network learns, in order: by layer the weights, the bias and what else it has, then the inputs'."""
    found = {}
    for layer, (fan_in, fan_out) in enumerate(pairwise(net.sizes)):
        hidden, prefix = layer < len(net.sizes) - 2, f"layers.{layer}."
        found |= {f"{prefix}weights": (fan_in, fan_out), f"{prefix}bias": (fan_out,)}
        if hidden and net.layer_norm[layer]:
            found |= {f"{prefix}gain": (fan_out,), f"{prefix}shift": (fan_out,)}
        if hidden and net.learn_activation[layer]:
            found[f"{prefix}mix"] = (fan_out,)
    return found | ({"input_scale": (net.sizes[0],)} if net.learn_input_scale else {})


def loss_and_gradient(net, x, y, vector=None, masks=None, input_mask=None):
    """Return the loss of a hotloop Network and its gradient, without padding, in float64.

    Taken from `net` are its description and, unless another `vector` is given, its parameters.
    """
    vector = flat(net, net.parameters) if vector is None else vector
    x, y = np.array(x, np.float64), targets(net, y)

    def loss(vector):
        parts = parts_of(net, vector)
        layers = range(len(net.sizes) - 1)
        weights, biases = ([parts[f"layers.{layer}.{name}"] for layer in layers] for name in ("weights", "bias"))
        zs, outputs = forward(weights, biases, net.activations, x, masks, with_epsilons(net, parts), input_mask)
        return LOSSES[net.loss](zs[-1], outputs[-1], y) + penalty(weights, net.l1, net.l2)

    value, gradient = value_and_grad(loss)(vector)
    return float(value), gradient


def targets(net, y):
    """Return targets (B, O) in float64, labels as one-hot rows."""
    if net.loss == "cross_entropy" and np.ndim(y) == 1:
        return np.eye(net.sizes[-1])[np.asarray(y)]
    return np.array(y, np.float64).reshape(len(y), net.sizes[-1])


# The methods as published. Each returns a function (parameters w, gradient g at w, step t from 1) -> parameters.


def descent(o):
    return lambda w, g, t: w - o.learning_rate * g


def momentum(o):
    """Polyak (1964), the rate within the velocity: v := mu v - alpha g; w := w + v."""
    v = 0.0

    def update(w, g, t):
        nonlocal v
        v = o.momentum * v - o.learning_rate * g
        return w + v

    return update


def nesterov(o):
    """Sutskever et al. (2013), (3) and (4): v := mu v - alpha g(theta + mu v); theta := theta + v.

    A network stands at the point ahead, w = theta + mu v, where the gradient is taken.
    """
    v = 0.0

    def update(w, g, t):
        nonlocal v
        theta = w - o.momentum * v
        v = o.momentum * v - o.learning_rate * g
        return theta + v + o.momentum * v

    return update


def rmsprop(o):
    """Hinton (2012), lecture 6e."""
    mean_square = 0.0

    def update(w, g, t):
        nonlocal mean_square
        mean_square = o.rho * mean_square + (1 - o.rho) * g**2
        return w - o.learning_rate * g / (np.sqrt(mean_square) + o.epsilon)

    return update


def adagrad(o):
    """Duchi, Hazan and Singer (2011): the sum of all squares so far."""
    squares = []

    def update(w, g, t):
        squares.append(g**2)
        return w - o.learning_rate * g / (np.sqrt(np.sum(squares, axis=0)) + o.epsilon)

    return update


def adam(o, weight_decay=0.0):
    """Kingma and Ba (2015), Algorithm 1; with decay Loshchilov and Hutter (2019), Algorithm 2, decay times the rate."""
    m = v = 0.0

    def update(w, g, t):
        nonlocal m, v
        m = o.beta1 * m + (1 - o.beta1) * g
        v = o.beta2 * v + (1 - o.beta2) * g**2
        m_hat, v_hat = m / (1 - o.beta1**t), v / (1 - o.beta2**t)
        return w - o.learning_rate * (m_hat / (np.sqrt(v_hat) + o.epsilon) + weight_decay * w)

    return update


def adamw(o):
    return adam(o, o.weight_decay)


def masks(net, step, rows):
    """Return the dropout mask of each hidden layer in one step, scaled."""
    result, first_unit = [], 0
    for units, rate in zip(net.sizes[1:], net.dropout, strict=False):
        result.append(oracle.dropout(net.seed, step, 0, first_unit, rate, np.ones((rows, units))))
        first_unit += units
    return result


def input_mask(net, step, rows):
    """Return the mask of the inputs in one step, scaled; None without dropout of the inputs."""
    if net.input_dropout == 0:
        return None
    return oracle.dropout(net.seed, step, 0, 2**33, net.input_dropout, np.ones((rows, net.sizes[0])))


def train(net, X, y, optimizer, method, *, epochs, batch_size, shuffle):
    """Return the parameters that training would give, and the loss of each epoch. The network itself is not trained.

    Batches in the order of the epoch, the last one smaller; the loss of an epoch is the mean over its samples.
    """
    w, losses, update, step = flat(net, net.parameters), [], method(optimizer), net.steps
    for epoch in range(net.epochs_trained, net.epochs_trained + epochs):
        order = shuffled(net.seed, epoch, len(X)) if shuffle else np.arange(len(X))
        total = 0.0
        for start in range(0, len(X), batch_size):
            rows = order[start : start + batch_size]
            drawn = masks(net, step, len(rows)), input_mask(net, step, len(rows))
            loss, gradient = loss_and_gradient(net, X[rows], y[rows], w, *drawn)
            step += 1
            w = update(w, gradient, step - net.steps)
            total += loss * len(rows)
        losses.append(total / len(X))
    return w, losses
