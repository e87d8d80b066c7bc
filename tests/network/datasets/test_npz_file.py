"""NPZ files: what becomes of their arrays, and one clear error for each fault."""

import functools
import io
import pickle

import numpy as np
import pytest
from data_files import raw_inputs, write_npz

from hotloop.datasets import load_npz

X = np.arange(40.0).reshape(10, 4)


@pytest.fixture
def npz(tmp_path):
    return functools.partial(write_npz, tmp_path / "arrays.npz")


def test_npz_with_its_own_test_set(npz):
    labels = np.array([0, 1] * 5)
    path = npz(x_train=X[:6], y_train=labels[:6], x_test=X[6:], y_test=labels[6:])
    data = load_npz(path, dtype="float64")
    np.testing.assert_allclose(raw_inputs(data), X, atol=1e-12)
    np.testing.assert_allclose(data.x_train.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_array_equal(data.y_test, labels[6:])
    assert data.classes == ("0", "1")


@pytest.mark.parametrize("names", [("x", "y"), ("X", "Y"), ("x_train", "y_train")])
def test_npz_split_by_fraction(npz, names):
    data = load_npz(npz(**{names[0]: X, names[1]: X[:, 0] / 3}), test_fraction=0.3, dtype="float64")
    assert (len(data.x_train), len(data.x_test)) == (7, 3)
    raw = raw_inputs(data)
    np.testing.assert_allclose(np.concatenate([data.y_train, data.y_test]), raw[:, 0] / 3, atol=1e-12)
    assert data.classes is None


def test_npz_targets_under_another_name(npz):
    data = load_npz(npz(x=X, price=X[:, 1] / 3, y=X[:, 2]), "Price", dtype="float64")
    np.testing.assert_allclose(np.concatenate([data.y_train, data.y_test]), raw_inputs(data)[:, 1] / 3)


def test_npz_bytes_are_divided_by_the_largest_of_the_training_set(npz):
    images = np.arange(40, dtype=np.uint8).reshape(10, 2, 2)
    images[9] = 200
    labels = np.array([0, 1] * 5)
    data = load_npz(npz(x_train=images[:9], y_train=labels[:9], x_test=images[9:], y_test=labels[9:]))
    assert data.x_train.shape == (9, 4)
    assert (data.scaling.offset, data.scaling.scale) == (0.0, 1 / 35)
    np.testing.assert_allclose(data.x_test, 200 / 35, rtol=1e-6)


@pytest.mark.parametrize(
    ("y", "task", "classes", "shape"),
    [
        (np.array(["b", "a"] * 5), None, ("a", "b"), ()),
        (np.array([b"b", b"a"] * 5), None, ("a", "b"), ()),
        (np.array([True, False] * 5), None, ("False", "True"), ()),
        (np.array([3, 7] * 5, dtype=np.uint8), None, ("3", "7"), ()),
        (np.array([[3], [7]] * 5), None, ("3", "7"), ()),
        (np.array([3.0, 7.0] * 5), None, None, ()),
        (np.array([3.0, 7.0] * 5), "classification", ("3", "7"), ()),
        (np.array([3, 7] * 5), "regression", None, ()),
        (X[:, :2], None, None, (2,)),
        (X[:, :2].astype(np.int64), None, None, (2,)),
    ],
)
def test_npz_what_is_classes_and_what_is_values(npz, y, task, classes, shape):
    data = load_npz(npz(x=X, y=y), task=task)
    assert data.classes == classes
    assert data.y_train.shape == (8, *shape)
    assert data.y_train.dtype == (np.float32 if classes is None else np.int64)


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({"x": X}, {}, r"arrays.npz holds no array 'y'; found x"),
        ({"y": X}, {}, r"holds no array 'x'; found y"),
        ({}, {}, r"holds no array 'x'; found nothing"),
        ({"x_train": X, "y_train": X, "x_test": X}, {}, r"holds no array 'y_test'"),
        ({"x": X, "y": X[:9, 0]}, {}, r"x has 10 rows and y has 9; the numbers must agree"),
        ({"x": X, "y": np.array(3.0)}, {}, r"x has 10 rows and y has 0"),
        ({"x": X[:, 0], "y": X[:, 0]}, {}, r"array 'x': found shape \(10,\); wanted \(rows, inputs\)"),
        ({"x": X[:0], "y": X[:0, 0]}, {}, r"array 'x': shape \(0, 4\) holds no values"),
        ({"x": X.astype(complex), "y": X[:, 0]}, {}, r"array 'x': found dtype complex128; wanted numbers"),
        ({"x": X.astype(str), "y": X[:, 0]}, {}, r"array 'x': found dtype <U32; wanted numbers"),
        ({"x": X, "y": X[:, 0] * 1j}, {}, r"array 'y': found dtype complex128 and shape \(10,\)"),
        ({"x": X, "y": X.reshape(10, 2, 2)}, {}, r"array 'y': found dtype float64 and shape \(10, 2, 2\)"),
        ({"x": np.where(X == 13, np.nan, X), "y": X}, {}, r"array 'x', row 3, column 1: nan is not finite"),
        ({"x": X, "y": np.where(X[:, 0] == 12, np.inf, X[:, 0])}, {}, r"array 'y', row 3: inf is not finite"),
        ({"x": X, "y": np.zeros(10, dtype=int)}, {}, r"array 'y': one class only, '0'"),
        ({"x": X, "y": np.arange(10)}, {}, r"array 'y': 10 rows hold as many different values"),
        ({"x": X, "y": np.array(["a", "b"] * 5)}, {"task": "regression"}, r"array 'y': text can only be classes"),
        ({"x": X, "y": X.astype(str)}, {}, r"array 'y': text can only be classes"),
        ({"x": X, "y": X}, {"dtype": "float16"}, "dtype must be 'float32' or 'float64', got float16"),
        ({"x": X, "y": X}, {"task": "both"}, "task 'both' is not known"),
    ],
)
def test_npz_faults_are_named(npz, arrays, options, message):
    with pytest.raises(ValueError, match=message):
        load_npz(npz(**arrays), **options)


