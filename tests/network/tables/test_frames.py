"""The columns of data frames of several libraries: all their dtypes, and the same numbers from each."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from hotloop.network.tables.preparation import Preparation
from hotloop.network.tables.table import table_of

ROWS = 60
NUMBERS = [None if row % 7 == 0 else row / 4 - 3 for row in range(ROWS)]
WHOLE = [None if row % 9 == 0 else row % 11 for row in range(ROWS)]
TRUTHS = [None if row % 8 == 0 else row % 3 == 0 for row in range(ROWS)]
NAMES = [None if row % 10 == 0 else "bca"[row % 3] for row in range(ROWS)]
TIMES = [
    None if row % 6 == 0 else datetime.datetime(2020, 3, 1) + datetime.timedelta(hours=17 * row) for row in range(ROWS)
]
SPANS = [None if row % 5 == 0 else datetime.timedelta(minutes=row) for row in range(ROWS)]


def prepared(X):
    table = table_of(X)
    preparation = Preparation.fit(table)
    return preparation.transform(table), preparation.columns


PLAIN = {"x": NUMBERS, "i": WHOLE, "b": TRUTHS, "s": NAMES, "t": TIMES, "d": SPANS}


def pandas_of(**dtypes):
    return pd.DataFrame({
        "x": pd.array(NUMBERS, dtype=dtypes.get("x", "Float64")),
        "i": pd.array(WHOLE, dtype=dtypes.get("i", "Int64")),
        "b": pd.array(TRUTHS, dtype=dtypes.get("b", "boolean")),
        "s": pd.Series(NAMES, dtype=dtypes.get("s", "object")),
        "t": pd.to_datetime(pd.Series(TIMES)).astype(dtypes.get("t", "datetime64[ns]")),
        "d": pd.to_timedelta(pd.Series(SPANS)),
    })  # fmt: skip


FRAMES = {
    "pandas": lambda: pandas_of(),
    "pandas objects": lambda: pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in PLAIN.items()}),
    "pandas string": lambda: pandas_of(s="string", t="datetime64[us]"),
    "pandas str": lambda: pandas_of(s="str" if pd.__version__ >= "3" else "string"),
    "pandas arrow": lambda: pandas_of(x="double[pyarrow]", i="int64[pyarrow]", b="bool[pyarrow]", s="string[pyarrow]"),
    "pandas category": lambda: pandas_of(s="category"),
    "pandas time zone": lambda: pandas_of().assign(
        t=lambda frame: frame.t.dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")
    ),
    "polars": lambda: pl.DataFrame(PLAIN),
    "polars categorical": lambda: pl.DataFrame(PLAIN, schema_overrides={"s": pl.Categorical}),
    "polars enum": lambda: pl.DataFrame(PLAIN, schema_overrides={"s": pl.Enum(["a", "b", "c"])}),
    "polars time zone": lambda: pl.DataFrame(PLAIN).with_columns(pl.col("t").dt.replace_time_zone("UTC")),
    "arrow": lambda: pa.table(PLAIN),
    "arrow dictionary": lambda: pa.table(PLAIN | {"s": pa.array(NAMES).dictionary_encode()}),
    "pandas arrow dictionary": lambda: pandas_of(s=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))),
    "dict of arrow arrays": lambda: {
        name: pa.array(values).dictionary_encode() if name == "s" else pa.array(values)
        for name, values in PLAIN.items()
    },
    "arrow batch": lambda: pa.record_batch(PLAIN),
    "dict": lambda: PLAIN,
}


@pytest.mark.parametrize("frame", FRAMES)
def test_every_library_gives_the_same_numbers(frame):
    wanted, wanted_columns = prepared(PLAIN)
    found, columns = prepared(FRAMES[frame]())
    assert columns == wanted_columns
    assert found.tobytes() == wanted.tobytes()
    assert [column.kind for column in columns] == ["number", "number", "boolean", "category", "date", "duration"]
    assert [column.n_missing for column in columns] == [sum(v is None for v in column) for column in PLAIN.values()]


@pytest.mark.parametrize("training", ["pandas category", "polars", "arrow dictionary"])
@pytest.mark.parametrize("later", ["pandas arrow", "polars categorical", "dict"])
def test_a_frame_of_another_library_at_prediction(training, later):
    preparation = Preparation.fit(table_of(FRAMES[training]()))
    wanted = preparation.transform(table_of(FRAMES[training]()))
    assert preparation.transform(table_of(FRAMES[later]())).tobytes() == wanted.tobytes()


def test_the_order_of_categories_is_theirs_where_they_have_one():
    values = ["low", "high", "mid", "low", "high"]
    order = ["low", "mid", "high", "unused"]
    in_order = (
        pd.DataFrame({"c": pd.Categorical(values, order)}),
        pl.DataFrame({"c": pl.Series(values, dtype=pl.Enum(order))}),
    )
    for frame in in_order:
        first = prepared(frame)[0][0]
        assert first.argmax() == 0
    for frame in (pd.DataFrame({"c": values}), pl.DataFrame({"c": pl.Series(values, dtype=pl.Categorical)})):
        assert prepared(frame)[0][0].argmax() == 1  # high, low, mid


def test_blank_categories_are_missing():
    values = ["a", "", " ", "b", "c"]
    frames = [{"c": values}, pd.DataFrame({"c": pd.Categorical(values)}), pa.table({"c": values}),
              pl.DataFrame({"c": pl.Series(values, dtype=pl.Categorical)})]  # fmt: skip
    for frame in frames:
        assert (prepared(frame)[1][0].n_missing, prepared(frame)[1][0].n_inputs) == (2, 3)


def test_missing_values_among_the_categories_of_arrow():
    numbers = pa.DictionaryArray.from_arrays([0, 1, 2, 0], pa.array([1.0, float("nan"), None]))
    texts = pa.DictionaryArray.from_arrays([0, 1, 2, 3], ["a", None, " a", "b"])
    for X in (pa.table({"n": numbers, "t": texts}), {"n": numbers, "t": texts}):
        columns = prepared(X)[1]
        assert [column.n_missing for column in columns] == [2, 1]
        assert [column.n_inputs for column in columns] == [1, 1]


def test_categories_that_are_times_do_not_depend_on_their_unit():
    times = pd.date_range("2024-01-01", periods=3)
    frames = [pd.DataFrame({"t": pd.Categorical(times.as_unit(unit))}) for unit in ("s", "us", "ns")]
    preparation = Preparation.fit(table_of(frames[0]))
    for frame in frames:
        assert preparation.transform(table_of(frame)).argmax(axis=1).tolist() == [0, 1, 2]
        assert preparation.surprises(table_of(frame)) == []


def test_whole_numbers_stay_exact():
    values = [2**60 + row for row in range(20)]
    for frame in (pd.DataFrame({"i": pd.array([None, *values], "Int64")}), pl.DataFrame({"i": [None, *values]}),
                  pa.table({"i": [None, *values]})):  # fmt: skip
        found = prepared(frame)[0][1:, 0]
        assert len(np.unique(found)) == 20


def test_other_columns_of_pandas():
    frame = pd.DataFrame({
        "period": pd.period_range("2024-01", periods=20, freq="M"), "interval": pd.cut(np.arange(20.0), 3),
        "sparse": pd.arrays.SparseArray([0.0, 1.0] * 10), "truths": pd.Categorical([True, False] * 10),
        "numbers": pd.Categorical([3, 1] * 10, [3, 1]),
    })  # fmt: skip
    kinds = {column.name: (column.kind, column.n_inputs) for column in prepared(frame)[1]}
    assert kinds == {
        "period": ("date", 3), "interval": ("category", 3), "sparse": ("number", 1), "truths": ("boolean", 1),
        "numbers": ("category", 1),
    }  # fmt: skip


def test_columns_named_by_numbers():
    frame = pd.DataFrame(np.arange(6.0).reshape(3, 2))
    assert table_of(frame).names == ("0", "1")
