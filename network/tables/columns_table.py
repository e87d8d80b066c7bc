"""What became of each column of a table, as a table in a notebook."""

from collections import Counter
from collections.abc import Sequence

from hotloop.network.html.elements import Html, details, joined, note, table
from hotloop.network.tables.preparation import ColumnReport
from hotloop.network.validation.printable import counted, cut

MOST_UNFOLDED, MOST_SHOWN = 15, 200
LONGEST_NAME = 60  # characters


def columns_table(columns: Sequence[ColumnReport], most: int = MOST_SHOWN) -> Html:
    """Return a row for each column, or `most`: what it was taken for, what was done with it, inputs, missing values."""
    rows = [
        [
            cut(one.name, LONGEST_NAME),
            one.kind,
            one.note,
            str(one.n_inputs),
            f"{one.n_missing:,}" if one.n_missing else "-",
        ]
        for one in columns[:most]
    ]
    heads = ["column", "taken for", "treatment", "inputs", "missing"]
    made = table(heads, rows, left=["column", "taken for"], wrapped=["treatment"])
    more = len(columns) - most
    return joined(made, note(f"and {counted(more, 'more column')}") if more > 0 else "")


def folded_columns(columns: Sequence[ColumnReport]) -> Html:
    """Return the table of the columns for a notebook, if they are many under a line that counts them by kind."""
    if len(columns) <= MOST_UNFOLDED:
        return columns_table(columns)
    kinds = Counter(one.kind if one.n_inputs else "dropped" for one in columns)
    counts = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
    inputs = sum(one.n_inputs for one in columns)
    return details(f"{len(columns):,} columns as {inputs:,} inputs: {counts}", columns_table(columns))
