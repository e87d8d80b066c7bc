"""What may be given as callbacks, which methods of theirs are refused, and that the documents show what there is."""

import re
from pathlib import Path

import numpy as np
import pytest
from conftest import same_bits
from watched_fits import Noted, build, train

import hotloop
from hotloop import Callback
from hotloop.callbacks import LambdaCallback
from hotloop.network.training import callbacks as module
from hotloop.network.training.callbacks import MOMENTS

DOCUMENT = Path(__file__).parents[3] / "docs" / "callbacks.md"


def subclass(**methods):
    return type("Mine", (Callback,), methods)()


def nothing(self, fit):
    pass


@pytest.mark.parametrize(("method", "meant"), [
    ("on_train_begin", "on_fit_begin"), ("on_batch_end", "on_step"), ("on_train_batch_end", "on_step"),
    ("on_train_epoch_end", "on_epoch_end"), ("before_fit", "on_fit_begin"), ("after_batch", "on_step"),
    ("on_epoch_ned", "on_epoch_end"), ("on_epoch_ends", "on_epoch_end"), ("onEpochEnd", "on_epoch_end"),
    ("no_epoch_end", "on_epoch_end"), ("on_steps", "on_step"),
])  # fmt: skip
def test_a_method_that_would_never_be_called(method, meant):
    net = build()
    with pytest.raises(TypeError, match=rf"Mine.{method} would never be called: the moments are on_fit_begin, .*, "
                       rf"on_fit_end. Did you mean {meant}\?"):  # fmt: skip
        train(net, callbacks=[subclass(**{method: nothing})])
    assert net.steps == 0


def test_names_that_begin_with_on_are_for_moments():
    with pytest.raises(TypeError, match=r"on_button would never be called.* Let the names of other methods not begin"):
        train(callbacks=[subclass(on_button=nothing)])
    own = {"reset": nothing, "_on_epoch_ended": nothing, "on_error": "raise", "patience": 3, "epoch": nothing}
    train(callbacks=[subclass(**own)], epochs=1)


@pytest.mark.parametrize(("method", "parameters"), [
    (lambda self, epoch, logs=None: None, "epoch, logs"), (lambda self, logs=None: None, "logs"),
    (lambda self, net, X, y: None, "net, X, y"), (lambda self: None, ""), (lambda self, *, fit: None, "fit"),
])  # fmt: skip
def test_a_moment_with_the_parameters_of_other_libraries(method, parameters):
    with pytest.raises(
        TypeError, match=rf"Mine.on_epoch_end takes \({parameters}\); it is called with one argument, fit"
    ):
        train(callbacks=[subclass(on_epoch_end=method)])


def test_a_function_of_two_arguments_is_named_by_its_moment():
    with pytest.raises(TypeError, match=r"LambdaCallback.on_step takes \(epoch, logs\)"):
        train(callbacks=[LambdaCallback(on_step=lambda epoch, logs: None)])
    with pytest.raises(TypeError, match=r"LambdaCallback.on_step takes \(\); it is called with one argument, fit"):
        train(callbacks=[LambdaCallback(on_step=lambda: 1)])
    train(callbacks=[LambdaCallback(on_epoch_end=bool)], epochs=1)  # which does not say what it takes


@pytest.mark.parametrize(("name", "method", "message"), [
    ("rows_of_call", lambda self, fit: 1, r"takes \(fit\); it is called with two arguments, fit, rows$"),
    ("state_dict", lambda self, fit: {}, r"takes \(fit\); it is called with no argument$"),
    ("load_state_dict", lambda self: None, r"takes \(\); it is called with one argument, state$"),
    ("rows_of_call", 0.1, "is 0.1, where hotloop calls a method: give the attribute another name"),
    ("state_dict", {}, "is {}, where hotloop calls a method"), ("on_step", 3, "is 3, where hotloop calls a method"),
])  # fmt: skip
def test_the_names_of_methods_are_for_methods(name, method, message):
    with pytest.raises(TypeError, match=rf"Mine.{name} {message}"):
        train(net := build(), callbacks=[subclass(**{name: method})])
    assert net.steps == 0


def test_attributes_of_other_names_are_free():
    class Mine(Callback):
        def __init__(self, limit, model):
            self.limit, self.model, self.trainer = limit, model, None

        def on_epoch_end(self, fit):
            if fit.record["loss"] < self.limit:
                fit.stop("low")

    mine = Mine(1e9, 3)
    assert train(epochs=3, callbacks=[mine])[1].stop_reason == "low"
    assert (mine.model, mine.trainer) == (3, None)


