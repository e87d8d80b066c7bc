"""How the networks of the tabular estimators are made and trained, held to the formulas in NumPy."""

import _thread
import math
import time

import numpy as np
import pytest
from tabular_data import tiny

from hotloop import Callback, Network
from hotloop.network.estimators import tabular_training
from hotloop.network.estimators.tabular_network import Rows, batch_size, new_network, train
from hotloop.network.estimators.tabular_recipe import CLASSES, PRESETS, VALUES, Recipe
from hotloop.network.estimators.tabular_training import Ensemble, folds, held_out
from hotloop.network.training.fit import shuffled
from hotloop.network.training.history import DivergenceError


def selu(z):
    scale, alpha = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
    e = np.exp(np.minimum(z, 0))
    return scale * np.where(z > 0, z, alpha * (e - 1)), scale * np.where(z > 0, 1, alpha * e)


def mish(z):
    s = np.log1p(np.exp(z))
    t = np.tanh(s)
    return z * t, t + z * (1 - t**2) / (1 + np.exp(-z))


def realmlp(net, recipe, X, y, classes):
    """Train as RealMLP's own code does: W / sqrt(fan_in) in the forward pass, and one learning rate for all W.

    Returns the scale of the inputs, and the weights and biases as a plain network has them.
    """
    f = {"selu": selu, "mish": mish}[recipe.activation]
    fan_in = net.sizes[:-1]
    W = [w.astype(float) * math.sqrt(n) for w, n in zip(net.weights, fan_in, strict=True)]
    b = [bias.astype(float) for bias in net.biases]
    parameters, rates = [np.ones(net.sizes[0]), *W, *b], [6.0] + [1.0] * len(W) + [0.1] * len(b)
    m, v = [np.zeros_like(p) for p in parameters], [np.zeros_like(p) for p in parameters]
    steps = recipe.epochs * math.ceil(len(X) / recipe.batch_size)
    targets = np.eye(net.sizes[-1])[y] * 0.9 + 0.1 / net.sizes[-1] if classes else y
    step = 0
    for epoch in range(recipe.epochs):
        order = shuffled(net.seed, epoch, len(X))
        for start in range(0, len(X), recipe.batch_size):
            rows = order[start : start + recipe.batch_size]
            s, W, b = parameters[0], parameters[1 : 1 + len(W)], parameters[1 + len(W) :]
            a, slopes = [X[rows] * s], []
            for layer, (w, bias) in enumerate(zip(W, b, strict=True)):
                z = a[-1] @ w / math.sqrt(fan_in[layer]) + bias
                out, slope = f(z) if layer < len(W) - 1 else (z, 1)
                a.append(out)
                slopes.append(slope)
            if classes:
                p = np.exp(a[-1] - a[-1].max(axis=1, keepdims=True))
                delta = (p / p.sum(axis=1, keepdims=True) - targets[rows]) / len(rows)
            else:
                delta = 2 * (a[-1] - targets[rows]) / targets[rows].size
            dW, db = [], []
            for layer in reversed(range(len(W))):
                delta = delta * slopes[layer]
                dW.insert(0, a[layer].T @ delta / math.sqrt(fan_in[layer]))
                db.insert(0, delta.sum(axis=0))
                delta = delta @ W[layer].T / math.sqrt(fan_in[layer])
            gradients = [(delta * X[rows]).sum(axis=0), *dW, *db]
            rate = recipe.learning_rate * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * step / steps))) / 2
            step += 1
            for i, g in enumerate(gradients):
                m[i] = 0.9 * m[i] + 0.1 * g
                v[i] = 0.95 * v[i] + 0.05 * g**2
                root = np.sqrt(v[i] / (1 - 0.95**step)) + 1e-30
                parameters[i] = parameters[i] - rates[i] * rate * (m[i] / (1 - 0.9**step)) / root
    scaled = [w / math.sqrt(n) for w, n in zip(parameters[1 : 1 + len(W)], fan_in, strict=True)]
    return parameters[0], scaled, parameters[1 + len(W) :]


