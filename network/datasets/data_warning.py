"""The warning that data can be read in two ways, which says which was taken."""

import contextlib
import sys
import warnings
from pathlib import Path

HERE = str(Path(__file__).parents[1])


class DataWarning(UserWarning):
    """Data could be read in two ways; the text says which was taken, and what decides otherwise."""


def note(message: str) -> None:
    """Warn with a `DataWarning` at the line that called hotloop; the command line prints "hotloop: note: ..."."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith((HERE, contextlib.__file__)):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, DataWarning, stacklevel=level)
