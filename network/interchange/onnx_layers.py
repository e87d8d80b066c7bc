"""The layers of a network as nodes of an ONNX graph."""

import math

import numpy as np

from hotloop.network.interchange.layers import (
    Activate,
    Dense,
    Dropout,
    InputScale,
    Layer,
    LayerNorm,
    Rescale,
    formula_of,
    layers_of,
)
from hotloop.network.interchange.onnx_graph import Graph
from hotloop.network.network import Network

LEARNT_INPUT_SCALE = "learnt_input_scale"  # so that `from_onnx` can tell it from a scaling that is not learnt
ONE_NODE = {
    "sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "Relu", "selu": "Selu", "softplus": "Softplus",
    "exponential": "Exp", "softmax": "Softmax",
}  # fmt: skip


def add_network(graph: Graph, net: Network, x: str, *, logits: bool = False, prefix: str = "") -> str:
    """Add the layers of a network after the value x, and return the name of its outputs."""
    layers = layers_of(net, "ONNX", logits=logits)
    if not np.isfinite(net.parameters).all():
        raise ValueError("the network has parameters that are not finite: NaN or infinity")
    value, index = x, -1
    for layer in layers:
        index += isinstance(layer, Dense)
        value = _add(graph, layer, value, f"{prefix}layer_{index}")
    return value


def _add(graph: Graph, layer: Layer, x: str, name: str) -> str:
    """Add the nodes of one layer, and return the name of its outputs."""
    if isinstance(layer, Dense):
        weights, bias = graph.constant(f"{name}.weights", layer.weights), graph.constant(f"{name}.bias", layer.bias)
        return graph.node("Gemm", x, weights, bias, wish=f"{name}.z")
    if isinstance(layer, Rescale):
        return _rescaled(graph, layer, x)
    if isinstance(layer, InputScale):
        return graph.node("Mul", x, graph.constant(LEARNT_INPUT_SCALE, layer.scale))
    if isinstance(layer, LayerNorm):
        gain, shift = graph.constant(f"{name}.gain", layer.gain), graph.constant(f"{name}.shift", layer.shift)
        return graph.call("LayerNormalization", x, gain, shift, wish=f"{name}.normalised", epsilon=layer.epsilon)
    if isinstance(layer, Activate):
        activated = _activated(graph, layer, x, f"{name}.a")
        if layer.mix is None:
            return activated
        rest = graph.node("Mul", graph.constant(f"{name}.rest", 1 - layer.mix), x)
        part = graph.node("Mul", graph.constant(f"{name}.mix", layer.mix), activated)
        return graph.node("Add", rest, part, wish=f"{name}.mixed")
    if not isinstance(layer, Dropout):
        raise TypeError(f"{layer.place}: no nodes for {type(layer).__name__}")
    return x


def _rescaled(graph: Graph, layer: Rescale, x: str) -> str:
    """Add scale * (x - offset) in float64."""
    value = x if graph.dtype == np.float64 else graph.cast(x, np.float64)
    if np.any(layer.offset != 0):
        value = graph.node("Sub", value, graph.constant("input_offset", layer.offset, np.float64))
    value = graph.node("Mul", value, graph.constant("input_scale", layer.scale, np.float64))
    return value if graph.dtype == np.float64 else graph.cast(value, np.float32)


def _activated(graph: Graph, layer: Activate, z: str, wish: str) -> str:
    """Add f(z)."""
    row = formula_of(layer, "ONNX")
    if row.name == "identity":
        return z
    if row.name in ONE_NODE:
        return graph.call(ONE_NODE[row.name], z, wish=wish)
    if row.name == "leaky_relu":
        return graph.call("LeakyRelu", z, wish=wish, alpha=row.slopes[1])
    if row.name == "elu":
        return graph.call("Elu", z, wish=wish, alpha=row.slopes[1])
    if row.name == "silu":
        return graph.node("Mul", z, graph.node("Sigmoid", z), wish=wish)
    if row.name == "mish":
        return graph.node("Mul", z, graph.node("Tanh", graph.call("Softplus", z)), wish=wish)
    if row.name != "gelu":
        raise ValueError(f"{layer.place}: no nodes for {row.name}")
    if graph.dtype == np.float64:
        return graph.call("Gelu", z, wish=wish)
    erf = graph.node("Erf", graph.node("Mul", z, graph.constant("inverse_root_2", math.sqrt(0.5))))
    half = graph.node("Mul", z, graph.constant("half", 0.5))
    return graph.node("Mul", half, graph.node("Add", erf, graph.constant("one", 1)), wish=wish)
