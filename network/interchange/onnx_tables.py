"""Tabular models as ONNX models: preparation, networks, and what is made of their outputs."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.interchange.onnx_graph import Graph, vector
from hotloop.network.interchange.onnx_layers import add_network
from hotloop.network.interchange.onnx_preparation import add_preparation, input_names
from hotloop.network.metrics.named import threshold
from hotloop.network.network import Network
from hotloop.network.prepared_network import PreparedNetwork
from hotloop.network.tables.preparation import Preparation

LABEL = "_label"  # after the name of the other output


def tabular_model(model: Any, output_name: str) -> Any:
    """Return the ONNX model of a tabular model; None if it is none."""
    if isinstance(model, PreparedNetwork):
        return _of_prepared(model, output_name)
    if isinstance(model, Network) or not hasattr(model, "networks_"):
        return None
    from hotloop.network.estimators.tabular_classifier import TabularClassifier
    from hotloop.network.estimators.tabular_regressor import TabularRegressor

    if type(model) is TabularClassifier:
        return _of_classifier(model, output_name)
    return _of_regressor(model, output_name) if type(model) is TabularRegressor else None


def _of_prepared(model: PreparedNetwork, output_name: str) -> Any:
    net = model.network
    graph, inputs = _begun(model.preparation, net, output_name)
    value = add_network(graph, net, inputs)
    graph.output(value, output_name, net.dtype, net.sizes[-1])
    if model.classes is not None:
        if net.sizes[-1] > 1:
            place = graph.node("ArgMax", value, axis=1, keepdims=0)
        else:  # a single output tells two classes apart
            above = graph.node("Greater", value, graph.constant("threshold", threshold(net.activations[-1])))
            column = graph.node("Reshape", above, graph.constant("all", [-1], np.int64))
            place = graph.cast(column, np.int64)
        _add_label(graph, place, np.array(model.classes, dtype=object), output_name)
    return _finished(graph, model.preparation, repr(model), net.metadata, model.classes)


def _of_classifier(model: Any, output_name: str) -> Any:
    graph, inputs = _begun(model.preparation_, model.networks_[0], output_name)
    mean, n = _averaged(graph, model.networks_, inputs), len(model.classes_)
    total = graph.node("ReduceSum", mean, graph.constant("columns", [1], np.int64), keepdims=1)
    graph.output(graph.node("Div", mean, total), output_name, np.float64, n)
    _add_label(graph, graph.node("ArgMax", mean, axis=1, keepdims=0), model.classes_, output_name)
    return _finished(graph, model.preparation_, _words(model), {}, tuple(map(str, model.classes_.tolist())))


def _of_regressor(model: Any, output_name: str) -> Any:
    graph, inputs = _begun(model.preparation_, model.networks_[0], output_name)
    value = _averaged(graph, model.networks_, inputs)

    def row(wish: str, numbers: Array) -> str:
        return graph.constant(wish, vector(numbers), np.float64)

    value = graph.node("Mul", value, row("target_scale", model.target_scale_))
    value = graph.node("Add", value, row("target_mean", model.target_mean_))
    if model.recipe_.clip:
        least, most = model.target_range_
        value = graph.node("Min", graph.node("Max", value, row("least", least)), row("most", most))
    graph.output(value, output_name, np.float64, model.n_outputs_)
    return _finished(graph, model.preparation_, _words(model), {}, None)


def _words(model: Any) -> str:
    return f"hotloop.estimators.{type(model).__name__}"


def _begun(preparation: Preparation, net: Network, output_name: str) -> tuple[Graph, str]:
    """Return a graph with the nodes of the preparation, and the matrix that they make."""
    outputs = (output_name, output_name + LABEL)
    names = set(input_names(preparation))
    for name in outputs:
        if name in names:
            raise ValueError(f"column {name!r} has the name of an output: choose another output_name")
    graph = Graph(net.dtype, (*names, *outputs))
    return graph, add_preparation(graph, preparation)


def _averaged(graph: Graph, networks: Sequence[Network], inputs: str) -> str:
    """Add the mean of the networks' outputs, in float64."""
    outputs = [
        graph.cast(add_network(graph, net, inputs, prefix=f"network_{number}."), np.float64)
        for number, net in enumerate(networks)
    ]
    total = outputs[0]
    for value in outputs[1:]:
        total = graph.node("Add", total, value)
    return graph.node("Div", total, graph.constant("networks", len(networks), np.float64))


def _add_label(graph: Graph, place: str, classes: Array, output_name: str) -> None:
    """Add the output with each row's class: whole numbers as int64, and other classes as text."""
    whole = classes.dtype.kind in "iu"
    named = classes.astype(np.int64) if whole else np.array([str(label) for label in classes.tolist()], dtype=object)
    table = graph.constant("classes", named, np.int64 if whole else object)
    graph.output(graph.node("Gather", table, place, axis=0), output_name + LABEL, np.int64 if whole else str, None)


def _finished(
    graph: Graph, preparation: Preparation, words: str, metadata: dict[str, str], classes: Sequence[str] | None
) -> Any:
    """Return the model, with the names of inputs and classes in its metadata."""
    used = [name for name, of in zip(input_names(preparation), preparation.columns, strict=True) if of.n_inputs]
    named = {"inputs": json.dumps(used)} | ({} if classes is None else {"classes": json.dumps(list(classes))})
    return graph.model(words, metadata | named)
