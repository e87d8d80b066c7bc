"""The command line when something is wrong: one line that says what, the right exit status, no half-written file."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numba
import numpy as np
import pytest
from command_line import TINY, run, saved_network, train_tiny, write_flowers, write_houses
from users import as_nobody

import hotloop
from hotloop import Network
from hotloop.network.cli import main as cli
from hotloop.network.cli import predict as predict_command
from hotloop.network.cli import train as train_command
from hotloop.network.training import fit as fitting
from hotloop.network.training import thread_choice

SOURCES = str(Path(hotloop.__file__).parents[1])
COMMAND = [sys.executable, "-c", "import sys; from hotloop.network.cli.main import main; sys.exit(main())"]
compiled = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="too slow as plain Python")


@pytest.fixture
def flowers(tmp_path):
    return write_flowers(tmp_path)


@pytest.fixture
def houses(tmp_path):
    return write_houses(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: {train,predict,export,profile,warmup,doctor}"),
        (["trian"], "invalid choice: 'trian'"),
        (["train", "--optimizer", "foo"], "optimizer 'foo' is not known. Known: sgd, rmsprop, adagrad, adam, adamw"),
        (["train", "--loss", "hinge"], "loss 'hinge' is not known. hotloop has nothing of that name. Known: mse,"),
        (["train", "--activation", "relu,rely"], "activation 'rely' is not known. Did you mean 'relu'? Known: "),
        (["train", "--activation", "softmax"], "activation 'softmax' is not known"),
        (["train", "--output", "soft"], "output 'soft' is not known. Did you mean 'softmax'? Known: identity, sigmoid"),
        (["train", "--initializer", "he"], "initializer 'he' is not known. Did you mean 'he_normal'? Known: glorot"),
        (["train", "--layers", "64,x,10"], "found '64,x,10'; wanted whole numbers above 0, separated by commas"),
        (["train", "--layers", "64,0,10"], "--layers: found '64,0,10'"),
        (["train", "--layers", "64,10", "--hidden", "3"], "not allowed with argument --layers"),
        (["train", "--epochs", "0"], "--epochs: found '0'; wanted a whole number above 0"),
        (["train", "--batch-size", "1.5"], "--batch-size: found '1.5'; wanted a whole number above 0"),
        (["train", "--seed", "-1"], "--seed: found '-1'; wanted a whole number, 0 or above"),
        (["train", "--learning-rate", "0"], "--learning-rate: found '0'; wanted a number above 0"),
        (["train", "--clip-norm", "0"], "--clip-norm: found '0'; wanted a number above 0"),
        (["train", "--learning-rate", "nan"], "--learning-rate: found 'nan'"),
        (["train", "--dropout", "1"], "--dropout: found '1'; wanted a number from 0 to below 1"),
        (["train", "--test-fraction", "0"], "--test-fraction: found '0'; wanted a number between 0 and 1"),
        (["train", "--tolerance", "-1"], "--tolerance: found '-1'; wanted a number, 0 or above"),
        (["train", "--dtype", "float16"], "invalid choice: 'float16'"),
        (["train", "--momentum", "0.5", "--optimizer", "adam"], "--momentum belongs to --optimizer sgd"),
        (["train", "--data", "nowhere"], "there is no file or folder nowhere"),
        (["train", "--test-fraction", "0.5"], "digits has its own test set; omit test_fraction"),
        (["train", "--layers", "63,10"], "--layers 63,10 does not fit digits: wanted 64,...,10 (64 inputs"),
        (["train", "--layers", "64"], "--layers: found '64'; wanted whole numbers above 0, separated by commas, from"),
        (["train", "--hidden", "8,8", "--activation", "relu,relu,relu"], "names 3 activations for 2 hidden layers"),
        (["train", "--output", "relu"], "output must be 'softmax' or 'identity'"),
        (["predict", "nowhere", "digits"], "there is no model file nowhere"),
    ],
)  # fmt: skip
def test_faulty_arguments(arguments, message):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("hotloop: error: ")
    assert message in err
    assert len(err.splitlines()) <= 2


@pytest.mark.parametrize(("command", "options"), [
    (["train"], ["--save", "--report", "--checkpoint"]),
    (["predict", "model", "-"], ["--output"]),
    (["profile"], ["--trace", "--json", "--html", "--flamegraph"]),
])  # fmt: skip
def test_a_dash_or_nothing_is_no_file_to_write(command, options):
    for option in options:
        for text in ("", "-"):
            status, _, err = run(*command, f"{option}={text}")
            assert status == 2
            assert f"{option}: found {text!r}; wanted the name of a file" in err


def test_targets_below_those_of_the_loss(tmp_path):
    """They are counted in the file, of which the test set, the validation rows and the training rows are shares."""
    file = tmp_path / "counts.csv"
    file.write_text("x,y\n" + "".join(f"{row / 8},{row % 7 - 0.5}\n" for row in range(70)))
    status, _, err = run("train", "--data", file, "--loss", "poisson")
    assert status == 2
    assert err == (
        f"hotloop: error: {file}: 10 of its 70 targets are below 0, the least -0.5; poisson is for counts, 0 or above\n"
    )


@pytest.mark.parametrize(("arguments", "page"), [
    ("train --bogus", "hotloop train"), ("predict a b c", "hotloop predict"), ("--bogus train", "hotloop"),
    ("doctor x", "hotloop doctor"),
])  # fmt: skip
def test_the_help_of_the_command_is_named(arguments, page, capsys):
    assert cli.main(arguments.split()) == 2
    assert capsys.readouterr().err.splitlines()[1:] == [f"See: {page} --help"]


@pytest.mark.parametrize("command", ["train --save", "predict model digits --output"])
def test_a_place_that_cannot_be_written_is_seen_before_the_work(tmp_path, monkeypatch, command):
    monkeypatch.setattr(train_command, "load_prepared", pytest.fail)
    monkeypatch.setattr(predict_command.Network, "load", pytest.fail)
    monkeypatch.chdir(tmp_path)  # from within, the folders above matter to nobody
    shut, kept, long = tmp_path / "shut", tmp_path / "kept", "n" * 256
    shut.mkdir()
    kept.write_text("old")
    for place, mode in ((tmp_path, 0o755), (shut, 0o555), (kept, 0o444)):
        place.chmod(mode)
    places = [
        ("no/x", "there is no folder no to write x in: make it first"), (".", ". is a folder"),
        ("shut/x", "the folder shut cannot be written to: choose another for x"), ("kept", "kept is read-only"),
        (long, f"File name too long: '{long}'"),
    ]  # fmt: skip
    with as_nobody():
        for path, message in places:
            status, out, err = run(*command.split(), path)
            assert (status, out, message in err) == (2, "", True), err
    assert {path.name for path in tmp_path.rglob("*")} == {"shut", "kept"}
    assert kept.read_text() == "old"


def test_divergence_is_one_line_and_saves_nothing(houses, tmp_path):
    options = ["--target", "price", "--optimizer", "sgd", "--learning-rate", "1e30", "--save", tmp_path / "model"]
    status, _, err = run("train", "--data", houses, *TINY, *options)
    assert status == 2
    assert err.startswith("hotloop: error: training diverged in epoch 1")
    assert not (tmp_path / "model").exists()


def test_too_few_rows_for_a_validation_part(tmp_path):
    path = tmp_path / "few.csv"
    path.write_text("1,a\n2,b\n3,a\n4,b\n")
    status, _, err = run("train", "--data", path, *TINY, "--test-fraction", "0.5")
    assert status == 2
    assert "few.csv, training rows: no class has two of the 2 rows, so none can be held out; --validation-f" in err
    train_tiny(path, "--test-fraction", "0.5", "--validation-fraction", "0", "--epochs", "1")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ("{", "is not what hotloop train writes"),
        ("[]", "is not what hotloop train writes"),
        ("[" * 100_000, "is not what hotloop train writes"),
        ('{"more": 1}', "is not what hotloop train writes"),
        ('{"classes": 3}', "has classes that are not a list of names"),
        ('{"classes": ["a", 3]}', "has classes that are not a list of names"),
        ('{"classes": "ab"}', "has classes that are not a list of names"),
        ('{"classes": ["a"]}', "names 1 classes; the network has 2 outputs"),
        ('{"classes": ["a", "b", "c"]}', "names 3 classes; the network has 2 outputs"),
        ('{"columns": {"a": 1}}', "has columns that are not a list of names"),
        ('{"columns": ["a", "b"]}', "names 2 columns; the network has 3 inputs"),
        ('{"target_column": -1}', "has the target column -1"),
        ('{"target_column": 1e400}', "has the target column inf"),
    ],
)
def test_altered_metadata(tmp_path, metadata, message):
    Network([3, 2], loss="cross_entropy", seed=0).save(tmp_path / "model", metadata={"data": metadata})
    np.savez(tmp_path / "data.npz", x=np.zeros((2, 3)))
    status, out, err = run("predict", tmp_path / "model", tmp_path / "data.npz")
    assert (status, out, message in err, len(err.splitlines())) == (2, "", True, 1)
    assert err.startswith(f"hotloop: error: {tmp_path / 'model'}: metadata 'data' ")


def test_warnings_are_one_line(monkeypatch):
    def warn(_):
        import warnings

        warnings.warn("the cache is full", RuntimeWarning, stacklevel=1)
        return 0

    monkeypatch.setattr(train_command, "command", warn)
    with pytest.MonkeyPatch.context() as context:
        context.setattr(cli.warnings, "filters", [("default", None, RuntimeWarning, None, 0)])
        assert run("train") == (0, "", "hotloop: warning: the cache is full\n")


# Interrupts and pipes


def interrupt_in_call(number, monkeypatch):
    """Send Ctrl-C in the given call of the compiled loop; the first call only compiles, each other is an epoch."""
    calls, train_slice = [], fitting.train_slice

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == number:
            raise KeyboardInterrupt
        train_slice(*arguments)

    monkeypatch.setattr(thread_choice, "SLICE_SECONDS", 1e9)
    monkeypatch.setattr(fitting, "train_slice", interrupted)
    monkeypatch.setattr(fitting, "LOADED", set())


def test_an_interrupted_training_is_kept(flowers, tmp_path, monkeypatch):
    interrupt_in_call(4, monkeypatch)
    status, out, err = run("train", "--data", flowers, *TINY, "--epochs", "9", "--save", tmp_path / "model")
    assert (status, err) == (130, "")
    assert (
        "\ninterrupted in epoch 3 of 9\nkept: the parameters of epoch 2, which had the lowest validation loss (" in out
    )
    assert saved_network(tmp_path / "model").epochs_trained == 2


def test_an_interrupted_training_without_early_stopping_is_kept(flowers, monkeypatch):
    interrupt_in_call(4, monkeypatch)
    status, out, _ = run("train", "--data", flowers, *TINY, "--epochs", "9", "--no-early-stopping")
    assert status == 130
    assert "\ninterrupted in epoch 3 of 9: the network so far is kept\ntest accuracy" in out


def test_an_interrupt_before_the_first_epoch(flowers, monkeypatch):
    interrupt_in_call(2, monkeypatch)
    status, out, _ = run("train", "--data", flowers, *TINY)
    assert status == 130
    assert "\ninterrupted in epoch 1 of 40: the network so far is kept\ntest accuracy" in out
    assert "epoch  training loss" not in out


def test_an_interrupt_elsewhere_is_one_line(monkeypatch):
    monkeypatch.setattr(train_command, "command", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    assert run("train") == (130, "", "hotloop: interrupted\n")


def test_a_closed_pipe_is_quiet(monkeypatch, tmp_path):
    monkeypatch.setattr(train_command, "command", lambda _: (_ for _ in ()).throw(BrokenPipeError))
    with open(tmp_path / "closed", "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert cli.main(["train"]) == 141
        print("lost", flush=True)
    assert (tmp_path / "closed").read_text() == ""


def environment():
    return os.environ | {"PYTHONPATH": SOURCES}


@compiled
def test_a_reader_that_leaves_early():
    with subprocess.Popen(
        [*COMMAND, "train", "--hidden", "8", "--epochs", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment(), text=True,
    ) as process:  # fmt: skip
        assert process.stdout.readline().startswith("data: digits")
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=120) == 141


@compiled
def test_control_c_in_the_middle_of_training(tmp_path):
    model = tmp_path / "model"
    arguments = ["train", "--hidden", "32", "--epochs", "1000000", "--no-early-stopping", "--save", str(model)]
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True
    ) as process:
        while not process.stdout.readline().startswith("kernels"):
            pass
        time.sleep(0.5)  # in the middle of training, which starts when the kernels are there
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    assert "of 1000000: the network so far is kept" in out
    assert Network.load(model).epochs_trained > 0
