"""Data sets from folders of IDX files, the format of MNIST, plain or gzipped.

An IDX file begins with two zero bytes, a code for the type (8: unsigned byte) and the number of axes; the length of
each axis follows as a big-endian 32-bit integer, then the values. Source: Y. LeCun, C. Cortes and C. Burges, the MNIST
database.
"""

import math
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hotloop.network.datasets.dataset import Dataset
from hotloop.network.datasets.open_binary import MOST_INFLATED, open_binary
from hotloop.network.datasets.scaling import Scaling
from hotloop.network.validation import arguments
from hotloop.network.validation.memory import require

ByteArray: TypeAlias = npt.NDArray[np.uint8]

UNSIGNED_BYTE = 8
BLOCK = 2**24  # bytes read at a time
NAMES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def load_idx(folder: str | Path, dtype: Any = "float32") -> Dataset:
    """Return the images and labels of a folder of IDX files, under the names of MNIST, plain or gzipped.

    Parameters
    ----------
    folder : str or Path
        Holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte.
    dtype : {"float32", "float64", "uint8"}
        Of the inputs. With "uint8" they are the bytes of the file, in a quarter of the memory: let the network scale
        them, ``Network(..., input_scale=1 / 255)``.

    Returns
    -------
    Dataset
        One row for each image: pixels divided by 255, or as they are with "uint8". The classes are 0 to the largest
        label.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is damaged, is not what its name says, or the files do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop.datasets import load_idx
    >>> def idx(array):  # a file of bytes, as MNIST's are
    ...     return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()
    >>> files = {"images-idx3": np.zeros((4, 28, 28), np.uint8), "labels-idx1": np.arange(4, dtype=np.uint8)}
    >>> for part in ("train", "t10k"):
    ...     for name, array in files.items():
    ...         with open(f"{part}-{name}-ubyte", "wb") as file:
    ...             _ = file.write(idx(array))
    >>> load_idx(".").x_train.shape
    (4, 784)
    """
    if dtype != "uint8":
        dtype = arguments.floating_dtype(dtype)
    x_train, x_test = read_images(folder, "train"), read_images(folder, "test")
    if x_train.shape[1] != x_test.shape[1]:
        found = f"{x_train.shape[1]} pixels in training and {x_test.shape[1]} in test images"
        raise ValueError(f"{folder}: {found}; the sizes must agree")
    y_train, y_test = read_labels(folder, "train", len(x_train)), read_labels(folder, "test", len(x_test))
    classes = tuple(str(label) for label in range(int(max(y_train.max(), y_test.max())) + 1))
    if dtype == "uint8":
        return Dataset(str(folder), x_train, y_train, x_test, y_test, classes)
    pixels = Scaling(scale=1 / 255)
    return Dataset.of_raw(str(folder), (x_train, x_test), (y_train, y_test), classes, dtype, pixels)


def read_images(folder: str | Path, name: str) -> ByteArray:
    """Return the images of one set, "train" or "test", as unsigned bytes (images, pixels).

    Raises
    ------
    FileNotFoundError
        If the folder does not hold the file under its MNIST name, plain or with .gz.
    ValueError
        If the file is damaged, is not an IDX file of images, or is empty.
    """
    path = find_file(Path(folder), NAMES[name][0])
    images = read_idx(path, axes=3)
    if images.size == 0:
        raise ValueError(f"{path} holds no images: its header says {images.shape}")
    return images.reshape(len(images), -1)


def read_labels(folder: str | Path, name: str, n_images: int) -> npt.NDArray[np.int64]:
    """Return the labels of one set, "train" or "test"; there must be one for each image.

    Raises
    ------
    FileNotFoundError
        If the folder does not hold the file under its MNIST name, plain or with .gz.
    ValueError
        If the file is damaged, is not an IDX file of labels, or does not hold `n_images` labels.
    """
    path = find_file(Path(folder), NAMES[name][1])
    labels = read_idx(path, axes=1)
    if len(labels) != n_images:
        raise ValueError(f"{path} holds {len(labels)} labels for {n_images} images")
    return labels.astype(np.int64)


def find_file(folder: Path, name: str) -> Path:
    """Return the path of an IDX file by its MNIST name: plain or gzipped, or with a dot before "idx"."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    dotted = name.replace("-idx", ".idx")
    for candidate in (name, f"{name}.gz", dotted, f"{dotted}.gz"):
        if (folder / candidate).is_file():
            return folder / candidate
    wanted = ", ".join(name for pair in NAMES.values() for name in pair)
    raise FileNotFoundError(f"{folder} holds no file {name} or {name}.gz; a folder of IDX files has {wanted}")


def read_idx(path: Path, axes: int) -> ByteArray:
    """Return the array of unsigned bytes in an IDX file that must have the given number of axes.

    It reads no more, and takes no more memory, than the header says.

    Raises
    ------
    ValueError
        If the file is damaged, of another type or number of axes, or shorter or longer than its header says.
    MemoryError
        If the array does not fit in memory.
    """
    with open_binary(path) as file:
        header = file.read(4 + 4 * axes)
        if len(header) < 4 or header[:2] != b"\0\0":
            raise ValueError(f"{path} is not an IDX file: its first four bytes are {header[:4].hex(' ')}")
        if header[2] != UNSIGNED_BYTE or header[3] != axes:
            raise ValueError(
                f"{path} holds values of IDX type {header[2]} on {header[3]} axes; wanted type {UNSIGNED_BYTE} "
                f"(unsigned byte) on {axes}"
            )
        if len(header) < 4 + 4 * axes:
            raise ValueError(f"{path} is truncated after {len(header)} bytes, within its header: fetch it again")
        shape: tuple[Any, ...] = tuple(np.frombuffer(header, dtype=">u4", count=axes, offset=4).tolist())
        wanted = math.prod(shape)
        most = path.stat().st_size * MOST_INFLATED
        require(min(wanted, most), f"what {path} holds")
        values = np.empty(min(wanted, most), np.uint8)
        found, view = 0, memoryview(values)  # type: ignore[arg-type]
        while found < len(values) and (count := file.readinto(view[found : found + BLOCK])):  # type: ignore[attr-defined]
            found += count
        if found < wanted:
            raise ValueError(f"{path} is truncated: {found} values, where its header says {wanted}: fetch it again")
        if file.read(1):
            raise ValueError(f"{path} is too long: more than the {wanted} values that its header says: fetch it again")
        return values.reshape(shape)
