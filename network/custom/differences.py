"""What differences of a function say about a derivative that was written by hand."""

import numpy as np

from hotloop.kernels.jit import Array

STEP = 6e-6  # relative to numbers above 1: about the cube root of float64's epsilon
TOLERANCE = 1e-5  # relative: a constant may be written with six digits
MOST_NAMED = 3


def steps_at(points: Array) -> Array:
    """Return the step of the differences at each point."""
    return STEP * np.maximum(1, np.abs(points))


def compare(values: Array, slopes: Array, steps: Array) -> tuple[Array, Array, Array]:
    """Compare slopes with finite differences of five values, at x - 2h, x - h, x, x + h and x + 2h.

    Parameters
    ----------
    values : array (5, n)
    slopes : array (n,)
    steps : array (n,)
        h of each point.

    Returns
    -------
    (differences, wrong, counted)
        The central differences, and of each point whether the slope is wrong, and whether it was counted: all five
        values are finite. At a kink any slope is right that is neither below nor above both one-sided differences. A
        slope may be off by the tolerance, by the rounding of the values, and by what tells two steps apart.
    """
    counted = np.asarray(np.isfinite(values).all(axis=0))
    with np.errstate(all="ignore"):
        far_left, left, here, right, far_right = values
        near, far = (right - left) / (2 * steps), (far_right - far_left) / (4 * steps)
        central = (4 * near - far) / 3
        sides = (3 * here - 4 * left + far_left) / (2 * steps), (4 * right - 3 * here - far_right) / (2 * steps)
        lowest, highest = np.minimum(central, np.minimum(*sides)), np.maximum(central, np.maximum(*sides))
        rounding = 10 * np.finfo(np.float64).eps * np.abs(values).max(axis=0) / steps
        allowed = TOLERANCE * np.maximum(np.abs(slopes), np.abs(central)) + rounding + np.abs(near - far)
        right_one = (slopes >= lowest - allowed) & (slopes <= highest + allowed)
    return central, counted & ~right_one, counted


def worst(differences: Array, slopes: Array, wrong: Array) -> Array:
    """Return the indices of the three largest relative errors, or of fewer."""
    size = np.maximum(np.abs(differences), np.abs(slopes))
    error = np.where(wrong, np.abs(slopes - differences) / np.where(size > 0, size, 1), -1)
    error[wrong & ~np.isfinite(slopes)] = np.inf
    return np.argsort(-error.round(6), kind="stable")[: min(MOST_NAMED, int(wrong.sum()))]
