"""JAX: a whole epoch in one jitted `lax.scan`, which also gathers the batches; the parameters are donated."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.comparison.cases import ADAM, SEED, Array, Case, Layers, data, initial_weights, orders, rows_to_predict

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}


class Peer:
    """The state of training: layers, the optimizer's moments, the step, and a key for dropout."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.inputs, self.targets = (jax.device_put(array) for array in data(case))
        self.epoch = jax.jit(functools.partial(train_epoch, case), donate_argnums=0)
        self.reset()

    def reset(self) -> None:
        layers = jax.tree.map(jnp.array, initial_weights(self.case))
        n_moments = {"sgd": 0, "rmsprop": 1, "adam": 2}[self.case.optimizer]
        moments = [jax.tree.map(jnp.zeros_like, layers) for _ in range(n_moments)]
        self.state = (layers, moments, jnp.int32(0), jax.random.key(SEED))

    def train(self, epochs: int) -> float:
        for order in orders(self.case, epochs):
            batches = order.astype(np.int32).reshape(-1, self.case.batch)
            self.state, loss = self.epoch(self.state, self.inputs, self.targets, batches)
        return float(jax.block_until_ready((self.state, loss))[1])

    def parameters(self) -> Layers:
        return [(np.asarray(weights), np.asarray(bias)) for weights, bias in self.state[0]]


class Predictor:
    """A network that predicts many rows, in one jitted function."""

    def __init__(self, case: Case) -> None:
        self.inputs, self.layers = jax.device_put(rows_to_predict(case)), jax.tree.map(jnp.array, initial_weights(case))
        self.forward = jax.jit(lambda layers, x: jax.nn.softmax(logits(case, layers, x)))

    def predict(self, times: int) -> None:
        for _ in range(times):
            self.outputs = jax.block_until_ready(self.forward(self.layers, self.inputs))

    def output(self) -> Array:
        return np.asarray(self.outputs)


def train_epoch(case, state, inputs, targets, batches):
    """Return the state after an epoch, and its mean loss; `batches` (steps, batch) holds row numbers."""

    def step(state, rows):
        layers, moments, count, key = state
        x = inputs.at[rows].get(mode="promise_in_bounds")
        y = targets.at[rows].get(mode="promise_in_bounds")
        if x.dtype == jnp.uint8:
            x = x.astype(jnp.float32) / 255
        dropout_key = jax.random.fold_in(key, count)
        loss, gradient = jax.value_and_grad(batch_loss)(layers, case, x, y, dropout_key)
        layers, moments = update(case, layers, moments, count + 1, gradient)
        return (layers, moments, count + 1, key), loss

    state, losses = jax.lax.scan(step, state, batches)
    return state, losses.mean()


def batch_loss(layers, case, x, y, key):
    """Return the mean loss of a batch."""
    z = logits(case, layers, x, key)
    if case.loss == "mse":
        return jnp.mean((z - y) ** 2)
    return jnp.mean(jax.nn.logsumexp(z, axis=1) - jnp.take_along_axis(z, y[:, None], axis=1)[:, 0])


def logits(case, layers, x, key=None):
    """Return the last layer's weighted inputs; with a key, units are dropped."""
    for number, (weights, bias) in enumerate(layers[:-1]):
        x = ACTIVATIONS[case.activation](x @ weights + bias)
        if case.dropout and key is not None:
            kept = jax.random.bernoulli(jax.random.fold_in(key, number), 1 - case.dropout, x.shape)
            x = jnp.where(kept, x / (1 - case.dropout), 0)
    weights, bias = layers[-1]
    return x @ weights + bias


def update(case, layers, moments, count, gradient):
    """Return layers and moments after one step of the optimizer."""
    rate = case.learning_rate
    if case.optimizer == "sgd":
        return jax.tree.map(lambda w, g: w - rate * g, layers, gradient), moments
    if case.optimizer == "rmsprop":
        squares = jax.tree.map(lambda s, g: 0.9 * s + 0.1 * g * g, moments[0], gradient)
        layers = jax.tree.map(lambda w, g, s: w - rate * g / (jnp.sqrt(s) + 1e-8), layers, gradient, squares)
        return layers, [squares]
    beta1, beta2, epsilon = ADAM.values()
    m = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, moments[0], gradient)
    v = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, moments[1], gradient)
    rate, correction = rate / (1 - beta1**count), 1 / (1 - beta2**count)
    layers = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v * correction) + epsilon), layers, m, v)
    return layers, [m, v]
