"""Tiny functions in a file, compiled and cached like a user's, in this process.

Numba's dispatcher compiles them even under NUMBA_DISABLE_JIT=1.
"""

import importlib.util
import sys

from numba.core.registry import CPUDispatcher

from hotloop.kernels import cache

OWN = """
def twice(x):
    return x + x

def first(pair):
    return pair.a

def times(factor):
    def scaled(x):
        return x * factor
    return scaled

def calls(inner):
    def outer(x):
        return inner(x)
    return outer
"""


def module(path, source=OWN):
    """Write a file, and return it as a module."""
    path.write_text(source)
    spec = importlib.util.spec_from_file_location("own", path)
    made = sys.modules["own"] = importlib.util.module_from_spec(spec)  # Numba imports it by its name
    spec.loader.exec_module(made)
    return made


def compiled(function, keep=cache.keep):
    """Return a function as a new process would compile it: it has nothing in memory."""
    dispatcher = CPUDispatcher(function, targetoptions={"nopython": True})
    keep(dispatcher)
    return dispatcher


def call(function, *arguments, keep=cache.keep):
    """Call as a new process would; return the value, and whether the code came from the cache."""
    dispatcher = compiled(function, keep)
    value = dispatcher(*arguments)
    return value, sum(dispatcher.stats.cache_hits.values()) == 1


def files(folder):
    """Return all files, and folders in place of files."""
    return sorted(path for path in folder.rglob("*") if not path.is_dir() or path.suffix == cache.SUFFIX)
