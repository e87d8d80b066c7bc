"""The kernels, called from Python: seconds a call, of which dispatch takes about 0.2 µs an array."""

from functools import cache

import numpy as np

from benchmarks.base import Timing, kernel

DTYPES = ["float32", "float64"]
LAYERS = ["32x64x32", "10x784x30", "128x512x512"]  # batch x fan_in x fan_out
SHAPES = ["32x32", "128x512", "1024x1024"]  # batch x width


def shape_of(text):
    """Return (128, 512) of "128x512"."""
    return tuple(map(int, text.split("x")))


@cache
def normal(seed, shape, dtype):
    """Return reproducible standard normal numbers, made once: use them as inputs only."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


class DenseForward(Timing):
    """z = x W + b, 2 B I O floating-point operations."""

    params = [LAYERS, DTYPES]
    param_names = ["layer", "dtype"]
    version = "2"

    def prepare(self, layer, dtype):
        batch, fan_in, fan_out = shape_of(layer)
        self.kernel, self.out = kernel("dense_forward"), np.empty((batch, fan_out), dtype)
        self.inputs = normal(0, (batch, fan_in), dtype), normal(1, (fan_in, fan_out), dtype), normal(2, fan_out, dtype)

    def time_call(self, layer, dtype):
        self.kernel(*self.inputs, self.out)


class AccumulateWeightGradient(Timing):
    """dC/dW += x.T delta and dC/db += the sum of delta, 2 B I O floating-point operations."""

    params = [LAYERS, DTYPES]
    param_names = ["layer", "dtype"]
    version = "2"

    def prepare(self, layer, dtype):
        batch, fan_in, fan_out = shape_of(layer)
        self.kernel = kernel("accumulate_weight_gradient")
        self.inputs = normal(0, (batch, fan_in), dtype), normal(1, (batch, fan_out), dtype)
        self.gradients = np.zeros((fan_in, fan_out), dtype), np.zeros(fan_out, dtype)

    def time_call(self, layer, dtype):
        self.kernel(*self.inputs, *self.gradients)


class InputGradient(Timing):
    """dC/dx = delta W.T, 2 B I O floating-point operations."""

    params = [LAYERS, DTYPES]
    param_names = ["layer", "dtype"]

    def prepare(self, layer, dtype):
        batch, fan_in, fan_out = shape_of(layer)
        self.kernel, self.out = kernel("input_gradient"), np.empty((batch, fan_in), dtype)
        self.inputs = normal(0, (batch, fan_out), dtype), normal(1, (fan_in, fan_out), dtype)

    def time_call(self, layer, dtype):
        self.kernel(*self.inputs, self.out)


class Sigmoid(Timing):
    """f(z) = 1 / (1 + e^-z)."""

    params = [SHAPES, DTYPES]
    param_names = ["shape", "dtype"]

    def prepare(self, shape, dtype):
        self.kernel, self.z = kernel("sigmoid"), normal(0, shape_of(shape), dtype)
        self.out = np.empty_like(self.z)

    def time_call(self, shape, dtype):
        self.kernel(self.z, self.out)


class SigmoidDerivative(Timing):
    """f'(z) = a (1 - a), two floating-point operations an element."""

    params = [SHAPES, DTYPES]
    param_names = ["shape", "dtype"]
    version = "2"

    def prepare(self, shape, dtype):
        self.kernel, self.out = kernel("sigmoid_derivative"), np.empty(shape_of(shape), dtype)
        self.activation = 1 / (1 + np.exp(normal(0, shape_of(shape), dtype)))

    def time_call(self, shape, dtype):
        self.kernel(self.activation, self.out)


class Exp(Timing):
    """e^x of each element."""

    params = [SHAPES, DTYPES]
    param_names = ["shape", "dtype"]

    def prepare(self, shape, dtype):
        self.kernel, self.x = kernel("exp"), normal(0, shape_of(shape), dtype)
        self.out = np.empty_like(self.x)

    def time_call(self, shape, dtype):
        self.kernel(self.x, self.out)


class Softmax(Timing):
    """f(z)_i = e^z_i / sum_j e^z_j of each row."""

    params = [["128x10", "128x512"], DTYPES]
    param_names = ["shape", "dtype"]

    def prepare(self, shape, dtype):
        self.kernel, self.z = kernel("softmax"), normal(0, shape_of(shape), dtype)
        self.out = np.empty_like(self.z)

    def time_call(self, shape, dtype):
        self.kernel(self.z, self.out)


class Loss(Timing):
    """C and its gradient, for 128 rows of ten outputs."""

    params = [["mean_squared_error", "huber", "binary_cross_entropy", "cross_entropy"], DTYPES]
    param_names = ["loss", "dtype"]

    def prepare(self, loss, dtype):
        outputs = normal(0, (128, 10), dtype)
        self.kernel, self.gradient = kernel(loss), np.empty_like(outputs)
        self.inputs = outputs, np.arange(128) % 10 if loss == "cross_entropy" else (outputs > 0).astype(dtype)

    def time_call(self, loss, dtype):
        self.kernel(*self.inputs, self.gradient)


# Hyper-parameters, and the number of vectors of state. At a rate of zero the parameters do not change.
METHODS = {"sgd": ((0.0,), 0), "momentum": ((0.0, 0.9), 1), "adam": ((0.0, 0.9, 0.999, 1e-8, 1), 2)}


class Update(Timing):
    """One step of 100,000 parameters."""

    params = [list(METHODS), DTYPES]
    param_names = ["method", "dtype"]

    def prepare(self, method, dtype):
        constants, moments = METHODS[method]
        gradient, vectors = normal(0, 100_000, dtype), np.ones((moments + 1, 100_000), dtype)
        self.kernel, self.given = kernel(method), (gradient, *constants, *vectors)

    def time_call(self, method, dtype):
        self.kernel(*self.given)


class CallOverhead(Timing):
    """A call that computes almost nothing: the cost of dispatch, by the number of arrays."""

    params = [["sgd", "dense_forward"]]
    param_names = ["kernel"]

    def prepare(self, name):
        one = np.ones((4, 1, 1), np.float32)
        self.kernel = kernel(name)
        self.given = (one[0, 0], 0.0, one[1, 0]) if name == "sgd" else (one[0], one[1], one[2, 0], one[3])

    def time_call(self, name):
        self.kernel(*self.given)
