"""The table of a profile, in the style of PyTorch's profiler."""

from collections.abc import Callable, Sequence

from hotloop.network.display import text_table
from hotloop.network.display.terminal import Styled, styled
from hotloop.network.profiling.phase_clock import PhaseClock
from hotloop.network.profiling.rows import Row
from hotloop.network.validation.printable import counted, cut, printable

WIDEST_NAME = 40
NEAR, FAR = 60, 20  # per cent of the roof: from the one on a phase is near it, below the other far from it
MOST_KINDS = 10  # of runs, in the lines under the table


def duration(seconds: float | None) -> str:
    """Return a time in us, ms or s, with three decimals."""
    if seconds is None:
        return "-"
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if abs(seconds) >= scale:
            return f"{seconds / scale:.3f}{unit}"
    return f"{seconds / 1e-6:.3f}us"


def number(value: float | None, scale: float = 1.0) -> str:
    """Return a number with three digits, at most two of them decimals."""
    if value is None:
        return "-"
    value /= scale
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 100 else f"{value:.0f}"


def _name(row: Row) -> str:
    name = printable(row["name"])
    name = name if row["network"] is None else f"{row['network']} {name}"
    return cut(name, WIDEST_NAME)


def _share_of_roof(row: Row) -> str:
    percent = row["roof_percent"]
    if percent is None:
        return "-"
    return styled(number(percent), "green" if percent >= NEAR else "red" if percent < FAR else "")


COLUMNS: list[tuple[str, Callable[[Row], str]]] = [
    ("Name", _name),
    ("Layer", lambda row: "-" if row["layer"] is None else str(row["layer"])),
    ("Self CPU %", lambda row: f"{row['percent']:.2f}%"),
    ("Self CPU", lambda row: duration(row["seconds"])),
    ("CPU time avg", lambda row: duration(row["seconds_per_call"])),
    ("# of Calls", lambda row: f"{row['calls']}"),
    ("GFLOP/s", lambda row: number(row["flops_per_second"], 1e9)),
    ("GB/s", lambda row: number(row["bytes_per_second"], 1e9)),
    ("FLOP/B", lambda row: number(row["flops_per_byte"])),
    ("% of roof", _share_of_roof),
    ("Bound by", lambda row: str(row["bound_by"])),
]
# Where the terminal has no room for all.
FIRST_TO_GO = ("FLOP/B", "GB/s", "CPU time avg", "# of Calls", "GFLOP/s", "Self CPU", "Bound by", "% of roof", "Layer")


def table(rows: Sequence[Row], row_limit: int, footer: Sequence[str]) -> str:
    """Return rows as text, at most `row_limit` of them (all if it is negative), followed by the footer."""
    shown = rows if row_limit < 0 else rows[:row_limit]
    cells = [[cell(row) for _, cell in COLUMNS] for row in shown]
    heads = [title for title, _ in COLUMNS]
    lines = text_table.table(heads, cells, left=["Name"], ruled=True, first_to_go=FIRST_TO_GO)
    left_out = len(rows) - len(shown)
    more = [f"{counted(left_out, 'more row')}: row_limit is {row_limit}"] if left_out else []
    return Styled.joined("\n", [*lines, *more, *(text_table.paragraph("", line) for line in footer)])


def summary(seconds: float, clocks: Sequence[PhaseClock], clock_name: str) -> list[str]:
    """Return the lines under the table: the total, and for each kind of run what was timed."""
    lines = [f"Self CPU time total: {duration(seconds)}"]
    kinds = list(dict.fromkeys(clock.kind for clock in clocks))
    for kind in kinds[:MOST_KINDS]:
        runs = [clock for clock in clocks if clock.kind == kind]
        sampled, micro_batches = (sum(counts) for counts in zip(*(run.sampled() for run in runs), strict=True))
        wall, threads = sum(run.wall() for run in runs), sum(run.thread_seconds() for run in runs)
        mean = threads / wall if wall else 1.0
        timed = "each" if sampled == micro_batches else f"1 in {micro_batches / sampled:.0f}"
        lines.append(
            f"{' '.join(kind)}: {counted(sum(run.counts.updates for run in runs), 'step')}, "
            f"{counted(sum(run.counts.rows for run in runs), 'row')}, {duration(wall)} in the compiled loop, "
            f"{mean:.2g} thread{'' if mean == 1 else 's'} on average; {timed} timed"
        )
    more = len(kinds) - MOST_KINDS
    return [*lines, *([f"and {more} more kinds of runs"] if more > 0 else []), f"clock: {clock_name}"]
