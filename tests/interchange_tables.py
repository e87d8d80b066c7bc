"""Tables with columns of every kind, for the tests of exports that take the preparation along."""

import numpy as np

EPOCH = np.datetime64("1970-01-01")


def table(n_rows, seed):
    """Return columns of every kind, with missing values, and texts that are numbers or stand for missing values."""
    rng = np.random.default_rng(seed)
    year = rng.normal(2000, 30, n_rows)
    year[rng.random(n_rows) < 0.1] = np.nan
    half = np.where(rng.random(n_rows) < 0.2, np.nan, 1.0)  # constant, but for what is missing
    return {
        "year": year,
        "colour": rng.choice(np.array(["red", "green", "dark blue", "NA", None, "42"], dtype=object), n_rows),
        "flag": rng.choice([True, False], n_rows),
        "zip": rng.choice([1.0, 2.0, 7.5, np.nan], n_rows),
        "day": EPOCH + rng.integers(0, 2000, n_rows).astype("m8[D]"),
        "two": rng.choice(["a", "b"], n_rows),
        "same": np.ones(n_rows),
        "half": half,
        "code": np.where(rng.random(n_rows) < 0.1, np.nan, rng.integers(0, 60, n_rows)),
        "count": rng.integers(0, 1000, n_rows),
        "rare": rng.choice([f"word {number}" for number in range(150)], n_rows),
    }


def new_rows():
    """Return rows that training had none of: unknown categories, missing values, numbers far away."""
    rows = table(60, 7)
    rows["colour"][:8] = ["nobody knows", "nan", "?", "", "N/A", "nUlL", "42", "42.0"]
    rows["zip"][:4] = [99, np.nan, 1, 7.5]
    rows["two"] = rows["two"].astype(object)
    rows["two"][:3] = ["c", "", None]
    rows["rare"] = rows["rare"].astype(object)
    rows["rare"][:4] = ["other", "", "word 3", "Word 3"]
    rows["year"][:4] = [1e300, -1e300, 2000.1, np.nan]
    rows["code"][:3] = [np.nan, 777, 3]
    rows["half"][:3] = [np.nan, 1, 5]
    return rows


CODES = ["zip", "code"]  # the columns of numbers that are categories
