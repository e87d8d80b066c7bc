"""The command line: what it prints and writes, and one clear line for whatever is wrong.

Most of it is called in this process, on tables so small that they also train as plain Python; what a user sees of
processes and pipes is tested in processes and pipes.
"""

import csv
import os
import re
import subprocess
import sys
import time

import numba
import numpy as np
import pytest
from command_line import run, saved_network, train_tiny, write_flowers, write_houses

import hotloop
from hotloop import History, Network
from hotloop.network.activations import HIDDEN_ACTIVATIONS
from hotloop.network.cli import options, reports, training_run
from hotloop.network.cli import predict as predict_command
from hotloop.network.cli.parser import parser
from hotloop.network.cli.prepared_data import load_prepared
from hotloop.network.datasets import load_digits, split_rows
from hotloop.network.initializers import INITIALIZERS
from hotloop.network.losses import LOSSES
from hotloop.network.metrics import predicted_classes
from hotloop.network.tables.table_data import load_table
from hotloop.network.training.optimizers import OPTIMIZERS

compiled = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="too slow as plain Python")


@pytest.fixture
def flowers(tmp_path):
    return write_flowers(tmp_path)


@pytest.fixture
def houses(tmp_path):
    return write_houses(tmp_path)


def read_csv(text):
    return list(csv.reader(text.splitlines()))


# Help


def test_the_help_lists_the_names_that_the_network_knows():
    out = run("train", "--help")[1]
    for known in (HIDDEN_ACTIVATIONS, LOSSES, OPTIMIZERS, INITIALIZERS):
        assert ", ".join(known) in " ".join(out.split())


@pytest.mark.parametrize(("option", "alias", "name"), [
    ("--activation", "swish,logistic", ["silu", "sigmoid"]), ("--output", "linear", "identity"),
    ("--loss", "binary_crossentropy", "binary_cross_entropy"), ("--initializer", "kaiming_normal", "he_normal"),
])  # fmt: skip
def test_other_names_of_the_same(option, alias, name):
    arguments = vars(parser().parse_args(["train", option, alias]))
    assert arguments[option.strip("-")] == name


def test_help_states_the_defaults():
    status, out, _ = run("train", "--help")
    assert status == 0
    out = " ".join(out.split())
    rates, momentum = options.LEARNING_RATES, options.SGD_MOMENTUM
    assert f" {rates['sgd']:g} sgd (with momentum {momentum:g})" in out
    assert f"(default: {rates['adam']:g} for adam;" in out
    assert all(f" {rate:g} {name}" in out for name, rate in rates.items())
    own = {name: kind().learning_rate for name, kind in OPTIMIZERS.items()}
    assert {name for name, rate in rates.items() if rate != own[name]} == {"sgd", "adam"}
    assert f"(default: {training_run.DROPOUT:g} for classes, else 0)" in out
    for option in ("--data", "--target", "--layers", "--activation", "--loss", "--optimizer", "--learning-rate",
                   "--batch-size", "--epochs", "--seed", "--threads", "--dtype",
                   "--test-fraction", "--save", "--patience", "--tolerance", "--max-seconds"):  # fmt: skip
        assert f"{option} " in out


@pytest.mark.parametrize("command", [[], ["train"], ["predict"], ["profile"], ["warmup"], ["doctor"]])
def test_help_fits_into_a_terminal(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, run(*command, "--help")[1].splitlines())) < 80


def test_the_defaults_in_the_help_are_the_parsers():
    arguments = vars(parser().parse_args(["train"]))
    help_text = " ".join(parser().format_help().split())
    assert "train a network" in help_text
    assert (arguments["hidden"], arguments["dtype"]) == (None, None)
    train_help = " ".join(run("train", "--help")[1].split())
    assert "the rest follows from the data (default: 192)" in train_help
    assert "(default: float32)" in train_help
    assert (arguments["epochs"], arguments["batch_size"], arguments["seed"]) == (40, 32, 0)


def test_version():
    assert run("--version") == (0, f"hotloop {hotloop.__version__}\n", "")


def test_the_table_of_epochs_is_short_and_has_both_ends():
    records = [{"epoch": n, "loss": 1 / n, "val_loss": 2 / n, "val_accuracy": 0.5, "learning_rate": 0.1, "seconds": 1.0}
               for n in range(1, 101)]  # fmt: skip
    lines = reports.epochs(History(records)).splitlines()
    assert lines[0].split("  ") == ["epoch", "training loss", "validation loss", "validation accuracy"]
    assert lines.pop() == "* best epoch: 100, by validation loss"
    assert len(lines) == 1 + 12
    assert lines[1].split() == ["1", "1.000", "2.000", "50.00", "%"]
    assert lines[-1].split() == ["*", "100", "0.01000", "0.02000", "50.00", "%"]
    assert len({len(line) for line in lines}) == 1
    assert len(reports.epochs(History(records[:3])).splitlines()) == 1 + 3 + 1


