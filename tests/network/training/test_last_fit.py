"""What a fit leaves for the next one of the same network: it saves time, and changes nothing."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest
from small_networks import QUIET, build, data, everything

from hotloop import SGD, Adam, DivergenceError, Network
from hotloop.callbacks import LambdaCallback
from hotloop.network import trainable
from hotloop.schedules import Cosine

ONE = {"epochs": 1, "batch_size": 10} | QUIET


def trained(fits, **options):
    """Return all that a network is after some fits, each given as its arguments."""
    net = build(**options)
    losses = [net.fit(*data(), **ONE | fit)["loss"] for fit in fits]
    return everything(net), losses


def apart(fits, monkeypatch, **options):
    """Return the same of fits that leave nothing."""
    with monkeypatch.context() as patch:
        patch.setattr(trainable, "LARGEST_KEPT", -1)
        return trained(fits, **options)


def zeros(net):
    net.parameters[:] = 0


FITS = {
    "the same": [{}, {}, {}],
    "another batch size": [{}, {"batch_size": 7}, {}],
    "another optimizer": [{"optimizer": "adam"}, {"optimizer": SGD(0.1, momentum=0.5)}, {"optimizer": "adam"}],
    "clipping": [{"optimizer": SGD(0.1)}, {"optimizer": SGD(0.1, clip_norm=0.01)}, {"optimizer": SGD(0.1)}],
    "clipping, equal": [{"optimizer": SGD(0.1, clip_norm=0.01)}, {"optimizer": SGD(0.1, clip_norm=0.01)}],
    "factors": [{"optimizer": SGD(0.1, learning_rate_factors={"biases": 0})}, {"optimizer": SGD(0.1)}],
    "a schedule": [{"optimizer": SGD(0.1)}, {"optimizer": SGD(Cosine(0.1))}, {"optimizer": SGD(0.1)}],
    "gradient norms": [{}, {"gradient_norm": True}, {}, {"gradient_norm": True}],
    "rows held out": [{}, {"validation_split": 0.3}, {}],
    "rows held out first": [{"validation_split": 0.3}, {}],
    "weights": [{}, {"sample_weight": np.arange(1.0, len(data()[0]) + 1)}, {}],
    "threads": [{}, {"n_threads": 3}, {}],
}


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_it_changes_no_bit(name, dropout, monkeypatch):
    assert trained(FITS[name], dropout=dropout) == apart(FITS[name], monkeypatch, dropout=dropout)


def test_it_is_used():
    """The next fit has the scratch of this one, and not its data."""
    (X, y), net = data(), build()
    net.fit(X, y, **ONE)
    last = net._last_fit
    assert last is not None
    net.fit(X + 1, y, **ONE)
    assert net._last_fit is last
    net.fit(X[:-1], y[:-1], **ONE)
    assert net._last_fit is not last


def test_it_does_not_hold_the_data():
    (X, y), net = data(), build()
    X = X.copy()
    there = weakref.ref(X)
    net.fit(X, y, **ONE)
    assert net._last_fit is not None
    del X
    gc.collect()
    assert there() is None


@pytest.mark.parametrize("change", [
    lambda net: setattr(net, "seed", 5), lambda net: setattr(net, "l2", 0.5),
    lambda net: setattr(net, "input_scale", 0.5), lambda net: setattr(net, "dropout", (0.5,) * len(net.dropout)),
    zeros, lambda net: net.reset_optimizer(), lambda net: net.partial_fit(*data()),
])  # fmt: skip
def test_a_network_that_was_changed(change, monkeypatch):
    def run():
        net = build()
        for _ in range(2):
            net.fit(*data(), **ONE)
            change(net)
        net.fit(*data(), **ONE)
        return everything(net)

    found = run()
    monkeypatch.setattr(trainable, "LARGEST_KEPT", -1)
    assert run() == found


def test_after_an_error():
    """A fit that fails leaves nothing: what it wrote may not be finite."""
    (X, y), net = data(), build()
    net.fit(X, y, **ONE)
    before = net.parameters.copy()
    with pytest.raises(DivergenceError):
        net.fit(X, y, optimizer=SGD(1e30), **ONE | {"epochs": 9})
    assert net._last_fit is None
    net.parameters[:] = before
    net.fit(X, y, **ONE)
    with pytest.raises(ValueError, match="X"):
        net.fit(X[:, :1], y, **ONE)
    assert np.isfinite(net.fit(X, y, **ONE)["loss"]).all()


def test_a_factor_that_a_callback_has_set_is_of_its_fit():
    (X, y), nets = data(), [build(), build()]
    halve = LambdaCallback(on_epoch_begin=lambda fit: setattr(fit, "learning_rate_factor", 0.5))
    for net, callbacks in zip(nets, ([halve], []), strict=True):
        net.fit(X, y, **ONE, callbacks=callbacks)
        rates = net.fit(X, y, **ONE)["learning_rate"]
        assert rates == [0.01]


def test_a_fit_that_is_over_stays_as_it_was():
    """Its progress is still there for a callback that has kept it."""
    (X, y), net, kept = data(), build(), []
    net.fit(X, y, **ONE)
    net.fit(X, y, **ONE, callbacks=[LambdaCallback(on_fit_end=kept.append)])
    loss, rate = kept[0].batch_loss, kept[0].learning_rate
    net.fit(X, y + 1, **ONE)
    assert (kept[0].batch_loss, kept[0].learning_rate) == (loss, rate)


def test_copies_and_pickles_leave_it():
    net = build()
    net.fit(*data(), **ONE)
    for other in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other._last_fit is None
        other.fit(*data(), **ONE)
    net.fit(*data(), **ONE)
    assert everything(net) == everything(other)


def test_a_large_network_keeps_nothing():
    net = Network([600, 500, 1], seed=0)
    net.fit(np.zeros((4, 600)), np.zeros(4), optimizer=Adam(), **ONE)
    assert net._last_fit is None
