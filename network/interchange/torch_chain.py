"""A module of PyTorch as the chain of its layers in the order in which `forward` calls them. It imports PyTorch."""

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.jit import ScriptModule
from torch.nn import functional
from torch.nn.utils import parametrize

from hotloop.network.interchange.layers import Layers, refuse, warn_of
from hotloop.network.interchange.torch_layers import LEARNT, NAMES, READERS, Exponential, Learnt, layer_of
from hotloop.network.validation.printable import shown

# What a function does is what the module does that takes its arguments.
FUNCTIONS: dict[Any, type[nn.Module]] = {
    functional.relu: nn.ReLU, torch.relu: nn.ReLU, "relu": nn.ReLU,
    torch.sigmoid: nn.Sigmoid, "sigmoid": nn.Sigmoid, torch.tanh: nn.Tanh, "tanh": nn.Tanh,
    functional.leaky_relu: nn.LeakyReLU, functional.elu: nn.ELU, functional.selu: nn.SELU, torch.selu: nn.SELU,
    functional.gelu: nn.GELU, functional.silu: nn.SiLU, functional.mish: nn.Mish, functional.softplus: nn.Softplus,
    functional.softmax: nn.Softmax, torch.softmax: nn.Softmax, "softmax": nn.Softmax,
    functional.log_softmax: nn.LogSoftmax, torch.log_softmax: nn.LogSoftmax, "log_softmax": nn.LogSoftmax,
    torch.exp: Exponential, "exp": Exponential, functional.dropout: nn.Dropout,
}  # fmt: skip
FLATTENS = {torch.flatten, "flatten"}
HOOKS = "forward", "forward_pre", "backward", "backward_pre"
RESHAPES = {torch.reshape, "view", "reshape"}


@dataclass(frozen=True)
class Step:
    """One module of the chain, or what a function does, and where; `width` is what a view makes of each row."""

    place: str
    module: nn.Module
    width: int | None = None


class _Tracer(fx.Tracer):
    """Looks into the modules of others, not into those that have a layer, or come from PyTorch."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        """Return whether a module is one step of the chain."""
        return isinstance(module, (*READERS, *NAMES)) or super().is_leaf_module(module, name)

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        """Return a node that knows whether gradients go through it."""
        node = super().create_node(*args, **kwargs)
        node.meta["gradient"] = torch.is_grad_enabled()
        return node


def chain_of(module: Any) -> list[Step]:
    """Return the steps of a module, which is left as it is.

    Raises
    ------
    TypeError
        If it is not a module.
    ValueError
        If its steps are not one chain, the same in training and in evaluation, or one of them is not a layer.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a torch.nn.Module, got {type(module).__name__}")
    if isinstance(module, ScriptModule):
        raise TypeError("module is a TorchScript module: give the one it was made from, or use load_state_dict")
    module = getattr(module, "_orig_mod", module)  # of torch.compile
    if _Tracer().is_leaf_module(module, ""):
        module = nn.Sequential(module)
    _check_modules(module)
    training, evaluation = (_traced(module, mode) for mode in (True, False))
    if [*map(_signature, training)] != [*map(_signature, evaluation)]:
        raise ValueError("the module computes otherwise in training than in evaluation: give one without such a branch")
    if not all(node.meta["gradient"] for node in training):
        warn_of(type(module).__name__, "its forward is partly under torch.no_grad: hotloop trains all layers")
    steps = [*_steps(module, training, evaluation)]
    _check_parameters(module, steps)
    return steps


def layers_of_chain(steps: list[Step]) -> Layers:
    """Return the layers of a chain; refuse what hotloop does not have."""
    layers, units, of_inputs = [], None, []
    for step in steps:
        layer = layer_of(step.place, step.module)
        if step.width is not None and units is None:
            of_inputs.append(step)
        elif step.width not in (None, units):
            refuse(step.place, f"the layer before has {units} outputs: wanted rows of as many")
        if isinstance(step.module, nn.Linear):
            for view in of_inputs if units is None else ():
                if view.width != step.module.in_features:
                    refuse(view.place, f"{step.place} takes {step.module.in_features} inputs: wanted rows of as many")
            units = step.module.out_features
        elif isinstance(step.module, nn.LayerNorm) and units not in (None, *step.module.normalized_shape):
            refuse(step.place, f"the layer before has {units} outputs")
        if layer is not None:
            layers.append(layer)
    return layers


