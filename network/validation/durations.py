"""Durations that users write as a text: a number and a unit. This module needs neither NumPy nor the compiler."""

import re

WRITTEN = re.compile(r"\s*(\d+(?:\.\d*)?)\s*([a-z]+)\s*")
SECONDS = {
    "s": 1, "second": 1, "seconds": 1, "min": 60, "minute": 60, "minutes": 60, "h": 3600, "hour": 3600, "hours": 3600
}  # fmt: skip
COUNTED = {"step": "steps", "steps": "steps", "epoch": "epochs", "epochs": "epochs"}


def parsed(text: str) -> tuple[float, str] | None:
    """Return a number above 0, and "seconds", "steps" or "epochs"; None unless the text says a duration.

    >>> parsed("1.5 min"), parsed("1 epoch"), parsed("3 days")
    ((90.0, 'seconds'), (1.0, 'epochs'), None)
    """
    found = WRITTEN.fullmatch(text)
    if found is None or float(found[1]) == 0:
        return None
    number, unit = float(found[1]), found[2]
    if unit in SECONDS:
        return number * SECONDS[unit], "seconds"
    return (number, COUNTED[unit]) if unit in COUNTED else None
