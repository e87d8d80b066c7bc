"""EarlyStopping: when it stops, by Keras's rules, which parameters it keeps, and what it refuses."""

import contextlib
import copy
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import same_bits
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_callbacks import early_stopping
from watched_fits import EVERY_BATCH, build, problem, train

import hotloop
from hotloop import Adam, Callback, DivergenceError, EarlyStopping
from hotloop.callbacks import LambdaCallback
from hotloop.network.training.callbacks import FitProgress
from hotloop.network.training.monitor import more_is_better

VALUES = st.lists(st.integers(0, 6).map(lambda k: k / 4), min_size=1, max_size=30)

ONE_ROW = SimpleNamespace(rows=1)  # all that these callbacks need of the data


class Stub:
    """A network whose only parameter is the number of the epoch."""

    def __init__(self):
        self.parameters, self.restarts = np.zeros(1), 0
        self._training = SimpleNamespace(restart=self._restart)

    def _restart(self):
        self.restarts += 1


def course(stopper, values, name="val_loss"):
    """Let a callback watch a fit whose epochs have these values; return the fit, stopped or at its end."""
    fit = FitProgress(Stub(), len(values), ONE_ROW)
    stopper.on_fit_begin(fit)
    for epoch, value in enumerate(values, 1):
        fit.epoch, fit.network.parameters[0] = epoch, epoch
        fit.history.epochs.append({"epoch": epoch, name: value})
        stopper.on_epoch_end(fit)
        if fit.stop_reason is not None:
            break
    stopper.on_fit_end(fit)
    return fit


@given(
    values=VALUES, more=st.booleans(), min_delta=st.sampled_from([0.0, 0.25, 0.3]), patience=st.integers(0, 5),
    baseline=st.sampled_from([None, 0.5, 1.0]), start=st.integers(0, 4),
)  # fmt: skip
@settings(max_examples=300, deadline=None, derandomize=True)
def test_it_stops_where_keras_does_and_keeps_what_keras_keeps(values, more, min_delta, patience, baseline, start):
    name, options = (
        "val_accuracy" if more else "val_loss",
        {"min_delta": min_delta, "patience": patience, "baseline": baseline},
    )
    stopper = EarlyStopping(name, start_from_epoch=start, **options)
    expected = early_stopping(values, more=more, start_from_epoch=start, **options)
    for _ in range(2):  # a second fit begins anew
        fit = course(stopper, values, name)
        assert (len(fit.history.epochs), fit.stop_reason) == (
            expected.epochs, "early stopping" if expected.early else None
        )  # fmt: skip
        if len(values) > start:
            assert (stopper.best, stopper.best_epoch) == (expected.best, expected.best_epoch + 1)
            assert fit.network.parameters[0] == fit.history.best_epoch == stopper.best_epoch
            assert fit.network.restarts == (stopper.best_epoch < expected.epochs)
        else:
            assert (fit.history.best_epoch, fit.network.parameters[0]) == (None, len(values))


@given(values=VALUES, more=st.booleans(), patience=st.integers(0, 9))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_the_last_of_equals(values, more, patience):
    """The patience counts from the first of them."""
    name = "val_accuracy" if more else "val_loss"
    first, last = EarlyStopping(name, patience=patience), EarlyStopping(name, patience=patience, prefer="last")
    ends = [course(stopper, values, name) for stopper in (first, last)]
    assert len({len(fit.history.epochs) for fit in ends}) == 1
    seen = np.array(values[: len(ends[0].history.epochs)])
    best = np.flatnonzero(seen == (seen.max() if more else seen.min())) + 1
    assert [fit.history.best_epoch for fit in ends] == [best[0], best[-1]]
    assert [fit.network.parameters[0] for fit in ends] == [best[0], best[-1]]


def test_nan_is_never_the_best():
    """Nor does it hide what comes after it."""
    stopper = EarlyStopping("val_r2", patience=3)
    fit = course(stopper, [np.nan, 0.5, np.nan, np.nan, 0.4, 0.9], "val_r2")
    assert (fit.history.best_epoch, len(fit.history.epochs)) == (2, 5)
    with pytest.warns(UserWarning, match="val_r2 was NaN"):
        fit = course(stopper, [np.nan] * 5, "val_r2")
    assert (fit.history.best_epoch, fit.network.parameters[0]) == (None, 3)
    fit = course(EarlyStopping("val_r2", patience=1), [np.nan, 0.5, 0.6, 0.7], "val_r2")  # two epochs at least
    assert len(fit.history.epochs) == 4


# In a fit.


def worse_and_worse(**options):
    """Training and validation want opposite things, so that the first epochs are the best; and a few of each."""
    x, y = problem()
    return {"validation_data": (x, -y), "optimizer": Adam(0.01), **options}


class Kept(Callback):
    """Keeps the parameters of each epoch."""

    def __init__(self):
        self.parameters = []

    def on_epoch_end(self, fit):
        self.parameters.append(fit.network.parameters.copy())


