"""Tables as text that fit the terminal."""

import textwrap
import unicodedata
from collections.abc import Collection, Iterable, Sequence

from hotloop.network.display.terminal import Styled, columns, styled

GAP = "  "
HEAD, RULE = "bold", "dim"  # styles
NARROWEST_TEXT = 20  # of a last column that is wrapped


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, left: Collection[str] = (), ruled: bool = False,
    wrapped: bool = False, first_to_go: Sequence[str] = (), width: int | None = None,
) -> list[str]:  # fmt: skip
    r"""Return the lines of a table that fits into a width, and below it the heads of columns that have no room.

    A table that is too wide gets heads of several lines; if it still is, columns are left out, never the first.

    Parameters
    ----------
    heads : sequence of str
    rows : iterable of sequences of str
        A cell for each head. Cells may have styles (`hotloop.network.display.terminal.styled`).
    left : collection of str
        The heads of the columns that are aligned to the left.
    ruled : bool, default False
        Whether to draw lines of dashes around the heads and below the rows.
    wrapped : bool, default False
        Whether the last column is text, which is broken into lines and never left out.
    first_to_go : sequence of str
        The heads of the columns to leave out first; then go those on the right.
    width : int, optional
        In characters; by default that of the terminal, or 80 where there is none.

    Examples
    --------
    >>> def show(*arguments, **options):
    ...     print(*table(*arguments, **options), sep="\n")
    >>> show(["epoch", "learning rate", "f1"], [["1", "0.01", "0.4444"]], width=24)
           learning
    epoch      rate      f1
        1      0.01  0.4444
    >>> show(["epoch", "learning rate", "f1"], [["1", "0.01", "0.4444"]], width=20)
           learning
    epoch      rate
        1      0.01
    no room for: f1
    >>> show(["n", "text"], [["1", "a text that is longer than that"]], left=["text"], wrapped=True, width=24)
    n  text
    1  a text that is longer
       than that
    """
    rows, width = list(rows), columns() if width is None else width
    places = list(range(len(heads)))
    at_left = {place for place in places if heads[place] in left}
    lines = _lines(heads, rows, at_left, ruled)
    if _width(lines) <= width:
        return lines
    broken = []
    for head, *cells in zip(heads, *rows, strict=True):
        broken.append("\n".join(textwrap.wrap(head, max(1, *map(width_of, (*head.split(), *cells))))))
    order = [*(heads.index(head) for head in first_to_go if head in heads), *reversed(places)]
    leaving = [place for place in dict.fromkeys(order) if place != 0 and not (wrapped and place == places[-1])]
    while True:
        shown = [[row[place] for place in places] for row in rows]
        if wrapped:
            beside = _lines([broken[place] for place in places[:-1]], [row[:-1] for row in shown], set(), False)
            shown = _wrapped(shown, max(NARROWEST_TEXT, width - _width(beside) - len(GAP)))
        now_left = {number for number, place in enumerate(places) if place in at_left}
        lines = _lines([broken[place] for place in places], shown, now_left, ruled)
        if _width(lines) <= width or not leaving:
            break
        places.remove(leaving.pop(0))
    gone = [head for place, head in enumerate(heads) if place not in places]
    return [*lines, *(textwrap.wrap(f"no room for: {', '.join(gone)}", max(width, 1)) if gone else [])]


def _lines(heads: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[int], ruled: bool) -> list[str]:
    """Return the lines of a table: each column as wide as its widest cell; `left` are numbers of columns."""
    shown = []
    height = max((head.count("\n") for head in heads), default=0) + 1
    for place, (head, *cells) in enumerate(zip(heads, *rows, strict=True)):
        lines = head.split("\n")
        lines = [*[""] * (height - len(lines)), *lines]
        width = max(map(width_of, (*lines, *cells)))
        texts = [*(styled(line, HEAD) for line in lines), *cells]
        if place not in left:
            texts = [Styled.joined("", [" " * (width - width_of(text)), text]) for text in texts]
        elif place < len(heads) - 1:
            texts = [Styled.joined("", [text, " " * (width - width_of(text))]) for text in texts]
        rule = [styled("-" * width, RULE)] * ruled
        shown.append([*rule, *texts[:height], *rule, *texts[height:], *rule])
    return [Styled.joined(GAP, line).stripped() for line in zip(*shown, strict=True)]


def _width(lines: Iterable[str]) -> int:
    return max(map(width_of, lines), default=0)


def _wrapped(rows: Iterable[Sequence[str]], room: int) -> list[list[str]]:
    """Return rows whose last cell is broken into lines of a width."""
    broken: list[list[str]] = []
    for row in rows:
        first, *more = textwrap.wrap(row[-1], room) or [""]
        broken += [[*row[:-1], first], *([*[""] * (len(row) - 1), line] for line in more)]
    return broken


def width_of(text: str) -> int:
    """Return how many places of a terminal a text takes: wide characters take two, combining ones none.

    >>> width_of("é"), width_of("e\u0301"), width_of("面積")
    (1, 1, 4)
    """
    if text.isascii():
        return len(text)
    marks = sum(unicodedata.combining(c) > 0 for c in text)
    return len(text) + sum(unicodedata.east_asian_width(c) in "WF" for c in text) - marks


def paragraph(label: str, text: str, width: int | None = None) -> Styled:
    """Return a label and a text in lines that fit into a width, all but the first indented by the label.

    >>> print(paragraph("remedy: ", "scale the inputs to mean 0 and standard deviation 1", width=40))
    remedy: scale the inputs to mean 0 and
            standard deviation 1
    """
    room = max(NARROWEST_TEXT, (columns() if width is None else width) - width_of(label))
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
    return Styled.joined(f"\n{' ' * width_of(label)}", [Styled.joined("", [label, lines[0]]), *lines[1:]])
