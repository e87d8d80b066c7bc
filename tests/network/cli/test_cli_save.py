"""``hotloop train --save``: a trained network that cannot be saved is not lost, and a saved one is whole."""

import errno
import os
import re
import resource
import signal
import tempfile
from pathlib import Path

import numpy as np
import pytest
from command_line import TINY, run, saved_network, train_tiny, write_flowers, write_houses
from conftest import needs_compiler

from hotloop import Network, PreparedNetwork
from hotloop.network.cli import train as train_command


@pytest.fixture
def flowers(tmp_path):
    return write_flowers(tmp_path)


def train(data, model, *options):
    return run("train", "--data", data, *TINY, "--epochs", "2", "--save", model, *options)


@pytest.fixture
def full(monkeypatch, tmp_path):
    """Return a function that fills the disks of the given folders, and folders for a network."""
    temporary, current, memory = (tmp_path / name for name in ("temporary", "current", "memory"))
    for folder in (temporary, current, memory):
        folder.mkdir()
    monkeypatch.chdir(current)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(train_command, "MEMORY", str(memory))
    replace = os.replace

    def fill(*folders):
        def fail(source, target):
            if any(Path(folder) in Path(target).absolute().parents for folder in folders):
                raise OSError(errno.ENOSPC, "No space left on device")
            replace(source, target)

        monkeypatch.setattr(os, "replace", fail)

    return fill, temporary, current


def kept_in(err, model):
    """Return where the network is kept, by the one line on standard error."""
    pattern = rf"hotloop: error: \[Errno 28\] No space left on device: '{model}'; the network is kept in (\S+)\n"
    return Path(re.fullmatch(pattern, err)[1])


@pytest.mark.parametrize("place", ["temporary", "current", "memory"])
def test_a_network_is_kept_in_another_place(place, flowers, tmp_path, full):
    fill, temporary, current = full
    model = tmp_path / "there" / "flowers.safetensors"
    model.parent.mkdir()
    model.write_bytes(b"old")
    fill(model.parent, *{"temporary": [], "current": [temporary], "memory": [temporary, current]}[place])
    status, out, err = train(flowers, model)
    other = kept_in(err, model)
    assert (status, other.parent.parent, other.name) == (2, tmp_path / place, model.name)
    assert "\ntrained 2 epochs\nkept: the parameters of epoch " in out
    assert "\ntest accuracy " in out
    assert out.endswith(f"\nsaved in {other}; to predict: hotloop predict {other} DATA\n")
    assert saved_network(other).epochs_trained == 2
    assert model.read_bytes() == b"old"
    left = {path.name for path in tmp_path.rglob("*") if path not in (other, other.parent)}
    assert left == {"flowers.csv", "there", "flowers.safetensors", "temporary", "current", "memory"}


def test_no_place_at_all(flowers, tmp_path, full):
    fill, _, _ = full
    fill("/")
    status, out, err = train(flowers, tmp_path / "model")
    assert status == 2
    assert err.endswith("model'; the network could not be kept in another place\n")
    assert len(err.splitlines()) == 1
    assert "\ntrained 2 epochs\nkept: the parameters of epoch " in out
    assert "\ntest accuracy " in out
    assert "saved in" not in out
    assert {path.name for path in tmp_path.rglob("*")} == {"flowers.csv", "temporary", "current", "memory"}


def test_a_current_folder_that_is_gone(flowers, tmp_path, full):
    fill, temporary, current = full
    (tmp_path / "there").mkdir()
    fill(tmp_path / "there", temporary)
    current.rmdir()
    other = kept_in(train(flowers, tmp_path / "there" / "model")[2], tmp_path / "there" / "model")
    assert other.parent.parent == tmp_path / "memory"


