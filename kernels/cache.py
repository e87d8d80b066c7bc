"""Compiled code on disk: one file for each function and key, checked when it is read.

Numba's own cache keeps an index for each function, and numbers the files in it. Two processes that save at the same
moment use the same number, and from then on the index returns code for other types. Its key covers neither the other
modules whose code is inlined, nor the settings that change code.

There is no index here. A file is named by a hash of its key, and contains the key, the code and a checksum; it is
written under a temporary name and renamed. Whoever saves last has saved the same code. If a file is damaged, or has
another key, its function is compiled again and the file overwritten. Numba still chooses the folder, and turns machine
code into bytes and back.
"""

import functools
import hashlib
import json
import os
import re
import secrets
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
import numpy as np
from numba.core import serialize

from hotloop.kernels.function_code import code_of, hash_of, is_ours, ordered, plain_name, symbol

SUFFIX = ".kernel"
MAGIC = b"hotloop kernel 1\n"
DIGEST_SIZE = 32
LONGEST_NAME = 100  # characters of a function's name in a file name, which holds 255 bytes
ABANDONED = 3600  # seconds after which a temporary file counts as left by a killed process
NO_FOLDER = "no folder for Numba's cache is writable"

# The settings that change compiled code: environment variable, and attribute of `numba.config`.
# NUMBA_CPU_NAME, NUMBA_CPU_FEATURES and NUMBA_ENABLE_AVX change the target, which is in the key too.
SETTINGS = {
    "NUMBA_BOUNDSCHECK": "BOUNDSCHECK",
    "NUMBA_DEBUGINFO": "DEBUGINFO_DEFAULT",
    "NUMBA_DEBUG_ARRAY_OPT_RUNTIME": "DEBUG_ARRAY_OPT_RUNTIME",
    "NUMBA_DEBUG_JIT": "DEBUG_JIT",
    "NUMBA_DEBUG_NRT": "DEBUG_NRT",
    "NUMBA_DISABLE_INTEL_SVML": "USING_SVML",
    "NUMBA_ENABLE_PROFILING": "ENABLE_PROFILING",
    "NUMBA_EXTEND_VARIABLE_LIFETIMES": "EXTEND_VARIABLE_LIFETIMES",
    "NUMBA_FULL_TRACEBACKS": "FULL_TRACEBACKS",
    "NUMBA_LLVM_REFPRUNE_FLAGS": "LLVM_REFPRUNE_FLAGS",
    "NUMBA_LLVM_REFPRUNE_PASS": "LLVM_REFPRUNE_PASS",
    "NUMBA_LOOP_VECTORIZE": "LOOP_VECTORIZE",
    "NUMBA_OPT": "OPT",
    "NUMBA_SLP_VECTORIZE": "SLP_VECTORIZE",
}
# hotloop's own: a module of kernels whose code depends on more than its source puts the value here when imported.
OWN_SETTINGS: dict[str, Any] = {}
# Why code could not be kept in this process; only the first reason is warned about.
failures: list[str] = []


class DamagedError(ValueError):
    """A file of the cache is not what was written."""


