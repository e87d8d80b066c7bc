"""The three named kernels, called from Python: seconds a call, of which dispatch takes about 0.2 µs an array."""

import numpy as np

from benchmarks import Timing
from hotloop.kernels import accumulate_weight_gradient, dense_forward, sigmoid_derivative

DTYPES = ["float32", "float64"]
LAYERS = [(32, 64, 32), (10, 784, 30), (128, 512, 512)]


def normal(seed, shape, dtype):
    """Return reproducible standard normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


class DenseForward(Timing):
    """z = x W + b, 2 B I O floating-point operations."""

    params = [LAYERS, DTYPES]
    param_names = ["(batch, fan_in, fan_out)", "dtype"]

    def setup(self, layer, dtype):
        batch, fan_in, fan_out = layer
        self.x = normal(0, (batch, fan_in), dtype)
        self.weights = normal(1, (fan_in, fan_out), dtype)
        self.bias = normal(2, fan_out, dtype)
        self.out = np.empty((batch, fan_out), dtype)
        self.time_call(layer, dtype)

    def time_call(self, layer, dtype):
        dense_forward(self.x, self.weights, self.bias, self.out)


class SigmoidDerivative(Timing):
    """f'(z) = a (1 - a), two floating-point operations an element."""

    params = [[(32, 32), (128, 512), (1024, 1024)], DTYPES]
    param_names = ["(batch, width)", "dtype"]

    def setup(self, shape, dtype):
        self.activation = 1 / (1 + np.exp(normal(0, shape, dtype)))
        self.out = np.empty_like(self.activation)
        self.time_call(shape, dtype)

    def time_call(self, shape, dtype):
        sigmoid_derivative(self.activation, self.out)


class AccumulateWeightGradient(Timing):
    """dC/dW += x.T delta and dC/db += the sum of delta, 2 B I O floating-point operations."""

    params = [LAYERS, DTYPES]
    param_names = ["(batch, fan_in, fan_out)", "dtype"]

    def setup(self, layer, dtype):
        batch, fan_in, fan_out = layer
        self.x = normal(0, (batch, fan_in), dtype)
        self.delta = normal(1, (batch, fan_out), dtype)
        self.weight_gradient = np.zeros((fan_in, fan_out), dtype)
        self.bias_gradient = np.zeros(fan_out, dtype)
        self.time_call(layer, dtype)

    def time_call(self, layer, dtype):
        accumulate_weight_gradient(self.x, self.delta, self.weight_gradient, self.bias_gradient)
