"""Weights of samples: C = sum w_i l_i / sum w_i over a batch. A row of weight 0 counts as if it were not there.

A row's share of C is w_i n / W times that of an unweighted mean over n rows, where n is the number of rows whose weight
is not 0 and W the sum of the weights: so weights of 1 give the same bits as none, and a row of weight 0 changes none
unless other rows of its batch go into another micro-batch without it. In its place the first row of the batch that has
a weight is gathered: an activation then sees nothing new, whose derivative might be infinite, and delta is still zero.
"""

from hotloop.kernels.gather import sample
from hotloop.kernels.jit import Array, inline
from hotloop.kernels.records import Samples


@inline
def batch_weight(samples: Samples, start: int, rows: int) -> tuple[int, float, int]:
    """Return n and W of the batch of `rows` rows that begins at row `start` of an epoch: summed in their order.

    The third is the first of its samples that has a weight, or -1.
    """
    count, total, substitute = 0, 0.0, -1
    for i in range(start, start + rows):
        index = sample(samples.order, i)
        weight = samples.weights[index]
        if weight > 0:
            substitute = index if count == 0 else substitute
            count += 1
            total += weight
    return count, total, substitute


@inline
def relative_weight(weights: Array, index: int, count: int, total: float) -> float:
    """Return w_i n / W, 1 without weights, and exactly 0 for a weight of 0."""
    if weights.size == 0:
        return 1.0
    weight = weights[index]
    return weight * count / total if weight > 0 else 0.0
