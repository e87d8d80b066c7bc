"""`to_onnx`: networks, and tabular models with their preparation, as ONNX graphs."""

import json
import os
from typing import Any

from hotloop.network.interchange.layers import layers_of
from hotloop.network.interchange.onnx_graph import Graph, write
from hotloop.network.interchange.onnx_layers import add_network
from hotloop.network.interchange.onnx_tables import tabular_model
from hotloop.network.persistence.schema import Schema
from hotloop.network.validation import arguments

INPUTS, CLASSES = "inputs", "classes"  # in the metadata


def to_onnx(
    model: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    logits: bool = False,
    input_name: str = "input",
    output_name: str = "output",
) -> Any:
    """Return a network, or a tabular model with its preparation, as an ONNX model, and write it to a file.

    The graph is of opset 17 and IR version 8 (ONNX 1.12 and ONNX Runtime 1.12, of 2022, and later), and of any batch
    size. It computes what `predict` does; dropout is left out, as it is when predicting. Of a network the inputs are
    one matrix (batch, inputs) of the network's dtype; they are scaled in float64, as in hotloop. A float64 network has
    operators that ONNX Runtime lacks in float64 (GELU, softplus, ELU, SELU and others) as functions in the file.

    A `PreparedNetwork`, a `TabularClassifier` or a `TabularRegressor` has an input (batch, 1) for each column that it
    uses, of the column's name: float64 for numbers, NaN if missing; for booleans 0 and 1; for dates and durations days,
    the former since 1970-01-01 UTC; text for other categories, empty if missing. Texts are compared as they are,
    while hotloop removes spaces around them. Classifiers have a second output, `output_name` + "_label": the class.

    Parameters
    ----------
    model : Network, PreparedNetwork, TabularClassifier or TabularRegressor
    path : path, optional
        The file to write; it is written whole or not at all. By default none.
    logits : bool, default False
        Whether to leave out the output activation, if the loss of the network is computed from logits.
    input_name : str, default "input"
        Of a network; columns have their own names.
    output_name : str, default "output"
        Of the outputs, probabilities or values.

    Returns
    -------
    onnx.ModelProto
        Checked by ``onnx.checker``. Its metadata are the network's, and "inputs" and "classes", lists of names as JSON,
        if they are known.

    Raises
    ------
    ModuleNotFoundError
        If onnx is not installed.
    OSError
        If the file cannot be written; an old one is then still there.
    TypeError
        If the model is of another class.
    ValueError
        If an activation is your own, if a column cannot be prepared by nodes, if parameters are not finite, or if they
        take 2 GiB.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.interchange import to_onnx
    >>> model = to_onnx(Network([3, 8, 2], loss="cross_entropy", seed=0), "net.onnx")
    >>> [node.op_type for node in model.graph.node]
    ['Gemm', 'Relu', 'Gemm', 'Softmax', 'Identity']
    """
    logits = arguments.flag("logits", logits)
    for argument, value in (("input_name", input_name), ("output_name", output_name)):
        if not isinstance(value, str) or not value:
            raise TypeError(f"{argument} must be a name, got {value!r}")
    found = None if logits else tabular_model(model, output_name)
    if found is None:
        found = _model_of_network(model, logits, input_name, output_name)
    if path is not None:
        write(found, path)
    return found


def _model_of_network(net: Any, logits: bool, input_name: str, output_name: str) -> Any:
    """Return the model of a network."""
    if input_name == output_name:
        raise ValueError(f"input_name and output_name are both {input_name!r}")
    layers_of(net, "ONNX", logits=logits)  # raises, if it is no network
    graph = Graph(net.dtype, (input_name, output_name))
    schema = Schema.from_metadata(net.metadata, net.sizes[0], net.sizes[-1])
    named = {name: list(texts) for name, texts in ((INPUTS, schema.columns), (CLASSES, schema.classes)) if texts}
    notes = {name: ", ".join(texts) for name, texts in named.items()}
    x = graph.input(input_name, net.dtype, net.sizes[0], notes.get(INPUTS, ""))
    value = add_network(graph, net, x, logits=logits)
    graph.output(value, output_name, net.dtype, net.sizes[-1], notes.get(CLASSES, ""))
    metadata = net.metadata | {name: json.dumps(texts) for name, texts in named.items()}
    return graph.model(repr(net), metadata)