def learnt_of(steps: list[Step]) -> list[Learnt]:
    """Return all that a chain learns, layer by layer."""
    found, layer = [], -1
    for step in steps:
        layer += isinstance(step.module, nn.Linear)
        for name, part in LEARNT.get(type(step.module), {}).items():
            part = part if part == "input_scale" else f"layers.{layer}.{part}"
            found.append(Learnt(step.place, name, part, getattr(step.module, name)))
    return found


def _check_modules(module: nn.Module) -> None:
    """Refuse what changes a module's computation, or its gradients, from outside."""
    if any(getattr(nn.modules.module, f"_global_{kind}_hooks") for kind in HOOKS):
        raise ValueError("PyTorch has hooks of all modules, such as register_module_forward_hook: remove them before")
    for name, part in module.named_modules():
        place = f"{name or 'module'}: {type(part).__name__}"
        if isinstance(part, nn.modules.lazy.LazyModuleMixin):
            refuse(place, "has no weights before the first batch went through")
        if parametrize.is_parametrized(part):
            refuse(place, "its parameters are computed: call torch.nn.utils.parametrize.remove_parametrizations before")
        if any(getattr(part, f"_{kind}_hooks") for kind in HOOKS):
            refuse(place, "has hooks, such as those of weight_norm and of pruning: remove them before")
        for method in ("forward", "__call__", "_call_impl"):
            ours = method == "forward" or getattr(type(part), method) is getattr(nn.Module, method)
            if method in vars(part) or not ours:
                refuse(place, f"has a {method} of its own, which may compute otherwise: make it a class's forward")
        for parameter, tensor in part.named_parameters(recurse=False):
            if tensor._backward_hooks or tensor._post_accumulate_grad_hooks:
                refuse(place, f"its {parameter} has hooks of the gradient, which hotloop would not call: remove them")


@contextmanager
def _mode(module: nn.Module, training: bool) -> Iterator[None]:
    before = [(part, part.training, dict(vars(part))) for part in module.modules()]
    try:
        for part, *_ in before:
            part.training = training
        yield
    finally:
        for part, mode, attributes in before:  # forward may set some, the tracer keeps constants there
            vars(part).clear()
            vars(part).update(attributes)
            part.training = mode


def _traced(module: nn.Module, training: bool) -> list[fx.Node]:
    """Return the nodes of the graph, in order."""
    with _mode(module, training), torch.enable_grad():
        try:
            return [*_Tracer().trace(module).nodes]
        except Exception as error:  # of whatever kind: forward is the user's
            raise ValueError(f"the forward of {type(module).__name__} cannot be followed: {error}") from error


def _signature(node: fx.Node) -> tuple[str, ...]:
    """Return what a node computes, but for whether a dropout is on."""
    others = {name: value for name, value in node.kwargs.items() if name != "training"}
    return node.op, str(node.target), str(node.args), str(others)


def _steps(module: nn.Module, training: list[fx.Node], evaluation: list[fx.Node]) -> Iterator[Step]:
    """Return the steps between input and output, each of which takes what the one before gives."""
    inputs = [node for node in training if node.op == "placeholder"]
    if len(inputs) != 1:
        names = ", ".join(str(node.target) for node in inputs)
        raise ValueError(f"the forward of {type(module).__name__} takes {len(inputs)} inputs ({names}); wanted one, "
                         "and no others, also none with a default")  # fmt: skip
    last, where = inputs[0], "the inputs"
    for node, off in zip(training, evaluation, strict=True):
        if node.op == "placeholder" or _is_shape(node):
            continue
        source = node.args[0] if node.args else node.kwargs.get("input")
        name = getattr(node.target, "__name__", str(node.target))
        place = f"{name} after {where}" if node.op != "call_module" else str(node.target)
        if node.op == "output":
            place = "the output"
        if node.op == "get_attr":
            users = ", ".join(sorted(getattr(user.target, "__name__", str(user.target)) for user in node.users))
            refuse(place, f"{users or 'forward'} takes a tensor, which is not read: call layers, such as nn.Linear")
        if source is not last or any(_is_value(other) for other in node.all_input_nodes if other is not last):
            refuse(place, "hotloop has one chain of layers, in which each takes what the one before gives")
        if node.op == "output":
            return
        if node.op == "call_module":
            part = module.get_submodule(place)
            where, step = place, Step(f"{place}: {shown(part)}", part)
        else:
            step = _function(place, node, off)
        yield step
        last = node


