"""Tables as text."""

from collections.abc import Collection, Iterable, Sequence

GAP = "  "


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], left: Collection[str] = ()) -> list[str]:
    """Return the lines of a table, heads first: each column as wide as its widest cell.

    Parameters
    ----------
    heads : sequence of str
    rows : iterable of sequences of str
        A cell for each head.
    left : collection of str
        The heads of the columns that are aligned to the left.

    Examples
    --------
    >>> for line in table(["epoch", "loss"], [["1", "0.5"], ["2", "0.25"]]):
    ...     print(line)
    epoch  loss
        1   0.5
        2  0.25
    """
    columns = []
    for head, *cells in zip(heads, *rows, strict=True):
        width = max(map(len, (head, *cells)))
        columns.append([cell.ljust(width) if head in left else cell.rjust(width) for cell in (head, *cells)])
    return [GAP.join(line) for line in zip(*columns, strict=True)]
