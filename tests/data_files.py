"""Data files: small ones of each kind, and the raw inputs of a data set."""

import gzip
import struct

import numpy as np

IRIS = """length,width,species
5.1,3.5,setosa
4.9,3.0,setosa
7.0,3.2,versicolor
6.4,3.1,versicolor
6.3,3.3,virginica
5.8,2.7,virginica
"""


def write_file(path, content):
    """Write text or bytes, and return the path."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def write_npz(path, **arrays):
    """Save arrays to an NPZ file, and return its path."""
    np.savez(path, **arrays)
    return path


def idx(values, axes=None, code=8):
    """Return the bytes of an IDX file; its header may name other axes and another type."""
    values = np.asarray(values, dtype=np.uint8)
    shape = values.shape if axes is None else axes
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + values.tobytes()


def write_idx_folder(folder):
    """Write three training and two test images of 2 x 3 pixels, the latter compressed, and return the folder."""
    images = np.arange(30, dtype=np.uint8).reshape(5, 2, 3) * 8
    (folder / "train-images-idx3-ubyte").write_bytes(idx(images[:3]))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx([0, 2, 1]))
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images[3:])))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx([3, 0])))
    return folder


def raw_inputs(data):
    """Return the raw training and test inputs, in the file's order of columns."""
    return np.concatenate([data.x_train, data.x_test]) / data.scaling.scale + data.scaling.offset
