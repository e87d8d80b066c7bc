"""Tables from whatever users hold, and one clear error for what is no table."""

import collections
import datetime
import decimal
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse

from hotloop.network.tables.table import Table, table_of


def kinds(X):
    return [column.kind for column in table_of(X).columns]


def test_arrays_have_no_names():
    X = np.arange(6.0).reshape(3, 2)
    table = table_of(X)
    assert (table.names, len(table), len(table.columns)) == (None, 3, 2)
    np.testing.assert_array_equal(table.columns[1].values, [1, 3, 5])
    assert table_of(table) is table
    assert (table_of(X.tolist()).names, kinds([[1, "a"], [2, "b"]])) == (None, ["number", "text"])


@pytest.mark.parametrize("rows", [[2, 0], np.array([True, False, True]), slice(1, None)])
def test_some_rows(rows):
    X = {"i": [1, 2, 2**60], "s": ["a", None, "b"], "n": np.ma.array([7, 8, 9], mask=[True, False, False])}
    table = table_of(X).take(rows)
    chosen = np.arange(3)[rows].tolist()
    assert len(table) == len(chosen)
    assert table.columns[0].values.tolist() == [X["i"][row] for row in chosen]
    text = table.columns[1]
    assert [text.categories[code] if code >= 0 else None for code in text.values] == [X["s"][row] for row in chosen]
    assert table.columns[2].missing.tolist() == [row == 0 for row in chosen]


@pytest.mark.parametrize(("values", "kind"), [
    ([1, 2.5, None], "number"), ([True, False, None], "boolean"), ([True, 2], "number"), (["a", "b"], "text"),
    ([decimal.Decimal("1.5"), float("nan")], "number"), (["a", 1, None], "text"), ([None, None], "number"),
    ([datetime.date(2024, 1, 1), None], "date"), ([datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)], "date"),
    ([datetime.timedelta(hours=6), None], "duration"), ([datetime.time(6)], "duration"), ([pd.NA, 3], "number"),
    ([pd.NaT, pd.Timestamp("2024-01-01")], "date"), ([np.datetime64("2024-01-01")], "date"), (["", " "], "number"),
    (np.array(["2024-01", "NaT"], "datetime64[M]"), "date"), (np.array([1, 2], "timedelta64[h]"), "duration"),
    (np.array([b"a", b"b"]), "text"), (np.array(["1.5", "2"]), "text"), (range(3), "number"),
    (np.array([1, 2], np.float16), "number"), (pd.Series([1, 2]), "number"), (pl.Series(["a"]), "text"),
    ([(1, 2), (3, 4)], "text"),
])  # fmt: skip
def test_what_a_column_holds(values, kind):
    assert kinds({"x": values}) == [kind]


def test_times_are_days():
    (column,) = table_of({"t": np.array(["1970-01-02T06:00", "NaT"], "datetime64[s]")}).columns
    np.testing.assert_array_equal(column.values, [1.25, np.nan])
    berlin = datetime.timezone(datetime.timedelta(hours=1))
    (column,) = table_of({"t": [datetime.datetime(1970, 1, 1, 13, tzinfo=berlin), None]}).columns
    np.testing.assert_array_equal(column.values, [0.5, np.nan])
    (column,) = table_of({"t": [datetime.timedelta(hours=6), datetime.timedelta(-1)]}).columns
    np.testing.assert_array_equal(column.values, [0.25, -1])
    (column,) = table_of({"t": [datetime.time(6), None]}).columns
    np.testing.assert_array_equal(column.values, [0.25, np.nan])


def test_records_and_masked_arrays():
    records = np.array([(1, "a"), (2, "b")], dtype=[("n", "i4"), ("s", "U3")])
    table = table_of(records)
    assert (table.names, [column.kind for column in table.columns]) == (("n", "s"), ["number", "text"])
    masked = table_of(np.ma.array([[1, 2], [3, 4]], mask=[[0, 1], [0, 0]]))
    assert masked.columns[0].missing is None
    np.testing.assert_array_equal(masked.columns[1].missing, [True, False])


def test_whole_numbers_beyond_float64_stay_exact():
    (column,) = table_of({"i": [2**60 + 1, None, 2**60 + 2]}).columns
    assert column.values[[0, 2]].tolist() == [2**60 + 1, 2**60 + 2]
    np.testing.assert_array_equal(column.missing, [False, True, False])
    (column,) = table_of({"i": [2**64 - 1, 0]}).columns
    assert column.values.tolist() == [2**64 - 1, 0]
    assert table_of({"i": [2**70, -1]}).columns[0].values.dtype == np.float64