def test_the_lines_about_the_data():
    prepared = load_prepared(parser().parse_args(["train", "--validation-fraction", "0"]))
    lines = reports.data(prepared).splitlines()
    assert lines == [
        "data: digits: 3823 training rows, 1797 test; 64 inputs, divided by 16",
        "target: 10 classes: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 (cross_entropy)",
        f"source: {load_digits().attribution}",
    ]


def test_the_line_about_kernels():
    assert reports.kernels(7.86, True, "/c") == "kernels compiled in 7.9 s, the first time on this machine; kept in /c"
    assert reports.kernels(0.314, False, "/c") == "kernels loaded in 0.31 s from /c"


# Training


def test_train_on_classes(flowers, tmp_path):
    out = train_tiny(flowers, "--target", "kind", "--epochs", "30", "--save", tmp_path / "model")
    assert f"data: {flowers}: 17 training rows, 2 validation, 5 test; 2 columns as 2 inputs\n" in out
    assert (
        "target column 'kind': 2 classes: rose, tulip (cross_entropy)\n\ncolumn  kind    inputs  what was done\n" in out
    )
    assert "\nlength  number       1  scaled by median and quartiles\n" in out
    assert Network([2, 4, 2], loss="cross_entropy", seed=0).summary() in out
    assert "epoch  training loss  validation loss  validation accuracy\n" in out
    assert "\ntrained 30 epochs\nkept: the parameters of epoch 30, which had the lowest validation loss (0." in out
    assert ")\ntest accuracy 100.00 % (5 of 5 right), test loss 0." in out
    assert "(across):\n       rose  tulip\nrose      3      0\ntulip     0      2\n\n" in out
    assert re.search(r"\ntraining took \d+\.\d\d s after compiling, [\d,]+ samples a second\n", out)
    assert out.endswith(f"saved in {tmp_path / 'model'}; to predict: hotloop predict {tmp_path / 'model'} DATA\n")


def test_train_on_values(houses):
    """A network without hidden layers is linear, as the prices are; their spread is 0.65."""
    options = ["--layers", "2,1", "--optimizer", "sgd", "--batch-size", "4"]
    _, out, _ = run("train", "--data", houses, "--target", "price", *options, "--save", houses.parent / "model")
    assert "target column 'price': a value (mse of standardised targets)\n" in out
    assert float(re.search(r"test r2 (\S+),", out)[1]) > 0.99  # the smooth clip bends the line
    assert "validation r2" in out
    errors = re.search(r"\ntest rmse (\S+), mae (\S+), in the unit of the target\n", out).groups()
    table = np.loadtxt(houses, delimiter=",", skiprows=1)
    test = table[split_rows(len(table), 0.2, 0)[1]]
    missed = hotloop.PreparedNetwork.load(houses.parent / "model").predict(test[:, 1:])[:, 0] - test[:, 0]
    assert errors == (f"{np.sqrt(np.mean(missed**2)):.4g}", f"{np.mean(np.abs(missed)):.4g}")


def test_training_is_that_of_the_library(flowers, tmp_path):
    """The command line and Network get the same parameters from the same data, seed and options."""
    options = ["--epochs", "3", "--validation-fraction", "0", "--seed", "5", "--l2", "0.01"]
    train_tiny(flowers, *options, "--save", tmp_path / "model")
    data, _ = load_table(flowers, seed=5)
    net = Network([2, 4, 2], loss="cross_entropy", l2=0.01, seed=5)
    net.fit(data.x_train, data.y_train, epochs=3, batch_size=4, optimizer=hotloop.Adam(0.002), progress=False)
    np.testing.assert_array_equal(saved_network(tmp_path / "model").parameters, net.parameters)


@pytest.mark.parametrize("outputs", [1, 2])
def test_values_are_standardised_for_training_and_come_back_in_their_scale(tmp_path, outputs):
    x = np.random.default_rng(0).normal(size=(60, 3))
    y = 1000 + x[:, :outputs] * 50
    np.savez(tmp_path / "data.npz", x=x, y=y)
    options = ["--layers", f"3,{outputs}", "--optimizer", "sgd", "--batch-size", "4", "--dtype", "float64"]
    status, out, _ = run("train", "--data", tmp_path / "data.npz", *options, "--save", tmp_path / "model")
    assert status == 0
    assert "(mse of standardised targets)\n" in out
    assert float(re.search(r"test loss (\S+) \(mse of standardised targets\)", out)[1]) < 1e-6
    found = np.array(read_csv(run("predict", tmp_path / "model", tmp_path / "data.npz")[1])[1:], dtype=np.float64)
    np.testing.assert_allclose(found, y, atol=0.1)
    net = Network.load(tmp_path / "model")
    np.testing.assert_allclose(net.predict(x), y, atol=0.1)
    assert net.optimizer is None  # its moments belong to the weights before they were scaled back


