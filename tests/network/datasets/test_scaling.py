"""Scaling: what standardised columns become, which columns are constant, and that the arithmetic is float64."""

import numpy as np
import pytest

from hotloop.datasets import Scaling, load_csv, load_digits
from hotloop.network.datasets import scaling as module
from hotloop.network.datasets.scaling import constant_columns

RNG = np.random.default_rng(0)
YEARS = 2019 + RNG.normal(size=(40, 3)) * [1, 1e-3, 5]


def name(index):
    return f"column {index}"


def test_standardised_columns():
    scaling = Scaling.standardising(YEARS, name)
    scaled = scaling.apply(YEARS, "float64")
    np.testing.assert_array_equal(scaled, (YEARS - YEARS.mean(axis=0)) * (1 / YEARS.std(axis=0)))
    np.testing.assert_allclose([scaled.mean(axis=0), scaled.std(axis=0)], [[0] * 3, [1] * 3], atol=1e-9)
    rounded = scaling.apply(YEARS, "float32")
    assert rounded.dtype == np.float32
    np.testing.assert_array_equal(rounded, scaled.astype(np.float32))  # float32 has no digits for a year's fraction


@pytest.mark.parametrize("constant_scale", [0.0, 1.0])
def test_a_constant_column(constant_scale):
    values = np.column_stack([YEARS[:, 0], np.full(40, 0.3)])
    values[::2, 1] = 0.1 + 0.2
    scaling = Scaling.standardising(values, name, constant_scale)
    assert scaling.scale[1] == constant_scale
    later = scaling.apply(np.array([[2019, 0.3], [2019, 0.5]]), "float64")
    np.testing.assert_allclose(later[:, 1], [0, 0.2 * constant_scale], atol=1e-15)


@pytest.mark.parametrize("values", [[0, 1e-320], [1e308, -1e308], [1e-300, 2e-300]])
def test_numbers_that_have_no_scale(values):
    columns = np.column_stack([[1.0, 2.0], values])
    with pytest.raises(ValueError, match=r"^column 1: the numbers are too large or too small to be standardised$"):
        Scaling.standardising(columns, name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_constant(dtype):
    eps = np.finfo(dtype).eps
    columns = np.array([[1, 1], [1, 1 + eps], [1, 1 + 9 * eps], [2**20, 2**20 + 1], [0, 0]], dtype).T
    assert constant_columns(columns).tolist() == [True, True, False, False, True]
    assert constant_columns(np.array([[7, 7], [7, 8]])).tolist() == [True, False]


@pytest.mark.parametrize("shape", [(9001, 3), (9001,), (5, 100), (1, 1), (0, 3)])
@pytest.mark.parametrize("kind", ["uint8", "int64", "float32", "float64"])
def test_blocks_make_no_difference(shape, kind, monkeypatch):
    values = RNG.integers(0, 255, shape).astype(kind)
    whole = Scaling(3.0, 1 / 255).apply(values, "float32")
    np.testing.assert_array_equal(whole, ((values.astype(np.float64) - 3.0) * (1 / 255)).astype(np.float32))
    monkeypatch.setattr(module, "BLOCK", 8 * 3 * 7)
    np.testing.assert_array_equal(Scaling(3.0, 1 / 255).apply(values, "float32"), whole)


def test_the_scaling_of_a_data_set_is_what_made_its_inputs(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("".join(f"{i},{i * i},{i + 0.5}\n" for i in range(10)))
    data = load_csv(table)
    raw = np.array([[i, i * i] for i in range(10)])
    scaled = data.scaling.apply(raw, "float32")
    rows = {row.tobytes() for row in np.concatenate([data.x_train, data.x_test])}
    assert rows == {row.tobytes() for row in scaled}
    assert (load_digits().scaling.offset, load_digits().scaling.scale) == (0.0, 1 / 16)
