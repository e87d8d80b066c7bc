"""The preparation of tables: against the recipe in pandas and scikit-learn, and what happens to what was not there."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import OneHotEncoder, RobustScaler

from hotloop.network.tables.preparation import Preparation
from hotloop.network.tables.table import table_of


def robust_and_clip(raw):
    """Return columns of float64 (rows, columns) as RealMLP's simple recipe scales and clips them, NaN at the median."""
    out = np.zeros_like(raw)
    for place, column in enumerate(raw.T):
        present = column[~np.isnan(column)]
        low, median, high = np.quantile(present, [0.25, 0.5, 0.75])
        spread = high - low if high != low else (present.max() - present.min()) / 2
        x = (column - median) / spread if spread else 0 * column
        out[:, place] = np.where(np.isnan(x), 0, x / np.sqrt(1 + (x / 3) ** 2))
    return out


def fitted(X, categorical=None, **options):
    table = table_of(X)
    preparation = Preparation.fit(table, categorical, **options)
    return preparation, preparation.transform(table)


def notes_of(X, **options):
    return {column.name: (column.kind, column.note, column.n_inputs) for column in fitted(X, **options)[0].columns}


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame({
        "x": np.where(rng.random(200) < 0.1, np.nan, rng.normal(size=200)),
        "n": rng.integers(0, 9, 200),
        "many": rng.choice(["ulm", "oslo", "rome", "bern"], 200, p=[0.7, 0.1, 0.1, 0.1]),
        "two": rng.choice(["yes", "no", None], 200, p=[0.6, 0.3, 0.1]),
        "flag": rng.random(200) < 0.3,
    })  # fmt: skip


def test_the_recipe(frame):
    """Numbers, flags of missing ones, categories and booleans are all scaled and clipped, as the recipe has it."""
    signs = frame.two.map({"no": -1.0, "yes": 1.0}).fillna(0.0)
    cities = pd.get_dummies(frame.many)[["bern", "oslo", "rome", "ulm"]]
    raw = pd.concat([frame.x, frame.x.isna(), frame.n, cities, signs, 2.0 * frame.flag - 1], axis=1)
    preparation, found = fitted(frame)
    assert preparation.n_inputs == 9
    np.testing.assert_allclose(found, robust_and_clip(raw.to_numpy(np.float64)), rtol=2e-7, atol=1e-7)
    assert (found.dtype, found.flags.c_contiguous) == (np.float32, True)
    assert [column.inputs for column in preparation.columns] == [
        slice(0, 2), slice(2, 3), slice(3, 7), slice(7, 8), slice(8, 9)
    ]  # fmt: skip
    assert [column.n_missing for column in preparation.columns] == [
        int(frame.x.isna().sum()),
        0,
        0,
        int(frame.two.isna().sum()),
        0,
    ]


def test_scikit_learns_scaler_and_encoder_agree(frame):
    frame["x"] = frame.x.fillna(0.25)
    preparation, found = fitted(frame[["x", "n", "many"]])
    x = RobustScaler().fit_transform(frame[["x", "n"]].to_numpy())
    np.testing.assert_allclose(found[:, :2], x / np.sqrt(1 + (x / 3) ** 2), rtol=2e-7, atol=1e-7)
    encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore").fit(frame[["many"]])
    later = pd.DataFrame({"x": 0.0, "n": 1, "many": ["oslo", "paris", "ulm"]})
    one_hot = preparation.transform(table_of(later))[:, 2:]
    missing = preparation.transform(table_of(later.assign(many=None)))[:, 2:]
    np.testing.assert_array_equal(one_hot != missing, encoder.transform(later[["many"]]) == 1)


