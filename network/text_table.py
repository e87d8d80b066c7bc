"""Tables as text."""

from collections.abc import Collection, Iterable, Sequence

GAP = "  "


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, left: Collection[str] = (), ruled: bool = False
) -> list[str]:
    """Return the lines of a table, heads first: each column as wide as its widest cell.

    Parameters
    ----------
    heads : sequence of str
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
    for head, *cells in zip(heads, *rows, strict=True):
        width = max(map(len, (head, *cells)))
        column = [cell.ljust(width) if head in left else cell.rjust(width) for cell in (head, *cells)]
        rule = ["-" * width] * ruled
        columns.append([*rule, column[0], *rule, *column[1:], *rule])
    return [GAP.join(line) for line in zip(*columns, strict=True)]
