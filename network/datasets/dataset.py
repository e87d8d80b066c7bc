"""Data sets ready for training: the digits that hotloop carries, IDX folders, CSV and NPZ files.

Each loader returns a `Dataset`: inputs scaled to a range that a network learns well from, targets as class
numbers or values, a training part and a test part, and the scaling itself, so that a saved model can scale
new data alike.
"""

from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hotloop.network.datasets.csv_dialect import Dialect
from hotloop.network.datasets.csv_file import read_table
from hotloop.network.datasets.digits import bundled_digits
from hotloop.network.datasets.idx_file import read_images, read_labels
from hotloop.network.datasets.npz_file import array_names, check_finite, numbers, read_arrays
from hotloop.network.datasets.scaling import Scaling, standardisation
from hotloop.network.datasets.targets import TASKS, csv_targets, npz_targets

Array: TypeAlias = npt.NDArray[Any]

DTYPES = ("float32", "float64")
BLOCK = 4096  # rows scaled at a time, so that the float64 copy stays small


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs and targets of a training part and a test part.

    Attributes
    ----------
    name : str
        What the data is: "digits", or the path it came from.
    x_train, x_test : array (rows, inputs)
        (raw - offset) / scale, as float32 or float64; or the bytes of images.
    y_train, y_test : array (rows,) or (rows, outputs)
        Class numbers (int64) where there are `classes`; otherwise values in the dtype of the inputs.
    classes : tuple of str or None
        Names of the classes, in the order of their numbers; None for values (regression).
    offset, scale : float or array (inputs,)
        How raw inputs were scaled. The scale is infinite for an input that is constant in the training part.
    columns : tuple of str or None
        Names of the inputs, where the file had a header.
    target : str or None
        What the target is, in words for a message.
    target_column : int or None
        Where a CSV file had its target, counted from 0.
    separator, decimal : str or None
        How a CSV file was written.
    attribution : str
        Who made the data and under which licence, for data that hotloop carries.
    """

    name: str
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    classes: tuple[str, ...] | None
    offset: Scaling
    scale: Scaling
    columns: tuple[str, ...] | None = None
    target: str | None = None
    target_column: int | None = None
    separator: str | None = None
    decimal: str | None = None
    attribution: str = ""


def load_digits(dtype: str = "float32") -> Dataset:
    """Return the handwritten digits that hotloop carries: 8 x 8 counts of ink from 0 to 16, divided by 16.

    Parameters
    ----------
    dtype : {"float32", "float64"}
        Of the inputs.

    Returns
    -------
    Dataset
        3823 training and 1797 test rows of 64 inputs, 10 classes. Other people wrote the test digits.

    Notes
    -----
    E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository, doi 10.24432/C50P49, CC BY 4.0.
    """
    arrays, attribution = bundled_digits()
    return _dataset(
        "digits",
        (arrays["x_train"], arrays["x_test"]),
        (arrays["y_train"].astype(np.int64), arrays["y_test"].astype(np.int64)),
        tuple("0123456789"),
        dtype,
        scaling=(0.0, 16.0),
        attribution=attribution,
    )


def load_idx(folder: str | Path, dtype: str = "float32") -> Dataset:
    """Return the images and labels of a folder of IDX files, under the names of MNIST, plain or gzipped.

    Parameters
    ----------
    folder : str or Path
        Holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte,
        t10k-labels-idx1-ubyte.
    dtype : {"float32", "float64", "uint8"}
        Of the inputs. With "uint8" they are the bytes of the file, a fourth of the memory: let the network scale them,
        ``Network(..., input_scale=1 / 255)``.

    Returns
    -------
    Dataset
        Pixels divided by 255 (as they are, with "uint8"), one row an image; labels 0 to the largest that occurs are
        the classes.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    ValueError
        If a file is damaged, is not what its name says, or the parts do not fit together.
    """
    x_train, x_test = read_images(folder, "train"), read_images(folder, "test")
    if x_train.shape[1] != x_test.shape[1]:
        found = f"{x_train.shape[1]} pixels in training and {x_test.shape[1]} in test images"
        raise ValueError(f"{folder}: {found}: they must have the same size")
    y_train, y_test = read_labels(folder, "train", len(x_train)), read_labels(folder, "test", len(x_test))
    classes = tuple(str(label) for label in range(int(max(y_train.max(), y_test.max())) + 1))
    if dtype == "uint8":
        return Dataset(str(folder), x_train, y_train, x_test, y_test, classes, offset=0.0, scale=1.0)
    return _dataset(str(folder), (x_train, x_test), (y_train, y_test), classes, dtype, scaling=(0.0, 255.0))


def load_csv(
    path: str | Path,
    target: str | int | None = None,
    *,
    test_fraction: float = 0.2,
    seed: int = 0,
    task: str | None = None,
    dtype: str = "float32",
    header: bool | None = None,
    separator: str | None = None,
    decimal: str | None = None,
) -> Dataset:
    """Return a table from a CSV file, its inputs standardised. See docs/data.md for how a file is read.

    Each input column has the mean of the training rows taken away and is divided by their standard deviation;
    a column that is constant there, up to rounding, becomes 0, since a network can learn nothing from it.
    True and False are 1 and 0.

    Parameters
    ----------
    path : str or Path
        Text in UTF-8, or UTF-16 with a byte order mark, plain or gzipped; "-" is standard input.
    target : str or int, optional
        Name of the target column, or its index counted from 0 (negative from the end); the last by default. A
        target given by name makes the first line a header.
    test_fraction : float
        Share of the rows put aside for the test part, in equal shares of every class.
    seed : int
        Seed of the shuffle that chooses them.
    task : {None, "classification", "regression"}
        None decides by the target: text is classes, and so are up to 20 different whole numbers that occur
        twice or more on average; other numbers are values.
    dtype : {"float32", "float64"}
        Of the inputs, and of targets that are values.
    header : bool, optional
        Whether the first line holds the names of the columns. None finds out: it does if text stands above numbers.
    separator, decimal : str, optional
        What separates cells, and a number's fraction from its whole part ("." or ","). None finds out.

    Warns
    -----
    DataWarning
        If the file can be read in two ways: the text says which was taken.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a value is missing or is not a number (line and column are named), if rows differ in length, if
        there are no rows, if the target cannot be what `task` says, or if a choice between two readings is yours.
    """
    _check_choices(task, dtype)
    table = read_table(path, target, Dialect.of(header, separator, decimal))
    y, classes = csv_targets(table, task)
    parts = split_rows(len(y), test_fraction, seed, None if classes is None else y)
    return _dataset(
        table.name,
        tuple(table.inputs[rows] for rows in parts),
        tuple(y[rows] for rows in parts),
        classes,
        dtype,
        columns=table.columns,
        target=table.target,
        target_column=table.target_column,
        separator=table.dialect.separator,
        decimal=table.dialect.decimal,
    )


def load_npz(
    path: str | Path,
    target: str = "y",
    *,
    test_fraction: float | None = None,
    seed: int = 0,
    task: str | None = None,
    dtype: str = "float32",
) -> Dataset:
    """Return arrays from an NPZ file, the format of ``numpy.savez``; nothing is unpickled.

    Unsigned bytes (pixels) are divided by the largest of the training part; other inputs are standardised
    column by column, as by `load_csv`. Inputs of more than two axes become rows.

    Parameters
    ----------
    path : str or Path
        Holds x_train, y_train, x_test and y_test, or x and y.
    target : str
        What stands for "y" in those names.
    test_fraction : float, optional
        Share of the rows put aside for the test part where the file has none; 0.2 by default.
    seed : int
        Seed of the shuffle that chooses them.
    task : {None, "classification", "regression"}
        None decides by the dtype of the targets: whole numbers, booleans and text (rows,) are classes.
    dtype : {"float32", "float64"}
        Of the inputs, and of targets that are values.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If an array is missing, holds no numbers, or does not fit the others.
    """
    _check_choices(task, dtype)
    names = array_names(path)
    own_test = "x_test" in names
    x_name, y_name = ("x_train", f"{target}_train") if own_test or "x_train" in names else ("x", target)
    arrays = read_arrays(path, [x_name, y_name, *(["x_test", f"{target}_test"] if own_test else [])])
    x, y = _npz_part(path, arrays, x_name, y_name)
    if own_test:
        _check(test_fraction is None, f"{path} brings its own test part, x_test: leave the test fraction out")
        x_test, y_test = _npz_part(path, arrays, "x_test", f"{target}_test")
        for one, other, name in ((x, x_test, "x"), (y, y_test, target)):
            found = f"{name}_train has shape {one.shape} and {name}_test {other.shape}"
            _check(one.shape[1:] == other.shape[1:], f"{path}: {found}: they must agree beyond the rows")
        targets, classes = npz_targets(path, y_name, np.concatenate([y, y_test]), task, dtype)
        inputs, outputs = (x, x_test), (targets[: len(x)], targets[len(x) :])
    else:
        targets, classes = npz_targets(path, y_name, y, task, dtype)
        fraction = 0.2 if test_fraction is None else test_fraction
        train, test = split_rows(len(x), fraction, seed, None if classes is None else targets)
        inputs, outputs = (x[train], x[test]), (targets[train], targets[test])
    scaling = (0.0, float(max(inputs[0].max(), 1))) if x.dtype == np.uint8 else None
    return _dataset(str(path), inputs, outputs, classes, dtype, scaling=scaling, target=f"array {y_name!r}")


def split_rows(n_rows: int, fraction: float, seed: int, labels: Array | None = None) -> tuple[Array, Array]:
    """Return the rows that stay and the rows put aside, each in ascending order, chosen at random.

    Parameters
    ----------
    n_rows : int
        Rows to share out.
    fraction : float
        Share put aside, between 0 and 1; at least one row, never all.
    seed : int
        Of the shuffle.
    labels : array (n_rows,), optional
        Class numbers. Each class then gives the same share, rounded, and keeps one row at least.
    """
    if isinstance(fraction, bool) or not isinstance(fraction, Real):
        raise TypeError(f"test_fraction must be a number between 0 and 1, got {fraction!r}")
    if isinstance(seed, bool) or not isinstance(seed, Integral):
        raise TypeError(f"seed must be a whole number, 0 or above, got {seed!r}")
    _check(0.0 < fraction < 1.0, f"test_fraction, the share put aside, is {fraction}; wanted a number between 0 and 1")
    _check(seed >= 0, f"seed must be a whole number, 0 or above, got {seed}")
    _check(n_rows >= 2, f"{n_rows} row cannot be shared out: give two or more")
    rng = np.random.default_rng(seed)
    wanted = min(max(round(n_rows * fraction), 1), n_rows - 1)
    if labels is None:
        aside = rng.permutation(n_rows)[:wanted]
    else:
        counts = np.bincount(labels)
        most = np.maximum(counts - 1, 0)
        take = np.minimum((counts * fraction).astype(np.int64), most)
        for label in np.argsort(take - counts * fraction, kind="stable"):
            take[label] += min(max(wanted - int(take.sum()), 0), 1, int(most[label] - take[label]))
        of_class = [rng.permutation(np.flatnonzero(labels == label)) for label in range(len(counts))]
        aside = np.concatenate([rows[:n] for rows, n in zip(of_class, take, strict=True)])
        _check(len(aside) > 0, f"no class has two of the {n_rows} rows: none can be put aside")
    kept = np.ones(n_rows, dtype=np.bool_)
    kept[aside] = False
    return np.flatnonzero(kept), np.flatnonzero(~kept)


def scale_inputs(raw: Array, offset: Scaling, scale: Scaling, dtype: str = "float32") -> Array:
    """Return (raw - offset) / scale in `dtype`, computed in float64."""
    _check_choices(None, dtype)
    scaled = np.empty(raw.shape, dtype=dtype)
    for first in range(0, len(raw), BLOCK):
        scaled[first : first + BLOCK] = (raw[first : first + BLOCK].astype(np.float64) - offset) / scale
    return scaled


def _dataset(
    name: str,
    inputs: tuple[Array, ...],
    targets: tuple[Array, ...],
    classes: tuple[str, ...] | None,
    dtype: str,
    scaling: tuple[Scaling, Scaling] | None = None,
    **known: Any,
) -> Dataset:
    """Return the Dataset of raw inputs (training, test), scaled by (offset, scale) or else standardised."""
    offset, scale = scaling or standardisation(name, inputs[0], known.get("columns"))
    x_train, x_test = (scale_inputs(raw, offset, scale, dtype) for raw in inputs)
    y_train, y_test = (y if classes is not None else y.astype(dtype) for y in targets)
    return Dataset(name, x_train, y_train, x_test, y_test, classes, offset, scale, **known)


def _npz_part(path: str | Path, arrays: dict[str, Array], x_name: str, y_name: str) -> tuple[Array, Array]:
    """Return inputs and targets of an NPZ file, as many rows of each, all finite."""
    x, y = numbers(path, x_name, arrays[x_name]), arrays[y_name]
    rows = len(y) if y.ndim else 0
    _check(rows == len(x), f"{path}: {x_name} has {len(x)} rows and {y_name} has {rows}: they must be as many")
    if y.dtype.kind == "f":
        check_finite(path, y_name, y)
    return x, y


def _check_choices(task: str | None, dtype: str) -> None:
    _check(task in TASKS, f"task is {task!r}; known: None, 'classification', 'regression'")
    _check(dtype in DTYPES, f"dtype is {dtype!r}; known: 'float32', 'float64'")


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
