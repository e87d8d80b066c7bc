"""The toy data sets: their formulas, their noise, their sizes, and their errors."""

import numpy as np
import pytest
from conftest import same_bits

from hotloop.datasets import moons, sine, spirals, xor

TOYS = {"moons": moons, "spirals": spirals, "xor": xor, "sine": sine}


@pytest.mark.parametrize("name", TOYS)
def test_sizes_dtypes_and_seeds(name, dtype):
    make = TOYS[name]
    data, same, other = (make(21, dtype=dtype, seed=seed) for seed in (0, 0, 1))
    assert data.name == name
    assert data.x_train.shape == (21, 1 if name == "sine" else 2)
    assert data.x_test.shape[0] == data.y_test.shape[0] == 200
    assert make(2000).x_test.shape[0] == 400
    assert data.x_train.dtype == data.x_test.dtype == dtype
    assert data.y_train.dtype == data.y_test.dtype == (dtype if name == "sine" else np.int64)
    assert (data.scaling.offset, data.scaling.scale) == (0, 1)
    for part in ("x_train", "y_train", "x_test", "y_test"):
        assert same_bits(getattr(data, part), getattr(same, part))
    assert not same_bits(data.x_train, other.x_train)
    assert not np.isin(data.x_train[:, 0], data.x_test[:, 0]).any()


@pytest.mark.parametrize("name", ["moons", "spirals", "xor"])
def test_classes_are_equally_large(name):
    data = TOYS[name](121)
    counts = np.bincount(data.y_train)
    assert data.classes == tuple(map(str, range(len(counts))))
    assert counts.max() - counts.min() <= 1
    assert (np.diff(data.y_train) != 0).any()
    assert set(data.y_test) == set(data.y_train)


def test_moons_without_noise():
    data = moons(40, noise=0, dtype="float64")
    x, y = data.x_train.T
    upper = data.y_train == 0
    np.testing.assert_allclose(x[upper] ** 2 + y[upper] ** 2, 1)
    assert (y[upper] > -1e-12).all()
    np.testing.assert_allclose((x[~upper] - 1) ** 2 + (y[~upper] - 0.5) ** 2, 1)
    assert (y[~upper] < 0.5 + 1e-12).all()
    assert (x.min(), x.max()) == pytest.approx((-1, 2))


@pytest.mark.parametrize(("classes", "turns"), [(2, 1.0), (3, 0.75), (5, 0.0)])
def test_spirals_without_noise(classes, turns):
    data = spirals(60, classes=classes, turns=turns, noise=0, dtype="float64")
    r = np.hypot(*data.x_train.T)
    t = 2 * np.pi * (turns * r + data.y_train / classes)
    np.testing.assert_allclose(data.x_train, np.column_stack([r * np.cos(t), r * np.sin(t)]), atol=1e-12)
    assert (r.min(), r.max()) == pytest.approx((0.1, 1))


def test_xor_without_noise():
    data = xor(40, noise=0)
    corners, counts = np.unique(data.x_train, axis=0, return_counts=True)
    assert corners.tolist() == [[-1, -1], [-1, 1], [1, -1], [1, 1]]
    assert counts.tolist() == [10] * 4
    assert ((data.x_train[:, 0] * data.x_train[:, 1] < 0) == data.y_train).all()


@pytest.mark.parametrize("periods", [0.5, 1.0, 3.0])
def test_sine_without_noise(periods):
    data = sine(40, noise=0, periods=periods, dtype="float64")
    assert data.classes is None
    np.testing.assert_allclose(data.y_train, np.sin(np.pi * periods * data.x_train[:, 0]), atol=1e-12)
    assert np.abs(data.x_train).max() < 1


@pytest.mark.parametrize("name", TOYS)
def test_noise_has_its_deviation(name):
    exact, noisy = (TOYS[name](20_000, noise=noise, dtype="float64") for noise in (0, 0.3))
    part = "y_train" if name == "sine" else "x_train"
    difference = getattr(noisy, part) - getattr(exact, part)
    assert difference.std() == pytest.approx(0.3, rel=0.03)
    assert difference.mean() == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: moons(0), ValueError, "rows must be at least 1, got 0"),
        (lambda: xor(4.5), TypeError, "rows must be a whole number"),
        (lambda: sine(noise=-0.1), ValueError, "noise must be finite, at least 0, got -0.1"),
        (lambda: moons(noise="much"), TypeError, "noise must be a number, got 'much'"),
        (lambda: spirals(classes=1), ValueError, "classes must be at least 2, got 1"),
        (lambda: spirals(turns=float("nan")), ValueError, "turns must be finite"),
        (lambda: sine(periods=-1), ValueError, "periods must be finite, at least 0"),
        (lambda: xor(dtype="int8"), ValueError, "dtype must be 'float32' or 'float64'"),
        (lambda: moons(seed=-1), ValueError, "seed must be at least 0"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
