"""ONNX models for tests: run in ONNX Runtime, and made by hand."""

import numpy as np
from interchange_networks import library

onnx, onnxruntime = library("onnx"), library("onnxruntime")


def session(model):
    """Return ONNX Runtime's session for a ModelProto, or the path of a file."""
    source = str(model) if not hasattr(model, "SerializeToString") else model.SerializeToString()
    return onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])


def run(model, X):
    """Return the only output of a model for a matrix."""
    (output,) = session(model).run(None, {model.graph.input[0].name: X})
    return output


def fed(model, table):
    """Return the columns of a table as the inputs of a tabular model."""
    found = {}
    for one in model.graph.input:
        values = table[one.name]
        if one.type.tensor_type.elem_type == onnx.TensorProto.STRING:
            column = np.array(["" if value is None else value for value in values], dtype=object)
        elif np.asarray(values).dtype.kind == "M":
            column = (values - np.datetime64("1970-01-01")) / np.timedelta64(1, "D")
        else:
            column = np.asarray(values, dtype=np.float64)
        found[one.name] = column.reshape(-1, 1)
    return found


def model_of(text, *constants, opset=17):
    """Return the model of nodes in ONNX's language, such as ``y = Relu(x)``: from x (batch, 4) to y (batch, 2).

    The constants are called c0, c1 and so on.
    """
    graph = onnx.parser.parse_graph(f"hand (float[batch, 4] x) => (float[batch, 2] y) {{ {text} }}")
    for number, value in enumerate(constants):
        graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), f"c{number}"))
    opsets = [onnx.helper.make_opsetid(domain, number) for domain, number in (("", opset), ("ai.onnx.ml", 2))]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
