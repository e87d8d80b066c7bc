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


def heading(module, value):
    """Return the heading under which a name stands: kernels stand under the file that has them."""
    if inspect.isclass(value):
        return "Exceptions and warnings" if issubclass(value, BaseException) else "Classes"
    file = inspect.unwrap(value).__module__.rpartition(".")[2]
    return file.replace("_", " ").capitalize() if module == "hotloop.kernels" else "Functions"


def page(module):
    """Return the page of a module: its docstring, and its names with their summaries."""
    lines = [module, "=" * len(module), "", f".. automodule:: {module}", "", ".. currentmodule:: hotloop", ""]
    groups: dict[str, list[str]] = {}
    for name in sorted(names(module), key=str.lower):
        groups.setdefault(heading(module, getattr(import_module(module), name)), []).append(name)
    for title, found in sorted(groups.items()):
        template = "class" if title in ("Classes", "Exceptions and warnings") else "function"
        lines += [title, "-" * len(title), "", ".. autosummary::", "   :toctree: ../names"]
        lines += [f"   :template: autosummary/{template}.rst", ""]
        lines += [f"   ~{home(module, name)}".replace("hotloop.", "") for name in found] + [""]
    return "\n".join(lines)


def write(folder: Path) -> None:
    """Write the pages that have changed into modules/ of a folder; drop those of names that are gone, and in names/."""
    wanted = {f"modules/{module}.rst": page(module) for module in [*MODULES, *RESULTS]}
    kept = {*wanted, *(f"names/{home(module, name)}.rst" for module in [*MODULES, *RESULTS] for name in names(module))}
    for file in folder.glob("*/*.rst"):
        if file.relative_to(folder).as_posix() not in kept:
            file.unlink()
    for name, text in wanted.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
