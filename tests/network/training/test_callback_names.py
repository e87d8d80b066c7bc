"""Names of the record that callbacks follow: what no epoch will have is said before anything is changed."""

import functools

import numpy as np
import pytest
from conftest import same_bits
from watched_fits import build, problem, train

from hotloop import SGD, Adam, Callback, EarlyStopping, Network
from hotloop.callbacks import CSVLogger, LambdaCallback, ModelCheckpoint, ReduceLROnPlateau

VALIDATED = {"validation_split": 0.2}
CLASSES = np.arange(40) % 2


def add(fit):
    fit.record["mine"] = fit.record["accuracy"] = fit.record["val_f1"] = 1.0


class Prints(Callback):
    def on_fit_end(self, fit):
        pass


@pytest.mark.parametrize("others", [[], [Prints()], [CSVLogger("log"), LambdaCallback(on_epoch_begin=print)]])
@pytest.mark.parametrize(("monitor", "options", "message"), [
    ("val_acc", VALIDATED, "'val_acc', which no epoch has; it has epoch, loss, val_loss, val_r2, learning_rate"),
    ("val_accuracy", VALIDATED, r"'val_accuracy', which no epoch has; .*, seconds\.$"),
    ("accuracy", {}, "'accuracy', which no epoch has; it has epoch, loss, learning_rate, seconds"),
    ("gradient_norm", {}, r"Pass gradient_norm=True to fit\."),
    ("val_mae", VALIDATED, r"Pass metrics=\['mae'\] to fit: it is then 'val_mae'\."),
    ("mae", VALIDATED, r"Pass metrics=\['mae'\] to fit"), ("r2", VALIDATED, r"Did you mean 'val_r2'\?"),
    ("val_mae", {}, "'val_mae', and the fit has no validation data: pass validation_split=0.1"),
])  # fmt: skip
def test_what_no_epoch_will_have(monitor, options, message, others, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net, _ = train(optimizer=Adam(0.01), epochs=1)
    before = net.parameters.copy()
    kinds = [EarlyStopping, ReduceLROnPlateau, lambda monitor: ModelCheckpoint("best", monitor)]
    for kind in kinds:
        with pytest.raises(ValueError, match=f" monitors .*{message}"):
            train(net, optimizer="sgd", callbacks=[*others, kind(monitor)], **options)
    assert same_bits(net.parameters, before)
    assert (net.steps, net.optimizer) == (5, Adam(0.01))
    assert not [*tmp_path.iterdir()]


def test_the_accuracy_of_classes():
    net = Network([3, 2], loss="cross_entropy", seed=0)
    for monitor, message in (
        ("accuracy", r"Pass validation_split=0.1 to fit: it is then 'val_accuracy'\.$"),
        ("f1", r"Pass metrics=\['f1'\] and validation_split=0.1 to fit: it is then 'val_f1'\.$"),
        ("r2", "seconds\\.$"),
    ):
        with pytest.raises(ValueError, match=message):
            net.fit(problem()[0], CLASSES, callbacks=[EarlyStopping(monitor)], progress=False)
    with pytest.raises(ValueError, match=r"'val_f1', .*Pass metrics=\['f1'\] to fit"):
        net.fit(problem()[0], CLASSES, callbacks=[EarlyStopping("val_f1")], progress=False, **VALIDATED)
    assert net.steps == 0
    for monitor in ("val_f1", "val_accuracy", "gradient_norm", "learning_rate", "seconds", "loss"):
        mode = "min" if monitor in ("learning_rate", "seconds") else "auto"
        options = VALIDATED | {"metrics": ["f1"], "gradient_norm": True, "epochs": 1, "progress": False}
        net.fit(problem()[0], CLASSES, callbacks=[EarlyStopping(monitor, mode=mode)], **options)


@pytest.mark.parametrize("monitor", ["mine", "accuracy", "val_f1"])
def test_what_a_callback_before_may_add(monitor):
    """A function, or a class of the user's own; where it does not, the first epoch shows it."""
    stopper = EarlyStopping(monitor, mode="max")
    own = type("Adds", (ReduceLROnPlateau,), {"on_epoch_end": lambda self, fit: add(fit)})("loss")
    of_no_module = functools.partial(add)
    of_no_module.__module__ = None  # as of a function that `exec` has made
    for adds in (LambdaCallback(on_epoch_end=add), LambdaCallback(on_epoch_end=of_no_module), own):
        assert train(epochs=2, callbacks=[adds, stopper])[1].best_epoch == 1
    nothing = LambdaCallback(on_epoch_end=lambda fit: None)
    net = build()
    with pytest.raises(ValueError, match=f"monitors '{monitor}', which no epoch has"):
        train(net, callbacks=[nothing, stopper])
    assert net.steps == 5
    with pytest.raises(ValueError, match="which no epoch has; .* A callback that adds it must stand before this one"
                       if monitor != "val_f1" else "and the fit has no validation data"):  # fmt: skip
        train(net, callbacks=[stopper, nothing])
    assert net.steps == 5


def test_a_validation_loss_is_of_validation_data():
    """Whatever other callbacks add: else the usual mistake would show after an epoch only."""
    with pytest.raises(ValueError, match="'val_loss', and the fit has no validation data"):
        train(net := build(), callbacks=[LambdaCallback(on_epoch_end=add), EarlyStopping()], optimizer=SGD(0.1))
    assert net.steps == 0
