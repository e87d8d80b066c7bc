"""Text that is read as something else: numbers, dates and booleans; and text among numbers."""

import datetime
import enum

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from hotloop.network.tables.preparation import Preparation
from hotloop.network.tables.table import table_of

DAYS = [f"2024-{1 + row % 12:02d}-{1 + row % 28:02d}" for row in range(40)]


def taken(values, categorical=None):
    """Return kind and number of inputs of a column of text, and its matrix."""
    table = table_of({"a": values})
    preparation = Preparation.fit(table, categorical)
    (column,) = preparation.columns
    return column.kind, column.n_inputs, preparation.transform(table)


@pytest.mark.parametrize(("values", "kind", "n_inputs"), [
    ([str(row / 7) for row in range(40)], "number", 1),
    ([str(row) for row in range(40)], "number", 1),
    ([str(row % 20) for row in range(40)], "category", 20),  # made text, as categories are
    ([str(row % 21) for row in range(42)], "number", 1),
    (["?", "NA", *(str(row / 7) for row in range(40))], "number", 2),
    ([f"{row:03d}" for row in range(99)] + ["001"], "category", 99),  # codes, not numbers
    ([f"1_{row}" for row in range(30)] * 2, "category", 30),
    (["12A", "B7", "12", "13"] * 9, "category", 4),
    (["1", "2", "3", "3+"] * 5, "category", 4),
    ([1, pd.Interval(0, 1), 2] * 5, "category", 3),
    (["True", "false", "TRUE"] * 5, "boolean", 1),
    (["true", None, "n/a", "False"] * 5, "boolean", 1),
    (["yes", "no"] * 5, "category", 1),
    (DAYS, "date", 3),
    ([f"{day} 12:30:00.5" for day in DAYS], "date", 3),
    ([f"{day}T12:30:00+02:00" for day in DAYS], "date", 3),
    ([*DAYS, None, "?"], "date", 4),
    (["2024-02-31", "2024-01-01"] * 5, "category", 1),
    (["1 days", "2 days 06:30:00", "-1 days +23:59:59.5", "07:15:00", "NA"], "duration", 2),
    (["1 day, 6:30:00", "PT15M", "-P1DT6H0.5S", "P3D"], "duration", 1),
    (["100:00:00", "09:30", "-00:15", "P99999999DT999999999H"], "duration", 1),
    ([", 06:30:00", "07:30:00"] * 5, "category", 1),
    (["P1DT", "P1D"] * 5, "category", 1),
    (["\N{ARABIC-INDIC DIGIT ONE} days", "1 days"] * 5, "category", 1),
    (["06:75:00", "06:15:00"] * 5, "category", 1),
    (["P", "PT", "-"] * 5, "category", 3),
    ([1, 2.5, "?", 3, 4.25, 9, 11, 7] * 5, "number", 2),
])  # fmt: skip
def test_what_text_is_taken_for(values, kind, n_inputs):
    assert taken(values)[:2] == (kind, n_inputs)


def test_text_is_read_as_pandas_reads_it():
    numbers = np.random.default_rng(0).normal(size=50)
    np.testing.assert_array_equal(taken([repr(float(x)) for x in numbers])[2], taken(numbers)[2])
    np.testing.assert_array_equal(taken(DAYS)[2], taken(pd.to_datetime(pd.Series(DAYS)))[2])
    zoned = [f"{day}T12:30:00+02:00" for day in DAYS]
    np.testing.assert_array_equal(taken(zoned)[2], taken(pd.to_datetime(pd.Series(zoned)))[2])


@pytest.mark.parametrize(
    "write", [str, lambda time: str(pd.Timedelta(time)), lambda time: pd.Timedelta(time).isoformat()]
)
def test_durations_as_pandas_python_and_iso_write_them(write):
    times = [datetime.timedelta(minutes=37.5 * row * (-1) ** row) for row in range(20)]
    np.testing.assert_array_equal(taken([*map(write, times)])[2], taken(times)[2])


def test_the_ends_of_time():
    """The longest duration, and dates whose moment in UTC is in a year that Python's dates lack."""
    preparation = Preparation.fit(table_of({"d": ["P99999999DT999999999H", "1 days"], "n": [1, 2]}))
    assert preparation.columns[0].kind == "duration"
    (column,) = table_of({"d": [datetime.timedelta.max, datetime.timedelta(1)]}).columns
    assert column.values.tolist() == [pytest.approx(1e9), 1.0]
    texts = ["9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+02:00"]
    (column,) = table_of({"t": [datetime.datetime.fromisoformat(text) for text in texts]}).columns
    assert column.values.tolist() == [pytest.approx(2932897 + 5 / 24, abs=1e-4), pytest.approx(-719162 - 2 / 24)]
    assert Preparation.fit(table_of({"t": texts})).columns[0].kind == "date"


