"""Data sets of all kinds: values, splits, and one clear error for each fault of a file."""

import gzip
import io
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotloop.datasets import load, load_digits, load_idx, load_npz, split_rows
from hotloop.network.datasets.sources import load_inputs

IRIS = """length,width,species
5.1,3.5,setosa
4.9,3.0,setosa
7.0,3.2,versicolor
6.4,3.1,versicolor
6.3,3.3,virginica
5.8,2.7,virginica
"""


@pytest.fixture
def csv(tmp_path):
    """Return a function that writes text or bytes to a CSV file and returns its path."""

    def write(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def raw_inputs(data):
    """Return the raw training and test inputs, in the file's order of columns."""
    return np.concatenate([data.x_train, data.x_test]) / data.scaling.scale + data.scaling.offset


# The digits that come with hotloop


def test_digits_are_the_official_split_scaled_to_one():
    data = load_digits()
    assert (data.x_train.shape, data.x_test.shape) == ((3823, 64), (1797, 64))
    assert (data.x_train.dtype, data.y_train.dtype) == (np.float32, np.int64)
    assert (data.x_train.min(), data.x_train.max()) == (0.0, 1.0)
    assert data.classes == tuple("0123456789")
    # The first row of the original text files, and their counts of each digit.
    first = [0, 1, 6, 15, 12, 1, 0, 0, 0, 7, 16, 6, 6, 10, 0, 0]
    np.testing.assert_array_equal(data.x_train[0, :16] / data.scaling.scale + data.scaling.offset, first)
    np.testing.assert_array_equal(np.bincount(data.y_train), [376, 389, 380, 389, 387, 376, 377, 387, 380, 382])
    np.testing.assert_array_equal(np.bincount(data.y_test), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])


def test_digits_name_their_makers_and_licence():
    for word in ("Alpaydin", "Kaynak", "1998", "10.24432/C50P49", "CC BY 4.0"):
        assert word in load_digits().attribution


def test_digits_in_double_precision():
    data = load_digits("float64")
    assert data.x_test.dtype == np.float64
    np.testing.assert_array_equal(data.x_test, load_digits().x_test)


def test_a_dataset_is_frozen():
    with pytest.raises(AttributeError):
        load_digits().x_train = None


# IDX folders


def idx(values, axes=None, code=8):
    values = np.asarray(values, dtype=np.uint8)
    shape = values.shape if axes is None else axes
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + values.tobytes()


@pytest.fixture
def idx_folder(tmp_path):
    """Return a folder with three training and two test images of 2 x 3 pixels."""
    images = np.arange(30, dtype=np.uint8).reshape(5, 2, 3) * 8
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(images[:3]))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx([0, 2, 1]))
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images[3:])))
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx([3, 0])))
    return tmp_path


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


# The split


@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=80),
    fraction=st.floats(0.05, 0.95),
    seed=st.integers(0, 5),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_split_is_stratified(labels, fraction, seed):
    labels = np.array(labels)
    counts = np.bincount(labels)
    if counts.max() < 2:
        with pytest.raises(ValueError, match="rows, so none can be held out"):
            split_rows(len(labels), fraction, seed, labels)
        return
    kept, aside = split_rows(len(labels), fraction, seed, labels)
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, aside])), np.arange(len(labels)))
    taken = np.bincount(labels[aside], minlength=len(counts))
    assert np.all(np.abs(taken - counts * fraction) <= 1)
    assert np.all(taken[counts > 0] < counts[counts > 0])
    assert len(aside) >= 1


@given(n_rows=st.integers(2, 200), fraction=st.floats(0.01, 0.99))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_split_without_labels(n_rows, fraction):
    kept, aside = split_rows(n_rows, fraction, 0)
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, aside])), np.arange(n_rows))
    assert len(aside) == min(max(round(n_rows * fraction), 1), n_rows - 1)


# NPZ arrays


@pytest.fixture
def npz(tmp_path):
    """Return a function that saves arrays to an NPZ file and returns its path."""

    def write(**arrays):
        np.savez(tmp_path / "arrays.npz", **arrays)
        return tmp_path / "arrays.npz"

    return write


X = np.arange(40.0).reshape(10, 4)


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
        ({"x": X, "y": X}, {"dtype": "float16"}, r"dtype is 'float16'"),
        ({"x": X, "y": X}, {"task": "both"}, r"task is 'both'"),
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


# By the name of the source


def test_load_tells_the_kinds_apart(csv, npz, idx_folder):
    assert load("digits").name == "digits"
    assert load(str(idx_folder)).x_train.shape == (3, 6)
    assert load(csv(IRIS), "species").columns == ("length", "width")
    assert load(csv(IRIS.replace(",", "\t"), "table.tsv")).classes[0] == "setosa"
    assert load(npz(x=X, y=X), test_fraction=0.5).x_train.shape == (5, 4)


@pytest.mark.parametrize(
    ("source", "options", "error", "message"),
    [
        ("nowhere", {}, FileNotFoundError, "there is no file or folder nowhere .'digits' is the data"),
        ("digits", {"target": "0"}, ValueError, "digits has one target, its labels; omit target"),
        ("digits", {"test_fraction": 0.1}, ValueError, "digits has its own test set; omit test_fraction"),
        ("digits", {"dtype": "half"}, ValueError, "dtype is 'half'"),
    ],
)
def test_load_errors(source, options, error, message):
    with pytest.raises(error, match=message):
        load(source, **options)


def test_load_unknown_kind(tmp_path):
    (tmp_path / "table.xlsx").write_bytes(b"")
    with pytest.raises(ValueError, match=r"table.xlsx: unknown kind of data; wanted 'digits', a folder"):
        load(tmp_path / "table.xlsx")


# Inputs of a trained network


def test_inputs_from_the_other_kinds(npz, idx_folder):
    digits = load_digits()
    np.testing.assert_array_equal(load_inputs("digits", 64, None, None), digits.x_test * 16)
    np.testing.assert_array_equal(load_inputs(idx_folder, 6, None, None)[0], np.arange(18, 24) * 8)
    np.testing.assert_array_equal(load_inputs(npz(x=X), 4, None, None), X)
    np.testing.assert_array_equal(load_inputs(npz(x=X, x_test=X[3:]), 4, None, None), X[3:])
    with pytest.raises(ValueError, match="digits has 64 inputs a row; the network takes 63"):
        load_inputs("digits", 63, None, None)
    with pytest.raises(ValueError, match="holds no array 'x'; found y"):
        load_inputs(npz(y=X), 4, None, None)
