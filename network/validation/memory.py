"""How much memory there is, and how much a process may still take: checked before more is asked for."""

import math
import os
from pathlib import Path, PurePosixPath


def require(needed: int, what: str) -> None:
    """Raise a MemoryError that says what needs so many bytes, unless they are available."""
    available = available_memory()
    if needed > available:
        raise MemoryError(f"{what} needs {in_words(needed)} of memory; {in_words(available)} are available")


def available_memory(root: Path = Path("/")) -> float:
    """Return the bytes that system, control groups and limits leave to this process; infinity if that is unknown.

    Parameters
    ----------
    root : Path
        The folder of the system's files; another one in tests.
    """
    return min(_of_the_system(root), _of_the_control_groups(root), _of_the_address_space(root))


def total_memory() -> float:
    """Return the bytes of memory that the machine has; infinity if that is unknown."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return math.inf


def in_words(size: float) -> str:
    """Return a number of bytes in the unit that fits."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def _of_the_system(root: Path) -> float:
    try:
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    except OSError:
        pass
    return total_memory()  # where there is no /proc, at least no more than the machine has


def _of_the_control_groups(root: Path) -> float:
    """Return what the memory limits of this process's control groups (version 2) leave, all levels included."""
    try:
        memberships = (root / "proc/self/cgroup").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return math.inf
    left = math.inf
    for path in (line.removeprefix("0::") for line in memberships if line.startswith("0::")):
        for group in (PurePosixPath(path), *PurePosixPath(path).parents):
            folder = root / "sys/fs/cgroup" / str(group).lstrip("/")
            try:
                limit = int((folder / "memory.max").read_text())  # "max" is no number
                used = int((folder / "memory.current").read_text())
                # Cached files count as used, but their memory is given back when it is needed.
                words = [line.split() for line in (folder / "memory.stat").read_text().splitlines()]
                cached = sum(int(size) for name, size in words if name in ("inactive_file", "active_file"))
            except (OSError, ValueError):
                continue
            left = min(left, max(limit - used + cached, 0))
    return left


def _of_the_address_space(root: Path) -> float:
    """Return what ``ulimit -v`` leaves."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit == resource.RLIM_INFINITY:
            return math.inf
        pages = int((root / "proc/self/statm").read_text().split()[0])
        return max(limit - pages * os.sysconf("SC_PAGE_SIZE"), 0)
    except (ImportError, OSError, ValueError):
        return math.inf
