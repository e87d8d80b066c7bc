"""Compiled loops of dense networks: arrays in, arrays out; inputs first, outputs last; nothing is allocated.

Call them from Python or from your own compiled code. They check the shapes, dtypes and layouts of their arrays, since
wrong ones would read or write outside them, and never what is in them. `hotloop.network` is the layer that validates.

Denormal numbers, those other than zero but smaller than 1.2e-38 (float64: 2.2e-308), are zero in all of them: a result
that would be denormal is zero, and an operand that is counts as zero. The caller's floating-point mode stays as it was.

The public names, and the compiler, are imported when the first is asked for: a user's names are checked against
`hotloop.kernels.codes` without.
"""

import importlib

TYPE_CHECKING = False  # what type checkers take for True
if TYPE_CHECKING:
    from hotloop.kernels.activations import (
        elu,
        elu_derivative,
        gelu,
        gelu_derivative,
        identity,
        identity_derivative,
        leaky_relu,
        leaky_relu_derivative,
        relu,
        relu_derivative,
        sigmoid,
        sigmoid_derivative,
        silu,
        silu_derivative,
        softplus,
        softplus_derivative,
        tanh,
        tanh_derivative,
    )
    from hotloop.kernels.dense import accumulate_weight_gradient, dense_forward, input_gradient
    from hotloop.kernels.elementary import exp, log
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
    "momentum",
    "nesterov",
    "predict_one",
    "relu",
    "relu_derivative",
    "rmsprop",
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

_MODULES = (
    "activations", "dense", "elementary", "jit", "losses", "prediction", "random", "row_softmax", "updates",
)  # fmt: skip

if not TYPE_CHECKING:  # a type checker sees the names above, and no others

    def __getattr__(name: str) -> object:
        """Import the public names, all of them, when one is asked for."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        for module in _MODULES:
            found = vars(importlib.import_module(f"{__name__}.{module}"))
            ours = {public for public in __all__ if getattr(found.get(public), "__module__", "") == found["__name__"]}
            globals().update({public: found[public] for public in ours})
        return globals()[name]

    def __dir__() -> list[str]:
        """Return the public names, imported or not."""
        return sorted({*globals(), *__all__})
