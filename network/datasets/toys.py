"""Toy data of two inputs, or one, that can be looked at: moons, spirals, xor and a sine."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hotloop.network.datasets.dataset import Dataset
from hotloop.network.validation import arguments

Array: TypeAlias = npt.NDArray[Any]

TEST_SHARE = 5  # training rows for each test row, where there are many
LEAST_TEST = 200  # test rows, so that an accuracy means something however few the training rows


def moons(rows: int = 200, *, noise: float = 0.2, dtype: Any = "float32", seed: int = 0) -> Dataset:
    """Return two half circles that reach into each other, each a class.

    With t even from 0 to pi, class 0 lies at (cos t, sin t) and class 1 at (1 - cos t, 1/2 - sin t): as scikit-learn's
    ``make_moons``, but a `Dataset` with a test set.

    Parameters
    ----------
    rows : int, default 200
        Training rows, half of them of each class. The test set has a fifth as many, and at least 200.
    noise : float, default 0.2
        Standard deviation of what is added to each coordinate.
    dtype : {"float32", "float64"}
    seed : int, default 0
        Of the noise and the order of the rows.

    Returns
    -------
    Dataset
        Inputs (rows, 2), not scaled; classes 0 and 1.

    Examples
    --------
    >>> from hotloop.datasets import moons
    >>> data = moons(100, noise=0.1)
    >>> data.x_train.shape, data.x_test.shape, data.classes
    ((100, 2), (200, 2), ('0', '1'))
    """

    def curve(label: int, places: Array) -> Array:
        t = np.pi * places
        return np.column_stack([np.cos(t), np.sin(t)] if label == 0 else [1 - np.cos(t), 0.5 - np.sin(t)])

    return _of_curves("moons", curve, 2, rows, noise, dtype, seed, "which of two half circles")


def spirals(
    rows: int = 300, *, classes: int = 3, turns: float = 0.75, noise: float = 0.05, dtype: Any = "float32",
    seed: int = 0,
) -> Dataset:  # fmt: skip
    """Return spirals that wind around each other, each a class: hard for few units, impossible for none.

    With r even from 0.1 to 1, class k of K lies at r (cos t, sin t), t = 2 pi (turns r + k / K).

    Parameters
    ----------
    rows : int, default 300
        Training rows, of each class equally many or one more. The test set has a fifth as many, and at least 200.
    classes : int, default 3
        K, at least 2.
    turns : float, default 0.75
        How often an arm goes round, were it to begin in the middle.
    noise : float, default 0.05
        Standard deviation of what is added to each coordinate.
    dtype : {"float32", "float64"}
    seed : int, default 0
        Of the noise and the order of the rows.

    Returns
    -------
    Dataset
        Inputs (rows, 2), not scaled.

    Examples
    --------
    >>> from hotloop.datasets import spirals
    >>> data = spirals(300, classes=2)
    >>> data.x_train.shape, sorted(set(data.y_train.tolist()))
    ((300, 2), [0, 1])
    """
    classes = arguments.whole_number("classes", classes, 2)
    turns = arguments.real_number("turns", turns)

    def curve(label: int, places: Array) -> Array:
        r = 0.1 + 0.9 * places
        t = 2 * np.pi * (turns * r + label / classes)
        return np.column_stack([r * np.cos(t), r * np.sin(t)])

    return _of_curves("spirals", curve, classes, rows, noise, dtype, seed, "which arm")


def xor(rows: int = 200, *, noise: float = 0.1, dtype: Any = "float32", seed: int = 0) -> Dataset:
    """Return points around the corners of a square, of class 1 where the two signs differ: no line parts the classes.

    The corners are (-1, -1), (1, 1) of class 0 and (-1, 1), (1, -1) of class 1.

    Parameters
    ----------
    rows : int, default 200
        Training rows, of each corner equally many or one more. The test set has a fifth as many, and at least 200.
    noise : float, default 0.1
        Standard deviation of what is added to each coordinate; 0 gives the corners themselves.
    dtype : {"float32", "float64"}
    seed : int, default 0
        Of the noise and the order of the rows.

    Returns
    -------
    Dataset
        Inputs (rows, 2), not scaled; classes 0 and 1, by the corner and not by the place after the noise.

    Examples
    --------
    >>> from hotloop.datasets import xor
    >>> data = xor(4, noise=0)
    >>> sorted((*x, int(y)) for x, y in zip(data.x_train.tolist(), data.y_train))
    [(-1.0, -1.0, 0), (-1.0, 1.0, 1), (1.0, -1.0, 1), (1.0, 1.0, 0)]
    """
    corners = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, 1.0], [1.0, -1.0]])
    counts, noise, dtype, rng = _checked(rows, noise, dtype, seed)
    parts = []
    for count in counts:
        corner = rng.permutation(np.arange(count) % 4)
        parts.append((_noisy(corners[corner], noise, rng, dtype), corner % 2))
    return _dataset("xor", parts, ("0", "1"), "whether the two signs differ")


def sine(
    rows: int = 100, *, noise: float = 0.1, periods: float = 1.0, dtype: Any = "float32", seed: int = 0
) -> Dataset:
    """Return a noisy sine to fit a curve to: y = sin(pi periods x) + noise, x uniform between -1 and 1.

    Parameters
    ----------
    rows : int, default 100
        Training rows. The test set has a fifth as many, and at least 200; it has noise too.
    noise : float, default 0.1
        Standard deviation of what is added to y. No network has a lower mean squared error than its square, but by
        learning the noise by heart.
    periods : float, default 1
        How many there are between -1 and 1.
    dtype : {"float32", "float64"}
    seed : int, default 0
        Of x and the noise.

    Returns
    -------
    Dataset
        Inputs (rows, 1), not scaled, and values (rows,).

    Examples
    --------
    >>> from hotloop.datasets import sine
    >>> data = sine(50, noise=0)
    >>> data.x_train.shape, bool(abs(data.y_train).max() <= 1)
    ((50, 1), True)
    """
    periods = arguments.real_number("periods", periods)
    counts, noise, dtype, rng = _checked(rows, noise, dtype, seed)
    parts = []
    for count in counts:
        x = rng.uniform(-1, 1, (count, 1))
        parts.append((x.astype(dtype), _noisy(np.sin(np.pi * periods * x[:, 0]), noise, rng, dtype)))
    return _dataset("sine", parts, None, "the height of a sine")


def _of_curves(
    name: str, curve: Any, classes: int, rows: Any, noise: Any, dtype: Any, seed: Any, target: str
) -> Dataset:
    """Return noisy points of a curve for each class; `curve` takes a class and places from 0 to 1 on it."""
    counts, noise, dtype, rng = _checked(rows, noise, dtype, seed)
    parts = []
    for count in counts:
        labels = np.arange(count) % classes
        x = np.empty((count, 2))
        for label in range(classes):
            x[labels == label] = curve(label, np.linspace(0, 1, np.count_nonzero(labels == label)))
        order = rng.permutation(count)
        parts.append((_noisy(x[order], noise, rng, dtype), labels[order]))
    return _dataset(name, parts, tuple(map(str, range(classes))), target)


def _checked(rows: Any, noise: Any, dtype: Any, seed: Any) -> tuple[tuple[int, int], float, Any, np.random.Generator]:
    """Return how many rows to train and to test on, the other arguments, and what draws."""
    rows = arguments.whole_number("rows", rows, 1)
    noise, dtype = arguments.real_number("noise", noise), arguments.floating_dtype(dtype)
    rng = np.random.default_rng(arguments.whole_number("seed", seed, 0))
    return (rows, max(LEAST_TEST, rows // TEST_SHARE)), noise, dtype, rng


def _noisy(values: Array, noise: float, rng: np.random.Generator, dtype: Any) -> Array:
    noisy: Array = (values + noise * rng.standard_normal(values.shape)).astype(dtype)
    return noisy


def _dataset(name: str, parts: list[tuple[Array, Array]], classes: tuple[str, ...] | None, target: str) -> Dataset:
    (x_train, y_train), (x_test, y_test) = parts
    return Dataset(name, x_train, y_train, x_test, y_test, classes, target=target)
