"""How much each column of a table matters to predictions: what the score loses when its values are shuffled."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from hotloop.kernels.jit import Array


class Importance(NamedTuple):
    """The mean loss of the score over the repeats, and its standard deviation."""

    mean: float
    std: float


def importances(
    inputs: Array, columns: Sequence[Any], score: Callable[[Array], float], n_repeats: int, random: Any
) -> dict[str, Importance]:
    """Return the importance of each column, the largest first.

    Each column is prepared by itself, so that shuffling its inputs is shuffling the column: the table is prepared once.

    Parameters
    ----------
    inputs : array (N, inputs)
        The prepared table.
    columns : sequence
        Records with `name` and `inputs`, the slice of the inputs that the column became.
    score : callable
        Of inputs.
    n_repeats : int
    random : RandomState
    """
    base, shuffled = score(inputs), inputs.copy()
    found = {}
    for column in columns:
        losses, own = np.zeros(n_repeats), column.inputs
        for repeat in range(n_repeats if column.n_inputs > 0 else 0):
            shuffled[:, own] = inputs[random.permutation(len(inputs)), own]
            losses[repeat] = base - score(shuffled)
        shuffled[:, own] = inputs[:, own]
        found[column.name] = Importance(float(losses.mean()), float(losses.std()))
    return dict(sorted(found.items(), key=lambda pair: -pair[1].mean))
