"""Data by the name of its source: "digits", a folder of IDX files, a CSV file or an NPZ file."""

from pathlib import Path
from typing import Any

from hotloop.network.datasets.arrow_file import ARROW_FILES
from hotloop.network.datasets.csv_dialect import Dialect
from hotloop.network.datasets.csv_file import load_csv
from hotloop.network.datasets.csv_table import UNKNOWN, read_inputs
from hotloop.network.datasets.dataset import Array, Dataset
from hotloop.network.datasets.digits import bundled_digits, load_digits
from hotloop.network.datasets.idx_file import load_idx, read_images
from hotloop.network.datasets.npz_file import array_names, load_npz, numbers, read_arrays
from hotloop.network.datasets.open_binary import STANDARD_INPUT

KINDS = {".csv": "csv", ".tsv": "csv", ".npz": "npz", **dict.fromkeys(ARROW_FILES, "arrow")}


def load(
    source: str | Path,
    target: str | None = None,
    *,
    test_fraction: float | None = None,
    seed: int = 0,
    task: str | None = None,
    dtype: Any = "float32",
    header: bool | None = None,
    separator: str | None = None,
    decimal: str | None = None,
) -> Dataset:
    """Return the data that `source` names.

    Parameters
    ----------
    source : str or Path
        "digits", a folder of IDX files, a CSV file or an NPZ file.
    target, test_fraction, seed, task, dtype, header, separator, decimal
        As of `load_csv` and `load_npz`.

    Returns
    -------
    Dataset

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        As `load_csv`, `load_npz` and `load_idx` do; of the digits and IDX folders, which have their classes and their
        test set, also for a `target` or `test_fraction`.

    Examples
    --------
    >>> from hotloop.datasets import load
    >>> load("digits").x_train.shape
    (3823, 64)
    """
    kind = kind_of(source)
    if kind == "csv":
        fraction = 0.2 if test_fraction is None else test_fraction
        return load_csv(
            source, target, test_fraction=fraction, seed=seed, task=task, dtype=dtype, header=header,
            separator=separator, decimal=decimal,
        )  # fmt: skip
    check_is_no_csv(source, Dialect(header, separator, decimal))
    if kind == "arrow":
        raise ValueError(
            f"{source}: load takes no Parquet or Arrow file: hotloop train does, and hotloop.datasets.Stream, and "
            "hotloop.estimators take data frames"
        )
    if kind == "npz":
        name = "y" if target is None else target
        return load_npz(source, name, test_fraction=test_fraction, seed=seed, task=task, dtype=dtype)
    if target is not None:
        raise ValueError(f"{source} has one target, its labels; omit target")
    if test_fraction is not None:
        raise ValueError(f"{source} has its own test set; omit test_fraction")
    return load_digits(dtype) if kind == "digits" else load_idx(source, dtype)


def load_inputs(
    source: str | Path,
    n_inputs: int,
    columns: tuple[str, ...] | None,
    target_column: int | None,
    *,
    known: Dialect = UNKNOWN,
    like: Dialect = UNKNOWN,
) -> Array:
    """Return raw, unscaled inputs (rows, n_inputs) for a trained network from what `load` reads.

    They are the test set of the digits or of an IDX folder; x_test, or else x, of an NPZ file; all rows of a CSV file.
    For the parameters that describe a CSV file see `read_inputs`.
    """
    kind = kind_of(source)
    if kind == "csv":
        return read_inputs(source, n_inputs, columns, target_column, known, like)
    check_is_no_csv(source, known)
    if kind == "arrow":
        raise ValueError(f"{source}: a Parquet or Arrow file is for a network that was trained on a table")
    if kind == "npz":
        name = "x_test" if "x_test" in array_names(source) else "x"
        raw = numbers(source, name, read_arrays(source, [name])[name])
    else:
        raw = bundled_digits()[0]["x_test"] if kind == "digits" else read_images(source, "test")
    if raw.shape[1] != n_inputs:
        raise ValueError(f"{source} has {raw.shape[1]} inputs a row; the network takes {n_inputs}")
    return raw


def kind_of(source: str | Path) -> str:
    """Return "digits", "idx", "csv", "npz" or "arrow", or raise a FileNotFoundError or ValueError."""
    path = Path(source)
    if str(source) == "digits":
        return "digits"
    if str(source) == STANDARD_INPUT or path.is_fifo():
        return "csv"
    if path.is_dir():
        return "idx"
    if not path.exists():
        raise FileNotFoundError(f"there is no file or folder {source} ('digits' is the data that comes with hotloop)")
    name = path.name.lower().removesuffix(".gz")
    kind = next((kind for suffix, kind in KINDS.items() if name.endswith(suffix)), None)
    if kind is None:
        wanted = "'digits', a folder of IDX files, FILE.csv, FILE.tsv (also .gz), FILE.parquet, FILE.npz, or - for "
        wanted += "standard input"
        raise ValueError(f"{source}: unknown kind of data; wanted {wanted}")
    return kind


def check_is_no_csv(source: str | Path, known: Dialect) -> None:
    """Raise a ValueError if it is said how a file is written that is no CSV file."""
    for name in ("header", "separator", "decimal"):
        if getattr(known, name) is not None:
            raise ValueError(f"{source} is not a CSV file: omit {name} (--{name})")
