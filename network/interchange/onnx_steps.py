"""What each node of an ONNX graph is in hotloop: one step from a value back to the one that it was made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from hotloop.kernels.codes import SELU_ABOVE, SELU_BELOW
from hotloop.kernels.jit import Array
from hotloop.network.interchange.layers import (
    Activate,
    Dense,
    Dropout,
    Layer,
    LayerNorm,
    Layers,
    elu,
    leaky_relu,
    parameter,
    refuse,
    warn_of,
)
from hotloop.network.interchange.onnx_layers import ONE_NODE
from hotloop.network.interchange.onnx_nodes import ACTIVATED, CLOSE, EPSILON, NORMALISED, Nodes, X

Step: TypeAlias = tuple[Layers, str]


@dataclass(frozen=True)
class Flat(Layer):
    """All axes but the first become one, of this many columns, or as many as there are."""

    columns: int | None = None


@dataclass(frozen=True)
class BothClasses(Layer):
    """p, of one column, becomes (1 - p, p)."""


@dataclass(frozen=True)
class Factor(Layer):
    """x becomes value * x, with one number or a row of them; `name` is that of the constant."""

    value: Array
    name: str = ""


@dataclass(frozen=True)
class Term(Layer):
    """x becomes x + value, with one number or a row of them."""

    value: Array


def step(nodes: Nodes, value: str) -> Step:
    """Return the layers that a value's node stands for, and the value that they take.

    Raises
    ------
    ValueError
        If hotloop has none for it; it names the node.
    """
    node = nodes.maker(value)
    op, place = nodes.op(node), nodes.place(node)
    found = _composition(nodes, value, place)
    if found is not None:
        return found
    if op in SIMPLE:
        _check_attributes(nodes, node, place)
        return [Activate(SIMPLE[op], place=place)], node.input[0]
    if op in STEPS:
        return STEPS[op](nodes, node, place)
    refuse(place, f"hotloop has no layer for it{HINTS.get(op, '')}")


HINTS = {
    "BatchNormalization": ": fold it into the dense layer before it",
    "LogSoftmax": ": export the network without it, or with Softmax",
    "Cast": ", which computes in float32 and float64 only",
    "Conv": ", only for dense layers",
}
SIMPLE = {op: name for name, op in ONE_NODE.items()} | {"Gelu": "gelu", "Mish": "mish", "Swish": "silu"}
# Attributes of the operators in SIMPLE that change what they compute, with what hotloop has.
SUPPORTED: dict[str, Callable[[Any], bool]] = {
    "approximate": lambda value: value == "none",
    "axis": lambda value: value in (-1, 1),
    "gamma": lambda value: abs(value - SELU_ABOVE) <= CLOSE,
}
ALPHA = {"Selu": SELU_BELOW / SELU_ABOVE, "Swish": 1.0}


def _composition(nodes: Nodes, value: str, place: str) -> Step | None:
    """Return the step that is composed of several nodes, None if it is none."""
    for name, forms in ACTIVATED.items():
        found = nodes.composed(forms, value)
        if found is not None:
            return [Activate(name, place=place)], found[X]
    found = nodes.composed(NORMALISED, value)
    if found is not None:
        return [LayerNorm(None, None, _decimal(found[EPSILON]), place=place)], found[X]
    return None


def _check_attributes(nodes: Nodes, node: Any, place: str) -> None:
    """Refuse an activation whose attributes are not those of hotloop's."""
    for name, value in nodes.attributes(node).items():
        fits = (
            abs(value - ALPHA[node.op_type]) <= CLOSE if name == "alpha" and node.op_type in ALPHA
            else SUPPORTED[name](value) if name in SUPPORTED
            else False
        )  # fmt: skip
        if not fits:
            refuse(place, f"hotloop does not have it with {name}={value!r}")


def _decimal(value: Any) -> float:
    """Return a float32 as the shortest decimal that is rounded to it: what its author wrote."""
    return float(str(np.float32(value))) if np.asarray(value).dtype == np.float32 else float(value)


def _attribute(nodes: Nodes, node: Any, name: str, default: float) -> float:
    """Return an attribute, a float32, as what its author wrote."""
    value = nodes.attributes(node).get(name)
    return default if value is None else float(str(np.float32(value)))


def _alpha(nodes: Nodes, node: Any, place: str, default: float) -> float:
    """Return the attribute alpha, or the second input that hotloop's functions have instead."""
    if len(node.input) == 1:
        return _attribute(nodes, node, "alpha", default)
    slope = _number(nodes, node, place, 1, f"slope {node.input[1]!r}")
    return default if slope is None else _decimal(slope)


def _leaky(nodes: Nodes, node: Any, place: str) -> Step:
    return [Activate(leaky_relu(_alpha(nodes, node, place, 0.01)), place=place)], node.input[0]