class KernelCache:
    """Keeps the machine code of one function, in place of Numba's `FunctionCache`.

    Parameters
    ----------
    dispatcher : numba.core.dispatcher.Dispatcher
        The compiled function.

    Raises
    ------
    RuntimeError
        If no folder is writable.
    """

    def __init__(self, dispatcher: Any) -> None:
        from numba.core.caching import CompileResultCacheImpl  # private to Numba: `keep` catches its absence

        self._function = dispatcher.py_func
        try:
            self._impl = CompileResultCacheImpl(self._function)
        except RuntimeError:  # no folder is writable, but one may have code in it
            self._impl = _reader()(self._function)
            if not any(Path(self._impl.locator.get_cache_path()).glob(f"*{SUFFIX}")):
                raise
        self._folder = Path(self._impl.locator.get_cache_path())
        self._options = {name: ordered(value) for name, value in dispatcher.targetoptions.items()}
        self._source = source_of(self._function, self._impl.locator)
        self._enabled, self._failed = True, False

    @property
    def cache_path(self) -> str | None:
        """The folder; None once writing there has failed."""
        return None if self._failed else str(self._folder)

    def enable(self) -> None:
        """Load and save from now on."""
        self._enabled = True

    def disable(self) -> None:
        """Neither load nor save from now on."""
        self._enabled = False

    def flush(self) -> None:
        """Remove all files of the function."""
        self._sweep(everything=True)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled function for a signature; None if there is no file, or it cannot be trusted.

        Whatever is wrong with the file only costs another compilation.
        """
        target_context.refresh()
        if not self._enabled:
            return None
        try:
            key = self._key(sig, target_context.codegen())
            if not is_ours(self._function):  # of ours a test sees to it that all names differ
                self._function.__qualname__ = symbol(self._function.__qualname__, key["code"])
            found, payload = read(self._find(file_name(key)))
            kept, data = serialize.loads(payload) if found == key else (None, None)
            # The key has only the names of types, which different types may share.
            return self._impl.rebuild(target_context, data) if kept == sig else None
        except Exception:
            return None

    def save_overload(self, sig: Any, compiled: Any) -> None:
        """Save the compiled function for a signature, and remove its files from other sources.

        A failure only gives a warning, once a process: the function is compiled, and runs.
        """
        if not self._enabled:
            return
        try:
            key = self._key(sig, compiled.library.codegen)
            # The type of an object of this process: no other process will ask for it.
            if " at 0x" in key["signature"] or not self._impl.check_cachable(compiled):
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            write(self._folder / file_name(key), key, serialize.dumps((sig, self._impl.reduce(compiled))))
            self._sweep()
        except Exception as error:
            self._failed = True
            warn_uncached(str(error))

    def _find(self, name: str) -> Path:
        """Return where a file is: in the folder, or in an earlier one that is not writable, as in a read-only image.

        Later folders are not searched: what is found there would be missing in the one that is being filled.
        """
        path = self._folder / name
        if not path.exists():
            for locator in _reader()._locator_classes:
                found = locator.from_function(self._function, self._function.__code__.co_filename)
                if found is None:
                    continue
                folder = Path(found.get_cache_path())
                if folder == self._folder or (folder / name).exists():
                    return folder / name
        return path

    def _key(self, sig: Any, codegen: Any) -> dict[str, Any]:
        """Return everything that compiled code depends on, in types that JSON has."""
        function = self._function
        return {
            "function": f"{function.__module__}.{plain_name(function.__qualname__)}",
            "name": _name(function),
            "line": function.__code__.co_firstlineno,
            "code": hash_of(*code_of(function)),
            "source": self._source,
            "signature": str(sig),
            "options": self._options,
            "target": list(codegen.magic_tuple()),
            "versions": versions(),
            "settings": settings(),
        }

    def _sweep(self, everything: bool = False) -> None:
        """Remove the function's files from other sources, and temporary files that killed processes left.

        Files for other settings, CPUs and versions stay. Another process may sweep at the same time.
        """
        name = _name(self._function)
        for path in self._folder.glob(f"{name}-*{SUFFIX}*"):
            parts = re.fullmatch(rf"{re.escape(name)}-([0-9a-f]+)-[0-9a-f]+{re.escape(SUFFIX)}(\..*)?", path.name)
            if parts:
                try:
                    if parts[2]:
                        useless = time.time() - path.stat().st_mtime > ABANDONED
                    else:
                        useless = everything or not self._source.startswith(parts[1])
                    if useless:
                        path.unlink()
                except OSError:
                    pass


@functools.cache
def _reader() -> Any:
    """Return Numba's class that chooses the folder, changed to accept folders that are not writable."""
    from numba.core.caching import CompileResultCacheImpl

    there = {"ensure_cache_path": lambda self: os.stat(self.get_cache_path())}
    locators = [type(locator.__name__, (locator,), there) for locator in CompileResultCacheImpl._locator_classes]
    return type("Reader", (CompileResultCacheImpl,), {"_locator_classes": locators})


def keep(dispatcher: Any) -> None:
    """Keep the machine code of a compiled function on disk if possible; else it is compiled in each process."""
    try:
        dispatcher._cache.disable()  # does nothing, but shows that the attribute is there
        dispatcher._cache = KernelCache(dispatcher)
    except RuntimeError:  # no folder
        if Path(dispatcher.py_func.__code__.co_filename).is_file():  # not typed at a prompt
            warn_uncached(NO_FOLDER)
    except (AttributeError, ImportError, OSError, TypeError) as error:
        # A Numba without the private names that KernelCache uses; tests/kernels/test_cache_files.py checks them.
        warn_uncached(f"numba {numba.__version__}: {error}")


