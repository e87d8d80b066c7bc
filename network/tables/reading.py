"""Text that is read as something else: numbers, dates, durations, booleans."""

import datetime
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from hotloop.network.tables.categories import value_in
from hotloop.network.tables.column import BOOLEAN, DATE, DURATION, NUMBER, Column, is_missing, of_codes, shown
from hotloop.network.tables.table import Table

FEW = 20  # whole numbers written as text are categories up to here; more texts than this, all different, are dropped
FEW_FAULTS = 3  # different texts among numbers that are taken for faults
DATES = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?", re.A)
OF_CLOCK = re.compile(
    r"(?:(-?\d{1,8}) days?(?:,? (?=.)|$))?(?:([+-]?)(\d{1,9}):([0-5]\d)(?::([0-5]\d(?:\.\d{1,9})?))?)?", re.A
)
OF_ISO = re.compile(
    r"([+-]?)P(?=.)(?:(-?\d{1,8})D)?(?:T(?=.)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?)?", re.A
)


def read(table: Table, index: int) -> Column:
    """Return a column of text as what is written there: booleans, dates, numbers or categories."""
    column = table.columns[index]
    present = np.flatnonzero(column.counts()).tolist()
    if not present:
        return Column(NUMBER, np.full(len(table), np.nan))
    return _booleans(column, present) or _times(column, present) or _numbers(table, index, present) or column


def _booleans(column: Column, present: Sequence[int]) -> Column | None:
    """Return the column as booleans, if True and False are what is written."""
    truths = {"true": True, "false": False}
    found = [truths.get(text.strip().lower()) if isinstance(text, str) else None for text in column.categories]
    if any(found[place] is None for place in present):
        return None
    codes = np.array([-1 if truth is None else int(truth) for truth in (*found, None)], np.int8)
    return replace(column, kind=BOOLEAN, values=codes[column.values], categories=(False, True))


def _times(column: Column, present: Sequence[int]) -> Column | None:
    """Return the column as dates or durations, if each text is one."""
    return next((found for form in FORMS if (found := _read_as(form, column, present)) is not None), None)


def _read_as(form: str, column: Column, present: Sequence[int]) -> Column | None:
    """Return the column as dates, or as durations, if each text is one."""
    read, texts = FORMS[form].read, column.categories
    times = []
    for place in present:
        time = read(texts[place].strip()) if isinstance(texts[place], str) else None
        if time is None:
            return None
        times.append(time)
    places = np.full(len(texts) + 1, -1)
    places[list(present)] = np.arange(len(present))
    return of_codes("", places[column.values], times)


def _date(text: str) -> datetime.datetime | None:
    """Return the date in a text in the form of ISO 8601, or None."""
    try:
        return datetime.datetime.fromisoformat(text) if DATES.fullmatch(text) else None
    except ValueError:  # such as the 31st of February
        return None


def _duration(text: str) -> datetime.timedelta | None:
    """Return the duration in a text such as 2 days, 06:30, 06:30:00, 2 days 06:30:00 or P2DT6H30M, or None.

    As pandas writes it, -1 days +23:00:00 is an hour before 0; in the form of ISO 8601 a sign is that of the whole.
    """
    if text and (found := OF_CLOCK.fullmatch(text)):
        days, sign, *time = found.groups()
        return _time(days, []) + _time(None, time) * (-1 if sign == "-" else 1)
    if found := OF_ISO.fullmatch(text):
        sign, days, *time = found.groups()
        return _time(days, time) * (-1 if sign == "-" else 1)
    return None


def _time(days: str | None, time: Sequence[str | None]) -> datetime.timedelta:
    """Return days, and hours, minutes and seconds if there are any."""
    hours, minutes, seconds = (float(part or 0) for part in time or (None, None, None))
    return datetime.timedelta(int(days or 0), hours=hours, minutes=minutes, seconds=seconds)


class _Form(NamedTuple):
    """How a kind of time is read from text, and what it looks like."""

    read: Callable[[str], Any]
    words: str


FORMS = {
    DATE: _Form(_date, "a date such as 2024-12-31"),
    DURATION: _Form(_duration, "a duration such as 2 days 06:30:00"),
}


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
    values = [np.nan if is_missing(text) else value_in(text) for text in column.categories]
    unread = [place for place, value in enumerate(values) if value is None]
    if unread and (faults := np.isin(column.values, unread)).any():
        row = int(faults.argmax())
        text = shown(column.categories[column.values[row]])
        raise ValueError(f"{table.place(index, row)}: {text} is not a number, as all values were in training")
    floats = np.array([*(np.nan if value is None else value for value in values), np.nan])
    return Column(NUMBER, floats[column.values])


def as_times(table: Table, index: int, form: str) -> Column:
    """Return a column of text as the dates, or durations, that are written; others are a ValueError."""
    column = table.columns[index]
    counts = column.counts()
    present = [place for place, text in enumerate(column.categories) if counts[place] and not is_missing(text)]
    times = _read_as(form, column, present)
    if times is None:
        unread = [place for place in present if _read_as(form, column, [place]) is None]
        row = int(np.isin(column.values, unread).argmax())
        text = shown(column.categories[column.values[row]])
        raise ValueError(f"{table.place(index, row)}: {text} is not {FORMS[form].words}, as it was in training")
    return times
