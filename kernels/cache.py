"""Compiled code on disk: a file for each function and key, which vouches for itself.

Numba's own cache keeps an index for each function, and numbers the files that the index names. Two processes that save
at the same moment give both their files one number, and from then on the index hands out code for other types. Its key
knows neither the other modules whose code is inlined, nor the settings that change code.

Here is no index. A file's name is a hash of its key, the key is in the file, and so is a checksum of it all; a file is
written under a temporary name and renamed. Whoever saves last has saved the same, and a file that is damaged, or
another's, is not believed: the function is compiled again, and the file overwritten. Numba still says in which folder,
and turns machine code into bytes and back.
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

from hotloop.kernels.function_code import code_of, hash_of, is_ours, ordered

SUFFIX = ".kernel"
MAGIC = b"hotloop kernel 1\n"
DIGEST_SIZE = 32
LONGEST_NAME = 100  # characters of a function's name in a file name, which holds 255 bytes
ABANDONED = 3600  # seconds after which a temporary file is one that a killed process has left
NO_FOLDER = "no folder for Numba's cache is writable"

# The settings that change compiled code, by their environment variables, and the names that Numba has for their values.
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
# hotloop's own: a module of kernels whose code depends on more than its source puts the value here at its import.
OWN_SETTINGS: dict[str, Any] = {}
# Why code could not be kept in this process; the first is warned of.
failures: list[str] = []


class DamagedError(ValueError):
    """A file of the cache is not what was written there."""


class KernelCache:
    """Keeps the machine code of one function: what Numba's `FunctionCache` is to a dispatcher.

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
        from numba.core.caching import CompileResultCacheImpl  # private to Numba: `keep` does without it

        self._function = dispatcher.py_func
        try:
            self._impl = CompileResultCacheImpl(self._function)
        except RuntimeError:  # no folder is writable, but code may lie in one
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
        """Remove all that is kept of the function."""
        self._sweep(everything=True)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled function for a signature; None if it is not kept, or its file is not to be believed.

        Whatever is wrong with the file, and whatever it raises, costs compiling again and no more.
        """
        target_context.refresh()
        if not self._enabled:
            return None
        try:
            key = self._key(sig, target_context.codegen())
            found, payload = read(self._find(file_name(key)))
            kept, data = serialize.loads(payload) if found == key else (None, None)
            # The key has the names of types, and types are equal by more than their names.
            return self._impl.rebuild(target_context, data) if kept == sig else None
        except Exception:
            return None

    def save_overload(self, sig: Any, compiled: Any) -> None:
        """Keep the compiled function for a signature, and remove what is kept of it from other sources.

        Whatever fails is warned of, once: the function is compiled, and runs.
        """
        if not self._enabled:
            return
        try:
            key = self._key(sig, compiled.library.codegen)
            # An object that only this process has: no other will ask for it.
            if " at 0x" in key["signature"] or not self._impl.check_cachable(compiled):
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            write(self._folder / file_name(key), key, serialize.dumps((sig, self._impl.reduce(compiled))))
            self._sweep()
        except Exception as error:
            self._failed = True
            warn_uncached(str(error))

    def _find(self, name: str) -> Path:
        """Return where a file is: in the folder, or in one before it, which cannot be written to.

        As where NUMBA_CACHE_DIR is in a read-only image. Of one after it nothing is taken, or a folder would not hold
        all that it was filled with.
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
        """Return all that compiled code depends on, of types that JSON has."""
        function = self._function
        return {
            "function": f"{function.__module__}.{function.__qualname__}",
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
        """Remove the function's files of other sources, and temporary ones that a killed process has left.

        Files of other settings, CPUs and versions stay. Another process may sweep at the same time.
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
    """Return Numba's class that says in which folder, for folders that are there but need not be writable."""
    from numba.core.caching import CompileResultCacheImpl

    there = {"ensure_cache_path": lambda self: os.stat(self.get_cache_path())}
    locators = [type(locator.__name__, (locator,), there) for locator in CompileResultCacheImpl._locator_classes]
    return type("Reader", (CompileResultCacheImpl,), {"_locator_classes": locators})


def keep(dispatcher: Any) -> None:
    """Have the machine code of a compiled function kept on disk, if it can be; else it is compiled in each process."""
    try:
        dispatcher._cache.disable()  # of a class that keeps nothing; the attribute is there
        dispatcher._cache = KernelCache(dispatcher)
    except RuntimeError:  # no folder
        if Path(dispatcher.py_func.__code__.co_filename).is_file():  # not typed at a prompt
            warn_uncached(NO_FOLDER)
    except (AttributeError, ImportError, OSError, TypeError) as error:
        # Another Numba: what KernelCache calls is private to it. tests/test_cache.py shows that it is there.
        warn_uncached(f"numba {numba.__version__}: {error}")


def warn_uncached(reason: str) -> None:
    """Warn that compiled code is not kept, once in a process."""
    failures.append(reason)
    if len(failures) == 1:
        warnings.warn(
            f"hotloop compiles its kernels anew in each process, since it cannot keep them: {reason}. "
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
    """Return the hash of all source that a function's code is from: hotloop's kernels, and the function's own file."""
    if is_ours(function):
        return source_stamp()
    try:
        own = Path(function.__code__.co_filename).read_bytes()
    except OSError:  # typed at a prompt, or in an archive
        own = repr(locator.get_source_stamp()).encode()
    return hash_of(source_stamp().encode(), own)


def versions() -> dict[str, str]:
    """Return the versions of what makes code, as far as they tell its kinds apart."""
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
    """Return the function's name in file names, with a hash where it cannot stand there as it is.

    Two functions of one folder must not have one name: each would sweep the other's files away.
    """
    name = f"{Path(function.__code__.co_filename).stem}.{function.__qualname__}".replace("<locals>", "locals")
    plain = re.sub(r"[^\w.]", "", name, flags=re.ASCII)[:LONGEST_NAME]
    return plain if plain == name else f"{plain}.{hash_of(name.encode('utf-8', 'surrogateescape'))[:8]}"


# The files.


def file_name(key: dict[str, Any]) -> str:
    """Return the name of the file for a key: that of the function, and hashes of its source and of the key."""
    return f"{key['name']}-{key['source'][:16]}-{hash_of(_text(key))[:24]}{SUFFIX}"


def read(path: Path) -> tuple[dict[str, Any], bytes]:
    """Return the key and the pickled code that a file holds.

    Raises
    ------
    DamagedError
        If the file is not as it was written, or not under the name that it was written under.
    OSError
        If it cannot be read.
    """
    data = path.read_bytes()
    start = len(MAGIC) + DIGEST_SIZE
    if not data:
        raise DamagedError("is empty")
    if not data.startswith(MAGIC):
        raise DamagedError("does not begin as such a file does")
    if hashlib.sha256(data[start:]).digest() != data[len(MAGIC) : start]:
        raise DamagedError("does not have the content that its checksum is of")
    text, _, payload = data[start:].partition(b"\n")
    key: dict[str, Any] = json.loads(text)
    if file_name(key) != path.name:
        raise DamagedError(f"holds what belongs into {file_name(key)}")
    return key, payload


def write(path: Path, key: dict[str, Any], payload: bytes) -> None:
    """Write a file as a whole: whoever reads it meanwhile has the old one, or none."""
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
