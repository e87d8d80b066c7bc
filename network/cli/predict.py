"""``hotloop predict``: write the predictions of a saved network for new data as CSV."""

import argparse
import csv
import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.cli.extras import missing_extras_as_faults
from hotloop.network.cli.options import csv_options
from hotloop.network.datasets.csv_dialect import Dialect
from hotloop.network.datasets.data_warning import note
from hotloop.network.datasets.sources import check_is_no_csv, kind_of, load_inputs
from hotloop.network.metrics import predicted_classes
from hotloop.network.network import Network
from hotloop.network.persistence import model_file
from hotloop.network.persistence.atomic_write import check_is_another, check_writable, path_of, write_file
from hotloop.network.persistence.schema import Schema
from hotloop.network.prepared_network import PreparedNetwork
from hotloop.network.tables.preparation import Preparation
from hotloop.network.tables.table import Table
from hotloop.network.tables.table_file import read_inputs_file
from hotloop.network.validation.printable import printable


def command(arguments: argparse.Namespace) -> int:
    """Carry out ``hotloop predict`` and return its exit status."""
    if arguments.output is not None:
        check_is_another(arguments.output, arguments.model, arguments.data)
        check_writable(Path(arguments.output))
    elif sys.stdout is None:
        raise ValueError("standard output is closed: name a file with --output")
    with missing_extras_as_faults():
        rows = _predictions(arguments.model, arguments.data, Dialect.of(**csv_options(arguments)))
    if arguments.output is None:
        if sys.stdout.isatty():  # elsewhere the file has the names as they are
            rows = ([printable(cell) for cell in row] for row in rows)
        csv.writer(sys.stdout, lineterminator="\n").writerows(rows)
    else:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        write_file(Path(arguments.output), text.getvalue())
    return 0


def _predictions(path: str, source: str, known: Dialect) -> Iterable[Sequence[str]]:
    """Return a row for each row of the data, after one of names: what the model in a file predicts."""
    estimator = model_file.read_any(path_of("MODEL", path))[0].get(model_file.ESTIMATOR)
    if estimator == PreparedNetwork.__name__:
        model = PreparedNetwork.load(path)
        net, schema = model.network, model.schema
        table = _table(source, model.preparation, schema, known)
        return _rows(net, schema.classes, net.predict(model.preparation.transform(table, dtype=net.dtype)))
    if estimator is not None:
        return _rows_of_estimator(estimator, path, source, known)
    net = Network.load(path)
    try:
        schema = Schema.from_metadata(net.metadata, net.sizes[0], net.sizes[-1])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    like = Dialect.of(None, schema.separator, schema.decimal)
    columns, place = schema.columns, schema.target_column
    raw = load_inputs(source, net.sizes[0], columns, place, known=known, like=like)
    return _rows(net, schema.classes, net.predict(raw))


def _rows_of_estimator(name: str, path: str, source: str, known: Dialect) -> Iterable[Sequence[str]]:
    """Return the rows of what an estimator predicts."""
    from hotloop.network.estimators.tabular_classifier import TabularClassifier
    from hotloop.network.estimators.tabular_regressor import TabularRegressor

    if name == TabularClassifier.__name__:
        classifier = TabularClassifier.load(path)
        shares = classifier.predict_proba(_table(source, classifier.preparation_, Schema(), known))
        return _rows_of_classes(tuple(map(str, classifier.classes_)), shares.argmax(axis=1), shares, "probability")
    regressor = TabularRegressor.load(path)
    values = regressor.predict(_table(source, regressor.preparation_, Schema(), known))
    return _rows_of_values(values.reshape(len(values), -1))


def _table(source: str, preparation: Preparation, schema: Schema, known: Dialect) -> Table:
    """Return a table to predict for, and say what in it training had none of."""
    kind = kind_of(source)
    if kind not in ("csv", "arrow"):
        raise ValueError(f"{source} is not a table, as the training data were: give a CSV or a Parquet file")
    if kind == "arrow":
        check_is_no_csv(source, known)
    like = Dialect.of(None, schema.separator, schema.decimal)
    table = read_inputs_file(source, preparation, schema.target_column, known, like, schema.missing)
    for line in preparation.surprises(table):
        note(line)
    return table


def _rows(net: Network, classes: tuple[str, ...] | None, outputs: Array) -> Iterable[Sequence[str]]:
    """Return a row for each row of outputs: the predicted class and the output of each class, or the values."""
    if classes is None and net.loss == "cross_entropy":
        classes = tuple(str(index) for index in range(outputs.shape[1]))
    if classes is None:
        return _rows_of_values(outputs)
    return _rows_of_classes(classes, predicted_classes(net.activations[-1], outputs), *as_shares(net, outputs))


def _rows_of_values(values: Array) -> Iterable[Sequence[str]]:
    several = values.shape[1] > 1
    yield [f"prediction_{index}" for index in range(values.shape[1])] if several else ["prediction"]
    yield from (list(map(str, row)) for row in values)


def _rows_of_classes(
    classes: Sequence[str], predicted: Array, outputs: Array, name: str
) -> Iterable[Sequence[str]]:  # fmt: skip
    yield ["prediction", *(f"{name}_{label}" for label in classes)]
    yield from ([classes[index], *map(str, row)] for index, row in zip(predicted, outputs, strict=True))


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
