"""How often checkpoints are written. This module needs neither NumPy nor the compiler."""

import re
from dataclasses import dataclass
from typing import Any

from hotloop.network.validation.printable import shown

DEFAULT = "30 s"
SECONDS = {
    "s": 1, "second": 1, "seconds": 1, "min": 60, "minute": 60, "minutes": 60, "h": 3600, "hour": 3600, "hours": 3600
}  # fmt: skip
COUNTED = {"step": "steps", "steps": "steps", "epoch": "epochs", "epochs": "epochs"}


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
        found = re.fullmatch(r"(\d+(?:\.\d+)?) *([a-z]+)", text.strip())
        number, unit = (float(found[1]), found[2]) if found else (0.0, "")
        if unit in SECONDS and number > 0:
            return cls(number * SECONDS[unit], "seconds")
        if unit in COUNTED and number >= 1 and number == int(number):
            return cls(int(number), COUNTED[unit])
        raise ValueError(
            f"every must be a number above 0 with s, min, h, steps or epochs, such as '30 s', '100 steps' or "
            f"'1 epoch', got {shown(text)}"
        )
