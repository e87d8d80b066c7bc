"""Parameters of PyTorch, by their names, into a network: from a dict, a .pt or a safetensors file."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.interchange.layer_order import another_order_fits
from hotloop.network.interchange.layers import (
    Activate,
    Dense,
    InputScale,
    Layer,
    LayerNorm,
    Layers,
    layers_of,
    parameter,
    refuse,
)
from hotloop.network.interchange.libraries import library
from hotloop.network.network import Network
from hotloop.network.persistence.atomic_write import path_of
from hotloop.network.validation.printable import shown

# What a module learns, by PyTorch's name and hotloop's.
LINEAR = {"weight": "weights", "bias": "bias"}
NORM = {"weight": "gain", "bias": "shift"}
SCALE, MIX = {"scale": "input_scale"}, {"mix": "mix"}
LEARNT: dict[type[Layer], dict[str, str]] = {Dense: LINEAR, LayerNorm: NORM, InputScale: SCALE, Activate: MIX}
SCALING = ("offset", "scale")  # of the inputs, which is not learnt
WRAPPERS = ("state_dict", "model_state_dict", "model")  # keys under which training scripts save the state
PREFIXES = ("module.", "_orig_mod.")  # of DataParallel, and of torch.compile


def load_state_dict(net: Network, source: Any, *, names: Sequence[str] | None = None) -> None:
    """Set the parameters of a network to those of a module of PyTorch with the same layers.

    Modules and layers are matched in order, whatever the modules are called. Every key is used, and nothing is changed
    unless all fit. A state has no activations and no epsilon of layer normalisation: the network must have those
    of the module.

    Parameters
    ----------
    net : Network
    source : mapping of str to tensor or array, or path
        A ``state_dict()``; a file of ``torch.save``, of which nothing but tensors is read; or, without PyTorch, a file
        that ends in ``.safetensors``. A state is also found under "state_dict", "model_state_dict" or "model".
    names : sequence of str, optional
        The modules in the order of the layers, such as ``["fc1", "head"]``. By default that of the keys, which is the
        order in which the module's ``__init__`` made them; of safetensors, where keys are sorted, the natural order,
        which is another one if a decoder follows an encoder: say it then.

    Raises
    ------
    ModuleNotFoundError
        For a file of ``torch.save`` without PyTorch: ``pip install 'hotloop[torch]'``.
    OSError
        If there is no such file.
    TypeError, ValueError
        If something does not fit; the error names the key, and what is wanted.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop import Network
    >>> from hotloop.interchange import load_state_dict
    >>> net = Network([2, 1], seed=0)
    >>> load_state_dict(net, {"head.weight": np.ones((1, 2), "f4"), "head.bias": np.zeros(1, "f4")})
    >>> print(net.predict([[1.0, 2.0]]))
    [[3.]]
    """
    layers = layers_of(net, "PyTorch")
    net._training.check_no_fit_runs("load_state_dict")
    state, ordered = _read(source)
    modules = _modules(state, names, ordered)
    scaling = None
    if modules and set(modules[0][1]) == {*SCALING}:
        prefix, tensors = modules.pop(0)
        scaling = [_array(f"{prefix}{name}", tensors[name], None) for name in SCALING]
    parts, wanted = net.parts(net.parameters), [*_wanted(layers)]
    if len(modules) != len(wanted):
        found = ", ".join(repr(prefix.removesuffix(".")) for prefix, _ in modules)
        raise ValueError(f"the network has {len(wanted)} modules with parameters, the state {len(modules)}: {found}")
    new: dict[str, Array] = {}
    for (prefix, tensors), (place, learnt) in zip(modules, wanted, strict=True):
        for name in tensors:
            if name not in learnt:
                refuse(f"key {prefix + name!r}", f"{place} wants {', '.join(learnt)}")
        for name, part in learnt.items():
            if name not in tensors:
                refuse(f"key {prefix + name!r}", f"is missing, for {place}")
            shape = parts[part].shape[::-1]
            new[part] = _array(prefix + name, tensors[name], shape, f" for {place}").T
            with np.errstate(over="ignore"):
                if not np.isfinite(new[part].astype(net.dtype)).all():
                    refuse(f"key {prefix + name!r}", f"holds numbers beyond {net.dtype}")
    if scaling is not None:
        net.input_offset, net.input_scale = _checked_scaling(net, *scaling)
    for part, array in new.items():
        parts[part][...] = array


def layers_of_state(source: Any, activations: Sequence[str] | None, output: str | None) -> Layers:
    """Return the layers of a state, which has no activations: those of the hidden layers, one or one each, are given.

    Each module is a dense layer. What has a vector as its weight may be any of several: its file does not say.
    """
    state, ordered = _read(source)
    dense: list[Dense] = []
    for prefix, tensors in _modules(state, None, ordered):
        place = prefix.removesuffix(".") or "the module"
        arrays = {name: _array(prefix + name, tensor, None) for name, tensor in tensors.items()}
        weight, bias = arrays.pop("weight", None), arrays.pop("bias", None)
        if weight is None or weight.ndim != 2 or arrays:
            found = "a normalisation or a PReLU" if weight is not None and weight.ndim == 1 else "not a dense layer"
            refuse(place, f"is {found}, and weights do not say what it computes: use from_torch in Python")
        if bias is not None and bias.shape != weight.shape[:1]:
            refuse(place, f"its bias has shape {bias.shape}; wanted {weight.shape[:1]}")
        dense.append(Dense(np.ascontiguousarray(weight.T), bias, place=place))
    n_hidden = max(len(dense) - 1, 0)
    if activations is None and n_hidden:
        raise ValueError(f"{source} has no activations: name those of its hidden layers ({n_hidden}) with --activation")
    given = [] if activations is None else [*activations]
    if given and len(given) not in (1, n_hidden):
        raise ValueError(f"{len(given)} activations for {n_hidden} hidden layers")
    of_hidden = given * n_hidden if len(given) == 1 else given
    layers: Layers = [*dense[:1]]
    for layer, activation in zip(dense[1:], of_hidden, strict=True):
        layers += [Activate(activation, place=f"the activation before {layer.place}"), layer]
    return [*layers, Activate(output, place="the output activation")] if output else layers


def _checked_scaling(net: Network, *numbers: Array) -> tuple[Any, Any]:
    """Return offset and scale as a network has them; raise an error, before any is set, unless it can."""
    offset, scale = (array.item() if array.ndim == 0 else array for array in numbers)
    Network((*net.sizes[:1], 1), input_offset=offset, input_scale=scale, dtype=net.dtype, seed=0)
    return offset, scale


def _wanted(layers: Sequence[Layer]) -> Iterator[tuple[str, dict[str, str]]]:
    """Return the place of each layer that learns, and by PyTorch's names those in `Network.parts`."""
    index = -1
    for layer in layers:
        index += isinstance(layer, Dense)
        if isinstance(layer, InputScale):
            yield layer.place, SCALE
        elif type(layer) in LEARNT and not (isinstance(layer, Activate) and layer.mix is None):
            learnt = LEARNT[type(layer)]
            yield layer.place, {name: f"layers.{index}.{part}" for name, part in learnt.items()}


