"""Schedules in model files, pickles and copies; of a function of the user's own its last value is kept."""

import copy
import json
import pickle

import numpy as np
import pytest
from conftest import same_bits

from hotloop import SGD, AdamW, Callback, Network
from hotloop.network.persistence.plain_optimizer import plain, restored
from hotloop.schedules import Cosine, CosineWarmRestarts, FlatCosine, LinearWarmup, OneCycle, Piecewise

X, Y = np.random.default_rng(0).normal(size=(12, 3)), np.random.default_rng(1).normal(size=12)
MOMENTA = OneCycle(0.85, 0.95, 0.95)
STEPS = 2 * 3  # 2 epochs of batches of 5 rows
OPTIMIZER = AdamW(
    LinearWarmup(Piecewise([("1 epoch", CosineWarmRestarts(0.1, 2, 2)), (1.0, Cosine(0.1, 0.01))]), 0.2),
    beta1=OneCycle(0.85, 0.95, 0.95), weight_decay=FlatCosine(0.3),
)  # fmt: skip


def falling(step, steps):
    return 0.1 * (1 - step / steps)


def trained(optimizer, **options):
    net = Network([3, 4, 1], seed=0)
    net.fit(X, Y, epochs=2, batch_size=5, optimizer=optimizer, progress=False, **options)
    return net


def saved(net, tmp_path):
    net.save(tmp_path / "model")
    return Network.load(tmp_path / "model")


def by_pickle(net, tmp_path):
    return pickle.loads(pickle.dumps(net))


WAYS = {
    "file": saved, "pickle": by_pickle, "copy": lambda net, _: copy.copy(net),
    "deepcopy": lambda net, _: copy.deepcopy(net),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_schedules_come_back_equal(way, tmp_path):
    net = trained(OPTIMIZER)
    twin = WAYS[way](net, tmp_path)
    assert twin.optimizer == OPTIMIZER
    for each in (net, twin):
        each.fit(X, Y, epochs=2, batch_size=5, optimizer=OPTIMIZER, progress=False)
    assert same_bits(twin.parameters, net.parameters)


@pytest.mark.parametrize("optimizer", [
    SGD(lambda step, steps: falling(step, steps), momentum=MOMENTA),
    SGD(LinearWarmup(lambda step, steps: falling(step + 2, steps + 2), 2), momentum=MOMENTA),
    SGD(Piecewise([(1, 0.5), (1.0, lambda step, steps: falling(step + 1, steps + 1))]), momentum=MOMENTA),
], ids=["a function", "in a warm-up", "in a piece"])  # fmt: skip
@pytest.mark.parametrize("way", WAYS)
def test_of_a_users_function_the_last_value_is_kept(optimizer, way, tmp_path):
    """A copy in memory keeps the function. The moments go on."""
    net = trained(optimizer)
    twin = WAYS[way](net, tmp_path)
    if "copy" in way:
        assert twin.optimizer == optimizer
    else:
        assert twin.optimizer == SGD(falling(STEPS - 1, STEPS), momentum=optimizer.momentum)
    assert same_bits(twin._training.moments, net._training.moments)
    again = SGD(0.05, momentum=0.9)
    for each in (net, twin):
        each.fit(X, Y, epochs=1, optimizer=again, progress=False)
    assert same_bits(twin.parameters, net.parameters)


def test_a_function_that_can_be_pickled_is():
    assert by_pickle(trained(SGD(falling)), None).optimizer == SGD(falling)


def test_in_the_middle_of_a_fit_the_value_is_that_of_its_last_step(tmp_path):
    values = []

    class Saves(Callback):
        def on_fit_begin(self, fit):
            values.append(saved(fit.network, tmp_path).optimizer.learning_rate)

        def on_epoch_end(self, fit):
            values.append(saved(fit.network, tmp_path).optimizer.learning_rate)

    trained(SGD(lambda step, steps: falling(step, steps)), callbacks=[Saves()])
    assert values == [falling(step, STEPS) for step in (0, 2, 5)]


def test_the_file_has_names_and_fields(tmp_path):
    stored = plain(SGD(LinearWarmup(Cosine(0.1), 3)), {})
    assert json.loads(json.dumps(stored)) == {
        "name": "sgd", "momentum": 0.0, "nesterov": False,
        "learning_rate": {
            "schedule": "LinearWarmup", "duration": 3, "start_factor": 0.0,
            "then": {"schedule": "Cosine", "start": 0.1, "end": 0.0},
        },
    }  # fmt: skip
    assert restored(json.loads(json.dumps(stored))) == SGD(LinearWarmup(Cosine(0.1), 3))
