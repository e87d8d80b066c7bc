"""`TabularClassifier` and `TabularRegressor`: tables in, predictions out."""

import enum
import pickle
from dataclasses import replace

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from conftest import same_bits
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score
from tabular_data import ROWS, mixed, tiny

from hotloop import Callback
from hotloop.callbacks import CSVLogger
from hotloop.estimators import TabularClassifier, TabularRegressor
from hotloop.network.estimators import tabular_training
from hotloop.network.estimators.tabular_training import Ensemble


class Kind(str, enum.Enum):  # noqa: UP042 - what `str` makes of it is not its text
    DOG = "dog"
    CAT = "cat"


def classifier(**given):
    return TabularClassifier(**{"preset": tiny(), "random_state": 0, "n_threads": 1, **given})


def regressor(**given):
    return TabularRegressor(**{"preset": tiny(activation="mish"), "random_state": 0, "n_threads": 1, **given})


@pytest.fixture(scope="module")
def fitted():
    table, classes, _ = mixed()
    return classifier(n_ensemble=2).fit(table, classes)


@pytest.fixture(scope="module")
def fitted_values():
    table, _, values = mixed()
    return regressor().fit(table, values)


def test_any_kind_of_table_gives_the_same(fitted):
    table, classes, _ = mixed()
    frame = pd.DataFrame(table)
    kinds = [frame, frame.convert_dtypes(), pl.DataFrame(table), pa.table(table)]
    labels = [pd.Series(classes), pd.Series(classes, dtype="category"), pl.Series(classes), pa.array(classes)]
    for X, y in zip(kinds, labels, strict=True):
        assert same_bits(clone(fitted).fit(X, y).predict_proba(X), fitted.predict_proba(table))
        assert same_bits(fitted.predict_proba(X), fitted.predict_proba(table))


def test_an_array_of_strings():
    rows = [["1.5", "x"], ["2.5", "y"]] * 10
    for X in (np.array(rows), np.array(rows, np.dtypes.StringDType()), np.array(rows, object)):
        assert [column.kind for column in classifier().fit(X, [0, 1] * 10).columns_] == ["number", "category"]


def test_columns_are_found_by_name(fitted):
    table, _, _ = mixed()
    frame = pd.DataFrame(table)
    expected = fitted.predict_proba(frame)
    assert same_bits(fitted.predict_proba(frame[["size", "is_new", "colour", "weight"]].assign(more="x")), expected)
    with pytest.raises(ValueError, match="'colour'"):
        fitted.predict(frame.drop(columns="colour"))
    with pytest.warns(UserWarning, match="does not have valid feature names, but TabularClassifier was fitted with"):
        assert same_bits(fitted.predict_proba(frame.to_numpy()), expected)
    with pytest.raises(ValueError, match="X has 3 features, but TabularClassifier is expecting 4"):
        fitted.predict(frame.to_numpy()[:, 1:])


def test_columns_that_are_not_needed_may_hold_anything(fitted):
    table, classes, _ = mixed()
    expected, more = fitted.predict_proba(table), {"lists": [[1, 2]] * ROWS, "complex": np.full(ROWS, 1j)}
    for X in (table | more, pd.DataFrame(table | more), pa.table(table | {"lists": more["lists"]})):
        assert same_bits(fitted.predict_proba(X), expected)
        classifier(max_epochs=1).fit(table, classes, eval_set=(X, classes))
    constant = classifier().fit({"a": range(6), "b": [1] * 6}, [0, 1] * 3)
    assert constant.predict({"a": [1], "b": [[1]]}).shape == (1,)
    with pytest.raises(ValueError, match="X lacks column 'a' that training had"):
        constant.predict({"b": [1]})
    with pytest.raises(ValueError, match="X lacks column 'a' that training had"):
        constant.predict(pd.DataFrame({"b": [1]}))
    with pytest.raises(ValueError, match="a table with 0 sample"):
        constant.predict({"a": []})


def test_unknown_categories_and_new_missing_values(fitted):
    table, _, _ = mixed()
    table["colour"] = [None] * ROWS
    missing = fitted.predict_proba(table)
    table["colour"] = ["purple"] * ROWS
    assert same_bits(fitted.predict_proba(table), missing)
    table["size"][0] = None
    assert np.isfinite(fitted.predict_proba(table)).all()


