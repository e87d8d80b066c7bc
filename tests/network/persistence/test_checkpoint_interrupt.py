"""Ctrl-C in a fit that writes checkpoints: it writes one more, or leaves that before, and the fit can go on."""

import signal

import numpy as np
import pytest
from conftest import COMPILED
from resumable_fits import build, outcome, train
from watched_fits import Noted

from hotloop import EarlyStopping, Network
from hotloop.network.persistence import checkpoint as files
from hotloop.network.training import fit as fitting
from hotloop.network.training import passes, thread_choice

pytestmark = pytest.mark.filterwarnings("ignore::hotloop.ConvergenceWarning")


def small(net=None, **options):
    net = build("Adam") if net is None else net
    return net, train(net, "Adam", 40, **({"epochs": 3, "n_threads": 1} | options))


@pytest.fixture
def interrupt(monkeypatch):
    """Return a function that sends SIGINT in the given call of a compiled loop, from 1; each is a batch."""
    monkeypatch.setattr(thread_choice, "SLICE_SECONDS", 0.0)

    def arrange(module, name, call):
        real, calls = getattr(module, name), []

        def sliced(*given):
            result = real(*given)
            calls.append(given)
            if len(calls) == call:
                signal.raise_signal(signal.SIGINT)
            return result

        monkeypatch.setattr(module, name, sliced)
        monkeypatch.setattr(fitting, "LOADED", set())

    return arrange


@pytest.mark.parametrize("call", [2, 9, 13])
def test_ctrl_c_writes_one_more(call, interrupt, tmp_path):
    """The first call only compiles."""
    whole = outcome(*small())
    interrupt(fitting, "train_slice", call)
    net, history = small(checkpoint=tmp_path / "run")
    assert (history.stop_reason, net.steps, Network.load(tmp_path / "run").steps) == ("interrupted", call - 1, call - 1)
    assert outcome(*small(resume=tmp_path / "run")) == whole


def test_ctrl_c_before_the_first_step_writes_nothing_wrong(interrupt, tmp_path):
    interrupt(fitting, "train_slice", 1)
    small(checkpoint=tmp_path / "run")
    assert not [*tmp_path.iterdir()]


def test_ctrl_c_before_the_first_step_of_a_fit_that_goes_on(interrupt, tmp_path):
    """In the middle of an epoch: its callbacks have the states that they had, as it ends."""
    best = []

    def options():
        def note(moment, fit):
            if moment == "on_epoch_end":
                fit.record["mine"] = float(fit.epoch)
                best.append(fit.network.parameters.copy())

        return {"callbacks": [Noted(do=note), EarlyStopping("mine", mode="min")], "checkpoint": tmp_path / "run"}

    stop = Noted(do=lambda moment, fit: fit.stop() if fit.network.steps == 9 else None, steps=True)
    first = options()
    small(**first | {"callbacks": [*first["callbacks"], stop]})
    config = files.model_file.read(tmp_path / "run")[0]["checkpoint"]["start"]
    assert (config["epochs"], config["in_epoch"]) == (1, True)
    interrupt(fitting, "train_slice", 1)
    net, history = small(resume=True, **options())
    assert history.interrupted
    assert history.best_epoch == 1
    assert np.array_equal(net.parameters, best[-1])
    assert not np.array_equal(net.parameters, Network.load(tmp_path / "run").parameters)


def test_states_are_not_given_to_callbacks_that_have_not_begun(tmp_path):
    """If one of them raises as the fit begins."""

    class State(Noted):
        def state_dict(self):
            return {"a": 1}

        def load_state_dict(self, state):
            self.notes.append("loaded")

    def fail(moment, fit):
        raise LookupError

    small(callbacks=[State()], checkpoint=tmp_path / "run", epochs=1)
    state = State()
    with pytest.raises(LookupError):
        small(callbacks=[Noted(do=fail), state], resume=tmp_path / "run")
    assert [name for name, *_ in state.notes] == ["fit_end"]


def test_ctrl_c_as_a_fit_diverges_leaves_the_checkpoint_before(interrupt, tmp_path):
    """The check for divergence comes after the call that Ctrl-C has ended."""

    def spoil(moment, fit):
        if moment == "on_call_begin" and fit.network.steps == 9:
            fit.network.parameters[:] = 1e200

    interrupt(fitting, "train_slice", 1 + 10)
    _, history = small(checkpoint=tmp_path / "run", every="4 steps", callbacks=[Noted(do=spoil)])
    assert history.interrupted
    assert Network.load(tmp_path / "run").steps == 8


@pytest.mark.parametrize("place", ["validation", "callback"])
def test_ctrl_c_between_two_calls_leaves_the_checkpoint_before(place, interrupt, tmp_path):
    """A callback may have seen half of a moment: its state fits to no place."""
    whole = outcome(*small())
    options = {"checkpoint": tmp_path / "run", "every": "4 steps"}
    if place == "validation":
        interrupt(passes, "forward_slice", 3)  # the first only compiles, and there is one in an epoch
    else:

        def send(moment, fit):
            if moment == "on_call_end" and fit.network.steps == 14:
                signal.raise_signal(signal.SIGINT)

        options["callbacks"] = [Noted(do=send)]
    _, history = small(**options)
    assert history.interrupted
    assert Network.load(tmp_path / "run").steps == (8 if place == "validation" else 12)
    assert outcome(*small(resume=tmp_path / "run")) == whole


@pytest.mark.skipif(not COMPILED, reason="plain Python ends in the middle of a step")
def test_ctrl_c_on_several_threads(interrupt, tmp_path):
    interrupt(fitting, "train_slice", 8)
    _, history = small(checkpoint=tmp_path / "run", n_threads=2)
    assert history.interrupted
    assert outcome(*small(resume=tmp_path / "run")) == outcome(*small())
