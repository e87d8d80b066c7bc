"""The thin Python API over `hotloop.kernels`.

Its names, and the compiler, are imported when the first is asked for: the command line answers ``--help`` and Ctrl-C
without.
"""

import importlib

TYPE_CHECKING = False  # what type checkers take for True: typing takes as long to import as all else here
if TYPE_CHECKING:
    from hotloop.network.initializers import Normal
    from hotloop.network.network import Network
    from hotloop.network.profiling.current import profile
    from hotloop.network.training.callbacks import Callback
    from hotloop.network.training.history import ConvergenceWarning, DivergenceError, History
    from hotloop.network.training.optimizers import SGD, Adagrad, Adam, AdamW, RMSprop

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
    "profile",
]

_MODULES = {
    "training.history": ("ConvergenceWarning", "DivergenceError", "History"),
    "initializers": ("Normal",),
    "network": ("Network",),
    "training.optimizers": ("SGD", "Adagrad", "Adam", "AdamW", "RMSprop"),
    "profiling.current": ("profile",),
    "training.callbacks": ("Callback",),
}
_HOMES = {name: f"{__name__}.{module}" for module, names in _MODULES.items() for name in names}

if not TYPE_CHECKING:  # a type checker sees the names above, and no others

    def __getattr__(name: str) -> object:
        """Import a public name, and with it all modules of the package, as if they had been imported here."""
        if name.startswith("__"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        importlib.import_module(f"{__name__}.network")
        if name in _HOMES:
            globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
        if name not in globals():
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals()[name]

    def __dir__() -> list[str]:
        """Return the public names, imported or not."""
        return sorted({*globals(), *__all__})
