"""find_learning_rate: the sweep, and its suggestions against fastai's on recorded curves; fit_one_cycle."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import same_bits
from small_networks import everything

from hotloop import SGD, Adam, AdamW, Network
from hotloop.network.training.learning_rate_sweep import RULES, LearningRateSweep, Sweep
from hotloop.schedules import Constant, OneCycle

CURVES = json.loads((Path(__file__).parents[2] / "recorded_schedules.json").read_text())["sweeps"]
QUIET = {"progress": False}


def data(rows=90):
    x = np.random.default_rng(4).normal(size=(rows, 3))
    return x, np.tanh(x @ [1.0, -2.0, 0.5])


def build(**options):
    return Network([3, 6, 1], "tanh", dtype="float64", seed=3, **options)


def sweep_of(record):
    losses = np.array([math.nan if loss is None else loss for loss in record["losses"]])
    rates = np.array([1e-7 * 1e8 ** (index / record["steps"]) for index in range(len(losses))])
    return LearningRateSweep(rates, losses, record["steps"])


# The rules.


def is_fastais_only(record, rule):
    """Whether fastai suggests something from one point, or below the first learning rate of the sweep."""
    one = len(record["losses"]) - record["steps"] // 10 - 5 < 2
    return one or (record[rule] is not None and record[rule] < 1e-7)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_fastais(rule):
    """On 30 curves, smooth and noisy, rising and falling, flat, short, and ended by NaN; where it fails, NaN."""
    assert len(CURVES) == 30
    for number, record in enumerate(CURVES):
        found, expected = getattr(sweep_of(record), rule), record[rule]
        if expected is None or is_fastais_only(record, rule):
            assert math.isnan(found), f"curve {number}: {found}"
        else:
            assert found == pytest.approx(expected, rel=1e-12), f"curve {number}"
    assert sum(record[rule] is not None and not is_fastais_only(record, rule) for record in CURVES) >= 25


def test_the_smoothed_losses_are_fastais():
    for record in CURVES:
        expected = [math.nan if value is None else value for value in record["smoothed"]]
        np.testing.assert_allclose(sweep_of(record).smoothed[::11], expected, rtol=1e-13)


def test_a_curve_without_a_point():
    empty = LearningRateSweep(np.array([1e-7]), np.array([math.nan]), 100)
    assert all(math.isnan(getattr(empty, rule)) for rule in RULES)


# The sweep.


@pytest.mark.filterwarnings("ignore:find_learning_rate. the loss never fell")
def test_each_step_has_its_rate_and_loss():
    """Against a training step by step: `gradient` has the loss before each."""
    x, y = data()
    net = build()
    found = net.find_learning_rate(x, y, start=0.001, end=0.1, steps=20, batch_size=16, shuffle=False)
    np.testing.assert_allclose(found.rates, 0.001 * 100 ** (np.arange(20) / 20), rtol=1e-13)
    rows = [slice(start, start + 16) for start in range(0, 90, 16)]
    for step in range(20):
        loss, gradient = net.gradient(x[rows[step % 6]], y[rows[step % 6]])
        assert found.losses[step] == pytest.approx(loss, rel=1e-12)
        net.parameters[:] -= found.rates[step] * gradient
    assert (found.steps, len(found.smoothed)) == (20, 20)


@pytest.mark.parametrize("batch_size", [None, 16])
def test_batches_are_swept_like_arrays(batch_size):
    """The steps go through them again and again."""
    x, y = data(96)
    options = {"steps": 40, "shuffle": False, "start": 1e-3, "end": 0.3}
    parts = [(x[start : start + 16], y[start : start + 16]) for start in range(0, 96, 16)]
    found = build().find_learning_rate(parts, batch_size=batch_size, **options)
    wanted = build().find_learning_rate(x, y, batch_size=16, **options)
    assert found.losses == pytest.approx(wanted.losses, rel=1e-12)
    assert found.rates == pytest.approx(wanted.rates, rel=1e-12)


@pytest.mark.parametrize("trained", [False, True])
def test_the_network_is_left_as_it_is(trained):
    x, y = data()
    net = build()
    if trained:
        net.fit(x, y, epochs=1, optimizer=Adam(0.01), **QUIET)
    before, optimizer = everything(net), net.optimizer
    net.find_learning_rate(x, y, optimizer="adam", steps=30)
    assert (everything(net), net.optimizer) == (before, optimizer)
    twin = build()
    if trained:
        twin.fit(x, y, epochs=1, optimizer=Adam(0.01), **QUIET)
    for each in (net, twin):
        each.fit(x, y, epochs=2, optimizer=Adam(0.01), **QUIET)
    assert same_bits(net.parameters, twin.parameters)


def test_a_loss_far_above_its_best_ends_it():
    x, y = data()
    found = build().find_learning_rate(x, y, steps=60, start=1e-3, end=100, batch_size=16)
    smoothed = found.smoothed
    assert len(smoothed) < 60
    assert np.isfinite(smoothed).all()
    assert smoothed[-1] > 4 * smoothed.min()
    assert (smoothed[:-1] <= 4 * np.minimum.accumulate(smoothed[:-1])).all()
    assert 0 < found.valley < found.rates[-1]


def test_it_ends_at_four_times_the_best():
    """The smoothed loss rises by less than its best from step to step."""
    losses, sweep, ended = [1.0] * 20 + [15.0] * 30, Sweep(100), []
    for loss in losses:
        sweep.on_step(SimpleNamespace(learning_rate=0.1, batch_loss=loss, stop=ended.append))
        if ended:
            break
    smoothed = LearningRateSweep(np.array(sweep.rates), np.array(sweep.losses), 100).smoothed
    assert 4 < smoothed[-1] < 5
    assert smoothed[-2] <= 4


def test_a_loss_below_zero_is_no_rise():
    """Poisson's, of large counts: it ends as far above its best as if that were above zero."""
    sweep, ended = Sweep(100), []
    for loss in [-10.0] * 20 + [-11.0] * 20:
        sweep.on_step(SimpleNamespace(learning_rate=0.1, batch_loss=loss, stop=ended.append))
    assert not ended
    sweep.on_step(SimpleNamespace(learning_rate=0.1, batch_loss=1e4, stop=ended.append))
    assert ended == ["sweep ended"]