def test_the_best_parameters_are_restored_when_it_stops():
    kept = Kept()
    net, history = train(epochs=50, callbacks=[kept, EarlyStopping(patience=3)], **worse_and_worse())
    losses = [record["val_loss"] for record in history.epochs]
    best = int(np.argmin(losses))
    assert (history.stop_reason, history.best_epoch, len(losses)) == ("early stopping", best + 1, best + 4)
    assert same_bits(net.parameters, kept.parameters[best])
    assert net.evaluate(*worse_and_worse()["validation_data"])["loss"] == losses[best]
    assert net.optimizer == Adam(0.01)
    assert not net._training.moments.any()  # they belong to later parameters
    assert net.epochs_trained == len(losses)


@pytest.mark.parametrize("end", ["epochs", "interrupted", "raised", "diverged", "in an epoch"])
def test_they_are_restored_however_the_fit_ends(end):
    class Ends(Callback):
        def on_epoch_end(self, fit):
            if fit.epoch == 6:
                if end == "interrupted":
                    raise KeyboardInterrupt
                if end == "raised":
                    raise ZeroDivisionError
                if end == "diverged":
                    fit.network.parameters[0] = np.nan

        def on_call_end(self, fit):
            if fit.epoch == 7 and end == "in an epoch":
                raise KeyboardInterrupt

    kept, stopper = Kept(), EarlyStopping(patience=99)
    ended, net = [], build()
    note = LambdaCallback(on_fit_end=lambda fit: ended.append(fit.history))
    with contextlib.suppress(ZeroDivisionError, DivergenceError):
        train(net, epochs=8, callbacks=[kept, Ends(), stopper, note], **worse_and_worse())
    (history,) = ended
    reasons = {"epochs": "epochs", "raised": "failed", "diverged": "diverged"}
    assert history.stop_reason == reasons.get(end, "interrupted")
    assert history.best_epoch == 1 + int(
        np.argmin([record["val_loss"] for record in history.epochs[: len(kept.parameters)]])
    )
    assert history.best_epoch < 5
    assert same_bits(net.parameters, kept.parameters[history.best_epoch - 1])


def test_the_moments_are_kept_if_the_last_epoch_is_the_best():
    """Two such fits are one, to the bit."""
    x, y = problem()
    options = {"optimizer": Adam(0.001), "validation_data": (x, y)}
    net, history = train(epochs=3, callbacks=[EarlyStopping()], **options)
    assert history.best_epoch == 3
    assert net.optimizer == Adam(0.001)
    _, again = train(net, epochs=3, callbacks=[EarlyStopping()], **options)
    assert (again.best_epoch, net.epochs_trained) == (6, 6)
    assert same_bits(net.parameters, train(epochs=6, **options)[0].parameters)


@pytest.mark.parametrize("how", ["partial_fit", "fit"])
def test_a_fit_after_it_goes_on_with_the_optimizer_and_new_moments(how, tmp_path):
    """As a network does that has the same parameters and counts, and has never had moments."""
    net, history = train(epochs=50, callbacks=[EarlyStopping(patience=3)], **worse_and_worse())
    assert history.stop_reason == "early stopping"
    net.save(tmp_path / "net")
    nets = [net, hotloop.Network.load(tmp_path / "net"), copy.copy(net)]
    nets[2].reset_optimizer()
    for index, each in enumerate(nets):
        if how == "fit":
            train(each, epochs=2, optimizer=Adam(0.01))
        else:
            each.partial_fit(*problem(), **{} if index < 2 else {"optimizer": Adam(0.01)})
        assert each.optimizer == Adam(0.01)
    assert all(same_bits(each.parameters, nets[2].parameters) for each in nets)


def test_without_restoring():
    kept, stopper = Kept(), EarlyStopping(patience=3, restore_best=False)
    net, history = train(epochs=50, callbacks=[kept, stopper], **worse_and_worse())
    assert history.stop_reason == "early stopping"
    assert history.best_epoch == len(history.epochs) - 3
    assert same_bits(net.parameters, kept.parameters[-1])
    assert net.optimizer == Adam(0.01)


@pytest.mark.parametrize("monitor", ["loss", "val_r2", "mine"])
def test_any_number_of_the_record(monitor):
    course = [3.0, 1.0, 2.0, 0.5, 4.0]
    adds = LambdaCallback(on_epoch_end=lambda fit: fit.record.update(mine=course[fit.epoch - 1]))
    _, history = train(epochs=5, callbacks=[adds, EarlyStopping(monitor, mode="auto" if monitor != "mine" else "min")],
                       **worse_and_worse())  # fmt: skip
    values = [record[monitor] for record in history.epochs]
    assert history.best_epoch == 1 + int(np.argmax(values) if monitor == "val_r2" else np.argmin(values))