def test_attributes(fitted, fitted_values):
    assert fitted.n_features_in_ == 4
    assert fitted.feature_names_in_.tolist() == ["weight", "colour", "is_new", "size"]
    assert [column.kind for column in fitted.columns_] == ["number", "category", "boolean", "number"]
    assert fitted.classes_.tolist() == ["large", "small"]
    assert len(fitted.networks_) == len(fitted.history_) == 2
    assert [len(history.epochs) for history in fitted.history_] == [3, 3]
    assert fitted.recipe_ == tiny()
    numbers = classifier().fit(np.eye(6), [0, 1] * 3)
    assert not hasattr(numbers, "feature_names_in_")
    again = clone(fitted).fit({"a": range(6)}, [0, 1] * 3)
    assert again.feature_names_in_.tolist() == ["a"]
    assert not hasattr(again.fit(np.eye(6), [0, 1] * 3), "feature_names_in_")
    assert not hasattr(again.fit(pd.DataFrame(np.eye(6)), [0, 1] * 3), "feature_names_in_")
    assert fitted_values.n_outputs_ == 1
    assert 'preset="fast"' in repr(TabularClassifier(preset="fast")).replace("'", '"')
    assert "TabularClassifier" in fitted._repr_html_()


@pytest.mark.parametrize(
    ("classes", "dtype"),
    [
        ([3, -7], "int64"), ([True, False], "bool"), (["b", "a"], "<U1"), ([2.0, 1.0], "float64"),
        (np.array(["b", "a"], object), "O"), (pd.Categorical(["b", "a"]), None), (pl.Series(["b", "a"]), None),
        (pd.array([1, 0], dtype="Int64"), "int64"), (pd.array([True, False], dtype="boolean"), "bool"),
        (pd.array(["b", "a"], dtype="string"), None), (np.array([7, 2], object), "int64"),
        (np.array([np.str_("b"), np.str_("a")], object), "O"), (np.array([*Kind], object), "O"),
    ],
)  # fmt: skip
def test_classes_of_any_type(classes, dtype):
    X = np.repeat([[0.0, 1.0], [1.0, -1.0]], 10, axis=0)
    y = classes[np.repeat([0, 1], 10)] if hasattr(classes, "dtype") else np.repeat(classes, 10)
    model = classifier(preset=tiny(epochs=20, learning_rate=0.5)).fit(X, y)
    assert dtype is None or model.classes_.dtype == np.dtype(dtype)
    assert model.classes_.tolist() == sorted(np.asarray(classes).tolist())
    assert {*map(type, model.classes_.tolist())} <= {int, float, bool, str}  # which a file can hold
    assert model.predict(X).tolist() == np.asarray(y).tolist()
    assert model.score(X, y) == 1


def test_predictions(fitted, fitted_values):
    table, classes, values = mixed()
    probabilities = fitted.predict_proba(table)
    inputs = fitted.preparation_.transform(fitted._table(table))
    own = [net.predict(inputs).astype(np.float64) for net in fitted.networks_]
    np.testing.assert_allclose(probabilities, (own[0] + own[1]) / 2, rtol=1e-6)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-15)
    np.testing.assert_array_equal(fitted.predict_log_proba(table), np.log(probabilities))
    np.testing.assert_array_equal(fitted.predict(table), fitted.classes_[probabilities.argmax(axis=1)])
    assert fitted.score(table, classes) == accuracy_score(classes, fitted.predict(table))
    assert fitted_values.score(table, values) == pytest.approx(r2_score(values, fitted_values.predict(table)))
    assert fitted_values.predict(table).shape == (ROWS,)
    two = regressor(n_ensemble=2, preset=tiny(clip=False)).fit(table, values)
    mean = (two.networks_[0].predict(inputs) + two.networks_[1].predict(inputs))[:, 0] / 2
    np.testing.assert_allclose(two.predict(table), mean * values.std() + values.mean(), rtol=1e-5, atol=1e-6)


