"""Callbacks: which moment comes when, what is said at it, how one ends a fit, and what a wrong one is told."""

import copy

import numpy as np
import pytest
from conftest import same_bits
from watched_fits import EVERY_BATCH, QUIET, Noted, build, problem, train

from hotloop import SGD, Adam, Callback, DivergenceError, Network
from hotloop.callbacks import LambdaCallback
from hotloop.network.training import thread_choice
from hotloop.network.training.callbacks import MOMENTS


@pytest.fixture
def call_is_a_batch(monkeypatch):
    monkeypatch.setattr(thread_choice, "SLICE_SECONDS", 0.0)


def expected_moments(epochs, batches, rows_in_a_batch, steps=False):
    """The course of a fit, each of whose calls is a batch, written out."""
    moments, done = [("fit_begin", 0, 0)], batches * rows_in_a_batch
    for epoch in range(1, epochs + 1):
        moments.append(("epoch_begin", epoch, 0))
        for batch in range(batches):
            moments.append(("call_begin", epoch, batch * rows_in_a_batch))
            moments.append(("call_end", epoch, (batch + 1) * rows_in_a_batch))
            moments += [("step", epoch, (batch + 1) * rows_in_a_batch)] * steps
        moments.append(("epoch_end", epoch, done))
    return [*moments, ("fit_end", epochs, done)]


# The moments.


def test_the_moments_of_a_fit(call_is_a_batch):
    watcher = Noted()
    train(epochs=3, callbacks=[watcher])
    assert watcher.notes == expected_moments(3, 5, 8)


def test_each_step_is_a_call_if_a_callback_asks_for_steps():
    watcher = Noted(steps=True)
    train(epochs=3, callbacks=[watcher])
    assert watcher.notes == expected_moments(3, 5, 8, steps=True)


@pytest.mark.parametrize("cuts", ["each call", "the first call of an epoch"])
def test_a_step_is_one_where_its_batch_is_cut(cuts):
    """By another callback, into calls of less than a batch; and the last batch is small."""

    class Short(Callback):
        def rows_of_call(self, fit, rows):
            return 1 if cuts == "each call" or fit.rows_done == 0 else rows

    seen = []
    steps = LambdaCallback(on_step=lambda fit: seen.append((fit.step, fit.rows_done, fit.batch_loss)))
    net, x = Network([3, 1], seed=0), np.random.default_rng(0).normal(size=(700, 3))
    twin = copy.copy(net)
    net.fit(x, x[:, 0], epochs=2, batch_size=400, callbacks=[steps, Short()], **QUIET)
    assert [(step, rows) for step, rows, _ in seen] == [(1, 400), (2, 700), (3, 400), (4, 700)]
    history = twin.fit(x, x[:, 0], epochs=2, batch_size=400, **QUIET)
    assert same_bits(net.parameters, twin.parameters)
    for epoch, record in enumerate(history.epochs):
        (_, _, first), (_, _, second) = seen[2 * epoch : 2 * epoch + 2]
        assert record["loss"] == pytest.approx((400 * first + 300 * second) / 700, rel=1e-12)


def test_a_call_is_cut_for_steps_only():
    calls = []
    train(epochs=2, callbacks=[LambdaCallback(on_call_end=lambda fit: calls.append((fit.step, fit.rows_done)))])
    assert calls[-1] == (10, 40)
    assert len(calls) < 10


def test_what_a_fit_says_of_its_steps():
    """Of this fit, and before the first step as after it."""
    net, _ = train(epochs=1)
    seen = []
    train(net, epochs=1, callbacks=[Noted(do=lambda moment, fit: seen.append((fit.step, fit.batch_loss)), steps=True)])
    assert [step for step, _ in seen] == [0, 0, *np.repeat(range(5), 3) + np.tile([0, 1, 1], 5), 5, 5]
    losses = [loss for _, loss in seen]
    assert np.isnan(losses[:3]).all()
    assert np.isfinite(losses[3:]).all()