def test_categories_of_which_no_row_has_any_are_not_read():
    """Another row's fault is no fault of these rows, as in a training part, or among unused categories."""
    days = [*DAYS[:9], "soon"]
    table = table_of({"d": days, "n": range(10)}).take(np.arange(9))
    assert Preparation.fit(table).columns[0].kind == "date"
    preparation = Preparation.fit(table_of({"d": DAYS}))
    unused = pd.DataFrame({"d": pd.Categorical(days[:3], categories=days)})
    wanted = preparation.transform(table_of({"d": days[:3]}))
    assert preparation.transform(table_of(unused)).tobytes() == wanted.tobytes()
    with pytest.raises(ValueError, match="X, row 9, column 'd': 'soon' is not a date such as 2024-12-31, as it was in"):
        preparation.transform(table_of({"d": days}))


class Colour(str, enum.Enum):  # noqa: UP042 - what `str` makes of it is not its text
    RED = "red"
    BLUE = "blue"


def test_spaces_around_a_text_and_members_of_enumerations():
    """As a CSV file has them: a text is the same with spaces around it, and a member of an enumeration is its text."""
    plain = ["red", "blue", "red", None] * 5
    wanted = Preparation.fit(table_of({"c": plain}))
    padded = [text and f" {text}" * (row % 2) + text * (1 - row % 2) for row, text in enumerate(plain)]
    members = [None if text is None else Colour(text) for text in plain]
    for values in (padded, members, pd.Series(padded, dtype="category"), pl.Series(padded, dtype=pl.Categorical)):
        table = table_of({"c": values})
        found = Preparation.fit(table)
        assert found.state()[0]["columns"] == wanted.state()[0]["columns"]
        assert wanted.transform(table).tobytes() == wanted.transform(table_of({"c": plain})).tobytes()


def test_words_for_missing_only():
    preparation = Preparation.fit(table_of({"a": ["?", "NA"] * 3, "b": range(6)}))
    assert preparation.columns[0].note == "dropped: all values are missing"


@pytest.mark.parametrize(
    "frame", [dict, pd.DataFrame, pl.DataFrame, pa.table], ids=["dict", "pandas", "polars", "arrow"]
)
def test_words_for_missing_among_categories(frame):
    """In text they are missing, whatever holds it, as in a CSV file; among declared categories they are categories."""
    texts = [["Rome", "NA", "Oslo", "null", "Bern"][row % 5] for row in range(40)]
    none = [None if text in ("NA", "null") else text for text in texts]
    preparation = Preparation.fit(table_of(frame({"city": texts})))
    assert (preparation.columns[0].n_inputs, preparation.columns[0].n_missing) == (3, 16)
    matrix = preparation.transform(table_of(frame({"city": none})))
    assert matrix.tobytes() == preparation.transform(table_of(frame({"city": texts}))).tobytes()
    assert preparation.surprises(table_of(frame({"city": texts}))) == []


def test_declared_categories_are_what_they_say():
    texts = pd.Series(["Rome", "NA", "Oslo", "?"] * 9)
    for declared in (texts.astype("category"), pl.Series(texts.tolist(), dtype=pl.Categorical)):
        (column,) = Preparation.fit(table_of({"city": declared})).columns
        assert (column.n_inputs, column.n_missing) == (4, 0)


def test_categorical_keeps_text_as_it_is():
    assert taken([str(row % 25) for row in range(100)], ["a"])[:2] == ("category", 25)
    assert taken(DAYS, ["a"])[:2] == ("category", len(set(DAYS)))


def test_a_few_texts_among_numbers_are_faults():
    values = [str(row / 7) for row in range(40)]
    values[17] = "unknown"
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (all of the message is compared)
        taken(values)
    assert str(caught.value) == (
        "X, row 17, column 'a': 'unknown' is not a number, but 39 of 40 values are: correct it, leave it out as "
        "missing, or say that the column holds categories: categorical=['a']"
    )
    assert taken(values, ["a"])[:2] == ("category", 40)
