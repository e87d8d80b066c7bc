"""Warnings that name the line which called hotloop."""

import contextlib
import sys
import warnings
from pathlib import Path

HERE = str(Path(__file__).parents[1])


def warn(message: str, category: type[Warning], beyond: tuple[str, ...] = ()) -> None:
    """Warn at the line that called hotloop, however deep within it this is called; or what lies in folders `beyond`."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith((HERE, contextlib.__file__, *beyond)):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
