"""Tables as text."""

import shutil
import textwrap
import unicodedata
from collections.abc import Collection, Iterable, Sequence

GAP = "  "


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, left: Collection[str] = (), ruled: bool = False
) -> list[str]:
    """Return the lines of a table, heads first: each column as wide as its widest cell.

    Parameters
    ----------
    heads : sequence of str
        A head may have several lines.
    rows : iterable of sequences of str
        A cell for each head.
    left : collection of str
        The heads of the columns that are aligned to the left.
    ruled : bool, default False
        Whether to draw lines of dashes around the heads and below the rows.

    Examples
    --------
    >>> for line in table(["epoch", "loss"], [["1", "0.5"], ["2", "0.25"]]):
    ...     print(line)
    epoch  loss
        1   0.5
        2  0.25
    """
    columns = []
    height = max((head.count("\n") for head in heads), default=0) + 1
    for head, *cells in zip(heads, *rows, strict=True):
        lines = head.split("\n")
        lines = [*[""] * (height - len(lines)), *lines]
        width = max(map(width_of, (*lines, *cells)))
        column = [padded(cell, width, left=head in left) for cell in (*lines, *cells)]
        rule = ["-" * width] * ruled
        columns.append([*rule, *column[:height], *rule, *column[height:], *rule])
    return [GAP.join(line) for line in zip(*columns, strict=True)]


def width_of(text: str) -> int:
    """Return how many places of a terminal a text takes: wide characters take two, combining ones none.

    >>> width_of("é"), width_of("e\u0301"), width_of("面積")
    (1, 1, 4)
    """
    if text.isascii():
        return len(text)
    marks = sum(unicodedata.combining(c) > 0 for c in text)
    return len(text) + sum(unicodedata.east_asian_width(c) in "WF" for c in text) - marks


def padded(text: str, width: int, *, left: bool) -> str:
    """Return a text with spaces to a width."""
    spaces = " " * (width - width_of(text))
    return text + spaces if left else spaces + text


def wrapped_table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: Collection[str] = (), width: int | None = None
) -> list[str]:
    """Return the lines of a table whose last column, a text, is wrapped so that the table fits into a width.

    Examples
    --------
    >>> for line in wrapped_table(["n", "text"], [["1", "a text that is longer than that"]], left=["text"], width=24):
    ...     print(line)
    n  text
    1  a text that is longer
       than that
    """
    if width is None:
        width = shutil.get_terminal_size().columns
    beside = table(heads[:-1], [row[:-1] for row in rows], left=left)
    room = max(20, width - width_of(beside[0]) - len(GAP))
    broken: list[list[str]] = []
    for row in rows:
        first, *more = textwrap.wrap(row[-1], room) or [""]
        broken += [[*row[:-1], first], *([*[""] * (len(row) - 1), line] for line in more)]
    return [line.rstrip() for line in table(heads, broken, left=left)]


def fitted_table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, first_to_go: Sequence[str] = (), width: int | None = None
) -> list[str]:
    """Return the lines of a table that fits into a width, and below it the heads of the columns that had no room.

    If it is too wide, heads are broken into lines; if it still is, columns are left out, never the first.

    Parameters
    ----------
    heads, rows
        As of `table`.
    first_to_go : sequence of str
        The heads of the columns to leave out first; then go those on the right.
    width : int, optional
        In characters; by default that of the terminal, or 80 if there is none.

    Examples
    --------
    >>> for line in fitted_table(["epoch", "learning rate", "f1"], [["1", "0.01", "0.4444"]], width=24):
    ...     print(line.rstrip())
           learning
    epoch      rate      f1
        1      0.01  0.4444
    """
    if width is None:
        width = shutil.get_terminal_size().columns
    lines = table(heads, rows)
    if len(lines[0]) <= width:
        return lines
    broken = []
    for head, *cells in zip(heads, *rows, strict=True):
        room = max(map(len, (*head.split(), *cells)))
        broken.append("\n".join(textwrap.wrap(head, room)))
    kept = list(range(len(heads)))
    order = [*(heads.index(head) for head in first_to_go if head in heads), *reversed(kept)]
    leaving = [column for column in dict.fromkeys(order) if column != 0]
    while True:
        lines = table([broken[column] for column in kept], [[row[column] for column in kept] for row in rows])
        if len(lines[0]) <= width or not leaving:
            break
        kept.remove(leaving.pop(0))
    gone = [head for column, head in enumerate(heads) if column not in kept]
    return [*lines, f"no room for: {', '.join(gone)}"] if gone else lines