def _modules(state: Mapping[str, Any], names: Sequence[str] | None, ordered: bool) -> list[tuple[str, dict[str, Any]]]:
    """Return for each module the beginning of its keys, and its tensors by the rest of them."""
    for _ in PREFIXES:
        for prefix in PREFIXES:
            if state and all(key.startswith(prefix) for key in state):
                state = {key.removeprefix(prefix): tensor for key, tensor in state.items()}
    found: dict[str, dict[str, Any]] = {}
    for key in state if ordered else sorted(state, key=_natural):
        prefix, dot, name = key.rpartition(".")
        found.setdefault(prefix + dot, {})[name] = state[key]
    if names is None:
        if not ordered:
            _check_order(found)
        return [*found.items()]
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"names must be a sequence of str such as ['fc1', 'head'], got {shown(names)}")
    modules = [(f"{name}." if name else "", found.pop(f"{name}." if name else "", {})) for name in names]
    for prefix, tensors in modules:
        if not tensors:
            raise ValueError(f"names: the state has no module {prefix.removesuffix('.')!r}, or it is named twice")
    for prefix, tensors in found.items():
        refuse(f"key {prefix + next(iter(tensors))!r}", "is of no module in names")
    return modules


def _check_order(found: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse modules with names of words, which were sorted, if their matrices also fit in another order."""
    words = {re.sub(r"\d+", "", prefix) for prefix in found}
    weights = [tensors.get("weight") for tensors in found.values()]
    shapes = [tuple(weight.shape)[::-1] for weight in weights if weight is not None and weight.ndim == 2]
    if len(words) > 1 and another_order_fits(shapes):
        listed = ", ".join(repr(prefix.removesuffix(".")) for prefix in found)
        raise ValueError(
            f"the state does not say the order of its modules {listed}, and several fit: give names=[...] in order, "
            "or a file of torch.save, which keeps it"
        )


def _natural(key: str) -> list[tuple[bool, int, str]]:
    """Return what sorts layers.10 after layers.9."""
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", key) if part]


def _array(key: str, value: Any, shape: tuple[int, ...] | None, whose: str = "") -> Array:
    """Return a tensor as an array, checked."""
    place = f"key {key!r}{whose}"
    if hasattr(value, "detach"):
        return array_of(place, "it", value, shape)
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{place}: wanted a tensor or an array, got {shown(value)}")
    return parameter(place, "it", value, shape)


def array_of(place: str, name: str, tensor: Any, shape: tuple[int | None, ...] | None) -> Array:
    """Return a parameter or a moment of PyTorch as an array of its own, checked."""
    if tensor.is_meta or hasattr(tensor, "materialize"):
        refuse(place, f"{name} has no numbers yet: it is on the device meta, or lazy")
    kind, layout = str(tensor.dtype), str(tensor.layout)
    if kind not in ("torch.float32", "torch.float64") or layout != "torch.strided":
        found = kind if layout == "torch.strided" else layout
        refuse(place, f"{name} is {found}; wanted torch.float32 or torch.float64: call module.float() before")
    return parameter(place, name, tensor.detach().cpu().numpy(), shape)


def _read(source: Any) -> tuple[Mapping[str, Any], bool]:
    """Return a state, and whether its keys are in the order of the module."""
    ordered = True
    if isinstance(source, (str, os.PathLike)):
        path = path_of("source", source)
        ordered = path.suffix != ".safetensors"
        source = _torch_file(path) if ordered else _safetensors_file(path)
    for wrapper in WRAPPERS:
        if isinstance(source, Mapping) and isinstance(source.get(wrapper), Mapping):
            source = source[wrapper]
    if not isinstance(source, Mapping) or not all(isinstance(key, str) for key in source):
        raise TypeError(f"source must be a state_dict or the path of a file with one, got {shown(type(source))}")
    return source, ordered


def _torch_file(path: Path) -> Any:
    """Return what `torch.save` wrote, tensors only."""
    torch = library("torch", "torch", "PyTorch")
    with path.open("rb") as file:
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # of many kinds, by what the file is
            raise ValueError(
                f"{path} does not hold tensors only: write it by torch.save(module.state_dict(), path)"
            ) from error


def _safetensors_file(path: Path) -> dict[str, Array]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    found = {}
    try:
        with safe_open(path, framework="numpy") as file:
            if "hotloop" in (file.metadata() or {}):
                raise ValueError(f"{path} is a model file of hotloop: read it by Network.load")
            for key in file.keys():  # noqa: SIM118 (it is no mapping)
                try:
                    found[key] = file.get_tensor(key)
                except (TypeError, AttributeError, SafetensorError) as error:  # bfloat16, float8
                    kind = file.get_slice(key).get_dtype()
                    raise ValueError(f"{path}, key {key!r}: dtype {kind}; wanted float32 or float64") from error
    except SafetensorError as error:
        raise ValueError(f"{path} is no safetensors file: {error}") from error
    return found
