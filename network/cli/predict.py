"""``hotloop predict``: write the predictions of a saved network for new data as CSV."""

import argparse
import csv
import io
import sys
from pathlib import Path
from typing import TextIO

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.cli.options import csv_options
from hotloop.network.datasets.csv_dialect import Dialect
from hotloop.network.datasets.data_warning import note
from hotloop.network.datasets.sources import check_is_no_csv, kind_of, load_inputs
from hotloop.network.metrics import predicted_classes
from hotloop.network.network import Network
from hotloop.network.persistence.atomic_write import check_is_another, check_writable, write_file
from hotloop.network.persistence.schema import Schema
from hotloop.network.prepared_network import PreparedNetwork, is_prepared
from hotloop.network.tables.table_file import read_inputs_file
from hotloop.network.validation.printable import printable


def command(arguments: argparse.Namespace) -> int:
    """Carry out ``hotloop predict`` and return its exit status."""
    if arguments.output is not None:
        check_is_another(arguments.output, arguments.model, arguments.data)
        check_writable(Path(arguments.output))
    elif sys.stdout is None:
        raise ValueError("standard output is closed: name a file with --output")
    known = Dialect.of(**csv_options(arguments))
    if is_prepared(arguments.model):
        model = PreparedNetwork.load(arguments.model)
        net, schema = model.network, model.schema
        outputs = net.predict(_prepared(arguments.data, model, known))
    else:
        net = Network.load(arguments.model)
        try:
            schema = Schema.from_metadata(net.metadata, net.sizes[0], net.sizes[-1])
        except ValueError as error:
            raise ValueError(f"{arguments.model}: {error}") from None
        like = Dialect.of(None, schema.separator, schema.decimal)
        columns, place = schema.columns, schema.target_column
        outputs = net.predict(load_inputs(arguments.data, net.sizes[0], columns, place, known=known, like=like))
    if arguments.output is None:
        classes = schema.classes
        if classes is not None and sys.stdout.isatty():  # elsewhere the file has the names as they are
            classes = tuple(map(printable, classes))
        write(sys.stdout, net, classes, outputs)
    else:
        text = io.StringIO()
        write(text, net, schema.classes, outputs)
        write_file(Path(arguments.output), text.getvalue())
    return 0


def _prepared(source: str, model: PreparedNetwork, known: Dialect) -> Array:
    """Return the inputs that a model's preparation makes of a table, and say what training had none of."""
    schema, kind = model.schema, kind_of(source)
    if kind not in ("csv", "arrow"):
        raise ValueError(f"{source} is not a table, as the training data were: give a CSV or a Parquet file")
    if kind == "arrow":
        check_is_no_csv(source, known)
    like = Dialect.of(None, schema.separator, schema.decimal)
    table = read_inputs_file(source, model.preparation, schema.target_column, known, like, schema.missing)
    notes: list[str] = []
    inputs = model.preparation.transform(table, notes, model.network.dtype)
    for line in notes:
        note(line)
    return inputs


def write(file: TextIO, net: Network, classes: tuple[str, ...] | None, outputs: Array) -> None:
    """Write a line for each row: the predicted class and the output of each class, or the values."""
    writer = csv.writer(file, lineterminator="\n")
    if classes is None and net.loss == "cross_entropy":
        classes = tuple(str(index) for index in range(outputs.shape[1]))
    if classes is None:
        several = outputs.shape[1] > 1
        writer.writerow([f"prediction_{index}" for index in range(outputs.shape[1])] if several else ["prediction"])
        writer.writerows(map(str, row) for row in outputs)
        return
    predicted = predicted_classes(net.activations[-1], outputs)
    outputs, name = as_shares(net, outputs)
    writer.writerow(["prediction", *(f"{name}_{label}" for label in classes)])
    writer.writerows([classes[index], *map(str, row)] for index, row in zip(predicted, outputs, strict=True))


def as_shares(net: Network, outputs: Array) -> tuple[Array, str]:
    """Return an output for each class, and the word for it: "probability" where the loss makes it one."""
    logits = net.activations[-1] == "identity"
    if net.loss == "cross_entropy" and logits:
        outputs = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        outputs = outputs / outputs.sum(axis=1, keepdims=True)
    if net.loss == "binary_cross_entropy" and logits:
        outputs = 1 / (1 + np.exp(-outputs))
    if outputs.shape[1] == 1:
        outputs = np.hstack([1 - outputs, outputs])
    return outputs, "probability" if net.loss in ("cross_entropy", "binary_cross_entropy") else "output"
