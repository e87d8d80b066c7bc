"""Data sets ready for training: CSV, NPZ and IDX files, the digits that hotloop carries, and synthetic data."""

from hotloop.network.datasets.data_warning import DataWarning
from hotloop.network.datasets.dataset import (
    Dataset,
    load_csv,
    load_digits,
    load_idx,
    load_npz,
    scale_inputs,
    split_rows,
)

__all__ = ["DataWarning", "Dataset", "load_csv", "load_digits", "load_idx", "load_npz", "scale_inputs", "split_rows"]