def test_files_that_may_not_be_long(flowers, tmp_path):
    """A real limit of the system, which holds in every place: ``ulimit -f``."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    train_tiny(flowers, "--epochs", "1")  # so that nothing is compiled below
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
    try:
        status, out, err = train(flowers, tmp_path / "model")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (status, "test accuracy" in out) == (2, True)
    assert f"File too large: '{tmp_path / 'model'}'; the network could not be kept in another place\n" in err
    assert {path.name for path in tmp_path.iterdir()} == {"flowers.csv"}


@pytest.mark.parametrize("length", [242, 255])
def test_long_names(length, flowers, tmp_path):
    model = tmp_path / ("m" * length)
    status, _, err = train(flowers, model)
    assert (status, err) == (0, "")
    assert saved_network(model).epochs_trained == 2


def test_it_is_saved_before_anything_else_can_fail(flowers, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(train_command.Tested, "of", fail)
    assert train(flowers, tmp_path / "model")[0] == 130
    assert saved_network(tmp_path / "model").epochs_trained == 2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_saved_network_predicts_from_raw_inputs(dtype, tmp_path):
    """float32 cannot tell years or timestamps apart unless the mean is subtracted first; one column is constant."""
    rng = np.random.default_rng(0)
    year, second, x = rng.integers(1990, 2024, 80), 1.7e9 + rng.integers(0, 9, 80), rng.normal(size=80)
    y = np.where((year - 2007) / 10 + (second - 1.7e9) / 3 + x > 1.3, "yes", "no")
    rows = zip(year, second, x, np.full(80, 7), y, strict=True)
    (tmp_path / "data.csv").write_text("\n".join(["year,second,x,same,y", *(",".join(map(str, row)) for row in rows)]))
    options = ["--target", "y", "--epochs", "20", "--dtype", dtype]
    out = train_tiny(tmp_path / "data.csv", *options, "--save", tmp_path / "model")
    right, of = map(int, re.search(r"\((\d+) of (\d+) right\)", out).groups())
    assert right / of > 0.8
    model, X = PreparedNetwork.load(tmp_path / "model"), np.stack([year, second, x, np.full(80, 7)], axis=1)
    found = np.array(model.classes)[model.predict(X).argmax(axis=1)]
    assert np.mean(found == y) > 0.8
    lines = run("predict", tmp_path / "model", tmp_path / "data.csv")[1].splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == found.tolist()
    assert [column.n_inputs for column in model.preparation.columns] == [1, 1, 1, 0]
    X[:, 3] = np.arange(80)  # a constant column says nothing, whatever turns up in it later
    np.testing.assert_array_equal(model.predict(X).argmax(axis=1) == 1, found == "yes")


def test_images_are_divided_in_the_compiled_loop(tmp_path):
    """One factor for all inputs: bytes need not be converted."""
    x = np.random.default_rng(0).integers(0, 201, (24, 3), np.uint8)
    x[0] = 200
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(24) % 2)
    train_tiny(tmp_path / "data.npz", "--epochs", "1", "--save", tmp_path / "model")
    net = Network.load(tmp_path / "model")
    assert net.input_offset == 0
    assert net.input_scale == 1 / 200
    assert net.compiled_arguments()[-1].tolist() == [1 / 200]


def test_saving_again_keeps_what_predict_needs(tmp_path):
    data = write_houses(tmp_path)
    train_tiny(data, "--target", "price", "--epochs", "1", "--save", tmp_path / "model")
    before = run("predict", tmp_path / "model", data)
    PreparedNetwork.load(tmp_path / "model").save(tmp_path / "again")
    assert run("predict", tmp_path / "again", data) == before


def test_an_interrupt_while_it_is_saved_loses_nothing(flowers, tmp_path, monkeypatch):
    model, replace = tmp_path / "flowers.safetensors", os.replace

    def interrupted(source, target):
        monkeypatch.setattr(os, "replace", replace)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(os, "replace", interrupted)
    status, out, err = train(flowers, model)
    assert (status, err) == (130, "")
    assert out.endswith(f"saved in {model}; to predict: hotloop predict {model} DATA\n")
    assert saved_network(model).epochs_trained == 2
    assert sorted(os.listdir(tmp_path)) == ["flowers.csv", model.name]


def test_what_is_read_is_not_replaced(flowers, tmp_path):
    model, link = tmp_path / "flowers.safetensors", tmp_path / "link.csv"
    table = flowers.read_bytes()
    link.symlink_to(flowers)
    for save in (flowers, link):
        assert train(flowers, save) == (
            2, "", f"hotloop: error: {save} is also an input, and would be replaced: choose another name for the "
            "output\n",
        )  # fmt: skip
    assert train(flowers, model)[0] == 0
    kept = model.read_bytes()
    for output in (model, flowers):
        status, _, err = run("predict", model, flowers, "--output", output)
        assert (status, "would be replaced: choose another name" in err) == (2, True)
    assert (flowers.read_bytes(), model.read_bytes()) == (table, kept)


@needs_compiler
def test_a_model_may_have_the_name_of_the_data_that_hotloop_carries(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("digits").write_text("an older one")
    assert run("train", *TINY, "--epochs", "1", "--save", "digits")[0] == 0
    assert Network.load("digits").epochs_trained == 1
