"""The robust scaling and smooth clipping of inputs.

x <- s (x - median), s = 1 / (q75 - q25); where the quartiles are equal, s = 2 / (max - min); where these are equal too,
s = 0. Then x / sqrt(1 + (x / 3)^2), which is within -3 and 3. Source: Holzmueller, Grinsztajn and Steinwart (2024),
arXiv 2407.04491, section 3.
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

LIMIT = 3.0  # of the smooth clip
BEYOND = 1e9  # from here on the clip gives the limit to the last bit; its square is finite
LARGEST_SCALE = 1e300  # of numbers whose spread is denormal


def robust(values: Array) -> tuple[float, float]:
    """Return median and scale of finite float64 values (rows,), at least one."""
    low, median, high = np.quantile(values / 2, (0.25, 0.5, 0.75))  # of halves: a difference stays finite
    return 2 * float(median), _scale(low, high, values.min() / 2, values.max() / 2)


def robust_of_counts(values: Array, counts: Array) -> tuple[float, float]:
    """Return `robust` of ascending values that occur so many times each."""
    present = counts > 0
    values, ends = values[present], np.cumsum(counts[present])

    def quantile(share: float) -> float:
        place = share * (ends[-1] - 1)
        before, after = np.searchsorted(ends, [np.floor(place), np.ceil(place)], side="right")
        return float(values[before] + (place - np.floor(place)) * (values[after] - values[before]))

    return quantile(0.5), _scale(quantile(0.25) / 2, quantile(0.75) / 2, values[0] / 2, values[-1] / 2)


def _scale(low: float, high: float, least: float, most: float) -> float:
    """Return the scale for the halves of the quartiles, and of the extremes."""
    with np.errstate(over="ignore", divide="ignore"):
        if high != low:
            return float(min(np.float64(0.5) / (high - low), LARGEST_SCALE))
        return float(min(np.float64(1.0) / (most - least), LARGEST_SCALE)) if most != least else 0.0


def scaled(values: Array, offset: Any, scale: Any) -> Array:
    """Return float64 values, scaled and clipped, NaN where they are NaN."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        out: Array = values - offset
        out *= scale
        np.clip(out, -BEYOND, BEYOND, out=out)
        below = out / LIMIT
        below *= below
        below += 1.0
        np.sqrt(below, out=below)
        out /= below
    return out


def bin_edges(values: Array, parts: int) -> Array:
    """Return the edges, ascending, of bins of finite float64 values (rows,): those of their quantiles that differ.

    Source: Gorishniy, Rubachev and Babenko (2022), On embeddings for numerical features in tabular deep learning,
    arXiv 2203.05556, section 3.2.
    """
    edges: Array = np.unique(2 * np.quantile(values / 2, np.linspace(0, 1, parts + 1)))
    return edges


def inverse(widths: Array) -> Array:
    """Return 1 / widths, at most the largest scale."""
    with np.errstate(over="ignore", divide="ignore"):
        inverses: Array = np.minimum(1 / widths, LARGEST_SCALE)
    return inverses


def in_bin(values: Array, offset: float, scale: float) -> Array:
    """Return 2 e - 1 with e = (values - offset) scale, cut off at 0 and 1: how much of a bin lies below each value."""
    with np.errstate(over="ignore", under="ignore"):
        share: Array = (values - offset) * scale
    np.clip(share, 0.0, 1.0, out=share)
    share *= 2.0
    share -= 1.0
    return share
