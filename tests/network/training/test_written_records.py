"""The callbacks that write: ModelCheckpoint, CSVLogger, TensorBoard."""

import csv
import json
import os
import sys
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest
from conftest import same_bits
from watched_fits import build, problem, train

from hotloop import Adam, Callback, Network
from hotloop.callbacks import CSVLogger, LambdaCallback, ModelCheckpoint, TensorBoard
from hotloop.network.training import tensor_board

VALIDATED = {"validation_data": (problem()[0], -problem()[1]), "optimizer": Adam(0.01)}  # it gets worse


class Fails(Callback):
    def on_epoch_begin(self, fit):
        if fit.epoch == 3:
            raise ZeroDivisionError


# ModelCheckpoint.


def test_the_best_network_is_saved(tmp_path):
    kept = []
    keep = LambdaCallback(on_epoch_end=lambda fit: kept.append(fit.network.parameters.copy()))
    _, history = train(epochs=6, callbacks=[keep, ModelCheckpoint(tmp_path / "best")], **VALIDATED)
    best = int(np.argmin([record["val_loss"] for record in history.epochs]))
    assert best < 5
    assert os.listdir(tmp_path) == ["best"]
    found = Network.load(tmp_path / "best")
    assert same_bits(found.parameters, kept[best])
    assert found.epochs_trained == best + 1


def test_numbers_of_the_record_are_in_the_name(tmp_path):
    """Of each epoch that was the best so far, or of each."""
    course = [3.0, 1.0, 2.0, 0.5, 0.5]
    adds = LambdaCallback(on_epoch_end=lambda fit: fit.record.update(mine=course[fit.epoch - 1]))
    for monitor, mode, best_only, wanted in (
        ("mine", "min", True, ["1-3.00", "2-1.00", "4-0.50"]), ("mine", "max", True, ["1-3.00"]),
        ("val_loss", "auto", False, ["1-3.00", "2-1.00", "3-2.00", "4-0.50", "5-0.50"]),
    ):  # fmt: skip
        folder = tmp_path / f"{mode}{best_only}"
        folder.mkdir()
        saves = ModelCheckpoint(str(folder / "{epoch}-{mine:.2f}"), monitor, mode=mode, save_best_only=best_only)
        for _ in range(2):  # a second fit begins anew
            train(epochs=5, callbacks=[adds, saves])
            assert sorted(os.listdir(folder)) == wanted
            [path.unlink() for path in folder.iterdir()]


def test_a_checkpoint_goes_on_with_its_state(tmp_path):
    saves = ModelCheckpoint(tmp_path / "{epoch}")
    saves.load_state_dict({"best": 0.0})
    train(epochs=3, callbacks=[saves], **VALIDATED)
    assert os.listdir(tmp_path) == []
    train(epochs=3, callbacks=[saves], **VALIDATED)
    assert os.listdir(tmp_path) != []
    assert 0 < saves.state_dict()["best"] < np.inf


@pytest.mark.parametrize(("path", "error", "message"), [
    (3, TypeError, "path must be a path such as 'best.safetensors', got 3"), ("", TypeError, "path must be a path"),
    (b"best", TypeError, "path must be a path"), ("a{epoch", ValueError, "is not a format such as"),
    ("a{}", ValueError, "must name numbers of the record in its braces"),
    ("{epoch.real}", ValueError, "must name numbers"),
])  # fmt: skip
def test_a_path_that_is_none(path, error, message):
    with pytest.raises(error, match=message):
        ModelCheckpoint(path)


def test_what_cannot_be_saved_is_said_before_the_training(tmp_path):
    net = build()
    with pytest.raises(ValueError, match="ModelCheckpoint monitors 'val_loss', and the fit has no validation data"):
        train(net, callbacks=[ModelCheckpoint(tmp_path / "best")])
    with pytest.raises(FileNotFoundError, match=r"the folder .*none does not exist"):
        train(net, callbacks=[ModelCheckpoint(tmp_path / "none" / "best")], **VALIDATED)
    names = r"names 'val_los', which no epoch has; it has epoch, loss, val_loss, .* Did you mean 'val_loss'\?"
    with pytest.raises(ValueError, match=names):
        train(net, callbacks=[ModelCheckpoint(tmp_path / "{val_los}")], **VALIDATED)
    with pytest.raises(ValueError, match="names 'val_loss', and the fit has no validation data"):
        train(net, callbacks=[ModelCheckpoint(tmp_path / "{val_loss}", "loss")])
    for wrong in ("{loss:02d}", "{epoch:s}", "{loss:{width}}"):
        with pytest.raises(ValueError, match=r"path '.*' cannot be written with the numbers of the record: .*such as"):
            train(net, callbacks=[ModelCheckpoint(tmp_path / wrong, "loss")])
    with pytest.raises(IsADirectoryError, match="is a folder, where a file is to be written"):
        train(net, callbacks=[ModelCheckpoint(tmp_path, "loss")])
    assert (net.steps, net.optimizer) == (0, None)
    adds = LambdaCallback(on_epoch_end=lambda fit: fit.record.update(mine="x"))
    with pytest.raises(ValueError, match=r"names 'val_los', which no epoch has; it has epoch, loss, val_loss"):
        train(net, callbacks=[adds, ModelCheckpoint(tmp_path / "{val_los}")], **VALIDATED)
    with pytest.raises(ValueError, match=r"'.*{mine:.2f}' cannot be written with the numbers of the record: .*'f'"):
        train(net, callbacks=[adds, ModelCheckpoint(tmp_path / "{mine:.2f}", "loss")])
    assert net.steps == 2 * 5


