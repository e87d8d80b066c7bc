"""What may be given as callbacks, which methods of theirs are refused, and that the documents show what there is."""

import re
from pathlib import Path

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
    (lambda self, net, X, y: None, "net, X, y"),
])  # fmt: skip
def test_a_moment_with_the_parameters_of_other_libraries(method, parameters):
    with pytest.raises(
        TypeError, match=rf"Mine.on_epoch_end takes \({parameters}\); it is called with one argument, fit"
    ):
        train(callbacks=[subclass(on_epoch_end=method)])


def test_a_function_of_two_arguments_is_named_by_its_moment():
    with pytest.raises(TypeError, match=r"LambdaCallback.on_step takes \(epoch, logs\)"):
        train(callbacks=[LambdaCallback(on_step=lambda epoch, logs: None)])
    train(callbacks=[LambdaCallback(on_epoch_end=bool)], epochs=1)  # which does not say what it takes


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
