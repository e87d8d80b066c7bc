"""Snapshots of a training run: what they show is what the formulas say; and the limits of single checks."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import alone, needs_compiler
from profiled_fits import made_up

from hotloop import SGD, Adam, Network, profile
from hotloop.kernels.clock import COUNTER, new_clock
from hotloop.kernels.codes import NO_UPDATE
from hotloop.kernels.tables import SETTINGS
from hotloop.kernels.team import new_team
from hotloop.kernels.training import train_slice
from hotloop.network import layout
from hotloop.network.profiling.diagnosis import checks, snapshots
from hotloop.network.profiling.diagnosis.layers import layers_of
from hotloop.network.profiling.diagnosis.trials import Trials
from hotloop.network.training import thread_choice
from hotloop.network.training.composed_schedules import Scaled
from hotloop.schedules import OneCycle

QUIET = {"progress": False, "n_threads": 1}


# What they show.


def taken_at(monkeypatch, activation="sigmoid", n_steps=3, batch_size=10, **options):
    """Return a network, its data, and a snapshot of each of its steps."""
    monkeypatch.setattr(snapshots, "SHARE", 1e9)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n_steps * batch_size, 5)), rng.normal(size=(n_steps * batch_size, 2))
    net = Network([5, 6, 4, 2], activation, seed=0, dtype="float64", **options)
    twin = Network([5, 6, 4, 2], activation, seed=0, dtype="float64", **options)
    with profile() as prof:
        net.fit(X, y, epochs=1, batch_size=batch_size, optimizer=SGD(0.1), shuffle=False, **QUIET)
    return twin, X, y, prof.recording.fits[0].snapshots.items


def rms(array):
    return np.sqrt(np.mean(array**2))


def test_a_snapshot_shows_the_gradient_and_the_update(monkeypatch):
    """Compared with `Network.gradient` and the formula of gradient descent, step by step."""
    twin, X, y, taken = taken_at(monkeypatch)
    assert len(taken) == 3
    for step, snapshot in enumerate(taken):
        rows = slice(10 * step, 10 * step + 10)
        loss, gradient = twin.gradient(X[rows], y[rows])
        expected = [rms(g) for g in twin.split(gradient)[0]]
        assert snapshot.loss == pytest.approx(loss, rel=1e-12)
        assert snapshot.gradient == pytest.approx(expected, rel=1e-12)
        norm = np.sqrt(sum((g**2).sum() for g in twin.split(gradient)[0]))
        assert snapshot.gradient_norm == pytest.approx(norm, rel=1e-12)
        assert snapshot.weight == pytest.approx([rms(w) for w in twin.weights], rel=1e-12)
        assert snapshot.update == pytest.approx([0.1 * g for g in expected], rel=1e-9)
        assert (snapshot.step, snapshot.epoch, snapshot.rows) == (step + 1, 1, 10)
        last = 2 * (twin.predict(X[rows]) - y[rows]) / 20  # dC/dz of the last layer, identity under mse
        assert snapshot.delta[-1] == pytest.approx(rms(last), rel=1e-12)
        twin.parameters[:] -= 0.1 * gradient


@pytest.mark.parametrize("optimizer", [
    SGD(clip_norm=1e-3), SGD(clip_value=1e-4), Adam(learning_rate_factors={"biases": 0.5}),
], ids=str)  # fmt: skip
def test_a_snapshot_shows_the_gradient_before_it_is_clipped(optimizer):
    """Also where factors by row make the step write some of its gradients over others."""
    X, y = np.random.default_rng(0).normal(size=(2, 12, 5))
    net = Network([5, 6, 5], "tanh", seed=0, dtype="float64")
    wanted = [rms(g) for g in net.split(net.gradient(X, y)[1])[0]]
    with profile() as prof:
        net.fit(X, y, epochs=1, batch_size=12, optimizer=optimizer, **QUIET)
    (found,) = prof.recording.fits[0].snapshots.items
    assert found.gradient == pytest.approx(wanted, rel=1e-12)
    norm = math.sqrt(sum(30 * size**2 for size in wanted))
    assert found.gradient_norm == pytest.approx(norm, rel=1e-12)


@pytest.mark.parametrize(("options", "fitting"), [
    ({}, {}), ({"dropout": 0.3, "input_dropout": 0.2}, {}), ({"l1": 0.01, "l2": 0.02}, {}),
    ({"layer_norm": True, "learn_activation": True, "learn_input_scale": True}, {}),
    ({"l2": 0.02}, {"sample_weight": np.arange(12) % 3, "optimizer": Adam()}),
    ({"l2": 0.02}, {"batch_size": 5, "optimizer": SGD(clip_norm=1e-3)}),
], ids=str)  # fmt: skip
def test_a_snapshot_shows_the_gradient_of_the_training_loop(options, fitting, monkeypatch):
    """Compared with a step that writes its gradient and updates nothing; micro-batches have four rows."""
    monkeypatch.setattr(snapshots, "SHARE", 1e9)
    monkeypatch.setattr(layout, "SMALLEST_MICRO_BATCH", 4)
    monkeypatch.setattr(layout, "LARGEST_MICRO_BATCH", 4)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(12, 5)), rng.normal(size=(12, 2))
    fitting = {"batch_size": 12, "optimizer": SGD(), **fitting}
    net, twin = (Network([5, 6, 4, 2], "tanh", seed=0, dtype="float64", **options) for _ in range(2))
    with profile() as prof:
        net.fit(X, y, epochs=1, shuffle=False, **fitting, **QUIET)
    (found, *_) = prof.recording.fits[0].snapshots.items
    expected, loss = gradient_of_the_loop(twin, X, y, fitting)
    assert found.loss == pytest.approx(loss, rel=1e-12)
    assert found.gradient == pytest.approx([rms(g) for g in twin.split(expected)[0]], rel=1e-12)


def gradient_of_the_loop(net, X, y, fitting):
    """Return the gradient of the first batch as `train_slice` sums it up, and its loss."""
    weights, batch_size = fitting.get("sample_weight"), fitting["batch_size"]
    data = net._trained_on(net._checked(X, y), weights, batch_size=batch_size, dropout=True)
    data.set_optimizer(SGD(), 0, 0)
    data.settings["update"] = NO_UPDATE
    gradient, moments = np.zeros_like(net.parameters), np.zeros((0, net.parameters.size))
    run = data.training(net.parameters, gradient, moments, np.arange(len(X)))
    train_slice(0, 1, new_team(), batch_size, run, new_clock(1, 3, COUNTER))
    return gradient, float(data.progress["batch_loss"][0])


def test_penalties_that_are_divided_by_the_weight_of_the_batch():
    """The convention of scikit-learn's estimators."""
    settings = np.zeros(1, SETTINGS)[0]
    settings["l1"], settings["l2"], settings["l2_per_weight"] = 0.5, 0.25, 3.0
    weights, gradients = [np.array([[2.0, -1.0]])], [np.array([[10.0, 20.0]])]
    snapshots.add_penalties(settings, 12.0, weights, gradients)
    assert gradients[0].tolist() == [[10.0 + 0.5 + 2 * 0.5 * 2.0, 20.0 - 0.5 - 2 * 0.5 * 1.0]]


