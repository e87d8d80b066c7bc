"""``hotloop train --checkpoint FILE --resume``: a training run that was stopped goes on to the same network."""

import signal

import numpy as np
import pytest
from command_line import TINY, run, saved_network, write_flowers, write_houses

from hotloop import Network
from hotloop.network.persistence import checkpoint as files
from hotloop.network.training import fit as fitting
from hotloop.network.training import thread_choice


@pytest.fixture
def flowers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_flowers(tmp_path)


def train(data, *options):
    return run("train", "--data", data, *TINY, "--epochs", "4", "--dropout", "0.2", *options)


def killed_after(steps, monkeypatch):
    """Raise an error in a step after a checkpoint, as nothing of hotloop's catches it: the process ends there."""
    write = files.write

    class Killed(BaseException):
        pass

    def then(path, net, identity, start, callbacks):
        write(path, net, identity, start, callbacks)
        if start.steps >= steps:
            raise Killed

    monkeypatch.setattr(files, "write", then)
    return Killed


@pytest.mark.parametrize("steps", [1, 7, 16])
def test_a_run_that_was_killed_goes_on_to_the_same_network(steps, flowers, monkeypatch):
    status, out, err = train(flowers, "--save", "whole")
    assert (status, err) == (0, "")
    options = "--save", "resumed", "--checkpoint", "run", "--every", "1 step", "--resume"
    with monkeypatch.context() as patch, pytest.raises(killed_after(steps, patch)):
        train(flowers, *options)
    assert Network.load("run").steps == steps
    status, again, err = train(flowers, *options, "--threads", "2")
    assert (status, err) == (0, "")
    assert "\ngoing on from the checkpoint run\n" in again
    assert (
        again[again.index("epoch  training") : again.index("training took")]
        == out[out.index("epoch  training") : out.index("training took")]
    )
    nets = [saved_network(name) for name in ("whole", "resumed")]
    assert nets[0].parameters.tobytes() == nets[1].parameters.tobytes()
    assert (nets[0].steps, nets[0].metadata) == (nets[1].steps, nets[1].metadata)


def test_a_run_that_has_ended_says_the_same_again(flowers):
    """And a longer one goes on from its end."""
    first = train(flowers, "--checkpoint", "run", "--resume")[1]
    assert "\nno checkpoint run yet: training from the beginning\n" in first
    status, again, err = train(flowers, "--checkpoint", "run", "--resume")
    assert (status, err) == (0, "")
    table = slice(first.index("epoch  training"), first.index("training took"))
    assert first[table] in again
    longer = train(flowers, "--checkpoint", "run", "--resume", "--epochs", "6")[1]
    assert "\ntrained 6 epochs\n" in longer


def test_a_run_with_other_options_is_refused(flowers):
    train(flowers, "--checkpoint", "run")
    status, _, err = train(flowers, "--checkpoint", "run", "--resume", "--patience", "3")
    assert status == 2
    assert "hotloop: error: run was written by another fit: EarlyStopping.patience was 10, is 3. Resume with" in err


def test_a_checkpoint_predicts_nothing(flowers):
    """Its network takes inputs as they were scaled for the training; the file does not say how."""
    train(flowers, "--checkpoint", "run", "--save", "model")
    status, out, err = run("predict", "run", flowers)
    message = "a checkpoint cannot predict from raw data: resume it, and use what --save writes"
    assert (status, out, err) == (2, "", f"hotloop: error: run: {message}\n")
    assert run("predict", "model", flowers)[0] == 0


def test_targets_that_are_scaled(tmp_path, monkeypatch):
    """Then the network that is saved is not the one that is trained."""
    monkeypatch.chdir(tmp_path)
    houses = write_houses(tmp_path)
    train(houses, "--target", "price", "--save", "whole")
    with monkeypatch.context() as patch, pytest.raises(killed_after(5, patch)):
        train(houses, "--target", "price", "--checkpoint", "run", "--every", "1 step")
    assert train(houses, "--target", "price", "--checkpoint", "run", "--resume", "--save", "resumed")[0] == 0
    assert (saved_network("whole").parameters == saved_network("resumed").parameters).all()


def test_ctrl_c_says_how_to_go_on(flowers, monkeypatch):
    real, calls = fitting.train_slice, []

    def sliced(*given):
        real(*given)
        calls.append(given)
        if len(calls) == 8:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(thread_choice, "SLICE_SECONDS", 0.0)
        patch.setattr(fitting, "LOADED", set())
        patch.setattr(fitting, "train_slice", sliced)
        status, out, err = train(flowers, "--checkpoint", "run")
    assert (status, err) == (130, "")
    assert "\nto go on where it stopped: the same command with --resume\n" in out
    assert train(flowers, "--checkpoint", "run", "--resume", "--save", "resumed")[0] == 0
    train(flowers, "--save", "whole")
    assert np.array_equal(saved_network("whole").parameters, saved_network("resumed").parameters)


@pytest.mark.parametrize(("options", "message"), [
    (["--resume"], "--resume needs --checkpoint, which names the file"),
    (["--every", "1 step"], "--every needs --checkpoint, which names the file"),
    (["--checkpoint", "run", "--every", "3"], "--every: found '3'; wanted a time, steps or epochs, such as '30 s'"),
    (["--checkpoint", "none/run"], "there is no folder none to write run in: make it first"),
    (["--checkpoint", "flowers.csv"], "flowers.csv is also an input, and would be replaced"),
    (["--checkpoint", "one", "--save", "./one"], "--save and --checkpoint name one file"),
    (["--checkpoint", "flowers.csv", "--resume"], "flowers.csv is also an input"),
    (["--checkpoint", "text", "--resume"], "text is not a safetensors file, or is truncated or altered"),
    (["--checkpoint", "run", "--resume", "--seed", "1"], "by another fit: seed was 0, is 1. Resume with --seed 0: the"),
    (["--checkpoint", "run", "--resume", "--learning-rate", "1"], "fit: optimizer.learning_rate was 0.002, is 1.0. "),
    (["--checkpoint", "run", "--resume", "--epochs", "3"], "4 epochs were trained, more than the epochs=3 asked for"),
])  # fmt: skip
def test_faults_in_one_line(options, message, flowers, tmp_path):
    (tmp_path / "text").write_text("no checkpoint")
    if options[:3] == ["--checkpoint", "run", "--resume"]:
        train(flowers, "--checkpoint", "run")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    status, out, err = train(flowers, *options)
    assert status == 2
    assert message in err
    assert "going on" not in out
    assert err.startswith("hotloop: error: ")
    assert len(err.splitlines()) == (2 if "See:" in err else 1)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