def test_values_do_not_depend_on_their_unit(fitted_values):
    table, _, values = mixed()
    other = regressor().fit(table, 1000 * values - 5e5)
    np.testing.assert_allclose(other.predict(table), 1000 * fitted_values.predict(table) - 5e5, rtol=1e-5)
    two = regressor().fit(table, np.column_stack([values, -values]))
    assert two.predict(table).shape == (ROWS, 2)
    assert two.score(table, np.column_stack([values, -values])) == pytest.approx(
        r2_score(np.column_stack([values, -values]), two.predict(table))
    )
    with pytest.raises(ValueError, match="squares are beyond float64"):
        regressor().fit(table, values * 1e200)
    with pytest.raises(ValueError, match="squares are beyond float64"):
        regressor().fit(table, values * 1e-300)
    with pytest.raises(TypeError, match=r"y holds values of dtype datetime64\[D\]: make them numbers"):
        regressor().fit(table, np.arange(ROWS).astype("M8[D]"))
    constant = regressor().fit(table, np.full(ROWS, 0.1))
    np.testing.assert_array_equal(constant.predict(table), np.full(ROWS, 0.1))


def test_values_are_cut_to_the_range_seen():
    X = np.arange(30.0)[:, None]
    recipe = tiny(activation="identity", hidden_sizes=(3,), epochs=30, learning_rate=0.5)
    clipped, free = (regressor(preset=replace(recipe, clip=clip)).fit(X, X[:, 0]) for clip in (True, False))
    far = np.array([[-100.0], [500.0]])
    assert clipped.predict(far).tolist() == [0.0, 29.0]
    assert free.predict(far)[0] < 0
    assert free.predict(far)[1] > 29


def test_rows_of_weight_zero_are_as_if_they_were_not_there():
    table, classes, _ = mixed()
    frame, kept = pd.DataFrame(table), np.arange(ROWS) % 4 > 0
    weighted = classifier().fit(frame, classes, sample_weight=kept.astype(float))
    without = classifier().fit(frame[kept], classes[kept])
    assert not same_bits(without.predict_proba(frame), classifier().fit(frame, classes).predict_proba(frame))
    assert weighted.preparation_.state()[0] == without.preparation_.state()[0]
    np.testing.assert_allclose(weighted.predict_proba(frame), without.predict_proba(frame), rtol=1e-5)


def test_class_weights_are_sample_weights():
    table, classes, _ = mixed()
    by_class = classifier(class_weight={"large": 5.0, "small": 0.5}).fit(table, classes)
    by_row = classifier().fit(table, classes, sample_weight=np.where(classes == "large", 5.0, 0.5))
    assert same_bits(by_class.predict_proba(table), by_row.predict_proba(table))
    both = classifier(class_weight={"large": 2.0, "small": 0.5})
    both.fit(table, classes, sample_weight=np.where(classes == "large", 2.5, 1.0))
    assert same_bits(both.predict_proba(table), by_row.predict_proba(table))
    counts = {label: ROWS / 2 / np.sum(classes == label) for label in ("large", "small")}
    balanced, given = (classifier(class_weight=weight).fit(table, classes) for weight in ("balanced", counts))
    assert same_bits(balanced.predict_proba(table), given.predict_proba(table))


def test_eval_set_chooses_the_epoch():
    table, classes, values = mixed()
    other, labels, numbers = mixed(20, seed=1)
    model = classifier().fit(table, classes, eval_set=(other, labels))
    inputs = model.preparation_.transform(model._table(other))
    found = model.networks_[0].evaluate(inputs, (labels == "small").astype(int))
    assert found["accuracy"] == max(model.history_[0]["val_accuracy"])
    same = classifier().fit(table, classes, eval_set=[(other, labels, np.ones(20))])
    np.testing.assert_allclose(same.predict_proba(table), model.predict_proba(table), rtol=1e-5)
    assert "val_r2" in regressor().fit(table, values, eval_set=(other, numbers)).history_[0]
    wrong = [
        ((other, ["huge"] * 20), ValueError, "eval_set: y has the class 'huge'"),
        ((other, labels[1:]), ValueError, r"eval_set: X and y have inconsistent numbers of samples: \[20, 19\]"),
        (other, TypeError, r"eval_set must be a pair \(X, y\)"),
        ((other, labels, np.zeros(20)), ValueError, "at least one non-zero"),
        (({"weight": [1.0]}, ["small"]), ValueError, "'colour'"),
        ([(other, labels), (table, classes)], ValueError, r"eval_set has 2 sets: the epoch is chosen by one"),
    ]
    for eval_set, kind, message in wrong:
        with pytest.raises(kind, match=message):
            classifier().fit(table, classes, eval_set=eval_set)
    with pytest.raises(ValueError, match="eval_set: y has 2 columns, that of the training rows has 1"):
        regressor().fit(table, values, eval_set=(other, np.ones((20, 2))))