@pytest.mark.parametrize(
    ("options", "scaled"),
    [
        ([], True),
        (["--output", "identity", "--loss", "huber"], True),
        (["--output", "sigmoid"], False),
        (["--loss", "cross_entropy"], False),
    ],
)
def test_targets_are_standardised_by_the_training_rows(tmp_path, options, scaled):
    """If the last layer can take the scaling in: not for bounded outputs, nor for shares of classes."""
    y = np.random.default_rng(0).uniform(0, 0.5, 40)
    np.savez(tmp_path / "data.npz", x=np.arange(40.0)[:, np.newaxis], y=np.stack([y, 1 - y, 0 * y], axis=1))
    arguments = parser().parse_args(["train", "--data", str(tmp_path / "data.npz"), *options])
    prepared = load_prepared(arguments)
    assert [len(part.y) for part in (prepared.train, prepared.validation, prepared.test)] == [29, 3, 8]
    assert (prepared.n_outputs, prepared.train.labels, prepared.train.y.dtype) == (3, None, np.float32)
    if scaled:
        np.testing.assert_allclose(prepared.train.y[:, :2].mean(axis=0), 0, atol=1e-6)
        np.testing.assert_allclose(prepared.train.y[:, :2].std(axis=0), 1, rtol=1e-6)
        np.testing.assert_array_equal(prepared.train.y[:, 2], 0)
    else:
        np.testing.assert_array_equal(prepared.test.y, prepared.data.y_test)


@pytest.mark.parametrize(
    ("options", "optimizer"),
    [
        ([], hotloop.Adam(0.002)),
        (["--optimizer", "sgd"], hotloop.SGD(0.05, momentum=0.9)),
        (["--optimizer", "sgd", "--momentum", "0.5", "--learning-rate", "0.2"], hotloop.SGD(0.2, momentum=0.5)),
        (["--optimizer", "adamw", "--learning-rate", "0.2"], hotloop.AdamW(0.2)),
        (["--optimizer", "rmsprop"], hotloop.RMSprop()),
        (["--clip-norm", "0.5"], hotloop.Adam(0.002, clip_norm=0.5)),
    ],
)
def test_optimizer_and_its_defaults(options, optimizer):
    arguments = parser().parse_args(["train", *options])
    assert training_run.build_optimizer(arguments) == optimizer


def test_network_options_arrive(flowers):
    options = "--layers 2,5,3,2 --activation tanh,elu --output identity --initializer orthogonal --dropout 0.1 --l2 0.5"
    options = ["--data", str(flowers), *options.split(), "--dtype", "float64", "--seed", "9"]
    arguments = parser().parse_args(["train", *options])
    net = training_run.build_network(arguments, load_prepared(arguments))
    same = Network([2, 5, 3, 2], ["tanh", "elu"], output="identity", loss="cross_entropy", initializer="orthogonal",
                   dropout=0.1, l2=0.5, dtype="float64", seed=9)  # fmt: skip
    assert net.summary() == same.summary()
    assert (net.l2, net.dropout, net.seed) == (0.5, (0.1, 0.1), 9)
    np.testing.assert_array_equal(net.parameters, same.parameters)


@pytest.mark.parametrize(("loss", "dropout"), [("cross_entropy", (0.3,)), ("mse", (0.0,))])
def test_dropout_follows_the_loss(flowers, loss, dropout):
    arguments = parser().parse_args(["train", "--loss", loss])
    assert training_run.build_network(arguments, load_prepared(arguments)).dropout == dropout


def test_the_validation_part_comes_from_the_training_part(flowers):
    arguments = parser().parse_args(["train", "--data", str(flowers), "--validation-fraction", "0.25"])
    prepared = load_prepared(arguments)
    parts = [{tuple(row) for row in part.x.tolist()} for part in (prepared.train, prepared.validation, prepared.test)]
    assert [len(part) for part in parts] == [14, 5, 5]
    assert set.union(*parts) == {
        tuple(row) for row in np.concatenate([prepared.data.x_train, prepared.data.x_test]).tolist()
    }
    assert sum(map(len, parts)) == len(set.union(*parts))
    np.testing.assert_array_equal(prepared.test.x, prepared.data.x_test)


