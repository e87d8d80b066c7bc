"""Which cores the threads of a team are on, and how many there are for them."""

import os
import threading
from types import SimpleNamespace

import pytest
from thread_teams import parts_done, works

from hotloop.network.training import cores as cores_module
from hotloop.network.training.cores import available_cores
from hotloop.network.training.team import Team

# Which core a thread is on.


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity is Linux's")
@pytest.mark.parametrize(("n_threads", "core", "others"), [(2, 1, {0, 2}), (3, 5, {0, 1, 2}), (4, 1, {0, 1, 2})])
def test_the_others_leave_the_core_of_the_caller(n_threads, core, others, monkeypatch):
    """In the second case the caller is on a core that is no longer allowed; in the third there are too few cores."""
    asked = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: asked.append((threading.get_ident(), pid, cores)))
    monkeypatch.setattr(cores_module, "_core", lambda: core)
    with Team(n_threads) as team:
        *_, callers = parts_done(team)[0]
        workers = [ident for *_, ident in parts_done(team)[1:]]
    assert sorted(asked) == sorted((ident, 0, others) for ident in workers * 2)
    assert callers not in workers


@pytest.mark.skipif(available_cores() < 2 or cores_module._core is None, reason="needs two cores to be on")
def test_where_the_threads_of_two_are():
    """The caller may be moved within a run; nothing keeps it where it is."""
    allowed, found, at = os.sched_getaffinity(0), [], []

    def look(thread, n_threads, words):
        (found if thread else at).append((cores_module._core(), os.sched_getaffinity(0)))

    with Team(2) as team:
        for _ in range(5):
            team.run(look)
    assert all(cores == allowed for _, cores in at)
    assert all(core in cores and len(cores) == len(allowed) - 1 for core, cores in found)
    assert os.sched_getaffinity(0) == allowed


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity is Linux's")
@pytest.mark.parametrize("missing", ["function", "right"])
def test_threads_that_cannot_be_moved(missing, monkeypatch):
    def refuse(pid, cores):
        raise OSError

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    if missing == "function":
        monkeypatch.setattr(cores_module, "_core", None)
    with Team(2) as team:
        assert works(team)


# How many cores there are.


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Return a function that writes files under a root folder, on a machine of eight cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


V2, V1 = {"proc/self/cgroup": "0::/a/b\n"}, {"proc/self/cgroup": "9:name=x:/y\n3:cpuacct,cpu:/a/b\n0::/\n"}
MOUNT = "sys/fs/cgroup/"


@pytest.mark.parametrize(("files", "cores"), [
    ({}, 8),
    (V2, 8),
    (V2 | {MOUNT + "a/b/cpu.max": "max 100000\n"}, 8),
    (V2 | {MOUNT + "a/b/cpu.max": "300000 100000\n"}, 3),
    (V2 | {MOUNT + "a/b/cpu.max": "250000 100000\n"}, 2),
    (V2 | {MOUNT + "a/b/cpu.max": "50000 100000\n"}, 1),
    (V2 | {MOUNT + "a/b/cpu.max": "1600000 100000\n"}, 8),
    (V2 | {MOUNT + "a/b/cpu.max": "max 100000\n", MOUNT + "a/cpu.max": "400000 200000\n"}, 2),
    (V2 | {MOUNT + "cpu.max": "400000 100000\n"}, 4),  # a container: the host's groups are not mounted
    (V2 | {MOUNT + "c/cpu.max": "100000 100000\n"}, 8),  # another group
    (V2 | {MOUNT + "a/b/cpu.max": "nonsense"}, 8),
    ({"proc/self/cgroup": "0::/../c\n", MOUNT + "cpu.max": "200000 100000"}, 2),
    (V1 | {MOUNT + "cpu/a/b/cpu.cfs_quota_us": "-1\n", MOUNT + "cpu/a/b/cpu.cfs_period_us": "100000\n"}, 8),
    (V1 | {MOUNT + "cpu/a/cpu.cfs_quota_us": "300000\n", MOUNT + "cpu/a/cpu.cfs_period_us": "100000\n"}, 3),
    (V1 | {MOUNT + "cpuacct,cpu/cpu.cfs_quota_us": "100000\n",
           MOUNT + "cpuacct,cpu/cpu.cfs_period_us": "50000\n"}, 2),
    (V1 | {MOUNT + "cpu/cpu.cfs_quota_us": "300000\n"}, 8),  # no period
])  # fmt: skip
def test_the_quota_of_control_groups(root, files, cores):
    assert available_cores(root(files)) == cores


def test_a_quota_that_changes(root, monkeypatch):
    """It is read once a second."""
    now = [1000.0]
    monkeypatch.setattr(cores_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    found = []
    for seconds, quota in ((0, 3), (0.9, 2), (0.2, 2), (5, 4)):
        now[0] += seconds
        found.append(available_cores(root(V2 | {MOUNT + "a/b/cpu.max": f"{quota}00000 100000\n"})))
    assert found == [3, 3, 2, 4]


@pytest.mark.parametrize("affinity", [{0}, {1, 3, 5}])
def test_affinity(root, monkeypatch, affinity):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: affinity)
    assert available_cores(root({})) == len(affinity)


@pytest.mark.parametrize(("count", "cores"), [(6, 6), (None, 1)])
def test_a_platform_without_affinity(root, monkeypatch, count, cores):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert available_cores(root({})) == cores


def test_this_machine():
    assert 1 <= available_cores() <= os.cpu_count()
