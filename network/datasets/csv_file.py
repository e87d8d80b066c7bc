"""Data sets from CSV files."""

from pathlib import Path
from typing import Any

from hotloop.network.datasets.csv_dialect import Dialect
from hotloop.network.datasets.csv_table import read_table
from hotloop.network.datasets.dataset import Dataset
from hotloop.network.datasets.split import split_rows
from hotloop.network.datasets.targets import TASKS, csv_targets
from hotloop.network.validation import arguments


def load_csv(
    path: str | Path,
    target: str | int | None = None,
    *,
    test_fraction: float = 0.2,
    seed: int = 0,
    task: str | None = None,
    dtype: Any = "float32",
    header: bool | None = None,
    separator: str | None = None,
    decimal: str | None = None,
) -> Dataset:
    """Return the table in a CSV file, its inputs standardised. See docs/data.md for how a file is read.

    Each input column is centred on the mean of its training rows and divided by their standard deviation; a column that
    is constant there, up to rounding, becomes 0, since a network learns nothing from it. True and False are 1 and 0.

    Parameters
    ----------
    path : str or Path
        Text in UTF-8, or UTF-16 with a byte order mark, plain or gzipped; "-" is standard input.
    target : str or int, optional
        Name of the target column, or its index counted from 0 (negative from the end); the last by default. A
        target given by name makes the first line a header.
    test_fraction : float
        Share of the rows held out as the test set, the same share of every class.
    seed : int
        Seed of the shuffle that chooses them.
    task : {None, "classification", "regression"}
        None decides by the target: text is classes, and so are up to 20 different whole numbers that occur
        twice or more on average; other numbers are values.
    dtype : {"float32", "float64"}
        Of the inputs, and of targets that are values.
    header : bool, optional
        Whether the first line holds the names of the columns. By default it does if text stands above numbers.
    separator, decimal : str, optional
        What separates cells, and the decimal sign ("." or ","). By default both are found from the first rows.

    Warns
    -----
    DataWarning
        If the file can be read in two ways: the text says which was taken.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a value is missing or is not a number (line and column are named), if rows differ in length, if there are no
        rows, if the target cannot be what `task` says, or if you have to choose between two readings.

    Examples
    --------
    >>> import os
    >>> from pathlib import Path
    >>> from hotloop.datasets import load_csv
    >>> rows = [f"{n / 10},{n % 7},{'long' if n > 25 else 'short'}" for n in range(50)]
    >>> _ = Path("leaves.csv").write_text(os.linesep.join(["length,width,kind", *rows]))
    >>> leaves = load_csv("leaves.csv", "kind")
    >>> leaves.x_train.shape, leaves.columns, leaves.classes
    ((40, 2), ('length', 'width'), ('long', 'short'))
    """
    if task is not None:
        arguments.name_of("task", task, TASKS)
    dtype = arguments.floating_dtype(dtype)
    table = read_table(path, target, Dialect.of(header, separator, decimal))
    y, classes = csv_targets(table, task)
    train, test = split_rows(len(y), test_fraction, seed, None if classes is None else y)
    return Dataset.of_raw(
        table.name,
        (table.inputs[train], table.inputs[test]),
        (y[train], y[test]),
        classes,
        dtype,
        columns=table.columns,
        target=table.target,
        target_column=table.target_column,
        separator=table.dialect.separator,
        decimal=table.dialect.decimal,
    )
