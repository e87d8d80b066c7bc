"""Data sets by the name of their source, and the digits that come with hotloop."""

import functools

import numpy as np
import pytest
from data_files import IRIS, write_file, write_idx_folder, write_npz

from hotloop.datasets import Dataset, Scaling, load, load_digits
from hotloop.network.datasets.sources import load_inputs

X = np.arange(40.0).reshape(10, 4)


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


# By the name of the source


def test_load_tells_the_kinds_apart(tmp_path):
    assert load("digits").name == "digits"
    assert load(str(write_idx_folder(tmp_path))).x_train.shape == (3, 6)
    assert load(write_file(tmp_path / "table.csv", IRIS), "species").columns == ("length", "width")
    assert load(write_file(tmp_path / "table.tsv", IRIS.replace(",", "\t"))).classes[0] == "setosa"
    assert load(write_npz(tmp_path / "arrays.npz", x=X, y=X), test_fraction=0.5).x_train.shape == (5, 4)


@pytest.mark.parametrize(
    ("source", "options", "error", "message"),
    [
        ("nowhere", {}, FileNotFoundError, "there is no file or folder nowhere .'digits' is the data"),
        ("digits", {"target": "0"}, ValueError, "digits has one target, its labels; omit target"),
        ("digits", {"test_fraction": 0.1}, ValueError, "digits has its own test set; omit test_fraction"),
        ("digits", {"dtype": "half"}, ValueError, "dtype must be 'float32' or 'float64', got float16"),
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


def test_inputs_from_the_other_kinds(tmp_path):
    digits, npz = load_digits(), functools.partial(write_npz, tmp_path / "arrays.npz")
    np.testing.assert_array_equal(load_inputs("digits", 64, None, None), digits.x_test * 16)
    np.testing.assert_array_equal(load_inputs(write_idx_folder(tmp_path), 6, None, None)[0], np.arange(18, 24) * 8)
    np.testing.assert_array_equal(load_inputs(npz(x=X), 4, None, None), X)
    np.testing.assert_array_equal(load_inputs(npz(x=X, x_test=X[3:]), 4, None, None), X[3:])
    with pytest.raises(ValueError, match="digits has 64 inputs a row; the network takes 63"):
        load_inputs("digits", 63, None, None)
    with pytest.raises(ValueError, match="holds no array 'x'; found y"):
        load_inputs(npz(y=X), 4, None, None)


def test_inputs_scaled_in_another_way():
    """From float64 without a loss; what was constant in training stays so; values are in the new dtype."""
    rng = np.random.default_rng(0)
    raw = np.column_stack([rng.normal(2000, 3, 30), np.full(30, 7.0), rng.normal(size=30)])
    data = Dataset.of_raw("mine", (raw[:20], raw[20:]), (raw[:20, 0], raw[20:, 0]), None, "float64")
    again = data.scaled_by(Scaling([1990.0, 0.0, 1.0], [0.5, 1.0, 2.0]), "float32")
    for found, rows in ((again.x_train, raw[:20]), (again.x_test, raw[20:])):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, (rows - [1990.0, 0.0, 1.0]) * [0.5, 1.0, 2.0], rtol=1e-6)
    assert (again.y_train.dtype, again.scaling.scale) == (np.float32, [0.5, 1.0, 2.0])
    pixels = load_digits()
    assert pixels.scaled_by(Scaling(), "float32").x_test.max() == 16