def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    (tmp_path / "log").touch()
    for callback in (ModelCheckpoint(tmp_path / "best"), CSVLogger(tmp_path / "new"), CSVLogger(tmp_path / "log")):
        with pytest.raises(PermissionError, match="cannot be written to"):
            train(callbacks=[callback], **VALIDATED)


# CSVLogger.


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def expected_rows(history):
    return [list(history.epochs[0]), *[[str(value) for value in record.values()] for record in history.epochs]]


def test_each_epoch_is_a_line_with_all_digits(tmp_path):
    path, seen = tmp_path / "log.csv", []
    path.write_text("what an older fit left")
    look = LambdaCallback(on_epoch_end=lambda fit: seen.append(len(rows_of(path))))
    for _ in range(2):  # a second fit replaces the file
        _, history = train(epochs=3, callbacks=[CSVLogger(path), look], **VALIDATED)
        assert rows_of(path) == expected_rows(history)
        assert [float(row[2]) for row in rows_of(path)[1:]] == [record["val_loss"] for record in history.epochs]
    assert seen == [2, 3, 4] * 2


def test_the_columns_are_those_of_the_first_epoch(tmp_path):
    def add(fit):
        fit.record.update({"odd": 1} if fit.epoch % 2 else {"even": 2})

    train(epochs=3, callbacks=[LambdaCallback(on_epoch_end=add), CSVLogger(tmp_path / "log.csv")])
    head, *rows = rows_of(tmp_path / "log.csv")
    assert head == ["epoch", "loss", "learning_rate", "seconds", "odd"]
    assert [row[4] for row in rows] == ["1", "", "1"]


@pytest.mark.parametrize("cut", [False, True])
def test_a_file_is_appended_to(tmp_path, cut):
    """By its own columns; also where its last line was cut short."""
    path = tmp_path / "log.csv"
    path.write_text("loss,mine,epoch\n1.5,7,1" + "\n" * (not cut))
    _, history = train(epochs=2, callbacks=[CSVLogger(path, append=True)])
    loss = [str(record["loss"]) for record in history.epochs]
    assert rows_of(path) == [["loss", "mine", "epoch"], ["1.5", "7", "1"], [loss[0], "", "1"], [loss[1], "", "2"]]
    _, history = train(epochs=1, callbacks=[CSVLogger(tmp_path / "new.csv", append=True)])
    assert rows_of(tmp_path / "new.csv") == expected_rows(history)


def test_a_file_of_something_else_is_not_appended_to(tmp_path):
    (tmp_path / "log.csv").write_text("name,price\nrose,3\n")
    net = build()
    with pytest.raises(
        ValueError, match=r"log.csv has none of the columns epoch, loss, learning_rate, seconds: it is not a log"
    ):
        train(net, callbacks=[CSVLogger(tmp_path / "log.csv", append=True)])
    assert rows_of(tmp_path / "log.csv") == [["name", "price"], ["rose", "3"]]
    assert net.steps == 0
    adds = LambdaCallback(on_epoch_end=lambda fit: fit.record.update(price=3))
    train(net, epochs=1, callbacks=[adds, CSVLogger(tmp_path / "log.csv", append=True)])
    assert rows_of(tmp_path / "log.csv")[2] == ["", "3"]


def test_what_was_trained_before_a_failure_is_there(tmp_path):
    with pytest.raises(ZeroDivisionError):
        train(callbacks=[CSVLogger(tmp_path / "log.csv"), Fails()])
    assert len(rows_of(tmp_path / "log.csv")) == 1 + 2


