"""Loss, outputs and gradient of any network in float64, each with a bound on what rounding may add.

The bound is propagated: the error of a layer's inputs, times its weights, and one rounding for each term of a sum,
relative to the sum of the terms' sizes. In float64 it is about 1e-14, so a loss that is off by 1e-9 is noticed.
"""

import numpy as np
import oracle

STEEPEST = 1.8  # slope of any activation: that of SELU reaches 1.76
ROUNDINGS = 16  # of an activation or a term of a loss
GRADIENT_TOLERANCE = {"float32": 1e-3, "float64": 1e-10}  # relative to the sum of the sizes of all terms


def covers(net):
    """Return whether the oracle knows how the network predicts: it has no objects, and learns weights and biases."""
    learnt = any(net.layer_norm) or any(net.learn_activation) or net.learn_input_scale
    return not learnt and all(isinstance(piece, str) for piece in (*net.activations, net.loss))


def masks(net, rows):
    """Return the dropout mask of each hidden layer in the next step, scaled."""
    result, first_unit = [], 0
    for units, rate in zip(net.sizes[1:], net.dropout, strict=False):
        ones = np.ones((rows, units))
        result.append(oracle.dropout(net.seed, net.steps, 0, first_unit, rate, ones) if rate else ones)
        first_unit += units
    return result


def seen(net, X):
    """Return the inputs as the network sees them, in float64."""
    return X.astype(net.dtype).astype(np.float64) * net.input_scale


def forward(net, X, masks=None):
    """Return z and a of each layer, the inputs first among the latter, and the bounds of both."""
    unit, tiny = float(np.finfo(net.dtype).eps), float(np.finfo(net.dtype).tiny)
    zs, activations, z_bounds, bounds = [], [seen(net, X)], [], []
    bounds.append(2 * unit * np.abs(activations[0]) + tiny)
    for layer, (W, b, name) in enumerate(zip(net.weights, net.biases, net.activations, strict=True)):
        W, b, x = W.astype(np.float64), b.astype(np.float64), activations[-1]
        z, terms = x @ W + b, len(W) + 2
        sums = unit * (np.abs(x) @ np.abs(W) + np.abs(b)) + tiny * (1 + np.abs(x).max())
        z_bound = bounds[-1] @ np.abs(W) + terms * sums
        if name == "softmax":
            a, bound = oracle.softmax(z), 0 * z + 2 * z_bound.max(axis=1, keepdims=True)
        else:
            a, bound = oracle.ACTIVATIONS[name](z), STEEPEST * z_bound
        bound = bound + ROUNDINGS * unit * (np.abs(a) + np.minimum(np.abs(z), 1)) + tiny
        if masks is not None and layer < len(masks):
            a, bound = a * masks[layer], bound * masks[layer] + unit * np.abs(a)
        zs.append(z)
        z_bounds.append(z_bound)
        activations.append(a)
        bounds.append(bound)
    return zs, activations, z_bounds, bounds


def targets(net, y):
    """Return targets (B, O) in float64, labels as one-hot rows."""
    y = np.asarray(y)
    if net.loss == "cross_entropy" and y.ndim == 1:
        return np.eye(net.sizes[-1])[y]
    return y.astype(net.dtype).astype(np.float64).reshape(len(y), net.sizes[-1])