@pytest.mark.parametrize("classes", [True, False])
def test_training_is_realmlp_step_by_step(classes, rng):
    """In float64: factors on the rates of plain weights are the same as its parametrisation under Adam."""
    X = rng.normal(size=(30, 5))
    y = rng.integers(0, 3, 30) if classes else rng.normal(size=(30, 2))
    preset = PRESETS[CLASSES if classes else VALUES]["realmlp"]
    # Adam's epsilon counts for more where the gradient is that of W / sqrt(fan_in), by this factor: 1e-8 is nothing.
    recipe = Recipe(**preset.plain() | {"hidden_sizes": (7, 6), "epochs": 4, "batch_size": 10, "epsilon": 1e-30})
    small = new_network(recipe, 5, 3 if classes else 2, classes, seed=3)
    net = Network(
        small.sizes, recipe.activation, loss=small.loss, label_smoothing=small.label_smoothing, seed=small.seed,
        learn_input_scale=True, dtype="float64", initializer=list(zip(small.weights, small.biases, strict=True)),
    )  # fmt: skip
    scale, weights, biases = realmlp(net, recipe, X, y, classes)
    before = net.parameters.copy()
    train(net, recipe, Rows(X, y), None, classes, 1, [])
    assert not np.allclose(net.parameters, before, rtol=0.01)
    np.testing.assert_allclose(net.learnt_input_scale, scale, rtol=1e-10)
    for found, wanted in zip([*net.weights, *net.biases], [*weights, *biases], strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-11)


def test_initial_weights():
    net = new_network(Recipe(hidden_sizes=(400, 300), bias_std=0.5), 100, 3, True, seed=0)
    for layer, fan_in in enumerate((100, 400)):
        assert np.std(net.weights[layer]) == pytest.approx(fan_in**-0.5, rel=0.03)
        assert np.std(net.biases[layer]) == pytest.approx(0.5, rel=0.15)
    assert not net.weights[2].any()
    assert not net.biases[2].any()
    other = new_network(Recipe(hidden_sizes=(400, 300), bias_std=0.5), 100, 3, True, seed=1)
    assert not np.array_equal(net.weights[0], other.weights[0])


@pytest.mark.parametrize(("n_rows", "size"), [(1, 1), (256, 256), (257, 129), (800, 200), (1024, 256), (1025, 205)])
def test_batches_are_of_equal_size(n_rows, size):
    assert batch_size(Recipe(), n_rows) == size


def test_folds_share_out_rows_and_classes():
    labels = np.repeat([0, 1, 2, 3], [50, 23, 2, 1])
    found = folds(len(labels), 5, (0, 0), labels)
    assert found[-1] == -1  # the only row of its class
    counts = np.array([[np.sum((found == fold) & (labels == label)) for fold in range(5)] for label in range(3)])
    assert (np.ptp(counts, axis=1) <= 1).all()
    assert np.ptp(counts.sum(axis=0)) <= 1
    assert not np.array_equal(found, folds(len(labels), 5, (1, 0), labels))
    assert sorted(np.bincount(folds(7, 5, (0, 0)))) == [1, 1, 1, 2, 2]


def test_each_network_holds_out_another_fold():
    masks = np.array([held_out(53, 0.2, index, 4, seed=4) for index in range(4)])
    assert (masks.sum(axis=0) <= 1).all()
    assert masks.sum(axis=1).tolist() == [11, 11, 11, 10]
    masks = np.array([held_out(53, 0.2, index, 8, seed=4) for index in range(8)])
    assert (masks.sum(axis=0) == 1).all()
    masks = np.array([held_out(53, 0.2, index, 20, seed=4) for index in range(20)])
    assert (masks[:10].sum(axis=0) == 1).all()
    assert (masks[10:].sum(axis=0) == 1).all()
    assert not np.array_equal(masks[0], masks[10])
    assert held_out(53, 0.05, 0, 1, seed=4).sum() == 3
    assert not held_out(1, 0.2, 3, 5, seed=0).any()


def rows_of(rng, n_rows=40, classes=True):
    X = rng.normal(size=(n_rows, 3)).astype(np.float32)
    y = (X[:, 0] > 0).astype(np.int64) if classes else X[:, :1].copy()
    return Rows(X, y)


def test_same_bits_whatever_the_threads_and_the_number_of_networks(rng):
    rows = rows_of(rng)
    found = [
        [one.network.parameters for one in Ensemble(tiny(), 2, True, 5, n_threads).train(count, rows)]
        for n_threads, count in ((1, 3), (2, 3), (3, 3), (8, 3), ("auto", 1))
    ]
    for parameters in found:
        assert all(np.array_equal(one, other) for one, other in zip(found[0], parameters, strict=False))
    assert not np.array_equal(found[0][0], found[0][1])
    assert [len(parameters) for parameters in found] == [3, 3, 3, 3, 1]
    one, other = Ensemble(tiny(validation_fraction=0.0, epochs=1), 2, True, 5, 1).train(2, rows)
    assert not np.array_equal(one.network.parameters, other.network.parameters)


