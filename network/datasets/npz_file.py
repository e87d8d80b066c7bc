"""Data sets from NumPy's NPZ files; nothing is unpickled, since a pickle runs its writer's code."""

import math
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hotloop.network.datasets.dataset import Dataset
from hotloop.network.datasets.open_binary import MOST_INFLATED
from hotloop.network.datasets.scaling import Scaling
from hotloop.network.datasets.split import split_rows
from hotloop.network.datasets.targets import TASKS, npz_targets
from hotloop.network.validation import arguments
from hotloop.network.validation.memory import require
from hotloop.network.validation.printable import printable

Array: TypeAlias = npt.NDArray[Any]

ENCRYPTED = 1  # bit of a member's flags
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
MANY = 12  # names that an error message lists at most


def load_npz(
    path: str | Path,
    target: str = "y",
    *,
    test_fraction: float | None = None,
    seed: int = 0,
    task: str | None = None,
    dtype: Any = "float32",
) -> Dataset:
    """Return arrays from an NPZ file, the format of ``numpy.savez``; nothing is unpickled.

    Unsigned bytes (pixels) are divided by the largest in the training set; other inputs are standardised
    column by column, as by `load_csv`. Inputs of more than two axes become rows.

    Parameters
    ----------
    path : str or Path
        Holds x_train, y_train, x_test and y_test, or x and y.
    target : str
        What stands for "y" in those names.
    test_fraction : float, optional
        Share of the rows held out as the test set where the file has none; 0.2 by default.
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

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop.datasets import load_npz
    >>> np.savez("waves.npz", x=np.linspace(0, 1, 50).reshape(-1, 1), y=np.sin(np.linspace(0, 9, 50)))
    >>> waves = load_npz("waves.npz")
    >>> waves.x_train.shape, waves.x_test.shape
    ((40, 1), (10, 1))
    """
    if task is not None:
        arguments.name_of("task", task, TASKS)
    dtype = arguments.floating_dtype(dtype)
    names, rows = array_names(path), None
    has_test = "x_test" in names
    x_name, y_name = ("x_train", f"{target}_train") if has_test or "x_train" in names else ("x", target)
    arrays = read_arrays(path, [x_name, y_name, *(["x_test", f"{target}_test"] if has_test else [])])
    x, y = _inputs_and_targets(path, arrays, x_name, y_name)
    if has_test:
        if test_fraction is not None:
            raise ValueError(f"{path} has its own test set, x_test; omit test_fraction")
        x_test, y_test = _inputs_and_targets(path, arrays, "x_test", f"{target}_test")
        for one, other, name in ((x, x_test, "x"), (y, y_test, target)):
            if one.shape[1:] != other.shape[1:]:
                found = f"{name}_train has shape {one.shape} and {name}_test {other.shape}"
                raise ValueError(f"{path}: {found}; they may differ only in their rows")
        targets, classes = npz_targets(path, y_name, np.concatenate([y, y_test]), task, dtype)
        inputs, outputs = (x, x_test), (targets[: len(x)], targets[len(x) :])
    else:
        targets, classes = npz_targets(path, y_name, y, task, dtype)
        fraction = 0.2 if test_fraction is None else test_fraction
        train, test = split_rows(len(x), fraction, seed, None if classes is None else targets)
        rows = test
        inputs, outputs = (x[train], x[test]), (targets[train], targets[test])
    scaling = Scaling(scale=1 / float(max(inputs[0].max(), 1))) if x.dtype == np.uint8 else None
    target_name = f"array {y_name!r}"
    return Dataset.of_raw(
        str(path), inputs, outputs, classes, dtype, scaling=scaling, target=target_name, test_rows=rows
    )  # fmt: skip


def array_names(path: str | Path) -> tuple[str, ...]:
    """Return the names of the arrays of an NPZ file, in lower case.

    Raises
    ------
    ValueError
        If it is not an NPZ file.
    FileNotFoundError
        If there is no such file.
    """
    with _archive(path) as archive:
        return tuple(_members(path, archive))


def read_arrays(path: str | Path, names: Sequence[str]) -> dict[str, Array]:
    """Return the arrays of these names, in upper or lower case, from an NPZ file.

    Their headers say how large they are, which is compared with the file and the memory before any is read.

    Raises
    ------
    ValueError
        If it is not an NPZ file, lacks an array, is damaged, or holds Python objects.
    FileNotFoundError
        If there is no such file.
    MemoryError
        If the arrays do not fit in memory.
    """
    with _archive(path) as archive:
        members = _members(path, archive)
        chosen = {name: _member(path, members, name) for name in names}
        sizes = [_checked_size(path, archive, member) for member in chosen.values()]
        require(sum(sizes), f"what {path} holds")
        arrays = {}
        for name, member in chosen.items():
            with _reading(path, member), archive.open(member) as file:
                arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
        return arrays