def loss(net, X, y, masks=None):
    """Return the loss, penalties included, and its bound."""
    zs, activations, z_bounds, bounds = forward(net, X, masks)
    unit, y, logits = float(np.finfo(net.dtype).eps), targets(net, y), net.loss in oracle.OF_LOGITS
    last, off = (zs[-1], z_bounds[-1]) if logits else (activations[-1], bounds[-1])
    value = float(oracle.LOSSES[net.loss](last, y)[0])
    rounding = ROUNDINGS * unit
    if net.loss == "cross_entropy":
        bound = np.mean(2 * off.max(axis=1) + rounding * (np.abs(last).max(axis=1) + np.log(last.shape[1]) + 1))
    elif net.loss == "poisson":
        bound = np.mean((np.exp(last + off) + np.abs(y)) * off + rounding * (np.exp(last) + np.abs(y * last) + 1))
    elif net.loss == "mse":
        bound = np.mean(2 * np.abs(last - y) * off + off**2 + rounding * (last - y) ** 2)
    else:
        bound = np.mean(off + rounding * (np.abs(last) + np.abs(y) + 1))
    bound += last.shape[1] * unit * abs(value)
    for W in net.weights:
        W = W.astype(np.float64)
        penalty = net.l1 * np.abs(W).sum() + net.l2 * (W**2).sum()
        value, bound = value + penalty, bound + (W.shape[1] + ROUNDINGS) * unit * penalty
    return value, float(bound) + float(np.finfo(net.dtype).tiny)


def check_loss(net, X, y, found, where, masks=None):
    """Raise unless a loss is that of the oracle, within the bound."""
    expected, bound = loss(net, X, y, masks)
    if not abs(found - expected) <= bound:
        raise AssertionError(f"the loss of {where} is {found!r}; wanted {expected!r}, give or take {bound:.2g}")


def check_outputs(net, X, found):
    """Raise unless predictions are those of the oracle, within their bounds."""
    _, activations, z_bounds, bounds = forward(net, X)
    if net.activations[-1] == "softmax" and z_bounds[-1].max() > 0.01:
        return
    if not (np.abs(found - activations[-1]) <= bounds[-1]).all():
        worst = np.abs(found - activations[-1]).max()
        raise AssertionError(f"predictions are off by up to {worst:.3g}; rounding allows {bounds[-1].max():.3g}")


def check_gradient(net, X, y, found):
    """Raise unless a gradient is that of the oracle. Skip it if rounding decides on which side of a kink a value is."""
    zs, activations, z_bounds, bounds = forward(net, X)
    y, logits = targets(net, y), net.loss in oracle.OF_LOGITS
    kinked = [name in ("relu", "leaky_relu", "selu") for name in net.activations]
    near = [(np.abs(z) <= 4 * off).any() for z, off, kink in zip(zs, z_bounds, kinked, strict=True) if kink]
    if any(near) or (net.loss in ("mae", "quantile") and (np.abs(activations[-1] - y) <= 4 * bounds[-1]).any()):
        return
    last = zs[-1] if logits else activations[-1]
    delta = oracle.LOSSES[net.loss](last, y)[1]
    size = 2 * (np.abs(last) + np.abs(y)) + 1 + (np.exp(last) if net.loss == "poisson" else 0)
    size /= len(y) if net.loss == "cross_entropy" else y.size
    weights, biases = net.split(found)
    for layer in reversed(range(len(net.weights))):
        name, z, a = net.activations[layer], zs[layer], activations[layer + 1]
        if not (logits and layer == len(net.weights) - 1):
            size = size * STEEPEST
            if name == "softmax":
                size = size.sum(axis=1, keepdims=True) + 0 * size
                delta = oracle.softmax_input_gradient(a, delta)
            else:
                delta = delta * oracle.DERIVATIVES[name](z if name in oracle.DERIVATIVE_OF_Z else a)
        W, x = net.weights[layer].astype(np.float64), activations[layer]
        dW, db = oracle.weight_gradient(x, delta)
        dW = oracle.add_penalty(W, net.l1, net.l2, dW)[1]
        allowed = GRADIENT_TOLERANCE[str(net.dtype)] * (1 + np.abs(x).T @ size + net.l1 + 2 * net.l2 * np.abs(W))
        off = max((np.abs(weights[layer] - dW) / allowed).max(), (np.abs(biases[layer] - db) / allowed.max()).max())
        if not off <= 1:
            raise AssertionError(f"the gradient of layer {layer} is off by {off:.3g} times what rounding allows")
        delta, size = delta @ W.T, size @ np.abs(W).T
