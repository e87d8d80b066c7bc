"""``hotloop train --report FILE``: a page about the run, with the right numbers in the right cells."""

import csv
import shlex
import signal
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from command_line import TINY, run, saved_network, write_flowers, write_houses
from conftest import needs_compiler
from html_reader import HOSTILE, parsed
from page_rules import breaches
from recorded_profile import CORE

from hotloop.network.cli import report_curves, report_results, run_report
from hotloop.network.cli import train as train_command
from hotloop.network.html.elements import element
from hotloop.network.profiling import recording
from hotloop.network.profiling.export import html_page
from hotloop.network.training import fit as fitting
from hotloop.network.training import thread_choice

pytest.importorskip("matplotlib")
SECTIONS = ["data", "network", "curves", "results", "worst", "diagnosis", "profile"]


@pytest.fixture
def pictures():
    """A test that looks at them asks for them: to draw one takes up to half a second."""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, request):
    """The limits of the machine take half a second to measure."""
    monkeypatch.setattr(recording, "measured", lambda *_, **__: CORE)
    if "pictures" not in request.fixturenames:
        for module, name in ((report_curves, "drawn"), (report_results, "drawn"), (html_page, "_chart")):
            monkeypatch.setattr(module, name, lambda *_, **__: element("figure"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(data, *options):
    return run("train", "--data", data, *TINY, "--epochs", "3", "--report", "run.html", *options)


def page(folder):
    text = (folder / "run.html").read_text(encoding="utf-8")
    assert breaches(text) == []
    return parsed(text.removeprefix("<!DOCTYPE html>\n"))


def reported(folder, data, *options):
    """Train, which must succeed; return the page and what was printed."""
    status, out, err = train(data, *options)
    assert (status, err) == (0, "")
    assert out.endswith("report in run.html: open it in a browser\n")
    return page(folder), out


def section(tree, name):
    return next(each for each in tree.all("section") if each.attributes["id"] == name)


def test_a_run_on_classes(folder, pictures):
    flowers = write_flowers(folder)
    tree, out = reported(folder, flowers, "--save", "model", "--test-fraction", "0.5")
    assert [each.attributes["id"] for each in tree.all("section")] == SECTIONS
    for line in tree.one("header").all("li"):
        assert f"{line.text}\n" in out
    assert "2 classes: rose, tulip" in section(tree, "data").text
    assert [row[:2] for row in section(tree, "data").one("table").rows()[1:]] == [
        ["length", "number"], ["width", "number"]
    ]  # fmt: skip
    assert section(tree, "network").one("table").rows()[1][:3] == ["1", "2 x 4", "relu"]
    assert "Adam(learning_rate=0.002" in section(tree, "network").text
    assert [each.all("title")[0].text for each in section(tree, "curves").all("svg")] == ["Loss", "Accuracy"]
    assert len(section(tree, "curves").one("table").rows()) == 4

    saved = saved_network("model")
    cells = [line.split(",") for line in flowers.read_text().splitlines()]
    head, *rows = section(tree, "worst").one("table").rows()
    assert head == ["row", "true", "predicted", "its probability", "probability of the true", "loss", "length", "width"]
    losses = [float(row[5]) for row in rows]
    assert losses == sorted(losses, reverse=True)
    for row in rows:
        kind, number = row[0].split()
        assert kind == "line"
        assert [f"{float(cell):.6g}" for cell in cells[int(number) - 1][:2]] == row[6:]
        assert row[1] == cells[int(number) - 1][2]
        assert float(row[5]) == pytest.approx(-np.log(float(row[4])), abs=0.01)  # of a rounded probability
        assert (float(row[3]) == float(row[4])) == (row[1] == row[2])
    assert saved.epochs_trained > 0

    matrix, each = section(tree, "results").all("table")
    counts = np.array([row[1:] for row in matrix.rows()[1:]], int)
    right = f"({np.trace(counts)} of {counts.sum()} right)"
    assert right in out
    assert matrix.rows()[0] == ["true \\ predicted", "rose", "tulip"]
    assert [row[:3] for row in each.rows()[1:]] == [
        [name, str(counts[at].sum()), str(counts[at, at])] for at, name in enumerate(("rose", "tulip"))
    ]  # fmt: skip


def test_the_confusion_matrix_has_the_true_classes_down():
    prepared = SimpleNamespace(
        test=SimpleNamespace(labels=np.array([0, 0, 1])), data=SimpleNamespace(classes=("a", "b"))
    )
    net, outputs = SimpleNamespace(activations=["softmax"]), np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    tested = report_results.Tested(net, prepared, 1, {}, outputs)
    assert tested.counts.tolist() == [[1, 1], [0, 1]]
    long = SimpleNamespace(test=prepared.test, data=SimpleNamespace(classes=("a" * 3000, "b")))
    assert max(map(len, report_results.Tested(net, long, 1, {}, outputs).classes)) == report_results.LONGEST
    results = parsed(report_results.confusion_part(tested))
    assert results.all("table")[0].rows()[1:] == [["a", "1", "1"], ["b", "0", "1"]]
    assert results.all("table")[1].rows()[1:] == [
        ["a", "2", "1", "50.0 %", "100.0 %", "b (1)"], ["b", "1", "1", "100.0 %", "50.0 %", "-"]
    ]  # fmt: skip


def test_long_names_are_cut(folder):
    column, target, kind = "c" * 3000, "t" * 3000, "k" * 3000
    rows = (f"{row % 7},{row % 2},{kind}{row % 2}" for row in range(24))
    (folder / "long.csv").write_text("\n".join([f"{column},width,{target}", *rows, ""]))
    tree, out = reported(folder, "long.csv", "--target", target)
    texts = [each.text for tag in ("dt", "dd", "td", "th", "p", "li") for each in tree.all(tag)]
    assert max(map(len, texts)) < 300
    assert max(map(len, out.splitlines())) < 300


def test_a_run_on_values(folder, pictures):
    houses = write_houses(folder)
    tree, out = reported(folder, houses, "--target", "price", "--test-fraction", "0.5")
    results = section(tree, "results")
    name, rmse, mae, *_ = results.one("table").rows()[1]
    assert name == "the target"
    assert f"test rmse {rmse}, mae {mae}, in the unit of the target\n" in out
    assert [each.all("title")[0].text for each in results.all("svg")] == [
        "Predicted against true: the target", "Residuals: the target"
    ]  # fmt: skip
    prices = [line.split(",")[0] for line in houses.read_text().splitlines()]
    head, *rows = section(tree, "worst").one("table").rows()
    assert head == ["row", "true", "predicted", "residual", "loss", "size", "age"]
    for row in rows:
        true, predicted, residual = map(float, row[1:4])
        assert true == pytest.approx(float(prices[int(row[0].removeprefix("line ")) - 1]), abs=1e-3)
        assert residual == pytest.approx(predicted - true, abs=2e-3)


def test_several_values_and_arrays(folder):
    """Six outputs have pictures of the first four; rows are those of the array."""
    y = np.arange(240.0).reshape(40, 6)
    np.savez("data.npz", x=np.random.default_rng(0).normal(size=(40, 3)), y=y)
    tree, _ = reported(folder, "data.npz", "--validation-fraction", "0")
    results = section(tree, "results")
    assert len(results.one("table").rows()) == 7
    assert len(results.all("figure")) == 8
    assert "2 more values have no picture." in results.text
    for row in section(tree, "worst").one("table").rows()[1:]:
        assert row[1] == ", ".join(f"{value:g}" for value in y[int(row[0].removeprefix("row ")), :3]) + ", ..."


def test_names_from_the_data_stay_text(folder):
    quoted = ['"' + name.replace('"', '""') + '"' for name in (HOSTILE, "</table><script>alert(2)</script>", "$a_b$")]
    lines = [",".join([*quoted, '"</h2>"']), *(f"{row % 7},{row % 3},<i>{row % 2},</td>{row % 2}" for row in range(30))]
    (folder / "data.csv").write_text("\n".join(lines))
    tree, _ = reported(folder, "data.csv")
    assert not tree.all("img")
    assert not tree.all("i")
    assert len(tree.all("script")) == 1
    assert HOSTILE in section(tree, "data").text
    assert "</td>1" in section(tree, "results").text
    assert "<i>1" in section(tree, "worst").text


@needs_compiler
def test_digits_are_shown(folder):
    """With a squared error, outputs are no probabilities."""
    tree, _ = reported(folder, "digits", "--epochs", "1", "--hidden", "8", "--batch-size", "64", "--loss", "mse")
    head = section(tree, "worst").one("table").rows()[0]
    assert head == ["row", "picture", "true", "predicted", "its output", "output of the true", "loss"]
    images = section(tree, "worst").all("img")
    assert len(images) == 10
    assert all(each.attributes["src"].startswith("data:image/png;base64,") for each in images)
    assert len(section(tree, "results").all("table")) == 2


def test_many_classes_have_no_matrix(folder):
    np.savez("data.npz", x=np.random.default_rng(0).normal(size=(200, 3)), y=np.arange(200) % 50)
    tree, _ = reported(folder, "data.npz", "--loss", "cross_entropy")
    (each,) = section(tree, "results").all("table")
    assert len(each.rows()) == 51


@pytest.mark.parametrize("options", [
    ["--loss", "binary_cross_entropy"],
    ["--loss", "binary_cross_entropy", "--output", "identity"],
    ["--output", "identity"],
])  # fmt: skip
def test_what_a_network_gives_each_class(options, folder):
    """One output or one for each, probabilities or logits: the surer of a wrong class, the less of the true one."""
    tree, _ = reported(folder, write_flowers(folder), "--test-fraction", "0.5", *options)
    for row in section(tree, "worst").one("table").rows()[1:]:
        sure, true = map(float, row[3:5])
        assert sure >= 0.5
        assert true == pytest.approx(sure if row[1] == row[2] else 1 - sure, abs=2e-3)


def test_a_report_changes_no_bit(folder):
    flowers = write_flowers(folder)
    assert train(flowers, "--save", "one", "--dropout", "0.2")[0] == 0
    assert run("train", "--data", flowers, *TINY, "--epochs", "3", "--save", "other", "--dropout", "0.2")[0] == 0
    assert np.array_equal(saved_network("one").parameters, saved_network("other").parameters)


def test_the_command_can_be_typed_again(folder):
    flowers = write_flowers(folder).rename(folder / "my flowers' data.csv")
    tree, _ = reported(folder, flowers)
    command = section(tree, "network").all("code")[-1].text
    assert shlex.split(command)[:4] == ["hotloop", "train", "--data", str(flowers)]
    assert shlex.split(command)[-2:] == ["--report", "run.html"]


def test_a_run_that_is_resumed(folder, pictures):
    flowers = write_flowers(folder)
    options = ["--checkpoint", "kept", "--epochs", "2"]
    assert run("train", "--data", flowers, *TINY, *options)[0] == 0
    tree, _ = reported(folder, flowers, *options, "--resume")  # it has nothing left to do
    assert "looked at in 0 of 0 steps: nothing can be said" in section(tree, "diagnosis").text
    assert len(section(tree, "curves").one("table").rows()) == 3


def test_ctrl_c_leaves_a_report_of_what_there_is(folder, monkeypatch):
    flowers, real, calls = write_flowers(folder), fitting.train_slice, []

    def sliced(*given):
        real(*given)
        calls.append(given)
        if len(calls) == 8:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(thread_choice, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(fitting, "train_slice", sliced)
    status, out, err = train(flowers, "--epochs", "9")
    assert (status, err) == (130, "")
    tree = page(folder)
    assert "interrupted in epoch " in tree.one("header").text
    assert "interrupted in epoch " in out
    assert [each.attributes["id"] for each in tree.all("section")] == SECTIONS


def test_ctrl_c_while_it_is_written_loses_only_the_report(folder, monkeypatch):
    def interrupted(*_):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(run_report, "page", interrupted)
    status, out, err = train(write_flowers(folder), "--save", "model")
    assert (status, err) == (130, "hotloop: interrupted: no report was written\n")
    assert "test accuracy" in out
    assert saved_network("model").epochs_trained == 3
    assert not (folder / "run.html").exists()


def test_a_run_that_diverges_has_a_report_that_says_so(folder, pictures):
    options = ["--loss", "mse", "--optimizer", "sgd", "--learning-rate", "1e6", "--epochs", "40"]
    status, out, err = train(write_houses(folder), *options)
    assert status == 2
    assert "hotloop: error: training diverged" in err
    assert out.endswith("report in run.html: open it in a browser\n")
    tree = page(folder)
    assert "training diverged" in tree.one("header").text
    assert [each.attributes["id"] for each in tree.all("section")] == ["data", "network", "curves", *SECTIONS[5:]]


def test_a_full_disk_loses_only_the_report(folder, monkeypatch):
    def full(path, _):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(run_report, "write_file", full)
    status, out, err = train(write_flowers(folder))
    assert status == 2
    assert err == "hotloop: error: [Errno 28] No space left on device: 'run.html'; no report was written\n"
    assert "test accuracy" in out
    assert "report in" not in out


@pytest.mark.parametrize(("options", "message"), [
    (["--report", "none/run.html"], "there is no folder none to write run.html in: make it first"),
    (["--report", "."], ". is a folder: give the name of a file in it"),
    (["--report", "flowers.csv"], "flowers.csv is also an input, and would be replaced: choose another name"),
    (["--report", "one", "--save", "./one"], "--report and --save name one file"),
    (["--report", "one", "--checkpoint", "one"], "--report and --checkpoint name one file"),
])  # fmt: skip
def test_faults_in_one_line_before_the_training(options, message, folder, monkeypatch):
    write_flowers(folder)
    monkeypatch.setattr(train_command, "fit", None)  # cannot be called
    status, _, err = train("flowers.csv", *options)
    assert status == 2
    assert err.count("\n") == 1
    assert message in err


def test_without_matplotlib_it_is_refused_before_the_training(folder, monkeypatch):
    monkeypatch.setattr(train_command, "fit", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    status, _, err = train(write_flowers(folder))
    assert (status, err) == (2, "hotloop: error: pictures need matplotlib: python -m pip install 'hotloop[plot]'\n")


def test_help_names_it():
    assert "--report FILE" in run("train", "--help")[1]


def test_the_cells_of_a_parquet_file(folder):
    """Numbers, dates, booleans, text and what is missing are shown as people write them."""
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    dates = np.arange("2024-01-01", "2024-02-10", dtype="datetime64[D]")
    columns = {"n": [None, *range(39)], "day": dates, "ok": [True, False] * 20, "kind": ["a", "b"] * 20}
    parquet.write_table(pyarrow.table(columns), "data.parquet")
    tree, _ = reported(folder, "data.parquet")
    for row in section(tree, "worst").one("table").rows()[1:]:
        at = int(row[0].removeprefix("row "))
        assert row[6:] == ["" if at == 0 else str(at - 1), str(dates[at]), str(at % 2 == 0)]


def test_the_report_reads_the_rows_of_a_csv_file_with_quotes_and_blank_lines(folder):
    lines = ["a,b,kind", "", *(f'"{row}\n",{row % 5},{"xy"[row % 2]}' for row in range(30))]
    (folder / "data.csv").write_text("\n".join(lines))
    with open("data.csv", newline="") as file:
        reader = csv.reader(file)
        kinds = {}
        for cells in reader:
            kinds[reader.line_num] = cells[-1:]
    tree, _ = reported(folder, "data.csv")
    rows = section(tree, "worst").one("table").rows()[1:]
    assert rows
    for row in rows:
        assert kinds[int(row[0].removeprefix("line "))] == [row[1]]
