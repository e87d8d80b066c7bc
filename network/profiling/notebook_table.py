"""The table of a profile in a notebook."""

from collections.abc import Sequence

from hotloop.network.html.elements import Html, bar, note, representation, table, title
from hotloop.network.profiling.rows import Row
from hotloop.network.profiling.table import number
from hotloop.network.validation.printable import counted

MOST_SHOWN = 20
HEADS = ("name", "layer", "share", "", "time", "a call", "calls", "GFLOP/s", "GB/s", "% of roof", "bound by")


def notebook_table(rows: Sequence[Row], seconds: float, footer: Sequence[str]) -> Html:
    """Return the rows, the longest first, each with a bar for its share of the time."""
    longest = max((row["percent"] for row in rows), default=1.0) or 1.0
    cells = [
        [
            row["name"] if row["network"] is None else f"{row['network']} {row['name']}",
            "-" if row["layer"] is None else str(row["layer"]),
            f"{row['percent']:.1f} %", bar(row["percent"] / longest),
            _brief(row["seconds"]), _brief(row["seconds_per_call"]), f"{row['calls']:,}",
            number(row["flops_per_second"], 1e9), number(row["bytes_per_second"], 1e9), number(row["roof_percent"]),
            row["bound_by"],
        ]
        for row in rows[:MOST_SHOWN]
    ]  # fmt: skip
    more = sum(row["percent"] for row in rows[MOST_SHOWN:])
    notes = [f"{counted(len(rows) - MOST_SHOWN, 'more row')} with {more:.1f} % of the time: print(prof.table())"]
    return representation(
        title(f"Profile of {_brief(seconds)}"),
        table(HEADS, cells, left=["name", "bound by"]),
        *map(note, [*(notes if len(rows) > MOST_SHOWN else []), *footer]),
    )


def _brief(seconds: float | None) -> str:
    """Return a time in three digits."""
    if seconds is None:
        return "-"
    unit, scale = next(((unit, scale) for unit, scale in (("s", 1.0), ("ms", 1e-3)) if seconds >= scale), ("us", 1e-6))
    return f"{number(seconds, scale)} {unit}"
