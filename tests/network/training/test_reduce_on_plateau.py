"""ReduceLROnPlateau: the learning rates that Keras's rules give, and what it refuses."""

import copy
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_callbacks import reduce_lr_on_plateau
from watched_fits import train

from hotloop import SGD, Adam
from hotloop.callbacks import LambdaCallback, ReduceLROnPlateau
from hotloop.network.training.callbacks import FitProgress
from hotloop.schedules import Cosine

RATE = 0.5

ONE_ROW = SimpleNamespace(rows=1)  # all that these callbacks need of the data


class Stub:
    optimizer = SGD(RATE)


def rates(values, callback, name="val_loss", start=None):
    """Return the learning rate after each epoch of a fit with these values; `start` continues one."""
    fit = FitProgress(Stub(), len(values), ONE_ROW)
    if start is not None:
        fit.learning_rate_factor = start
    callback.on_fit_begin(fit)
    found = []
    for fit.epoch, value in enumerate(values, 1):
        fit.history.epochs.append({"epoch": fit.epoch, name: value})
        callback.on_epoch_end(fit)
        found.append(RATE * fit.learning_rate_factor)
    callback.on_fit_end(fit)
    return found


@given(
    values=st.lists(st.integers(0, 6).map(lambda k: k / 4), min_size=1, max_size=40), more=st.booleans(),
    factor=st.sampled_from([0.5, 0.1, 0.7]), patience=st.integers(0, 4),
    min_delta=st.sampled_from([0.0, 1e-4, 0.25, 0.3]),
    cooldown=st.integers(0, 4), min_lr=st.sampled_from([0.0, 0.01, 0.1]),
)  # fmt: skip
@settings(max_examples=300, deadline=None, derandomize=True)
def test_the_rates_are_those_of_keras(values, more, **options):
    name = "val_accuracy" if more else "val_loss"
    expected = pytest.approx(reduce_lr_on_plateau(values, RATE, more=more, **options), rel=1e-12)
    callback = ReduceLROnPlateau(name, **options)
    assert rates(values, callback, name) == expected
    assert rates(values, callback, name) == expected  # a second fit begins anew


def test_a_stopped_course_goes_on_with_its_state():
    values = [5.0, 4.0, 4.0, 4.0, 4.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0]
    options = {"patience": 2, "cooldown": 2, "factor": 0.5}
    whole = rates(values, ReduceLROnPlateau(**options))
    assert len({*whole}) == 4
    for cut in range(1, len(values)):
        old, new = ReduceLROnPlateau(**options), ReduceLROnPlateau(**options)
        begun = rates(values[:cut], old)
        new.load_state_dict(copy.deepcopy(old.state_dict()))
        assert begun + rates(values[cut:], new, start=begun[-1] / RATE) == whole


def test_in_a_fit():
    """It lowers the factor of the fit, and leaves the optimizer as it is."""
    seen = []
    look = LambdaCallback(on_epoch_end=lambda fit: seen.append(fit.learning_rate_factor))
    reduce = ReduceLROnPlateau("loss", min_delta=1e9, patience=2, factor=0.5)
    net, _ = train(epochs=7, callbacks=[reduce, look], optimizer=SGD(0.01))
    assert seen == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125]
    assert net.optimizer == SGD(0.01)


def test_without_validation_data_nothing_is_trained():
    with pytest.raises(ValueError, match="ReduceLROnPlateau monitors 'val_loss', and the fit has no validation data"):
        train(callbacks=[ReduceLROnPlateau()])


def test_a_rate_of_zero_has_no_least_rate():
    history = train(optimizer=SGD(0.0), epochs=2, callbacks=[ReduceLROnPlateau("loss", min_lr=0.1)])[1]
    assert history["learning_rate"] == [0, 0]


def test_a_least_rate_needs_a_rate_that_is_a_number():
    net, _ = train(optimizer=Adam(0.01), epochs=1)
    with pytest.raises(ValueError, match=r"min_lr=0.1 needs a learning rate that is a number"):
        train(net, optimizer=SGD(Cosine(0.1)), callbacks=[ReduceLROnPlateau("loss", min_lr=0.1)])
    assert net.optimizer == Adam(0.01)
    train(net, optimizer=SGD(Cosine(0.1)), callbacks=[ReduceLROnPlateau("loss")])


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"factor": 1}, ValueError, "factor must be finite, above 0 and below 1"),
    ({"factor": 0}, ValueError, "factor must be finite, above 0 and below 1"),
    ({"patience": -1}, ValueError, "patience must be at least 0"),
    ({"cooldown": 0.5}, TypeError, "cooldown must be a whole number"),
    ({"min_lr": -1}, ValueError, "min_lr must be finite, at least 0"),
    ({"monitor": "mine"}, ValueError, "cannot tell whether higher or lower 'mine' is better"),
])  # fmt: skip
def test_wrong_arguments(options, error, message):
    with pytest.raises(error, match=message):
        ReduceLROnPlateau(**options)