def test_a_stopped_course_goes_on_with_its_state():
    """At every epoch: a new callback that is given the state of the old one ends as that does."""
    values = [5.0, 3.0, 4.0, 2.0, 2.0, 3.0, 2.0, 3.0, 1.0, 9.0]
    options = {"patience": 4, "prefer": "last"}
    whole = course(EarlyStopping(**options), values)
    for cut in range(len(whole.history.epochs)):
        for first in (True, False):  # whether it is loaded before the fit begins
            old, new, fit = EarlyStopping(**options), EarlyStopping(**options), FitProgress(Stub(), 9, ONE_ROW)
            old.on_fit_begin(fit)
            for epoch, value in enumerate(values[: len(whole.history.epochs)], 1):
                if epoch == cut + 1:
                    state, old = old.state_dict(), new
                    assert all(value is None or isinstance(value, (int, float, np.ndarray)) for value in state.values())
                    if first:
                        new.load_state_dict(copy.deepcopy(state))
                    new.on_fit_begin(fit)
                    if not first:
                        new.load_state_dict(copy.deepcopy(state))
                fit.epoch, fit.network.parameters[0] = epoch, epoch
                fit.history.epochs.append({"epoch": epoch, "val_loss": value})
                assert fit.stop_reason is None
                old.on_epoch_end(fit)
            new.on_fit_end(fit)
            assert (fit.stop_reason, fit.history.best_epoch) == (whole.stop_reason, whole.history.best_epoch)
            assert fit.network.parameters[0] == fit.history.best_epoch
    assert new.state_dict() != EarlyStopping().state_dict()
    new.on_fit_begin(fit)  # of another fit
    assert new.state_dict() == EarlyStopping().state_dict()


# What it refuses.


def test_without_validation_data_nothing_is_trained():
    net, _ = train(epochs=1, optimizer=Adam(0.01))
    before = net.parameters.copy()
    with pytest.raises(ValueError, match=r"EarlyStopping monitors 'val_loss', and the fit has no validation data: pass "
                       r"validation_split=0.1 or validation_data=\(X, y\), or use 'loss'"):  # fmt: skip
        train(net, callbacks=[EarlyStopping()], optimizer="sgd")
    assert same_bits(net.parameters, before)
    assert (net.steps, net.optimizer) == (5, Adam(0.01))
    train(net, callbacks=[EarlyStopping("loss")])
    train(net, callbacks=[EarlyStopping()], validation_split=0.2)


def test_a_name_that_no_epoch_has():
    net, labels = hotloop.Network([3, 2], loss="cross_entropy", seed=0), np.arange(40) % 2
    options = {"callbacks": [EarlyStopping("accuracy")], "validation_split": 0.2}
    has = "it has epoch, loss, val_loss, val_accuracy, .*seconds"
    with pytest.raises(
        ValueError, match=rf"monitors 'accuracy', which no epoch has; {has}. Did you mean 'val_accuracy'\?"
    ):
        net.fit(problem()[0], labels, **options, **EVERY_BATCH)
    assert (net.steps, net.optimizer) == (0, None)
    with pytest.raises(
        ValueError, match=r"monitors 'loss_of_mine', which no epoch has; it has epoch, loss, .*seconds\.$"
    ):
        train(callbacks=[EarlyStopping("loss_of_mine")])


@pytest.mark.parametrize(("monitor", "more"), [
    ("loss", False), ("val_loss", False), ("val_accuracy", True), ("val_r2", True), ("val_balanced_accuracy", True),
    ("val_top_3_accuracy", True), ("val_f1", True), ("val_roc_auc", True), ("val_log_loss", False), ("val_mae", False),
    ("val_rmse", False), ("val_precision", True), ("val_recall", True), ("val_pinball", False),
    ("gradient_norm", False), ("val_error", False),
])  # fmt: skip
def test_what_is_better_follows_from_the_name(monitor, more):
    assert more_is_better(monitor, "auto") == more
    assert (more_is_better(monitor, "min"), more_is_better(monitor, "max")) == (False, True)


@pytest.mark.parametrize("monitor", ["mine", "val_profit", "seconds", "val_accuracy_loss"])
def test_of_an_unknown_name_the_mode_must_be_said(monitor):
    with pytest.raises(
        ValueError, match=f"cannot tell whether higher or lower '{monitor}' is better: pass mode='min' or mode='max'"
    ):
        EarlyStopping(monitor)


def test_a_name_that_is_misspelt():
    with pytest.raises(ValueError, match=r"pass mode='min' or mode='max'. Did you mean 'val_accuracy'\?"):
        EarlyStopping("val_acuracy")


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"monitor": 3}, TypeError, "monitor must be the name of a number in the record, such as 'val_loss', got 3"),
    ({"monitor": ""}, TypeError, "monitor must be the name"),
    ({"mode": "less"}, ValueError, "mode 'less' is not known"),
    ({"min_delta": -1}, ValueError, "min_delta must be finite, at least 0"),
    ({"patience": -1}, ValueError, "patience must be at least 0"),
    ({"patience": 2.5}, TypeError, "patience must be a whole number"),
    ({"baseline": "x"}, TypeError, "baseline must be a number"),
    ({"start_from_epoch": -1}, ValueError, "start_from_epoch must be at least 0"),
    ({"restore_best": 1}, TypeError, "restore_best must be True or False"),
    ({"prefer": "best"}, ValueError, "prefer 'best' is not known"),
])  # fmt: skip
def test_wrong_arguments(options, error, message):
    with pytest.raises(error, match=message):
        EarlyStopping(**options)