NONE = np.ones((4, 0))
BAD = [
    ({"X": NONE}, ValueError, "0 feature"),
    ({"X": pd.DataFrame({"a": []}), "y": []}, ValueError, "0 sample"),
    ({"X": {"a": [1.0, np.inf, 2, 3]}}, ValueError, "row 1, column 'a': inf is not finite"),
    ({"X": np.array([[1.0], [np.inf], [2], [3]])}, ValueError, "infinity"),
    ({"y": [0, 1, np.nan, 1]}, ValueError, "Input y contains NaN, first in row 2"),
    ({"y": ["a", "b", None, "a"]}, ValueError, "Input y contains NaN, first in row 2"),
    ({"y": pd.array([1, None, 0, 1], dtype="Int64")}, ValueError, "Input y contains NaN, first in row 1"),
    ({"y": np.array(["2024-01-01"] * 3 + ["NaT"], "M8[D]")}, ValueError, "Input y contains NaN, first in row 3"),
    ({"y": [1, 1, 1, 1]}, ValueError, "two classes or more to train on, got one class"),
    ({"y": [0, 1, 0]}, ValueError, r"X and y have inconsistent numbers of samples: \[4, 3\]"),
    ({"y": None}, ValueError, "requires y to be passed"),
    ({"sample_weight": [0, 0, 0, 0]}, ValueError, "at least one non-zero"),
    ({"sample_weight": [1, -1, 1, 1]}, ValueError, "[Nn]egative"),
    ({"preset": "slow"}, ValueError, "preset 'slow' is not known"),
    ({"n_ensemble": 0}, ValueError, "n_ensemble must be at least 1"),
    ({"max_epochs": 1.5}, TypeError, "max_epochs must be a whole number"),
    ({"time_limit": 0}, ValueError, "time_limit must be finite, above 0"),
    ({"n_threads": "all"}, ValueError, "n_threads must be"),
    ({"categorical": ["b"]}, ValueError, "'b'"),
    ({"categorical": 0}, TypeError, r"categorical is 0; wanted a list of columns: \[0\]"),
    ({"categorical": [5]}, ValueError, "categorical has the index 5; X has columns 0 to 0"),
    ({"y": ["a", "b", np.nan, "a"]}, ValueError, "Input y contains NaN, first in row 2"),
    ({"y": pa.array(["a", "b", None, "a"])}, ValueError, "Input y contains NaN, first in row 2"),
    ({"y": ["a", 1, "a", 1]}, TypeError, "y has classes of types int, str: make them of one type"),
    ({"class_weight": 3}, TypeError, 'class_weight must be a dict, "balanced" or None, got 3'),
    ({"class_weight": "even"}, TypeError, "class_weight must be a dict, .* got 'even'"),
    ({"callbacks": Callback()}, TypeError, "callbacks must be a sequence of hotloop.Callback, got <"),
    (
        {"callbacks": [CSVLogger("a.csv")], "n_ensemble": 2},
        ValueError,
        "CSVLogger writes in one place, and there are 2",
    ),
    ({"callbacks": 3}, TypeError, "callbacks must be a sequence of hotloop.Callback, got 3"),
    ({"callbacks": [Callback(), 3]}, TypeError, r"callbacks\[1\] must be a hotloop.Callback, got 3"),
]


