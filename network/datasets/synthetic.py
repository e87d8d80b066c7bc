"""Synthetic data of any shape, to time a network before there is real data: a noisy linear map."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hotloop.network.datasets.dataset import Dataset
from hotloop.network.validation import arguments

TEST_SHARE = 5  # training rows for each test row
NOISE = 0.1  # standard deviation, relative to that of the teacher's outputs


def synthetic(sizes: Sequence[int], rows: int, *, classes: bool, dtype: Any = "float32", seed: int = 0) -> Dataset:
    """Return standard normal inputs, and as targets the noisy outputs of a random linear teacher.

    Parameters
    ----------
    sizes : sequence of int
        Of a network: the first is the number of inputs, the last that of outputs.
    rows : int
        Number of training rows.
    classes : bool
        Whether the targets are classes: the teacher's largest output (whether the only output is above 0).
    dtype : {"float32", "float64"}
    seed : int

    Returns
    -------
    Dataset
        As many training rows as asked for, and more for a test set.

    Examples
    --------
    >>> from hotloop.datasets import synthetic
    >>> data = synthetic([4, 8, 3], 100, classes=True)
    >>> data.x_train.shape, data.classes
    ((100, 4), ('0', '1', '2'))
    """
    sizes, dtype = arguments.sizes_of_network(sizes), arguments.floating_dtype(dtype)
    rows, classes = arguments.whole_number("rows", rows, 1), arguments.flag("classes", classes)
    rng = np.random.default_rng(arguments.whole_number("seed", seed, 0))
    n_inputs, n_outputs, total = sizes[0], sizes[-1], rows + max(1, rows // TEST_SHARE)
    x = rng.standard_normal((total, n_inputs), dtype)
    teacher = rng.standard_normal((n_inputs, n_outputs), dtype) / np.sqrt(n_inputs).astype(dtype)
    y = x @ teacher + NOISE * rng.standard_normal((total, n_outputs), dtype).astype(dtype)
    names = None
    if classes:
        y = (y[:, 0] > 0).astype(np.int64) if n_outputs == 1 else y.argmax(axis=1)
        names = tuple(str(number) for number in range(max(n_outputs, 2)))
    elif n_outputs == 1:
        y = y[:, 0]
    y = y if classes else y.astype(dtype)
    return Dataset("synthetic", x[:rows], y[:rows], x[rows:], y[rows:], names, target="a random linear map")