@pytest.mark.parametrize(
    ("options", "outputs", "accuracy"),
    [
        (["--loss", "binary_cross_entropy"], 1, "100.00 % (5 of 5 right)"),
        (["--loss", "binary_cross_entropy", "--output", "identity"], 1, "100.00 % (5 of 5 right)"),
        (["--loss", "cross_entropy", "--output", "identity"], 2, "100.00 % (5 of 5 right)"),
        (["--loss", "cross_entropy", "--validation-fraction", "0"], 2, "100.00 % (5 of 5 right)"),
    ],
)
def test_losses_for_two_classes(flowers, tmp_path, options, outputs, accuracy):
    out = train_tiny(flowers, "--epochs", "30", "--learning-rate", "0.03", "--save", tmp_path / "model", *options)
    assert f"test accuracy {accuracy}" in out
    assert saved_network(tmp_path / "model").sizes[-1] == outputs
    _, out, _ = run("predict", tmp_path / "model", flowers)
    rows = read_csv(out)
    assert rows[0] == ["prediction", "probability_rose", "probability_tulip"]
    truth = [line.rsplit(",", 1)[1] for line in flowers.read_text().splitlines()[1:]]
    assert [row[0] for row in rows[1:]] == truth
    shares = np.array([row[1:] for row in rows[1:]], dtype=np.float64)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    assert shares.min() >= 0
    assert [("rose", "tulip")[index] for index in shares.argmax(axis=1)] == truth


@pytest.mark.parametrize(("output", "outputs"), [("identity", [0.3, -0.3]), ("sigmoid", [0.3, -0.3])])
def test_right_classes_of_a_single_output(output, outputs):
    """A logit of 0.3 stands for a probability above one half."""
    weight = [(np.array([[1.0]]), np.array([0.0]))]
    net = Network([1, 1], output=output, loss="binary_cross_entropy", initializer=weight, seed=0)
    x = np.array(outputs, dtype=np.float32)[:, np.newaxis]
    predicted = predicted_classes(net.activations[-1], net.predict(x))
    np.testing.assert_array_equal(predicted, [1, 0])


def test_squared_error_on_classes_has_an_output_for_each(tmp_path):
    np.savez(tmp_path / "data.npz", x=np.eye(4)[[0, 1, 2, 3] * 6] * 2.0, y=np.array([0, 1, 2, 3] * 6))
    arguments = parser().parse_args(["train", "--loss", "mse"])
    prepared = load_prepared(arguments)
    np.testing.assert_array_equal(prepared.test.y, np.eye(10)[load_digits().y_test])
    assert (prepared.n_outputs, prepared.train.y.dtype) == (10, np.float32)
    net = Network([2, 3], loss="mse", seed=0)
    shares, word = predict_command.as_shares(net, np.array([[0.1, 0.9, 0.3]]))
    assert (shares.tolist(), word) == ([[0.1, 0.9, 0.3]], "output")


def test_several_values_a_row(tmp_path):
    x = np.random.default_rng(0).normal(size=(20, 3))
    np.savez(tmp_path / "data.npz", x=x, y=x[:, :2])
    out = train_tiny(tmp_path / "data.npz", "--epochs", "1", "--save", tmp_path / "model")
    assert "target array 'y': 2 values a row (mse of standardised targets)\n" in out
    _, out, _ = run("predict", tmp_path / "model", tmp_path / "data.npz")
    assert out.startswith("prediction_0,prediction_1\n")
    assert len(read_csv(out)) == 1 + 20


def test_several_labels_a_row(tmp_path):
    x = np.random.default_rng(0).normal(size=(20, 3))
    np.savez(tmp_path / "data.npz", x=x, y=(x[:, :2] > 0).astype(np.float32))
    options = ["--loss", "binary_cross_entropy", "--epochs", "1"]
    assert "test accuracy" in train_tiny(tmp_path / "data.npz", *options)


# The main job


@compiled
def test_the_digits_of_unseen_writers(tmp_path):
    """The main job: at least 96 % on the test part, in no more of the processor's time than two imports of Numba take.

    With the kernels there it takes 0.4 of one. Others may use the processor too, and another one may be slower.
    """
    run("train", "--epochs", "1")
    began = time.process_time()
    status, out, err = run("train", "--save", tmp_path / "digits.safetensors")
    spent, before = time.process_time() - began, os.times()
    subprocess.run([sys.executable, "-c", "import numba"], check=True)
    after = os.times()
    assert spent < 2 * (after.children_user + after.children_system - before.children_user - before.children_system)
    assert (status, err) == (0, "")
    accuracy = float(re.search(r"^test accuracy (\S+) % \(\d+ of 1797 right\)", out, re.M)[1])
    assert accuracy >= 96.0
    assert re.search(r"^training took \d+\.\d\d s after compiling", out, re.M)
    assert load_digits().attribution in out
    _, predictions, _ = run("predict", tmp_path / "digits.safetensors", "digits")
    found = [row[0] for row in read_csv(predictions)[1:]]
    assert np.mean(np.array(found, dtype=int) == load_digits().y_test) == pytest.approx(accuracy / 100, abs=5e-5)
