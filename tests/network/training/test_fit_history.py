"""History: a mapping of equally long lists, its table and its data frame."""

import copy
import math
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from html_reader import representation

from hotloop import SGD, History, Network
from hotloop.network.training import history as module

ROOT = Path(__file__).parents[3]
RECORDS = [
    {"epoch": 4, "loss": 0.75, "val_loss": 0.5, "learning_rate": 0.1, "seconds": 0.25},
    {"epoch": 5, "loss": 0.5, "val_loss": 0.625, "learning_rate": 0.1, "seconds": 0.125, "norm": 3.0},
]


def history(**changes):
    return History(copy.deepcopy(RECORDS), **changes)


def wide(n_metrics):
    """Return a history with so many metrics, each with a name of its own."""
    metrics = {f"val_metric_{n}": 0.25 for n in range(n_metrics)}
    return History([{"epoch": n, "loss": 1 / n, **metrics, "learning_rate": 0.1 / n, "seconds": 1.0} for n in (1, 2)])


@pytest.fixture
def columns(monkeypatch):
    return lambda number: monkeypatch.setenv("COLUMNS", str(number))


def test_it_is_a_mapping_of_equal_lists():
    found = history()
    assert list(found) == ["epoch", "loss", "val_loss", "learning_rate", "seconds", "norm"]
    assert (found["epoch"], found["loss"], found["val_loss"]) == ([4, 5], [0.75, 0.5], [0.5, 0.625])
    assert found["norm"] == pytest.approx([math.nan, 3.0], nan_ok=True)
    assert {len(column) for column in found.values()} == {2}
    assert ("val_loss" in found, "val_los" in found, len(found)) == (True, False, 6)
    assert dict(found)["seconds"] == [0.25, 0.125]
    with pytest.raises(KeyError, match="no column 'val_los', only epoch, loss, val_loss, learning_rate, seconds, norm"):
        found["val_los"]


def test_before_the_first_epoch_it_has_the_columns_that_every_fit_has():
    assert dict(History()) == {"epoch": [], "loss": []}
    assert repr(History()) == "<History of 0 epochs, stop_reason='epochs'>"


@pytest.mark.parametrize(("name", "meant"), [
    ("lr", "learning_rate"), ("acc", "val_accuracy"), ("val_acc", "val_accuracy"), ("accuracy", "val_accuracy"),
    ("val_los", "val_loss"), ("R2", "val_r2"), ("auc", "val_roc_auc"), ("Loss", "loss"),
    ("learning rate", "learning_rate"), ("momentum", None), (0, None),
])  # fmt: skip
def test_a_column_by_another_name_is_explained(name, meant):
    columns = dict.fromkeys(
        ("epoch", "loss", "val_loss", "val_accuracy", "val_r2", "val_roc_auc", "learning_rate"), 1.0
    )
    hint = "" if meant is None else rf"\. Did you mean '{meant}'\?"
    with pytest.raises(KeyError, match=rf"no column {name!r}, only epoch, .*, learning_rate{hint}.$"):  # and a quote
        History([columns])[name]


@pytest.mark.parametrize(("name", "message"), [
    ("loss", r"'History' object has no attribute 'loss': write history\['loss'\]$"),
    ("norm", r"no attribute 'norm': write history\['norm'\]$"), ("val_los", "no attribute 'val_los'$"),
    ("history", r"a History is itself what Keras has as history.history: write history\['loss'\]"),
])  # fmt: skip
def test_columns_are_no_attributes(name, message):
    with pytest.raises(AttributeError, match=message):
        getattr(history(), name)
    assert not hasattr(History.__new__(History), name)  # as `pickle` makes one, without any attribute


def test_each_column_is_documented():
    x, y = np.random.default_rng(0).normal(size=(12, 2)), np.arange(12.0)
    options = {"metrics": ["mae"], "gradient_norm": True, "validation_split": 0.25}
    columns = {*Network([2, 1], seed=0).fit(x, y, epochs=1, **options)} - {"val_mae"}
    table = (ROOT / "docs" / "history.md").read_text().split("| column |")[1].split("\n\n")[0]
    assert columns == {*re.findall(r"`(\w+)`", "".join(row.split(" | ")[0] for row in table.splitlines()))} & columns
    assert columns <= {*re.findall(r'"(\w+)"', History.__doc__)}
    assert History.__doc__.count("best_epoch :") == 1


def test_each_reason_to_stop_is_a_documented_constant():
    reasons = {
        module.EPOCHS, module.CONVERGED, module.EARLY_STOPPING, module.TIME, module.INTERRUPTED, module.DIVERGED,
        module.FAILED,
    }  # fmt: skip
    assert len(reasons) == 7
    page = (ROOT / "docs" / "history.md").read_text()
    assert reasons == set(re.findall(r"^\| \"(.+?)\" \|", page, re.M))
    assert reasons <= set(re.findall(r'"([\w ]+)"', History.__doc__.split("stop_reason :")[1].split("seconds :")[0]))
    sources = [path for path in (ROOT / "network").rglob("*.py") if path.name != "history.py"]
    spelt = re.compile(rf'(?:stop_reason (?:==|!=|or|=) |\.stop\()"(?:{"|".join(reasons)})"')
    assert [path.name for path in sources if spelt.search(path.read_text())] == []


