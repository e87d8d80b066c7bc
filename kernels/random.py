"""Counter-based random numbers: each depends on its place, not on what was drawn before.

Dropout draws by (seed, step, row, unit). So a run gives the same bits however its work is divided, and the backward
pass draws the forward pass's mask again instead of storing it. Source: Salmon, Moraes, Dror and Shaw, Parallel
Random Numbers: As Easy as 1, 2, 3 (SC 2011), Philox4x32 with 10 rounds.
"""

from typing import TypeAlias

import numpy as np

from hotloop.kernels.jit import Array, inline, inlined, kernel
from hotloop.kernels.views import check_matrices, check_rows, row, segment, stack_array

Counter: TypeAlias = tuple[np.uint64, np.uint64, np.uint64, np.uint64]
Key: TypeAlias = tuple[np.uint64, np.uint64]

# Words are 32 bits in a uint64, which their product fits into.
MULTIPLIER0, MULTIPLIER1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL0, WEYL1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
WORD, MASK = np.uint64(32), np.uint64(0xFFFFFFFF)
INVERSE_RANGE = 2.0**-32
# A block is 32 adjacent units: eight draws of four words, all first words before all second ones.
DRAWS, BLOCK, UNITS = 8, 32, 256  # UNITS are applied at a time


@inline
def philox_round(c: Counter, key: Key) -> tuple[Counter, Key]:
    """Return the counter after a round, and the key of the next."""
    p0, p1 = MULTIPLIER0 * c[0], MULTIPLIER1 * c[2]
    mixed = (p1 >> WORD) ^ c[1] ^ key[0], p1 & MASK, (p0 >> WORD) ^ c[3] ^ key[1], p0 & MASK
    return mixed, ((key[0] + WEYL0) & MASK, (key[1] + WEYL1) & MASK)


@inlined
def philox(counter: Counter, key: Key) -> Counter:
    """Return four random words from a counter of four words and a key of two, each a uint64 below 2**32."""
    c, k = philox_round(counter, key)  # ten rounds, written out: an inner loop would not vectorise
    c, k = philox_round(c, k)
    c, k = philox_round(c, k)
    c, k = philox_round(c, k)
    c, k = philox_round(c, k)
    c, k = philox_round(c, k)
    c, k = philox_round(c, k)
    c, k = philox_round(c, k)
    c, k = philox_round(c, k)
    c, k = philox_round(c, k)
    return c


@kernel
def dropout(seed: int, step: int, first_row: int, first_unit: int, rate: float, values: Array) -> None:
    """values = values * mask / (1 - rate), mask 0 with probability `rate`, else 1 (inverted dropout).

    Parameters
    ----------
    seed, step : int
        The key and the number of the update; the same two give the same mask.
    first_row, first_unit : int
        Of values[0, 0]: the mask of a row and unit is the same whichever part of the batch is passed.
    rate : float
        The fraction to drop, 0 <= rate < 1, in steps of 2**-32.
    values : array (B, units)
        Overwritten; rows contiguous.

    Notes
    -----
    Source: Srivastava et al., Dropout (JMLR 2014), section 10, inverted so that predicting needs no scaling. Unit u
    has the word (u % 32) // 8 of the draw with the counter (u // 32 * 8 + u % 8, row, step), step in two words.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop.kernels import dropout
    >>> values = np.ones((100, 100), np.float32)
    >>> dropout(0, 1, 0, 0, 0.25, values)
    >>> print(np.unique(values).round(2))
    [0.   1.33]
    >>> print(np.mean(values == 0).round(1))
    0.2
    """
    check_matrices(values, values, values)
    check_rows(values)
    T = values.dtype.type
    scale, zero = T(1 / (1 - rate)), T(0)
    threshold = np.uint64(rate / INVERSE_RANGE)
    key = np.uint64(seed) & MASK, np.uint64(seed) >> WORD
    c2, c3 = np.uint64(step) & MASK, np.uint64(step) >> WORD
    factors = stack_array(values, UNITS)
    last = first_unit + values.shape[1]
    for b in range(values.shape[0]):
        values_b, c1 = row(values, b), np.uint64(first_row + b)
        for start in range(first_unit - first_unit % BLOCK, last, UNITS):
            stop = min(start + UNITS, last)
            for block in range(start // BLOCK, (stop + BLOCK - 1) // BLOCK):
                f = segment(factors, block * BLOCK - start, BLOCK)
                for d in range(DRAWS):
                    w0, w1, w2, w3 = philox((np.uint64(block * DRAWS + d), c1, c2, c3), key)
                    f[d] = scale if w0 >= threshold else zero
                    f[DRAWS + d] = scale if w1 >= threshold else zero
                    f[2 * DRAWS + d] = scale if w2 >= threshold else zero
                    f[3 * DRAWS + d] = scale if w3 >= threshold else zero
            begin = max(start, first_unit)
            inside = segment(values_b, begin - first_unit, stop - begin)
            factors_inside = segment(factors, begin - start, stop - begin)
            for j in range(inside.size):
                inside[j] *= factors_inside[j]
