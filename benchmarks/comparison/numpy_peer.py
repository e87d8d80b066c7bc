"""Plain NumPy over BLAS: what one writes without a framework, with all arrays allocated beforehand."""

from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.comparison.cases import ADAM, Array, Case, LayerProducts, Layers, data, initial_weights, orders


class Peer:
    """A dense network in NumPy. All parameters are one vector, so an update takes a few calls for all layers."""

    def __init__(self, case: Case, dtype: str = "float32") -> None:
        if case.dropout or case.optimizer == "rmsprop":
            raise NotImplementedError("the NumPy loop has no dropout and no RMSprop")
        self.case = case
        self.inputs, self.targets = data(case)
        self.inputs = self.inputs.astype(dtype)
        size = sum((i + 1) * o for i, o in pairwise(case.sizes))
        self.vector, self.gradient, self.scratch, self.m, self.v = np.zeros((5, size), dtype)
        self.weights, self.biases = split(self.vector, case.sizes)
        self.weight_gradients, self.bias_gradients = split(self.gradient, case.sizes)
        self.a = [np.empty((case.batch, n), dtype) for n in case.sizes]
        self.delta = [np.empty_like(a) for a in self.a]
        self.dark = [np.empty(a.shape, bool) for a in self.a]
        self.ones, self.batch_rows = np.ones(case.batch, dtype), np.arange(case.batch)
        self.reset()

    def reset(self) -> None:
        for w, b, (weights, bias) in zip(self.weights, self.biases, initial_weights(self.case), strict=True):
            w[:], b[:] = weights, bias
        self.m[:] = self.v[:] = self.step = 0

    def train(self, epochs: int) -> float:
        for order in orders(self.case, epochs):
            batches = order.reshape(-1, self.case.batch)
            loss = sum(self.train_step(rows) for rows in batches) / len(batches)
        return float(loss)

    def train_step(self, rows: Array) -> float:
        a, delta = self.a, self.delta
        np.take(self.inputs, rows, axis=0, out=a[0], mode="clip")  # mode="raise" would go through a buffer
        last = len(self.weights)
        for layer in range(last):
            z = np.matmul(a[layer], self.weights[layer], out=a[layer + 1])
            z += self.biases[layer]
            if layer + 1 < last:
                self.activate(z)
        loss = self.loss(a[last], self.targets[rows], delta[last])
        for layer in reversed(range(last)):
            np.matmul(a[layer].T, delta[layer + 1], out=self.weight_gradients[layer])
            np.matmul(self.ones, delta[layer + 1], out=self.bias_gradients[layer])
            if layer:
                np.matmul(delta[layer + 1], self.weights[layer].T, out=delta[layer])
                self.times_derivative(layer)
        self.update()
        return loss

    def activate(self, z: Array) -> None:
        if self.case.activation == "relu":
            np.maximum(z, 0, out=z)
        elif self.case.activation == "tanh":
            np.tanh(z, out=z)
        else:  # 1 / (1 + exp(-z))
            np.negative(z, out=z)
            np.exp(z, out=z)
            z += 1
            np.reciprocal(z, out=z)

    def times_derivative(self, layer: int) -> None:
        a, delta = self.a[layer], self.delta[layer]  # a is no longer needed, and becomes the derivative
        if self.case.activation == "relu":
            np.copyto(delta, 0, where=np.equal(a, 0, out=self.dark[layer]))
            return
        if self.case.activation == "tanh":  # 1 - a^2
            a *= a
            np.subtract(1, a, out=a)
            delta *= a
        else:  # a (1 - a)
            delta *= a
            np.subtract(1, a, out=a)
            delta *= a

    def loss(self, z: Array, targets: Array, delta: Array) -> float:
        """Return the batch's mean loss; write dC/dz to `delta`."""
        if self.case.loss == "mse":
            np.subtract(z, targets, out=delta)
            loss = np.vdot(delta, delta) / delta.size
            delta *= 2 / delta.size
            return float(loss)
        z -= z.max(axis=1, keepdims=True)
        chosen = z[self.batch_rows, targets]
        np.exp(z, out=delta)
        total = delta.sum(axis=1)
        delta /= total[:, None]
        delta[self.batch_rows, targets] -= 1
        delta *= 1 / len(z)
        return float(np.mean(np.log(total) - chosen))

    def update(self) -> None:
        g, rate = self.gradient, self.case.learning_rate
        if self.case.optimizer == "sgd":
            g *= rate
            self.vector -= g
            return
        beta1, beta2, epsilon = ADAM.values()
        self.step += 1
        self.m *= beta1
        self.m += np.multiply(g, 1 - beta1, out=self.scratch)
        self.v *= beta2
        g *= g
        self.v += np.multiply(g, 1 - beta2, out=self.scratch)
        np.multiply(self.v, 1 / (1 - beta2**self.step), out=self.scratch)
        np.sqrt(self.scratch, out=self.scratch)
        self.scratch += epsilon
        np.divide(self.m, self.scratch, out=self.scratch)
        self.scratch *= rate / (1 - beta1**self.step)
        self.vector -= self.scratch

    def parameters(self) -> Layers:
        return list(zip(self.weights, self.biases, strict=True))


def split(vector: Array, sizes: tuple[int, ...]) -> tuple[list[Array], list[Array]]:
    """Return each layer's weights and bias as views of `vector`."""
    weights, biases, at = [], [], 0
    for fan_in, fan_out in pairwise(sizes):
        weights.append(vector[at : at + fan_in * fan_out].reshape(fan_in, fan_out))
        at += fan_in * fan_out
        biases.append(vector[at : at + fan_out])
        at += fan_out
    return weights, biases


def one_row(layers: Layers, row: Array) -> dict[str, Any]:
    """Return the ways to predict one row."""
    (w1, b1), (w2, b2) = layers

    def predict() -> Array:
        hidden = row @ w1
        hidden += b1
        z = np.maximum(hidden, 0, out=hidden) @ w2
        z += b2
        z -= z.max()
        np.exp(z, out=z)
        z /= z.sum()
        return z

    return {"NumPy": predict}


class Products(LayerProducts):
    """The three products of a layer, by NumPy's BLAS."""

    def note(self) -> str:
        """Return the name and version of the BLAS."""
        found: dict[str, Any] = np.show_config(mode="dicts")["Build Dependencies"]["blas"]  # type: ignore[index]
        return f"{found['name']} {found['version']}"

    def forward(self, times: int) -> None:
        for _ in range(times):
            np.matmul(self.x, self.w, out=self.z)

    def weight_gradient(self, times: int) -> None:
        for _ in range(times):
            np.matmul(self.x.T, self.delta, out=self.dw)

    def input_gradient(self, times: int) -> None:
        for _ in range(times):
            np.matmul(self.delta, self.w.T, out=self.dx)
