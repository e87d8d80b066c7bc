"""`from_onnx`: a network from an ONNX graph."""

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.interchange.layers import (
    Dense,
    InputScale,
    Layer,
    LayerNorm,
    Layers,
    Rescale,
    network_of,
    refuse,
    warn_of,
)
from hotloop.network.interchange.libraries import library
from hotloop.network.interchange.onnx_export import CLASSES, INPUTS
from hotloop.network.interchange.onnx_layers import LEARNT_INPUT_SCALE
from hotloop.network.interchange.onnx_nodes import Nodes
from hotloop.network.interchange.onnx_steps import BothClasses, Factor, Flat, Term, step
from hotloop.network.network import Network
from hotloop.network.persistence.atomic_write import path_of


def from_onnx(model: Any, *, loss: Any = None, output: Any = None, dtype: Any = None, **arguments: Any) -> Network:
    """Return the network that an ONNX graph computes.

    The graph is one of dense layers (Gemm, MatMul and Add), activations, layer normalisation and dropout, one after the
    other, with a scaling of the inputs (Scaler, Sub, Div, Mul, Add) and Flatten before them. Activations and layer
    normalisation may be composed of other operators, as PyTorch exports GELU or SiLU. Of a classifier of skl2onnx the
    probabilities are taken, not the labels.

    Parameters
    ----------
    model : path or onnx.ModelProto
        Files of parameters beside the model's are read, too.
    loss, output, dtype
        As of `Network`. By default the loss follows the last activation: cross_entropy for softmax, and so on.
    **arguments
        Others of `Network`.

    Returns
    -------
    Network

    Raises
    ------
    ModuleNotFoundError
        If onnx is not installed.
    OSError
        If the file cannot be read.
    ValueError
        If it is no ONNX file, or the graph has what hotloop does not; the node is named.

    Warns
    -----
    InterchangeWarning
        Of what computes the same, but will be trained otherwise; of two probabilities (1 - p, p), of which the network
        returns p; of a Dropout that drops whenever the graph is run.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.interchange import from_onnx, to_onnx
    >>> _ = to_onnx(Network([3, 8, 2], "silu", loss="cross_entropy", seed=0), "net.onnx")
    >>> from_onnx("net.onnx")
    Network([3, 8, 2], activation=['silu'], output='softmax', loss='cross_entropy', dtype='float32')
    """
    model = _loaded(model)
    nodes = Nodes(model)
    steps: Layers = []
    value = nodes.output
    while value != nodes.input:
        layers, value = step(nodes, value)
        steps = layers + steps
    layers = _merged(nodes, steps)
    net = network_of(layers, "the model", loss=loss, output=output, dtype=dtype, **arguments)
    if model.producer_name == "hotloop":
        named = {one.key: one.value for one in model.metadata_props}
        net.metadata = {key: text for key, text in named.items() if key not in (INPUTS, CLASSES)}
    return net


def _loaded(model: Any) -> Any:
    """Return a model, or read it from a file."""
    onnx = library("onnx", "onnx", "ONNX")
    if isinstance(model, onnx.ModelProto):
        return _checked(model, "the model")
    if not isinstance(model, (str, os.PathLike)):
        raise TypeError(f"model must be a path or an onnx.ModelProto, got {type(model).__name__}")
    path = path_of("model", model)
    try:
        found = onnx.load(path)
    except OSError:
        raise
    except Exception as error:  # protobuf's DecodeError, and onnx's of files beside it
        raise ValueError(f"{path} is not an ONNX file that can be read ({error})") from None
    return _checked(found, str(path))


def _checked(model: Any, source: str) -> Any:
    """Return a model, or refuse it if it is not valid."""
    checker = library("onnx.checker", "onnx", "ONNX")
    try:
        checker.check_model(model)
    except (checker.ValidationError, UnicodeDecodeError) as error:
        raise ValueError(f"{source} is not a valid ONNX model: {error}") from None
    return model


@dataclass
class _Front:
    """scale * (x - offset), as it grows by the nodes before the first dense layer."""

    offset: Any = 0.0
    scale: Any = 1.0
    places: tuple[str, ...] = ()


