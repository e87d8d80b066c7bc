"""Networks to and from Flax, linen and nnx, by the trees of their parameters."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from hotloop.network.interchange.jax import check_dtype, function_of, hidden_activations, output_of
from hotloop.network.interchange.layer_order import another_order_fits
from hotloop.network.interchange.layers import (
    Activate,
    Dense,
    Dropout,
    Layers,
    layers_of,
    network_of,
    parameter,
    refuse,
    warn_of,
)
from hotloop.network.interchange.libraries import library
from hotloop.network.network import Network
from hotloop.network.validation.printable import shown


def from_flax(
    parameters: Any,
    activation: Any = "relu",
    *,
    output: Any = None,
    names: Sequence[str] | None = None,
    loss: Any = None,
    dtype: Any = None,
    **arguments: Any,
) -> Network:
    """Return the network of a tree of Flax's parameters.

    Parameters
    ----------
    parameters : mapping
        Of linen, the dict that ``init`` returns, or what it has under "params"; of nnx, ``nnx.state(model)``. Each
        dense layer is a dict of kernel and bias. The layers are in the order of their numbers: Dense_0, Dense_1, ...
        Dense_10. Where calls are nested, linen counts from the outside in, ``Dense(4)(relu(Dense(4)(x)))`` has Dense_1
        first: say the order with `names`.
    activation, output, loss, dtype, **arguments
        As in `from_jax`: a tree has no activations.
    names : sequence of str, optional
        The layers in their order, if their names are not one word with numbers: ``["encoder", "head"]``. A layer deeper
        in the tree has slashes: ``"layers/0"``.

    Returns
    -------
    Network

    Raises
    ------
    ValueError
        If a layer is not dense, or their order is not known.

    Warns
    -----
    InterchangeWarning
        If another order of the layers fits their shapes, too, and there are no `names`.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop.interchange import from_flax
    >>> first, second = ({"kernel": np.ones(shape), "bias": np.zeros(shape[1])} for shape in ((2, 4), (4, 3)))
    >>> from_flax({"params": {"Dense_0": first, "Dense_1": second}}, "tanh").sizes
    (2, 4, 3)
    """
    if not isinstance(parameters, Mapping):
        raise TypeError(f"parameters must be a tree of dicts, got {shown(parameters)}")
    tree = parameters["params"] if set(parameters) == {"params"} else parameters
    found = dict(_layers("", tree))
    order = _order(found, names)
    hidden = hidden_activations(activation, len(order) - 1)
    layers: Layers = []
    for name, chosen in zip(order, [*hidden, output_of(output, loss)], strict=True):
        layers += [_dense(name, found[name]), Activate(chosen, place=f"the activation of {name}")]
    if names is None:
        _check_order(order, [found[name]["kernel"].shape for name in order])
    return network_of(layers, "the tree of parameters", loss=loss, dtype=dtype, **arguments)


def _layers(path: str, tree: Any) -> list[tuple[str, Mapping[Any, Any]]]:
    """Return the layers of a tree, each with its path: what has other things than dicts in it."""
    if not isinstance(tree, Mapping):
        refuse(path or "parameters", f"wanted a dict of kernel and bias, got {shown(tree)}")
    if not any(isinstance(value, Mapping) for value in tree.values()):
        return [(path, tree)] if tree else []
    return [layer for name, value in tree.items() for layer in _layers(f"{path}/{name}".lstrip("/"), value)]


def _order(found: Mapping[str, Any], names: Sequence[str] | None) -> list[str]:
    """Return the names of the layers as they follow each other."""
    if not found:
        raise ValueError("parameters has no layers")
    if names is not None:
        wanted = [names] if isinstance(names, str) else list(names)
        if sorted(wanted) != sorted(found):
            raise ValueError(
                f"names must be those of all layers, {', '.join(found)}, in their order; got {shown(names)}"
            )
        return wanted
    if len({re.sub(r"\d+", "", name) for name in found}) > 1:
        raise ValueError(f"the order of the layers {', '.join(found)} is not in their names: say it with names=[...]")
    return sorted(found, key=lambda name: [int(number) for number in re.findall(r"\d+", name)])


def _check_order(order: list[str], shapes: list[tuple[int, int]]) -> None:
    """Refuse an order of the layers that does not fit, and warn where another one fits, too."""
    what = f"the layers were taken in the order {', '.join(order)}"
    if any(before[1] != after[0] for before, after in pairwise(shapes)):
        raise ValueError(f"{what}, which does not fit their shapes: say theirs with names=[...]")
    if another_order_fits(shapes):
        warn_of(
            "the tree of parameters",
            f"{what}, but another fits, too: names=[...] says which (nested calls count from the outside in)",
        )


def _dense(name: str, layer: Mapping[Any, Any]) -> Dense:
    if not {"kernel"} <= set(layer) <= {"kernel", "bias"}:
        refuse(name, f"has {', '.join(map(str, layer))}; wanted the kernel and bias of a dense layer")
    weights = parameter(name, "kernel", layer["kernel"], (None, None))
    bias = layer.get("bias")
    return Dense(weights, None if bias is None else parameter(name, "bias", bias, (weights.shape[1],)), place=name)


def to_flax(net: Network, *, names: Sequence[str] | None = None) -> dict[str, Any]:
    """Return a network's parameters as a tree of Flax, for a module of yours that has the same layers and activations.

    Parameters
    ----------
    net : Network
        Of dense layers: a tree has no scaling of the inputs.
    names : sequence of str, optional
        Of the layers, by default Dense_0, Dense_1, ..., which a linen module gives them. A slash leads deeper into the
        tree, and digits after it are a number, as in nnx: ``"layers/0"``.

    Returns
    -------
    dict
        ``{"params": {"Dense_0": {"kernel": ..., "bias": ...}, ...}}``, for ``module.apply(tree, x)`` of linen; of nnx,
        ``nnx.update(model, tree["params"])``.

    Raises
    ------
    ValueError
        If the network scales its inputs, or has layer normalisation or learnt activations.

    Warns
    -----
    InterchangeWarning
        Of dropout, which is your module's.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.interchange import to_flax
    >>> tree = to_flax(Network([4, 8, 3], loss="cross_entropy", seed=0))
    >>> {name: layer["kernel"].shape for name, layer in tree["params"].items()}
    {'Dense_0': (4, 8), 'Dense_1': (8, 3)}
    """
    jax = library("jax", "jax", "JAX")
    dense: list[Dense] = []
    for layer in layers_of(net, "Flax"):
        if isinstance(layer, Dense):
            dense.append(layer)
        elif isinstance(layer, Dropout):
            warn_of(layer.place, "not in a tree of parameters: your module has it, or trains without")
        elif isinstance(layer, Activate) and layer.mix is None:
            function_of(jax, layer)  # JAX has it
        else:
            refuse(layer.place, "a tree of Flax's dense layers has no place for it")
    check_dtype(jax, net.dtype)
    names = [f"Dense_{index}" for index in range(len(dense))] if names is None else list(names)
    if len(names) != len(dense) or len(set(names)) < len(dense):
        raise ValueError(f"names must be a name for each of {len(dense)} layers, got {shown(names)}")
    tree: dict[Any, Any] = {}
    for name, layer in zip(names, dense, strict=True):
        first, *deeper = name.split("/")
        place = tree.setdefault(first, {})
        for key in deeper:
            place = place.setdefault(int(key) if key.isdigit() else key, {})
        place.update(kernel=jax.numpy.asarray(layer.weights), bias=jax.numpy.asarray(layer.bias))
    return {"params": tree}
