"""What objects show in a notebook: balanced, escaped, and the right numbers in the right cells."""

import copy
import pickle

import numpy as np
import pytest
from html_reader import HOSTILE, parsed, representation

from hotloop import History, Network, profile
from hotloop.datasets import Dataset, load_digits
from hotloop.network.datasets.scaling import Scaling
from hotloop.network.persistence.schema import Schema
from hotloop.network.prepared_network import PreparedNetwork
from hotloop.network.profiling.diagnosis.findings import Diagnosis, Finding, FitDiagnosis
from hotloop.network.profiling.notebook_table import MOST_SHOWN, notebook_table
from hotloop.network.tables.preparation import Preparation
from hotloop.network.tables.table import table_of
from hotloop.network.training.learning_rate_sweep import RULES, LearningRateSweep

SUMMARY = ["layer", "weights", "activation", "dropout", "parameters", "FLOPs/sample"]
X, Y = np.linspace(-1, 1, 32, dtype=np.float32).reshape(16, 2), np.linspace(0, 1, 16, dtype=np.float32)


def network():
    return Network([2, 8, 1], "tanh", dropout=0.25, seed=7)


def test_a_network_before_and_after_training():
    net = network()
    tree = representation(net)
    assert tree.one(kind="hotloop-title").text == "Network 2-8-1"
    assert tree.one("table").rows() == [
        SUMMARY, ["1", "2 x 8", "tanh", "0.25", "24", "32"], ["2", "8 x 1", "identity", "-", "9", "16"],
    ]  # fmt: skip
    notes = [note.text for note in tree.all(kind="hotloop-note")]
    assert notes[0].startswith("33 parameters, float32, 132 bytes")
    assert notes[-1] == "not trained yet; seed 7"
    net.fit(X, Y, epochs=2, batch_size=8, optimizer="sgd")
    last = representation(net).all(kind="hotloop-note")[-1].text
    assert last.startswith("trained for 2 epochs, 4 steps, last by SGD(learning_rate=0.01")