def _learnt_leaky(nodes: Nodes, node: Any, place: str) -> Step:
    found = _leaky(nodes, node, place)
    warn_of(place, "its slope stays as it is: hotloop does not train it")
    return found


def _elu(nodes: Nodes, node: Any, place: str) -> Step:
    return [Activate(elu(_alpha(nodes, node, place, 1.0)), place=place)], node.input[0]


def _gemm(nodes: Nodes, node: Any, place: str) -> Step:
    attributes = nodes.attributes(node)
    if attributes.get("transA", 0):
        refuse(place, "hotloop does not transpose the inputs (transA)")
    weights = _weights(nodes, node, place, bool(attributes.get("transB", 0)), attributes.get("alpha", 1.0))
    bias = None
    if len(node.input) > 2 and node.input[2]:
        found = _row(nodes.constant(node.input[2]), place, "bias")
        if found.ndim and found.size != weights.shape[1]:
            refuse(place, f"its bias has {found.size} numbers; its weights have {weights.shape[1]} columns")
        bias = np.array(np.broadcast_to(found * found.dtype.type(attributes.get("beta", 1.0)), weights.shape[1]))
    return [Dense(weights, bias, place=place)], node.input[0]


def _matmul(nodes: Nodes, node: Any, place: str) -> Step:
    return [Dense(_weights(nodes, node, place, False, 1.0), None, place=place)], node.input[0]


def _weights(nodes: Nodes, node: Any, place: str, transposed: bool, factor: float) -> Array:
    """Return the weights (fan_in, fan_out) of a product."""
    array = nodes.constant(node.input[1])
    if array is None:
        refuse(place, f"its weights {node.input[1]!r} are not a constant")
    weights = parameter(place, "weights", array.T if transposed and array.ndim == 2 else array, (None, None))
    return weights if factor == 1 else weights * weights.dtype.type(factor)


def _row(array: Array | None, place: str, what: str) -> Array:
    """Return a constant that is the same for all of a batch: a number (), or a row (n,)."""
    if array is None:
        refuse(place, f"its {what} is not a constant")
    if array.size == 1:
        return parameter(place, what, array).reshape(())
    if array.ndim > 2 or (array.ndim == 2 and array.shape[0] != 1):
        refuse(place, f"its {what} has shape {array.shape}; wanted a number or a row")
    return parameter(place, what, array).reshape(-1)


def _affine(nodes: Nodes, node: Any, place: str) -> Step:
    """Return the step of Add, Sub, Mul or Div by a constant."""
    found = nodes.split(node)
    if found is None:
        mixed = _mixed(nodes, node, place) if node.op_type == "Add" else None
        if mixed is None:
            refuse(place, "combines two values, which hotloop does in its own activations and normalisation only")
        return mixed
    value, array, first = found
    row = _row(array, place, "constant")
    if node.op_type in ("Sub", "Div") and first:
        refuse(place, "hotloop does not subtract from a constant, or divide one")
    if node.op_type == "Add" or node.op_type == "Sub":
        return [Term(row if node.op_type == "Add" else -row, place=place)], value
    if node.op_type == "Div":
        if (row == 0).any():
            refuse(place, "divides by 0")
        return [Factor(1 / row.astype(np.float64), place=place)], value
    return [Factor(row, node.input[0 if first else 1], place=place)], value


def _mixed(nodes: Nodes, node: Any, place: str) -> Step | None:
    """Return the step of (1 - a) z + a f(z), hotloop's learnt activation; None if it is another sum."""
    parts = []
    for value in node.input:
        maker = nodes.maker(value) if value != nodes.input else None
        found = nodes.split(maker) if maker is not None and maker.op_type == "Mul" else None
        if found is None:
            return None
        parts.append(found[:2])
    for (z, rest), (activated, mix) in (parts, parts[::-1]):
        layers, below = ([Activate("identity", place=place)], z) if activated == z else step(nodes, activated)
        if below != z or len(layers) != 1 or rest.shape != mix.shape or not np.allclose(rest, 1 - mix, 0, CLOSE):
            continue
        if isinstance(layer := layers[0], Activate) and layer.mix is None:
            return [Activate(layer.activation, parameter(place, "mix", mix, (None,)), place=place)], z
    return None


def _layer_norm(nodes: Nodes, node: Any, place: str) -> Step:
    attributes = nodes.attributes(node)
    if attributes.get("axis", -1) not in (-1, 1):
        refuse(place, f"hotloop normalises each row, not axis {attributes['axis']}")
    if len([name for name in node.output if name]) > 1:
        refuse(place, "hotloop does not return mean and deviation")
    gain, shift = (_learnt(nodes, node, place, number, what) for number, what in ((1, "gain"), (2, "shift")))
    number = _attribute(nodes, node, "epsilon", 1e-5)
    epsilon = _number(nodes, node, place, 3, "epsilon")  # of hotloop's function in float64
    if epsilon is not None:
        number = float(epsilon)
    return [LayerNorm(gain, shift, number, place=place)], node.input[0]