def test_a_divergence_ends_it_in_nan():
    """As fastai, which goes on with NaN: the five steps left out are among these."""
    x, y = data()
    net = Network([3, 6, 1], "tanh", dtype="float32", seed=3)  # where the square of 1e22 is infinite
    found = net.find_learning_rate(x, y, steps=12, start=1e-52, end=1e248, batch_size=90)  # 1e-2 is the third
    first = int(np.argmax(np.isnan(found.losses)))
    assert 2 < first < 12
    assert np.isnan(found.losses[first:]).all()
    assert len(found.rates) == len(found.losses) == 12
    np.testing.assert_allclose(found.rates, 10.0 ** (25 * np.arange(12) - 52), rtol=1e-12)
    assert found.minimum > 0


def test_an_interrupted_sweep_suggests_nothing(monkeypatch):
    """`fit` returns after Ctrl-C what it has; part of a sweep would look like one whose loss never fell."""

    def interrupt(sweep, fit):
        raise KeyboardInterrupt

    monkeypatch.setattr(Sweep, "on_step", interrupt)
    net = build()
    with pytest.raises(KeyboardInterrupt):
        net.find_learning_rate(*data())
    assert net.steps == 0


@pytest.mark.filterwarnings("ignore:find_learning_rate. the loss")  # of ten steps
def test_it_takes_what_fit_takes():
    x, y = data()
    first = build(dropout=0.2).find_learning_rate(x, y, steps=10, n_threads=1, dropout_schedule=Constant(0))
    assert same_bits(first.losses, build().find_learning_rate(x, y, steps=10).losses)
    weights = np.arange(90.0)
    weighted = build().find_learning_rate(x, y, steps=10, batch_size=90, shuffle=False, sample_weight=weights)
    assert weighted.losses[0] == pytest.approx(build().gradient(x, y, sample_weight=weights)[0])
    classifier = Network([3, 1], loss="binary_cross_entropy", dtype="float64", seed=0)
    losses = [
        classifier.find_learning_rate(x, y > 0, steps=10, **given).losses.tolist()
        for given in ({}, {"class_weight": {1: 5}}, {"positive_weight": 5})
    ]
    assert losses[0] != losses[1] != losses[2] != losses[0]


@pytest.mark.parametrize(("options", "exception", "match"), [
    ({"start": 0}, ValueError, "start must be finite, above 0"),
    ({"start": 1, "end": 1}, ValueError, "start must be below end, got start=1 and end=1"),
    ({"steps": 5}, ValueError, "steps must be at least 6, got 5"),
    ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
    ({"optimizer": "adem"}, ValueError, "optimizer 'adem' is not known"),
    ({"speed": 1}, TypeError, "unexpected keyword argument 'speed'"),
    *(
        ({name: None}, TypeError, rf"find_learning_rate\(\) got .* {name!r}. {name!r} is an argument of Network.fit")
        for name in ("checkpoint", "every", "resume", "tolerance", "patience", "max_seconds", "epochs", "metrics",
                     "gradient_norm", "validation_split", "validation_data", "callbacks", "progress")
    ),
])  # fmt: skip
def test_wrong_arguments_of_a_sweep(options, exception, match):
    x, y = data()
    with pytest.raises(exception, match=match):
        build().find_learning_rate(**{"X": x, "y": y} | options)


