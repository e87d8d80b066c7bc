"""The handwritten digits that come with hotloop."""

import functools
import importlib.resources
import io
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hotloop.network.datasets.dataset import Dataset
from hotloop.network.datasets.scaling import Scaling
from hotloop.network.validation import arguments

Array: TypeAlias = npt.NDArray[Any]


def load_digits(dtype: Any = "float32") -> Dataset:
    """Return the handwritten digits that come with hotloop: 8 x 8 counts of ink from 0 to 16, divided by 16.

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

    Examples
    --------
    >>> from hotloop.datasets import load_digits
    >>> digits = load_digits()
    >>> digits.x_train.shape, digits.x_test.shape, len(digits.classes)
    ((3823, 64), (1797, 64), 10)
    """
    dtype = arguments.floating_dtype(dtype)
    arrays, attribution = bundled_digits()
    return Dataset.of_raw(
        "digits",
        (arrays["x_train"], arrays["x_test"]),
        (arrays["y_train"].astype(np.int64), arrays["y_test"].astype(np.int64)),
        tuple("0123456789"),
        dtype,
        scaling=Scaling(scale=1 / 16),
        attribution=attribution,
    )


@functools.cache
def bundled_digits() -> tuple[dict[str, Array], str]:
    """Return the arrays of the bundled digits, and their attribution line."""
    folder = importlib.resources.files("hotloop.network.datasets")
    with np.load(io.BytesIO((folder / "optdigits.npz").read_bytes()), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return arrays, (folder / "optdigits.txt").read_text(encoding="utf-8").splitlines()[0]
