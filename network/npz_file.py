"""Arrays read from NumPy's NPZ files; never unpickled, since a pickle runs its writer's code."""

import zipfile
import zlib
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]


def read_arrays(path: str | Path) -> dict[str, Array]:
    """Return the arrays of an NPZ file under their names in lower case.

    Raises
    ------
    ValueError
        If it is no NPZ file, is damaged, or holds arrays of Python objects.
    FileNotFoundError
        If there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    name = ""
    arrays: dict[str, Array] = {}
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                key = name.removesuffix(".npy").lower()
                with archive.open(name) as member:
                    arrays[key] = np.lib.format.read_array(member, allow_pickle=False)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError) as error:
        where = f"{path}, array {name!r}," if name else f"{path}"
        raise ValueError(f"{where} cannot be read as NPZ, the format of numpy.savez ({error})") from None
    return arrays


def numbers(path: str | Path, name: str, array: Array) -> Array:
    """Return `array` as finite numbers (rows, columns), or raise a ValueError that says where it is none."""
    where = f"{path}, array {name!r}"
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{where}: found dtype {array.dtype}; wanted numbers, as float32, float64 or uint8")
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


def pick(path: str | Path, arrays: dict[str, Array], name: str) -> Array:
    """Return the array called `name`, or raise a ValueError with the names that the file holds."""
    if name.lower() not in arrays:
        raise ValueError(f"{path} holds no array {name!r}; found {', '.join(arrays) or 'nothing'}")
    return arrays[name.lower()]