def test_a_state_gives_the_same_bits(frame):
    frame["day"] = pd.date_range("2020-01-01", periods=200, freq="31h")
    frame["big"] = 2**60 + np.arange(200)
    frame["city"] = [f"city {row % 150}" for row in range(200)]
    preparation, found = fitted(frame)
    config, arrays = preparation.state()
    again = Preparation.from_state(
        json.loads(json.dumps(config)), {name: array.copy() for name, array in arrays.items()}
    )
    assert again.transform(table_of(frame)).tobytes() == found.tobytes()
    assert (again.columns, again.names, again.n_inputs) == (
        preparation.columns,
        preparation.names,
        preparation.n_inputs,
    )
    with pytest.raises(ValueError, match=r"the offset has shape \(1,\); wanted float64"):
        Preparation.from_state(config, arrays | {"offset": np.zeros(1)})
    with pytest.raises(ValueError, match="a preparation of version 9; this hotloop reads 1"):
        Preparation.from_state(config | {"version": 9}, arrays)


def test_columns_are_found_by_name(frame):
    preparation, found = fitted(frame)
    other = frame[frame.columns[::-1]].assign(more="unused")
    assert preparation.transform(table_of(other)).tobytes() == found.tobytes()
    by_place = table_of(frame.to_numpy(dtype=object))
    assert preparation.transform(by_place).tobytes() == found.tobytes()
    with pytest.raises(ValueError, match="X lacks columns 'n', 'two' that training had"):
        preparation.transform(table_of(frame.drop(columns=["n", "two"])))
    with pytest.raises(ValueError, match="X has 4 columns; in training it had 5"):
        preparation.transform(table_of(frame.to_numpy(dtype=object)[:, :4]))


def test_what_training_had_none_of(frame):
    preparation, _ = fitted(frame)
    usual = frame.iloc[[0]].assign(n=frame.n.median(), many="ulm", flag=True, x=0.0, two="yes")
    later = usual.assign(n=np.nan, many="paris", flag=None, two=None, x=np.nan)
    found = preparation.transform(table_of(later))
    assert found[0, 2] == 0
    assert preparation.surprises(table_of(later)) == [
        "X, column 'n': 1 missing value, where training had none, taken as the median",
        "X, column 'many': unknown categories, taken as missing: 'paris'",
        "X, column 'flag': 1 missing value, where training had none, taken as no category",
    ]
    as_missing = preparation.transform(table_of(later.assign(many=None)))
    np.testing.assert_array_equal(found, as_missing)
    assert preparation.surprises(table_of(frame)) == []


def test_columns_that_say_nothing_are_dropped_and_need_not_be_there():
    frame = pd.DataFrame({
        "x": np.arange(40.0), "same": 5, "none": [None] * 40, "id": [f"u{row}" for row in range(40)], "one": "a",
        "nearly": [0.3, 0.1 + 0.2] * 20, "first": pd.Timestamp("2024-02-29"),
    })  # fmt: skip
    assert notes_of(frame) == {
        "x": ("number", "scaled by median and quartiles", 1), "same": ("number", "dropped: constant (5)", 0),
        "none": ("number", "dropped: all values are missing", 0),
        "id": ("category", "dropped: 40 texts, all different (an identifier, or free text)", 0),
        "one": ("category", "dropped: constant ('a')", 0), "nearly": ("number", "dropped: constant (0.3)", 0),
        "first": ("date", "dropped: constant (2024-02-29)", 0),
    }  # fmt: skip
    preparation, found = fitted(frame)
    assert preparation.transform(table_of(frame[["x"]])).tobytes() == found.tobytes()
    with pytest.raises(ValueError, match=r"X has no column to learn from: same: dropped: constant \(5\); one: dropped"):
        fitted(frame[["same", "one"]])


def test_a_constant_with_missing_values_says_whether_it_is_missing():
    X = {"n": [5, None, 5, 5, 5], "c": ["a", None, "a", "a", "a"], "b": [True, None, True, True, True]}
    assert {name: note for name, (_, note, _) in notes_of(X).items()} == {
        "n": "constant (5): only whether it is missing", "c": "one-hot", "b": "one-hot"
    }  # fmt: skip
    found = fitted(X)[1]
    np.testing.assert_array_equal(np.ptp(found, axis=0) > 0, True)


