"""Modules and optimizers of PyTorch that look like hotloop's and compute otherwise."""

import re

import numpy as np
import pytest
from interchange_networks import assert_same, library

torch = library("torch")

from torch import nn, optim  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch.optim.optimizer import register_optimizer_step_pre_hook  # noqa: E402
from torch_networks import Calls  # noqa: E402

from hotloop import Adam  # noqa: E402
from hotloop.interchange import InterchangeWarning, from_torch  # noqa: E402


def chain():
    return nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))


def replaced(place, method="forward"):
    module = chain()
    part = module if place is None else module[place]
    setattr(part, method, lambda x: nn.Sequential.forward(module, x) * 2)
    return module


class OwnCall(nn.Sequential):
    def __call__(self, x):
        return 2 * super().__call__(x)


def gradient_hook(kind):
    module = chain()
    getattr(module[0].weight, kind)(lambda g: None)
    return module


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.part = nn.Linear(4, 3)

    def forward(self, x, mask=None):
        return self.part(x)


def norm_without_shift():
    return nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3, bias=False), nn.Tanh(), nn.Linear(3, 2))


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Calls(lambda m, x: torch.softmax(m.fc2(m.fc1(x)).view(-1, 1), 1).view(-1, 3)),
         "view after fc2: the layer before has 3 outputs"),
        (lambda: Calls(lambda m, x: m.fc2(m.act(m.fc1(x).view(-1, 1)).view(-1, 5))), "view after fc1: the layer"),
        (lambda: Calls(lambda m, x: m.fc2(m.fc1(x.view(-1, 3).view(-1, 6)))), "view after the inputs: fc1"),
        (lambda: replaced(0), "0: Linear: has a forward of its own"),
        (lambda: replaced(1), "1: Tanh: has a forward of its own"),
        (lambda: replaced(None), "module: Sequential: has a forward of its own"),
        (lambda: replaced(0, "_call_impl"), "0: Linear: has a _call_impl of its own"),
        (lambda: OwnCall(nn.Linear(4, 3)), "module: OwnCall: has a __call__ of its own"),
        (lambda: gradient_hook("register_hook"), "0: Linear: its weight has hooks of the gradient"),
        (lambda: gradient_hook("register_post_accumulate_grad_hook"), "0: Linear: its weight has hooks of the"),
        (Masked, "the forward of Masked takes 2 inputs (x, mask); wanted one"),
        (lambda: Calls(lambda m, x: F.linear(m.fc1(x), m.fc2.weight)), "linear takes a tensor, which is not read"),
        (lambda: Calls(lambda m, x: m.fc2(m.fc1(x) @ torch.eye(5))), "matmul takes a tensor, which is not read"),
        (lambda: Calls(lambda m, x: m.fc2(m.fc1(x) + torch.randn(5))), "add takes a tensor, which is not read"),
        (lambda: Calls(lambda m, x: F.softmax(m.fc2(m.fc1(x)), 1, dtype=torch.float64)), "softmax after fc2: has"),
        (lambda: Calls(lambda m, x: torch.softmax(m.fc2(m.fc1(x)), 1, torch.float64)),
         "softmax after fc2: its arguments 1, torch.float64 are not those of nn.Softmax"),
        (lambda: Calls(lambda m, x: m.fc2(m.fc1(x) - 1.0)), "sub after fc1: hotloop has no such function: fold arith"),
    ],
)  # fmt: skip
def test_a_module_that_computes_otherwise_is_refused(make, error):
    with pytest.raises(ValueError, match=re.escape(error)):
        from_torch(make())


@pytest.mark.parametrize(
    "register",
    [
        nn.modules.module.register_module_forward_hook,
        nn.modules.module.register_module_forward_pre_hook,
        nn.modules.module.register_module_full_backward_hook,
        nn.modules.module.register_module_full_backward_pre_hook,
    ],
)
def test_hooks_of_all_modules_are_refused(register):
    hook = register(lambda *_: None)
    try:
        with pytest.raises(ValueError, match="PyTorch has hooks of all modules"):
            from_torch(chain())
    finally:
        hook.remove()
    from_torch(chain())


def test_hooks_that_were_removed_do_not_matter():
    module = chain()
    module[0].weight.register_hook(lambda g: g * 0).remove()
    assert from_torch(module).sizes == (4, 3, 2)


def test_layers_without_gradients_are_said():
    def forward(m, x):
        with torch.no_grad():
            x = m.fc1(x)
        return m.fc2(x)

    with pytest.warns(InterchangeWarning, match=r"Calls: its forward is partly under torch\.no_grad"):
        from_torch(Calls(forward))
    with torch.no_grad():  # of the caller
        from_torch(chain())
        assert not torch.is_grad_enabled()


def test_views_of_whole_rows_are_followed():
    torch.manual_seed(0)
    module = Calls(lambda m, x: m.fc2(m.fc1(x.view(-1, 6).view(-1, 6)).view(-1, 5)).view(-1, 3))
    X = np.random.default_rng(0).normal(size=(7, 6)).astype("f4")
    assert_same(module(torch.as_tensor(X)).detach().numpy(), from_torch(module).predict(X))


def test_the_attributes_of_a_module_are_as_before():
    def forward(m, x):
        m.count, m.last = m.count + 1, x
        return m.fc2(m.fc1(x)) + torch.ones(3)

    module = Calls(forward)
    module.count = 5
    before = dict(vars(module))
    with pytest.raises(ValueError, match="add takes a tensor"):
        from_torch(module)
    assert vars(module) == before


def groups(module, decoupled, of_weights=0.1, of_biases=0.0):
    weights, biases = ([p for p in module.parameters() if p.ndim == n] for n in (2, 1))
    return [
        {"params": weights, "weight_decay": of_weights, "decoupled_weight_decay": not decoupled},
        {"params": biases, "weight_decay": of_biases, "decoupled_weight_decay": decoupled},
    ]


def test_a_group_without_decay_does_not_make_the_others_decoupled():
    module = chain()
    net = from_torch(module, optimizer=optim.Adam(groups(module, True), lr=0.01))
    assert (net.optimizer, net.l2) == (Adam(0.01), 0.05)
    module = chain()
    with pytest.raises(ValueError, match="groups whose weight_decay is decoupled, and others whose is not"):
        from_torch(module, optimizer=optim.Adam(groups(module, True, 0.1, 0.2), lr=0.01))


def test_hooks_of_all_optimizers_are_refused():
    module = chain()
    hook = register_optimizer_step_pre_hook(lambda *_: None)
    try:
        with pytest.raises(ValueError, match="SGD has hooks"):
            from_torch(module, optimizer=optim.SGD(module.parameters()))
    finally:
        hook.remove()


@pytest.mark.parametrize(("kind", "name"), [(optim.Adam, "beta1"), (optim.SGD, "momentum")])
def test_a_cycle_of_the_momentum_stays_behind(kind, name):
    module = chain()
    optimizer = kind(module.parameters(), lr=0.01, **({"momentum": 0.9} if kind is optim.SGD else {}))
    optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=10)
    with pytest.warns(InterchangeWarning) as caught:
        from_torch(module, optimizer=optimizer)
    said = [str(one.message) for one in caught]
    assert any("its learning rate is scheduled" in one for one in said)
    assert any(f"its {name} is scheduled, and stays what it is now" in one for one in said)


def test_a_norm_without_a_shift_is_not_trained_by_a_rate_of_its_own():
    module = norm_without_shift()
    with pytest.raises(ValueError, match=r"1: LayerNorm\(.*it has no bias, which hotloop would train"):
        from_torch(module, optimizer=optim.SGD(module.parameters()))
