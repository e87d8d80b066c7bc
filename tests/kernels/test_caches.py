"""The sizes of caches: of made-up CPUs, as Linux, its C library and macOS describe them, and where nothing does."""

import os
import sys

import pytest

from hotloop.kernels import caches
from hotloop.kernels.caches import ASSUMED, KB, Cache, Caches

CPUS = "sys/devices/system/cpu"
# Size, ways and cores that share it, of the first-level instruction and data caches, the second and the last.
ZEN_3 = ("32K", 8, 1), ("32K", 8, 1), ("512K", 8, 1), ("32768K", 16, 8)
ZEN_4 = ("32K", 8, 1), ("32K", 8, 1), ("1024K", 8, 1), ("32768K", 16, 8)
ZEN_5 = ("32K", 8, 1), ("48K", 12, 1), ("1024K", 16, 1), ("32768K", 16, 8)
INTEL = ("32K", 8, 1), ("48K", 12, 1), ("2048K", 16, 1), ("266240K", 20, 8)
SMALL_CORE = ("64K", 8, 1), ("32K", 8, 1), ("2048K", 16, 4), ("30720K", 12, 8)
PLAIN = ("64K", 4, 1), ("64K", 4, 1), ("1024K", 8, 1)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def group(number, size):
    """Return the list of the numbers that share something with one of them, in groups of a size."""
    start = number // size * size
    return str(start) if size == 1 else f"{start}-{start + size - 1}"


def describe(root, *cores, threads=1):
    """Make the files of Linux for cores with these caches, each of several hardware threads, numbered in turn."""
    for number in range(len(cores) * threads):
        folder, core = root / CPUS / f"cpu{number}", number // threads
        write(folder / "topology/thread_siblings_list", group(number, threads))
        kinds = ("Instruction", 1), ("Data", 1), ("Unified", 2), ("Unified", 3)
        for index, ((kind, level), (size, ways, sharers)) in enumerate(zip(kinds, cores[core], strict=False)):
            values = {"type": kind, "level": level, "size": size, "ways_of_associativity": ways}
            for name, value in (values | {"shared_cpu_list": group(number, threads * sharers)}).items():
                write(folder / f"cache/index{index}" / name, value)


def seen(root, cores):
    return caches.of_the_levels(caches.from_sysfs(str(root / CPUS), cores), "/sys")