def warn_uncached(reason: str) -> None:
    """Warn, once a process, that compiled code is not kept."""
    failures.append(reason)
    if len(failures) == 1:
        warnings.warn(
            f"hotloop compiles its kernels again in each process, since it cannot cache them: {reason}. "
            "Set NUMBA_CACHE_DIR to a folder that can be written to.",
            RuntimeWarning,
            stacklevel=3,
        )


# The key.


@functools.cache
def source_stamp() -> str:
    """Return the hash of every source file of ``hotloop.kernels``, its subfolders included, by name and content."""
    folder = Path(__file__).parent
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.py")}
    if not files:  # imported from an archive
        files = {path.name: path for path in folder.parents if path.is_file()}
    return hash_of(*(part for name, path in sorted(files.items()) for part in (name.encode(), path.read_bytes())))


def source_of(function: Any, locator: Any) -> str:
    """Return the hash of the source of a function's code: hotloop's kernels, and the function's own file."""
    if is_ours(function):
        return source_stamp()
    try:
        own = Path(function.__code__.co_filename).read_bytes()
    except OSError:  # typed at a prompt, or in an archive
        own = repr(locator.get_source_stamp()).encode()
    return hash_of(source_stamp().encode(), own)


def versions() -> dict[str, str]:
    """Return the versions of whatever takes part in compiling, as precise as they matter."""
    return {
        "python": f"{sys.implementation.cache_tag}{getattr(sys, 'abiflags', '')}",
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "llvm": ".".join(map(str, llvmlite.binding.llvm_version_info)),
        "numpy": ".".join(np.__version__.split(".")[:2]),
    }


def settings() -> dict[str, str]:
    """Return the values of the settings that change code, Numba's and hotloop's own, as they are now."""
    values = {name: getattr(numba.config, attribute, None) for name, attribute in SETTINGS.items()}
    return {name: str(value) for name, value in (values | OWN_SETTINGS).items()}


def _name(function: Any) -> str:
    """Return the function's name for file names, with a hash if it has to be shortened or changed.

    Two functions in one folder must have different names, or each would remove the other's files.
    """
    name = f"{Path(function.__code__.co_filename).stem}.{plain_name(function.__qualname__)}"
    name = name.replace("<locals>", "locals")
    plain = re.sub(r"[^\w.]", "", name, flags=re.ASCII)[:LONGEST_NAME]
    return plain if plain == name else f"{plain}.{hash_of(name.encode('utf-8', 'surrogateescape'))[:8]}"


# The files.


def file_name(key: dict[str, Any]) -> str:
    """Return the name of the file for a key: the function's name, and hashes of its source and of the key."""
    return f"{key['name']}-{key['source'][:16]}-{hash_of(_text(key))[:24]}{SUFFIX}"


def read(path: Path) -> tuple[dict[str, Any], bytes]:
    """Return the key and the pickled code in a file.

    Raises
    ------
    DamagedError
        If the file is not as it was written, or has another name.
    OSError
        If it cannot be read.
    """
    data = path.read_bytes()
    start = len(MAGIC) + DIGEST_SIZE
    if not data:
        raise DamagedError("is empty")
    if not data.startswith(MAGIC):
        raise DamagedError("does not start like a file of compiled code")
    if hashlib.sha256(data[start:]).digest() != data[len(MAGIC) : start]:
        raise DamagedError("does not match its checksum")
    text, _, payload = data[start:].partition(b"\n")
    key: dict[str, Any] = json.loads(text)
    if file_name(key) != path.name:
        raise DamagedError(f"contains what belongs in {file_name(key)}")
    return key, payload


def write(path: Path, key: dict[str, Any], payload: bytes) -> None:
    """Write a file as a whole: meanwhile readers find the old one, or none."""
    content = _text(key) + b"\n" + payload
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        temporary.write_bytes(MAGIC + hashlib.sha256(content).digest() + content)
        if path.is_dir():
            path.rmdir()
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _text(key: dict[str, Any]) -> bytes:
    return json.dumps(key, sort_keys=True).encode()
