"""The handwritten digits that hotloop carries."""

import functools
import importlib.resources
import io
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]


@functools.cache
def bundled_digits() -> tuple[dict[str, Array], str]:
    """Return the arrays of the bundled digits, and their attribution line."""
    folder = importlib.resources.files("hotloop.network.datasets")
    with np.load(io.BytesIO((folder / "optdigits.npz").read_bytes()), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return arrays, (folder / "optdigits.txt").read_text(encoding="utf-8").splitlines()[0]
