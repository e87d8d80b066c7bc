"""Optimizers of PyTorch, with their moments and steps, to and from networks."""

import re
from dataclasses import replace

import numpy as np
import pytest
from interchange_networks import library

torch = library("torch")

from torch import nn, optim  # noqa: E402
from torch_networks import Quickstart, network  # noqa: E402

from hotloop import SGD, Adagrad, Adam, AdamW, RMSprop  # noqa: E402
from hotloop.interchange import (  # noqa: E402
    InterchangeWarning,
    from_torch,
    to_torch,
    to_torch_optimizer,
)
from hotloop.schedules import Cosine  # noqa: E402

# An optimizer of each kind in both, by PyTorch's arguments and hotloop's.
PAIRS = {
    "SGD": (optim.SGD, {}, SGD()),
    "momentum": (optim.SGD, {"momentum": 0.9}, SGD(momentum=0.9)),
    "Nesterov": (optim.SGD, {"momentum": 0.8, "nesterov": True}, SGD(momentum=0.8, nesterov=True)),
    "RMSprop": (optim.RMSprop, {"alpha": 0.95, "eps": 1e-7}, RMSprop(rho=0.95, epsilon=1e-7)),
    "Adagrad": (optim.Adagrad, {"eps": 1e-9}, Adagrad(epsilon=1e-9)),
    "Adam": (optim.Adam, {"betas": (0.8, 0.99), "eps": 1e-7}, Adam(beta1=0.8, beta2=0.99, epsilon=1e-7)),
    "AdamW": (optim.AdamW, {"weight_decay": 0.1}, AdamW(weight_decay=0.1)),
}
BATCH, STEPS, RATE = 32, 10, 0.02


def data(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(BATCH, 4)), rng.normal(size=(BATCH, 3))


def steps_of_torch(module, optimizer, n=STEPS):
    X, y = map(torch.from_numpy, data())
    for _ in range(n):
        optimizer.zero_grad()
        nn.functional.mse_loss(module(X), y).backward()
        optimizer.step()


def steps_of_hotloop(net, optimizer, n=STEPS):
    net.fit(*data(), epochs=n, batch_size=BATCH, shuffle=False, optimizer=optimizer, n_threads=1, progress=False)


def assert_same_parameters(module, net):
    found = from_torch(module)
    np.testing.assert_allclose(net.parameters, found.parameters, rtol=1e-10, atol=1e-12)


def assert_ways_lead_to_the_same(net, module, optimizer):
    """Assert that both make the same steps from here on; that they stand at the same place; and that they move."""
    before = net.parameters.copy()
    assert_same_parameters(module, net)
    steps_of_torch(module, optimizer)
    steps_of_hotloop(net, net.optimizer)
    assert_same_parameters(module, net)
    assert np.abs(net.parameters - before).max() > 1e-3


@pytest.mark.parametrize("case", PAIRS)
@pytest.mark.parametrize("trained", [0, 7])
def test_training_goes_on_in_hotloop(case, trained):
    kind, options, wanted = PAIRS[case]
    module = to_torch(network(dtype="float64"))
    optimizer = kind(module.parameters(), lr=RATE, **options)
    steps_of_torch(module, optimizer, trained)
    net = from_torch(module, optimizer=optimizer)
    assert net.optimizer == replace(wanted, learning_rate=RATE)
    assert net.steps == (trained if case not in ("SGD", "momentum", "Nesterov") else 0)
    assert_ways_lead_to_the_same(net, module, optimizer)


@pytest.mark.parametrize("case", PAIRS)
def test_training_goes_on_in_pytorch(case):
    optimizer = replace(PAIRS[case][2], learning_rate=RATE)
    net = network(dtype="float64")
    steps_of_hotloop(net, SGD(0.1, momentum=0.5), 3)  # so that the steps of the next do not count from the first
    steps_of_hotloop(net, optimizer, 7)
    module = to_torch(net)
    made = to_torch_optimizer(net, module)
    assert type(made) is PAIRS[case][0]
    assert len(made.param_groups) == 1
    assert_ways_lead_to_the_same(net, module, made)


@pytest.mark.parametrize("case", PAIRS)
def test_groups_are_factors_and_penalties_both_ways(case):
    kind, options, _ = PAIRS[case]
    module = to_torch(network(dtype="float64"))
    decay = options.get("weight_decay", 0.3)
    biases = [p for name, p in module.named_parameters() if p.ndim == 1 and not name.startswith("8")]
    weights = [p for p in module.parameters() if p.ndim == 2]
    options = options | {"weight_decay": 0.0}
    rest = [p for p in module.parameters() if all(p is not other for other in (*weights, *biases))]
    groups = [
        {"params": biases, "lr": RATE / 3},
        {"params": weights[:2], "weight_decay": decay},
        {"params": weights[2:], "weight_decay": decay, "lr": 2 * RATE},
        {"params": rest},
    ]
    optimizer = kind(groups, lr=RATE, **options)
    steps_of_torch(module, optimizer, 4)
    net = from_torch(module, optimizer=optimizer)
    assert net.l2 == (0 if case == "AdamW" else decay / 2)
    assert_ways_lead_to_the_same(net, module, optimizer)
    again = to_torch(net)
    made = to_torch_optimizer(net, again)
    assert len(made.param_groups) == 4 if case == "AdamW" else len(made.param_groups) >= 3
    assert_ways_lead_to_the_same(net, again, made)