@pytest.mark.parametrize(("value", "seen"), [(0, "0"), (None, "None"), ("a", "'a'"), (-3, "-3"), (2.5, "2.5")])
def test_a_call_of_no_rows(value, seen):
    """Rather than an endless loop."""
    with pytest.raises(
        ValueError, match=rf"Mine.rows_of_call must return a whole number of rows, at least 1, got {seen}$"
    ):
        train(callbacks=[subclass(rows_of_call=lambda self, fit, rows: value)])
    train(epochs=1, callbacks=[subclass(rows_of_call=lambda self, fit, rows: np.int64(8))])


@pytest.mark.parametrize(("statement", "message"), [
    ("fit.stop_training = True", r"FitProgress has no stop_training: call fit.stop\(\"the reason\"\)"),
    ("fit.should_stop = True", r"FitProgress has no should_stop: call fit.stop"),
    ("fit.learning_rate = 0.1", "fit.learning_rate cannot be set: set fit.learning_rate_factor, which multiplies it"),
    ("fit.lr", "FitProgress has no lr: read fit.learning_rate, and set fit.learning_rate_factor"),
    ("fit.model.predict", "FitProgress has no model: use fit.network"),
    ("fit.learning_rate_facter = 0.1", "has no attribute 'learning_rate_facter'"),
    ("fit.stop = True", "attribute 'stop' is read-only"), ("fit.logs['loss']", "has no logs: use fit.record"),
    ("self.model.stop_training = True", "Mine has no model: its methods are handed fit: use fit.network"),
    ("self.trainer", "Mine has no trainer: its methods are handed fit"),
])  # fmt: skip
def test_words_of_other_libraries_within_a_fit(statement, message):
    def method(self, fit):
        exec(statement, {"self": self, "fit": fit})

    with pytest.raises(AttributeError, match=message):
        train(callbacks=[subclass(on_epoch_begin=method)])


def test_a_moment_may_have_parameters_with_defaults():
    seen = []
    train(callbacks=[subclass(on_epoch_end=lambda self, fit, note="x", *more: seen.append(note))], epochs=2)
    assert seen == ["x", "x"]


def test_a_callback_made_of_functions_is_given_functions():
    with pytest.raises(TypeError, match="on_epoch_end must be a function of one argument, fit, got 3"):
        LambdaCallback(on_epoch_end=3)


def test_the_state_of_a_callback_is_empty_unless_it_has_one():
    assert Callback().state_dict() == {}
    Callback().load_state_dict({})


@pytest.mark.parametrize(("callbacks", "message"), [
    (Callback(), r"callbacks must be a sequence, got one Callback: write callbacks=\[it\]"),
    (Callback, "callbacks must be a sequence of Callback instances, got type"),
    ({"a": Callback()}, "must be a sequence of Callback instances, got dict"),
    ((c for c in [Callback()]), "must be a sequence of Callback instances, got generator"),
    ("Callback", "must be a sequence of Callback instances, got str"),
    (0, "must be a sequence of Callback instances, got int"),
    ([Callback(), Noted], r"callbacks\[1\] is the class Noted, not an instance: write Noted\(\)"),
    ([print], r"callbacks\[0\] is a builtin_function_or_method; wanted an instance of a subclass of hotloop.Callback"),
    ([int], r"callbacks\[0\] is the class int; wanted"),
    ([None], r"callbacks\[0\] is a NoneType; wanted"),
])  # fmt: skip
def test_a_wrong_argument(callbacks, message):
    net = build()
    before = net.parameters.copy()
    with pytest.raises(TypeError, match=message):
        train(net, callbacks=callbacks)
    assert (same_bits(net.parameters, before), net.steps, net.optimizer) == (True, 0, None)


@pytest.mark.parametrize("callbacks", [None, [], ()])
def test_none_is_none(callbacks):
    assert len(train(epochs=2, callbacks=callbacks)[1].epochs) == 2


def test_it_is_public():
    assert hotloop.Callback is module.Callback


def test_the_document_lists_every_callback():
    text = DOCUMENT.read_text()
    assert {*re.findall(r"^\| `([A-Z]\w+)` \|", text, re.M)} == {*hotloop.callbacks.__all__} - {
        "Callback",
        "FitProgress",
    }


def test_the_document_lists_every_moment():
    text = DOCUMENT.read_text()
    rows = re.findall(r"^\| (`on_.*?) \|", text, re.M)
    assert re.findall(r"`(\w+)`", " ".join(rows)) == list(MOMENTS)
