"""Made-up tables and results that the tests of the tabular benchmark share."""

import numpy as np
import pandas

from benchmarks import tabular_results
from benchmarks.tabular_sets import CLASSES, SETS, DataSet


def mixed(task=CLASSES, rows=120):
    """A table with numbers, categories, and missing values of both."""
    generator = np.random.default_rng(3)
    x, colour = generator.normal(size=rows), generator.integers(3, size=rows)
    y = 0.3 * x + colour  # mostly the colour's
    y = (y > 0.5).astype(np.int64) if task == CLASSES else y
    x[::7] = np.nan
    colours = pandas.Categorical.from_codes(np.where(np.arange(rows) % 11 == 0, -1, colour), ["red", "green", "blue"])
    frame = pandas.DataFrame({"colour": colours, "x": x, "z": generator.normal(size=rows)})
    return DataSet("concrete", task, frame, y, "made up", rows, 2 if task == CLASSES else 0)


TABLE = mixed().facts()


def answer(**changes):
    """What a cell's process answers."""
    return {
        "error": 0.25, "fit_seconds": 1.0, "fit_processor_seconds": 2.0, "predict_seconds": 0.1, "train_rows": 90,
        "test_rows": 30, "version": "1", "table": TABLE,
    } | changes  # fmt: skip


def results(factors=None, splits=3):
    """Results of all peers whose errors and seconds are those of a base times a factor."""
    factors = factors or {
        "sklearn-mlp": (1.4, 3), "hist-boosting": (1.0, 0.9), "lightgbm": (1, 0.3), "xgboost": (1.02, 0.4),
        "catboost": (0.93, 6), "realmlp": (0.94, 30), "hotloop-mlp": (1.4, 0.4), "hotloop-fast": (1.04, 1.2),
        "hotloop": (0.95, 5), "hotloop-realmlp": (0.96, 12), "hotloop-best": (0.88, 45),
    }  # fmt: skip
    found = {"format": 1, "about": tabular_results.machine(2, 1), "absent": {}, "cells": {}}
    for place, name in enumerate(SETS):
        for split in range(splits):
            base = 0.1 * (1 + place) * (1 + 0.1 * split)
            for peer, (error, seconds) in factors.items():
                found["cells"][f"{name}/{split}/{peer}"] = answer(
                    error=base * error, log_loss=base * error, fit_seconds=seconds * (1 + place), train_rows=500,
                    test_rows=1000, commit="abc",
                )  # fmt: skip
    return found
