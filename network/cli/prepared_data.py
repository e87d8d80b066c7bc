"""What ``hotloop train`` is to learn: training, validation and test part of the data, in the form the loss takes."""

import argparse
import copy
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hotloop.network.cli.options import csv_options
from hotloop.network.datasets.dataset import Dataset, split_rows
from hotloop.network.datasets.scaling import Scaling, constant_columns
from hotloop.network.datasets.sources import load
from hotloop.network.losses import LOSSES
from hotloop.network.network import Network
from hotloop.network.persistence.schema import Schema

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of a data set: targets in the form that the loss takes, and class numbers where there are classes."""

    x: Array
    y: Array
    labels: Array | None


@dataclass(frozen=True, eq=False)
class PreparedData:
    """The data in its three parts, the loss, and how targets that are values were scaled."""

    data: Dataset
    loss: str
    train: Part
    validation: Part | None
    test: Part
    target_offset: Scaling
    target_scale: Scaling

    @property
    def n_outputs(self) -> int:
        """Units of the last layer."""
        if self.train.y.ndim == 2:
            return int(self.train.y.shape[1])
        return 1 if self.data.classes is None else len(self.data.classes)

    @property
    def loss_name(self) -> str:
        """The loss, and the scale that it is in."""
        return self.loss + (" of standardised targets" if np.ndim(self.target_scale) else "")

    def whole(self, net: Network) -> Network:
        """Return a copy that takes raw inputs, and gives values in the scale of the data."""
        net = copy.copy(net)
        net.input_offset, net.input_scale = self.data.offset, 1 / np.asarray(self.data.scale)[()]
        if np.ndim(self.target_scale):
            # Fold the scaling of the targets into the last layer.
            net.weights[-1][:] *= self.target_scale
            net.biases[-1][:] = net.biases[-1] * self.target_scale + self.target_offset
            net.reset_optimizer()  # whose state belongs to the weights before
        net.metadata = Schema.of(self.data).to_metadata()
        return net


def load_prepared(arguments: argparse.Namespace) -> PreparedData:
    """Load the data, settle the loss, and hold the validation part back from the training part."""
    return prepare(arguments, load_data(arguments))


def load_data(arguments: argparse.Namespace) -> Dataset:
    """Load the data, its targets as the loss wants them."""
    task = None
    if arguments.loss is not None:
        task = "classification" if LOSSES[arguments.loss].classifies else "regression"
    return load(
        arguments.data,
        arguments.target,
        test_fraction=arguments.test_fraction,
        seed=arguments.seed,
        task=task,
        dtype=arguments.dtype,
        **csv_options(arguments),
    )


def prepare(arguments: argparse.Namespace, data: Dataset) -> PreparedData:
    """Settle the loss, and hold the validation part back from the training part."""
    loss = arguments.loss or ("mse" if data.classes is None else "cross_entropy")
    rows, held = np.arange(len(data.x_train)), np.arange(0)
    if arguments.validation_fraction > 0:
        labels = None if data.classes is None else data.y_train
        try:
            rows, held = split_rows(len(rows), arguments.validation_fraction, arguments.seed, labels)
        except ValueError as error:
            hint = "--validation-fraction 0 leaves them whole"
            raise ValueError(f"{data.name}, training rows: {error}; {hint}") from None
    offset, scale = _target_scaling(arguments, data, loss, data.y_train[rows])

    def part(x: Array, y: Array) -> Part:
        y = ((y - offset) / scale).astype(x.dtype) if np.ndim(scale) else y
        return Part(x, _outputs(data, loss, y, x.dtype), None if data.classes is None else y)

    return PreparedData(
        data=data,
        loss=loss,
        train=part(data.x_train[rows], data.y_train[rows]),
        validation=part(data.x_train[held], data.y_train[held]) if len(held) else None,
        test=part(data.x_test, data.y_test),
        target_offset=offset,
        target_scale=scale,
    )


def _target_scaling(arguments: argparse.Namespace, data: Dataset, loss: str, y: Array) -> tuple[Scaling, Scaling]:
    """Return mean and standard deviation of the training targets; (0, 1) unless they are values at a linear output."""
    if data.classes is not None or LOSSES[loss].classifies or arguments.output not in (None, "identity"):
        return 0.0, 1.0
    values = y.astype(np.float64).reshape(len(y), -1)
    offset, scale = values.mean(axis=0), values.std(axis=0)
    constant = constant_columns(y.reshape(len(y), -1))
    offset[constant], scale[constant] = values[0, constant], 1.0
    return offset, scale


def _outputs(data: Dataset, loss: str, y: Array, dtype: Any) -> Array:
    """Return the targets of the loss: class numbers for cross_entropy, else an output for each class or value."""
    if data.classes is None or loss == "cross_entropy":
        return y
    if loss == "binary_cross_entropy" and len(data.classes) == 2:
        return y.astype(dtype)[:, np.newaxis]
    one_hot: Array = np.eye(len(data.classes), dtype=dtype)[y]
    return one_hot
