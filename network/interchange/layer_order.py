"""Whether layers fit each other in another order, too."""

from collections.abc import Sequence
from itertools import combinations


def another_order_fits(shapes: Sequence[tuple[int, int]]) -> bool:
    """Return whether layers (fan_in, fan_out) that follow each other would do so in another order.

    Then two parts of the chain can change places, or it is a circle, which may begin elsewhere.
    """
    widths = [shapes[0][0], *(fan_out for _, fan_out in shapes)] if shapes else []
    if len(shapes) > 1 and widths[0] == widths[-1]:
        return True
    pairs = [(i, j) for i, j in combinations(range(len(widths)), 2) if widths[i] == widths[j]]
    return any(i < k <= j < m for (i, j) in pairs for (k, m) in pairs)