def test_a_column_is_a_new_list():
    found = history()
    found["loss"].append(7)
    assert found == history()


def test_it_can_be_compared_pickled_and_copied():
    found = history(best_epoch=4, seconds=1.5)
    for same in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found), history(best_epoch=4, seconds=1.5)):
        assert same == found
        assert (same.best_epoch, same.seconds, same["loss"]) == (4, 1.5, [0.75, 0.5])
    assert found != history(best_epoch=5, seconds=1.5)
    assert found != History(RECORDS[:1], best_epoch=4, seconds=1.5)


def test_the_learning_rate_is_that_of_the_last_step():
    """The table of steps has a record for each step from `first_step` on; the last one holds for all after it."""

    x, y = np.random.default_rng(0).normal(size=(6, 2)), np.arange(6.0)
    net = Network([2, 1], seed=0)
    assert net.fit(x, y, epochs=2, batch_size=2, optimizer=SGD(0.03))["learning_rate"] == [0.03, 0.03]
    falling = SGD(lambda step, steps: 0.9 - 0.1 * step)
    found = net.fit(x, y, epochs=3, batch_size=2, optimizer=falling)
    assert found["learning_rate"] == pytest.approx([0.7, 0.4, 0.1])


def test_a_data_frame():
    pandas = pytest.importorskip("pandas")
    frame = history().to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == list(history())
    assert frame["loss"].tolist() == [0.75, 0.5]
    assert frame["norm"].isna().tolist() == [True, False]


def test_a_data_frame_without_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"to_pandas needs pandas: .* 'hotloop\[pandas\]'"):
        history().to_pandas()


# What is printed.


def test_the_table_is_as_wide_as_the_terminal_at_most(columns):
    columns(200)
    one_line = str(wide(6)).splitlines()
    assert one_line[0].startswith("epoch  loss  val metric 0  val metric 1")
    assert [len(line) for line in one_line] == [len(one_line[0])] * 3 + [len("stopped: epochs")]
    columns(80)
    found = str(wide(6)).splitlines()
    assert "no room for" not in str(wide(6))
    assert [line.split() for line in found[-3:-1]] == [line.split() for line in one_line[1:3]]
    assert max(map(len, found)) <= 80
    assert " ".join(found[0].split()) == "val val val val val val"
    columns(51)
    found = str(wide(6)).splitlines()
    assert found[-2:] == ["no room for: val metric 5, learning rate, seconds", "stopped: epochs"]
    assert found[-4].split() == ["1", "1", *["0.25"] * 5]
    assert max(map(len, found)) <= 51
    columns(3)  # the first column stays
    assert str(wide(6)).splitlines()[:3] == ["epoch", "    1", "    2"]


def test_the_best_epoch_is_named():
    """As the fit judged it, or by the validation loss; the training loss alone tells nothing."""
    assert str(history(best_epoch=5)).splitlines() == [
        "epoch  loss  val loss  learning rate  seconds  norm",
        "    4  0.75       0.5            0.1     0.25     -",
        "  * 5   0.5     0.625            0.1    0.125     3",
        "* best epoch: 5",
        "stopped: epochs",
    ]
    by_loss = str(history()).splitlines()
    assert by_loss[1].startswith("  * 4")
    assert by_loss[-2:] == ["* best epoch: 4, by validation loss", "stopped: epochs"]
    lost = history()
    lost.epochs[0]["val_loss"] = math.nan
    assert "*" not in str(lost)  # one is no best one
    lost.epochs.append(lost.epochs[1] | {"epoch": 6, "val_loss": 0.25})
    assert "* best epoch: 6, by validation loss" in str(lost)
    assert "*" not in str(History([{"epoch": 1, "loss": 0.5}]))
    found = history(best_epoch=5)
    assert "best epoch: 5; stopped: epochs" in found._repr_html_()
    assert repr(history(stop_reason="enough")) == (
        "<History of 2 epochs, epoch=5, loss=0.5, val_loss=0.625, learning_rate=0.1, seconds=0.125, norm=3, "
        "stop_reason='enough'>"
    )


def test_the_table_of_a_notebook():
    found = history(stop_reason="a < b")
    found.epochs[0]["note"] = "<b>"  # what a callback added is no HTML
    tree = representation(found)
    assert tree.one("table").rows() == [
        ["epoch", "loss", "val loss", "learning rate", "seconds", "note", "norm"],
        ["best4", "0.75", "0.5", "0.1", "0.25", "<b>", "-"],
        ["5", "0.5", "0.625", "0.1", "0.125", "-", "3"],
    ]
    assert tree.one("p").text == "best epoch: 4, by validation loss; stopped: a < b"
