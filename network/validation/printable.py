"""Text from files and names, made safe to print; wrong values, made short enough for a message."""

import itertools
from collections.abc import Iterable
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


def cut(text: str, longest: int) -> str:
    """Return text of so many characters at most, the last three being dots if there were more.

    >>> cut("length", 6), cut("lengthy", 6)
    ('length', 'len...')
    """
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def counted(number: int, noun: str) -> str:
    """Return a number of things, such as "1 epoch" or "2 epochs"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def sizes_as_word(sizes: Iterable[int]) -> str:
    """Return the sizes of a network as one word, in which four or more equal ones are counted.

    >>> sizes_as_word([64, 32, 32, 10]), sizes_as_word([2, 8, 8, 8, 8, 1])
    ('64-32-32-10', '2-4x8-1')
    """
    words = []
    for size, run in itertools.groupby(sizes):
        count = len([*run])
        words += [f"{count}x{size}"] if count > 3 else [str(size)] * count
    return "-".join(words)


def with_article(noun: str) -> str:
    """Return "an int", "a list"."""
    return f"{'an' if noun[0].lower() in 'aeio' or noun == 'ndarray' else 'a'} {noun}"


def shown(value: Any) -> str:
    """Return how a message shows a wrong value: as Python does, but short, in one line."""
    try:
        text = repr(value)
        if "\n" in text and hasattr(value, "shape"):  # an array, a frame
            kind = type(value).__name__.replace("ndarray", "array")
            return f"{with_article(kind)} of shape {tuple(value.shape)}"
    except Exception:  # an int of more digits than Python turns into text
        return f"an object of type {type(value).__name__}"
    if "\n" in text:
        text = f"{text.splitlines()[0].rstrip()}..."
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."
