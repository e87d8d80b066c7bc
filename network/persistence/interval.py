"""How often checkpoints are written. This module needs neither NumPy nor the compiler."""

from dataclasses import dataclass
from typing import Any

from hotloop.network.validation.durations import parsed
from hotloop.network.validation.printable import shown

DEFAULT = "30 s"


@dataclass(frozen=True)
class Interval:
    """How often a checkpoint is written: after so many seconds, steps or epochs."""

    number: float
    unit: str  # seconds, steps or epochs

    @classmethod
    def of(cls, text: Any) -> "Interval":
        """Return what a text such as "30 s", "100 steps" or "1 epoch" says."""
        if not isinstance(text, str):
            raise TypeError(f"every must be a text such as '30 s', '100 steps' or '1 epoch', got {shown(text)}")
        number, unit = parsed(text) or (0.0, "")
        if unit == "seconds" or (number.is_integer() and number > 0):
            return cls(number, unit)
        raise ValueError(
            f"every must be a number above 0 with s, min, h, steps or epochs, such as '30 s', '100 steps' or "
            f"'1 epoch', got {shown(text)}"
        )
