"""Rows of the training data that are held out for validation."""

from collections.abc import Iterable
from typing import Any

from hotloop.kernels.jit import Array
from hotloop.network.datasets.split import split_rows
from hotloop.network.losses import Loss
from hotloop.network.validation import arguments
from hotloop.network.validation.printable import shown
from hotloop.network.validation.targets import classes_of


def split_of(validation_split: Any, validation_data: Any) -> float:
    """Return the share of the rows to hold out, checked; 0 for none."""
    fraction = arguments.real_number("validation_split", validation_split, 0, 1)
    if fraction > 0 and validation_data is not None:
        raise ValueError(
            "validation_split holds rows out of X as validation data: give it or validation_data, not both"
        )
    return fraction


def validation_pair(validation_data: Any) -> tuple[Any, ...] | list[Any]:
    """Return the argument `validation_data`, if it is one pair (X, y), or (X, y, sample_weight)."""
    wanted = "validation_data must be a pair (X, y), or (X, y, sample_weight)"
    if not isinstance(validation_data, (tuple, list)):
        in_parts = isinstance(validation_data, Iterable) and not hasattr(validation_data, "shape")
        joined = ": join its batches, or pass one" if in_parts else ""
        raise TypeError(f"{wanted}, got {shown(validation_data)}{joined}")
    first = validation_data[0] if validation_data else None
    if isinstance(first, (tuple, list)) and len(first) in (2, 3) and len(getattr(first[0], "shape", ())) > 0:
        raise TypeError(f"{wanted}, got {len(validation_data)} batches: join them, or pass one")
    if len(validation_data) not in (2, 3):
        raise TypeError(f"{wanted}, got {len(validation_data)} values")
    return validation_data


def rows_held_out(fraction: float, seed: int, loss: Loss, targets: Array, labels: Array) -> tuple[Array, Array]:
    """Return the rows to train on and those held out, each ascending: the same for the same seed.

    Of each class the same share, rounded, is held out, and at least one row if it has two; see `classes_of`.

    Parameters
    ----------
    fraction : float
        Above 0 and below 1: the share held out.
    seed : int
    loss : Loss
        Which says whether the targets are classes.
    targets, labels : array (rows, outputs), array (rows,)
        One of them is empty.

    Raises
    ------
    ValueError
        If there are too few rows.
    """
    try:
        return split_rows(len(targets) or len(labels), fraction, seed, classes_of(targets, labels, loss))
    except ValueError as error:
        raise ValueError(f"validation_split={fraction:g} holds out no row: {error}") from None
