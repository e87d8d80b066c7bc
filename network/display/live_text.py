"""Text that is redrawn in place: at the bottom of the terminal, or below the cell of a notebook."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any, Protocol

from hotloop.network.display.terminal import COLUMNS, Styled, columns, console_of, in_notebook, is_terminal, rich_text

NOTEBOOK_COLUMNS = 110
ASCII = str.maketrans("━─⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "#-|/-\\|/-\\|/")
MARGIN = 4  # columns at the end of a line: a terminal writes ^C there
REPEATED = 10.0  # seconds, on a terminal where each state is a new line


class Shown(Protocol):
    """What is redrawn."""

    def text(self, columns: int) -> Styled:
        """Return it as lines of at most so many columns."""

    def html(self) -> str:
        """Return it as HTML."""


class LiveText:
    """A text on the screen, which `draw` brings up to date and `close` leaves there, or takes away."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._output: Any = _NotebookOutput() if in_notebook() else _PlainOutput() if is_dumb() else _SCREEN
        self.draw()

    def draw(self) -> None:
        """Show the present state."""
        self._output.draw(self._shown)

    def close(self, keep: bool = True) -> None:
        """Show the last state and leave it, or remove it."""
        self._output.close(self._shown, keep)


class _NotebookOutput:
    """An output of the cell that is replaced; it needs no widgets."""

    def __init__(self) -> None:
        self._display: Any = None

    def draw(self, shown: Shown) -> None:
        """Show the present state, in HTML and for what has none in text."""
        self._show({"text/plain": str(shown.text(NOTEBOOK_COLUMNS)), "text/html": shown.html()})

    def close(self, shown: Shown, keep: bool) -> None:
        """Show the last state, or nothing."""
        if keep:
            self.draw(shown)
        elif self._display is not None:
            self._show({"text/plain": "", "text/html": ""})

    def _show(self, forms: dict[str, str]) -> None:
        from IPython.display import display

        if self._display is None:
            self._display = display(forms, raw=True, display_id=True)
        else:
            self._display.update(forms, raw=True)


class _PlainOutput:
    """Lines of a terminal that cannot go back to one (TERM=dumb): the first state, one now and then, and the last."""

    def __init__(self) -> None:
        self._last: float | None = None

    def draw(self, shown: Shown) -> None:
        """Print all lines the first time, and later the last one, if it is time."""
        if self._last is None or time.perf_counter() - self._last >= REPEATED:
            self._print(shown, all_lines=self._last is None)

    def close(self, shown: Shown, keep: bool) -> None:
        """Print the last state."""
        if keep:
            self._print(shown, all_lines=True)

    def _print(self, shown: Shown, all_lines: bool) -> None:
        self._last = time.perf_counter()
        lines = in_encoding(shown.text(COLUMNS), sys.stderr).split("\n")
        with contextlib.suppress(OSError):
            print(*(lines if all_lines else lines[-1:]), sep="\n", file=sys.stderr, flush=True)


class _Screen:
    """The lines at the bottom of the terminal of standard error: those of fits that run side by side, or in another.

    What a program prints meanwhile appears above them.
    """

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._shown: list[Shown] = []
        self._console: Any = None
        self._live: Any = None

    def draw(self, shown: Shown) -> None:
        """Redraw all lines, with these among them."""
        with self._lock, contextlib.suppress(OSError):  # the terminal may be gone, and training goes on
            if shown not in self._shown:
                self._shown.append(shown)
            if self._live is None:
                self._start()
            self._live.refresh()

    def close(self, shown: Shown, keep: bool) -> None:
        """Leave the last state of the lines on the screen, or remove them; the others go on below."""
        with self._lock, contextlib.suppress(OSError):
            if shown not in self._shown:
                return
            if len(self._shown) == 1:
                live, self._live = self._live, None
                live.transient = not keep
                try:
                    live.stop()
                finally:
                    self._shown = []
            else:
                self._shown.remove(shown)
                self._live.refresh()
                if keep:
                    self._console.print(self._rich([shown]))

    def _start(self) -> None:
        from rich.live import Live

        # No thread redraws them: training does, when it is back in Python. Standard output that goes elsewhere is left.
        self._console = console_of(sys.stderr)
        self._console.show_cursor = lambda show=True: False  # a process that is killed would leave none
        self._live = Live(
            get_renderable=lambda: self._rich(self._shown), console=self._console, auto_refresh=False,
            redirect_stdout=is_terminal(sys.stdout),
        )  # fmt: skip
        self._live.start()

    def _rich(self, shown: Iterable[Shown]) -> Any:
        """Return lines as rich's text, in characters that the terminal has."""
        self._console.width = columns(self._console.file)  # rich would ask another stream first
        text = Styled.joined("\n", [one.text(self._console.width) for one in shown])
        return rich_text(in_encoding(text, self._console.file))

    def abandon(self) -> None:
        """Forget the lines, which are those of the process that this one was forked from; print as before them."""
        if self._live is not None:
            sys.stdout = getattr(sys.stdout, "rich_proxied_file", sys.stdout)
            sys.stderr = getattr(sys.stderr, "rich_proxied_file", sys.stderr)
        self._reset()  # the locks may be held by threads that the child does not have


def is_dumb() -> bool:
    """Whether the terminal says that it can only print."""
    return os.environ.get("TERM", "").lower() in ("dumb", "unknown")


def in_encoding(text: Styled, stream: Any) -> Styled:
    """Return a text in characters that a stream has."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    if encoding.lower().startswith("utf"):
        return text
    found = Styled(text.translate(ASCII).encode(encoding, "replace").decode(encoding))
    found.spans = text.spans
    return found


_SCREEN = _Screen()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_SCREEN.abandon)