def test_numbers_of_other_widths():
    (column,) = table_of({"x": np.array(["1", "-1e4000", "nan"], np.longdouble)}).columns
    np.testing.assert_array_equal(column.values, [1, -np.inf, np.nan])
    (column,) = table_of(pl.DataFrame({"x": pl.Series([2**60, None], dtype=pl.Int128)})).columns
    assert (column.values[0], column.missing.tolist()) == (2**60, [False, True])


class Opaque:
    pass


class Columnar:
    columns = ("a", "b")


@pytest.mark.parametrize(("X", "kind", "message"), [
    (np.arange(3.0), ValueError, r"X has shape \(3,\); wanted \(rows, columns\): numpy.reshape\(X, \(-1, 1\)\)"),
    (np.zeros((2, 2, 2)), ValueError, r"X has shape \(2, 2, 2\); wanted \(rows, columns\)$"),
    ([[1, 2], [3]], ValueError, "X is not a table: row 0 has 2 values, row 1 has 1"),
    (scipy.sparse.csr_array(np.eye(3)), TypeError, r"X is a sparse matrix.*X.toarray\(\)"),
    ({"a": [1, 2], "b": [1]}, ValueError, "X is not a table: column 'a' has 2 rows, column 'b' has 1"),
    ({1: [1], "1": [2]}, ValueError, "X has two columns named '1': rename one"),
    (pd.DataFrame([[1, 2]], columns=["a", "a"]), ValueError, "X has two columns named 'a': rename one"),
    ({"a": [1, [2, 3]]}, TypeError, "column 'a' holds a list in row 1: give each of its entries a column"),
    ({"a": [1, 2j]}, TypeError, "column 'a' holds complex numbers"),
    ({"a": np.array([2j])}, TypeError, "column 'a' holds complex numbers"),
    ({"a": ["x", Opaque()]}, TypeError, "column 'a' holds an object of class Opaque in row 1"),
    ({"a": [10**400]}, ValueError, "column 'a' holds a number that is too large for float64"),
    ({"a": np.eye(2)}, ValueError, r"column 'a' has shape \(2, 2\); wanted \(rows,\)"),
    ({"a": "text"}, TypeError, "column 'a' is of type str; wanted an array, a series or a list"),
    (pl.LazyFrame({"a": [1]}), TypeError, r"X is a polars LazyFrame, not yet computed: give X.collect\(\)"),
    (pl.DataFrame({"a": [[1, 2]]}), TypeError, "column 'a' holds values of type List"),
    (pd.Series([1, 2]), ValueError, r"X has shape \(2,\)"),
    (Columnar(), TypeError, "X is a test_tables Columnar; wanted a data frame, a dict of columns, or an array"),
    (collections, TypeError, "X is of type module; wanted a data frame, a dict of columns, or an array"),
    ([([1], [2]), ([1], [2, 3])], ValueError, "X is not a table: an entry of a row holds several values"),
    ([{"a": 1}, {"a": 2}], TypeError, r"X is a list of dicts, one for each row: give pandas.DataFrame\(X\)"),
    (np.zeros(2, [("a", "f8", 2)]), ValueError, r"column 'a' has shape \(2, 2\); wanted \(rows,\)"),
    ({"a": np.array([b"x", b"\xff"])}, ValueError, "column 'a' holds bytes in row 1 that are not UTF-8 text"),
    (3, TypeError, "X is of type int; wanted a data frame"),
    (np.array([[1j]]), TypeError, "column index 0 holds complex numbers"),
], ids=lambda value: "")  # fmt: skip
def test_what_is_no_table(X, kind, message):
    with pytest.raises(kind, match=message):
        table_of(X)


def test_frames_without_narwhals_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "narwhals", None)
    with pytest.raises(ImportError, match=r"narwhals, which is not installed: pip install 'hotloop\[sklearn\]'"):
        table_of(pd.DataFrame({"a": [1]}))
    assert isinstance(table_of({"a": np.arange(3), "b": ["x", "y", "z"]}), Table)


@pytest.mark.parametrize(("values", "text"), [
    ([1.5, 2.0], "1.5"),
    ([2**60 + 1, 1], str(2**60 + 1)),
    (["a b", "c"], "a b"),
    ([True, False], "True"),
    ([None, 2.0], ""),
    ([None, "c"], ""),
    ([datetime.date(2024, 2, 29), datetime.date(2024, 3, 1)], "2024-02-29"),
    ([datetime.datetime(2024, 2, 29, 13, 5), None], "2024-02-29 13:05:00"),
    ([datetime.timedelta(days=2, hours=12), None], "2.5 days"),
])  # fmt: skip
def test_the_text_of_a_value(values, text):
    assert table_of({"x": values}).columns[0].text(0) == text
