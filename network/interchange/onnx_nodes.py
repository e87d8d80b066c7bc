"""The nodes of an ONNX graph as an importer reads them: what made a value, which values are constants, compositions."""

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any, TypeAlias

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.interchange.layers import refuse
from hotloop.network.interchange.libraries import library
from hotloop.network.interchange.onnx_functions import DOMAIN, FUNCTIONS, source_of

CLOSE = 1e-6  # of a number that is written in float32
OWN = ("", "ai.onnx", "ai.onnx.ml", DOMAIN)  # domains whose operators are known
FLOATS = ("FLOAT", "DOUBLE")
DEPTH = 4  # of products of products: enough for 0.5 x (1 + erf) however it is put together
X, EPSILON = "x", "epsilon"

# A composition: an operator and what it is applied to; "x" is one value, wherever it stands, "epsilon" any number. A
# product is of all factors, in any order, and divisions by numbers are among them.
Composed: TypeAlias = str | float | tuple[Any, ...]

_CENTRED: Composed = ("Sub", X, ("ReduceMean", X))


def _deviation(square: Composed) -> Composed:
    return ("Sqrt", ("Add", ("ReduceMean", square), EPSILON))


NORMALISED: tuple[Composed, ...] = tuple(
    form
    for square in (("Pow", _CENTRED, 2.0), ("Mul", _CENTRED, _CENTRED))
    for form in (
        ("Div", _CENTRED, _deviation(square)),
        ("Mul", _CENTRED, ("Reciprocal", _deviation(square))),
    )
)
ACTIVATED: dict[str, tuple[Composed, ...]] = {
    "silu": (("Mul", X, ("Sigmoid", X)),),
    "mish": (("Mul", X, ("Tanh", ("Softplus", X))), ("Mul", X, ("Tanh", ("Log", ("Add", 1.0, ("Exp", X)))))),
    "gelu": (("Mul", 0.5, X, ("Add", 1.0, ("Erf", ("Mul", 0.5**0.5, X)))),),
    "softplus": (("Log", ("Add", 1.0, ("Exp", X))),),
}


