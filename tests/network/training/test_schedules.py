"""Schedules: their values against PyTorch's and fastai's, step by step, durations, and what a wrong one is told."""

import copy
import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest

import hotloop
from hotloop import schedules
from hotloop.network.training.composed_schedules import Scaled
from hotloop.network.training.schedule_values import SCHEDULES, checked_duration, evaluate, in_steps
from hotloop.schedules import (
    Constant,
    Cosine,
    CosineWarmRestarts,
    CosLog4,
    Exponential,
    FlatCosine,
    InverseScaling,
    LinearWarmup,
    OneCycle,
    Piecewise,
    StepDecay,
)

ROOT = Path(__file__).parents[2]
RECORDED = json.loads((ROOT / "recorded_schedules.json").read_text())
THEIRS = RECORDED["pytorch_schedules"] | RECORDED["fastai_schedules"]
EACH = [
    Constant(0.1), StepDecay(0.1, 5), Exponential(0.1, 0.5), InverseScaling(0.1, 0.7, 3, 2), Cosine(0.1, 0.01),
    CosineWarmRestarts(0.1, 3, 2, 0.01), CosineWarmRestarts(0.1, 0.3), LinearWarmup(Cosine(0.1), 4), OneCycle(0.1),
    OneCycle.pytorch(0.1), FlatCosine(0.1), CosLog4(0.1), Piecewise([("1 epoch", 0.1), (0.7, Cosine(0.1)), (1.0, 0)]),
    Scaled(OneCycle(0.1), 2),
]  # fmt: skip


@pytest.mark.parametrize("expression", THEIRS)
def test_values_are_theirs(expression):
    """PyTorch's CosineAnnealingLR goes from each value to the next, which rounds more."""
    steps, per_epoch, expected = THEIRS[expression]
    schedule = eval(expression, vars(schedules) | {"__builtins__": {}})
    found = [schedule(step, steps, per_epoch) for step in range(steps)]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


def test_scikit_learns_inverse_scaling():
    """learning_rate_init / (t + 1)^power_t, where t counts rows and changes after each epoch."""
    rows, batch, power = 90, 20, 0.4
    per_epoch = math.ceil(rows / batch)
    schedule = InverseScaling(0.3, power, every="1 epoch", growth=rows)
    found = [schedule(step, 4 * per_epoch, per_epoch) for step in range(4 * per_epoch)]
    expected = [0.3 / (1 + rows * (step // per_epoch)) ** power for step in range(4 * per_epoch)]
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_realmlps_coslog4():
    """Its four cycles end at t = 1/15, 3/15, 7/15 and 1; between them lie the peaks."""
    found = [CosLog4(0.4)(step, 15) for step in (0, 1, 3, 7)]
    np.testing.assert_allclose(found, 0, atol=1e-15)
    for cycle in range(4):
        place = (2 ** (cycle + 0.5) - 1) / 15
        assert CosLog4(0.4)(round(place * 10**6), 10**6) == pytest.approx(0.4, rel=1e-9)
    t = 0.3
    assert CosLog4(0.4)(3, 10) == pytest.approx(0.2 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * t))), rel=1e-14)


def test_a_warm_up_before_a_function():
    told = []

    def then(step, steps):
        told.append((step, steps))
        return 0.5 - step / 100

    warm = LinearWarmup(then, 0.25)
    assert [warm(step, 16) for step in range(6)] == [0.0, 0.125, 0.25, 0.375, 0.5, 0.49]
    assert {steps for _, steps in told} == {12}
    assert [LinearWarmup(0.1, 8)(step, 4) for step in range(4)] == [0.0, 0.0125, 0.025, 0.037500000000000006]


def test_pieces_are_told_their_own_length():
    told = []
    pieces = Piecewise([(4, lambda step, steps: told.append((step, steps)) or 1.0), ("2 epochs", 2), (0.9, Cosine(3))])
    found = [pieces(step, 20, 5) for step in range(20)]
    assert told == [(step, 4) for step in range(4)]
    assert found[4:10] == [2.0] * 6
    assert found[10:] == [Cosine(3)(step, 10) for step in range(10)]  # the last has what is left


@pytest.mark.parametrize("schedule", EACH, ids=str)
def test_many_steps_are_as_one_to_the_bit(schedule):
    """So that a training does not depend on how its table is filled."""
    steps = 1000
    values = evaluate(schedule, np.arange(steps), steps, 10)
    assert (values.shape, values.dtype) == ((steps,), np.float64)
    assert values.tolist() == [schedule(step, steps, 10) for step in range(steps)]
    assert values[333:340].tolist() == evaluate(schedule, np.arange(333, 340), steps, 10).tolist()
    assert (values >= 0).all()


@pytest.mark.parametrize("schedule", EACH, ids=str)
def test_equal_if_their_fields_are(schedule):
    for twin in (copy.deepcopy(schedule), pickle.loads(pickle.dumps(schedule)), eval(repr(schedule), {**SCHEDULES})):
        assert twin == schedule
        assert hash(twin) == hash(schedule)
    assert schedule != Constant(0.2)


