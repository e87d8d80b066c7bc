"""Other programs' packages, imported when they are used."""

import importlib
from typing import Any


def library(module: str, extra: str, name: str) -> Any:
    """Return a module of another package.

    Parameters
    ----------
    module : str
        ``onnx.helper``.
    extra : str
        hotloop's extra that installs it: "onnx".
    name : str
        What it is called: "ONNX".

    Raises
    ------
    ModuleNotFoundError
        If it is not installed; it says what to install.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != package:
            raise
        raise ModuleNotFoundError(f"{name} is not installed: pip install 'hotloop[{extra}]'", name=package) from None