def rows_of(path: str | Path, name: str) -> int:
    """Return how many rows an array of an NPZ file has, by its header.

    Raises
    ------
    ValueError
        If it is not an NPZ file, lacks the array, or is damaged.
    """
    with _archive(path) as archive:
        member = _member(path, _members(path, archive), name)
        with _reading(path, member), archive.open(member) as file:
            shape, _ = _header(file)
    return shape[0] if shape else 0


def numbers(path: str | Path, name: str, array: Array) -> Array:
    """Return `array` as finite numbers (rows, columns), or raise a ValueError that says where it is not."""
    where = f"{path}, array {name!r}"
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{where}: found dtype {array.dtype}; wanted numbers, for example float32 or uint8")
    if array.ndim < 2:
        raise ValueError(f"{where}: found shape {array.shape}; wanted (rows, inputs)")
    if array.size == 0:
        raise ValueError(f"{where}: shape {array.shape} holds no values")
    rows = array.reshape(len(array), -1)
    check_finite(path, name, rows)
    return rows


def check_finite(path: str | Path, name: str, rows: Array) -> None:
    """Raise a ValueError that names the first row and column that is NaN or infinite."""
    faults = np.argwhere(~np.isfinite(rows))
    if len(faults):
        row, column = faults[0][0], faults[0][1:]
        place = f"row {row}" + (f", column {column[0]}" if len(column) else "")
        value = rows[tuple(faults[0])]
        raise ValueError(f"{path}, array {name!r}, {place}: {value} is not finite: fill it in or drop the row")


def _inputs_and_targets(path: str | Path, arrays: dict[str, Array], x_name: str, y_name: str) -> tuple[Array, Array]:
    """Return inputs and targets of an NPZ file, with equally many rows, all finite."""
    x, y = numbers(path, x_name, arrays[x_name]), arrays[y_name]
    rows = len(y) if y.ndim else 0
    if rows != len(x):
        raise ValueError(f"{path}: {x_name} has {len(x)} rows and {y_name} has {rows}; the numbers must agree")
    if y.dtype.kind == "f":
        check_finite(path, y_name, y)
    return x, y


@contextmanager
def _archive(path: str | Path) -> Iterator[zipfile.ZipFile]:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    with path.open("rb") as file:
        with _reading(path):
            archive = zipfile.ZipFile(file)
        with archive:
            yield archive


def _members(path: str | Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the members of an archive by the lower-case names of their arrays."""
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy").lower()
        if name in members:
            raise ValueError(f"{path} holds two arrays named {name!r}: rename one")
        if not member.is_dir():
            members[name] = member
    return members


def _member(path: str | Path, members: dict[str, zipfile.ZipInfo], name: str) -> zipfile.ZipInfo:
    """Return the member that holds an array."""
    if name.lower() not in members:
        found = ", ".join(printable(known) for known in list(members)[:MANY]) or "nothing"
        raise ValueError(f"{path} holds no array {name!r}; found {found}")
    return members[name.lower()]


def _checked_size(path: str | Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """Return the bytes of an array, by its header, if the archive can hold that many."""
    where = _where(path, member)
    if member.flag_bits & ENCRYPTED:
        raise ValueError(f"{where} is encrypted: save it without a password")
    if member.compress_type not in METHODS:
        raise ValueError(f"{where} is compressed by method {member.compress_type}, which is unknown: use numpy.savez")
    with _reading(path, member), archive.open(member) as file:
        shape, dtype = _header(file)
        start = file.tell()
    if dtype.hasobject:
        raise ValueError(
            f"{where} holds Python objects (dtype {dtype}); unpickling them would run code that their writer chose: "
            "save numbers, for example array.astype('float32') or numpy.stack(list(array))"
        )
    size = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or start + size != member.file_size:
        raise ValueError(
            f"{where} is damaged: its header says {shape} of {dtype}, {size} bytes; {member.file_size - start} follow"
        )
    if member.compress_type == zipfile.ZIP_STORED or member.compress_type == zipfile.ZIP_DEFLATED:
        ratio = 1 if member.compress_type == zipfile.ZIP_STORED else MOST_INFLATED
        if member.file_size > ratio * member.compress_size:
            raise ValueError(f"{where} is damaged: {member.compress_size} bytes cannot hold {member.file_size}")
    return size


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:  # version 3 is for names of fields in a structured array
        raise ValueError(f"its format is version {version[0]}.{version[1]}; wanted an array of numbers or text")
    return shape, dtype


@contextmanager
def _reading(path: str | Path, member: zipfile.ZipInfo | None = None) -> Iterator[None]:
    """Turn whatever the readers of zip and NPY raise into one error.

    A damaged file makes them raise errors of a dozen types, from struct.error and SyntaxError to RuntimeError.
    """
    try:
        yield
    except Exception as error:
        where = str(path) if member is None else _where(path, member)
        why = printable(str(error)) or type(error).__name__
        raise ValueError(f"{where} cannot be read as NPZ, the format of numpy.savez ({why})") from None


def _where(path: str | Path, member: zipfile.ZipInfo) -> str:
    return f"{path}, array {member.filename!r},"
