"""Spans for the functions that Numba compiles while a profile is open."""

import threading
from typing import Any

from numba.core import event

from hotloop.network.profiling.spans import Span, Spans


class CompileSpans(event.Listener):  # type: ignore[misc]
    """Opens a span for each function that Numba compiles in this thread."""

    def __init__(self, spans: Spans) -> None:
        self._spans, self._thread = spans, threading.get_ident()
        self._open: list[Span] = []

    def on_start(self, event: Any) -> None:
        """Open the span of a function."""
        if threading.get_ident() == self._thread:
            function = event.data["dispatcher"].py_func
            self._open.append(self._spans.span(f"compile {function.__name__}", "compile").__enter__())

    def on_end(self, event: Any) -> None:
        """Close it."""
        if threading.get_ident() == self._thread and self._open:
            self._open.pop().__exit__()
