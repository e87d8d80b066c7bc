"""What became of each column of a table, as a table in a notebook."""

from collections.abc import Sequence

from hotloop.network.html.elements import Html, joined, note, table
from hotloop.network.tables.preparation import ColumnReport
from hotloop.network.validation.printable import counted

MOST_SHOWN = 40


def columns_table(columns: Sequence[ColumnReport], most: int = MOST_SHOWN) -> Html:
    """Return a row for each column, or `most`: what it was taken for, what was done with it, inputs, missing values."""
    rows = [
        [
            column.name,
            column.kind,
            column.note,
            f"{column.n_inputs}",
            f"{column.n_missing:,}" if column.n_missing else "-",
        ]
        for column in columns[:most]
    ]
    heads = ["column", "taken for", "treatment", "inputs", "missing"]
    made = table(heads, rows, left=["column", "taken for"], wrapped=["treatment"])
    more = len(columns) - most
    return joined(made, note(f"and {counted(more, 'more column')}") if more > 0 else "")
