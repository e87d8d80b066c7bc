"""Who imports whom in kernels/ and network/, read from the sources, and which imports are forbidden."""

import ast
from collections.abc import Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter

# From top to bottom: a module imports only from a lower row or its own, and never in a circle. What ends in a slash is
# a folder. docs/architecture.md draws the same rows.
ORDER = (
    ("hotloop/",),  # the front door, and its short ways in
    ("network/__init__.py",),
    ("network/cli/",),
    ("network/interchange/",),
    ("network/estimators/",),
    ("network/warmup.py",),
    ("network/profiling/",),
    ("network/prepared_network.py",),
    ("network/network.py",),
    ("network/trainable.py", "network/parameter_views.py", "network/gradient_check.py"),
    ("network/persistence/",),
    ("network/training/",),
    ("network/tables/",),
    ("network/datasets/",),
    ("network/custom/",),
    ("network/plots/", "network/summary.py", "network/initializers.py", "network/metrics/", "network/losses.py",
     "network/activations.py", "network/layout.py", "network/flops.py"),
    ("network/html/", "network/display/", "network/cache_files.py"),
    ("network/validation/",),
    ("kernels/",),
)  # fmt: skip
# Which import modules by a text: those that stand under ``if TYPE_CHECKING`` too, the commands beside main.py, and
# other programs' packages.
BY_TEXT = {"kernels/__init__.py", "network/cli/main.py", "network/interchange/libraries.py"}
FREE = {"hotloop.__version__"}  # a constant of the front door, which runs before any other module of hotloop


def module_name(path: str) -> str:
    """Return the dotted name of a file: network/cli/main.py is hotloop.network.cli.main; a package is its folder."""
    return "hotloop." + path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def imported_names(path: str, source: str) -> list[tuple[int, str]]:
    """Return line and dotted name of all that a file imports, wherever in it; relative names are made absolute."""
    package = module_name(path).split(".")
    if not path.endswith("/__init__.py"):
        package.pop()
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *(node.module.split(".") if node.module else [])])
            found += [(node.lineno, f"{module}.{alias.name}") for alias in node.names]
    return found


def imports_by_text(source: str) -> list[int]:
    """Return the lines that mention a function which imports a module by a text: the graph does not show what."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
        if isinstance(node, (ast.Name, ast.Attribute)):
            names = [node.id if isinstance(node, ast.Name) else node.attr]
        if {"import_module", "__import__"} & {*names}:
            found.append(node.lineno)
    return found


def arrows(sources: Mapping[str, str]) -> dict[tuple[str, str], int]:
    """Return {(importing file, imported file): line} of sources by path, such as network/layout.py.

    For a name that is not a module, the arrow leads to the module it is imported from. What is imported from hotloop
    but is in no file of `sources` leads to ``hotloop/``, the public names.
    """
    files = {module_name(path): path for path in sources}
    found: dict[tuple[str, str], int] = {}
    for path, source in sources.items():
        for line, name in imported_names(path, source):
            if name.split(".")[0] != "hotloop" or name in FREE:
                continue
            target = name
            while target not in files and "." in target:
                target = target.rpartition(".")[0]
            arrow = path, files.get(target, "hotloop/")
            found[arrow] = min(line, found.get(arrow, line))
    return found


def row(path: str) -> int:
    """Return the row of `ORDER` that a file is in."""
    for number, entries in enumerate(ORDER):
        if any(path == entry or (entry.endswith("/") and path.startswith(entry)) for entry in entries):
            return number
    raise LookupError(f"{path} stands in no row of ORDER in tests/import_graph.py")


def upward(graph: Mapping[tuple[str, str], int]) -> set[str]:
    """Return the arrows that point upwards, as ``file:line -> file``."""
    return {f"{a}:{line} -> {b}" for (a, b), line in graph.items() if row(b) < row(a)}


def circle(graph: Mapping[tuple[str, str], int]) -> list[str]:
    """Return the files of a circle of imports, the first one again at the end, or nothing."""
    below: dict[str, set[str]] = {}
    for importer, imported in graph:
        below.setdefault(importer, set()).add(imported)
    try:
        TopologicalSorter(below).prepare()
    except CycleError as error:
        return [*reversed(error.args[1])]
    return []