@pytest.mark.parametrize("steps", [False, True])
def test_callbacks_change_no_bit(call_is_a_batch, steps):
    alone, watched = build(dropout=0.3), build(dropout=0.3)
    _, expected = train(alone, epochs=4, optimizer=Adam(0.01), validation_data=problem())
    _, history = train(
        watched, epochs=4, optimizer=Adam(0.01), validation_data=problem(), callbacks=[Noted(steps=steps), Callback()]
    )
    assert same_bits(alone.parameters, watched.parameters)
    assert (history["loss"], history["val_loss"]) == (expected["loss"], expected["val_loss"])


def test_each_moment_comes_to_all_in_the_order_of_the_list():
    notes = []
    train(epochs=2, callbacks=[Noted("a ", notes), Noted("b ", notes), Noted("c ", notes)])
    names = [name for name, *_ in notes]
    assert len(names) % 3 == 0
    assert [name.split()[0] for name in names] == ["a", "b", "c"] * (len(names) // 3)
    assert all(len({name.split()[1] for name in names[k : k + 3]}) == 1 for k in range(0, len(names), 3))


def test_what_a_fit_says_of_itself():
    seen = []

    def look(moment, fit):
        if moment == "on_fit_begin":
            assert (fit.epoch, fit.rows_done, fit.record, fit.history.epochs) == (0, 0, {}, [])
        if moment == "on_epoch_end":
            assert fit.record is fit.history.epochs[-1]
            assert fit.record["epoch"] == fit.network.epochs_trained == fit.epoch + 2
            assert fit.network.steps == (fit.epoch + 2) * 5
            seen.append((fit.record["loss"], fit.record["val_loss"]))
        assert (fit.network, fit.epochs, fit.rows, fit.stop_reason) == (net, 3, 40, None)

    net, _ = train(epochs=2)
    watcher = Noted(do=look)
    _, history = train(net, epochs=3, validation_data=problem(), callbacks=(watcher,))
    assert seen == list(zip(history["loss"], history["val_loss"], strict=True))


def test_numbers_that_a_callback_adds_to_a_record_stay():
    def add(moment, fit):
        if moment == "on_epoch_end":
            fit.record["half"] = fit.record["loss"] / 2

    _, history = train(epochs=2, callbacks=[Noted(do=add)])
    assert [record["half"] for record in history.epochs] == [loss / 2 for loss in history["loss"]]
    assert "half" in str(history).splitlines()[0]


def test_what_a_callback_adds_is_in_the_table():
    """Also what it adds in a later epoch, and what is no number."""

    def add(moment, fit):
        if moment == "on_epoch_end" and fit.epoch > 1:
            fit.record.update(rate=np.float32(1 / 3), note="warm", nothing=None)

    _, history = train(epochs=2, callbacks=[Noted(do=add)])
    head, first, second, _ = str(history).splitlines()
    assert head.split()[-3:] == ["rate", "note", "nothing"]
    assert (first.split()[-3:], second.split()[-3:]) == (["-"] * 3, ["0.3333", "warm", "None"])


def test_a_callback_sees_the_history_that_fit_returns():
    ended = []
    _, history = train(epochs=2, callbacks=[Noted(do=lambda moment, fit: ended.append((moment, fit.history)))])
    assert ended[-1] == ("on_fit_end", history)
    assert ended[-1][1] is history


def test_the_network_can_be_used_within_a_fit(tmp_path):
    """Predicted with, evaluated, copied and saved: each as if the fit had ended there."""
    copies, (x, y) = [], problem()

    def use(moment, fit):
        if moment == "on_epoch_end" and fit.epoch == 2:
            fit.network.predict(x)
            fit.network.gradient(x, y)
            assert fit.network.evaluate(x, y)["loss"] > 0
            fit.network.save(tmp_path / "net")
            copies.extend([copy.copy(fit.network), Network.load(tmp_path / "net")])

    options = {"optimizer": Adam(0.01)}
    whole, _ = train(epochs=4, callbacks=[Noted(do=use)], **options)
    short, _ = train(epochs=2, **options)
    for half in copies:
        assert same_bits(half.parameters, short.parameters)
        assert half.steps == short.steps
        train(half, epochs=2, **options)
        assert same_bits(half.parameters, whole.parameters)


def test_a_method_set_on_an_instance_counts():
    callback, seen = Callback(), []
    callback.on_epoch_end = lambda fit: seen.append(fit.epoch)
    train(epochs=2, callbacks=[callback])
    assert seen == [1, 2]


def test_a_callback_made_of_functions():
    seen = []
    functions = {
        moment: lambda fit, moment=moment: seen.append((moment[3:], fit.epoch, fit.rows_done)) for moment in MOMENTS
    }
    train(epochs=2, callbacks=[LambdaCallback(**functions), LambdaCallback()])
    assert seen == expected_moments(2, 5, 8, steps=True)


# An early end.


def stopping(at, epoch, reason="enough", rows=0):
    def stop(moment, fit):
        if moment == at and fit.epoch == epoch and fit.rows_done >= rows:
            fit.stop(reason)

    return stop


@pytest.mark.parametrize(("at", "epoch", "rows", "epochs", "steps"), [
    ("on_fit_begin", 0, 0, 0, 0), ("on_epoch_begin", 1, 0, 0, 0), ("on_epoch_begin", 3, 0, 2, 10),
    ("on_call_begin", 2, 0, 1, 6), ("on_call_end", 2, 16, 1, 7), ("on_call_end", 2, 40, 2, 10),
    ("on_step", 2, 16, 1, 7), ("on_step", 2, 40, 2, 10), ("on_epoch_end", 2, 0, 2, 10),
])  # fmt: skip
def test_a_callback_stops_a_fit(at, epoch, rows, epochs, steps, call_is_a_batch):
    """In the middle of an epoch that has then no record; after its last call the epoch is finished first."""
    notes, stops = [], Noted(do=stopping(at, epoch, rows=rows), steps=at == "on_step")
    net, history = train(epochs=9, callbacks=[stops, Noted(notes=notes)])
    assert (history.stop_reason, history.converged, history.interrupted) == ("enough", False, False)
    assert (len(history.epochs), net.epochs_trained, net.steps) == (epochs, epochs, steps)
    names = [name for name, *_ in notes]
    assert names[-1] == "fit_end"
    assert (names.count("epoch_begin"), names.count("epoch_end")) == (epoch, epochs)


def test_where_it_was_stopped_the_next_fit_goes_on(call_is_a_batch):
    """Stopped after two of five batches and given the other three, it ends as if never stopped."""
    (x, y), options = problem(), {"optimizer": Adam(0.01), "shuffle": False, "epochs": 1}
    whole, _ = train(**options)
    net, _ = train(callbacks=[Noted(do=stopping("on_call_end", 1, rows=16))], **options)
    net.fit(x[16:], y[16:], **(EVERY_BATCH | options))
    assert same_bits(net.parameters, whole.parameters)


def test_the_first_reason_counts_and_no_convergence_is_missed():
    both = [Noted(do=stopping("on_epoch_end", 2, "one")), Noted(do=stopping("on_epoch_end", 2, "two"))]
    _, history = train(epochs=9, callbacks=both, tolerance=0, patience=9)  # and no ConvergenceWarning
    assert history.stop_reason == "one"


@pytest.mark.parametrize("reason", ["", None, 3])
def test_a_reason_is_a_text(reason):
    with pytest.raises(TypeError, match="reason must be a text"):
        train(callbacks=[Noted(do=stopping("on_epoch_end", 1, reason))])


# Errors.


class Mine(Exception):
    pass


def raising(at, epoch=1):
    def fail(moment, fit):
        if moment == at and (fit.epoch == epoch or at in ("on_fit_begin", "on_fit_end")):
            raise Mine(at)

    return fail


@pytest.mark.parametrize("at", MOMENTS)
def test_an_error_ends_the_fit(at, call_is_a_batch):
    """`fit` raises it unchanged, what was learnt is kept, all hear that the fit has ended, and another fit works."""
    others = [Noted(), Noted()]
    net, options = build(), {"epochs": 3, "optimizer": Adam(0.01)}
    train(net, **options)
    with pytest.raises(Mine, match=at):
        train(net, callbacks=[others[0], Noted(do=raising(at), steps=at == "on_step"), others[1]], **options)
    assert [other.notes[-1][0] for other in others] == ["fit_end"] * 2
    assert net.steps == 15 + {
        "on_fit_begin": 0, "on_epoch_begin": 0, "on_call_begin": 0, "on_call_end": 1, "on_step": 1, "on_epoch_end": 5,
        "on_fit_end": 15,
    }[at]  # fmt: skip
    assert np.isfinite(net.parameters).all()
    twin = copy.copy(net)
    for each in (net, twin):
        train(each, **options)
    assert same_bits(net.parameters, twin.parameters)


def test_what_the_history_says_of_an_error():
    ends = []
    with pytest.raises(Mine):
        train(callbacks=[Noted(do=raising("on_epoch_end")), Noted(do=lambda *given: ends.append(given))])
    assert (ends[-1][0], ends[-1][1].history.stop_reason) == ("on_fit_end", "failed")


def test_the_first_of_two_errors_at_the_end_comes_out():
    later = []
    both = [Noted(do=raising("on_fit_end")), Noted(do=lambda *_: 1 / 0), Noted(notes=later)]
    both[1].do = lambda moment, fit: 1 / 0 if moment == "on_fit_end" else None
    with pytest.raises(Mine):
        train(callbacks=both)
    assert later[-1][0] == "fit_end"


def test_parameters_that_a_callback_spoils_are_set_back():
    """To those of the last epoch; the moments, which may be as bad, are dropped."""
    kept = []

    def spoil(moment, fit):
        if moment == "on_epoch_end":
            kept.append(fit.network.parameters.copy())
            if fit.epoch == 2:
                fit.network.parameters[0] = np.nan
                raise Mine

    net = build()
    with pytest.raises(Mine):
        train(net, callbacks=[Noted(do=spoil)], optimizer=Adam(0.01))
    assert same_bits(net.parameters, kept[-1])
    assert net.optimizer is None


@pytest.mark.parametrize("at", MOMENTS)
def test_no_parameter_that_a_callback_spoils_survives_the_fit(at, call_is_a_batch):
    """At whatever moment, and although no error is raised: the next check, or that at the end of the fit, finds it."""

    def spoil(moment, fit):
        if moment == at and fit.epoch >= 2 * (at != "on_fit_begin"):
            fit.network.parameters[0] = np.nan

    net = build()
    spoils = Noted(do=spoil, steps=at == "on_step")
    try:
        train(net, callbacks=[spoils], epochs=2, optimizer=Adam(0.01))
    except DivergenceError:
        assert at != "on_fit_end"
    assert np.isfinite(net.parameters).all()
    assert net.optimizer is None
    train(net)


def test_a_divergence_comes_before_the_callbacks_and_ends_in_them():
    watcher = Noted()
    with pytest.raises(DivergenceError):
        train(epochs=3, optimizer=SGD(3e38), callbacks=[watcher])
    assert [name for name, *_ in watcher.notes] == ["fit_begin", "epoch_begin", "call_begin", "fit_end"]


def test_an_interrupt_in_a_callback_is_an_interrupt():
    def interrupt(moment, fit):
        if moment == "on_epoch_end" and fit.epoch == 2:
            raise KeyboardInterrupt

    watcher = Noted()
    net, history = train(callbacks=[Noted(do=interrupt), watcher])
    assert (history.interrupted, len(history.epochs), net.epochs_trained) == (True, 2, 2)
    assert watcher.notes[-1][0] == "fit_end"
