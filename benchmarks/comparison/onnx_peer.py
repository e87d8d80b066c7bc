"""ONNX Runtime, for prediction only."""

from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper

from benchmarks.comparison.cases import Array, Layers


def one_row(layers: Layers, row: Array) -> dict[str, Any]:
    """Return the ways to predict one row."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model(layers), options, providers=["CPUExecutionProvider"])
    return {"ONNX Runtime": lambda: session.run(None, {"x": row})[0]}


def model(layers: Layers) -> bytes:
    """Return a network of Gemm and Relu, with Softmax at the end."""
    nodes, constants, last = [], [], "x"
    for number, (weights, bias) in enumerate(layers):
        constants.append(numpy_helper.from_array(np.ascontiguousarray(weights), f"w{number}"))
        constants.append(numpy_helper.from_array(np.ascontiguousarray(bias), f"b{number}"))
        nodes.append(helper.make_node("Gemm", [last, f"w{number}", f"b{number}"], [f"z{number}"]))
        kind, last = ("Relu", f"a{number}") if number + 1 < len(layers) else ("Softmax", "y")
        nodes.append(helper.make_node(kind, [f"z{number}"], [last]))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, len(layers[0][0])])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, len(layers[-1][1])])
    graph = helper.make_graph(nodes, "dense", [x], [y], constants)
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(network)
    return network.SerializeToString()
