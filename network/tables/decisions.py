"""What each column of a training table is taken for, and why, in words."""

from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from hotloop.network.datasets.scaling import constant_columns
from hotloop.network.tables.categories import key_of, most_frequent, order_of
from hotloop.network.tables.column import BOOLEAN, CATEGORY, DATE, DURATION, TEXT, Array, Column, shown
from hotloop.network.tables.encodings import Dropped, Measured, OneHot
from hotloop.network.tables.reading import FEW, read
from hotloop.network.tables.scales import bin_edges
from hotloop.network.tables.table import Table

Encoding: TypeAlias = Dropped | Measured | OneHot

PERIODS = {1.0: "time of day", 7.0: "day of the week", 365.2425: "time of the year"}  # in days
EXACT = 2**53  # float64 has all whole numbers up to here


def decide(
    table: Table, index: int, categorical: bool, max_categories: int, numeric_bins: int = 0
) -> tuple[Encoding, Column]:
    """Return what a column becomes, and the column as what it is taken for.

    Parameters
    ----------
    table : Table
        The training rows.
    index : int
        Of the column.
    categorical : bool
        Whether the caller says that it holds categories.
    max_categories : int
        Of which one column has inputs at most; the rarer ones share one.
    numeric_bins : int
        Of a number's piecewise-linear encoding, at most; 0 for none.

    Raises
    ------
    ValueError
        If a number is infinite, or a few texts are among numbers.
    """
    column = table.columns[index]
    if column.kind == TEXT and not categorical:
        column = read(table, index)
    n_missing = missing_in(column)
    if n_missing == len(table):
        return Dropped(column.kind, "dropped: all values are missing"), column
    if categorical or column.is_coded:
        return _categories(column, categorical, max_categories, len(table)), column
    check_finite(table, index, column)
    return _measured(column, n_missing, numeric_bins), column


def missing_in(column: Column) -> int:
    """Return how many values are missing."""
    return int(np.count_nonzero(column.gone()))


def check_finite(table: Table, index: int, column: Column) -> None:
    """Raise a ValueError if a number is infinite."""
    if column.values.dtype.kind == "f" and (infinite := np.isinf(column.values)).any():
        row = int(infinite.argmax())
        raise ValueError(
            f"{table.place(index, row)}: {column.values[row]} is not finite ({np.count_nonzero(infinite)} in all): "
            "fill in a number, or leave it missing"
        )


def _measured(column: Column, n_missing: int, numeric_bins: int) -> Encoding:
    """Return the encoding of numbers, dates or durations."""
    values = column.values
    present = values[~column.gone()]
    flag, least, most = n_missing > 0, present.min(), present.max()
    if constant_columns(present.reshape(-1, 1))[0]:
        if not flag:
            return Dropped(column.kind, f"dropped: constant ({_shown_number(column.kind, least)})")
        note = f"constant ({_shown_number(column.kind, least)}): only whether it is missing"
        return Measured(column.kind, note, value=False, flag=True)
    note, origin = "scaled by median and quartiles", 0
    periods: tuple[float, ...] = ()
    if values.dtype.kind in "iu" and max(abs(int(least)), abs(int(most))) > EXACT:
        origin, note = int(least), f"less {int(least)}, then {note}"
    if column.kind == DATE:
        periods = _periods(present.astype(np.float64))
        note = ", ".join(["days, " + note, *(PERIODS[period] for period in periods)])
    if column.kind == DURATION:
        note = f"days, {note}"
    note += ", missing ones flagged" * flag
    encoding = Measured(column.kind, note, True, origin, periods, flag)
    floats = encoding.floats(column)
    bins = len(bin_edges(floats[~np.isnan(floats)], numeric_bins)) - 1 if numeric_bins else 0
    if bins < 2:
        return encoding
    return replace(encoding, note=f"{note}, {bins} bins", quantiles=numeric_bins, bins=bins)


def _periods(days: Array) -> tuple[float, ...]:
    """Return the periods of which dates span two or more, and within which they are not all at one place."""
    span = days.max() - days.min()
    return tuple(p for p in PERIODS if span >= 2 * p and np.ptp(np.mod(days, p)) > p / 1e6)


def _shown_number(kind: str, value: Any) -> str:
    if kind == DATE:
        return str(np.datetime64(round(float(value) * 86400), "s")).replace("T00:00:00", "").replace("T", " ")
    return f"{value:g} days" if kind == DURATION else f"{value:.6g}"


def _categories(column: Column, forced: bool, max_categories: int, n_rows: int) -> Encoding:
    """Return the encoding of categories: one-hot, the rarest together, or nothing."""
    column = column.as_categories()
    kind = column.kind if column.kind == BOOLEAN else CATEGORY
    counts = column.counts()
    present = np.flatnonzero(counts)
    if len(present) == 1 and counts.sum() == n_rows:
        return Dropped(kind, f"dropped: constant ({shown(column.categories[present[0]])})")
    if kind == BOOLEAN:
        return OneHot(kind, "-1 and +1" if len(present) == 2 else "one-hot", tuple(map(key_of, column.categories)))
    declared = forced or column.kind == CATEGORY
    if not declared and len(present) > FEW and len(present) == counts.sum():
        return Dropped(kind, f"dropped: {len(present)} texts, all different (an identifier, or free text)")
    places = present.tolist()
    if not column.in_order:
        places.sort(key=lambda place: order_of(key_of(column.categories[place])))
    other, note = len(places) > max_categories, "one-hot" if len(places) != 2 else "-1 and +1"
    if other:
        kept = most_frequent([int(counts[place]) for place in places], max_categories)
        if not kept:
            return Dropped(kind, f"dropped: {len(places)} categories, each in one row")
        note = f"one-hot: the {len(kept)} most frequent of {len(places)}, and one for all others"
        places = [places[place] for place in kept]
    return OneHot(kind, note, tuple(key_of(column.categories[place]) for place in places), other)
