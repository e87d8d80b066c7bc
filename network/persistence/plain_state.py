"""States of callbacks as JSON and a list of arrays, which a file can hold without a pickle."""

from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.validation.printable import shown

ARRAY = "array number"  # the key of a dict that stands for an array


def packed(value: Any, arrays: list[Array], name: str) -> Any:
    """Return `value` as JSON, and append the arrays in it to `arrays`.

    Parameters
    ----------
    value : bool, int, float, str, None, array, or a list, tuple or dict of them
        Keys are texts. NumPy's numbers become Python's, and tuples lists.
    arrays : list of array
        Of numbers.
    name : str
        What `value` is called in the message of an error.

    Raises
    ------
    TypeError
        If something is of another type; the message says where.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.generic) and value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
        arrays.append(np.array(value, value.dtype.newbyteorder("="), order="C", subok=False))
        return {ARRAY: len(arrays) - 1}
    if isinstance(value, (list, tuple)):
        return [packed(entry, arrays, f"{name}[{index}]") for index, entry in enumerate(value)]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or key == ARRAY:
                raise TypeError(f"{name} has the key {shown(key)}; wanted texts, other than {ARRAY!r}")
        return {key: packed(entry, arrays, f"{name}[{key!r}]") for key, entry in value.items()}
    raise TypeError(
        f"{name} is {shown(value)}, of type {type(value).__name__}; a checkpoint holds numbers, texts, None, arrays of "
        "numbers, and lists and dicts of them"
    )


def unpacked(value: Any, arrays: list[Array]) -> Any:
    """Return what `packed` was given, with lists for tuples."""
    if isinstance(value, list):
        return [unpacked(entry, arrays) for entry in value]
    if isinstance(value, dict):
        if ARRAY in value:
            return arrays[value[ARRAY]]
        return {key: unpacked(entry, arrays) for key, entry in value.items()}
    return value
