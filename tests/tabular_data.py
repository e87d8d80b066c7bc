"""Tables and recipes for the tests of the tabular estimators: small enough for plain Python."""

import numpy as np

from hotloop.network.estimators.tabular_recipe import Recipe

ROWS = 40


def tiny(**changes):
    """Return a recipe of a few steps."""
    return Recipe(**{"hidden_sizes": (6, 4), "epochs": 3, "batch_size": 16, **changes})


def mixed(rows=ROWS, seed=0):
    """Return a table of mixed columns as a dict, with missing values, and classes and values that depend on it."""
    rng = np.random.default_rng(seed)
    weight, colour = rng.normal(size=rows), rng.choice(["red", "green", "blue"], rows)
    is_new = rng.integers(0, 2, rows).astype(bool)
    value = weight + 2.0 * (colour == "red") - is_new
    table = {
        "weight": [None if row % 9 == 4 else float(number) for row, number in enumerate(weight)],
        "colour": [None if row % 7 == 3 else str(text) for row, text in enumerate(colour)],
        "is_new": is_new.tolist(),
        "size": rng.integers(1, 50, rows).tolist(),
    }
    return table, np.where(value > 0.5, "large", "small"), value