def test_a_fit_that_fails_at_once_leaves_the_file(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("epoch\n1\n")
    with pytest.raises(ZeroDivisionError):
        train(callbacks=[CSVLogger(path), LambdaCallback(on_fit_begin=lambda fit: 1 / 0)])
    assert path.read_text() == "epoch\n1\n"
    net, _ = train(epochs=1, optimizer=Adam(0.01))
    with pytest.raises(FileNotFoundError, match=r"the folder .*none does not exist"):
        train(net, callbacks=[CSVLogger(tmp_path / "none" / "log.csv")])
    with pytest.raises(IsADirectoryError, match="is a folder, where a file is to be written"):
        train(net, callbacks=[CSVLogger(tmp_path)])
    assert (net.steps, net.optimizer) == (5, Adam(0.01))
    with pytest.raises(ZeroDivisionError):
        train(callbacks=[CSVLogger(tmp_path / "new.csv"), LambdaCallback(on_fit_begin=lambda fit: 1 / 0)])
    assert not (tmp_path / "new.csv").exists()


@pytest.mark.parametrize("loaded_first", [True, False])
def test_a_resumed_fit_goes_on_with_the_file(tmp_path, loaded_first):
    """What the stopped one wrote after its state was taken is cut off."""
    path, states = tmp_path / "log.csv", []
    first, second = CSVLogger(path), CSVLogger(path)
    take = LambdaCallback(on_epoch_end=lambda fit: states.append(json.dumps(first.state_dict())))
    _, history = train(epochs=4, callbacks=[first, take])
    load = LambdaCallback(on_fit_begin=lambda fit: second.load_state_dict(json.loads(states[1])))
    _, more = train(epochs=2, callbacks=[load, second] if loaded_first else [second, load])
    assert rows_of(path) == [*expected_rows(history)[:3], *expected_rows(more)[1:]]
    path.unlink()  # the columns are written again
    _, more = train(epochs=2, callbacks=[load, second])
    assert rows_of(path) == expected_rows(more)
    _, alone = train(epochs=1, callbacks=[second])
    assert rows_of(path) == expected_rows(alone)
    assert CSVLogger(path).state_dict() == {}
    second.load_state_dict(json.loads(states[1]))
    with pytest.raises(ZeroDivisionError):  # a resumed fit that ends before it has written
        train(callbacks=[second, LambdaCallback(on_epoch_begin=lambda fit: 1 / 0)])
    _, alone = train(epochs=1, callbacks=[second])
    assert rows_of(path) == expected_rows(alone)


# TensorBoard.


class Writer:
    """Stands for that of tensorboard."""

    written: ClassVar[list] = []

    def __init__(self, folder):
        self.folder, self.closed = os.path.basename(folder), False

    def add_scalar(self, tag, value, step):
        assert not self.closed
        self.written.append((self.folder, tag, value, step))

    def flush(self):
        self.written.append("flush")

    def close(self):
        self.closed = True
        self.written.append("close")


@pytest.mark.parametrize("package", ["tensorboard.summary", "tensorboardX"])
def test_what_tensorboard_is_told(tmp_path, monkeypatch, package):
    """In two runs, so that loss and validation loss are drawn in one picture."""
    module = ModuleType(package)
    module.Writer = module.SummaryWriter = Writer
    for name in ("tensorboard", "tensorboard.summary", "tensorboardX"):
        monkeypatch.setitem(sys.modules, name, None)
    if package == "tensorboard.summary":
        monkeypatch.setitem(sys.modules, "tensorboard", ModuleType("tensorboard"))
    monkeypatch.setitem(sys.modules, package, module)
    monkeypatch.setattr(Writer, "written", [])
    adds = LambdaCallback(on_epoch_end=lambda fit: fit.record.update(note="warm"))
    with pytest.raises(ZeroDivisionError):
        train(callbacks=[adds, (board := TensorBoard(tmp_path)), Fails()], **VALIDATED)
    scalars = [item for item in Writer.written if not isinstance(item, str)]
    names = [("train", "loss"), ("validation", "loss"), ("validation", "r2"), ("train", "seconds")]
    assert [item for item in ((run, tag, step) for run, tag, _, step in scalars) if item[:2] in names] == [
        (*name, step) for step in (1, 2) for name in names
    ]
    assert all(type(value) is float for _, _, value, _ in scalars)
    assert "note" not in [tag for _, tag, *_ in scalars]
    assert Writer.written[-4:] == ["flush", "flush", "close", "close"]
    train(epochs=1, callbacks=[board])  # and again


def test_a_log_of_tensorboard_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tensor_board, "_writer_class", lambda: Writer)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"log_dir .*file is a file; wanted a folder"):
        train(net := build(), callbacks=[TensorBoard(tmp_path / "file")])
    assert net.steps == 0


def test_tensorboard_needs_a_package(tmp_path, monkeypatch):
    for name in ("tensorboard", "tensorboard.summary", "tensorboardX"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        ImportError, match=r'TensorBoard needs the package tensorboard or tensorboardX: pip install "hot'
    ):
        TensorBoard(tmp_path)


def test_tensorboard_reads_it_back(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    _, history = train(epochs=3, callbacks=[TensorBoard(tmp_path / "runs")], **VALIDATED)
    for run, tag, name in (
        ("train", "loss", "loss"),
        ("validation", "loss", "val_loss"),
        ("validation", "r2", "val_r2"),
    ):
        events = accumulator.EventAccumulator(str(tmp_path / "runs" / run))
        events.Reload()
        found = [(event.step, event.tensor_proto.float_val[0]) for event in events.Tensors(tag)]
        assert found == [(record["epoch"], np.float32(record[name])) for record in history.epochs]
