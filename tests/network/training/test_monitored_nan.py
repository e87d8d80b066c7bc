"""A monitored number that is NaN after every epoch: one warning for each callback that so did nothing useful."""

import os

import numpy as np
import pytest
from watched_fits import build, problem, train

from hotloop import EarlyStopping, Network
from hotloop.callbacks import LambdaCallback, ModelCheckpoint, ReduceLROnPlateau

NAN = float("nan")


def fit_with(callback, values):
    """Train as many epochs as there are values, each of which has its value under the name "mine"."""
    adds = LambdaCallback(on_epoch_end=lambda fit: fit.record.update(mine=values[fit.epoch - 1]))
    return train(epochs=len(values), callbacks=[adds, callback])[1]


def callbacks(folder):
    return [
        EarlyStopping("mine", patience=2, mode="max"), ReduceLROnPlateau("mine", patience=2, mode="max"),
        ModelCheckpoint(folder / "best", "mine", mode="max"),
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(3))
def test_it_is_said_once_at_the_line_of_the_fit(number, tmp_path):
    callback = callbacks(tmp_path)[number]
    message = f"^mine was NaN after every epoch, so {type(callback).__name__} found no best one$"
    for before in ([], [0.5], [NAN]):  # each fit says it, whatever the one before had
        fit_with(callback, [*before, 0.5])
        (tmp_path / "best").unlink(missing_ok=True)
        with pytest.warns(UserWarning, match=message) as caught:
            fit_with(callback, [NAN] * 4)
        (found,) = caught
        assert os.path.basename(found.filename) == "watched_fits.py"  # which calls fit
        assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize(
    "values", [[NAN, 0.5, NAN, NAN], [0.5, NAN, NAN, NAN], [-np.inf] * 3, [NAN, -np.inf], [-np.inf, NAN]]
)
def test_nothing_is_said_of_other_courses(number, values, tmp_path):
    fit_with(callbacks(tmp_path)[number], values)


def test_nothing_is_said_after_a_best_of_before(tmp_path):
    """Of the fit that is resumed; nor where no number is looked at."""
    stopper = EarlyStopping("mine", patience=2, mode="max")
    stopper.load_state_dict({"best": 0.5, "best_epoch": 1, "wait": 0})
    fit_with(stopper, [NAN] * 4)
    fit_with(ModelCheckpoint(tmp_path / "last", "mine", save_best_only=False), [NAN] * 2)
    assert os.listdir(tmp_path) == ["last"]


def test_nothing_is_said_of_a_fit_without_an_epoch():
    def ends(fit):
        raise KeyboardInterrupt

    train(build(), epochs=2, callbacks=[LambdaCallback(on_epoch_begin=ends), EarlyStopping("loss")])


def test_an_area_of_one_class():
    net, (x, _) = Network([3, 1], loss="binary_cross_entropy", seed=0), problem()
    y = np.arange(40) % 2
    with pytest.warns(UserWarning, match="^val_roc_auc was NaN after every epoch, so EarlyStopping found no best one$"):
        history = net.fit(
            x, y, epochs=9, validation_data=(x[:8], np.ones(8)), metrics=["roc_auc"], progress=False,
            callbacks=[EarlyStopping("val_roc_auc", patience=2)],
        )  # fmt: skip
    assert (history.stop_reason, history.best_epoch, len(history.epochs)) == ("early stopping", None, 2)