def test_what_it_says():
    found = sweep_of(CURVES[0])
    assert str(found) == (
        "100 steps, learning rate 1e-07 to 8.32: steep 0.251, minimum 0.331, valley 0.00437, slide 0.12"
    )
    assert repr(found) == f"<LearningRateSweep of {found}>"
    assert found.remark == ""
    assert found.suggestions == {rule: getattr(found, rule) for rule in RULES}


@pytest.mark.parametrize(("number", "remark"), [
    (20, "too few steps for slide"),
    (23, "6 steps are too few for a suggestion: give more"),
    (25, "the loss never fell: start lower"),
    (17, "the loss never fell: start lower"),
    (26, "the loss diverged at learning rate 0.251"),
    (29, "the loss diverged at learning rate 9.12e-07, and never fell: start lower"),
])  # fmt: skip
def test_a_sweep_says_what_it_is_worth(number, remark):
    found = sweep_of(CURVES[number])
    assert found.remark == remark
    assert str(found).endswith(f"; {remark}")


def test_a_sweep_without_a_suggestion_warns():
    x, y = data()
    with pytest.warns(UserWarning, match=r"diverged at .*, too early for a suggestion: start lower") as caught:
        found = Network([3, 1], seed=0).find_learning_rate(x * 1e6, y, start=1e30, end=1e33)
    assert all(math.isnan(rate) for rate in found.suggestions.values())
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="6 steps are too few for a suggestion"):
        build().find_learning_rate(x, y, steps=6)


# One cycle.


@pytest.mark.parametrize(("given", "optimizer"), [
    ({}, Adam(OneCycle(0.05), beta1=OneCycle(0.85, 0.95, 0.95))),
    ({"optimizer": "adamw"}, AdamW(OneCycle(0.05), beta1=OneCycle(0.85, 0.95, 0.95))),
    ({"optimizer": SGD(momentum=0.5)}, SGD(OneCycle(0.05), momentum=OneCycle(0.85, 0.95, 0.95))),
    ({"optimizer": "sgd"}, SGD(OneCycle(0.05))),
    (
        {
            "optimizer": AdamW(weight_decay=0.3),
            "div": 5,
            "div_final": 50,
            "pct_start": 0.5,
            "momentum": [0.9, 0.7, 0.8],
        },
        AdamW(OneCycle(0.05, 0.01, 0.001, 0.5), beta1=OneCycle(0.7, 0.9, 0.8, 0.5), weight_decay=0.3),
    ),
])  # fmt: skip
def test_one_cycle_is_a_fit_with_its_schedules(given, optimizer):
    (x, y), nets = data(), [build(), build()]
    history = nets[0].fit_one_cycle(x, y, 3, 0.05, batch_size=16, validation_data=(x, y), **QUIET, **given)
    expected = nets[1].fit(x, y, epochs=3, batch_size=16, optimizer=optimizer, **QUIET)
    assert same_bits(nets[0].parameters, nets[1].parameters)
    assert nets[0].optimizer == optimizer
    assert (history["loss"], len(history["val_loss"])) == (expected["loss"], 3)


@pytest.mark.parametrize(("given", "exception", "match"), [
    ({"max_learning_rate": None}, TypeError, "max_learning_rate is missing"),
    ({"max_learning_rate": 0}, ValueError, "max_learning_rate must be finite, above 0"),
    ({"epochs": 0}, ValueError, "epochs must be at least 1"),
    ({"div": 0}, ValueError, "div must be finite, above 0"),
    ({"div_final": "x"}, TypeError, "div_final must be a number"),
    ({"pct_start": 1}, ValueError, "pct_start must be .*below 1"),
    ({"momentum": (0.9, 0.8)}, TypeError, r"momentum must be three numbers, such as \(0.95, 0.85, 0.95\)"),
    ({"momentum": (0.9, 0.8, 1)}, ValueError, "momentum must be finite, at least 0 and below 1"),
    ({"speed": 1}, TypeError, "unexpected keyword argument 'speed'"),
])  # fmt: skip
def test_wrong_arguments_of_one_cycle(given, exception, match):
    with pytest.raises(exception, match=match):
        build().fit_one_cycle(*data(), **{"epochs": 2, "max_learning_rate": 0.1} | given)
