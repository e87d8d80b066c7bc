"""Random numbers by counter: a number depends on what it is for, never on what was drawn before it.

Dropout draws from (seed, step, row, unit), so that a run gives the same bits however its work is cut up, and the
backward pass makes the forward pass's mask again instead of storing it. Source: Salmon, Moraes, Dror and Shaw, Parallel
Random Numbers: As Easy as 1, 2, 3 (SC 2011), Philox4x32 with 10 rounds.
"""

from typing import TypeAlias

import numpy as np

from hotloop.kernels.jit import Array, inline, kernel
from hotloop.kernels.views import check_matrices, check_rows, row

Word: TypeAlias = np.uint64

# Words are 32 bits in a uint64: their product then fits, and nothing wraps around.
MULTIPLIER0, MULTIPLIER1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL0, WEYL1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
WORD, MASK = np.uint64(32), np.uint64(0xFFFFFFFF)
INVERSE_RANGE = 2.0**-32


@inline
def philox(
    c0: Word, c1: Word, c2: Word, c3: Word, k0: Word, k1: Word
) -> tuple[Word, Word, Word, Word]:  # fmt: skip
    """Return four random words from a counter of four words and a key of two, each a uint64 below 2**32."""
    for _ in range(10):
        p0, p1 = MULTIPLIER0 * c0, MULTIPLIER1 * c2
        c0, c1, c2, c3 = (p1 >> WORD) ^ c1 ^ k0, p1 & MASK, (p0 >> WORD) ^ c3 ^ k1, p0 & MASK
        k0, k1 = (k0 + WEYL0) & MASK, (k1 + WEYL1) & MASK
    return c0, c1, c2, c3


@inline
def word_of(unit: int, c1: Word, c2: Word, c3: Word, k0: Word, k1: Word) -> Word:
    """Return the word of one unit: that with the number unit % 4 in the draw of counter unit // 4."""
    return philox(np.uint64(unit >> 2), c1, c2, c3, k0, k1)[unit & 3]


@kernel
def dropout(seed: int, step: int, first_row: int, first_unit: int, rate: float, values: Array) -> None:
    """values := values * mask / (1 - rate), mask 0 with probability `rate`, else 1 (inverted dropout).

    Parameters
    ----------
    seed, step : int
        The key and the number of the update; the same two give the same mask.
    first_row, first_unit : int
        Numbers of values[0, 0]: the mask of a row and a unit does not depend on which part of the batch is passed.
    rate : float
        The share to drop, 0 <= rate < 1.
    values : array (B, units)
        Overwritten; rows contiguous.

    Notes
    -----
    Source: Srivastava et al., Dropout (JMLR 2014), section 10, inverted so that predicting needs no scaling.
    """
    check_matrices(values, values, values)
    check_rows(values)
    T = values.dtype.type
    scale, zero = T(1 / (1 - rate)), T(0)
    threshold = np.uint64(rate / INVERSE_RANGE)
    k0, k1 = np.uint64(seed) & MASK, np.uint64(seed) >> WORD
    c2, c3 = np.uint64(step) & MASK, np.uint64(step) >> WORD
    # Four units share a draw; those before the first and behind the last whole four are drawn one by one.
    lead = min(-first_unit % 4, values.shape[1])
    groups = (values.shape[1] - lead) // 4
    for b in range(values.shape[0]):
        values_b, c1 = row(values, b), np.uint64(first_row + b)
        for j in range(lead):
            values_b[j] *= scale if word_of(first_unit + j, c1, c2, c3, k0, k1) >= threshold else zero
        for g in range(groups):
            j = lead + 4 * g
            w0, w1, w2, w3 = philox(np.uint64((first_unit + j) >> 2), c1, c2, c3, k0, k1)
            values_b[j] *= scale if w0 >= threshold else zero
            values_b[j + 1] *= scale if w1 >= threshold else zero
            values_b[j + 2] *= scale if w2 >= threshold else zero
            values_b[j + 3] *= scale if w3 >= threshold else zero
        for j in range(lead + 4 * groups, values_b.size):
            values_b[j] *= scale if word_of(first_unit + j, c1, c2, c3, k0, k1) >= threshold else zero
