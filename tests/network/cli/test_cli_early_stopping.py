"""hotloop train holds rows out, stops early, keeps the best parameters, and says so; and it can be told otherwise."""

import re

import numpy as np
import pytest
from command_line import TINY, train_tiny, write_flowers

from hotloop.network.cli import training_run
from hotloop.network.cli.options import PATIENCE
from hotloop.network.cli.parser import parser
from hotloop.network.cli.prepared_data import load_prepared


@pytest.fixture
def noise(tmp_path):
    """Values that nothing can predict: the validation loss soon gets worse."""
    generator = np.random.default_rng(0)
    np.savez(tmp_path / "noise.npz", x=generator.normal(size=(60, 3)), y=generator.normal(size=60))
    return tmp_path / "noise.npz"


WILD = ["--optimizer", "sgd", "--learning-rate", "0.01", "--epochs", "30"]


def fitted(data, *options):
    """Train as `hotloop train` does, and return the validation losses, and the network that it saved."""
    arguments = parser().parse_args(["train", "--data", str(data), *TINY, *WILD, *options])
    prepared = load_prepared(arguments)
    net, stopper = training_run.build_network(arguments, prepared), training_run.early_stopping(arguments, prepared)
    history = training_run.fit(arguments, net, prepared, training_run.build_optimizer(arguments), stopper)
    return [record.get("val_loss", record["loss"]) for record in history.epochs], net, prepared


def test_it_stops_early_and_keeps_the_best_parameters(noise):
    losses, net, prepared = fitted(noise)
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + PATIENCE < 30
    assert net.evaluate(prepared.validation.x, prepared.validation.y)["loss"] == losses[best]
    out = train_tiny(noise, *WILD)
    assert f"\nstopped early after {len(losses)} epochs: validation loss no better for 10 epochs\n" in out
    kept = f"kept: the parameters of epoch {best + 1}, which had the lowest validation loss ({losses[best]:.4g})"
    assert f"\n{kept}\ntest r2 " in out


def test_the_patience_and_the_tolerance_of_early_stopping(noise, tmp_path):
    losses, _, _ = fitted(noise, "--patience", "2")
    assert len(losses) == int(np.argmin(losses)) + 3
    flowers, options = write_flowers(tmp_path), ["--patience", "2", "--epochs", "5"]  # whose loss goes down
    assert "\ntrained 5 epochs\nkept: the parameters of epoch 5, " in train_tiny(flowers, *options)
    out = train_tiny(flowers, *options, "--tolerance", "100")
    stopped = "\nstopped early after 3 epochs: validation loss no better by more than 100 for 2 epochs\n"
    assert f"{stopped}kept: the parameters of epoch 1, " in out


def test_early_stopping_is_turned_off(noise):
    out = train_tiny(noise, *WILD, "--no-early-stopping")
    assert "\ntrained 30 epochs\ntest r2" in out
    assert len(fitted(noise, "--no-early-stopping")[0]) == 30


def test_without_validation_rows_nothing_stops_unless_asked_for(noise):
    """Then by the training loss, whose best parameters are no better than the last."""
    off = ["--validation-fraction", "0"]
    assert "\ntrained 30 epochs\ntest r2" in train_tiny(noise, *WILD, *off)
    out = train_tiny(noise, *WILD, *off, "--tolerance", "100", "--patience", "3")
    assert "\nstopped early after 4 epochs: training loss no better by more than 100 for 3 epochs\ntest r2" in out


def test_a_time_limit(tmp_path):
    out = train_tiny(write_flowers(tmp_path), "--max-seconds", "1e-6")
    assert re.search(r"\ntrained [01] of 40 epochs, until the time was up\n(kept: .*\n)?test accuracy", out)
