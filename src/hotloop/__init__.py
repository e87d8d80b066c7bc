"""hotloop: dense neural networks trained by backpropagation, in Numba-compiled loops on a CPU.

>>> from hotloop import Network, SGD

The public names are here; `hotloop.callbacks` watch a fit, `hotloop.datasets` loads data, `hotloop.metrics` and
`hotloop.plots` judge and show a network, `hotloop.estimators` are scikit-learn's way in, and `hotloop.kernels` has the
compiled loops. Each name is imported when it is
first used (PEP 562), so that ``import hotloop`` waits for neither Numba nor NumPy.
"""

import importlib
import sys

TYPE_CHECKING = False  # True to type checkers; typing takes longer to import than all of this
if TYPE_CHECKING:
    from hotloop import activations as activations
    from hotloop import callbacks as callbacks
    from hotloop import datasets as datasets
    from hotloop import estimators as estimators
    from hotloop import interchange as interchange
    from hotloop import kernels as kernels
    from hotloop import losses as losses
    from hotloop import metrics as metrics
    from hotloop import network as network
    from hotloop import plots as plots
    from hotloop import schedules as schedules
    from hotloop.network.initializers import Normal
    from hotloop.network.network import Network
    from hotloop.network.prepared_network import PreparedNetwork
    from hotloop.network.profiling.profiler import profile
    from hotloop.network.training.callbacks import Callback
    from hotloop.network.training.early_stopping import EarlyStopping
    from hotloop.network.training.history import CheckpointWarning, ConvergenceWarning, DivergenceError, History
    from hotloop.network.training.optimizers import SGD, Adagrad, Adam, AdamW, RMSprop
    from hotloop.network.warmup import warmup

__version__ = "0.1.0"

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Callback",
    "CheckpointWarning",
    "ConvergenceWarning",
    "DivergenceError",
    "EarlyStopping",
    "History",
    "Network",
    "Normal",
    "PreparedNetwork",
    "RMSprop",
    "__version__",
    "profile",
    "warmup",
]

# The modules that have them, in the order in which they are searched: the first need neither Numba nor NumPy.
_MODULES = (
    "network.initializers", "network.training.optimizers", "network.training.history", "network.training.callbacks",
    "network.training.early_stopping", "network.network", "network.warmup", "network.profiling.profiler",
    "network.prepared_network",
)  # fmt: skip
_SUBMODULES = (
    "activations", "callbacks", "datasets", "estimators", "interchange", "kernels", "losses", "metrics", "network",
    "plots", "schedules",
)  # fmt: skip

if not TYPE_CHECKING:  # or type checkers would take any name for a public one

    def __getattr__(name: str) -> object:
        """Import a public name or a submodule."""
        if name in _SUBMODULES:
            return importlib.import_module(f"{__name__}.{name}")
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
        return sorted({*__all__, *_SUBMODULES})
