"""Who sees what is printed: how wide it may be, whether it has colours, whether this is a terminal or a notebook."""

import os
import sys
from collections.abc import Iterable
from typing import Any, Self

COLUMNS = 80  # of pipes, files and notebooks
Span = tuple[int, int, str]  # start, stop and style, in the words of rich


class Styled(str):
    """A text with styles for its parts, which `coloured` turns into colours; for everyone else it is its text."""

    spans: tuple[Span, ...] = ()

    @classmethod
    def joined(cls, separator: str, texts: Iterable[str]) -> Self:
        """Return texts with a separator between them, and with their styles, which `str.join` would lose."""
        texts, spans, place = list(texts), [], 0
        for text in texts:
            spans += [(place + start, place + stop, style) for start, stop, style in getattr(text, "spans", ())]
            place += len(text) + len(separator)
        whole = cls(separator.join(texts))
        whole.spans = tuple(spans)
        return whole

    def stripped(self) -> "Styled":
        """Return it without the spaces at its end."""
        found = Styled(self.rstrip(" "))
        found.spans = self.spans  # rich ignores what is beyond the end
        return found


def styled(text: str, style: str) -> Styled:
    """Return a text with a style, such as "bold red", or only its text if the style is empty.

    >>> styled("a", "bold"), styled("a", "bold").spans
    ('a', ((0, 1, 'bold'),))
    """
    found = Styled(text)
    found.spans = ((0, len(text), style),) * bool(style)
    return found


def coloured(text: str, stream: Any) -> str:
    """Return a text with the codes of its styles, if `stream` shows them: as NO_COLOR, FORCE_COLOR and TERM say.

    The text must be printable: nothing in it is taken for a code or for markup.
    """
    spans = getattr(text, "spans", ())
    if not spans or not (is_terminal(stream) or os.environ.get("FORCE_COLOR")):
        return text
    console = console_of(stream)  # imports rich, which takes longer than some commands
    with console.capture() as captured:
        console.print(rich_text(text), end="")
    return str(captured.get())


def console_of(stream: Any) -> Any:
    """Return rich's console for a stream: it takes text as it is, and breaks no line."""
    from rich.console import Console

    forced = is_terminal(stream) or bool(os.environ.get("FORCE_COLOR"))  # for rich, an empty FORCE_COLOR forbids it
    return Console(
        file=stream, force_terminal=forced, soft_wrap=True, markup=False, emoji=False, highlight=False,
        force_jupyter=False,
    )  # fmt: skip


def rich_text(text: str) -> Any:
    """Return a text as rich's, with its styles."""
    from rich.text import Text

    found = Text(text)
    for start, stop, style in getattr(text, "spans", ()):
        found.stylize(style, start, stop)
    return found


def columns(stream: Any = None) -> int:
    """Return how wide text may be: as COLUMNS says, or as wide as the terminal, or 80 where there is none.

    So what goes to a pipe, a file or a notebook does not depend on where it was printed. The stream is standard output
    by default.
    """
    stream = sys.stdout if stream is None else stream
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns or COLUMNS if is_terminal(stream) else COLUMNS
    except (AttributeError, OSError, ValueError):  # a stream without a descriptor
        return COLUMNS


def is_terminal(stream: Any) -> bool:
    """Whether a stream is a terminal; one that is closed, or None, is not."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False


def in_notebook() -> bool:
    """Whether this runs in the kernel of a notebook."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    return getattr(shell, "kernel", None) is not None


def is_shown() -> bool:
    """Whether somebody sees the progress: standard error is a terminal, or this is a notebook."""
    return in_notebook() or is_terminal(sys.stderr)
