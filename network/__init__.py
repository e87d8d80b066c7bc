"""The thin Python API over `hotloop.kernels`."""

from hotloop.network.history import ConvergenceWarning, DivergenceError, History
from hotloop.network.initializers import Normal
from hotloop.network.network import Network
from hotloop.network.optimizers import SGD, Adagrad, Adam, AdamW, RMSprop
from hotloop.network.profiling.current import profile

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
    "profile",
]