def test_goes_back_to_the_last_of_the_best_epochs(rng):
    rows = rows_of(rng, 60)
    (one,) = Ensemble(tiny(epochs=20, learning_rate=0.3), 2, True, 0, 1).train(1, rows)
    accuracies = one.history["val_accuracy"]
    assert one.history.best_epoch == max(
        epoch for epoch, accuracy in enumerate(accuracies, start=1) if accuracy == max(accuracies)
    )
    mask = held_out(60, 0.2, 0, 1, 0, rows.targets)
    assert one.network.evaluate(rows.inputs[mask], rows.targets[mask])["accuracy"] == max(accuracies)


def test_without_validation_the_last_epoch_counts(rng):
    (one,) = Ensemble(tiny(validation_fraction=0.0), 2, True, 0, 1).train(1, rows_of(rng))
    assert "val_loss" not in one.history
    assert one.history.best_epoch is None


def test_callbacks_of_several_networks_are_copies(rng):
    class Counts(Callback):
        epochs = 0

        def on_epoch_end(self, fit):
            self.epochs += 1

    counts = Counts()
    Ensemble(tiny(), 2, True, 0, 1).train(1, rows_of(rng), callbacks=[counts])
    assert counts.epochs == 3
    Ensemble(tiny(), 2, True, 0, 1).train(2, rows_of(rng), callbacks=[counts])
    assert counts.epochs == 3


class At(Callback):
    """Does something at the end of an epoch."""

    def __init__(self, epoch, act):
        self.epoch, self.act = epoch, act

    def on_epoch_end(self, fit):
        if fit.epoch == self.epoch:
            self.act(fit)

    def __deepcopy__(self, memo):
        return self


def test_time_limit_is_shared(rng, monkeypatch):
    """The clock moves by a second for each epoch: of 12 seconds, three networks one after another have 4 each."""
    now = [100.0]
    monkeypatch.setattr(tabular_training.time, "perf_counter", lambda: now[0])

    def tick(fit):
        now[0] += 1

    ticking = [At(epoch, tick) for epoch in range(1, 51)]
    trained = Ensemble(tiny(epochs=50), 2, True, 0, 1).train(3, rows_of(rng), seconds=12.0, callbacks=ticking)
    assert [len(one.history.epochs) for one in trained] == [4, 4, 4]
    assert [one.history.stop_reason for one in trained] == ["time"] * 3


def test_networks_for_which_no_time_is_left_are_left_out(rng, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(tabular_training.time, "perf_counter", lambda: now[0])

    def tick(fit):
        now[0] += 9

    trained = Ensemble(tiny(), 2, True, 0, 1).train(3, rows_of(rng), seconds=5.0, callbacks=[At(1, tick)])
    assert [len(one.history.epochs) for one in trained] == [1]


@pytest.mark.parametrize("n_threads", [1, 2])
def test_interruption_keeps_what_has_been_trained(n_threads, rng):
    pressed = []

    def interrupt(fit):
        pressed.append(True)
        if len(pressed) == 1:
            _thread.interrupt_main()
        time.sleep(1)  # until the main thread has heard it

    interrupting = At(2, interrupt)
    trained = Ensemble(tiny(epochs=20), 2, True, 0, n_threads).train(4, rows_of(rng), callbacks=[interrupting])
    assert 1 <= len(trained) <= n_threads
    assert trained[0].history.stop_reason == "interrupted"
    assert 2 <= max(len(one.history.epochs) for one in trained) < 20  # the other may be slower


def test_an_error_of_one_network_ends_all(rng):
    class Broken(Exception):
        pass

    def fail(fit):
        raise Broken("no")

    with pytest.raises(Broken):
        Ensemble(tiny(epochs=10**6), 2, True, 0, 2).train(4, rows_of(rng), callbacks=[At(2, fail)])


def test_an_interruption_before_anything_is_trained(rng, monkeypatch):
    monkeypatch.setattr(tabular_training, "in_threads", lambda *given: None)
    with pytest.raises(KeyboardInterrupt):
        Ensemble(tiny(), 2, True, 0, 1).train(1, rows_of(rng))


def test_a_thread_that_cannot_be_started_ends_the_others(rng, monkeypatch):
    started = []

    def start(method):
        if started:
            raise RuntimeError("can't start new thread")
        started.append(method.__self__)
        method()

    monkeypatch.setattr(tabular_training, "with_large_stack", start)
    with pytest.raises(RuntimeError, match="can't start"):
        Ensemble(tiny(epochs=10**6), 2, True, 0, 2).train(2, rows_of(rng))
    assert not started[0].is_alive()


def spoil(fit):
    fit.network.parameters[0] = np.nan


def test_divergence_after_the_first_epoch_goes_back_to_the_best(rng):
    (one,) = Ensemble(tiny(epochs=9), 2, True, 0, 1).train(1, rows_of(rng), callbacks=[At(2, spoil)])
    assert one.history.stop_reason == "diverged"
    assert np.isfinite(one.network.parameters).all()
    assert one.history.best_epoch in (1, 2)
    with pytest.raises(DivergenceError):
        Ensemble(tiny(validation_fraction=0.0), 2, True, 0, 1).train(1, rows_of(rng), callbacks=[At(2, spoil)])


def test_one_bar_for_all_networks(rng, monkeypatch, capsys):
    monkeypatch.setattr(tabular_training, "is_shown", lambda: True)
    Ensemble(tiny(), 2, True, 0, 2).train(2, rows_of(rng), progress=True)
    shown = capsys.readouterr().err
    assert "2 networks 100% " in shown
    assert "6/6 epochs" in shown


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"hidden_sizes": 7}, "hidden_sizes must be a sequence"),
        ({"hidden_sizes": (0,)}, "hidden_sizes must be at least 1"),
        ({"activation": "softmax"}, "last layer"),
        ({"learning_rate": 0.0}, "learning_rate must be finite, above 0"),
        ({"schedule": "cosin"}, "schedule 'cosin' is not known"),
        ({"prefer": "best"}, "prefer 'best' is not known"),
        ({"validation_fraction": 0.6}, "at most 0.5"),
        ({"learn_activation": 1}, "learn_activation must be True or False"),
    ],
)
def test_recipe_checks_its_fields(given, error):
    with pytest.raises((TypeError, ValueError), match=error):
        Recipe(**given)


