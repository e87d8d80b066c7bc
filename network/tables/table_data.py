"""A file of mixed columns as a data set: targets, a training set and a test set, prepared as the training rows say."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from hotloop.network.datasets.csv_dialect import Dialect
from hotloop.network.datasets.csv_table import UNKNOWN, Target
from hotloop.network.datasets.dataset import Dataset
from hotloop.network.datasets.split import split_rows
from hotloop.network.datasets.targets import csv_targets
from hotloop.network.tables.preparation import Preparation
from hotloop.network.tables.table import Table
from hotloop.network.tables.table_file import read_table_file


def load_table(
    path: str | Path,
    target: str | None = None,
    *,
    test_fraction: float = 0.2,
    seed: int = 0,
    task: str | None = None,
    dtype: Any = "float32",
    known: Dialect = UNKNOWN,
    categorical: Sequence[str] = (),
    missing: Collection[str] = (),
    preparation: Preparation | None = None,
) -> tuple[Dataset, Preparation]:
    """Return the table in a file as a data set, and the preparation of its inputs.

    Parameters
    ----------
    path, target, test_fraction, seed, task, dtype
        As `load_csv` takes them; the file may also be one of Parquet or Arrow.
    known : Dialect
        How a CSV file is written, as far as that is known.
    categorical : sequence of str
        Names of columns, or their indices in the file, counted from 0: they hold categories.
    missing : collection of str
        Further words for a missing value.
    preparation : Preparation, optional
        Of the inputs; by default one that is learnt from the training rows.
    """
    table, cells = read_table_file(path, target, known, missing)
    forced = [_place(name, table, cells) for name in categorical]
    y, classes = csv_targets(cells, task)
    train, test = split_rows(len(y), test_fraction, seed, None if classes is None else y)
    learnt_from, raw_test = table.take(train), table.take(test)
    preparation = preparation or Preparation.fit(learnt_from, forced)
    x_train, x_test = (preparation.transform(part, dtype=dtype) for part in (learnt_from, raw_test))
    y_train, y_test = (part if classes is not None else part.astype(dtype) for part in (y[train], y[test]))
    data = Dataset(
        cells.name,
        x_train,
        y_train,
        x_test,
        y_test,
        classes,
        columns=table.names,
        target=cells.target,
        target_column=cells.target_column,
        separator=cells.dialect.separator,
        decimal=cells.dialect.decimal,
        raw_test=raw_test,
    )
    return data, preparation


def _place(name: str, table: Table, cells: Target) -> int:
    """Return the index among the inputs of a column that is named, or given by its index in the file."""
    if table.names is not None and name in table.names:
        return table.names.index(name)
    n_columns, wanted = len(table.columns) + 1, "wanted names or indices of inputs"
    if not name.isdecimal() or int(name) >= n_columns:
        has = f"0 to {n_columns - 1}" if table.names is None else ", ".join(map(repr, table.names))
        raise ValueError(f"{cells.name}: no column {name!r} for categorical (--categorical); it has {has}")
    if int(name) == cells.target_column:
        raise ValueError(f"{cells.name}: column {name} is the target; categorical (--categorical) {wanted}")
    return int(name) - (int(name) > cells.target_column)
