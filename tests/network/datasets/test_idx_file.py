"""Folders of IDX files: their images and labels, and one clear error for each fault."""

import numpy as np
import pytest
from data_files import idx, write_idx_folder

from hotloop.datasets import load_idx


@pytest.fixture
def idx_folder(tmp_path):
    return write_idx_folder(tmp_path)


def test_idx_images_become_rows_divided_by_255(idx_folder):
    data = load_idx(idx_folder)
    np.testing.assert_allclose(data.x_train, np.arange(18).reshape(3, 6) * 8 / 255, rtol=1e-7)
    np.testing.assert_allclose(data.x_test, np.arange(18, 30).reshape(2, 6) * 8 / 255, rtol=1e-7)
    assert data.x_train.dtype == np.float32
    np.testing.assert_array_equal(data.y_train, [0, 2, 1])
    np.testing.assert_array_equal(data.y_test, [3, 0])
    assert data.classes == ("0", "1", "2", "3")


def test_idx_images_stay_bytes(idx_folder):
    """Then only the network scales raw inputs."""
    data, scaled = load_idx(idx_folder, "uint8"), load_idx(idx_folder)
    assert (data.scaling.offset, data.scaling.scale) == (0.0, 1.0)
    for name in ("train", "test"):
        images = getattr(data, f"x_{name}")
        assert images.dtype == np.uint8
        np.testing.assert_allclose(images / 255, getattr(scaled, f"x_{name}"), rtol=1e-7)
        np.testing.assert_array_equal(getattr(data, f"y_{name}"), getattr(scaled, f"y_{name}"))
    assert data.classes == scaled.classes


def test_idx_names_with_a_dot(idx_folder):
    for name in ("train-images", "train-labels"):
        number = 3 if "images" in name else 1
        (idx_folder / f"{name}-idx{number}-ubyte").rename(idx_folder / f"{name}.idx{number}-ubyte")
    assert len(load_idx(idx_folder).x_train) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"train-images-idx3-ubyte is not an IDX file"),
        (b"\x89PNG....", r"is not an IDX file: its first four bytes are 89 50 4e 47"),
        (idx([1, 2, 3]), r"IDX type 8 on 1 axes; wanted type 8 \(unsigned byte\) on 3"),
        (idx(np.zeros((1, 2, 3)), code=13), r"IDX type 13 on 3 axes"),
        (b"\0\0\x08\x03\0\0\0\x03\0\0", r"truncated after 10 bytes, within its header"),
        (idx(np.zeros((2, 2, 3)), axes=(3, 2, 3)), r"is truncated: 12 values, where its header says 18"),
        (idx(np.zeros((4, 2, 3)), axes=(3, 2, 3)), r"is too long: more than the 18 values that its header says"),
        (idx(np.zeros((0, 2, 3))), r"holds no images: its header says \(0, 2, 3\)"),
        (idx(np.zeros((4, 2, 3))), r"train-labels-idx1-ubyte holds 3 labels for 4 images"),
        (idx(np.zeros((3, 3, 3))), r"9 pixels in training and 6 in test images"),
    ],
)
def test_a_faulty_idx_file_is_named(idx_folder, content, message):
    (idx_folder / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_idx(idx_folder)


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b[:10] + b"\xff" * 8 + b[18:]])
def test_a_damaged_gzip_file_is_named(idx_folder, damage):
    path = idx_folder / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"t10k-images-idx3-ubyte.gz is not a whole gzip file .*: fetch it again"):
        load_idx(idx_folder)


def test_a_missing_idx_file_is_named(idx_folder):
    (idx_folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no file t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz"):
        load_idx(idx_folder)
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere"):
        load_idx(idx_folder / "nowhere")
