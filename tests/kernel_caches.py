"""Copies of the package, caches for them, and the environment of processes that fill these."""

import os
import shutil
from pathlib import Path

from numba.core import caching

import hotloop
from hotloop.kernels.training import train_slice


def copy_package(folder):
    """Copy the package, its links resolved, and return the copy."""
    source = Path(hotloop.__file__).parent
    return Path(shutil.copytree(source, folder / "hotloop", ignore=shutil.ignore_patterns("__pycache__", "*.npz")))


def folder_of_kernels(cache):
    """Return where hotloop's kernels are kept, of this package, if NUMBA_CACHE_DIR is `cache`."""
    path = train_slice.py_func.__code__.co_filename
    return cache / caching.UserProvidedCacheLocator.get_suitable_cache_subpath(path)


def environment(package, cache, **variables):
    """Bytecode is not written: Python would miss a change within one second that keeps a file's size."""
    inherited = {name: value for name, value in os.environ.items() if name != "NUMBA_DISABLE_JIT"}
    ours = {"PYTHONPATH": str(package.parent), "NUMBA_CACHE_DIR": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
    return inherited | ours | variables


def without_a_writable_folder(tmp_path):
    """Return a copy of the package, a cache folder and an environment: all under a regular file.

    Nothing can be made there, not even by root.
    """
    package, wall = copy_package(tmp_path), tmp_path / "wall"
    for file in (wall, package / "kernels" / "__pycache__"):
        file.write_text("")
    return package, wall / "cache", {"HOME": str(wall / "home"), "XDG_CACHE_HOME": str(wall / "user")}
