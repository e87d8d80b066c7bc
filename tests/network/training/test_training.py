"""Ten steps of each optimizer against autograd's gradients and the published formulas."""

import autograd_network as peer
import numpy as np
import pytest

from hotloop import SGD, Adagrad, Adam, AdamW, Network, RMSprop

STEPS = 10
# In units of the largest change of a parameter in the run. There is room for the methods that divide by the root of a
# small gradient's square, and so magnify that gradient's rounding.
TOLERANCE = 1e-13

METHODS = {
    "SGD": (SGD(0.1), peer.descent),
    "momentum": (SGD(0.05, momentum=0.9), peer.momentum),
    "Nesterov": (SGD(0.05, momentum=0.8, nesterov=True), peer.nesterov),
    "RMSprop": (RMSprop(0.01, rho=0.8), peer.rmsprop),
    "Adagrad": (Adagrad(0.05), peer.adagrad),
    "Adam": (Adam(0.02, beta1=0.8, beta2=0.9), peer.adam),
    "AdamW": (AdamW(0.02, beta1=0.8, beta2=0.9, weight_decay=0.3), peer.adamw),
}


def check(net, X, y, method, tolerance=TOLERANCE, **settings):
    """Train, and compare the parameters and the losses with the reference's."""
    before = peer.flat(net, net.parameters)
    optimizer, update = METHODS[method]
    expected, losses = peer.train(net, X, y, optimizer, update, **settings)
    history = net.fit(X, y, optimizer=optimizer, **settings, progress=False)
    moved = np.abs(expected - before).max()
    assert moved > 1e-3, "training that changes nothing tests nothing"
    np.testing.assert_allclose(peer.flat(net, net.parameters), expected, rtol=0, atol=tolerance * moved)
    np.testing.assert_allclose(history["loss"], losses, rtol=tolerance)
    for vector in (net.parameters, *net._training.moments):
        assert not peer.padding(net, vector).any()


def build(sizes, hidden, loss, **options):
    return Network(sizes, hidden, loss="cross_entropy" if loss == "labels" else loss, **options)


def data(rng, rows, sizes, loss):
    X, outputs = rng.normal(size=(rows, sizes[0])), sizes[-1]
    if loss == "labels":
        return X, rng.integers(0, outputs, rows)
    if loss == "cross_entropy":
        return X, np.eye(outputs)[rng.integers(0, outputs, rows)]
    return X, rng.random((rows, outputs))


@pytest.mark.parametrize("shuffle", [False, True], ids=["in order", "shuffled"])
@pytest.mark.parametrize("loss", ["mse", "binary_cross_entropy", "labels"])
@pytest.mark.parametrize("method", METHODS)
def test_ten_steps(method, loss, shuffle, rng):
    """Two batches an epoch, the second a row smaller."""
    net = build([6, 9, 5, 3], ["tanh", "gelu"], loss, dtype="float64", seed=3)
    check(net, *data(rng, 11, net.sizes, loss), method, epochs=STEPS // 2, batch_size=6, shuffle=shuffle)
    assert net.steps == STEPS


@pytest.mark.parametrize("penalties", [{"l2": 0.1}, {"l1": 0.02}, {"l1": 0.02, "l2": 0.1}], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_penalties(method, penalties, rng):
    net = build([6, 9, 3], "silu", "labels", **penalties, dtype="float64", seed=3)
    check(net, *data(rng, 11, net.sizes, "labels"), method, epochs=5, batch_size=6, shuffle=True)


@pytest.mark.parametrize("method", METHODS)
def test_dropout(method, rng):
    net = build([6, 17, 9, 3], "sigmoid", "mse", dropout=[0.25, 0.5], l2=0.01, dtype="float64", seed=2**40 + 5)
    check(net, *data(rng, 11, net.sizes, "mse"), method, epochs=5, batch_size=6, shuffle=True)


@pytest.mark.parametrize("hidden", peer.HIDDEN)
def test_dropout_after_each_activation(hidden, rng):
    """The stored activation, from which most derivatives are taken, is then that of the units kept, scaled."""
    net = build([4, 9, 9, 2], hidden, "mse", dropout=[0.0, 0.4], dtype="float64", seed=1)
    check(net, *data(rng, 11, net.sizes, "mse"), "SGD", epochs=5, batch_size=6, shuffle=False)


# Full batches, one row, and more rows than a micro-batch holds, also where the last batch is smaller.
@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize(("rows", "batch_size", "epochs"), [(10, 1, 1), (7, 7, 10), (7, 100, 10), (500, 300, 5)])
def test_batch_sizes(rows, batch_size, epochs, dropout, rng, short_micro_batches):
    net = build([4, 5, 2], "tanh", "mse", dropout=dropout, dtype="float64", seed=1)
    check(net, *data(rng, rows, net.sizes, "mse"), "Adam", epochs=epochs, batch_size=batch_size, shuffle=True)
    assert net.steps == STEPS


def test_another_optimizer_starts_anew(rng):
    """Its moments are zero and its steps count from 1, while dropout and shuffling go on where they were."""
    net = build([4, 9, 2], "tanh", "mse", dropout=0.3, dtype="float64", seed=1)
    X, y = data(rng, 11, net.sizes, "mse")
    for method in ("Adam", "momentum", "AdamW", "Adam"):
        check(net, X, y, method, epochs=2, batch_size=6, shuffle=True)


@pytest.mark.parametrize("method", METHODS)
def test_single_precision(method, rng):
    """Ten steps, each some tens of roundings away from the last: 6e-8 each, with either sign."""
    net = build([6, 9, 5, 3], ["tanh", "gelu"], "labels", dtype="float32", seed=3)
    check(net, *data(rng, 11, net.sizes, "labels"), method, 1e-5, epochs=5, batch_size=6, shuffle=True)
