"""What each step of a fit is told: schedules in whole trainings, against PyTorch's and autograd's."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import autograd_network
import numpy as np
import oracle
import pytest
from conftest import COMPILED, same_bits
from scheduled_training import problem as recorded_problem
from small_networks import everything

from hotloop import SGD, Adagrad, Adam, AdamW, Callback, Network, RMSprop
from hotloop.network.training import step_table, thread_choice
from hotloop.network.training.step_table import StepTable
from hotloop.schedules import Constant, Cosine, CosLog4, Exponential, FlatCosine, OneCycle, Piecewise, StepDecay

RECORDED = json.loads((Path(__file__).parents[2] / "recorded_schedules.json").read_text())
RATES, MOMENTA = OneCycle.pytorch(0.1), OneCycle(0.85, 0.95, 0.95, 0.3, inclusive=True)


def data(rows=50):
    x = np.random.default_rng(rows).normal(size=(rows, 3))
    return x, np.tanh(x @ [1.0, -2.0, 0.5])


def build(dtype="float64", **options):
    return Network([3, 6, 1], "tanh", dtype=dtype, seed=3, **options)


def train(net=None, rows=50, **options):
    net = build() if net is None else net
    return net, net.fit(*data(rows), **{"batch_size": 8, "epochs": 4, "progress": False} | options)


class Steps(Callback):
    """Notes what each step was told."""

    def __init__(self):
        self.rates, self.losses = [], []

    def on_step(self, fit):
        self.rates.append(fit.learning_rate)
        self.losses.append(fit.batch_loss)


class Halves(Callback):
    """Halves the learning rate after each epoch."""

    def on_epoch_end(self, fit):
        fit.learning_rate_factor /= 2


# Against other programs.


@pytest.mark.parametrize(("name", "optimizer"), [
    ("SGD", SGD(RATES, momentum=MOMENTA)), ("Nesterov", SGD(RATES, momentum=MOMENTA, nesterov=True)),
    ("Adam", Adam(RATES, beta1=MOMENTA)), ("AdamW", AdamW(RATES, beta1=MOMENTA, weight_decay=0.1)),
])  # fmt: skip
def test_a_training_with_one_cycle_is_pytorchs(name, optimizer):
    x, y, (w1, b1, w2, b2) = recorded_problem()
    net = Network([3, 4, 2], "tanh", initializer=[(w1, b1), (w2, b2)], dtype="float64", seed=0)
    steps = Steps()
    net.fit(x, y, epochs=6, batch_size=8, optimizer=optimizer, shuffle=False, progress=False, callbacks=[steps])
    expected = RECORDED["trainings"][name]
    np.testing.assert_allclose(steps.losses, expected["losses"], rtol=1e-12)
    found = [part.ravel() for pair in zip(net.weights, net.biases, strict=True) for part in pair]
    for ours, theirs in zip(found, expected["parameters"], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)


def adamw(o):
    """autograd_network's, which would read the decay only once."""
    update = autograd_network.adam(o)
    return lambda w, g, t: update(w, g, t) - o.learning_rate * o.weight_decay * w


UNEVEN = lambda step, steps: 0.9 * (step % 3 != 1) * step / steps  # noqa: E731 - a momentum that is 0 in between
SCHEDULED = {
    "SGD": (SGD(Cosine(0.1)), autograd_network.descent),
    "momentum": (SGD(Cosine(0.1), momentum=UNEVEN), autograd_network.momentum),
    "Nesterov": (SGD(0.1, momentum=OneCycle(0.85, 0.95, 0.95), nesterov=True), autograd_network.nesterov),
    "RMSprop": (RMSprop(OneCycle(0.01)), autograd_network.rmsprop),
    "Adagrad": (Adagrad(StepDecay(0.05, "1 epoch", 0.5)), autograd_network.adagrad),
    "Adam": (Adam(CosLog4(0.02), beta1=OneCycle(0.85, 0.95, 0.95)), autograd_network.adam),
    "AdamW": (AdamW(0.02, weight_decay=FlatCosine(0.3, 0, 0.5)), adamw),
}


@pytest.mark.parametrize("name", SCHEDULED)
def test_whatever_is_scheduled_is_what_the_steps_are_told(name, monkeypatch):
    """With dropout, whose rate is scheduled too. The published method reads its numbers anew in each step."""
    optimizer, method = SCHEDULED[name]
    monkeypatch.setattr(step_table, "STRETCH", 5)
    net, epochs, per_epoch = build(dropout=0.4), 3, 7
    steps, factor = epochs * per_epoch, Exponential(1.2, 0.1)
    told = SimpleNamespace(**vars(optimizer))

    def dropout_masks(net, step, rows):
        for field, schedule in optimizer.schedules.items():
            given = (step, steps, per_epoch) if isinstance(schedule, StepDecay) else (step, steps)
            setattr(told, field, schedule(*given))
        return [oracle.dropout(net.seed, step, 0, 0, 0.4 * factor(step, steps), np.ones((rows, 6)))]

    monkeypatch.setattr(autograd_network, "masks", dropout_masks)
    x, y = data()
    options = {"epochs": epochs, "batch_size": 8, "shuffle": True}
    if name == "momentum":  # with alpha within the velocity, as published, a changing rate is another method
        velocity = [0.0]

        def method(o):
            def update(w, g, t):
                velocity[0] = o.momentum * velocity[0] + g
                return w - o.learning_rate * velocity[0]

            return update

    expected, losses = autograd_network.train(net, x, y, told, method, **options)
    history = net.fit(x, y, optimizer=optimizer, dropout_schedule=factor, progress=False, **options)
    np.testing.assert_allclose(autograd_network.flat(net, net.parameters), expected, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-12)


