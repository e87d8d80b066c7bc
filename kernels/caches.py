"""How large the caches of the core are that this process runs on: as the system says, or assumed.

If cores differ, the smallest of those that the process may use counts, since its threads may run on any of them.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple

KB = 1024


class Cache(NamedTuple):
    """A cache: its bytes, the ways of a set, and how many cores share it, not counting a core's threads apart."""

    size: int
    ways: int
    cores: int = 1

    @property
    def share(self) -> int:
        """The bytes that one core has of it."""
        return self.size // self.cores


class Caches(NamedTuple):
    """The first-level data cache, the second-level cache, the last one if there are more, and who said so."""

    first: Cache
    second: Cache
    last: Cache | None
    source: str


Levels = dict[int, Cache]  # by number: 1, 2, and above 2 the last
# As of AMD's Zen 4.
ASSUMED = Caches(Cache(32 * KB, 8), Cache(1024 * KB, 8), None, "assumed")
# What is believed of the size of each level, from the least to the most.
BELIEVED = {1: (8 * KB, 1024 * KB), 2: (64 * KB, 256 * KB * KB), 3: (256 * KB, 16 * KB * KB * KB)}
MOST_WAYS, MOST_SHARERS = 32, 4096
# How many cores are looked at, which takes time: CPUs whose cores differ have no more.
MOST_CORES = 32
# glibc's numbers for size and ways of a level, such as _SC_LEVEL1_DCACHE_SIZE, which Python does not name.
SYSCONF = {1: (188, 189), 2: (191, 192)}


def caches(root: str = "/") -> Caches:
    """Return the caches of the smallest core that this process may use.

    Parameters
    ----------
    root : str, optional
        Where ``sys`` is.
    """
    if sys.platform == "darwin":
        return of_the_levels(from_sysctl(_sysctl()), "sysctl")
    if sys.platform != "linux":
        return ASSUMED
    found = from_sysfs(os.path.join(root, "sys/devices/system/cpu"), os.sched_getaffinity(0))
    return of_the_levels(found, "/sys") if found else of_the_levels([from_sysconf(os.sysconf)], "sysconf")


def of_the_levels(cores: Iterable[Levels], source: str) -> Caches:
    """Return the smallest cache of each level that some cores have; the first two are assumed where none is known."""
    found: Levels = {}
    for levels in cores:
        for level, cache in levels.items():
            found[level] = min(cache, found.get(level, cache), key=lambda cache: cache.share)
    if not {1, 2} & {*found}:
        return ASSUMED
    return Caches(found.get(1, ASSUMED.first), found.get(2, ASSUMED.second), found.get(3), source)


def believed(level: int, size: int, ways: int = 0, cores: int = 1) -> Levels:
    """Return a cache by its level, or nothing if it has an absurd size. Ways that are unknown or absurd are assumed."""
    level = min(level, 3)
    if level not in BELIEVED or not BELIEVED[level][0] <= size <= BELIEVED[level][1]:
        return {}
    ways, cores = ways if 1 <= ways <= MOST_WAYS else ASSUMED.first.ways, cores if 1 <= cores <= MOST_SHARERS else 1
    return {level: Cache(size, ways, cores)}


def from_sysfs(folder: str, cores: Iterable[int]) -> list[Levels]:
    """Return what Linux says of the caches of some cores: of the first, and of others whose first two differ in size.

    Reading all files of many cores would take longer than the rest of the import of the kernels.
    """
    found: list[Levels] = []
    sizes: dict[str, str] = {}  # of the core before, by the place of the file
    for core in sorted(cores)[:MOST_CORES]:
        here = f"{folder}/cpu{core}/"
        if sizes and all(text_of(here + place) == size for place, size in sizes.items()):
            continue
        levels: Levels = {}
        sizes = {}
        threads = len(cores_in(text_of(f"{here}topology/thread_siblings_list")))
        for index in range(8):
            place = f"cache/index{index}/"
            kind, level = text_of(f"{here}{place}type"), _number(text_of(f"{here}{place}level"))
            if not kind:
                break
            if kind != "Instruction":
                size = text_of(f"{here}{place}size")
                sharers = len(cores_in(text_of(f"{here}{place}shared_cpu_list")))
                ways = _number(text_of(f"{here}{place}ways_of_associativity"))
                levels |= believed(level, _number(size), ways, sharers // max(threads, 1))
                if level in (1, 2):
                    sizes[f"{place}size"] = size
        found.append(levels)
    return [levels for levels in found if levels]


def from_sysconf(ask: Callable[[int], int]) -> Levels:
    """Return what the C library says, as glibc's does of x86-64 where Linux's files are hidden."""
    found: Levels = {}
    for level, (size, ways) in SYSCONF.items():
        with contextlib.suppress(OSError, ValueError):  # another C library
            found |= believed(level, ask(size), ask(ways))
    return found


def from_sysctl(ask: Callable[[str], int]) -> list[Levels]:
    """Return what macOS says of the caches of its kinds of cores; `ask` returns 0 for what it does not know."""
    kinds = [kind for kind in ("hw.perflevel0.", "hw.perflevel1.") if ask(f"{kind}l1dcachesize")] or ["hw."]
    found = [
        believed(1, ask(f"{kind}l1dcachesize")) | believed(2, ask(f"{kind}l2cachesize"), cores=ask(f"{kind}cpusperl2"))
        for kind in kinds
    ]
    return [levels for levels in found if levels]


def _sysctl() -> Callable[[str], int]:
    import ctypes

    function = ctypes.CDLL(None).sysctlbyname

    def ask(name: str) -> int:
        value, size = ctypes.c_uint64(0), ctypes.c_size_t(8)
        failed = function(name.encode(), ctypes.byref(value), ctypes.byref(size), None, ctypes.c_size_t(0))
        return 0 if failed else value.value

    return ask


def text_of(path: str | os.PathLike[str]) -> str:
    """Return what is in a short file; nothing if it cannot be read. A file object would take twice as long."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return os.read(descriptor, 4096).decode("ascii").strip()
        finally:
            os.close(descriptor)
    except (OSError, ValueError):
        return ""


def _number(text: str) -> int:
    """Return a size such as 32K, or another number; 0 for whatever else."""
    digits, unit = (text[:-1], text[-1:]) if text[-1:] in "KMG" else (text, "")
    return int(digits) * KB ** " KMG".find(unit or " ") if _is_number(digits) else 0


def cores_in(text: str) -> frozenset[int]:
    """Return the numbers in a list of ranges, such as 0-3,8; none if it is no such list, or an absurd one."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        last = last or first
        if not (_is_number(first) and _is_number(last)) or int(last) - int(first) >= MOST_SHARERS:
            return frozenset()
        found.update(range(int(first), int(last) + 1))
    return frozenset(found)


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) < 10
