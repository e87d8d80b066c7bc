"""Tells the user that kernels are being compiled, and how long it took: otherwise the first call seems to hang."""

import gc
import sys
import time
from typing import Any

import numba
from numba.core import event

from hotloop.network.training.display import in_notebook


class CompileNotice(event.Listener):  # type: ignore[misc]
    """A context that prints a line when Numba starts to compile within it, and another when it has ended.

    Loading machine code from the cache is silent.

    Parameters
    ----------
    what : str
        What is compiled, as the line says it.
    visible : bool
        Whether to print, to standard error, or in a notebook to standard output.
    """

    def __init__(self, what: str, visible: bool) -> None:
        self._what, self._visible = what, visible
        self.compiled = False
        self.seconds = 0.0

    def on_start(self, event: Any) -> None:
        """Note that a function is being compiled."""
        if not self.compiled:
            self.compiled = True
            self._print(f"hotloop: compiling kernels for {self._what}, once on this machine ...")

    def on_end(self, event: Any) -> None:
        """Do nothing: the context's end says how long it took."""

    def __enter__(self) -> "CompileNotice":
        """Start to listen for compilations."""
        self._start, self._collects = time.perf_counter(), gc.isenabled()
        gc.disable()  # the compiler makes millions of objects that live on: looking for garbage is a sixth of its time
        if not numba.config.DISABLE_JIT:
            event.register("numba:compile", self)
        return self

    def __exit__(self, *failure: object) -> None:
        """Stop, and say how long it took."""
        if self._collects:
            gc.enable()
        if not numba.config.DISABLE_JIT:
            event.unregister("numba:compile", self)
        self.seconds = time.perf_counter() - self._start
        if self.compiled and failure[0] is None:
            self._print(f"hotloop: compiled in {self.seconds:.1f} s")

    def _print(self, line: str) -> None:
        if self._visible:
            # A notebook shows standard error as if something were wrong.
            print(line, file=sys.stdout if in_notebook() else sys.stderr, flush=True)
