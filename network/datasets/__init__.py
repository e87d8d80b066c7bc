"""Data sets ready for training: CSV, NPZ and IDX files, the digits that come with hotloop, and made-up data.

`hotloop.datasets` is the short way here.
"""

from hotloop.network.datasets.csv_file import load_csv
from hotloop.network.datasets.data_warning import DataWarning
from hotloop.network.datasets.dataset import Dataset
from hotloop.network.datasets.digits import load_digits
from hotloop.network.datasets.idx_file import load_idx
from hotloop.network.datasets.npz_file import load_npz
from hotloop.network.datasets.scaling import Scaling
from hotloop.network.datasets.sources import load
from hotloop.network.datasets.split import split_rows
from hotloop.network.datasets.stream import Stream
from hotloop.network.datasets.synthetic import synthetic
from hotloop.network.datasets.toys import moons, sine, spirals, xor

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