def _learnt(nodes: Nodes, node: Any, place: str, number: int, what: str) -> Array | None:
    """Return an input that may be left out as a row of parameters, None if it is."""
    if len(node.input) <= number or not node.input[number]:
        return None
    return _row(nodes.constant(node.input[number]), place, what)


def _dropout(nodes: Nodes, node: Any, place: str) -> Step:
    ratio, training = (
        _number(nodes, node, place, number, what) for number, what in ((1, "ratio"), (2, "training_mode"))
    )
    rate = _attribute(nodes, node, "ratio", 0.5) if ratio is None else _decimal(ratio)
    if training and rate > 0:
        warn_of(
            place, "drops whenever the graph is run (training_mode is true); the network drops only while it trains"
        )
    return [Dropout(rate, place=place)], node.input[0]


def _number(nodes: Nodes, node: Any, place: str, number: int, what: str) -> Array | None:
    """Return an input that may be left out as an array (), None if it is."""
    if len(node.input) <= number or not node.input[number]:
        return None
    array = nodes.constant(node.input[number])
    if array is None or array.size != 1:
        refuse(place, f"its {what} is not one constant number")
    return array.reshape(())


def _same(nodes: Nodes, node: Any, place: str) -> Step:
    return [], node.input[0]


def _flatten(nodes: Nodes, node: Any, place: str) -> Step:
    axis = nodes.attributes(node).get("axis", 1)
    if axis != 1:
        refuse(place, f"hotloop takes a row for each sample: axis must be 1, not {axis}")
    return [Flat(place=place)], node.input[0]


def _reshape(nodes: Nodes, node: Any, place: str) -> Step:
    """Return the step of a reshape to (rows, the rest)."""
    shape = nodes.constant(node.input[1])
    if shape is None:
        shape = _traced_shape(nodes, node)
    rows = (0, -1, (nodes.shape or (None,))[0])  # that of the input, if it is of a fixed batch
    if shape is None or len(shape) != 2 or shape[0] not in rows:
        wanted = "a shape that is computed" if shape is None else tuple(shape.tolist())
        refuse(place, f"reshapes to {wanted}; hotloop takes (-1, inputs): a row for each sample")
    return [Flat(None if shape[1] == -1 else int(shape[1]), place=place)], node.input[0]


def _traced_shape(nodes: Nodes, node: Any) -> Array | None:
    """Return the shape that PyTorch writes for ``x.view(x.size(0), n)``: Concat(Unsqueeze(Gather(Shape(x), 0)), n)."""
    concat = nodes.maker(node.input[1])
    if concat.op_type != "Concat" or len(concat.input) != 2:
        return None
    n, value = nodes.constant(concat.input[1]), concat.input[0]
    for op in ("Unsqueeze", "Gather", "Shape"):
        if nodes.constant(value) is not None or nodes.maker(value).op_type != op:
            return None
        maker = nodes.maker(value)
        if op == "Gather" and nodes.constant(maker.input[1]) != 0:
            return None
        if op == "Shape" and nodes.attributes(maker).get("start", 0) != 0:
            return None
        value = maker.input[0]
    return np.array([0, n.item()]) if n is not None and n.size == 1 and value == node.input[0] else None


def _scaler(nodes: Nodes, node: Any, place: str) -> Step:
    """Return the step of scale * (x - offset), each one number or a row."""
    offset, scale = (
        np.array(nodes.attributes(node).get(name, [usual])) for name, usual in (("offset", 0), ("scale", 1))
    )
    return [
        Term(-_row(offset.astype(np.float64), place, "offset"), place=place),
        Factor(_row(scale.astype(np.float64), place, "scale"), place=place),
    ], node.input[0]


def _both_classes(nodes: Nodes, node: Any, place: str) -> Step:
    """Return the step of (1 - p, p), as skl2onnx writes the probabilities of two classes."""
    if len(node.input) == 2 and nodes.attributes(node).get("axis") in (1, -1):
        rest, p = node.input
        maker = nodes.maker(rest) if rest != nodes.input else None
        if maker is not None and maker.op_type == "Sub" and maker.input[1] == p:
            one = nodes.constant(maker.input[0])
            if one is not None and one.size == 1 and one.item() == 1:
                return [BothClasses(place=place)], p
    refuse(place, "hotloop does not put values side by side")


STEPS: dict[str, Callable[[Nodes, Any, str], Step]] = {
    "Gemm": _gemm, "MatMul": _matmul, "Add": _affine, "Sub": _affine, "Mul": _affine, "Div": _affine,
    "LeakyRelu": _leaky, "PRelu": _learnt_leaky, "Elu": _elu, "LayerNormalization": _layer_norm, "Dropout": _dropout,
    "ZipMap": _same, "Flatten": _flatten, "Reshape": _reshape, "Scaler": _scaler,
    "Concat": _both_classes,
}  # fmt: skip
