"""hotloop: dense neural networks trained by backpropagation, in Numba-compiled loops on a CPU.

>>> from hotloop import Network, SGD

The network API is `hotloop.network`, its public names handed on here; the compiled loops are `hotloop.kernels`. They,
and the compiler, are imported when the first name is asked for.
"""

TYPE_CHECKING = False  # what type checkers take for True: typing takes as long to import as all else here
if TYPE_CHECKING:
    from hotloop.network import (
        SGD,
        Adagrad,
        Adam,
        AdamW,
        Callback,
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

if not TYPE_CHECKING:  # a type checker sees the names above, and no others

    def __getattr__(name: str) -> object:
        """Import a public name, or one of the two packages."""
        if name.startswith("__"):  # as inspect and doctest ask for
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import hotloop.kernels
        import hotloop.network

        if name == "warmup":
            from hotloop.network.warmup import warmup

            globals()[name] = warmup
        elif name in __all__:
            globals()[name] = getattr(hotloop.network, name)
        if name not in globals():
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals()[name]

    def __dir__() -> list[str]:
        """Return the public names, imported or not."""
        return sorted({*globals(), *__all__})