# How the table is filled.


@pytest.mark.parametrize("batch_size", [1, 8, 300])
def test_the_cut_leaves_no_trace(batch_size, monkeypatch):
    """Neither where stretches of the table end, nor where calls do, nor the threads; a function is as its class."""
    rows, results = (600 if COMPILED else 310 if batch_size == 300 else 40), []
    rate, momentum = OneCycle(0.01), OneCycle(0.85, 0.95, 0.95)
    for stretch, seconds, n_threads, optimizer in [
        (4096, 1e9, 1, SGD(rate, momentum=momentum)), (3, 0, 1, SGD(rate, momentum=momentum)),
        (7, 1e9, 2 if COMPILED else 1, SGD(rate, momentum=momentum)),
        (5, 1e-4, 1, SGD(lambda *given: rate(*given), momentum=lambda *given: momentum(*given))),
    ]:  # fmt: skip
        monkeypatch.setattr(step_table, "STRETCH", stretch)
        monkeypatch.setattr(thread_choice, "SLICE_SECONDS", seconds)
        net, history = train(
            build("float32", dropout=0.3), rows, batch_size=batch_size, epochs=2, optimizer=optimizer,
            n_threads=n_threads, dropout_schedule=FlatCosine(1, 0, 0.5),
        )  # fmt: skip
        results.append(np.append(net.parameters, history["loss"]))
    for result in results[1:]:
        assert same_bits(result, results[0])


def test_a_function_is_called_once_for_each_step(monkeypatch):
    monkeypatch.setattr(step_table, "STRETCH", 6)
    told = []
    train(optimizer=SGD(lambda step, steps: told.append((step, steps)) or 0.1), epochs=3)
    assert told == [(step, 21) for step in range(21)]  # 3 epochs of ceil(50 / 8) batches
    told.clear()
    net, _ = train(epochs=1)
    train(net, epochs=2, optimizer=SGD(lambda step, steps: told.append((step, steps)) or 0.1))
    assert told == [(step, 14) for step in range(14)]  # counted from 0 in each fit


def test_a_constant_needs_no_table(monkeypatch):
    seen = []
    monkeypatch.setattr(StepTable, "limit", lambda *given: seen.append("limit"))
    monkeypatch.setattr(StepTable, "_fill", lambda *given: seen.append("fill"))
    train(optimizer=AdamW(0.1))
    assert seen == []


def test_a_constant_schedule_is_its_number():
    nets = [train(optimizer=AdamW(*given))[0] for given in ((0.1, 0.8), (Constant(0.1), Constant(0.8)))]
    assert same_bits(nets[0].parameters, nets[1].parameters)
    nets = [build(dropout=0.4), build(dropout=0.2)]
    train(nets[0], dropout_schedule=0.5)
    train(nets[1])
    assert same_bits(nets[0].parameters, nets[1].parameters)


# What it is worth to users.


@pytest.mark.parametrize(
    "optimizer", [SGD(0), SGD(0, momentum=0.9), RMSprop(0), Adagrad(0), Adam(0), AdamW(Constant(0))]
)
def test_a_rate_of_0_is_a_rate(optimizer):
    net = build()
    before = net.parameters.copy()
    train(net, optimizer=optimizer)
    assert same_bits(net.parameters, before)
    assert (net.steps, net.epochs_trained) == (28, 4)


@pytest.mark.parametrize(("first", "second"), [
    (Adam(0.01), Adam(0.02)), (AdamW(0.01), AdamW(0.02)), (SGD(0.01, momentum=0.9), SGD(0.02, momentum=0.9)),
])  # fmt: skip
def test_another_rate_keeps_the_moments(first, second):
    two, _ = train(epochs=3, optimizer=first)
    offset = two._training.step_offset
    train(two, epochs=2, optimizer=second)
    rates = Piecewise([("3 epochs", first.learning_rate), (1.0, second.learning_rate)])
    one, _ = train(epochs=5, optimizer=type(first)(**vars(first) | {"learning_rate": rates}))
    assert same_bits(two.parameters, one.parameters)
    assert same_bits(two._training.moments, one._training.moments)
    assert (two.optimizer, two._training.step_offset) == (second, offset)


