"""Compiled loops of dense networks: arrays in, arrays out; inputs first, outputs last; nothing is allocated.

Call them from Python or from your own compiled code. They check the shapes, dtypes and layouts of their arrays, since
wrong ones would read or write outside them, and never what is in them. `hotloop.network` is the layer that validates.

>>> import numpy as np
>>> from hotloop.kernels import dense_forward, relu
>>> x, weights, bias = np.ones((1, 2), np.float32), np.ones((2, 3), np.float32), np.zeros(3, np.float32)
>>> out = np.empty((1, 3), np.float32)
>>> dense_forward(x, weights, bias, out)  # one layer: out = x @ weights + bias
>>> relu(out, out)
>>> print(out)
[[2. 2. 2.]]

Denormal numbers, those other than zero but smaller than 1.2e-38 (float64: 2.2e-308), are zero in all of them: a result
that would be denormal is zero, and an operand that is counts as zero. The caller's floating-point mode stays as it was.

Each name is imported when it is first used, as those of `hotloop` are: the codes are read without the compiler.
"""

import importlib
import sys

TYPE_CHECKING = False  # True to type checkers
if TYPE_CHECKING:
    from hotloop.kernels.activations import (
        elu,
        elu_derivative,
        exponential,
        exponential_derivative,
        identity,
        identity_derivative,
        leaky_relu,
        leaky_relu_derivative,
        relu,
        relu_derivative,
        selu,
        selu_derivative,
        sigmoid,
        sigmoid_derivative,
        softplus,
        softplus_derivative,
        tanh,
        tanh_derivative,
    )
    from hotloop.kernels.dense import accumulate_weight_gradient, dense_forward, input_gradient
    from hotloop.kernels.exp_log import exp, log
    from hotloop.kernels.gated_activations import gelu, gelu_derivative, mish, mish_derivative, silu, silu_derivative
    from hotloop.kernels.jit import kernel
    from hotloop.kernels.losses import (
        binary_cross_entropy,
        cross_entropy,
        huber,
        mean_absolute_error,
        mean_squared_error,
        soft_cross_entropy,
    )
    from hotloop.kernels.prediction import predict_one
    from hotloop.kernels.random import dropout
    from hotloop.kernels.row_softmax import softmax, softmax_input_gradient
    from hotloop.kernels.updates import adagrad, adam, adamw, add_penalty, momentum, nesterov, rmsprop, sgd

__all__ = [
    "accumulate_weight_gradient",
    "adagrad",
    "adam",
    "adamw",
    "add_penalty",
    "binary_cross_entropy",
    "cross_entropy",
    "dense_forward",
    "dropout",
    "elu",
    "elu_derivative",
    "exp",
    "exponential",
    "exponential_derivative",
    "gelu",
    "gelu_derivative",
    "huber",
    "identity",
    "identity_derivative",
    "input_gradient",
    "kernel",
    "leaky_relu",
    "leaky_relu_derivative",
    "log",
    "mean_absolute_error",
    "mean_squared_error",
    "mish",
    "mish_derivative",
    "momentum",
    "nesterov",
    "predict_one",
    "relu",
    "relu_derivative",
    "rmsprop",
    "selu",
    "selu_derivative",
    "sgd",
    "sigmoid",
    "sigmoid_derivative",
    "silu",
    "silu_derivative",
    "soft_cross_entropy",
    "softmax",
    "softmax_input_gradient",
    "softplus",
    "softplus_derivative",
    "tanh",
    "tanh_derivative",
]

# The modules that have them, in the order in which they are searched.
_MODULES = (
    "activations", "dense", "exp_log", "gated_activations", "jit", "losses", "prediction", "random", "row_softmax",
    "updates",
)  # fmt: skip

if not TYPE_CHECKING:  # or type checkers would take any name for a public one

    def __getattr__(name: str) -> object:
        """Import a public name."""
        if name in __all__:
            for module in (f"{__name__}.{last}" for last in _MODULES):
                value = getattr(importlib.import_module(module), name, None)
                if getattr(value, "__module__", None) == module:  # its own, not one that it imports
                    globals()[name] = value
                    return value
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message, name=name, obj=sys.modules[__name__])  # so that Python can suggest a name

    def __dir__() -> list[str]:
        """Return the public names, imported or not."""
        return sorted({*globals(), *__all__})