@pytest.mark.parametrize(("cpu", "first", "second", "last"), [
    (ZEN_3, (32, 8), (512, 8), (32768, 16)), (ZEN_4, (32, 8), (1024, 8), (32768, 16)),
    (ZEN_5, (48, 12), (1024, 16), (32768, 16)), (INTEL, (48, 12), (2048, 16), (266240, 20)),
])  # fmt: skip
@pytest.mark.parametrize("threads", [1, 2])
def test_a_cpu_of_equal_cores(cpu, first, second, last, threads, tmp_path):
    """A second hardware thread of a core takes no part of its caches away."""
    describe(tmp_path, *[cpu] * 8, threads=threads)
    found = seen(tmp_path, range(8 * threads))
    assert [(cache.size // KB, cache.ways, cache.cores) for cache in found[:3]] == [
        (*first, 1),
        (*second, 1),
        (*last, 8),
    ]
    assert found.last.share == last[0] * KB // 8


def test_of_two_kinds_of_cores_the_smaller_caches_count(tmp_path):
    """Of those that the process may use, level by level; four small cores share a second-level cache."""
    describe(tmp_path, *[INTEL] * 4, *[SMALL_CORE] * 4)
    small = seen(tmp_path, range(8))
    assert small == seen(tmp_path, range(3, 5)) == seen(tmp_path, range(4, 8))
    assert (small.first, small.second) == (Cache(32 * KB, 8, 1), Cache(2048 * KB, 16, 4))
    assert small.second.share == 512 * KB
    assert seen(tmp_path, range(4)).first == Cache(48 * KB, 12, 1)


def test_many_equal_cores_are_not_all_read(tmp_path, monkeypatch):
    describe(tmp_path, *[ZEN_4] * 40)
    read, text = [], caches.text_of
    monkeypatch.setattr(caches, "text_of", lambda path: read.append(path) or text(path))
    assert seen(tmp_path, range(40)).first == Cache(32 * KB, 8, 1)
    assert len(read) < 100


def test_a_cpu_without_a_last_cache_or_an_instruction_cache(tmp_path):
    describe(tmp_path, PLAIN, PLAIN)
    assert seen(tmp_path, [0, 1]) == Caches(Cache(64 * KB, 4), Cache(1024 * KB, 8), None, "/sys")


@pytest.mark.parametrize(("name", "text"), [
    ("size", ""), ("size", "0K"), ("size", "1K"), ("size", "999999999G"), ("size", "-32K"), ("size", "32 K"),
    ("size", "a"), ("size", "\x80"), ("level", "0"), ("level", "x"), ("type", "Instruction"),
])  # fmt: skip
def test_a_first_level_cache_with_an_absurd_file_is_assumed(name, text, tmp_path):
    describe(tmp_path, INTEL)
    (tmp_path / CPUS / "cpu0/cache/index1" / name).write_bytes(text.encode("latin-1"))
    found = seen(tmp_path, [0])
    assert found.first == ASSUMED.first
    assert found.second == Cache(2048 * KB, 16)


@pytest.mark.parametrize("text", ["", "0", "-1", "33", "4294967295", "a"])
def test_absurd_ways_are_assumed(text, tmp_path):
    describe(tmp_path, INTEL)
    write(tmp_path / CPUS / "cpu0/cache/index1/ways_of_associativity", text)
    assert seen(tmp_path, [0]).first == Cache(48 * KB, 8)


@pytest.mark.parametrize("text", ["", "5-1", "a", "0-999999"])
@pytest.mark.parametrize("name", ["cache/index2/shared_cpu_list", "topology/thread_siblings_list"])
def test_absurd_lists_share_nothing(name, text, tmp_path):
    describe(tmp_path, INTEL)
    write(tmp_path / CPUS / "cpu0" / name, text)
    assert seen(tmp_path, [0]).second == Cache(2048 * KB, 16)


def test_a_list_with_gaps(tmp_path):
    """As of two hardware threads of each of two cores."""
    describe(tmp_path, ZEN_4)
    write(tmp_path / CPUS / "cpu0/topology/thread_siblings_list", "0,64")
    write(tmp_path / CPUS / "cpu0/cache/index3/shared_cpu_list", "0-1,64-65")
    assert seen(tmp_path, [0]).last == Cache(32768 * KB, 16, 2)


linux = pytest.mark.skipif(sys.platform != "linux", reason="as Linux describes it")


@linux
def test_files_are_looked_for_first(tmp_path):
    describe(tmp_path, *[SMALL_CORE] * (max(os.sched_getaffinity(0)) + 1))
    assert caches.caches(str(tmp_path)).second == Cache(2048 * KB, 16, 4)


@linux
def test_then_the_c_library_is_asked_and_then_sizes_are_assumed(tmp_path, monkeypatch):
    """As of ARM without files of its caches, whose C library says 0."""
    answers = {188: 48 * KB, 189: 12, 191: 2048 * KB, 192: 16}
    monkeypatch.setattr(caches.os, "sysconf", answers.get)
    found = caches.caches(str(tmp_path))
    assert found == Caches(Cache(48 * KB, 12), Cache(2048 * KB, 16), None, "sysconf")
    monkeypatch.setattr(caches.os, "sysconf", lambda number: 0)
    assert caches.caches(str(tmp_path)) is ASSUMED


def test_a_c_library_that_knows_none():
    def unknown(number):
        raise OSError(22, "Invalid argument")

    assert caches.from_sysconf(unknown) == {}


@linux
def test_this_machine():
    """Whoever says so; and in a time that `import hotloop` can do with."""
    found = caches.caches()
    assert found.first.size <= found.second.share
    assert found.first.size % (found.first.ways * 64) == 0


APPLE = {
    "hw.perflevel0.l1dcachesize": 128 * KB, "hw.perflevel0.l2cachesize": 12288 * KB, "hw.perflevel0.cpusperl2": 4,
    "hw.perflevel1.l1dcachesize": 64 * KB, "hw.perflevel1.l2cachesize": 4096 * KB, "hw.perflevel1.cpusperl2": 4,
    "hw.l1dcachesize": 64 * KB, "hw.l2cachesize": 4096 * KB,
}  # fmt: skip


@pytest.mark.parametrize(("answers", "found"), [
    (APPLE, Caches(Cache(64 * KB, 8), Cache(4096 * KB, 8, 4), None, "sysctl")),
    ({"hw.l1dcachesize": 32 * KB, "hw.l2cachesize": 256 * KB}, Caches(
        Cache(32 * KB, 8), Cache(256 * KB, 8), None, "sysctl"
    )),
    ({}, ASSUMED),
], ids=["two kinds of cores", "one", "nothing"])  # fmt: skip
def test_what_macos_says(answers, found, monkeypatch):
    monkeypatch.setattr(caches.sys, "platform", "darwin")
    monkeypatch.setattr(caches, "_sysctl", lambda: lambda name: answers.get(name, 0))
    assert caches.caches() == found


def test_another_system_says_nothing(monkeypatch):
    monkeypatch.setattr(caches.sys, "platform", "win32")
    assert caches.caches() is ASSUMED
