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


def check_file(path: str) -> None:
    """Raise an OSError unless a file can be written under a path; nothing is changed."""
    if os.path.isdir(path):
        raise IsADirectoryError(f"{path} is a folder, where a file is to be written")
    if not os.path.exists(path):
        check_folder(os.path.dirname(path) or ".")
    elif not os.access(path, os.W_OK):
        raise PermissionError(f"{path} cannot be written to")


def check_folder(folder: str) -> None:
    """Raise an OSError unless files can be made in a folder."""
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"the folder {folder} does not exist")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"the folder {folder} cannot be written to")