def test_a_summary_is_its_text_and_a_table():
    found = network().summary()
    assert isinstance(found, str)
    assert repr(found) == str(found) == "\n".join(found.splitlines())
    for each in (found, copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert representation(each).one("table").rows()[0] == SUMMARY
        assert each == found


RECORDS = [
    {"epoch": n, "loss": 4 / n, "val_loss": 5 / n + n / 20, "note": HOSTILE, "seconds": 0.1} for n in range(1, 101)
]


def test_a_history_marks_its_best_epoch_and_shows_thirty():
    tree = representation(History(RECORDS, stop_reason=HOSTILE, best_epoch=38))
    heads, *rows = tree.one("table").rows()
    assert heads == ["epoch", "loss", "val loss", "note", "seconds"]
    assert len(rows) == 30
    assert [rows[0][0], rows[-1][0]] == ["1", "100"]
    assert [cell.text for cell in tree.one(kind="hotloop-marked").all() if cell.tag in ("th", "td")] == [
        "best38", "0.1053", "2.032", HOSTILE, "0.1",
    ]  # fmt: skip
    assert tree.one("svg").attributes["aria-label"] == (
        "loss by epoch, 1 to 100: training 4 to 0.04; validation 5.05 to 5.05"
    )
    assert tree.one(kind="hotloop-note").text == f"30 of 100 epochs shown; best epoch: 38; stopped: {HOSTILE}"


@pytest.mark.parametrize("best", [1, 2, 99, 100])
def test_the_best_epoch_is_shown_wherever_it_is(best):
    rows = representation(History(RECORDS, best_epoch=best)).one("table").rows()[1:]
    numbers = [int(row[0].removeprefix("best")) for row in rows]
    assert len(numbers) == 30
    assert numbers == sorted({*numbers, 1, best, 100})


def test_a_history_without_epochs():
    tree = representation(History([], stop_reason="interrupted"))
    assert tree.text == "no epoch finished (interrupted)"
    short = representation(History(RECORDS[:1]))
    assert short.all("svg") == []
    assert short.one("table").rows()[1][:2] == ["1", "4"]


def test_a_profile():
    net = network()
    with profile(snapshots=False) as prof:
        open_profile = representation(prof).text
        net.fit(X, Y, epochs=2, batch_size=8)
        with prof.record(HOSTILE):
            pass
    assert open_profile == "a profile that has not ended"
    tree = representation(prof)
    heads, *rows = tree.one("table").rows()
    assert heads[:5] == ["name", "layer", "share", "", "time"]
    expected = prof.rows[:MOST_SHOWN]
    assert [row[0] for row in rows] == [row["name"] for row in expected]
    assert [row[2] for row in rows] == [f"{row['percent']:.1f} %" for row in expected]
    everything = parsed(notebook_table(prof.rows[:MOST_SHOWN], 1.0, []) + notebook_table(prof.rows[::-1], 1.0, []))
    assert HOSTILE in everything.text
    assert everything.all("img") == []


def test_a_long_profile_says_what_it_left_out():
    plain = {"network": None, "layer": 3, "seconds_per_call": None, "calls": 1234, "bound_by": "memory"}
    rates = {"flops_per_second": 2e9, "bytes_per_second": None, "roof_percent": 50.0}
    rows = [{"name": f"n{n}", "percent": 4.0, "seconds": 0.04, **plain, **rates} for n in range(25)]
    tree = parsed(notebook_table(rows, 1.0, ["clock: none"]))
    table = tree.one("table").rows()
    assert table[1] == ["n0", "3", "4.0 %", "", "40.0 ms", "-", "1,234", "2.00", "-", "50.0", "memory"]
    assert len(table) == 1 + MOST_SHOWN
    assert {node.attributes["style"] for node in tree.all("span") if "style" in node.attributes} == {"width: 100.0%"}
    assert [note.text for note in tree.all(kind="hotloop-note")] == [
        "5 more rows with 20.0 % of the time: print(prof.table())", "clock: none",
    ]  # fmt: skip
    assert parsed(notebook_table([], 0.0, [])).one("table").rows()[1:] == []


def test_a_diagnosis():
    layer = {"layer": 1, "gradient": 0.01234, "growth": None, "step": 2e-3, "saturated": 0.25, "dead": None}
    found = FitDiagnosis("2-8-1", 5, 40, [Finding("dead ReLUs", HOSTILE, "a < b", "better")], [layer])
    tree = representation(Diagnosis([found, FitDiagnosis("2-4-1", 5, 1, [])], left_out=2))
    assert [title.text for title in tree.all(kind="hotloop-title")] == [
        "Diagnosis of fit 1 of 2", "dead ReLUs", "Diagnosis of fit 2 of 2", "nothing is wrong",
    ]  # fmt: skip
    assert [node.text for node in tree.one("dl").all()] == [
        "evidence", HOSTILE, "remedy", "a < b", "tried", "better",
    ]  # fmt: skip
    assert tree.one("table").rows()[1:] == [["1", "0.0123", "-", "0.002", "25%", "-"]]
    assert ["hotloop-well" in node.classes for node in tree.all(kind="hotloop-finding")] == [False, True]
    assert tree.all(kind="hotloop-note")[-1].text == "2 more fits were not looked at"
    assert representation(Diagnosis()).text == "no fit was looked at"
    unseen = Diagnosis([FitDiagnosis("2-4-1", 0, 0, [])])
    assert str(unseen) == "diagnosis of the fit, 2-4-1, looked at in 0 of 0 steps: nothing can be said"
    assert representation(unseen).all(kind="hotloop-title")[1].text == "nothing can be said"
    assert representation(unseen).all(kind="hotloop-finding") == []
    one = representation(Diagnosis([FitDiagnosis("2-4-1", 1, 1, [])]))
    assert one.all(kind="hotloop-title")[0].text == "Diagnosis of the fit"


def test_a_sweep_of_learning_rates():
    rates = np.geomspace(1e-4, 1.0, 60)
    sweep = LearningRateSweep(rates, np.concatenate([np.linspace(2, 1, 50), np.full(10, 3.0)]), 60)
    tree = representation(sweep)
    assert [row[:2] for row in tree.one("table").rows()[1:]] == [
        [rule, f"{sweep.suggestions[rule]:.3g}"] for rule in RULES
    ]
    assert f"valley, {sweep.valley:.2g}" in tree.one("svg").text
    short = LearningRateSweep(rates[:2], np.array([1.0, np.nan]), 60)
    tree = representation(short)
    assert tree.all("svg") == []
    assert short.remark in tree.text


def test_a_check_of_gradients():
    found = Network([2, 3, 1], "tanh", dtype="float64", seed=0).check_gradients(X[:4], Y[:4])
    tree = representation(found)
    table = tree.one("table").rows()
    assert [row[:3] for row in table[1:]] == [
        ["1", "weights", "6 of 6"], ["1", "biases", "3 of 3"], ["2", "weights", "3 of 3"], ["2", "biases", "1 of 1"],
    ]  # fmt: skip
    assert " ".join(str(found).splitlines()[-2:]).endswith(tree.one(kind="hotloop-finding").text)
    assert "hotloop-well" in tree.one(kind="hotloop-finding").classes


def test_data_sets():
    digits = load_digits()
    assert repr(digits) == "<Dataset digits: 3,823 training and 1,797 test rows, 64 inputs, 10 classes>"
    said = [node.text for node in representation(digits).one("dl").all()]
    assert said[:6] == ["training rows", "3,823", "test rows", "1,797", "inputs", "64, float32"]
    assert said[6:8] == ["classes", "10: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"]
    columns = (HOSTILE, *map(str, range(20)))
    rows = np.zeros((2, 21), np.float32)
    made = Dataset("a\x1b", rows, Y[:2], rows, Y[:2], None, Scaling(), columns, target=HOSTILE)
    assert repr(made) == r"<Dataset a\x1b: 2 training and 2 test rows, 21 inputs>"
    tree = representation(made)
    assert tree.one(kind="hotloop-title").text == r"Data set a\x1b"
    assert "8, 9, 10 and 9 more" in tree.text
    assert [node.text for node in tree.one("dl").all()][-1] == HOSTILE


def test_a_prepared_network_shows_its_columns():
    table = table_of({"age": [1.0, None, 3.0], HOSTILE: ["a", "b", "c"], "same": [1.0, 1.0, 1.0]})
    preparation = Preparation.fit(table)
    schema = Schema.of_plain({}, None, 1)
    prepared = PreparedNetwork(Network([preparation.n_inputs, 1], seed=0), preparation, schema)
    columns, layers = representation(prepared).all("table")
    rows = columns.rows()
    assert rows[0] == ["column", "taken for", "treatment", "inputs", "missing"]
    assert [(name, kind, inputs, missing) for name, kind, _, inputs, missing in rows[1:]] == [
        ("age", "number", "2", "1"), (HOSTILE, "category", "3", "-"), ("same", "number", "0", "-"),
    ]  # fmt: skip
    assert layers.rows()[0] == SUMMARY
    assert repr(prepared).startswith("<PreparedNetwork: <Preparation of 3 columns as 5 inputs>, then Network([5, 1]")