def test_what_pytorch_does_not_train_hotloop_does_not_train():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 5), nn.LayerNorm(5, elementwise_affine=False), nn.Tanh(),
                           nn.Linear(5, 5, bias=False), nn.Tanh(), nn.Linear(5, 3)).double()  # fmt: skip
    module[0].weight.requires_grad_(False)
    optimizer = optim.AdamW([p for name, p in module.named_parameters() if name != "5.bias"], lr=RATE)
    steps_of_torch(module, optimizer, 3)
    with pytest.warns(InterchangeWarning):
        net = from_torch(module, optimizer=optimizer)
    before = net.biases[2].copy()
    steps_of_torch(module, optimizer)
    steps_of_hotloop(net, net.optimizer)
    with pytest.warns(InterchangeWarning):
        assert_same_parameters(module, net)
    np.testing.assert_array_equal(net.biases[2], before)
    assert (net.biases[1] == 0).all()


def test_the_quickstart_goes_on_from_its_checkpoint(tmp_path):
    X, y = np.random.default_rng(0).uniform(size=(32, 784)), np.arange(32) % 10

    def made():
        module = Quickstart().double()
        return module, optim.SGD(module.parameters(), lr=1e-3, momentum=0.9)

    def train(module, optimizer, steps):
        for _ in range(steps):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(torch.from_numpy(X)), torch.from_numpy(y)).backward()
            optimizer.step()

    torch.manual_seed(0)
    module, optimizer = made()
    train(module, optimizer, 3)
    torch.save({"model": module.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "checkpoint.pt")
    train(module, optimizer, STEPS)
    another, its_optimizer = made()
    checkpoint = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    another.load_state_dict(checkpoint["model"])
    its_optimizer.load_state_dict(checkpoint["optimizer"])
    net = from_torch(another, loss="cross_entropy", optimizer=its_optimizer)
    net.fit(X, y, epochs=STEPS, batch_size=32, shuffle=False, optimizer=net.optimizer, n_threads=1, progress=False)
    assert_same_parameters(module, net)


def test_adam_with_decoupled_decay_is_adamw():
    module = to_torch(network(dtype="float64"))
    optimizer = optim.Adam(module.parameters(), lr=RATE, weight_decay=0.1, decoupled_weight_decay=True)
    steps_of_torch(module, optimizer, 3)
    net = from_torch(module, optimizer=optimizer)
    assert net.optimizer == AdamW(RATE, weight_decay=0.1)
    assert_ways_lead_to_the_same(net, module, optimizer)


@pytest.mark.parametrize(
    "optimizer",
    [
        SGD(0.1, momentum=0.5, learning_rate_factors={"norm": 0.5, "input_scale": 0, "activation": [0.5, 0.25, 1]}),
        AdamW(
            0.1, weight_decay=0.5, weight_decay_factors={"biases": 0, "norm": 0}, learning_rate_factors={"weights": 0}
        ),
    ],
)
def test_factors_come_back_as_they_were(optimizer):
    net = network(dtype="float64")
    steps_of_hotloop(net, optimizer, 2)
    module = to_torch(net)
    assert from_torch(module, optimizer=to_torch_optimizer(net, module)).optimizer == optimizer


def test_a_schedule_stays_behind():
    module = to_torch(network())
    optimizer = optim.Adam(module.parameters(), lr=RATE)
    schedule = optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    steps_of_torch(module.double(), optimizer, 1)
    schedule.step()
    with pytest.warns(InterchangeWarning, match="Adam: its learning rate is scheduled, and stays what it is now"):
        assert from_torch(module, optimizer=optimizer).optimizer.learning_rate == RATE / 2
    net = network()
    steps_of_hotloop(net, Adam(Cosine(0.1)))
    last = net._training.scheduled["learning_rate"]
    assert 0 < last < 0.1
    with pytest.warns(InterchangeWarning, match="Adam: the schedule of learning_rate stays behind"):
        assert to_torch_optimizer(net, to_torch(net)).param_groups[0]["lr"] == last


def forgotten(parameters, **state):
    """Return Adam after a step, then with another state of the first tensor."""

    optimizer = optim.Adam(parameters)
    for tensor in parameters:
        moments = {name: torch.zeros_like(tensor) for name in ("exp_avg", "exp_avg_sq")}
        optimizer.state[tensor] = {"step": torch.tensor(3.0), **moments}
    optimizer.state[parameters[0]] = state
    return optimizer


def hooked(parameters):
    optimizer = optim.SGD(parameters)
    optimizer.register_step_pre_hook(lambda *_: None)
    return optimizer


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda p: 3, "optimizer must be a torch.optim.Optimizer, got int"),
        (lambda p: optim.Adamax(p), "hotloop has no Adamax; it has SGD, RMSprop, Adagrad, Adam, AdamW"),
        (lambda p: optim.Adam(p, amsgrad=True), "Adam(amsgrad=True): hotloop's Adam has no amsgrad"),
        (lambda p: optim.AdamW(p, maximize=True), "AdamW(maximize=True): hotloop's AdamW has no maximize"),
        (lambda p: optim.SGD(p, momentum=0.9, dampening=0.5), "SGD(dampening=0.5): hotloop's SGD has no dampening"),
        (lambda p: optim.RMSprop(p, centered=True), "RMSprop(centered=True): hotloop's RMSprop has no centered"),
        (lambda p: optim.RMSprop(p, momentum=0.5), "RMSprop(momentum=0.5): hotloop's RMSprop has no momentum"),
        (lambda p: optim.Adagrad(p, lr_decay=0.1), "Adagrad(lr_decay=0.1): hotloop's Adagrad has no lr_decay"),
        (lambda p: optim.SGD(p, weight_decay=0.1), "0: Linear(in_features=4, out_features=3, bias=True): its bias has"),
        (lambda p: optim.SGD([{"params": p[0], "weight_decay": 0.1}, {"params": p[2], "weight_decay": 0.2}]),
         "the optimizer has several weight_decay: [0.1, 0.2]"),
        (lambda p: optim.SGD([{"params": p[0], "momentum": 0.1}, {"params": p[2]}]), "2: Linear("),
        (lambda p: optim.SGD([torch.zeros(3, requires_grad=True)]), "trains none of the module's parameters"),
        (lambda p: optim.SGD([*p, torch.zeros(3, requires_grad=True)]), "also has 1 parameters that are not"),
        (lambda p: forgotten(p), "the optimizer has no moments of its weight, but of others"),
        (lambda p: forgotten(p, step=torch.tensor(5.0), exp_avg=p[0] * 0, exp_avg_sq=p[0] * 0),
         "has taken [3, 5] steps with different parameters"),
        (hooked, "SGD has hooks"),
    ],
)  # fmt: skip
def test_an_optimizer_that_hotloop_does_not_have_is_refused(make, error):
    module = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 3))
    with pytest.raises((TypeError, ValueError), match=re.escape(error)):
        from_torch(module, optimizer=make([*module.parameters()]))


