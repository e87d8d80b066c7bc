"""Optimizers of PyTorch and their state, to and from a network. It imports PyTorch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import optim
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

from hotloop.kernels.jit import Array
from hotloop.network.interchange.layers import refuse, warn_of
from hotloop.network.interchange.torch_layers import Learnt
from hotloop.network.interchange.torch_state import array_of
from hotloop.network.network import Network
from hotloop.network.training.factors import FIELDS, Factors
from hotloop.network.training.optimizers import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop, optimizer_of

Group = Mapping[str, Any]  # of parameters, with the hyper-parameters that they share


class Kind(NamedTuple):
    """An optimizer of both: its moments in PyTorch, its hyper-parameters both ways, and those that hotloop lacks."""

    hotloop: type[Optimizer]
    moments: tuple[str, ...]
    read: Callable[[Group], dict[str, Any]]
    write: Callable[[Mapping[str, Any]], dict[str, Any]]
    refused: tuple[str, ...]


def _adam(kind: type[Optimizer]) -> Kind:
    return Kind(
        kind,
        ("exp_avg", "exp_avg_sq"),
        lambda g: {"beta1": float(g["betas"][0]), "beta2": float(g["betas"][1]), "epsilon": g["eps"]},
        lambda v: {"betas": (v["beta1"], v["beta2"]), "eps": v["epsilon"]},
        ("amsgrad", "maximize"),
    )


KINDS = {
    optim.SGD: Kind(
        SGD,
        ("momentum_buffer",),
        lambda g: {"momentum": g["momentum"], "nesterov": g["nesterov"]},
        lambda v: {"momentum": v["momentum"], "nesterov": v["nesterov"]},
        ("dampening", "maximize"),
    ),
    optim.RMSprop: Kind(
        RMSprop,
        ("square_avg",),
        lambda g: {"rho": g["alpha"], "epsilon": g["eps"]},
        lambda v: {"alpha": v["rho"], "eps": v["epsilon"]},
        ("momentum", "centered", "maximize"),
    ),
    optim.Adagrad: Kind(
        Adagrad, ("sum",), lambda g: {"epsilon": g["eps"]}, lambda v: {"eps": v["epsilon"]}, ("lr_decay", "maximize")
    ),
    optim.Adam: _adam(Adam),
    optim.AdamW: _adam(AdamW),
}


@dataclass(frozen=True)
class State:
    """A hotloop optimizer with its moments, each by parts, its steps, and the `l2` of the network."""

    optimizer: Optimizer
    l2: float
    moments: Sequence[Mapping[str, Array]]
    steps: int

    def check(self, net: Network) -> Optimizer:
        """Return the optimizer as a network of this dtype and depth takes it."""
        return optimizer_of(self.optimizer, net.dtype, len(net.sizes) - 1)

    def fill(self, net: Network) -> None:
        """Let the next fit of a network go on from here."""
        training = net._training
        training.use(self.check(net), len(net.parameters))
        for vector, moments in zip(training.moments, self.moments, strict=False):
            parts = net.parts(vector)
            for part, array in moments.items():
                parts[part][...] = array
        training.steps = self.steps


def read_optimizer(optimizer: Any, learnt: Sequence[Learnt]) -> State:
    """Return the state of a PyTorch optimizer of these tensors."""
    kind, trained = _kind(optimizer), {}
    groups = {id(tensor): group for group in optimizer.param_groups for tensor in group["params"]}
    for one in learnt:
        if one.tensor is not None and one.tensor.requires_grad and id(one.tensor) in groups:
            trained[one] = groups[id(one.tensor)]
    if not trained:
        raise ValueError("the optimizer trains none of the module's parameters")
    others = {*groups} - {id(one.tensor) for one in learnt}
    if others:
        raise ValueError(f"the optimizer also has {len(others)} parameters that are not the module's")
    name = type(optimizer).__name__
    settings = [_settings(kind, group, name) for group in trained.values()]
    for one, found in zip(trained, settings, strict=True):
        if found != settings[0]:
            refuse(one.place, f"its {one.name} has {found} in {name}, others {settings[0]}: only rates and decays "
                   "may differ")  # fmt: skip
    if any("initial_lr" in group for group in trained.values()):
        warn_of(name, "its learning rate is scheduled, and stays what it is now: give hotloop's a schedule")
    if any("max_momentum" in group for group in trained.values()):  # of OneCycleLR and CyclicLR
        warn_of(name, f"its {'beta1' if 'beta1' in settings[0] else 'momentum'} is scheduled, and stays what it is now")
    rates = {one: float(group["lr"]) for one, group in trained.items()}
    decays = {one: float(group.get("weight_decay", 0)) for one, group in trained.items()}
    values = settings[0] | _with_factors("learning_rate", {one: rates.get(one, 0.0) for one in learnt})
    if kind.hotloop is AdamW:
        values |= _with_factors("weight_decay", decays)
    made = kind.hotloop(**values)
    moments, steps = _moments(optimizer, kind.moments[: made.n_moments], trained)
    return State(made, 0.0 if kind.hotloop is AdamW else _l2(decays), moments, steps)


def _kind(optimizer: Any) -> Kind:
    if not isinstance(optimizer, optim.Optimizer):
        raise TypeError(f"optimizer must be a torch.optim.Optimizer, got {type(optimizer).__name__}")
    if type(optimizer) not in KINDS:
        names = ", ".join(kind.__name__ for kind in KINDS)
        raise ValueError(f"hotloop has no {type(optimizer).__name__}; it has {names}, none of their subclasses")
    everywhere = _global_optimizer_pre_hooks or _global_optimizer_post_hooks
    if everywhere or optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks:
        raise ValueError(f"{type(optimizer).__name__} has hooks, which hotloop would not call: remove them before")
    if type(optimizer) not in (optim.Adam, optim.AdamW):
        return KINDS[type(optimizer)]
    default = type(optimizer) is optim.AdamW
    decaying = [group for group in optimizer.param_groups if group["weight_decay"] != 0]
    decoupled = {bool(group.get("decoupled_weight_decay", default)) for group in decaying} or {default}
    if len(decoupled) > 1:
        raise ValueError(f"{type(optimizer).__name__} has groups whose weight_decay is decoupled, and others whose is "
                         "not: hotloop's are all of AdamW, or all of the l2")  # fmt: skip
    return KINDS[optim.AdamW if decoupled.pop() else optim.Adam]


def _settings(kind: Kind, group: Group, name: str) -> dict[str, Any]:
    for flag in kind.refused:
        if group.get(flag):
            raise ValueError(f"{name}({flag}={group[flag]}): hotloop's {kind.hotloop.__name__} has no {flag}")
    return kind.read(group)


def _with_factors(argument: str, wanted: Mapping[Learnt, float]) -> dict[str, Any]:
    """Return the largest number, and the factors that make of it what each tensor has."""
    largest = max(wanted.values())
    found: dict[str, dict[int, float]] = {}
    n_layers = 1 + max(_place_of(one.part)[0] for one in wanted)
    for one, value in wanted.items():
        layer, field = _place_of(one.part)
        factor = value / largest if largest > 0 else 1.0
        if found.setdefault(field, {}).setdefault(layer, factor) != factor:
            if one.tensor is None:
                refuse(one.place, f"it has no {one.name}, which hotloop would train as the other of gain and shift: "
                       "leave optimizer= out")  # fmt: skip
            refuse(one.place, f"its weight and bias have a different {argument}: hotloop has one for both")
    factors: dict[str, Any] = {}
    for field, by_layer in found.items():
        first, *others = {*by_layer.values()}
        if others:  # where a layer has no such tensors, 1 is as good as any
            factors[field] = [by_layer.get(layer, 1.0) for layer in range(n_layers)]
        elif first != 1:
            factors[field] = first
    return {argument: largest} | ({f"{argument}_factors": factors} if factors else {})


def _place_of(part: str) -> tuple[int, str]:
    """Return the layer of a part, and which field of `Factors` is its."""
    name = part.rpartition(".")[2]
    return int(part.split(".")[1]) if "." in part else 0, FIELDS.get(name, name)


def _l2(decays: Mapping[Learnt, float]) -> float:
    """Return the penalty that is a decay of all weights and of nothing else."""
    of_weights = {decay for one, decay in decays.items() if one.part.endswith(".weights")}
    for one, decay in decays.items():
        if not one.part.endswith(".weights") and decay != 0:
            refuse(one.place, f"its {one.name} has weight_decay={decay}, but hotloop's l2 is of the weights of dense "
                   "layers: give it a group with weight_decay=0")  # fmt: skip
    if len(of_weights) > 1:
        raise ValueError(f"the optimizer has several weight_decay: {sorted(of_weights)}; hotloop's l2 is one number")
    return of_weights.pop() / 2 if of_weights else 0.0


def _moments(
    optimizer: Any, names: Sequence[str], trained: Mapping[Learnt, Group]
) -> tuple[list[dict[str, Array]], int]:
    """Return the moments by parts, and how many steps they have seen; nothing if there are none yet."""
    states = {one: optimizer.state.get(one.tensor, {}) for one in trained}
    lacking = [one for one, state in states.items() if any(state.get(name) is None for name in names)]
    if not names or len(lacking) == len(states):
        return [], 0
    if lacking:
        refuse(lacking[0].place, f"the optimizer has no moments of its {lacking[0].name}, but of others")
    steps = {int(state.get("step", 0)) for state in states.values()}
    if len(steps) > 1:
        raise ValueError(f"the optimizer has taken {sorted(steps)} steps with different parameters; hotloop counts one")
    moments = [
        {one.part: array_of(one.place, name, state[name], tuple(one.tensor.shape)).T for one, state in states.items()}
        for name in names
    ]
    return moments, steps.pop()


def make_optimizer(net: Network, learnt: Sequence[Learnt]) -> Any:
    """Return a PyTorch optimizer of these tensors that goes on where a network is."""
    training = net._training
    training.check_no_fit_runs("to_torch_optimizer")
    optimizer = training.optimizer
    if optimizer is None:
        raise ValueError("the network has no optimizer: it was not trained, or reset_optimizer was called")
    kind_of = next(kind for kind, row in KINDS.items() if row.hotloop is type(optimizer))
    row, decoupled = KINDS[kind_of], isinstance(optimizer, AdamW)
    _check_expressible(net, optimizer, decoupled)
    parts = net.parts(net.parameters)
    _check_tensors(learnt, parts)
    values = vars(optimizer) | training.scheduled
    for name in training.scheduled:
        warn_of(kind_of.__name__, f"the schedule of {name} stays behind; its last value is {values[name]:g}")
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for one in learnt:
        rate = values["learning_rate"] * _factor(optimizer.learning_rate_factors, one.part)
        decay = 2 * net.l2 if one.part.endswith(".weights") else 0.0
        if decoupled:
            decay = values["weight_decay"] * _factor(optimizer.weight_decay_factors, one.part)
        group = groups.setdefault((rate, decay), {"params": [], "lr": rate, "weight_decay": decay})
        group["params"].append(one.tensor)
    made = kind_of([*groups.values()], lr=values["learning_rate"], **row.write(values))
    vectors = [net.parts(vector) for vector in training.moments]
    for one in learnt if vectors else ():
        state: dict[str, Any] = (
            {} if kind_of is optim.SGD else {"step": torch.tensor(float(training.steps - training.step_offset))}
        )
        for name, moments in zip(row.moments, vectors, strict=True):
            state[name] = torch.from_numpy(np.array(moments[one.part].T, order="C")).to(one.tensor)
        made.state[one.tensor] = state
    return made


def _check_expressible(net: Network, optimizer: Optimizer, decoupled: bool) -> None:
    """Refuse what an optimizer of PyTorch does not do."""
    name = type(optimizer).__name__
    for argument, value, off in (("l1", net.l1, 0), ("max_norm", net.max_norm, None)):
        if value != off:
            raise ValueError(f"{argument}={value} of the network is in no optimizer of PyTorch")
    for argument in ("clip_value", "clip_norm"):
        if getattr(optimizer, argument) is not None:
            where = (
                f"in no optimizer of PyTorch: fit without it, and call clip_grad_{argument[5:]}_ in the training loop"
            )
            raise ValueError(f"{argument}={getattr(optimizer, argument)} of {name} is {where}")
    if decoupled and net.l2 > 0:
        raise ValueError(f"l2={net.l2} of the network, beside the decay of AdamW, is in no optimizer of PyTorch")


def _check_tensors(learnt: Sequence[Learnt], parts: Mapping[str, Array]) -> None:
    """Refuse a module that is not of the network's layers."""
    found = {one.part: None if one.tensor is None else tuple(one.tensor.shape)[::-1] for one in learnt}
    wanted = {part: array.shape for part, array in parts.items()}
    if found != wanted:
        part = next(part for part in [*wanted, *found] if found.get(part) != wanted.get(part))
        shapes = found.get(part), wanted.get(part)
        raise ValueError(f"the module is not of this network: {part} has shape {shapes[0]}; wanted {shapes[1]}")


def _factor(factors: Any, part: str) -> float:
    """Return the factor of a part."""
    layer, field = _place_of(part)
    factor: float | tuple[float, ...] = getattr(factors or Factors(), field)
    return factor[layer] if isinstance(factor, tuple) else factor
