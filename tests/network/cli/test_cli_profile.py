"""``hotloop profile``: the table, the diagnosis, the files, and one clear line for whatever is wrong."""

import json
import re
import sys

import numpy as np
import pytest
from command_line import TINY, run, write_flowers, write_houses
from conftest import needs_compiler

from hotloop.network.cli import profile as profile_command
from hotloop.network.datasets.dataset import Dataset
from hotloop.network.datasets.synthetic import synthetic

SMALL = ["--layers", "5,4,3", "--batch-size", "8", "--no-trials"]


@pytest.fixture(autouse=True)
def little_to_train(monkeypatch):
    """As much as plain Python gets through."""
    for name, value in {"FEWEST_ROWS": 40, "SYNTHETIC_BATCHES": 2, "MOST_EPOCHS": 5}.items():
        monkeypatch.setattr(profile_command, name, value)


def profiled(*arguments):
    status, out, err = run("profile", *arguments)
    assert (status, err) == (0, "")
    return out


def test_help_shows_the_options():
    status, out, _ = run("profile", "--help")
    assert status == 0
    for option in ("--layers", "--batch-size", "--epochs", "--trace", "--json", "--html", "--flamegraph", "--sort-by",
                   "--row-limit", "--no-trials", "--no-diagnosis", "--include-compile"):  # fmt: skip
        assert f"{option} " in out
    out = " ".join(out.split())
    assert "made-up data of that shape" in out
    assert "(default: 40; of made-up data for about a second)" in out
    assert "(default: digits; with --layers synthetic, which is made up)" in out


def test_layers_alone_are_of_made_up_data():
    out = profiled(*SMALL)
    assert out.startswith("data: synthetic: ")
    assert "5 x 4  relu" in out
    for name in ("gather", "forward", "weight gradient", "update", "Self CPU time total", "% of", "roof", "clock: "):
        assert name in out
    assert "diagnosis of the fit, 5-4-3 relu, softmax, looked at in " in out
    assert "compile " not in out


def test_a_csv_file(tmp_path):
    out = profiled("--data", write_flowers(tmp_path), *TINY, "--epochs", "2", "--no-diagnosis", "--row-limit", "3")
    assert "2 classes: rose, tulip" in out
    assert " more rows: row_limit is 3" in out
    assert "diagnosis" not in out


def test_values_and_a_loss_of_ones_own(tmp_path):
    out = profiled("--data", write_houses(tmp_path), "--loss", "huber", *TINY, "--epochs", "2", "--no-trials")
    assert "(huber of standardised targets)" in out
    assert "identity" in out


def test_the_order_of_the_table():
    body = profiled(*SMALL, "--sort-by", "order").split("Bound by\n")[1].splitlines()[1:]
    assert [line.split("  ")[0].strip() or line.split()[0] for line in body[:2]] == ["gather", "forward"]


def test_the_files(tmp_path):
    names = {name: tmp_path / f"{name}.out" for name in ("trace", "json", "html", "flamegraph")}
    out = profiled(*SMALL, *[part for name, path in names.items() for part in (f"--{name}", path)])
    for name, path in names.items():
        assert f"{name}: {path} (" in out
    assert json.loads(names["trace"].read_text())["traceEvents"]
    kept = json.loads(names["json"].read_text())
    assert kept["runs"][0]["network"] == "5-4-3"
    assert kept["diagnosis"][0]["network"].startswith("5-4-3")
    page = names["html"].read_text()
    assert page.startswith("<!DOCTYPE html>")
    parts = re.findall(r'\bid="([^"]+)"', page)  # of the pictures, which matplotlib names alike
    assert len(parts) == len(set(parts)) > 100
    assert set(re.findall(r'(?:url\(#|href="#)([^")]+)', page)) <= set(parts)
    assert "profile;fit" in names["flamegraph"].read_text()


@pytest.mark.parametrize("name", ["trace", "json", "html", "flamegraph"])
def test_a_file_that_cannot_be_written_is_refused_before_the_training(name, tmp_path, monkeypatch):
    monkeypatch.setattr(profile_command, "fit", None)  # cannot be called
    status, _, err = run("profile", *SMALL, f"--{name}", tmp_path / "nowhere" / "file")
    assert (status, err) == (
        2,
        f"hotloop: error: there is no folder {tmp_path / 'nowhere'} to write file in: make it first\n",
    )


