"""Splitting rows at random: those kept for training, and those held out."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hotloop.network.validation import arguments

Array: TypeAlias = npt.NDArray[Any]


def split_rows(n_rows: int, fraction: float, seed: int, labels: Array | None = None) -> tuple[Array, Array]:
    """Return the rows that stay and the rows held out, each in ascending order, chosen at random.

    Parameters
    ----------
    n_rows : int
        Number of rows to split.
    fraction : float
        Share held out, between 0 and 1; at least one row, never all.
    seed : int
        Seed of the shuffle.
    labels : array (n_rows,), optional
        Class numbers. Each class then gives the same share, rounded, and a class of two rows or more is on both sides:
        with many small classes, more than the share is held out.

    Returns
    -------
    stay, held_out : array of int64

    Examples
    --------
    >>> from hotloop.datasets import split_rows
    >>> stay, held_out = split_rows(10, 0.2, seed=0)
    >>> len(stay), len(held_out)
    (8, 2)
    """
    fraction = arguments.real_number("test_fraction", fraction, 0, 1, open=True)
    seed = arguments.whole_number("seed", seed, 0)
    if arguments.whole_number("n_rows", n_rows, 0) < 2:
        raise ValueError(f"{n_rows} row cannot be split: give two or more")
    rng = np.random.default_rng(seed)
    wanted = min(max(round(n_rows * fraction), 1), n_rows - 1)
    if labels is None:
        held = rng.permutation(n_rows)[:wanted]
    else:
        counts = np.bincount(labels)
        most = np.maximum(counts - 1, 0)
        take = np.clip((counts * fraction).astype(np.int64), np.minimum(most, 1), most)
        for label in np.argsort(take - counts * fraction, kind="stable"):
            take[label] += min(max(wanted - int(take.sum()), 0), 1, int(most[label] - take[label]))
        of_class = [rng.permutation(np.flatnonzero(labels == label)) for label in range(len(counts))]
        held = np.concatenate([rows[:n] for rows, n in zip(of_class, take, strict=True)])
        if len(held) == 0:
            raise ValueError(f"no class has two of the {n_rows} rows, so none can be held out")
    kept = np.ones(n_rows, dtype=np.bool_)
    kept[held] = False
    return np.flatnonzero(kept), np.flatnonzero(~kept)
