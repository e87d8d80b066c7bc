"""The pages of the public names: one for each public module, written from its `__all__`, and one for each name."""

import inspect
from importlib import import_module
from pathlib import Path

import hotloop

MODULES = ["hotloop", *(f"hotloop.{name}" for name in hotloop._SUBMODULES if name != "network")]
# What public functions return, and has no public name of its own.
RESULTS = {
    "hotloop.network.profiling.profiler": ["Profile"],
    "hotloop.network.profiling.diagnosis.findings": ["Diagnosis", "FitDiagnosis", "Finding"],
}


def names(module):
    """Return the public names of a module."""
    return RESULTS.get(module) or [name for name in import_module(module).__all__ if not name.startswith("__")]


def home(module, name):
    """Return the name that has the page: that in `hotloop`, if it is there as well."""
    return f"hotloop.{name}" if name in hotloop.__all__ else f"{module}.{name}"


def kind(value):
    """Return the heading under which a name stands."""
    if not inspect.isclass(value):
        return "Functions"
    return "Exceptions and warnings" if issubclass(value, BaseException) else "Classes"


def page(module):
    """Return the page of a module: its docstring, and its names with their summaries."""
    lines = [module, "=" * len(module), "", f".. automodule:: {module}", "", ".. currentmodule:: hotloop", ""]
    values = {name: getattr(import_module(module), name) for name in names(module)}
    for heading in ("Classes", "Functions", "Exceptions and warnings"):
        found = [name for name in values if kind(values[name]) == heading]
        if found:
            template = "function" if heading == "Functions" else "class"
            lines += [heading, "-" * len(heading), "", ".. autosummary::", "   :toctree: ../names"]
            lines += [f"   :template: autosummary/{template}.rst", ""]
            lines += [f"   ~{home(module, name)}".replace("hotloop.", "") for name in found] + [""]
    return "\n".join(lines)


def write(folder: Path) -> None:
    """Write the pages into a folder, those that have changed."""
    folder.mkdir(parents=True, exist_ok=True)
    for module in [*MODULES, *RESULTS]:
        file = folder / f"{module}.rst"
        text = page(module)
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