def test_every_ingredient_can_be_trained(rng):
    recipe = tiny(
        learn_activation=True, dropout=0.2, weight_decay=0.01, input_scale_factor=None, schedule="one_cycle",
        label_smoothing=0.0, hidden_sizes=[5], batch_size=64,
    )  # fmt: skip
    (one,) = Ensemble(recipe, 1, False, 0, 1).train(1, rows_of(rng, classes=False))
    assert one.network.learnt_input_scale is None
    assert one.network.dropout == (0.2,)
    assert not np.allclose(one.network.mixes[0], 1)
    (linear,) = Ensemble(tiny(hidden_sizes=()), 1, False, 0, 1).train(1, rows_of(rng, classes=False))
    assert linear.network.sizes == (3, 1)


@pytest.mark.parametrize(
    ("n_rows", "most", "epochs"),
    [(1, None, 40), (50, None, 40), (51, None, 20), (100, None, 20), (101, None, 14), (300, None, 10), (9999, None, 10),
     (100, 12, 12), (100, 30, 20), (9999, 3, 3)],
)  # fmt: skip
def test_a_small_table_gets_more_epochs(n_rows, most, epochs):
    """Until there are 40 steps, but at most four times as many: 50 rows are one step, 100 two, 101 three."""
    assert tiny(epochs=10, batch_size=50, steps=40).for_rows(n_rows, most).epochs == epochs
    assert tiny(epochs=10, batch_size=50).for_rows(n_rows).epochs == 10


def test_presets():
    for presets in PRESETS.values():
        assert [*presets] == ["default", "fast", "best", "realmlp"]
        assert [preset.n_ensemble for preset in presets.values()] == [4, 1, 8, 1]
    assert PRESETS[CLASSES]["realmlp"] == Recipe()
    own = tiny(epochs=5)
    assert Recipe.of(own, VALUES) is own
    with pytest.raises(ValueError, match="preset 'fastest' is not known"):
        Recipe.of("fastest", CLASSES)
    with pytest.raises(TypeError, match="preset must be one of default, fast, best, realmlp, or a Recipe"):
        Recipe.of(3, CLASSES)
    assert Recipe(**own.plain()) == own
    assert repr(Recipe(epochs=3, activation="selu")) == "Recipe(epochs=3)"


def test_wide_tables_have_fewer_bins():
    found = [Recipe(numeric_bins=16).bins_of(n_columns) for n_columns in (1, 128, 129, 256, 512, 513, 10**6)]
    assert found == [16, 16, 15, 8, 4, 0, 0]
    assert Recipe(numeric_bins=2).bins_of(1000) == 2
    assert Recipe().bins_of(1) == 0