def test_npz_parts_must_agree(npz):
    labels = np.array([0, 1] * 5)
    path = npz(x_train=X, y_train=labels, x_test=X[:, :3], y_test=labels)
    with pytest.raises(ValueError, match=r"x_train has shape \(10, 4\) and x_test \(10, 3\); they may differ only"):
        load_npz(path)
    path = npz(x_train=X, y_train=labels, x_test=X, y_test=labels)
    with pytest.raises(ValueError, match="has its own test set, x_test; omit test_fraction"):
        load_npz(path, test_fraction=0.2)


class Trap:
    """Unpickling this would run code; the tests check that none runs."""

    sprung = False

    def __reduce__(self):
        return (setattr, (Trap, "sprung", True))


def test_npz_is_never_unpickled(tmp_path):
    path = tmp_path / "trap.npz"
    np.savez(path, x=np.array([Trap()], dtype=object), y=np.zeros(1))
    with pytest.raises(ValueError, match=r"array 'x.npy', holds Python objects \(dtype object\).*astype\('float32'\)"):
        load_npz(path)
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match=r"trap.npz cannot be read as NPZ"):
        load_npz(path)
    assert not Trap.sprung


def test_npz_damaged_files(npz, tmp_path):
    path = npz(x=X, y=X)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"arrays.npz cannot be read as NPZ, the format of numpy.savez"):
        load_npz(path)
    path.write_bytes(whole.replace(X[5].tobytes(), X[6].tobytes(), 1))
    with pytest.raises(ValueError, match=r"arrays.npz, array 'x.npy', cannot be read as NPZ.*CRC"):
        load_npz(path)
    buffer = io.BytesIO()
    np.save(buffer, X)
    path.write_bytes(buffer.getvalue())
    with pytest.raises(ValueError, match=r"arrays.npz cannot be read as NPZ"):
        load_npz(path)
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nowhere.npz"):
        load_npz(tmp_path / "nowhere.npz")