def _function(place: str, node: fx.Node, off: fx.Node) -> Step:
    """Return what a function or a method does as a module."""
    if node.target in RESHAPES:
        return Step(place, nn.Flatten(), _width(place, node))
    arguments = {name: value for name, value in node.kwargs.items() if name not in ("input", "_stacklevel", "inplace")}
    if arguments.pop("dtype", None) is not None:
        refuse(place, "has a dtype, but hotloop computes all layers in one: wanted none")
    if node.target in FLATTENS:
        kind: Callable[..., nn.Module] = nn.Flatten
        arguments = {"start_dim": 0} | arguments if len(node.args) < 2 else arguments
    elif node.target in FUNCTIONS:
        kind = FUNCTIONS[node.target]
    else:
        arithmetic = getattr(node.target, "__module__", "") == "_operator"
        hint = ": fold arithmetic into the weights of the layer before or after it" if arithmetic else ""
        refuse(place, f"hotloop has no such function{hint}")
    if kind is nn.Dropout:
        modes = arguments.pop("training", True), off.kwargs.get("training", True)
        if modes == (False, False):
            return Step(place, nn.Identity())
        if modes != (True, False):
            refuse(place, "drops in evaluation: wanted training=self.training")
    try:
        return Step(place, kind(*node.args[1:], **arguments))
    except TypeError:
        found = [*map(repr, node.args[1:]), *(f"{name}={value!r}" for name, value in arguments.items())]
        refuse(place, f"its arguments {', '.join(found)} are not those of nn.{kind.__name__}")


def _width(place: str, node: fx.Node) -> int | None:
    """Return the length of the rows that a view makes, None for all that there is."""
    sizes: Any = node.args[1:]
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = sizes[0]
    rows, width = sizes if len(sizes) == 2 else (None, None)
    if not isinstance(width, int) or not (_is_batch(rows) or (rows == -1 and width != -1)):
        refuse(place, "wanted a view of whole rows, such as x.view(x.size(0), -1)")
    return None if width == -1 else width


def _is_batch(node: Any) -> bool:
    """Return whether a node is x.size(0) or x.shape[0]."""
    return isinstance(node, fx.Node) and _is_shape(node) and node.args[-1] == 0


def _is_shape(node: fx.Node) -> bool:
    """Return whether a node is a shape, or an entry of one."""
    if node.op == "call_method":
        return bool(node.target == "size")
    if node.op != "call_function":
        return False
    if node.target is getattr:
        return bool(node.args[1] == "shape")
    return node.target is operator.getitem and isinstance(node.args[0], fx.Node) and _is_shape(node.args[0])


def _is_value(node: fx.Node) -> bool:
    return not _is_shape(node)


def _check_parameters(module: nn.Module, steps: list[Step]) -> None:
    """Refuse parameters that two steps share, and such as no step has."""
    seen: set[int] = set()
    for one in learnt_of(steps):
        if one.tensor is not None and id(one.tensor) in seen:
            refuse(one.place, f"its {one.name} is used twice: hotloop's layers share nothing")
        seen.add(id(one.tensor))
    known = {id(tensor) for step in steps for tensor in step.module.parameters()}
    for name, tensor in module.named_parameters():
        if id(tensor) not in known:
            refuse(name, "is not used by any layer")
