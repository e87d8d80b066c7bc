"""How many cores this process may use, and which of them the threads of a team are put on."""

import ctypes
import math
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath

from hotloop.kernels.caches import cores_in, text_of


def available_cores(root: Path = Path("/")) -> int:
    """Return how many cores this process may use: by its affinity, and by the quota of its control groups.

    A quota of 2.5 cores counts as 2: with a third thread, all would wait together once the quota is spent. In a worker
    of joblib it is 1: the others have the rest.

    Parameters
    ----------
    root : Path, optional
        Where ``proc`` and ``sys`` are.

    Returns
    -------
    int
        At least 1.
    """
    if in_joblib_worker():
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(cores, _recent_quota(root))))


def in_joblib_worker() -> bool:
    """Return whether joblib calls this, in a process or a thread of its own beside others."""
    parallel = sys.modules.get("joblib.parallel")  # imported in every worker
    if parallel is None:
        return False
    backend, _ = parallel.get_active_backend()
    return (getattr(backend, "nesting_level", None) or 0) > 0


def _recent_quota(root: Path) -> float:
    """Return `_quota`, read at most a second ago: to read it takes 0.1 ms, as long as a step."""
    read, quota = _quotas.get(root, (-math.inf, math.inf))
    now = time.monotonic()
    if now - read > 1:
        quota = _quota(root)
        _quotas[root] = now, quota
    return quota


_quotas: dict[Path, tuple[float, float]] = {}  # when it was read, and what it was


def _quota(root: Path) -> float:
    """Return how many cores' time the control groups of this process grant it, or infinity.

    Each group up to the root may set a limit. In a container the host's groups are listed but not all mounted: those
    that are missing are skipped.
    """
    try:
        memberships = (root / "proc/self/cgroup").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return math.inf
    limits = [math.inf]
    for membership in memberships:
        _, controllers, path = membership.split(":", 2)
        groups = [str(group).lstrip("/") for group in (PurePosixPath(path), *PurePosixPath(path).parents)]
        if controllers == "":  # version 2
            limits += [_limit(root / "sys/fs/cgroup" / group / "cpu.max") for group in groups]
        elif "cpu" in controllers.split(","):  # version 1, mounted under one name or all
            for folder in (
                root / "sys/fs/cgroup" / mount / group for mount in ("cpu", controllers) for group in groups
            ):
                limits.append(_limit(folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us"))
    return min(limits)


def _limit(*paths: Path) -> float:
    """Return the quotient of the two numbers in the files; infinity if there is no limit or no file."""
    try:
        quota, period = (int(word) for path in paths for word in path.read_text().split())
    except (OSError, ValueError):  # "max", in version 2
        return math.inf
    return quota / period if quota > 0 and period > 0 else math.inf


def _core_of_this_thread() -> Callable[[], int] | None:
    """Return the C library's function that tells which core its caller is on, if there is one."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    function: Callable[[], int] | None = getattr(ctypes.CDLL(None), "sched_getcpu", None)
    return function


_core = _core_of_this_thread()


def cores_for_others(n_threads: int, root: Path = Path("/")) -> list[set[int]]:
    """Return the cores for each of a team's threads but the first, the caller; empty if the caller's is unknown.

    That is all cores but the caller's, if there are at least as many as threads. A thread may be woken on the core of
    the thread that woke it, and stay there for milliseconds while another core sleeps, above all in a virtual machine:
    two threads then took longer than one. The choice holds until the next run, which may begin on another core. The
    caller's affinity is never changed.

    On a machine of several nodes, each with a memory or at least a cache of its own, a team has the caller's node if
    that has enough cores, or else as few nodes as have. Threads that follow each other are then on one node.

    Parameters
    ----------
    n_threads : int
    root : Path, optional
        Where ``sys`` is.
    """
    if _core is None:
        return []
    allowed, core = os.sched_getaffinity(0), _core()
    taken = {core} if n_threads <= len(allowed) else set()
    nodes = [here for node in nodes_of(root) if (here := allowed & node)]
    nodes.sort(key=lambda node: core not in node)  # the caller's first
    places: list[set[int]] = []  # a core's node, for as many cores as are needed
    for node in nodes:
        if len(places) < n_threads:
            places += [node - taken] * len(node)
    if len(nodes) < 2 or len(places) == 0:
        return [allowed - taken] * (n_threads - 1)
    return [places[len(places) * thread // n_threads] for thread in range(1, n_threads)]


@cache
def nodes_of(root: Path) -> list[frozenset[int]]:
    """Return the cores of each node of memory, or of each package where memory is one; empty if it is not known."""
    lists = [text_of(folder / "cpulist") for folder in sorted((root / "sys/devices/system/node").glob("node[0-9]*"))]
    nodes = [cores for text in lists if (cores := cores_in(text))]
    if len(nodes) > 1:
        return nodes
    packages: dict[str, set[int]] = {}
    for folder in (root / "sys/devices/system/cpu").glob("cpu[0-9]*"):
        packages.setdefault(text_of(folder / "topology/physical_package_id"), set()).add(int(folder.name[3:]))
    packages.pop("", None)
    return [frozenset(packages[name]) for name in sorted(packages)]
