"""Categories as keys that a file can hold, their order, and which of them are kept."""

import math
import re
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from hotloop.network.tables.column import BOOLEAN, NUMBER, TEXT

Key: TypeAlias = tuple[str, str]  # what kind of value it is, and the value as text

SPELT_AS_CODE = re.compile(r"\s*[+-]?0\d")  # as 007 is: a code, not a number


def key_of(value: Any) -> Key:
    """Return the key of a category: the same for 1 and 1.0, another one for True and for "1"."""
    if isinstance(value, str):
        return TEXT, str.__str__(value)  # of an enumeration's member too, which `str` would show by its name
    if isinstance(value, (bool, np.bool_)):
        return BOOLEAN, str(bool(value))
    if isinstance(value, (int, np.integer)):
        return NUMBER, str(int(value))
    if isinstance(value, (float, np.floating)):
        return NUMBER, _plain(float(value))
    return type(value).__name__, str(value)


def _plain(value: float) -> str:
    return str(int(value)) if math.isfinite(value) and value == int(value) else repr(value)


def texts_of(key: Key) -> tuple[str, ...]:
    """Return the texts under which a category is found if no key is equal, the surest first."""
    kind, text = key
    if kind == BOOLEAN:
        return text, text.lower(), str(int(text == "True"))
    value = number_in(text) if kind == TEXT else None
    return (text,) if value is None else (text, _plain(value))


def order_of(key: Key) -> tuple[str, float, str]:
    """Return what categories are sorted by: kind, then value."""
    kind, text = key
    return kind, float(text) if kind == NUMBER else 0.0, text


def number_in(text: str) -> float | None:
    """Return the number that a text is, None if it is none; 1_000 and 007 are not taken for numbers."""
    if "_" in text or SPELT_AS_CODE.match(text):
        return None
    try:
        return float(text)
    except ValueError:
        return None


def value_in(value: Any) -> float | None:
    """Return the number that a category is or that its text spells, None if it is none."""
    if isinstance(value, str):
        return number_in(value)
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def most_frequent(counts: Sequence[int], limit: int) -> list[int]:
    """Return the places of the `limit` - 1 largest counts above 1, in ascending order; of equal counts the first."""
    by_count = sorted(range(len(counts)), key=lambda place: -counts[place])[: limit - 1]
    return sorted(place for place in by_count if counts[place] > 1)
