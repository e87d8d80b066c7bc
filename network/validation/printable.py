"""Text from files and names, made safe to print; wrong values, made short enough for a message."""

from typing import Any

LONGEST_VALUE = 200  # characters of a wrong value in a message


def printable(text: str) -> str:
    r"""Return text with what does not print (control characters, line ends, lone surrogates) escaped as `repr` does it.

    >>> printable("a\x1b[2Jb\n")
    'a\\x1b[2Jb\\n'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def shown(value: Any) -> str:
    """Return how a message shows a wrong value: as Python does, but short."""
    try:
        text = repr(value)
    except Exception:  # an int of more digits than Python turns into text
        return f"an object of type {type(value).__name__}"
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."