def test_rare_categories_share_an_input():
    values = np.repeat([f"c{place}" for place in range(12)], [9, 1, 8, 1, 7, 1, 6, 1, 5, 5, 5, 5])
    preparation, found = fitted({"c": values.tolist()}, max_categories=5)
    (column,) = preparation.columns
    assert (column.n_inputs, column.note) == (5, "one-hot: the 4 most frequent of 12, and one for all others")
    kept = {name for name, row in zip(values, found, strict=True) if row[:4].any() and row[4] == found[1, 4]}
    encoder = OneHotEncoder(max_categories=5, sparse_output=False, handle_unknown="infrequent_if_exist")
    wanted = encoder.fit_transform(values[:, np.newaxis])
    np.testing.assert_array_equal(found != found.min(axis=0), wanted == 1)
    assert kept == {"c0", "c2", "c4", "c6"}
    later = preparation.transform(table_of({"c": ["new", "c1", None]}))
    np.testing.assert_array_equal(later[0], later[1])
    assert (later[2] == found.min(axis=0)).all()


def test_categories_that_are_all_rare_are_dropped():
    X = {"c": pd.Categorical(list("abcdefgh")), "x": range(8)}
    assert notes_of(X, max_categories=5)["c"] == ("category", "dropped: 8 categories, each in one row", 0)
    assert notes_of(X)["c"] == ("category", "one-hot", 8)


def test_the_order_of_categories():
    """Numbers go by their size, text by its characters; the columns of the matrix show it."""
    for values, order in (([10, 9, 100, 2], [2, 9, 10, 100]), (["b", "a", "C", "é"], ["C", "a", "b", "é"]),
                          (["x", 10, "9", 9], [9, 10, "9", "x"])):  # fmt: skip
        preparation, found = fitted({"c": pd.Series(values, dtype=object)}, ["c"])
        later = preparation.transform(table_of({"c": pd.Series(order, dtype=object)}))
        np.testing.assert_array_equal(later.argmax(axis=1), range(4))
        assert found.shape == (4, 4)


