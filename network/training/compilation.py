"""Tells the user that kernels are being compiled, and how long it took: otherwise the first call seems to hang."""

import contextlib
import gc
import html
import textwrap
import threading
import time
from typing import Any

import numba
from numba.core import event

from hotloop.network.display.live_text import MARGIN, LiveText
from hotloop.network.display.terminal import Styled, styled
from hotloop.network.validation.printable import counted

WHY = (
    "hotloop: compiling its loops for this CPU ({what}). It takes 10 to 30 seconds, once: the machine code is kept for "
    "later runs. `hotloop warmup` does it ahead of need."
)
UNNOTICED = 0.5  # seconds: what compiles faster is not worth a word
REDRAWN = 0.25  # seconds
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_explained: set[bool] = set()  # once in a process is enough


class CompileNotice(event.Listener):  # type: ignore[misc]
    """A context that shows what Numba compiles within it, and for how long, and at last how long it took.

    The first one in a process also says why. Loading machine code from the cache is silent.

    Parameters
    ----------
    what : str
        What is compiled, as the line says it.
    visible : bool
        Whether to show it: in the terminal of standard error, or in an output of a notebook's cell.
    closing : bool, default True
        Whether a line that says how long it took stays.

    Attributes
    ----------
    compiled : bool
    seconds : float
    """

    def __init__(self, what: str, visible: bool, closing: bool = True) -> None:
        self._what, self._visible, self._closing = what, visible, closing
        self._functions, self._names = 0, list[str]()
        self._ended, self._failed, self._explains = threading.Event(), False, False
        self._last = False  # whether the next text is the last: it may end while another is drawn
        self._thread: threading.Thread | None = None
        self.compiled = False
        self.seconds = 0.0

    def on_start(self, event: Any) -> None:
        """Note which function is being compiled; the first one starts the display."""
        self._names.append(getattr(getattr((event.data or {}).get("dispatcher"), "py_func", None), "__name__", ""))
        if not self.compiled:
            self.compiled = True
            if self._visible:
                thread = threading.Thread(target=self._show, daemon=True)
                with contextlib.suppress(RuntimeError):  # no thread can be started
                    thread.start()
                    self._thread = thread

    def on_end(self, event: Any) -> None:
        """Count the function."""
        self._functions += 1
        del self._names[-1:]

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
        self._failed = failure[0] is not None
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _show(self) -> None:
        """Show how it goes until it ends: in a thread, since the compiler comes back to Python only now and then."""
        if self._ended.wait(UNNOTICED):
            return
        self._explains = not _explained
        _explained.add(True)
        live = LiveText(self)
        while not self._ended.wait(REDRAWN):
            live.draw()
        self._last = True
        live.close(keep=self._closing and not self._failed)

    def text(self, columns: int) -> Styled:
        """Return why, and how far it is; at the end how long it took."""
        if self._last:
            done = f"{counted(self._functions, 'function')} for {self._what} in {self.seconds:.1f} s"
            return Styled(f"hotloop: compiled {done}")
        why = textwrap.wrap(WHY.format(what=self._what), columns) if self._explains else []
        seconds = time.perf_counter() - self._start
        line = f"{SPINNER[int(seconds / REDRAWN) % len(SPINNER)]} compiling for {self._what}, {seconds:.0f} s"
        for more in (f", {counted(self._functions, 'function')}", *(f", now {name}" for name in self._names[-1:])):
            if len(line + more) <= columns - MARGIN:
                line += more
        return Styled.joined("\n", [*why, styled(line[: columns - MARGIN], "cyan")])

    def html(self) -> str:
        """Return the same for a notebook, with the browser's own bar."""
        if self._last:
            return html.escape(self.text(1000))
        *why, line = map(html.escape, self.text(1000).split("\n"))
        return "".join(f"<div>{text}</div>" for text in why) + f'<progress style="width: 12em"></progress> {line}'
