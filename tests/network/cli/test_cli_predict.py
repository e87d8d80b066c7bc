"""``hotloop predict``: predictions as CSV, with inputs named and scaled as in training."""

import csv
import os

import numpy as np
import pytest
from command_line import run, train_tiny, write_houses

from hotloop import Network, PreparedNetwork
from hotloop.network.tables.table import table_of
from hotloop.network.tables.table_data import load_table


@pytest.fixture
def houses(tmp_path):
    return write_houses(tmp_path)


def read_csv(text):
    return list(csv.reader(text.splitlines()))


def test_predictions_are_those_of_the_trained_network(houses, tmp_path):
    train_tiny(houses, "--target", "price", "--epochs", "2", "--save", tmp_path / "model")
    _, preparation = load_table(houses, "price")
    _, out, err = run("predict", tmp_path / "model", houses)
    rows = read_csv(out)
    assert (rows[0], err) == (["prediction"], "")
    table = np.loadtxt(houses, delimiter=",", skiprows=1)[:, 1:]
    model = PreparedNetwork.load(tmp_path / "model")
    np.testing.assert_array_equal(np.array(rows[1:], dtype=np.float32), model.predict(table))
    prepared = preparation.transform(table_of(table))
    np.testing.assert_array_equal(np.array(rows[1:], dtype=np.float32), model.network.predict(prepared))


def test_columns_go_by_name(houses, tmp_path):
    train_tiny(houses, "--target", "price", "--epochs", "2", "--save", tmp_path / "model")
    table = read_csv(houses.read_text())
    other = tmp_path / "other.csv"
    other.write_text("\n".join(f"{age},x,{size}" for _, size, age in table).replace("age,x,size", "age,note,size"))
    assert run("predict", tmp_path / "model", other) == run("predict", tmp_path / "model", houses)


def test_columns_without_names_go_by_place(houses, tmp_path):
    """The target was the first column, so that is left out; without it, all columns are inputs."""
    table = read_csv(houses.read_text())[1:]
    whole, bare = tmp_path / "whole.csv", tmp_path / "bare.csv"
    whole.write_text("\n".join(",".join(row) for row in table))
    bare.write_text("\n".join(",".join(row[1:]) for row in table))
    train_tiny(whole, "--target", "0", "--epochs", "2", "--save", tmp_path / "model")
    status, out, _ = run("predict", tmp_path / "model", whole)
    assert (status, out.count("\n")) == (0, 1 + 40)
    assert run("predict", tmp_path / "model", bare)[1] == out


def test_output_goes_to_a_file_whole_or_not_at_all(houses, tmp_path, monkeypatch):
    train_tiny(houses, "--target", "price", "--epochs", "1", "--save", tmp_path / "model")
    out = tmp_path / "predictions.csv"
    assert run("predict", tmp_path / "model", houses, "--output", out) == (0, "", "")
    assert out.read_text() == run("predict", tmp_path / "model", houses)[1]
    before = sorted(tmp_path.iterdir())
    out.write_text("old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("the disk is full")))
    assert run("predict", tmp_path / "model", houses, "--output", out)[::2] == (2, "hotloop: error: the disk is full\n")
    assert (out.read_text(), sorted(tmp_path.iterdir())) == ("old", before)


def test_output_to_a_pipe_is_written_directly(houses, tmp_path):
    """A file renamed over a pipe or a device would remove it. Never tested on a device: a fault would do just that."""
    train_tiny(houses, "--target", "price", "--epochs", "1", "--save", tmp_path / "model")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert run("predict", tmp_path / "model", houses, "--output", pipe) == (0, "", "")
        assert pipe.is_fifo()
        assert os.read(reader, 65536).decode() == run("predict", tmp_path / "model", houses)[1]
    finally:
        os.close(reader)
    status, _, err = run("train", "--data", houses, "--save", pipe)
    assert (status, err) == (2, f"hotloop: error: {pipe} is a device or a pipe: give the name of a file\n")
    assert pipe.is_fifo()


def test_output_through_a_symbolic_link(houses, tmp_path):
    train_tiny(houses, "--target", "price", "--epochs", "1", "--save", tmp_path / "model")
    (tmp_path / "link").symlink_to("file")
    assert run("predict", tmp_path / "model", houses, "--output", tmp_path / "link") == (0, "", "")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text().startswith("prediction\n")


def test_a_model_without_the_command_lines_metadata_takes_inputs_as_they_are(tmp_path):
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x)
    for loss, head in (
        ("cross_entropy", "prediction,probability_0,probability_1"),
        ("mse", "prediction_0,prediction_1"),
    ):
        net = Network([3, 2], loss=loss, seed=0)
        net.save(tmp_path / "model")
        _, out, _ = run("predict", tmp_path / "model", tmp_path / "data.npz")
        assert out.startswith(head + "\n")
        shares = np.array(read_csv(out)[1:], dtype=np.float32)[:, -2:]
        np.testing.assert_array_equal(shares, net.predict(x))
