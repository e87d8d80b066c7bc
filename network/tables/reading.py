"""Text that is read as something else: numbers, dates, booleans."""

import datetime
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hotloop.network.datasets.csv_dialect import MISSING
from hotloop.network.tables.categories import value_in
from hotloop.network.tables.column import BOOLEAN, NUMBER, Column, of_codes, shown
from hotloop.network.tables.table import Table

FEW = 20  # whole numbers written as text are categories up to here; more texts than this, all different, are dropped
FEW_FAULTS = 3  # different texts among numbers that are taken for faults
DATES = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?")


def read(table: Table, index: int) -> Column:
    """Return a column of text as what is written there: booleans, dates, numbers or categories."""
    column = table.columns[index]
    counts, texts = column.counts(), column.categories
    present = [place for place, count in enumerate(counts) if count and not _is_word_for_missing(texts[place])]
    if not present:
        return Column(NUMBER, np.full(len(table), np.nan))
    return _booleans(column, present) or _dates(column, present) or _numbers(table, index, present) or column


def _is_word_for_missing(value: Any) -> bool:
    return isinstance(value, str) and value.strip().lower() in MISSING


def _booleans(column: Column, present: Sequence[int]) -> Column | None:
    """Return the column as booleans, if True and False are what is written."""
    truths = {"true": True, "false": False}
    found = [truths.get(text.strip().lower()) if isinstance(text, str) else None for text in column.categories]
    if any(found[place] is None for place in present):
        return None
    codes = np.array([-1 if truth is None else int(truth) for truth in (*found, None)], np.int8)
    return replace(column, kind=BOOLEAN, values=codes[column.values], categories=(False, True))


def _dates(column: Column, present: Sequence[int]) -> Column | None:
    """Return the column as dates, if each text is one in the form of ISO 8601."""
    texts = column.categories
    if not all(isinstance(texts[place], str) and DATES.fullmatch(texts[place].strip()) for place in present):
        return None
    try:
        dates = [datetime.datetime.fromisoformat(texts[place].strip()) for place in present]
    except ValueError:  # such as the 31st of February
        return None
    places = np.full(len(texts) + 1, -1)
    places[list(present)] = np.arange(len(present))
    return of_codes("", places[column.values], dates)


def _numbers(table: Table, index: int, present: Sequence[int]) -> Column | None:
    """Return the column as numbers, if numbers are written; None if they are categories. A few other texts are faults.

    Up to `FEW` different whole numbers that occur twice or more on average are categories: they were made text.
    """
    column = table.columns[index]
    values = [value_in(text) for text in column.categories]
    numeric = [place for place in present if values[place] is not None]
    counts = column.counts()
    n_numeric, n_rows = int(counts[numeric].sum()), int(counts[list(present)].sum())
    others = [place for place in present if values[place] is None]
    if not numeric or n_numeric <= n_rows / 2 or len(others) > FEW_FAULTS:
        return None
    whole = all(values[place] == np.rint(values[place] or 0.0) for place in numeric)
    if whole and len(present) <= min(FEW, n_rows // 2):
        return None
    if others:
        row = int(np.isin(column.values, others).argmax())
        text, counted = shown(column.categories[column.values[row]]), f"{n_numeric} of {n_rows} values are"
        options = f" (--missing {text}, --categorical {table.name(index)})"
        if table.source == "X":
            options = f": categorical=[{index if table.names is None else repr(table.name(index))}]"
        raise ValueError(
            f"{table.place(index, row)}: {text} is not a number, but {counted}: correct it, leave it out as missing, "
            f"or say that the column holds categories{options}"
        )
    floats = np.array([*(np.nan if value is None else value for value in values), np.nan])
    return Column(NUMBER, floats[column.values])


def as_numbers(table: Table, index: int) -> Column:
    """Return a column of text, categories or booleans as the numbers that are written; others are a ValueError."""
    column = table.columns[index]
    values = [np.nan if _is_word_for_missing(text) else value_in(text) for text in column.categories]
    unread = [place for place, value in enumerate(values) if value is None]
    if unread and (faults := np.isin(column.values, unread)).any():
        row = int(faults.argmax())
        text = shown(column.categories[column.values[row]])
        raise ValueError(f"{table.place(index, row)}: {text} is not a number, as all values were in training")
    floats = np.array([*(np.nan if value is None else value for value in values), np.nan])
    return Column(NUMBER, floats[column.values])


def as_dates(table: Table, index: int) -> Column:
    """Return a column of text as the dates that are written; others are a ValueError."""
    column = table.columns[index]
    present = [place for place, text in enumerate(column.categories) if not _is_word_for_missing(text)]
    dates = _dates(column, present)
    if dates is None:
        unread = [place for place in present if _dates(column, [place]) is None]
        row = int(np.isin(column.values, unread).argmax())
        text = shown(column.categories[column.values[row]])
        raise ValueError(f"{table.place(index, row)}: {text} is not a date such as 2024-12-31, as it was in training")
    return dates
