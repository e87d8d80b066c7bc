"""The measured limits of a core: the loops that are timed, what is counted, and what bounds a phase."""

import numpy as np
import pytest
from conftest import fenced, needs_compiler, same_bits, whole_numbers

from hotloop.kernels import limits
from hotloop.kernels.matmul import MR, NR
from hotloop.network.profiling import roofline as roof
from hotloop.network.profiling.roofline import Roof

# The loops that it times.


@pytest.mark.parametrize("repeats", [0, 1, 7, 21])
def test_a_micro_kernel_makes_every_operation_that_is_counted(repeats, dtype, rng):
    size = NR * 64 // np.dtype(dtype).itemsize
    depth = int(limits.DEPTH)
    a, b, start = (whole_numbers(rng, shape, dtype) for shape in (MR * depth, depth * size, MR * size))
    with fenced((MR * size,), dtype) as c:
        c[:] = start
        limits.multiply_adds(a, b, repeats, c)
        product = (a.reshape(MR, depth).astype(float) @ b.reshape(depth, size).astype(float)).ravel()
        assert same_bits(c.copy(), (start + repeats * product).astype(dtype))


@pytest.mark.parametrize("size", [1, 7, 33])
@pytest.mark.parametrize("passes", [1, 3])
def test_the_triad(passes, size, dtype, rng):
    a, b = (whole_numbers(rng, size, dtype) for _ in range(2))
    with fenced((size,), dtype) as c:
        c[:] = np.nan
        limits.triad(a, b, passes, c)
        assert same_bits(c.copy(), a + 3 * b)


def test_what_is_counted(monkeypatch):
    """Operations and bytes over the seconds of the fastest call, here half a second."""
    monkeypatch.setattr(roof, "REPEATS", 10)
    monkeypatch.setattr(roof, "fastest", lambda call, rounds=0: call() or 0.5)
    assert roof.peak_flops("float32") == 2 * MR * NR * 16 * limits.DEPTH * 10 / 0.5
    assert roof.peak_flops("float64") == 2 * MR * NR * 8 * limits.DEPTH * 10 / 0.5
    assert roof.bandwidth(2400, 1) == 2400 / 0.5
    assert roof.bandwidth(2400, 7) == 7 * 2400 / 0.5


def test_the_fastest_of_some_calls_counts(monkeypatch):
    """The first, which compiles, does not; and the clock is read around one call each."""
    calls, clock = [], iter([0.0, 5.0, 7.0, 9.5, 10.0, 14.0])
    monkeypatch.setattr(roof.time, "perf_counter", lambda: next(clock))
    assert roof.fastest(lambda: calls.append(1), 3) == 2.5
    assert len(calls) == 4


# The model.

CORE = Roof(100e9, (1e4, 1e6, 1e8), (100e9, 50e9, 10e9))


@pytest.mark.parametrize(("in_use", "expected"), [
    (0, 100e9), (1e3, 100e9), (1e4, 100e9), (1e5, 75e9), (1e6, 50e9), (1e7, 30e9), (1e9, 10e9),
])  # fmt: skip
def test_the_bandwidth_is_that_of_the_memory_in_use(in_use, expected):
    """Between two sizes it lies on a straight line over the size's logarithm."""
    assert CORE.bandwidth(in_use) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("flops", "moved", "share", "bound"), [
    (80e9, 10e9, 0.8, "compute"),
    (80e9, 90e9, 0.9, "memory"),
    (30e9, 0, 0.3, "compute"),
    (24e9, 20e9, 0.24, "overhead"),
    (0, 50e9, 0.5, "memory"),
    (0, 0, 0.0, "overhead"),
])  # fmt: skip
def test_what_bounds_a_second(flops, moved, share, bound):
    assert CORE.share(1.0, flops, moved, 1e4) == (pytest.approx(share), bound)


def test_the_bound_depends_on_where_the_data_lies():
    """Ten operations a byte: the arithmetic bounds it in the first-level cache, main memory beyond."""
    assert CORE.share(1.0, 80e9, 8e9, 1e4)[1] == "compute"
    assert CORE.share(1.0, 80e9, 8e9, 1e9) == (0.8, "compute")
    assert CORE.share(1.0, 80e9, 8.1e9, 1e9) == (pytest.approx(0.81), "memory")


@needs_compiler
def test_this_machine():
    """The curve falls, if not at each step: a first-level cache is faster than main memory."""
    found = roof.measured("float32")
    assert found is roof.measured("float32")
    assert 1e9 < found.peak < 1e12
    assert all(1e8 < bandwidth < 1e13 for bandwidth in found.bandwidths)
    assert max(found.bandwidths[:3]) > found.bandwidths[-1]


def test_the_better_of_two_measures_counts(monkeypatch):
    """In small, so that plain Python measures it too."""
    for name, value in {"CURVE_BYTES": [240, 480], "CURVE_MOVED": 240, "REPEATS": 1, "_known": {}}.items():
        monkeypatch.setattr(roof, name, value)
    speeds = iter([1.0, 9.0, 5.0, 2.0, 3.0, 6.0])  # of the two sizes and the peak, twice
    monkeypatch.setattr(roof, "fastest", lambda call, rounds=0: call() or 1 / next(speeds))
    first, again = roof.measured("float32"), roof.measured("float32", again=True)
    assert roof.measured("float32") is again
    assert [now / then for now, then in zip(again.bandwidths, first.bandwidths, strict=True)] == [2.0, 1.0]
    assert again.peak / first.peak == pytest.approx(6 / 5)
