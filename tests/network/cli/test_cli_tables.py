"""``hotloop train`` and ``hotloop predict`` on tables of mixed columns."""

import csv
import io
import re
import sys

import numpy as np
import pandas as pd
import pytest
from command_line import TINY, run, saved_network, train_tiny
from tabular_data import tiny

from hotloop import Network, PreparedNetwork
from hotloop.estimators import TabularClassifier, TabularRegressor
from hotloop.network.cli import reports
from hotloop.network.persistence import collection_file
from hotloop.network.tables.preparation import Preparation
from hotloop.network.tables.table import table_of


@pytest.fixture
def people(tmp_path):
    """Return the path of a CSV file of mixed columns: the class follows from the city and the age."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "age": rng.integers(18, 80, 120), "city": rng.choice(["Rome", "Oslo", "面積"], 120),
        "joined": pd.date_range("2021-01-01", periods=120, freq="11D").strftime("%Y-%m-%d"),
        "id": [f"u{row:04d}" for row in range(120)], "same": 1,
    })  # fmt: skip
    frame["buys"] = np.where((frame.age > 50) ^ (frame.city == "Rome"), "yes", "no")
    frame["income"] = frame.age * 100.0 + 5000 * (frame.city == "Rome")
    frame.loc[::9, "age"] = np.nan
    path = tmp_path / "people.csv"
    frame.to_csv(path, index=False)
    return path


def predictions(model, data, *options):
    status, out, err = run("predict", model, data, *options)
    assert status == 0
    return list(csv.DictReader(io.StringIO(out))), err


def test_the_columns_are_printed_before_the_training(people, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    out = train_tiny(people, "--target", "buys", "--epochs", "1")
    assert "96 training rows" not in out
    table = out[out.index("\ncolumn") : out.index("\nlayer")]
    assert table == (
        "\ncolumn  kind      inputs  missing  what was done\n"
        "age     number         2       11  scaled by median and quartiles, missing ones\n"
        "                                   flagged\n"
        "city    category       3        0  one-hot\n"
        "joined  date           5        0  days, scaled by median and quartiles, day of\n"
        "                                   the week, time of the year\n"
        "id      category       0        0  dropped: 96 texts, all different (an\n"
        "                                   identifier, or free text)\n"
        "same    number         0        0  dropped: constant (1)\n"
        "income  number         1        0  scaled by median and quartiles\n"
    )
    assert "people.csv: 86 training rows, 10 validation, 24 test; 6 columns as 11 inputs\n" in out


def test_what_is_printed_afterwards(people):
    out = train_tiny(people, "--target", "buys", "--epochs", "30", "--learning-rate", "0.02")
    right = int(re.search(r"\((\d+) of 24 right\)", out)[1])
    counts = np.array([line.split()[1:] for line in out[out.index("(across):") :].splitlines()[2:4]], int)
    assert (counts.sum(), np.trace(counts)) == (24, right)
    assert right > 18
    out = train_tiny(people, "--target", "income", "--epochs", "1")
    assert re.search(r"\ntest rmse \d+\.?\d*, mae \d+\.?\d*, in the unit of the target\n", out)
    assert "(across)" not in out


def test_predictions_need_nothing_else(people, tmp_path):
    """Reordered columns, missing and unknown categories, and columns that were dropped: all from the model file."""
    model = tmp_path / "model"
    train_tiny(people, "--target", "buys", "--epochs", "5", "--save", model)
    whole, err = predictions(model, people)
    assert (err, list(whole[0])) == ("", ["prediction", "probability_no", "probability_yes"])
    frame = pd.read_csv(people)
    shuffled = frame[["income", "joined", "city", "age"]]
    shuffled.to_csv(tmp_path / "later.csv", index=False, sep=";")
    shuffled.to_parquet(tmp_path / "later.parquet")
    assert predictions(model, tmp_path / "later.csv") == (whole, "")
    assert predictions(model, tmp_path / "later.parquet") == (whole, "")
    shares = PreparedNetwork.load(model).predict(frame)
    assert [row["prediction"] for row in whole] == np.array(["no", "yes"])[shares.argmax(axis=1)].tolist()
    assert [row["probability_yes"] for row in whole] == list(map(str, shares[:, 1]))
    odd = shuffled.iloc[:2].assign(city=["Paris", None], income=[None, 5.0])
    odd.to_csv(tmp_path / "odd.csv", index=False)
    found, err = predictions(model, tmp_path / "odd.csv")
    assert len(found) == 2
    begin, none = (
        f"hotloop: note: {tmp_path / 'odd.csv'}, column ",
        "1 missing value, where training had none, taken as",
    )
    assert err.splitlines() == [
        f"{begin}'city': {none} no category", f"{begin}'city': unknown categories, taken as missing: 'Paris'",
        f"{begin}'income': {none} the median",
    ]  # fmt: skip


def test_predictions_in_float64(people, tmp_path):
    train_tiny(people, "--target", "income", "--epochs", "1", "--dtype", "float64", "--save", tmp_path / "model")
    found, _ = predictions(tmp_path / "model", people)
    values = PreparedNetwork.load(tmp_path / "model").predict(pd.read_csv(people))
    assert [row["prediction"] for row in found] == list(map(str, values[:, 0]))


def test_a_network_of_a_table_says_how_it_is_loaded(people, tmp_path):
    train_tiny(people, "--target", "income", "--epochs", "1", "--save", tmp_path / "model")
    with pytest.raises(ValueError, match=r"model holds a PreparedNetwork: read it with PreparedNetwork\.load"):
        Network.load(tmp_path / "model")
    Network([2, 1], seed=0).save(tmp_path / "plain")
    with pytest.raises(ValueError, match=r"plain holds a network: read it with Network\.load"):
        PreparedNetwork.load(tmp_path / "plain")
    assert saved_network(tmp_path / "model").sizes == (11, 4, 1)
    np.savez(tmp_path / "data.npz", x=np.zeros((2, 11)))
    status, _, err = run("predict", tmp_path / "model", tmp_path / "data.npz")
    assert (status, "data.npz is not a table, as the training data were: give a CSV or a Parquet file" in err) == (
        2,
        True,
    )


@pytest.mark.parametrize(("change", "message"), [
    ({"preparation": {"version": 1, "named": True, "labels": [], "columns": []}}, "the offset has shape"),
    ({"schema": {"more": 1}}, "metadata 'data' is not what hotloop train writes"),
    ({"schema": {"classes": ["a", "b", "c"]}}, "names 3 classes"),
])  # fmt: skip
def test_an_altered_file(change, message, people, tmp_path):
    train_tiny(people, "--target", "income", "--epochs", "1", "--save", tmp_path / "model")
    model = PreparedNetwork.load(tmp_path / "model")
    config, arrays = model.preparation.state()
    described = {"preparation": config, "schema": model.schema.plain(), **change}
    whole = {f"preparation.{name}": array for name, array in arrays.items()}
    collection_file.write(tmp_path / "model", "PreparedNetwork", described, whole, [model.network])
    with pytest.raises(ValueError, match=f"model is damaged: its parts do not fit together .*{message}"):
        PreparedNetwork.load(tmp_path / "model")
    collection_file.write(
        tmp_path / "model", "PreparedNetwork", described | {"preparation": config}, whole, [Network([2, 1])]
    )
    with pytest.raises(ValueError, match=r"2 inputs of the network, \d+ of the preparation"):
        PreparedNetwork.load(tmp_path / "model")


def test_a_parquet_file_trains_the_same_network(people, tmp_path):
    frame = pd.read_csv(people)
    frame.to_parquet(tmp_path / "people.parquet")
    for data in (people, tmp_path / "people.parquet"):
        train_tiny(data, "--target", "buys", "--epochs", "2", "--save", tmp_path / data.suffix[1:])
    parameters = [saved_network(tmp_path / name).parameters for name in ("csv", "parquet")]
    np.testing.assert_array_equal(*parameters)


def test_missing_and_categorical(tmp_path):
    path = tmp_path / "data.csv"
    rows = [f"{row % 3},{'none' if row % 7 == 0 else row / 4},{row % 2}" for row in range(60)]
    path.write_text("zone,x,y\n" + "\n".join(rows))
    status, _, err = run("train", "--data", path, *TINY)
    assert status == 2
    assert re.fullmatch(
        r"hotloop: error: .*data.csv, line \d+, column 'x': 'none' is not a number, but \d+ of 48 values are: correct "
        r"it, leave it out as missing, or say that the column holds categories "
        r"\(--missing 'none', --categorical x\)\n",
        err,
    )
    options = ["--missing", "none", "--epochs", "1", "--save", tmp_path / "model"]
    out = train_tiny(path, *options, "--categorical", "zone")
    assert re.search(r"\nzone    category       3        0  one-hot\nx       number         2 +\d  ", out)
    found, err = predictions(tmp_path / "model", path)
    assert (len(found), err) == (60, "")
    out = train_tiny(path, "--missing", "none", "--epochs", "1", "--categorical", "zone", "--categorical", "x")
    assert re.search(r"\nzone    category .*\nx       category ", out)
    err = run("train", "--data", path, *TINY, "--missing", "none", "--categorical", "nowhere")[2]
    assert "no column 'nowhere' for categorical (--categorical); it has 'zone', 'x'" in err


@pytest.mark.parametrize(("options", "message"), [
    (["--categorical", "a"], "digits is not a table: omit --categorical"),
    (["--missing", "x"], "digits is not a table: omit --missing"),
])  # fmt: skip
def test_options_for_tables(options, message):
    assert message in run("train", *options)[2]


def test_a_parquet_file_has_no_separator(people, tmp_path):
    pd.read_csv(people).to_parquet(tmp_path / "people.parquet")
    status, _, err = run("train", "--data", tmp_path / "people.parquet", "--separator", ";")
    assert (status, "people.parquet is not a CSV file: omit separator (--separator)" in err) == (2, True)


def test_parquet_without_pyarrow_names_the_extra(people, tmp_path, monkeypatch):
    pd.read_csv(people).to_parquet(tmp_path / "people.parquet")
    train_tiny(people, "--target", "buys", "--epochs", "1", "--save", tmp_path / "model")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for command in (["train", "--data"], ["predict", tmp_path / "model"]):
        status, _, err = run(*command, tmp_path / "people.parquet")
        assert (status, err) == (
            2, "hotloop: error: Parquet and Arrow files need pyarrow: pip install 'hotloop[arrow]'\n"
        )  # fmt: skip


def test_files_of_the_tabular_estimators_predict(people, tmp_path):
    frame = pd.read_csv(people)
    X = frame[["age", "city", "joined"]]
    for kind, target in ((TabularClassifier, "buys"), (TabularRegressor, "income")):
        estimator = kind(preset=tiny(), random_state=0, n_threads=1).fit(X, frame[target])
        estimator.save(tmp_path / "model")
        found, _ = predictions(tmp_path / "model", people)
        assert [row["prediction"] for row in found] == list(map(str, estimator.predict(X)))


def test_columns_without_names_go_by_their_index_in_the_file(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("".join(f"{row / 7},{row % 3},{row % 5},{row / 3}\n" for row in range(40)))
    out = train_tiny(path, "--target", "1", "--epochs", "1", "--categorical", "2", "--header", "no")
    table = out[out.index("\ncolumn") : out.index("\nlayer")].splitlines()[2:]
    assert [line.split()[:3] for line in table] == [["0", "number", "1"], ["2", "category", "5"], ["3", "number", "1"]]
    path.write_text("1,x,2\n2,y,inf\n3,x,4\n4,y,5\n")
    err = run("train", "--data", path, "--target", "1", "--header", "no", "--test-fraction", "0.5")[2]
    assert "data.csv, line 2, column index 2: inf is not finite" in err


def test_profile_prints_the_columns(people, tmp_path):
    status, out, _ = run(
        "profile", "--data", people, "--target", "buys", *TINY, "--epochs", "1", "--no-diagnosis", "--no-progress"
    )
    assert status == 0
    assert "\ncity    category       3        0  one-hot\n" in out


# The tables


def test_many_columns_are_shown_in_groups():
    X = {f"pixel {place}": np.arange(5) * (place % 6 > 0) for place in range(60)} | {"long name " * 5: list("ababa")}
    lines = reports.columns(Preparation.fit(table_of(X)))
    different = {f"c{place}": [place] * 5 for place in range(50)} | {"x": range(5)}
    assert reports.columns(Preparation.fit(table_of(different)))[40:] == [
        "c39     number       0  dropped: constant (39)", "and 11 more columns"
    ]  # fmt: skip
    assert [line.split("  ")[0] for line in lines] == [
        "column", "pixel 0 and 9 more", "pixel 1 and 49 more", "long name long name l..."
    ]  # fmt: skip


def test_wide_names_stay_in_their_columns():
    X = {"面積": [1.0, 2.0, 3.0], "e\u0301tage": [1, 2, 3], "x\x1b[2J": list("aba")}
    assert reports.columns(Preparation.fit(table_of(X))) == [
        "column    kind      inputs  what was done",
        "面積      number         1  scaled by median and quartiles",
        "e\u0301tage     number         1  scaled by median and quartiles",
        r"x\x1b[2J  category       1  -1 and +1",
    ]


def test_a_confusion_matrix_is_of_few_classes():
    labels, predicted = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0])
    assert reports.confusion(predicted, labels, ["a", "b", "a class of a long name"])[2:] == [
        "              a  b  a class o...",
        "a             1  1             0",
        "b             0  1             0",
        "a class o...  1  0             0",
        "",
    ]
    assert reports.confusion(np.arange(11), np.arange(11), list("abcdefghijk")) == []
