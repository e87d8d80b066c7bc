"""The clock in the training loop: without one nothing of it is compiled, and with one its laps add up."""

import numpy as np
import pytest
from conftest import COMPILED, alone, needs_compiler, same_bits

from hotloop import SGD, Adam, Network, profile
from hotloop.kernels import clock, training
from hotloop.kernels.jit import kernel
from hotloop.kernels.team import new_team
from hotloop.network.profiling import calibration
from hotloop.network.profiling.calibration import Calibration, clock_kind, read_both, seconds_of_a_read
from hotloop.network.training import fit as fitting

KINDS = [clock.COUNTER, clock.MONOTONIC]


# The two clocks.


@pytest.mark.parametrize("kind", KINDS)
def test_a_clock_goes_on(kind):
    counts = np.zeros(1000, np.int64)
    clock.read(kind, counts)
    assert (np.diff(counts) >= 0).all()
    assert counts[-1] > counts[0]


@pytest.mark.parametrize("kind", KINDS)
@alone
def test_the_rate_is_that_of_perf_counter(kind):
    """Over a tenth of a second, measured by another two readings: the two rates agree to a thousandth."""
    first = read_both(kind)
    found = Calibration.since(kind, first)
    tick, second = read_both(kind)
    while second < first[1] + 0.1:
        tick, second = read_both(kind)
    assert found.rate == pytest.approx((tick - first[0]) / (second - first[1]), rel=1e-3)
    if kind == clock.MONOTONIC:
        assert found.rate == pytest.approx(1e9, rel=1e-3)
    assert 0 < seconds_of_a_read(kind) < 1e-5


@pytest.mark.parametrize(("machine", "flags", "expected"), [
    ("x86_64", "fpu constant_tsc nonstop_tsc sse", clock.COUNTER),
    ("x86_64", "fpu constant_tsc sse", clock.MONOTONIC),
    ("x86_64", "fpu nonstop_tsc", clock.MONOTONIC),
    ("x86_64", None, clock.MONOTONIC),
    ("riscv64", "fpu constant_tsc nonstop_tsc", clock.MONOTONIC),
])  # fmt: skip
def test_a_counter_that_cannot_be_trusted_is_not_read(machine, flags, expected, monkeypatch, tmp_path):
    monkeypatch.setattr(calibration.platform, "machine", lambda: machine)
    monkeypatch.setattr(calibration.sys, "platform", "linux")
    monkeypatch.setattr(calibration, "read", lambda kind, counts: counts.__setitem__(slice(None), range(counts.size)))
    path = tmp_path / "cpuinfo"
    if flags is not None:
        path.write_text(f"processor : 0\nflags\t\t: {flags}\n")
    assert clock_kind(path) == expected


