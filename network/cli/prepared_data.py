"""The data of a training run: training, validation and test rows, in the form that the loss takes."""

import argparse
import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.cli.extras import missing_extras_as_faults
from hotloop.network.cli.options import csv_options
from hotloop.network.datasets.csv_dialect import Dialect
from hotloop.network.datasets.dataset import Dataset
from hotloop.network.datasets.scaling import Scaling
from hotloop.network.datasets.sources import check_is_no_csv, kind_of, load
from hotloop.network.datasets.split import split_rows
from hotloop.network.losses import LOSSES, loss_of
from hotloop.network.metrics.named import predicted_values
from hotloop.network.network import Network
from hotloop.network.persistence.schema import Schema
from hotloop.network.prepared_network import PreparedNetwork
from hotloop.network.tables.preparation import Preparation
from hotloop.network.tables.table_data import load_table
from hotloop.network.validation.arguments import DTYPES


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of a data set: targets in the form that the loss takes, and class numbers where there are classes."""

    x: Array
    y: Array
    labels: Array | None


@dataclass(frozen=True, eq=False)
class PreparedData:
    """The data in three parts, the loss, and how targets that are values were scaled, if they were."""

    data: Dataset
    loss: str
    train: Part
    validation: Part | None
    test: Part
    target_scaling: Scaling | None
    preparation: Preparation | None = None
    missing: tuple[str, ...] = ()  # further words for a missing value
    scaled_by: str | None = None  # whose scaling the inputs have, unless it is that of the data

    @property
    def n_outputs(self) -> int:
        """Units of the last layer."""
        if self.train.y.ndim == 2:
            return int(self.train.y.shape[1])
        return 1 if self.data.classes is None else len(self.data.classes)

    @property
    def loss_name(self) -> str:
        """The loss, and the scale that it is in."""
        return self.loss + ("" if self.target_scaling is None else " of standardised targets")

    def in_unit_of_target(self, net: Network, outputs: Array) -> Array:
        """Return the values that the network predicts, in the scale of the data; `outputs` are those of the test."""
        targets = self.test.y.reshape(len(outputs), -1)
        values = predicted_values(loss_of(net.loss), net.activations[-1], outputs, targets).reshape(self.test.y.shape)
        scaling = self.target_scaling
        return values if scaling is None else values / scaling.scale + scaling.offset

    def for_raw_data(self, net: Network) -> Network | PreparedNetwork:
        """Return a copy of the trained network that takes raw inputs and predicts in the scale of the data."""
        net = copy.copy(net)
        net.input_offset, net.input_scale = self.data.scaling.offset, self.data.scaling.scale
        if self.target_scaling is not None:  # folded into the last layer
            offset, scale = self.target_scaling.offset, self.target_scaling.scale
            net.weights[-1][:] /= scale
            net.biases[-1][:] = net.biases[-1] / scale + offset
            net.reset_optimizer()  # its moments belong to the weights before
        if self.preparation is not None:
            net.metadata = {}
            return PreparedNetwork(net, self.preparation, Schema.of_table(self.data, self.missing))
        net.metadata = Schema.of(self.data).to_metadata()
        return net


def load_prepared(arguments: argparse.Namespace) -> PreparedData:
    """Load the data that the options name, and prepare it."""
    return prepare(arguments, *load_data(arguments))


def load_data(
    arguments: argparse.Namespace, preparation: Preparation | None = None, *, as_numbers: bool = False
) -> tuple[Dataset, Preparation | None]:
    """Load the data, its targets as classes or values by the loss, and a table with its preparation.

    An existing preparation is used as it is. With `as_numbers` a CSV file is read as one of numbers, not as a table.
    """
    task = None
    if arguments.loss is not None:
        task = "classification" if LOSSES[arguments.loss].classifies else "regression"
    kind, source, target = kind_of(arguments.data), arguments.data, arguments.target
    options = {"seed": arguments.seed, "task": task, "dtype": arguments.dtype or DTYPES[0]}
    if preparation is not None and kind not in ("csv", "arrow"):
        raise ValueError(f"{source} is not a table, for which the network was trained: give a CSV or a Parquet file")
    if as_numbers and kind == "arrow":
        raise ValueError(f"{source}: the network takes numbers as they are: give a CSV or an NPZ file")
    if kind not in ("csv", "arrow") or as_numbers:
        for name in ("categorical", "missing"):
            if getattr(arguments, name) is not None:
                raise ValueError(f"{source} is not {'read as ' if as_numbers else ''}a table: omit --{name}")
        fraction = arguments.test_fraction
        return load(source, target, test_fraction=fraction, **options, **csv_options(arguments)), None
    known = Dialect.of(**csv_options(arguments))
    if kind == "arrow":
        check_is_no_csv(source, known)
    with missing_extras_as_faults():
        return load_table(
            source,
            target,
            test_fraction=0.2 if arguments.test_fraction is None else arguments.test_fraction,
            known=known,
            categorical=arguments.categorical or (),
            missing=arguments.missing or (),
            preparation=preparation,
            **options,
        )


def prepare(arguments: argparse.Namespace, data: Dataset, preparation: Preparation | None = None) -> PreparedData:
    """Choose the loss, hold validation rows out of the training set, and bring targets into the form of the loss."""
    loss = arguments.loss or ("mse" if data.classes is None else "cross_entropy")
    _check_targets(data, loss)
    rows, held_out = np.arange(len(data.x_train)), np.arange(0)
    if arguments.validation_fraction > 0:
        labels = None if data.classes is None else data.y_train
        try:
            rows, held_out = split_rows(len(rows), arguments.validation_fraction, arguments.seed, labels)
        except ValueError as error:
            hint = "--validation-fraction 0 trains on all of them"
            raise ValueError(f"{data.name}, training rows: {error}; {hint}") from None
    scaling = _target_scaling(arguments, data, loss, data.y_train[rows])

    def part(x: Array, y: Array) -> Part:
        y = y if scaling is None else scaling.apply(y, x.dtype)
        return Part(x, _outputs(data, loss, y, x.dtype), None if data.classes is None else y)

    return PreparedData(
        data=data,
        loss=loss,
        train=part(data.x_train[rows], data.y_train[rows]),
        validation=part(data.x_train[held_out], data.y_train[held_out]) if len(held_out) else None,
        test=part(data.x_test, data.y_test),
        target_scaling=scaling,
        preparation=preparation,
        missing=tuple(arguments.missing or ()),
    )


def _check_targets(data: Dataset, loss: str) -> None:
    """Raise if there are targets below those that the loss takes: here, where all rows of the data are."""
    lowest = LOSSES[loss].lowest_target
    values = np.concatenate([np.ravel(data.y_train), np.ravel(data.y_test)])
    if data.classes is None and (below := int(np.sum(values < lowest))):
        raise ValueError(
            f"{data.name}: {below} of its {values.size} targets {'is' if below == 1 else 'are'} below {lowest:g}, "
            f"the least {values.min():g}; {loss} is for counts, {lowest:g} or above"
        )


def _target_scaling(arguments: argparse.Namespace, data: Dataset, loss: str, y: Array) -> Scaling | None:
    """Return the scaling that standardises the training targets, if they are values and the output is linear."""
    kind = LOSSES[loss]
    if data.classes is not None or kind.from_logits or arguments.output not in (None, "identity"):
        return None
    values = y.reshape(len(y), -1)
    return Scaling.standardising(values, lambda index: f"{data.name}, target value {index}", constant_scale=1.0)


def _outputs(data: Dataset, loss: str, y: Array, dtype: Any) -> Array:
    """Return the targets of the loss: class numbers for cross_entropy, else one output for each class or value."""
    if data.classes is None or loss == "cross_entropy":
        return y
    if loss == "binary_cross_entropy" and len(data.classes) == 2:
        return y.astype(dtype)[:, np.newaxis]
    one_hot: Array = np.eye(len(data.classes), dtype=dtype)[y]
    return one_hot
