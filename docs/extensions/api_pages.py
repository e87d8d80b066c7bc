"""The pages of the public names: one for each public module, written from its `__all__`, and one for each name."""

import inspect
from importlib import import_module
from pathlib import Path

import hotloop

MODULES = ["hotloop", *(f"hotloop.{name}" for name in hotloop._SUBMODULES if name != "network")]
# Classes of what functions and methods return, which have no public name.
RETURNED = [
    "hotloop.network.gradient_check.GradientCheck",
    "hotloop.network.profiling.diagnosis.findings.Diagnosis",
    "hotloop.network.profiling.diagnosis.findings.Finding",
    "hotloop.network.profiling.diagnosis.findings.FitDiagnosis",
    "hotloop.network.profiling.profiler.Profile",
    "hotloop.network.training.learning_rate_sweep.LearningRateSweep",
    "hotloop.network.training.trace.LayerTrace",
    "hotloop.network.training.trace.Trace",
]
CLASSES, EXCEPTIONS = "Classes", "Exceptions and warnings"


def full_names(module: str) -> list[str]:
    """Return the public names of a module, each as its page has it: in `hotloop`, if it is there as well."""
    found = [name for name in import_module(module).__all__ if not name.startswith("__")]
    return [
        f"hotloop.{name}" if name in hotloop.__all__ else f"{module}.{name}" for name in sorted(found, key=str.lower)
    ]


def heading(name: str) -> str:
    """Return the heading under which a name stands: kernels stand under the file that has them."""
    module, _, last = name.rpartition(".")
    value = getattr(import_module(module), last)
    if inspect.isclass(value):
        return EXCEPTIONS if issubclass(value, BaseException) else CLASSES
    file = inspect.unwrap(value).__module__.rpartition(".")[2]
    return file.replace("_", " ").capitalize() if module == "hotloop.kernels" else "Functions"


def page(title: str, text: str, names: list[str]) -> str:
    """Return a page that begins with a text and lists names with their summaries."""
    lines = [title, "=" * len(title), "", text, "", ".. currentmodule:: hotloop", ""]
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(heading(name), []).append(name)
    for group, found in sorted(groups.items()):
        template = "class" if group in (CLASSES, EXCEPTIONS) else "function"
        lines += [group, "-" * len(group), "", ".. autosummary::", "   :toctree: ../names"]
        lines += [f"   :template: autosummary/{template}.rst", ""]
        lines += [f"   ~{name.removeprefix('hotloop.')}" for name in found] + [""]
    return "\n".join(lines)


def write(folder: Path) -> None:
    """Write the pages that have changed into modules/ of a folder; drop those of names that are gone, and in names/."""
    names = {module: full_names(module) for module in MODULES}
    pages = {module: page(module, f".. automodule:: {module}", names[module]) for module in MODULES}
    pages["returned"] = page("What methods return", "Objects that you are handed, and need not make.", RETURNED)
    kept = {
        *(f"modules/{name}.rst" for name in pages),
        *(f"names/{name}.rst" for name in sum(names.values(), RETURNED)),
    }
    for file in folder.glob("*/*.rst"):
        if file.relative_to(folder).as_posix() not in kept:
            file.unlink()
    for name, text in pages.items():
        file = folder / "modules" / f"{name}.rst"
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