def test_a_run_of_one_step():
    for schedule in (
        Cosine(0.1),
        OneCycle(0.1),
        OneCycle.pytorch(0.1),
        FlatCosine(0.1),
        CosLog4(0.1),
        Exponential(1, 2),
    ):
        assert 0 <= schedule(0, 1) <= 1
    assert OneCycle(0.1, pct_start=0)(0, 4) == 0.1


@pytest.mark.parametrize(("given", "steps"), [
    (7, 7), (np.int64(7), 7), (0.25, 25), (1.0, 100), ("3 epochs", 30), (" 1  epoch ", 10), ("1.5 epochs", 15),
    ("12 steps", 12), ("1 step", 1),
])  # fmt: skip
def test_durations(given, steps):
    assert in_steps(checked_duration("every", given), 100, 10) == steps


@pytest.mark.parametrize(("given", "kept"), [
    ("10epochs", "10 epochs"), (" 1  epochs ", "1 epoch"), ("1.5 epoch", "1.5 epochs"), ("5. steps", "5 steps"),
])  # fmt: skip
def test_a_duration_is_kept_in_one_way_of_writing(given, kept):
    assert checked_duration("every", given) == kept
    assert StepDecay(0.1, given) == StepDecay(0.1, kept)


WRONG = [
    ("StepDecay(0.1, '3 min')", ValueError, "every must be a number of steps, .* got '3 min'"),
    ("OneCycle(0.1, start=-1)", ValueError, "start must be finite, at least 0, got -1"),
    ("FlatCosine(0.1, end='x')", TypeError, "end must be a number, got 'x'"),
    ("StepDecay(0.1, 0)", ValueError, "every must be at least 1, got 0"),
    ("StepDecay(0.1, 1.5)", ValueError, "every must be a number of steps.*a float is a fraction.*got 1.5"),
    ("StepDecay(0.1, 0.0)", ValueError, "every must be .*above 0"),
    ("StepDecay(0.1, True)", TypeError, "every must be a number of steps"),
    ("StepDecay(0.1, None)", TypeError, "every must be a number of steps"),
    ("StepDecay(0.1, '3 days')", ValueError, "every must be .*10 epochs.*got '3 days'"),
    ("StepDecay(0.1, '0 epochs')", ValueError, "every must be .*got '0 epochs'"),
    ("StepDecay(-0.1, 5)", ValueError, "start must be finite, at least 0, got -0.1"),
    ("Exponential(0.1, 0)", ValueError, "factor must be finite, above 0"),
    ("CosineWarmRestarts(0.1, 3, 1.5)", TypeError, "T_mult must be a whole number"),
    ("OneCycle(0.1, pct_start=1)", ValueError, "pct_start must be .*below 1"),
    ("OneCycle(0.1, start=-1)", ValueError, "start must be finite, at least 0"),
    ("OneCycle(0.1, inclusive=1)", TypeError, "inclusive must be True or False"),
    ("OneCycle.pytorch(0.1, div_factor=0)", ValueError, "div_factor must be finite, above 0"),
    ("FlatCosine(0.1, end='x')", TypeError, "end must be a number"),
    ("LinearWarmup('cosine', 3)", TypeError, "then must be a number, got 'cosine'"),
    ("LinearWarmup(Cosine, 3)", TypeError, "then must be a number or a schedule, got the class Cosine: make one"),
    ("Piecewise([])", ValueError, "pieces must be a sequence of pairs.*got none"),
    ("Piecewise(0.1)", TypeError, "pieces must be a sequence of pairs"),
    ("Piecewise([0.1])", TypeError, "pieces must be a sequence of pairs"),
    ("Piecewise([(3, 'x')])", TypeError, r"pieces\[0\]\[1\] must be a number"),
    (
        "Piecewise([(3, 1), (0.1, 1), (9, 1)])(0, 9)",
        ValueError,
        r"pieces\[1\] ends at step 1 of 9, where it begins at 3",
    ),
    ("Piecewise([(3, 1), (0.1, 1)])(0, 9)", ValueError, r"pieces\[1\] ends at step 1 of 9, where it begins at 3"),
    ("Piecewise([(0.5, 1), (0.2, 1)])", ValueError, r"pieces\[1\] ends at 0.2, not above 0.5$"),
    (
        "Piecewise([('2 epochs', 1), (0.5, 1), ('1 epoch', 1)])",
        ValueError,
        r"pieces\[2\] ends at '1 epoch', not above '2 e",
    ),
    ("Piecewise([(3, 1), ('3 steps', 1)])", ValueError, r"pieces\[1\] ends at '3 steps', not above 3$"),
    ("StepDecay(0.1, '3 epochs')(0, 9)", ValueError, "'3 epochs' needs steps_per_epoch outside a fit"),
]


@pytest.mark.parametrize(("expression", "exception", "match"), WRONG, ids=[case[0] for case in WRONG])
def test_wrong_fields(expression, exception, match):
    with pytest.raises(exception, match=match):
        eval(expression, vars(schedules) | {"None": None})


def test_public_names():
    assert {*schedules.__all__} | {"Scaled"} == {*SCHEDULES}
    assert hotloop.schedules is schedules
    for name in schedules.__all__:
        assert "alpha(t) =" in getattr(schedules, name).__doc__, f"{name} has no formula"
