"""Every public name has a docstring that says what it takes and gives, and an example that test_docstrings.py runs."""

import ast
import builtins
import doctest
import functools
import importlib
import inspect
import re
from pathlib import Path

import pytest

import hotloop

SOURCE = Path(__file__).parents[2] / "src" / "hotloop"
MODULES = ["hotloop", *sorted(f"hotloop.{path.stem}" for path in SOURCE.glob("[!_]*.py")), "hotloop.kernels"]
# Classes of what users are handed, under no public name.
RETURNED = {
    "hotloop.network.profiling.profiler": ["Profile"],
    "hotloop.network.profiling.diagnosis.findings": ["Diagnosis"],
}
# Methods without an example: hotloop calls them, or a fit does.
CALLED_BY_HOTLOOP = re.compile(
    r"on_\w+|rows_of_call|(load_)?state_dict|address(es)?|check|target_columns|metric|values|factors|bins_of|for_rows"
    r"|of|plain"
)
EXPLAINED = ("self", "cls", "fit", "state")  # the last two by `Callback`, for the methods of all callbacks


def public_names():
    """Return [(module, name)] of all that users import, and of the classes of what they are handed."""
    names = {module: importlib.import_module(module).__all__ for module in MODULES} | RETURNED
    return [(module, name) for module in names for name in names[module] if not name.startswith("_")]


def function_of(value):
    """Return the function of a method, a class method, a property or what scikit-learn makes of a method; or None."""
    for name in ("__func__", "fget", "fn"):
        value = getattr(value, name, value)
    return value if inspect.isfunction(inspect.unwrap(value)) else None


def members(cls):
    """Yield (name, function, whether it is a property) of the public members of a class that hotloop defines."""
    for name in dir(cls):
        value = inspect.getattr_static(cls, name)
        function = function_of(value)
        if not name.startswith("_") and (getattr(function, "__module__", None) or "").startswith("hotloop."):
            yield name, function, hasattr(value, "fget")


@functools.cache
def examples(module):
    """Return {docstring: its example as typed} of all that doctest finds in a module."""
    tests = doctest.DocTestFinder().find(module, module.__name__)
    return {test.docstring: "".join(example.source for example in test.examples) for test in tests}


def example_of(value):
    return examples(inspect.getmodule(value)).get(value.__doc__, "")


def faults(name, value, example, called):
    """Return what the docstring of a function or class lacks; `called` is a pattern of its use in the example."""
    text, signature = inspect.getdoc(value), parameters_of(value)
    if not text:
        return [f"{name} has no docstring"]
    arguments = [argument for argument in signature.parameters if argument not in EXPLAINED]
    found = [f"{name} does not say what {a} is" for a in arguments if not re.search(rf"\b{a}\b", text)]
    gives = signature.return_annotation not in (None, "None", inspect.Signature.empty) and not inspect.isclass(value)
    if gives and not re.search(r"\b[Rr]eturns?\b", text):
        found.append(f"{name} does not say what it returns")
    if not re.search(called, example, re.S):
        found.append(f"{name} has no example")
    return found + [f"the example of {name} does not import {free}" for free in free_names(example_of(value))]


def free_names(source):
    """Return the names that a program uses and never binds: a reader who types it gets a NameError."""
    nodes = [*ast.walk(ast.parse(source))]
    used = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    bound = {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    bound |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    bound |= {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.ExceptHandler))}
    imports = [alias for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names]
    bound |= {alias.asname or alias.name.partition(".")[0] for alias in imports}
    return sorted(used - bound - {*dir(builtins)})


def parameters_of(value):
    try:
        return inspect.signature(value)
    except ValueError:  # of a warning, as of all that C defines
        return inspect.Signature()


def all_faults(name, value):
    """Return what is missing in the docstrings of a public name and, if it is a class, of its members."""
    example = example_of(value)
    found = faults(name, value, example, "." if inspect.isclass(value) else rf"\b{value.__name__}\b")
    if inspect.isclass(value) and not issubclass(value, Exception):
        for last, function, is_property in members(value):
            if is_property:
                found += [f"{name}.{last} has no docstring"] * (not inspect.getdoc(function))
            else:
                both = f"{example}\n{example_of(function)}"
                called = "" if CALLED_BY_HOTLOOP.fullmatch(last) else rf"\.{last}\("
                found += faults(f"{name}.{last}", function, both, called)
    return found


@pytest.mark.parametrize(("module", "name"), public_names())
def test_a_public_name_is_documented(module, name):
    value = getattr(importlib.import_module(module), name)
    assert all_faults(f"{module}.{name}", value) == []


@pytest.mark.parametrize("module", MODULES)
def test_a_public_module_has_an_example(module):
    assert ">>> " in importlib.import_module(module).__doc__


# Planted breaches.


def bare(x):
    pass


def unexplained(x, weight) -> float:
    """Return x times what it weighs.

    >>> from test_docstring_coverage import unexplained
    >>> unexplained
    """


def silent(x) -> float:
    """Twice x.

    >>> silent(1)
    2
    """


class Lacking:
    """A class.

    >>> one = Lacking()
    """

    def method(self):
        """Do something."""

    @property
    def value(self):
        pass


@pytest.mark.parametrize(("value", "wanted"), [
    (bare, ["bare has no docstring"]),
    (unexplained, ["unexplained does not say what weight is"]),
    (silent, ["silent does not say what it returns", "the example of silent does not import silent"]),
    (Lacking, [
        "the example of Lacking does not import Lacking", "Lacking.method has no example",
        "Lacking.value has no docstring",
    ]),
])  # fmt: skip
def test_a_planted_breach_is_seen(value, wanted, monkeypatch):
    monkeypatch.setattr("test_docstring_coverage.members", lambda cls: [
        ("method", cls.method, False), ("value", cls.value.fget, True)
    ])  # fmt: skip
    assert all_faults(value.__name__, value) == wanted


def test_all_kinds_of_names_are_looked_at():
    names = {f"{module}.{name}" for module, name in public_names()}
    assert {"hotloop.Network", "hotloop.kernels.sigmoid", "hotloop.schedules.OneCycle", "hotloop.metrics.f1"} <= names
    found = {name for name, _, _ in members(hotloop.Network)}
    assert {"fit", "predict", "save", "load", "weights", "gradient", "partial_fit"} <= found
