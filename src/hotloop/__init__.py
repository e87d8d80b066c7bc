"""hotloop: dense neural networks trained by backpropagation, in Numba-compiled loops on a CPU.

>>> from hotloop import Network, SGD

The network API is `hotloop.network`, its public names handed on here; the compiled loops are `hotloop.kernels`.
"""

from hotloop.network import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    ConvergenceWarning,
    DivergenceError,
    History,
    Network,
    Normal,
    RMSprop,
    profile,
)
from hotloop.network.warmup import warmup

__version__ = "0.1.0"

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "ConvergenceWarning",
    "DivergenceError",
    "History",
    "Network",
    "Normal",
    "RMSprop",
    "__version__",
    "profile",
    "warmup",
]
