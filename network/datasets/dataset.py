"""A data set ready for training: scaled inputs, targets, a training set and a test set."""

from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hotloop.network.datasets.data_warning import note
from hotloop.network.datasets.scaling import Scaling
from hotloop.network.html.elements import definitions, representation, title
from hotloop.network.validation.printable import counted, printable

Array: TypeAlias = npt.NDArray[Any]

MANY = 12  # columns that a message lists before it breaks off


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Inputs and targets of a training set and a test set.

    Attributes
    ----------
    name : str
        What the data is: "digits", or the path it came from.
    x_train, x_test : array (rows, inputs)
        Scaled inputs, as float32 or float64; or the bytes of images.
    y_train, y_test : array (rows,) or (rows, outputs)
        Class numbers (int64) where there are `classes`; otherwise values in the dtype of the inputs.
    classes : tuple of str or None
        Names of the classes, in the order of their numbers; None for values (regression).
    scaling : Scaling
        How raw inputs were scaled: its `offset` and `scale` are what a network takes as `input_offset` and
        `input_scale`. The scale is 0 for an input that is constant in the training set.
    columns : tuple of str or None
        Names of the inputs, where the file had a header.
    target : str or None
        What the target is, in words for a message.
    target_column : int or None
        Where a CSV file had its target, counted from 0.
    separator, decimal : str or None
        How a CSV file was written.
    attribution : str
        Who made the data and under which licence, for data that comes with hotloop.
    test_rows : array (rows,) or None
        Where the test rows stand among all rows, counted from 0; None for a test set of its own.
    raw_test : Table or None
        The test rows of a file of mixed columns, as they were read.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop.datasets import Dataset
    >>> x, y = np.arange(12.0).reshape(6, 2), np.arange(6.0)
    >>> data = Dataset.of_raw("mine", (x[:4], x[4:]), (y[:4], y[4:]), None, "float32")
    >>> abs(data.x_train.mean(axis=0)).round(3).tolist(), data.y_test.tolist()
    ([0.0, 0.0], [4.0, 5.0])
    """

    name: str
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    classes: tuple[str, ...] | None
    scaling: Scaling = field(default_factory=Scaling)
    columns: tuple[str, ...] | None = None
    target: str | None = None
    target_column: int | None = None
    separator: str | None = None
    decimal: str | None = None
    attribution: str = ""
    test_rows: Array | None = None
    raw_test: Any = None

    @classmethod
    def of_raw(
        cls,
        name: str,
        inputs: tuple[Array, ...],
        targets: tuple[Array, ...],
        classes: tuple[str, ...] | None,
        dtype: npt.DTypeLike,
        scaling: Scaling | None = None,
        **known: Any,
    ) -> "Dataset":
        """Return the data set of raw inputs and targets, the inputs scaled.

        Parameters
        ----------
        name : str
        inputs, targets : (array, array)
            Of the training set and of the test set.
        classes : tuple of str or None
            Names of the classes; None for values.
        dtype : {"float32", "float64"}
            Of the inputs, and of targets that are values.
        scaling : Scaling, optional
            By default each column is standardised by its training rows.
        **known
            Further attributes.

        Returns
        -------
        Dataset
        """
        if scaling is None:
            scaling = _standardising(name, inputs[0], known.get("columns"))
        x_train, x_test = (scaling.apply(raw, dtype) for raw in inputs)
        y_train, y_test = (y if classes is not None else y.astype(dtype) for y in targets)
        return cls(name, x_train, y_train, x_test, y_test, classes, scaling, **known)

    def scaled_by(self, scaling: Scaling, dtype: npt.DTypeLike) -> "Dataset":
        """Return the data set with inputs that are scaled in another way.

        Raw inputs are computed from scaled ones, best from those of float64. One that was constant in training has the
        same value in all rows.

        Parameters
        ----------
        scaling : Scaling
        dtype : {"float32", "float64"}
            As in `of_raw`.

        Examples
        --------
        >>> from hotloop.datasets import Scaling, load_digits
        >>> digits = load_digits()
        >>> digits.x_train.max(), digits.scaled_by(Scaling(), "float32").x_train.max()
        (np.float32(1.0), np.float32(16.0))
        """
        scale = np.asarray(self.scaling.scale, np.float64)
        back = np.divide(1, scale, out=np.zeros_like(scale), where=scale != 0)
        inputs = (x.astype(np.float64) * back + self.scaling.offset for x in (self.x_train, self.x_test))
        x_train, x_test = (scaling.apply(raw, dtype) for raw in inputs)
        y_train, y_test = (y if self.classes is not None else y.astype(dtype) for y in (self.y_train, self.y_test))
        return replace(self, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test, scaling=scaling)

    def __repr__(self) -> str:
        """Return what it is and how large, not the arrays."""
        sizes = f"{len(self.x_train):,} training and {len(self.x_test):,} test rows, {counted(self._n_inputs, 'input')}"
        classes = "" if self.classes is None else f", {len(self.classes):,} classes"
        return f"<Dataset {printable(self.name)}: {sizes}{classes}>"

    @property
    def _n_inputs(self) -> int:
        return int(np.prod(self.x_train.shape[1:]))

    def _repr_html_(self) -> str:
        """Return for notebooks what it is and how large, and the rows of each class."""
        named = "" if self.columns is None else f": {_listed(self.columns)}"
        said = {
            "training rows": f"{len(self.x_train):,}",
            "test rows": f"{len(self.x_test):,}",
            "inputs": f"{self._n_inputs:,}, {self.x_train.dtype}{named}",
            "target": self.target or "",
            "classes": "" if self.classes is None else f"{len(self.classes):,}: {_listed(self.classes)}",
            "made by": self.attribution,
        }
        return representation(title(f"Data set {self.name}"), definitions((k, v) for k, v in said.items() if v))


def _listed(names: tuple[str, ...]) -> str:
    """Return names, a message's number of them at most."""
    return ", ".join(names[:MANY]) + (f" and {len(names) - MANY:,} more" if len(names) > MANY else "")


def _standardising(name: str, raw: Array, columns: tuple[str, ...] | None) -> Scaling:
    """Return the scaling of inputs, and say which columns are taken as constant although their values differ."""

    def label(index: int) -> str:
        return f"input {index}" if columns is None else f"column {columns[index]!r}"

    scaling = Scaling.standardising(raw, lambda index: f"{name}, {label(index)}")
    constant = map(int, np.flatnonzero(np.equal(scaling.scale, 0)))
    nearly = [index for index in constant if (raw[:, index] != raw[0, index]).any()]
    if nearly:
        shown = ", ".join(map(label, nearly[:MANY])) + (f" and {len(nearly) - MANY} more" if nearly[MANY:] else "")
        note(f"{name}, {shown}: all values are equal up to rounding, so they are taken as constant")
    return scaling