@pytest.mark.parametrize("rate", [0.1, Constant(0.1), StepDecay(0.1, "2 epochs", 0.25)], ids=str)
def test_a_callback_may_change_the_rate(rate, monkeypatch):
    """By powers of two: the product is exact, so that the bits tell."""
    monkeypatch.setattr(step_table, "STRETCH", 10)
    steps, epochs = Steps(), 5
    net, history = train(epochs=epochs, optimizer=Adam(rate), callbacks=[Halves(), steps])

    def expected(step, steps):
        base = rate(step, steps, 7) if callable(rate) else rate
        return base * 0.5 ** (step // 7)

    twin, _ = train(epochs=epochs, optimizer=Adam(expected))
    assert same_bits(net.parameters, twin.parameters)
    assert steps.rates == [expected(step, 35) for step in range(35)]
    assert [record["learning_rate"] for record in history.epochs] == steps.rates[6::7]


def test_the_rate_before_the_first_step_is_the_first():
    seen = []

    class Looks(Callback):
        def on_fit_begin(self, fit):
            seen.append((fit.learning_rate, fit.learning_rate_factor, fit.batch_loss))

    train(optimizer=SGD(OneCycle(0.1)), callbacks=[Looks()])
    assert seen[0][:2] == (0.1 / 25, 1.0)
    assert np.isnan(seen[0][2])


def test_what_becomes_of_a_wrong_factor():
    class Sets(Callback):
        def on_epoch_end(self, fit):
            fit.learning_rate_factor = math.nan

    with pytest.raises(ValueError, match="learning_rate_factor must be finite, at least 0, got nan"):
        train(callbacks=[Sets()])


# What is wrong.

BAD = [
    (lambda value: {"optimizer": SGD(value)}, -0.5, "learning_rate in step 9 of 28, .* at least 0, got -0.5"),
    (lambda value: {"optimizer": SGD(value)}, math.nan, "learning_rate in step 9 of 28, .* got nan"),
    (lambda value: {"optimizer": SGD(value)}, np.float32(np.inf), "learning_rate in step 9 of 28, .* got inf"),
    (lambda value: {"optimizer": SGD(momentum=value)}, 1.0, "momentum in step 9 of 28, .* below 1, got 1.0"),
    (lambda value: {"optimizer": Adam(beta1=value)}, 1.5, "beta1 in step 9 of 28, .* below 1, got 1.5"),
    (lambda value: {"optimizer": AdamW(weight_decay=value)}, -1, "weight_decay in step 9 of 28, .* got -1"),
    (lambda value: {"dropout_schedule": value}, 2.5, "dropout_schedule in step 9 of 28, .* below 2.5, got 2.5"),
    (
        lambda value: {"optimizer": SGD(value)},
        "x",
        "the schedule .*falls must return a number, got 'x' for step 9 of 28",
    ),
    (lambda value: {"optimizer": SGD(value)}, None, "the schedule .*falls must return a number, got None for step 9"),
    (lambda value: {"optimizer": SGD(value)}, True, "the schedule .*falls must return a number, got True for step 9"),
    (lambda value: {"optimizer": SGD(value)}, np.ones(1), "the schedule .*falls must return a number"),
]


@pytest.mark.parametrize(("options", "value", "match"), BAD, ids=[str(case[2][:40]) for case in BAD])
@pytest.mark.parametrize("stretch", [4096, 4])
def test_a_wrong_value_is_one_error_before_its_step(options, value, match, stretch, monkeypatch):
    """In the first stretch nothing has changed; in a later one what was learnt before is kept."""
    monkeypatch.setattr(step_table, "STRETCH", stretch)
    net, _ = train(build(dropout=0.4), epochs=1, optimizer=Adam(0.01))
    before, optimizer, steps = everything(net), net.optimizer, net.steps

    def falls(step, steps):
        return value if step == 9 else 0.5

    with pytest.raises((TypeError, ValueError), match=match):
        train(net, **options(falls))
    assert np.isfinite(net.parameters).all()
    if stretch == 4096:
        assert (everything(net), net.optimizer) == (before, optimizer)
    else:
        assert steps + 4 <= net.steps <= steps + 8
    train(net, epochs=1)


def test_a_function_that_raises():
    def fails(step, steps):
        raise KeyError("my own")

    net, before = build(), build().parameters
    with pytest.raises(KeyError, match="my own"):
        train(net, optimizer=SGD(fails))
    assert same_bits(net.parameters, before)


def test_a_dropout_schedule_needs_dropout():
    with pytest.raises(ValueError, match="dropout_schedule multiplies the network's dropout, which is 0"):
        train(dropout_schedule=0.5)
    with pytest.raises(TypeError, match="dropout_schedule must be a number, got 'half'"):
        train(build(dropout=0.1), dropout_schedule="half")


def test_divergence_names_the_rate_of_its_step():
    with pytest.raises(ArithmeticError, match=r"Use a smaller learning rate than 1e\+250"):
        train(optimizer=SGD(lambda step, steps: 1e250 if step > 5 else 0.001))
