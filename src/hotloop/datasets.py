"""Data sets ready for training: the public names of `hotloop.network.datasets`.

>>> from hotloop.datasets import load_digits
>>> load_digits().x_train.shape
(3823, 64)
"""

from hotloop.network.datasets import (
    Dataset,
    DataWarning,
    Scaling,
    Stream,
    load,
    load_csv,
    load_digits,
    load_idx,
    load_npz,
    moons,
    sine,
    spirals,
    split_rows,
    synthetic,
    xor,
)

__all__ = [
    "DataWarning",
    "Dataset",
    "Scaling",
    "Stream",
    "load",
    "load_csv",
    "load_digits",
    "load_idx",
    "load_npz",
    "moons",
    "sine",
    "spirals",
    "split_rows",
    "synthetic",
    "xor",
]
