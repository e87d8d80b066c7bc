"""Trials of remedies: twins and probes are right, and the outcomes decide the findings."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from profiled_fits import made_up

from hotloop import SGD, Adam, Network, profile
from hotloop.network.profiling.diagnosis import checks, trials
from hotloop.network.profiling.diagnosis.diagnosis import diagnosis_of
from hotloop.network.profiling.diagnosis.trials import Outcome, Probe, Trials, probe, twin
from hotloop.network.profiling.observer import current
from hotloop.network.profiling.profiler import in_own_profile
from hotloop.network.training import fit as fitting

QUIET = {"progress": False, "n_threads": 1}


def fitted(sizes=(4, 6, 5, 2), activation="tanh", rows=24, optimizer=None, **options):
    """Return a fit as a profile keeps it, and its network."""
    rng = np.random.default_rng(0)
    net = Network(sizes, activation, seed=0, **options)
    y = rng.integers(0, sizes[-1], rows) if net.loss == "cross_entropy" else rng.normal(size=(rows, sizes[-1]))
    with profile() as prof:
        net.fit(rng.normal(size=(rows, sizes[0])), y, epochs=2, batch_size=8, optimizer=optimizer or SGD(0.1), **QUIET)
    return prof.recording.fits[0], net


@pytest.fixture
def short(monkeypatch):
    """Two epochs of 24 rows in batches of 8 are six steps."""
    monkeypatch.setattr(trials, "FEWEST_STEPS", 3)


# Twins.


def test_a_twin_is_the_network_before_the_fit():
    fit, net = fitted(dropout=0.25, l2=1e-3, input_scale=0.5)
    same, relu = twin(fit), twin(fit, "relu")
    assert repr(same) == repr(net)
    assert (same.dropout, same.l1, same.l2, same.seed) == (net.dropout, net.l1, net.l2, net.seed)
    assert np.array_equal(same.parameters, fit.initial)
    assert not np.array_equal(fit.initial, net.parameters)
    assert np.array_equal(fit.final, net.parameters)
    assert relu.activations == ("relu", "relu", "identity")
    assert np.array_equal(relu.parameters, fit.initial)
    drawn = twin(fit, "relu", initial=False)
    assert not np.array_equal(drawn.parameters, fit.initial)
    assert twin(fit, input_scale=1.0).input_scale == 1.0


def test_a_trial_trains_as_the_fit_did(short):
    """On the same rows, for as many steps, with the same optimizer: to the same bits as the fit."""
    fit, net = fitted(optimizer=Adam(0.01))
    tried = Trials(fit, in_own_profile)
    assert (tried.steps, tried.batch_size) == (6, 8)
    outcome, again = tried.unchanged(), tried.unchanged()
    assert outcome is again
    assert outcome.loss == pytest.approx(net.gradient(tried.X, tried.y)[0], rel=1e-6)
    assert tried.start() == pytest.approx(twin(fit).gradient(tried.X, tried.y)[0], rel=1e-6)


def test_a_trial_at_another_rate(short):
    fit, _ = fitted()
    tried = Trials(fit, in_own_profile)
    other, _ = fitted(optimizer=SGD(0.01))
    assert tried.at_rate(0.1).loss == pytest.approx(Trials(other, in_own_profile).unchanged().loss, rel=1e-6)
    assert tried.at_rate(0.1).loss != tried.unchanged().loss
    with np.errstate(all="ignore"):
        assert tried.at_rate(1e30) == Outcome(math.inf)


@pytest.mark.parametrize(("rows", "epochs", "batch_size", "steps"), [
    (64, 1, 8, 20),  # at least twenty
    (64, 5, 8, 40),  # as many as there were
    (64, 5000, 8, 2000),  # at most two thousand
    (5000, 1, 8, 512),  # of four thousand rows
    (5000, 100, 5000, 100),  # of at least a whole batch
])  # fmt: skip
def test_how_long_a_trial_is(rows, epochs, batch_size, steps):
    fit = made_up([(1.0, 1.0)] * epochs)
    fit.X, fit.y, fit.batch_size = np.zeros((rows, 4)), np.zeros((rows, 2)), batch_size
    tried = Trials(fit, in_own_profile)
    assert tried.steps == pytest.approx(steps, abs=rows / batch_size)
    assert len(tried.X) == len(tried.y) <= max(trials.MOST_ROWS, batch_size)


# Probes.


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_a_probe_sees_the_gradients_and_the_units(loss):
    """Against the same in NumPy: dC/dz by the chain rule, in one micro-batch."""
    rng = np.random.default_rng(0)
    net = Network([3, 8, 4, 2], ["relu", "sigmoid"], loss=loss, seed=0, dtype="float64")
    net.biases[0][:] = [-9, -9, 0, 0, 0, 0, 0, 0]
    net.weights[1][:] *= 20
    X, y = rng.normal(size=(20, 3)), rng.integers(0, 2, 20)
    targets = np.eye(2)[y] if loss == "cross_entropy" else rng.normal(size=(20, 2))
    seen = probe(net, X, y if loss == "cross_entropy" else targets)
    first = np.maximum(X @ net.weights[0] + net.biases[0], 0)
    second = 1 / (1 + np.exp(-(first @ net.weights[1] + net.biases[1])))
    delta = (net.predict(X) - targets) / 20  # of mse over two outputs: 2 (a - y) / (20 * 2)
    deltas = [delta]
    deltas.insert(0, deltas[0] @ net.weights[2].T * second * (1 - second))
    deltas.insert(0, deltas[0] @ net.weights[1].T * (first > 0))
    assert seen.delta == pytest.approx([np.sqrt(np.mean(d**2)) for d in deltas], rel=1e-9)
    assert seen.dead == [pytest.approx(np.mean((first <= 0).all(axis=0))), None, None]
    assert seen.dead[0] >= 0.25


def test_a_probe_of_many_rows_takes_four_micro_batches(monkeypatch):
    """A unit that is positive for one of the rows is alive."""
    monkeypatch.setattr(trials, "PROBE_ROWS", 5)
    net = Network([1, 1, 1], initializer="zeros", seed=0)
    net.weights[0][:] = 1
    X = -np.ones((30, 1), np.float32)
    assert probe(net, X, X).dead == [1.0, None]
    X[17] = 1
    assert probe(net, X, X).dead == [0.0, None]
    X[17], X[25] = -1, 1  # beyond the four
    assert probe(net, X, X).dead == [1.0, None]


def test_a_probe_without_a_finite_loss():
    net = Network([1, 1], seed=0)
    net.weights[0][:] = 1e38
    with np.errstate(all="ignore"):
        assert probe(net, np.full((3, 1), 1e38, np.float32), np.zeros((3, 1), np.float32)) is None


# What outcomes decide.

GOOD, FAIR, BAD, LOST = Outcome(0.1), Outcome(0.9), Outcome(1.0), Outcome(math.inf)


def tried(unchanged=BAD, rates=(), others=(), start=1.0):
    """Return trials of given outcomes: by factors of the rate, and by names of other changes."""
    fit = made_up()
    rates, others = dict(rates), dict(others)
    fake = SimpleNamespace(X=fit.X, y=fit.y, steps=99, batch_size=8, unchanged=lambda: unchanged, start=lambda: start)
    fake.at_rate = lambda factor: rates.get(float(f"{factor:.6g}"), LOST)
    fake.run = lambda key, **_: others.get(key, BAD)
    fake.twin = lambda *given, **named: SimpleNamespace()
    return fake


def restless(**changes):
    return made_up([(1.0, 1.0), (0.99, 1.0)], update=[0.2] * 3, **changes)


@pytest.mark.parametrize(("unchanged", "rates", "rate"), [
    (BAD, {0.1: GOOD, 0.01: FAIR}, "0.01"),
    (BAD, {0.1: FAIR, 0.01: FAIR}, None),  # hardly better
    (LOST, {0.1: BAD, 0.01: FAIR}, "0.001"),
])  # fmt: skip
def test_a_smaller_rate_must_help(unchanged, rates, rate):
    found = checks.rate_too_large(restless(), tried(unchanged, rates))
    assert (found is None) == (rate is None)
    if rate is not None:
        assert found.kind == "learning rate too large"
        assert "a step changes the weights of layer 1 by 0.2 of their size" in found.evidence
        assert found.tried.startswith(f"learning rate {rate}: ")


def test_steps_of_a_usual_size_are_not_suspected():
    assert checks.rate_too_large(made_up([(1.0, 1.0)] * 2), tried(rates={0.1: GOOD})) is None


def test_rates_are_tried_until_one_converges():
    fit = restless()
    fit.diverged = True
    found = checks.rate_too_large(fit, tried(LOST, {1e-6: GOOD}))
    assert (found.kind, "learning rate 1e-07" in found.tried) == ("learning rate too large", True)
    found = checks.rate_too_large(fit, tried(LOST))
    assert (found.kind, "diverged too" in found.tried) == ("divergence", True)


@pytest.mark.parametrize(("rates", "expected"), [
    ({10.0: FAIR, 100.0: GOOD}, "learning rate too small"), ({10.0: FAIR, 100.0: FAIR}, None), ({}, None),
])  # fmt: skip
def test_a_larger_rate_must_help(rates, expected):
    found = checks.rate_too_small(made_up([(1.0, 1.0), (0.99, 1.0)]), tried(rates=rates))
    assert (None if found is None else found.kind) == expected
    assert checks.rate_too_small(made_up([(1.0, 1.0), (0.5, 1.0)]), tried(rates=rates)) is None
    assert checks.rate_too_small(restless(), tried(rates=rates)) is None


@pytest.mark.parametrize(("scale", "offset", "suspected"), [
    (1.0, 0.0, False), (7.0, 0.0, False), (30.0, 0.0, True), (1.0, 50.0, True), (0.001, 0.0, True), (0.1, 0.0, False),
])  # fmt: skip
@pytest.mark.parametrize("helps", [True, False])
def test_scaled_inputs_must_help(scale, offset, suspected, helps):
    fit, given = made_up(), tried(others={"scaled": GOOD if helps else FAIR})
    fit.X = given.X = fit.X * scale + offset
    found = checks.inputs_not_scaled(fit, given)
    assert (found is not None) == (suspected and helps)
    assert (checks.inputs_not_scaled(fit, None) is not None) == suspected


@pytest.mark.parametrize(("dead", "others", "expected"), [
    ([0.5, None], {"leaky": GOOD}, "leaky_relu, from the same weights"),
    ([0.5, None], {"new weights, None": GOOD}, "new weights and biases"),
    ([0.5, None], {}, None),
    ([0.95, None], {}, "leaky_relu, from the same weights"),
    ([0.3, None], {"leaky": GOOD}, None),
])  # fmt: skip
def test_dead_units_must_matter(dead, others, expected, monkeypatch):
    fit, _ = fitted((4, 6, 2), "relu")
    monkeypatch.setattr(checks, "probe", lambda *_: Probe([1.0, 1.0], dead))
    found = checks.dead_units(fit, tried(others=others))
    assert (None if found is None else found.tried.split(":")[0]) == expected
    without = checks.dead_units(fit, None)
    assert (without is not None) == (dead[0] >= 0.4)


def test_new_weights_are_tried_for_gradients(monkeypatch):
    monkeypatch.setattr(checks, "probe", lambda *_: Probe([0.6, 0.8, 1.0], [None] * 3))
    fit = made_up(delta=[1e-5, 1e-2, 1.0])
    found = checks.vanishing(fit, tried(others={"new weights, relu": GOOD}))
    assert "layer 1 gets 1e-05 of layer 3's gradient" in found.evidence
    assert found.tried == (
        "with ReLU and he_normal layer 1 gets 0.6 of it: loss 0.1 after 99 steps of 8 rows; unchanged: 1"
    )
    fit = made_up(delta=[1e5, 1e2, 1.0])
    found = checks.exploding(fit, tried(LOST, others={"new weights, None": GOOD}))
    assert found.tried.endswith(
        "with new weights layer 1 gets 0.6 of it: loss 0.1 after 99 steps of 8 rows; unchanged: diverged"
    )
    assert checks.exploding(fit, tried(BAD, start=2.0)) is None  # it learns, and no better with new weights
    fit.snapshots.items.clear()
    assert checks.exploding(fit, tried()) is None  # by a probe of the initial weights
    assert checks.gradient_ratio(fit, None) is None


@pytest.mark.parametrize(("step", "rates", "expected"), [
    (1e-9, {1e8: GOOD}, "1e+07"),  # times the rate of 0.1
    (1e-5, {1e8: GOOD}, None),
])  # fmt: skip
def test_larger_rates_are_tried_while_steps_are_small(step, rates, expected):
    found = checks.rate_too_small(made_up([(1.0, 1.0), (0.99, 1.0)], update=[step] * 3), tried(rates=rates))
    assert (found is None) == (expected is None)
    assert found is None or f"learning rate {expected}: loss 0.1" in found.tried


def test_a_fit_that_continues_another_is_not_called_slow():
    fit = made_up([(1.0, 1.0), (0.99, 1.0)])
    fit.resumed = True
    assert checks.rate_too_small(fit, tried(rates={10.0: GOOD})) is None


def test_ctrl_c_ends_a_diagnosis(short, monkeypatch):
    """A fit would keep what it has learnt, and return; a trial must not."""
    fit, _ = fitted()

    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "train_slice", interrupted)
    monkeypatch.setattr(fitting, "LOADED", set())
    with pytest.raises(KeyboardInterrupt):
        Trials(fit, in_own_profile).unchanged()
    with profile():  # nothing is left open
        pass


def test_a_diagnosis_within_another_profile(short):
    fit, _ = fitted()
    with profile() as prof:
        Trials(fit, in_own_profile).unchanged()
        assert current() is prof.recording
    assert prof.recording.clocks == []


def test_a_gradient_of_zero_has_vanished():
    """As in forty layers of sigmoid: it is below the smallest float32."""
    assert checks.gradient_ratio(made_up(delta=[0.0, 1e-30, 1.0]), None) == 0
    assert checks.gradient_ratio(made_up(delta=[0.0, 0.0, 0.0]), None) is None


def test_a_whole_diagnosis_in_small(short):
    """All checks, with trials that train."""
    fit, _ = fitted()
    found = diagnosis_of(fit, Trials(fit, in_own_profile))
    assert found.network == "4-6-5-2 tanh, identity"
    assert [layer["layer"] for layer in found.layers] == [1, 2, 3]
    assert diagnosis_of(fit, None).snapshots == found.snapshots >= 1