@pytest.mark.parametrize("counts", [0, -1], ids=["stands still", "goes back"])
def test_a_counter_that_does_not_count_is_not_read(counts, monkeypatch, tmp_path):
    monkeypatch.setattr(calibration.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(
        calibration, "read", lambda kind, out: out.__setitem__(slice(None), counts * np.arange(out.size))
    )
    (tmp_path / "cpuinfo").write_text("flags : constant_tsc nonstop_tsc\n")
    assert clock_kind(tmp_path / "cpuinfo") == clock.MONOTONIC


@kernel
def count_bits(value, bits):
    bits[0] = clock.bit_length(value)


@needs_compiler
@pytest.mark.parametrize("kind", KINDS)
@alone
def test_a_clock_of_ones_own_loop(kind):
    """The functions of the clock serve any compiled loop: here two phases, of which the second works ten times more."""

    @kernel
    def work(clocks, values):
        mine = clock.of_thread(clocks, 0)
        clock.enter(mine)
        for _ in range(50):
            clock.begin_micro_batch(mine)
            for _ in range(20):
                values[:] = np.sqrt(values + 1)
            clock.lap(mine, clock.FORWARD, 0)
            for _ in range(200):
                values[:] = np.sqrt(values + 1)
            clock.lap(mine, clock.BACKWARD, 1)
        clock.leave(mine)

    clocks = clock.new_clock(1, 2, kind)
    work(clocks, np.ones(1000))
    clocks = clock.new_clock(1, 2, kind)
    work(clocks, np.ones(1000))
    laps = laps_of(clocks)[0]
    assert set(np.flatnonzero(laps)) == {clock.FORWARD * 2, clock.BACKWARD * 2 + 1}
    counts, sums = (part[0].sum(axis=0) for part in clock.histograms(clocks))
    shortest = [  # the laps in which no other process had the core
        (sums[place] / np.maximum(counts[place], 1))[np.flatnonzero(counts[place])[0]]
        for place in ((clock.FORWARD, 0), (clock.BACKWARD, 1))
    ]
    assert 3 < shortest[1] / shortest[0] < 30


# In the training loop.


def laps_of(clocks):
    """Return the ticks of each thread, phase and layer, in all bins."""
    return clock.histograms(clocks)[1].sum(axis=(1, 4))


def trained(n_micro_batches=6, stride=1, capacity=0, optimizer=None, first=0, **options):
    """Return the clock of some steps of a network of two layers, and its parameters."""
    net = Network([5, 7, 3], loss="cross_entropy", seed=0, **options)
    X, y = (
        np.random.default_rng(0).normal(size=(4 * n_micro_batches, 5)).astype(np.float32),
        np.arange(4 * n_micro_batches) % 3,
    )
    data = net._prepared(net._checked(X, y), 4)
    data.set_optimizer(optimizer or SGD(0.1), 0, 0)
    clocks = clock.new_clock(1, 2, clock.COUNTER, stride, capacity, first)
    state = np.zeros(((optimizer or SGD()).n_moments, net.parameters.size), np.float32)
    run = data.training(net.parameters, np.zeros_like(net.parameters), state, np.arange(len(X)))
    training.train_slice(0, 1, new_team(), len(X), run, clocks)
    return clocks, net.parameters


ALWAYS = {(clock.GATHER, 0), (clock.FORWARD, 0), (clock.FORWARD, 1), (clock.LOSS, 1), (clock.BACKWARD, 0),
          (clock.BACKWARD, 1)}  # fmt: skip


@pytest.mark.parametrize(("optimizer", "options", "more"), [
    (SGD(0.1), {}, {(clock.DESCENT, 0), (clock.DESCENT, 1)}),
    (SGD(0.1), {"l2": 1e-3}, {(p, layer) for p in (clock.WEIGHT_GRADIENT, clock.UPDATE) for layer in (0, 1)}),
    (Adam(), {}, {(p, layer) for p in (clock.WEIGHT_GRADIENT, clock.UPDATE) for layer in (0, 1)}),
])  # fmt: skip
def test_each_phase_of_each_layer_has_its_laps(optimizer, options, more, monkeypatch):
    """Two plain Python readings may be equal, so the clock is made to count its readings."""
    if not COMPILED:
        monkeypatch.setattr(clock, "cycle_counter", iter(range(10**9)).__next__)
    clocks, _ = trained(optimizer=optimizer, **options)
    laps = laps_of(clocks)[0]
    found = {(int(phase), int(layer)) for phase, layer in np.argwhere(laps > 0)}
    assert found == ALWAYS | more


@alone
def test_laps_add_up_to_the_call():
    """With each micro-batch timed, to the time between entering and leaving, less what is outside micro-batches."""
    clocks, _ = trained(50)
    assert clocks[0, clock.MICRO_BATCHES] == clocks[0, clock.SAMPLED] == 50
    laps, total = laps_of(clocks).sum(), clocks[0, clock.TOTAL]
    assert 0 < laps <= total
    assert laps > 0.5 * total  # the least that holds if the process is stopped between two laps for once


@pytest.mark.parametrize(("stride", "sampled"), [(1, 7), (2, 4), (3, 3), (7, 1), (100, 1)])
def test_of_stride_micro_batches_one_is_timed(stride, sampled):
    clocks, _ = trained(7, stride)
    assert (clocks[0, clock.MICRO_BATCHES], clocks[0, clock.SAMPLED]) == (7, sampled)


def test_the_first_micro_batches_are_all_timed():
    """After these, one in each stride. The first have separate histograms."""
    clocks, _ = trained(12, stride=4, first=5)
    assert (clocks[0, clock.MICRO_BATCHES], clocks[0, clock.SAMPLED]) == (12, 7)  # 1 to 5, 6, and 10
    counts = clock.histograms(clocks)[0][0].sum(axis=-1)
    assert counts[:, clock.GATHER, 0].tolist() == [5, 2]
    assert counts[:, clock.LOSS, 1].tolist() == [10, 4]
    clocks, _ = trained(3, stride=4, first=5)
    assert clock.histograms(clocks)[0][0, 1].sum() == 0


@pytest.mark.parametrize("ticks", [0, 1, 2, 3, 4, 255, 256, 2**30 - 1, 2**30, 2**31, 2**62])
def test_laps_are_counted_by_powers_of_two(ticks):
    """Bin b is of b bits, the last of all that are longer."""
    bits = np.zeros(1, np.int64)
    count_bits(ticks, bits)
    assert bits.tolist() == [ticks.bit_length()]
    clocks, _ = trained(50)
    counts, sums = clock.histograms(clocks)
    bins = np.arange(clock.BINS)
    assert (sums >= counts * np.where(bins > 0, 2.0 ** (bins - 1), 0)).all()
    assert (sums <= counts * (2.0**bins - 1))[..., :-1].all()
    assert counts.sum() == 50 * 9  # a micro-batch has nine laps here


@pytest.mark.parametrize("capacity", [0, 1, 5, 9, 20, 1000])
def test_the_log_holds_what_it_has_room_for(capacity):
    """A micro-batch is ten entries here: its beginning, and nine laps, in the order of a step."""
    clocks, _ = trained(3, capacity=capacity)
    assert clocks[0, clock.LOGGED] == min(capacity, 30)
    entries = clock.log(clocks[0])
    step = [
        clock.BEGIN, 2 * clock.GATHER, 2 * clock.FORWARD, 2 * clock.FORWARD + 1, 2 * clock.LOSS + 1,
        2 * clock.BACKWARD + 1, 2 * clock.BACKWARD, 2 * clock.LOSS + 1, 2 * clock.DESCENT, 2 * clock.DESCENT + 1,
    ]  # fmt: skip
    expected = step * 3
    assert entries[:, 0].tolist() == expected[: len(entries)]
    assert (np.diff(entries[:, 1]) >= 0).all()
    assert (clocks[0, clock.LOG + 2 * len(entries) : clock.LOG + 2 * capacity] == 0).all()


def test_the_rows_of_two_threads_share_no_cache_line():
    for layers in range(1, 9):
        clocks = clock.new_clock(3, layers, clock.COUNTER, capacity=layers)
        used = clock.LOG + 2 * layers + 4 * clock.PHASES * layers * clock.BINS
        assert clocks.strides[0] - 8 * used >= 64
        assert clocks.strides[0] % 128 == 0


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("optimizer", [SGD(0.1), Adam()], ids=["sgd", "adam"])
def test_a_profile_changes_no_bit(optimizer, n_threads, monkeypatch):
    """Neither do its clocks nor its snapshots, one for each batch here."""
    monkeypatch.setattr("hotloop.network.profiling.diagnosis.snapshots.SHARE", 1e9)
    rows = 600 if COMPILED else 24
    X, y = np.random.default_rng(0).normal(size=(rows, 9)), np.arange(rows) % 3
    results = []
    for watched in (False, True):
        net = Network([9, 20, 3], "tanh", loss="cross_entropy", dropout=0.2, seed=0)
        options = {"epochs": 2, "batch_size": 8, "optimizer": optimizer, "n_threads": n_threads, "progress": False}
        if watched:
            with profile() as prof:
                history = net.fit(X, y, **options)
            assert len(prof.recording.fits[0].snapshots.items) > 2
        else:
            history = net.fit(X, y, **options)
        results.append((net.parameters.copy(), net._training.moments.copy(), history["loss"], net.steps))
    assert same_bits(results[0][0], results[1][0])
    assert same_bits(results[0][1], results[1][1])
    assert results[0][2:] == results[1][2:]


@pytest.mark.parametrize("batch_size", [300, 700], ids=["two micro-batches", "all rows"])
def test_snapshots_change_no_bit_of_batches_in_several_micro_batches(batch_size, monkeypatch):
    monkeypatch.setattr("hotloop.network.profiling.diagnosis.snapshots.SHARE", 1e9)
    rows = 700
    X, y = np.random.default_rng(0).normal(size=(rows, 3)), np.arange(rows) % 2
    results = []
    for watched in (False, True):
        net = Network([3, 4, 2], loss="cross_entropy", seed=0)
        options = {"epochs": 2, "batch_size": batch_size, "optimizer": SGD(0.1, momentum=0.5), "progress": False}
        with profile(snapshots=watched) as prof:
            net.fit(X, y, n_threads=1, **options)
        results.append(net.parameters.copy())
    assert len(prof.recording.fits[0].snapshots.items) == 2 * -(-rows // batch_size)
    assert same_bits(*results)


# Without a clock: tests/kernels/test_codegen.py checks that nothing of it is compiled.


def test_without_a_profile_the_loop_is_handed_none(monkeypatch):
    handed, real = [], fitting.train_slice
    monkeypatch.setattr(fitting, "train_slice", lambda *given: (handed.append(given[-1]), real(*given)))
    monkeypatch.setattr(fitting, "LOADED", set())
    net = Network([2, 2], seed=0)
    net.fit(np.ones((4, 2)), np.ones((4, 2)), epochs=1, n_threads=1, progress=False)
    assert handed
    assert all(clocks is None for clocks in handed)
    del handed[:]
    with profile(snapshots=False):
        net.fit(np.ones((4, 2)), np.ones((4, 2)), epochs=1, n_threads=1, progress=False)
    assert handed
    assert not any(clocks is None for clocks in handed)