def test_a_gain_and_its_shift_have_one_rate():
    module = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.Tanh(), nn.Linear(3, 3))
    groups = [{"params": p, "lr": 0.1 * (k + 1)} for k, p in enumerate(module.parameters())]
    with pytest.raises(ValueError, match=r"1: LayerNorm.*its weight and bias have a different learning_rate"):
        from_torch(module, optimizer=optim.SGD(groups))


def test_two_penalties_are_refused():
    module = nn.Sequential(nn.Linear(4, 3))
    groups = [{"params": module[0].weight, "weight_decay": 0.1}, {"params": module[0].bias}]
    with pytest.raises(ValueError, match=r"l2=0\.3 and the optimizer's weight_decay=0\.1 are two penalties"):
        from_torch(module, optimizer=optim.SGD(groups), l2=0.3)


@pytest.mark.parametrize(
    ("options", "optimizer", "error"),
    [
        ({"l1": 0.1}, "adam", "l1=0.1 of the network is in no optimizer of PyTorch"),
        ({"max_norm": 2.0}, "adam", "max_norm="),
        ({"l2": 0.1}, "adamw", "l2=0.1 of the network, beside the decay of AdamW"),
        ({}, SGD(clip_norm=1.0), "clip_norm=1.0 of SGD is in no optimizer of PyTorch"),
        ({}, SGD(clip_value=1.0), "clip_value=1.0 of SGD is in no optimizer"),
        ({}, None, "the network has no optimizer"),
    ],
)  # fmt: skip
def test_what_is_in_no_optimizer_of_pytorch(options, optimizer, error):
    net = network(**options)
    if optimizer is not None:
        steps_of_hotloop(net, optimizer, 1)
    with pytest.raises(ValueError, match=re.escape(error)):
        to_torch_optimizer(net, to_torch(net))


def test_an_optimizer_for_another_module_is_refused():
    net = network()
    steps_of_hotloop(net, "adam", 1)
    with pytest.raises(ValueError, match=r"is not of this network: layers\.0\.weights has shape \(4, 3\); wanted"):
        to_torch_optimizer(net, nn.Sequential(nn.Linear(4, 3)))