@pytest.mark.parametrize("name", ["trace", "json", "html", "flamegraph"])
def test_a_file_that_is_the_data_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.setattr(profile_command, "fit", None)
    flowers = write_flowers(tmp_path)
    before = flowers.read_bytes()
    status, _, err = run("profile", "--data", flowers, f"--{name}", tmp_path / "." / flowers.name)
    assert (status, flowers.read_bytes()) == (2, before)
    assert "is also an input, and would be replaced: choose another name for the output" in err


def test_a_page_without_matplotlib_is_refused_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr(profile_command, "fit", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    status, _, err = run("profile", *SMALL, "--html", tmp_path / "page.html")
    assert status == 2
    assert err == "hotloop: error: pictures need matplotlib: python -m pip install 'hotloop[plot]'\n"


@pytest.mark.parametrize(("arguments", "message"), [
    (["--data", "synthetic"], "--data synthetic needs --layers for the numbers of inputs and outputs"),
    ([*SMALL, "--target", "3"], "synthetic data has no --target"),
    ([*SMALL, "--test-fraction", "0.5"], "synthetic data has no --test-fraction"),
    (["--layers", "5,4,1", "--loss", "cross_entropy"], "does not fit synthetic"),
    (["--layers", "10"], "--layers: found '10'; wanted whole numbers above 0, separated by commas, from"),
    ([*SMALL, "--trace", "a", "--json", "a"], "name one file twice"),
    ([*SMALL, "--trace", "a", "--json", "./a"], "name one file twice"),
    (["--row-limit", "0"], "--row-limit: found '0'; wanted a whole number above 0"),
    (["--sort-by", "speed"], "order 'speed' is not known. Known: self_cpu_time_total, cpu_time"),
    (["--data", "nowhere"], "there is no file or folder nowhere"),
])  # fmt: skip
def test_what_is_refused(arguments, message):
    status, _, err = run("profile", *arguments)
    assert status == 2
    assert message in err
    assert len(err.splitlines()) <= 2


@needs_compiler  # plain Python warns of the overflow
def test_a_training_that_diverges_is_shown_and_diagnosed():
    status, out, err = run("profile", "--layers", "5,4,1", "--optimizer", "sgd", "--learning-rate", "1e6")
    assert status == 2
    assert "Self CPU time total" in out
    assert "learning rate too large" in out
    assert "tried:" in out
    assert err.startswith("hotloop: error: training diverged in epoch 1")


@needs_compiler
def test_compiling_can_be_included():
    out = profiled(*SMALL, "--include-compile", "--dtype", "float64")
    assert "load kernels" in out
    assert "kernels loaded" not in out


# Made-up data.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("sizes", "classes", "shape", "names"), [
    ((5, 3), True, (40,), ("0", "1", "2")), ((5, 1), True, (40,), ("0", "1")), ((5, 1), False, (40,), None),
    ((5, 2), False, (40, 2), None),
])  # fmt: skip
def test_synthetic_data(sizes, classes, shape, names, dtype):
    data, same, other = (synthetic(sizes, 40, classes=classes, dtype=dtype, seed=seed) for seed in (0, 0, 1))
    assert isinstance(data, Dataset)
    assert (data.x_train.shape, data.x_train.dtype, data.x_test.shape) == ((40, 5), np.dtype(dtype), (8, 5))
    assert (data.y_train.shape, data.classes) == (shape, names)
    assert data.y_train.dtype == (np.int64 if classes else np.dtype(dtype))
    assert np.array_equal(data.x_train, same.x_train)
    assert not np.array_equal(data.x_train, other.x_train)
    if classes:
        assert set(np.unique(data.y_train)) == set(range(len(names)))


def test_synthetic_data_can_be_learned():
    """A least-squares fit of the inputs explains nearly all of the values."""
    data = synthetic((5, 1), 400, classes=False)
    design = np.hstack([data.x_train, np.ones((400, 1))])
    residuals = np.linalg.lstsq(design, data.y_train, rcond=None)[1]
    assert residuals[0] / np.var(data.y_train) / 400 < 0.05