@pytest.mark.parametrize(("activation", "outputs", "share"), [
    ("sigmoid", [0.0, 0.001, 0.5, 0.9, 0.999, 1.0, 0.0126, 0.0128], 5 / 8),
    ("tanh", [-1.0, -0.98, -0.9, 0.0, 0.97, 0.99], 0.5),
    ("relu", [0.0, 1.0], None),
])  # fmt: skip
def test_saturation(activation, outputs, share):
    """f' below a twentieth of its largest: of a(1 - a) 0.0125, of 1 - a^2 0.05."""
    assert snapshots.saturation(activation, np.array(outputs)) == (None if share is None else pytest.approx(share))


def test_dropped_units_are_not_saturated(monkeypatch):
    """Every unit is 1/2, except the dropped ones, which are zero."""
    monkeypatch.setattr(snapshots, "SHARE", 1e9)
    net = Network([3, 40, 1], "sigmoid", initializer="zeros", dropout=0.5, seed=0)
    with profile() as prof:
        net.fit(np.ones((8, 3)), np.ones(8), epochs=1, batch_size=8, **QUIET)
    assert prof.recording.fits[0].snapshots.items[0].saturated == [0.0, None]


def test_what_is_said_of_each_layer():
    """Medians; growth is the gradient over that of the next layer."""
    fit = made_up(delta=[2.0, 4.0, 1.0], gradient=[3.0, 5.0, 7.0], weight=[2.0] * 3, update=[1e-2, 2e-2, 4e-2])
    assert layers_of(fit) == [
        {"layer": 1, "gradient": 3.0, "growth": 0.5, "step": 0.005, "saturated": 0.0, "dead": None},
        {"layer": 2, "gradient": 5.0, "growth": 4.0, "step": 0.01, "saturated": 0.0, "dead": None},
        {"layer": 3, "gradient": 7.0, "growth": None, "step": 0.02, "saturated": None, "dead": None},
    ]


