"""hotloop: dense neural networks trained by backpropagation, in Numba-compiled loops on a CPU.

>>> from hotloop import Network, SGD

The public names are here; `hotloop.datasets` loads data, and `hotloop.kernels` has the compiled loops. Each name is
imported when it is first used (PEP 562), so that ``import hotloop`` waits for neither Numba nor NumPy.
"""

import importlib
import sys

TYPE_CHECKING = False  # True to type checkers; typing takes longer to import than all of this
if TYPE_CHECKING:
    from hotloop import datasets as datasets
    from hotloop import kernels as kernels
    from hotloop import network as network
    from hotloop.network.initializers import Normal
    from hotloop.network.network import Network
    from hotloop.network.profiling.profiler import profile
    from hotloop.network.training.callbacks import Callback
    from hotloop.network.training.history import ConvergenceWarning, DivergenceError, History
    from hotloop.network.training.optimizers import SGD, Adagrad, Adam, AdamW, RMSprop
    from hotloop.network.warmup import warmup

__version__ = "0.1.0"

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Callback",
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

_MODULES = {
    "hotloop.network.initializers": ("Normal",),
    "hotloop.network.network": ("Network",),
    "hotloop.network.profiling.profiler": ("profile",),
    "hotloop.network.training.callbacks": ("Callback",),
    "hotloop.network.training.history": ("ConvergenceWarning", "DivergenceError", "History"),
    "hotloop.network.training.optimizers": ("SGD", "Adagrad", "Adam", "AdamW", "RMSprop"),
    "hotloop.network.warmup": ("warmup",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}
_SUBMODULES = ("datasets", "kernels", "network")

if not TYPE_CHECKING:  # or type checkers would take any name for a public one

    def __getattr__(name: str) -> object:
        """Import a public name or a submodule."""
        if name in _SUBMODULES:
            return importlib.import_module(f"{__name__}.{name}")
        if name not in _MODULE_OF:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message, name=name, obj=sys.modules[__name__])  # so that Python can suggest a name
        value = globals()[name] = getattr(importlib.import_module(_MODULE_OF[name]), name)
        return value

    def __dir__() -> list[str]:
        """Return the public names, imported or not."""
        return sorted({*__all__, *_SUBMODULES})