@pytest.mark.parametrize(("changes", "kind", "message"), BAD)
def test_bad_input_gets_one_error_and_changes_nothing(changes, kind, message, monkeypatch):
    monkeypatch.setattr(Ensemble, "train", lambda *a, **k: pytest.fail("was trained"))
    given = {"X": {"a": [1.0, 2.0, 3.0, 4.0]}, "y": [0, 1, 0, 1], "sample_weight": None} | changes
    data = {name: given.pop(name) for name in ("X", "y", "sample_weight")}
    model = classifier(**given)
    model.classes_, before = "as before", vars(model) | {"classes_": "as before"}
    with pytest.raises(kind, match=message):
        model.fit(data["X"], data["y"], sample_weight=data["sample_weight"])
    assert vars(model) == before


@pytest.mark.parametrize("rows", [2, 3, 5])
def test_very_few_rows(rows):
    X, y = np.arange(rows, dtype=float)[:, None], np.arange(rows) % 2
    assert set(classifier().fit(X, y).predict(X)) <= {0, 1}
    assert np.isfinite(regressor().fit(X, y).predict(X)).all()
    each = classifier().fit(X, np.arange(rows))  # classes of one row: none can be held out
    assert "val_loss" not in each.history_[0]
    with pytest.raises(ValueError, match="n_samples=1"):
        regressor().fit(X[:1], y[:1])


def test_interruption_is_told(monkeypatch, fitted):
    table, classes, _ = mixed()
    for reason, message in (("interrupted", "network 0 was interrupted"), ("diverged", "network 0 diverged after")):

        def trained(*args, reason=reason):
            network = tabular_training.new_network(tiny(), 7, 2, True, 0)
            return [tabular_training.Trained(network, replace(fitted.history_[0], stop_reason=reason))]

        monkeypatch.setattr(Ensemble, "train", trained)
        with pytest.warns(ConvergenceWarning, match=message) as caught:
            classifier().fit(table, classes)
        assert caught[0].filename == __file__


@pytest.mark.parametrize("n_threads", [1, 3])
def test_random_state_decides_all(n_threads, fitted):
    table, classes, _ = mixed()
    again = classifier(n_ensemble=2, n_threads=n_threads).fit(table, classes)
    assert same_bits(again.predict_proba(table), fitted.predict_proba(table))
    other = classifier(n_ensemble=2, random_state=1).fit(table, classes)
    assert not np.array_equal(other.predict_proba(table), fitted.predict_proba(table))
    drawn = classifier(random_state=np.random.RandomState(3))
    assert not np.array_equal(*(drawn.fit(table, classes).networks_[0].parameters for _ in range(2)))


def test_pickles_and_memory_maps(fitted, fitted_values, tmp_path):
    table, _, _ = mixed()
    copied = pickle.loads(pickle.dumps(fitted))
    assert same_bits(copied.predict_proba(table), fitted.predict_proba(table))
    joblib.dump(fitted_values, tmp_path / "model.joblib")
    for mode in (None, "r"):
        read = joblib.load(tmp_path / "model.joblib", mmap_mode=mode)
        assert same_bits(read.predict(table), fitted_values.predict(table))


def test_importances_are_those_of_shuffled_columns(fitted, fitted_values):
    """Against the plain way: shuffle a column of the table, prepare and predict all of it again."""
    table, classes, values = mixed()
    frame = pd.DataFrame(table).convert_dtypes()
    for model, y in ((fitted, classes), (fitted_values, values)):
        found = model.feature_importances(frame, y, n_repeats=2, random_state=7)
        random, expected = np.random.RandomState(7), {}
        for name in frame.columns:
            losses = []
            for _ in range(2):
                order = random.permutation(ROWS)
                shuffled = frame.assign(**{name: frame[name].iloc[order].array})
                losses.append(model.score(frame, y) - model.score(shuffled, y))
            expected[name] = np.mean(losses), np.std(losses)
        assert [*found] == sorted(expected, key=lambda name: -expected[name][0])
        for name, (mean, std) in expected.items():
            assert found[name].mean == pytest.approx(mean, abs=1e-12)
            assert found[name].std == pytest.approx(std, abs=1e-12)
    assert found["weight"].mean != 0