def _merged(nodes: Nodes, steps: Layers) -> Layers:
    """Return the layers that hotloop has: factors and terms become scaling, bias, gain or shift."""
    front, done = _Front(), list[Layer]()
    flat, before = nodes.shape is None or len(nodes.shape) == 2, True  # the first dense layer
    width = _product((nodes.shape or (None, None))[1:])
    for one in steps:
        if isinstance(one, Flat):
            flat = True
            width = _same_width(one, one.columns, width)
        elif isinstance(one, BothClasses):
            if one is not steps[-1] or width != 1:
                refuse(one.place, "puts 1 - p and p side by side, which hotloop reads only at the end, of one column p")
            warn_of(one.place, "the network returns p, the probability of the second class, instead of (1 - p, p)")
        elif isinstance(one, (Factor, Term)) and before:
            if one.value.ndim:
                if not flat:
                    refuse(one.place, "scales inputs one by one before they are flattened")
                width = _same_width(one, one.value.size, width)
            _add_to_front(front, one, done, width)
        elif isinstance(one, Factor):
            done[-1] = _with_gain(one, _wide(one, one.value, width), done[-1])
        elif isinstance(one, Term):
            done[-1] = _with_shift(one, _wide(one, one.value, width), done[-1])
        elif isinstance(one, LayerNorm):
            done.append(replace(one, gain=_wide(one, one.gain, width), shift=_wide(one, one.shift, width)))
        else:
            if isinstance(one, Dense):
                if not flat:
                    refuse(one.place, f"its input has {len(nodes.shape or ())} axes: flatten them before it")
                _same_width(one, one.weights.shape[0], width)
                before, width = False, one.weights.shape[1]
            done.append(one)
    if not front.places:
        return done
    return [Rescale(_plain(front.offset), _plain(front.scale), place=front.places[0]), *done]


def _product(shape: tuple[int | None, ...]) -> int | None:
    """Return how many columns these axes are; None if one is not known."""
    return None if None in shape else int(np.prod(np.array(shape, np.int64)))


def _same_width(one: Layer, wanted: int | None, width: int | None) -> int | None:
    """Return how many columns a layer takes; refuse it if there are others."""
    if wanted is not None and width is not None and wanted != width:
        refuse(one.place, f"takes {wanted} columns; there are {width}")
    return width if wanted is None else wanted


def _plain(value: Any) -> Any:
    """Return an array of one number as a float."""
    return float(value) if np.ndim(value) == 0 else value


def _add_to_front(front: _Front, one: Factor | Term, done: Layers, width: int | None) -> None:
    """Let the scaling of the inputs, so many if that is known, be followed by a factor or a term."""
    row = one.value.astype(np.float64)
    if isinstance(one, Factor) and one.name.startswith(LEARNT_INPUT_SCALE):
        done.append(InputScale(np.array(np.broadcast_to(one.value, width or one.value.size)), place=one.place))
        return
    if done:
        refuse(one.place, "hotloop scales the inputs only before anything else")
    front.places += (one.place,)
    if isinstance(one, Factor):
        front.scale = front.scale * row
        if np.any(np.asarray(front.scale) < 0):
            refuse(one.place, "the scale of an input is negative, which hotloop does not have")
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            front.offset = front.offset - row / front.scale
        if not np.isfinite(front.offset).all():
            refuse(one.place, "adds a constant to an input that is multiplied by 0")


def _with_gain(one: Factor, row: Array | None, layer: Layer) -> Layer:
    if isinstance(layer, LayerNorm) and layer.gain is None and layer.shift is None:
        return replace(layer, gain=row)
    refuse(one.place, f"multiplies by a constant after {layer.place}")


def _with_shift(one: Term, row: Array | None, layer: Layer) -> Layer:
    if isinstance(layer, LayerNorm) and layer.shift is None:
        return replace(layer, shift=row)
    if isinstance(layer, Dense) and layer.bias is None:
        return replace(layer, bias=row)
    refuse(one.place, f"adds a constant after {layer.place}")


def _wide(one: Layer, value: Array | None, width: int | None) -> Array | None:
    """Return a number or a row as a row of this width."""
    if value is None or width is None:
        return value
    if value.ndim and value.size != width:
        _same_width(one, value.size, width)
    return np.array(np.broadcast_to(value, width))
