"""An ONNX graph as it is built, node by node, and the file that it becomes."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from hotloop import __version__
from hotloop.kernels.jit import Array
from hotloop.network.interchange.libraries import library
from hotloop.network.interchange.onnx_functions import DOMAIN, FUNCTIONS, OPSET, source_of
from hotloop.network.persistence.atomic_write import path_of, write_atomically

ML_OPSET, IR_VERSION = 2, 8  # of ONNX 1.12, as OPSET
LARGEST = 2**31 - 2**20  # bytes of constants: a protocol buffer holds less than 2 GiB
BATCH = "batch"


class Graph:
    """Nodes, constants, inputs and outputs. A value is known by its name; all numbers are of one dtype, or float64.

    Parameters
    ----------
    dtype : dtype
        Of the network: float32 or float64.
    reserved : iterable of str
        Names that inputs and outputs will have.
    """

    def __init__(self, dtype: Any, reserved: Iterable[str]) -> None:
        self._onnx, self._helper = library("onnx", "onnx", "ONNX"), library("onnx.helper", "onnx", "ONNX")
        self.dtype = np.dtype(dtype)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._used: set[str] = set()
        self._size = 0
        self._names = set(reserved)
        if "" in self._names:
            raise ValueError("an input or output of an ONNX graph must have a name, got ''")

    def input(self, name: str, dtype: Any, n_columns: int, note: str = "") -> str:
        """Add an input (batch, n_columns); str stands for text."""
        self._inputs.append(self._described(name, dtype, [BATCH, n_columns], note))
        return name

    def output(self, value: str, name: str, dtype: Any, n_columns: int | None, note: str = "") -> None:
        """Make a value an output (batch, n_columns), or (batch,), of this name."""
        self._nodes.append(self._helper.make_node("Identity", [value], [name], name=name))
        self._outputs.append(self._described(name, dtype, [BATCH] if n_columns is None else [BATCH, n_columns], note))

    def constant(self, wish: str, value: Any, dtype: Any = None) -> str:
        """Add a constant, by default of the network's dtype, under a name like the one wished for."""
        array = np.asarray(value, self.dtype if dtype is None else dtype)
        self._size += array.nbytes
        if self._size > LARGEST:
            raise ValueError("an ONNX file holds less than 2 GiB, and the parameters take more")
        name = self._name(wish)
        if array.dtype.kind in "OU":
            texts = [text.encode() for text in array.ravel().tolist()]
            tensor = self._helper.make_tensor(name, self._onnx.TensorProto.STRING, array.shape, texts)
        else:
            tensor = self._onnx.numpy_helper.from_array(array, name)
        self._constants.append(tensor)
        return name

    def node(self, op: str, *inputs: str, domain: str = "", wish: str = "", **attributes: Any) -> str:
        """Add a node, and return the name of its output."""
        output = self._name(wish or op.lower())
        self._nodes.append(self._helper.make_node(op, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def call(self, op: str, *inputs: str, wish: str = "", **numbers: Any) -> str:
        """Add a node with numbers beside its inputs: attributes in float32; in float64 a function, which takes inputs.

        An attribute is a float32, and ONNX Runtime has no float64 kernels of these operators.
        """
        if self.dtype == np.float32 or op not in FUNCTIONS:
            return self.node(op, *inputs, domain="", wish=wish, **numbers)
        self._used.add(op)
        extra = [self.constant(name, number) for name, number in numbers.items()]
        return self.node(op, *inputs, *extra, domain=DOMAIN, wish=wish)

    def cast(self, value: str, dtype: Any) -> str:
        """Add a conversion."""
        return self.node("Cast", value, to=self._type(dtype))

    def model(self, note: str, metadata: Mapping[str, str]) -> Any:
        """Return the ModelProto, checked."""
        helper = self._helper
        graph = helper.make_graph(
            self._nodes, "hotloop", self._inputs, self._outputs, initializer=self._constants, doc_string=note
        )
        used = {node.domain for node in self._nodes}
        opsets = {"": OPSET} | ({"ai.onnx.ml": ML_OPSET} if "ai.onnx.ml" in used else {})
        opsets |= {DOMAIN: 1} if self._used else {}
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid(domain, number) for domain, number in opsets.items()],
            functions=[self._onnx.parser.parse_function(source_of(op)) for op in sorted(self._used)],
            producer_name="hotloop",
            producer_version=__version__,
            ir_version=IR_VERSION,
        )
        helper.set_model_props(model, dict(metadata))
        self._onnx.checker.check_model(model, full_check=True)
        return model

    def _name(self, wish: str) -> str:
        """Return a name that is not taken yet."""
        name, number = wish, 1
        while name in self._names:
            name, number = f"{wish}_{number}", number + 1
        self._names.add(name)
        return name

    def _type(self, dtype: Any) -> int:
        """Return ONNX's number of a dtype."""
        if dtype is str:
            return int(self._onnx.TensorProto.STRING)
        return int(self._helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def _described(self, name: str, dtype: Any, shape: list[str | int], note: str) -> Any:
        return self._helper.make_tensor_value_info(name, self._type(dtype), shape, doc_string=note)


def write(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a model whole, or not at all."""
    write_atomically(path_of("path", path), model.SerializeToString())


def vector(array: Array) -> Array:
    """Return an array (n,) as (1, n), a row that is the same for all of a batch."""
    return np.asarray(array).reshape(1, -1)