def test_dead_units_are_counted(monkeypatch):
    """With weights and biases that make the units of the first layer -1, 0 and positive."""
    monkeypatch.setattr(snapshots, "SHARE", 1e9)
    first = (np.zeros((2, 4)), np.array([-1.0, -1.0, 0.0, 1.0]))
    net = Network([2, 4, 1], initializer=[first, np.ones((4, 1))], seed=0)
    with profile() as prof:
        net.fit(np.ones((8, 2)), np.ones(8), epochs=1, batch_size=8, optimizer=SGD(1e-9), **QUIET)
    assert prof.recording.fits[0].snapshots.items[0].dead == [0.75, None]


@pytest.mark.parametrize(("n_rows", "epochs", "expected"), [
    (8, 1, [1]), (8, 2, [1, 2]), (40, 1, [1, 4]), (24, 5, [1, 9]), (40 * 8, 1, [1, 9, 17, 25, 33]),
    (80 * 8 - 3, 1, [1, 17, 33, 49, 65]), (40, 40, [1, 41, 81, 121, 161]),
])  # fmt: skip
def test_a_short_fit_has_more_than_one_snapshot(n_rows, epochs, expected, monkeypatch):
    """However fast it is: five, at least eight steps apart; two if it has fewer than sixteen steps."""
    monkeypatch.setattr(snapshots, "SHARE", 0.0)
    monkeypatch.setattr(snapshots, "BRIEF", math.inf)
    rng = np.random.default_rng(0)
    net = Network([5, 4, 2], seed=0)
    for _ in range(2):  # the second goes on from the first
        before = net.steps
        with profile() as prof:
            net.fit(rng.normal(size=(n_rows, 5)), np.ones((n_rows, 2)), epochs=epochs, batch_size=8, **QUIET)
        assert [snapshot.step - before for snapshot in prof.recording.fits[0].snapshots.items] == expected
        (found,) = prof.diagnose(try_remedies=False).fits
        steps = epochs * -(-n_rows // 8)
        assert (found.snapshots, found.steps) == (len(expected), steps)
        text = f"looked at in {len(expected)} of {steps} step{'s' if steps > 1 else ''}: "
        assert text in str(prof.diagnosis)


@pytest.mark.parametrize(("of_a_fit", "brief", "expected"), [
    (0.0, 0.0, [1, 21]),  # the first two, whatever they take
    (0.0, 3.5, [1, 15, 28]),  # three in 3.5 s
    (0.1, 0.0, [1, 11, 21, 31]),  # four in a tenth of forty steps of a second
    (1.0, 0.0, [1, 9, 17, 25, 33]),
])  # fmt: skip
def test_snapshots_that_must_be_taken_take_a_share_of_the_fit(of_a_fit, brief, expected, monkeypatch):
    """A second each, and a step as long, by a clock that each step and each snapshot moves."""
    now = [0.0]

    def step(*given):
        train_slice(*given)
        now[0] += 1

    def snapshot(*given):
        now[0] += 1
        return after_step(*given)

    after_step = snapshots.after_step
    monkeypatch.setattr(snapshots, "SHARE", 0.0)
    monkeypatch.setattr(snapshots, "SHARE_OF_FIT", of_a_fit)
    monkeypatch.setattr(snapshots, "BRIEF", brief)
    monkeypatch.setattr(snapshots, "train_slice", step)
    monkeypatch.setattr(snapshots, "after_step", snapshot)
    monkeypatch.setattr(snapshots, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    with profile() as prof:
        Network([2, 1], seed=0).fit(np.ones((80, 2)), np.ones(80), epochs=1, batch_size=2, **QUIET)
    assert [snapshot.step for snapshot in prof.recording.fits[0].snapshots.items] == expected


def test_no_snapshot_between_the_micro_batches_of_a_batch(monkeypatch, short_micro_batches):
    """It begins with a batch."""
    monkeypatch.setattr(snapshots, "SHARE", 0.0)
    monkeypatch.setattr(snapshots, "BRIEF", math.inf)
    rows = 3000
    X, net = np.random.default_rng(0).normal(size=(rows, 2)), Network([2, 2, 1], seed=0)
    with profile() as prof:
        net.fit(X, X[:, 0], epochs=4, batch_size=700, **QUIET)
    found = prof.recording.fits[0].snapshots.items
    assert [snapshot.step for snapshot in found] == [1, 9, 17]
    assert [snapshot.rows for snapshot in found] == [188] * 3  # of the batch's last micro-batch


@needs_compiler  # plain Python takes seconds an epoch
@alone
def test_snapshots_stay_cheap():
    """A fit of some hundred milliseconds takes a few: those it must take, and then as many as their share allows."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(4096, 64)), rng.integers(0, 10, 4096)
    net = Network([64, 64, 10], loss="cross_entropy", seed=0)
    net.fit(X, y, epochs=1, **QUIET)
    beyond = []
    for _ in range(3):  # during one snapshot another process may have the core
        with profile() as prof:
            history = net.fit(X, y, epochs=60, **QUIET)
        fit = prof.recording.fits[0]
        assert snapshots.LEAST_SNAPSHOTS <= len(fit.snapshots.items) < 100
        beyond.append(fit.spent - 2 * snapshots.SHARE * history.seconds)
    assert min(beyond) < 0.01


# Single checks, on made-up snapshots.


@pytest.mark.parametrize(("delta", "kind"), [
    ([1e-4, 1e-2, 1.0], checks.vanishing), ([2e-3, 1e-2, 1.0], None), ([1.0, 1.0, 1.0], None),
    ([999.0, 1.0, 1.0], None), ([1001.0, 10.0, 1.0], checks.exploding), ([0.0, 0.0, 1.0], checks.vanishing),
    ([0.0, 0.0, 0.0], None),
])  # fmt: skip
def test_the_limits_of_growth_and_shrinkage(delta, kind):
    fit = made_up(delta=delta)
    assert {check for check in (checks.vanishing, checks.exploding) if check(fit, None)} == ({kind} - {None})


TURNING = [(1.0, 1.0), (0.9, 0.8), (0.8, 0.5), (0.7, 0.6), (0.6, 0.7), (0.5, 0.8), (0.4, 0.8), (0.3, 0.8)]


@pytest.mark.parametrize(("history", "epoch"), [
    (TURNING, 3),
    (TURNING[:7], None),  # four epochs ago
    ([*TURNING[:-1], (0.3, 0.55)], None),  # down again at the end
    ([*TURNING[:-2], (0.4, 0.5), (0.3, 0.9)], None),  # a single epoch
    ([*TURNING[:-1], (0.85, 0.8)], None),  # the training loss has risen too
    ([(loss, 0.5 + loss) for loss, _ in TURNING], None),
    ([(1.0, 0.5), *[(0.9, 0.55)] * 9], None),  # hardly worse
    ([], None),
])  # fmt: skip
def test_when_the_val_loss_has_turned(history, epoch):
    found = checks.overfitting(made_up(history), None)
    assert (found is None) == (epoch is None)
    assert found is None or f"turns at epoch {epoch}: 0.5 there, 0.8 at the end" in found.evidence


def test_a_profile_that_is_open_is_not_diagnosed():
    with profile() as prof, pytest.raises(RuntimeError, match="the profile has not ended"):
        prof.diagnose()


def test_the_learning_rate_of_a_schedule_is_its_highest(monkeypatch):
    """A trial at another rate has all of it times a factor."""
    net, rate = Network([2, 3, 1], seed=0), OneCycle(0.05)
    X, y = np.ones((20, 2)), np.ones(20)
    with profile() as prof:
        net.fit(X, y, epochs=4, batch_size=8, optimizer=SGD(rate), **QUIET)
    (fit,) = prof.recording.fits
    steps = 4 * math.ceil(len(X) / 8)
    assert fit.learning_rate == max(rate(step, steps) for step in range(steps))
    tried = []
    trials = Trials(fit, lambda training: training())
    monkeypatch.setattr(trials, "_trained", lambda net, optimizer, X: tried.append(optimizer))
    trials.at_rate(0.1)
    assert tried == [SGD(Scaled(rate, 0.1))]


def test_the_learning_rate_of_the_trace_follows_its_schedule(monkeypatch):
    """Each new one is counted, and the last once more at the end."""
    monkeypatch.setattr(thread_choice, "SLICE_SECONDS", 0.0)  # each batch is a call
    rates = [0.5, 0.5, 0.25, 0.125, 0.125, 0.125]
    with profile() as prof:
        optimizer = SGD(lambda step, steps: rates[step])
        Network([2, 3, 1], seed=0).fit(
            np.ones((24, 2)), np.ones(24), epochs=2, batch_size=8, optimizer=optimizer, **QUIET
        )
    counted = [rate for _, rate in prof.recording.counters["learning rate"].items]
    assert counted == [0.5, 0.25, 0.125, 0.125]
