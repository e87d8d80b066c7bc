"""Paths that users pass: of what type, and whether files can be made there."""

import os
from typing import Any

from hotloop.network.validation.printable import shown


def text_path(argument: str, path: Any, example: str) -> str:
    """Return a path as text, or raise a TypeError with an example."""
    text = path if isinstance(path, str) else getattr(path, "__fspath__", lambda: None)()
    if not isinstance(text, str) or not text:
        raise TypeError(f"{argument} must be a path such as {example!r}, got {shown(path)}")
    return text


def check_folder(folder: str) -> None:
    """Raise an OSError unless files can be made in a folder."""
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"the folder {folder} does not exist")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"the folder {folder} cannot be written to")