class Nodes:
    """The nodes of a model's graph.

    Attributes
    ----------
    opset : int
        Of the operators without a domain.
    input, output : str
        The value that the network takes, and the one that it returns.
    shape : tuple of (int or None), or None
        Of the input; None for what is not known.
    """

    def __init__(self, model: Any) -> None:
        self._onnx, graph = library("onnx", "onnx", "ONNX"), model.graph
        self.opset = max((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), default=0)
        if self.opset < 7:
            raise ValueError(f"the model is of ONNX opset {self.opset}; hotloop reads opset 7 and later: convert it")
        if graph.sparse_initializer:
            raise ValueError(f"the model has sparse parameters, {graph.sparse_initializer[0].values.name!r} first")
        self._check_functions(model)
        self._constants = {one.name: one for one in graph.initializer}
        self._makers: dict[str, Any] = {}  # of first outputs, which are what the steps are about
        self._others: dict[str, Any] = {}  # of further outputs: the mask of Dropout, the mean of LayerNormalization
        self._numbers: dict[int, int] = {}
        same = self._read(graph)
        self.input, self.shape = self._input(graph)
        output = self._output(graph)
        self.output = same.get(output, output)

    def _read(self, graph: Any) -> dict[str, str]:
        """Keep copies of the nodes, without copies and conversions between them; return what these are copies of."""
        same: dict[str, str] = {}
        for number, original in enumerate(graph.node):
            node = type(original)()
            node.CopyFrom(original)
            for place, value in enumerate(node.input):
                node.input[place] = same.get(value, value)
            self._numbers[id(node)] = number
            first, *others = node.output
            self._makers |= {first: node} if first else {}
            self._others |= dict.fromkeys(filter(None, others), node)
            converts = self.op(node) == "Cast" and self.attributes(node)["to"] in (1, 11)
            if self.op(node) == "Identity" or (converts and self.constant(node.input[0]) is None):
                same[node.output[0]] = node.input[0]
        return same

    def _check_functions(self, model: Any) -> None:
        """Refuse functions that go by the name of an operator, but are not those that `to_onnx` writes."""
        for one in model.functions:
            if one.domain == DOMAIN and one.name in FUNCTIONS:
                own = self._onnx.parser.parse_function(source_of(one.name))
                if (list(one.input), list(one.node)) != (list(own.input), list(own.node)):
                    refuse(f"function {DOMAIN}.{one.name}", "is not the one that this hotloop writes")
            elif one.domain in OWN:
                refuse(f"function {one.domain}.{one.name}", "hotloop reads no functions in the place of operators")

    def _input(self, graph: Any) -> tuple[str, tuple[int | None, ...] | None]:
        """Return the name and shape of the only input."""
        inputs = [one for one in graph.input if one.name not in self._constants]
        if len(inputs) != 1:
            names = ", ".join(repr(one.name) for one in inputs)
            raise ValueError(f"the model has {len(inputs)} inputs ({names}); a hotloop network takes one matrix")
        tensor = inputs[0].type.tensor_type
        kind = self._onnx.TensorProto.DataType.Name(tensor.elem_type)
        if kind not in FLOATS and not kind.startswith(("INT", "UINT")):
            refuse(f"input {inputs[0].name!r}", f"is of type {kind}; wanted FLOAT or DOUBLE")
        if not tensor.HasField("shape"):
            return inputs[0].name, None
        dims = tensor.shape.dim
        return inputs[0].name, tuple(one.dim_value if one.HasField("dim_value") else None for one in dims)

    def _output(self, graph: Any) -> str:
        """Return the only output of numbers; others are labels."""
        names = self._onnx.TensorProto.DataType.Name
        found = [
            one.name for one in graph.output
            if not one.type.HasField("tensor_type") or names(one.type.tensor_type.elem_type) in FLOATS
        ]  # fmt: skip
        if len(found) != 1:
            every = ", ".join(repr(one.name) for one in graph.output)
            raise ValueError(f"the model has outputs {every}, {len(found)} of them of FLOAT or DOUBLE; wanted one")
        return str(found[0])

    def maker(self, value: str) -> Any:
        """Return the node whose first output a value is."""
        if value in self._others:
            node = self._others[value]
            refuse(self.place(node), f"hotloop has its first output only, not {value!r}")
        if value not in self._makers:
            raise ValueError(f"the value {value!r} is no node's output, but another input or output of the graph")
        return self._makers[value]

    def place(self, node: Any) -> str:
        """Return what errors call a node."""
        domain = f"{node.domain}." if node.domain not in ("", "ai.onnx") else ""
        named = f"node {node.name!r}" if node.name else f"node {self._numbers[id(node)]}"
        return f"{named} ({domain}{node.op_type})"

    def op(self, node: Any) -> str:
        """Return the operator, with its domain unless it is ONNX's own, or one of hotloop's functions."""
        return str(node.op_type if node.domain in OWN else f"{node.domain}.{node.op_type}")

    def attributes(self, node: Any) -> dict[str, Any]:
        """Return a node's attributes by name; text as str."""
        value = self._onnx.helper.get_attribute_value
        found = {one.name: value(one) for one in node.attribute}
        return {name: one.decode() if isinstance(one, bytes) else one for name, one in found.items()}

    def constant(self, value: str) -> Array | None:
        """Return a value that does not depend on the input; None if it does, or is not known."""
        if value in self._constants:
            return self._array(self._constants[value])
        node = self._makers.get(value)
        if node is None:
            return None
        attributes = self.attributes(node)
        if node.op_type == "Constant":
            (found,) = attributes.values()
            if hasattr(found, "data_type"):
                return self._array(found)
            return np.asarray(found, np.float32 if "value_float" in next(iter(attributes)) else None)
        if node.op_type not in ("Transpose", "Cast") or (source := self.constant(node.input[0])) is None:
            return None
        if node.op_type == "Transpose":
            return np.transpose(source, attributes.get("perm"))
        return source.astype(self._onnx.helper.tensor_dtype_to_np_dtype(attributes["to"]))

    def _array(self, tensor: Any) -> Array:
        if tensor.data_type not in self._onnx.TensorProto.DataType.values():
            raise ValueError(f"the constant {tensor.name!r} is of a type that ONNX does not have, {tensor.data_type}")
        return np.asarray(self._onnx.numpy_helper.to_array(tensor))

    def split(self, node: Any) -> tuple[str, Array, bool] | None:
        """Return of a node with two inputs the value and the constant, and whether the constant is the first."""
        constants = [self.constant(value) for value in node.input]
        for place, array in enumerate(constants):
            if array is not None and constants[1 - place] is None:
                return node.input[1 - place], array, place == 0
        return None

    def composed(self, forms: Sequence[Composed], value: str) -> dict[str, Any] | None:
        """Return what "x" and "epsilon" are in the first of these compositions that a value is; None if it is none."""
        for form in forms:
            for found in self._matches(form, value, {}):
                return found
        return None

    def _matches(self, form: Composed, value: str, known: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield what the variables are, beside those that are known, if a value has this form."""
        array = self.constant(value)
        if form == X:
            if array is None and known.get(X, value) == value:
                yield known | {X: value}
        elif form == EPSILON:
            if array is not None and array.size == 1 and known.get(EPSILON, array) == array:
                yield known | {EPSILON: array}
        elif isinstance(form, float):
            if array is not None and array.size == 1 and abs(array.item() - form) <= CLOSE * abs(form):
                yield known
        elif form[0] == "Mul" and value in self._makers:
            number, factors = self._factors(value)
            wanted = [one for one in form[1:] if not isinstance(one, float)]
            constant = float(np.prod([one for one in form[1:] if isinstance(one, float)]))
            if len(factors) == len(wanted) and abs(number - constant) <= CLOSE * constant:
                yield from self._any_order(wanted, factors, known)
        elif value in self._makers and self.op(node := self._makers[value]) == form[0] and self._is_plain(node):
            inputs = list(node.input)[: len(form) - 1] if form[0] == "ReduceMean" else list(node.input)
            if form[0] == "Add":
                yield from self._any_order(form[1:], inputs, known)
            elif len(inputs) == len(form) - 1:
                yield from self._in_order(form[1:], inputs, known)

    def _any_order(
        self, forms: Sequence[Composed], values: Sequence[str], known: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        for order in permutations(values):
            yield from self._in_order(forms, order, known)

    def _in_order(
        self, forms: Sequence[Composed], values: Sequence[str], known: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        if not forms:
            yield known
            return
        for found in self._matches(forms[0], values[0], known):
            yield from self._in_order(forms[1:], values[1:], found)

    def _factors(self, value: str, depth: int = DEPTH) -> tuple[float, list[str]]:
        """Return the product of the numbers, and the other factors, that a value is the product of."""
        node = self._makers.get(value)
        if node is None or depth == 0 or self.op(node) not in ("Mul", "Div"):
            return 1.0, [value]
        number, factors = 1.0, list[str]()
        for place, part in enumerate(node.input):
            array, divides = self.constant(part), place == 1 and node.op_type == "Div"
            if array is not None and array.size == 1 and array.item() != 0:
                number *= 1 / array.item() if divides else array.item()
            elif divides or array is not None:
                return 1.0, [value]
            else:
                more, others = self._factors(part, depth - 1)
                number, factors = number * more, factors + others
        return number, factors

    def _is_plain(self, node: Any) -> bool:
        """Say whether a node within a composition does what its operator does; a mean must be of each row."""
        attributes = self.attributes(node)
        if node.op_type != "ReduceMean":
            return not attributes
        axes = self.constant(node.input[1]) if len(node.input) > 1 else attributes.get("axes")
        return attributes.get("keepdims", 1) == 1 and axes is not None and [*np.ravel(axes)] in ([-1], [1])
