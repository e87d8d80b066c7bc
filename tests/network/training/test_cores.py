"""Which cores the threads of a team are on, and how many there are for them."""

import os
import threading
from types import SimpleNamespace

import pytest
from thread_teams import parts_done, works

from hotloop.network.training import cores as cores_module
from hotloop.network.training.cores import available_cores, cores_for_others
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
    monkeypatch.setattr(cores_module, "nodes_of", lambda root: [])
    with Team(n_threads) as team:
        for _ in range(2):  # in the second run nothing has changed
            *_, callers = parts_done(team)[0]
            workers = [ident for *_, ident in parts_done(team)[1:]]
            assert sorted(asked) == sorted((ident, 0, others) for ident in workers)
        assert callers not in workers
        monkeypatch.setattr(cores_module, "_core", lambda: 2)
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(10)))
        parts_done(team)
    assert sorted(asked[len(workers) :]) == sorted((ident, 0, set(range(10)) - {2}) for ident in workers)


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


# Machines of several nodes.


def machine(folder, nodes=(), packages=()):
    """Write what Linux says of a machine, given the cores of its nodes and packages as lists of ranges and numbers."""
    for number, cores in enumerate(nodes):
        path = folder / f"sys/devices/system/node/node{number}"
        path.mkdir(parents=True)
        (path / "cpulist").write_text(cores + "\n")
    for package, cores in enumerate(packages):
        for core in cores:
            path = folder / f"sys/devices/system/cpu/cpu{core}/topology"
            path.mkdir(parents=True)
            (path / "physical_package_id").write_text(f"{package}\n")
    (folder / "sys/devices/system/cpu/cpufreq").mkdir(parents=True, exist_ok=True)
    return folder


TWO, FOUR = [{0, 1, 2, 3}, {4, 5, 6, 7}], [{0, 1}, {2, 3}, {4, 5}, {6, 7}]


@pytest.mark.parametrize(("nodes", "packages", "expected"), [
    (["0-3", "4-7"], [range(8)], TWO),
    (["0-1,4-5", "2-3,6-7"], [], [{0, 1, 4, 5}, {2, 3, 6, 7}]),
    (["0-3", "", "4-7"], [], TWO),  # a node of memory has no cores
    (["0-7"], [range(4), range(4, 8)], TWO),
    ([], [range(4), range(4, 8)], TWO),
    (["0-7"], [range(8)], [set(range(8))]),
    (["5"], [], []),
    (["unknown", "unknown"], [], []),
    ([], [], []),
])  # fmt: skip
def test_the_nodes_of_a_machine(nodes, packages, expected, tmp_path):
    assert cores_module.nodes_of(machine(tmp_path, nodes, packages)) == expected


@pytest.fixture
def eight(monkeypatch):
    """Eight cores are allowed; return a function that says where the caller is, or what else is allowed."""

    def set_up(core, allowed=range(8)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(allowed), raising=False)
        monkeypatch.setattr(cores_module, "_core", lambda: core)

    set_up(0)
    return set_up


def of(cores, *others):
    return [set(cores) for cores in (cores, *others)]


@pytest.mark.parametrize(("nodes", "core", "n_threads", "expected"), [
    (TWO, 0, 2, of({1, 2, 3})),
    (TWO, 0, 4, of(*[{1, 2, 3}] * 3)),
    (TWO, 5, 4, of(*[{4, 6, 7}] * 3)),  # the caller's node
    (TWO, 0, 6, of(*[{1, 2, 3}] * 2, *[{4, 5, 6, 7}] * 3)),
    (TWO, 5, 6, of(*[{4, 6, 7}] * 2, *[{0, 1, 2, 3}] * 3)),
    (TWO, 0, 8, of(*[{1, 2, 3}] * 3, *[{4, 5, 6, 7}] * 4)),
    (TWO, 0, 16, of(*[{0, 1, 2, 3}] * 7, *[{4, 5, 6, 7}] * 8)),  # more threads than cores
    (FOUR, 2, 2, of({3})),
    (FOUR, 2, 3, of({3}, {0, 1})),  # two nodes of four
    (FOUR, 2, 4, of({3}, {0, 1}, {0, 1})),
    ([set(range(8))], 3, 3, of(*[set(range(8)) - {3}] * 2)),
    ([], 3, 3, of(*[set(range(8)) - {3}] * 2)),
])  # fmt: skip
def test_a_team_is_compact(nodes, core, n_threads, expected, eight, monkeypatch):
    eight(core)
    monkeypatch.setattr(cores_module, "nodes_of", lambda root: [frozenset(node) for node in nodes])
    assert cores_for_others(n_threads) == expected


def test_nodes_with_different_numbers_of_allowed_cores(eight, tmp_path):
    """Each gets as many threads as it has cores."""
    root = machine(tmp_path, ["0-3", "4-7"])
    eight(0, {0, 4, 5, 6})
    assert cores_for_others(4, root) == of(*[{4, 5, 6}] * 3)
    eight(0, {0, 1, 2})
    assert cores_for_others(3, root) == of(*[{1, 2}] * 2)  # the other node has none
    eight(5, {0, 1, 2})  # the caller may just have lost its core
    assert cores_for_others(3, root) == of(*[{0, 1, 2}] * 2)


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