def test_numbers_that_are_called_categories():
    X = np.array([[1, 5.0], [2, 6], [3, 7], [1, 8]])
    for categorical in ([0], [-2], [True, False]):
        preparation, found = fitted(X, categorical)
        assert [column.kind for column in preparation.columns] == ["category", "number"]
        assert found.shape == (4, 4)
    named, found = fitted({"zip": [10115, 80331, 20095], "y": [1, 2, 3]}, ["zip"])
    assert found.shape == (3, 4)
    for later in ([80331], ["80331"], [80331.0]):
        np.testing.assert_array_equal(named.transform(table_of({"zip": later, "y": [2]}))[0], found[1])
    for wrong, message in ((["no"], "categorical names 'no'; X has 'zip', 'y'"), ([2], "categorical has the index 2"),
                           ([True], "categorical has 1 flag; X has 2 columns")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            fitted({"zip": [1, 2], "y": [1, 2]}, wrong)
    pairs = pd.DataFrame([[1, 2], [3, 4], [1, 5]], columns=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")]))
    assert Preparation.fit(table_of(pairs), [("a", "x")]).columns[0].kind == "category"
    turned = pd.DataFrame([[1, 2], [3, 4], [1, 5]], columns=[1, 0])
    assert Preparation.fit(table_of(turned), ["1"]).columns[0].kind == "category"
    with pytest.raises(ValueError, match="categorical has 1, which is the name of one column of X and maybe the place"):
        Preparation.fit(table_of(turned), [1])
    with pytest.raises(TypeError, match=r"categorical is the text 'zip'; wanted a list of columns: \['zip'\]"):
        fitted({"zip": [1, 2], "y": [1, 2]}, "zip")


def test_categories_of_other_types_meet():
    """A boolean, a number or a text that is written alike is the same category, unless both were there."""
    preparation, found = fitted({"c": pd.Categorical([1, 2, 3]), "b": [True, False, True]})
    later = preparation.transform(table_of({"c": ["1", "2.0", 3.0], "b": ["true", "False", 1]}))
    np.testing.assert_array_equal(later, found)
    mixed = [1, "1", "x", 2, "2", 2.0] * 2
    assert fitted({"c": pd.Series(mixed, dtype=object)})[1].shape == (12, 5)


def test_whole_numbers_beyond_float64():
    values = 2**60 + np.arange(50)
    preparation, found = fitted({"i": values})
    np.testing.assert_allclose(found[:, 0], robust_and_clip(np.arange(50.0)[:, np.newaxis])[:, 0], rtol=1e-6)
    assert preparation.columns[0].note == f"less {2**60}, then scaled by median and quartiles"
    extremes = np.array([-(2**63), -5, 0, 5, 2**63 - 1])
    assert np.isfinite(fitted({"i": extremes})[1]).all()


@pytest.mark.parametrize(("days", "periods"), [
    (pd.date_range("2020-01-01", periods=30, freq="D"), ["day of the week"]),
    (pd.date_range("2020-01-01", periods=30, freq="5h"), ["time of day"]),
    (pd.date_range("2018-01-01", periods=30, freq="28D"), ["time of the year"]),
    (pd.date_range("2018-01-01", periods=99, freq="271h"), ["time of day", "day of the week", "time of the year"]),
    (pd.date_range("2020-01-01", periods=9, freq="D"), []),
])  # fmt: skip
def test_dates_have_the_waves_of_the_periods_that_they_span(days, periods):
    preparation, found = fitted({"t": days})
    (column,) = preparation.columns
    assert column.note == ", ".join(["days, scaled by median and quartiles", *periods])
    since = (days - pd.Timestamp("1970-01-01")) / pd.Timedelta("1D")
    lengths = {"time of day": 1, "day of the week": 7, "time of the year": 365.2425}
    angles = [2 * np.pi * since.to_numpy() / lengths[period] for period in periods]
    raw = np.stack([since.to_numpy(), *(wave(angle) for angle in angles for wave in (np.sin, np.cos))], axis=1)
    np.testing.assert_allclose(found, robust_and_clip(raw), atol=1e-5)


@pytest.mark.parametrize(("training", "later", "message"), [
    ([1.0, np.inf, -np.inf], None, r"X, row 1, column 'a': inf is not finite \(2 in all\)"),
    ([1.0, 2.0], [3.0, -np.inf], r"X, row 1, column 'a': -inf is not finite \(1 in all\)"),
    ([1.0, 2.0], ["3", "x"], "X, row 1, column 'a': 'x' is not a number, as all values were in training"),
    ([1.0, 2.0], pd.to_datetime(["2024-01-01"] * 2), "X, column 'a' holds values of kind date; in training: number"),
    (["2024-01-01", "2024-01-02"], ["2024-01-03", "x"], "X, row 1, column 'a': 'x' is not a date such as 2024-12-31"),
    (["2024-01-01", "2024-01-02"], [1, 2], "X, column 'a' holds values of kind number; in training: date"),
])  # fmt: skip
def test_values_of_another_kind(training, later, message):
    if later is None:
        with pytest.raises(ValueError, match=message):
            fitted({"a": training})
        return
    preparation, _ = fitted({"a": training})
    with pytest.raises(ValueError, match=message):
        preparation.transform(table_of({"a": later}))


def test_a_column_may_later_be_missing_throughout(frame):
    preparation, _ = fitted(frame)
    found = preparation.transform(table_of({name: [None, None] for name in frame}))
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[:, [0, 2]], 0)


@pytest.mark.parametrize("X", [np.empty((0, 3)), np.empty((3, 0))])
def test_nothing_to_learn_from(X):
    with pytest.raises(ValueError, match=r"X has \d rows and \d columns; wanted at least one of each"):
        fitted(X)


def test_no_rows_at_prediction(frame):
    preparation, _ = fitted(frame)
    assert preparation.transform(table_of(frame.iloc[:0])).shape == (0, 9)


def test_float64(frame):
    preparation, found = fitted(frame)
    exact = preparation.transform(table_of(frame), dtype=np.float64)
    assert exact.dtype == np.float64
    np.testing.assert_array_equal(exact.astype(np.float32), found)
