"""The names of a table's columns, checked, and as messages show them."""

from collections.abc import Collection, Sequence
from typing import Any


def column_label(names: Sequence[str] | None, index: int) -> str:
    """Return what messages call a column: its name, or its index where there are no names."""
    return f"column index {index}" if names is None else f"column {names[index]!r}"


def checked_names(names: Sequence[Any], only: Collection[str] | None = None, source: str = "X") -> tuple[str, ...]:
    """Return the names of columns as text, or raise a ValueError if two are the same, of those in `only`."""
    texts = tuple(map(str, names))
    seen: set[str] = set()
    for name in texts:
        if name in seen and (only is None or name in only):
            raise ValueError(f"{source} has two columns named {name!r}: rename one")
        seen.add(name)
    return texts
