"""How ticks divide among phases: interruptions spoil no phase, laps long by nature stay, everything adds up."""

import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import alone, needs_compiler
from hypothesis import given
from hypothesis import strategies as st
from profiled_fits import QUIET

from hotloop import SGD, Network, profile
from hotloop.kernels import clock
from hotloop.network.profiling import phase_clock
from hotloop.network.profiling.estimate import ticks_of_phases

RATE = 1e9  # a tick is a nanosecond
USUAL, PREEMPTED = 2500, 4_000_000
FIRST, LATER = range(2)
# Micro-batches that were timed, micro-batches in all, and equal layers.
TIMED, MICRO_BATCHES, LAYERS = 100, 1000, 3
FORWARDS = TIMED * LAYERS * USUAL


def add(clocks, phase, layer, ticks, times=1, thread=0, stratum=LATER):
    """Note laps, as `clock.lap` does."""
    counts, sums = clock.histograms(clocks)
    place = thread, stratum, phase, layer, min(int(ticks).bit_length(), clock.BINS - 1)
    counts[place] += times
    sums[place] += times * ticks


def planted(total, layers=LAYERS, threads=1, timed=TIMED, micro_batches=MICRO_BATCHES, first=0):
    """Return a clock of `micro_batches` micro-batches, with laps of equal layers in the timed ones."""
    clocks = clock.new_clock(threads, layers, clock.COUNTER, first=first)
    clocks[:, clock.TOTAL], clocks[:, clock.SAMPLED], clocks[:, clock.MICRO_BATCHES] = total, timed, micro_batches
    for thread in range(threads):
        for layer in range(layers):
            add(clocks, clock.FORWARD, layer, USUAL, timed - min(first, micro_batches), thread)
    return clocks


def of_thread(clocks, thread=0):
    """Return the ticks of its phases and of its interruptions, which add up to its total."""
    phases, interruptions = ticks_of_phases(clocks, RATE)
    assert phases[thread].sum() + interruptions[thread] == pytest.approx(clocks[thread, clock.TOTAL], rel=1e-12)
    assert (phases >= 0).all()
    assert (interruptions >= 0).all()
    return phases[thread], interruptions[thread]


# Interruptions.


@pytest.mark.parametrize("hits", [1, 3])
def test_an_interrupted_lap_counts_as_a_usual_one_of_its_phase(hits):
    """It is not multiplied by the ten micro-batches that each timed one stands for."""
    work = MICRO_BATCHES * LAYERS * USUAL + 10 * hits * USUAL
    clocks = planted(work + hits * PREEMPTED)
    add(clocks, clock.FORWARD, 1, USUAL + PREEMPTED, hits)
    phases, interruptions = of_thread(clocks)
    assert phases[clock.FORWARD] == pytest.approx([MICRO_BATCHES * USUAL] * LAYERS, rel=0.04)
    assert phases[clock.FORWARD, 0] == phases[clock.FORWARD, 2]
    assert interruptions == pytest.approx(hits * PREEMPTED, rel=1e-3)


def test_interruptions_of_micro_batches_that_were_not_timed():
    clocks = planted(MICRO_BATCHES * LAYERS * USUAL + 5 * PREEMPTED)
    phases, interruptions = of_thread(clocks)
    assert phases[clock.FORWARD] == pytest.approx([MICRO_BATCHES * USUAL] * LAYERS, rel=1e-12)
    assert interruptions == pytest.approx(5 * PREEMPTED, rel=1e-12)


@pytest.mark.parametrize("share", [-0.3, 0.0, 0.04])
def test_scatter_is_no_interruption(share):
    """If untimed micro-batches took a little more than the timed ones, or less, the phases share it."""
    total = round((1 + share) * MICRO_BATCHES * LAYERS * USUAL)
    phases, interruptions = of_thread(planted(total))
    assert interruptions == 0
    assert phases[clock.FORWARD] == pytest.approx([total / LAYERS] * LAYERS, rel=1e-12)


def test_a_call_that_was_abandoned():
    """Its laps may be longer than the total, which counts only calls that ended."""
    clocks = planted(1000)
    add(clocks, clock.FORWARD, 1, USUAL + PREEMPTED)
    phases, interruptions = of_thread(clocks)
    assert (phases.sum(), interruptions) == (0, 1000)


def test_a_clock_that_never_ran():
    phases, interruptions = ticks_of_phases(clock.new_clock(2, 3, clock.COUNTER), RATE)
    assert (phases.sum(), interruptions.sum()) == (0, 0)


# What is long by nature.


@pytest.mark.parametrize(("short", "share"), [(0.5, 4), (0.85, 30), (0.5, 1000), (0.88, 1000)])
def test_a_phase_of_two_kinds_of_laps_has_their_mean(short, share):
    """A short last batch, micro-batches of different sizes, the two laps of the loss: even if one in eight is long."""
    laps = {100: round(short * 1000), 100 * share: 1000 - round(short * 1000)}
    clocks = planted(0, timed=1000)
    for ticks, times in laps.items():
        add(clocks, clock.LOSS, 0, ticks, times)
    loss = sum(ticks * times for ticks, times in laps.items())
    clocks[0, clock.TOTAL] = loss + 1000 * LAYERS * USUAL
    phases, interruptions = of_thread(clocks)
    assert interruptions == 0
    assert phases[clock.LOSS, 0] == pytest.approx(loss, rel=1e-12)
    assert phases[clock.FORWARD] == pytest.approx([1000 * USUAL] * LAYERS, rel=1e-12)


def test_a_long_interruption_does_not_hide_another():
    """What untimed micro-batches took beyond the timed ones is compared with the usual time, not with all of it."""
    clocks = planted(MICRO_BATCHES * LAYERS * USUAL + PREEMPTED + 1000 * PREEMPTED)
    add(clocks, clock.FORWARD, 1, 1000 * PREEMPTED)
    phases, interruptions = of_thread(clocks)
    assert phases[clock.FORWARD, 0] == pytest.approx(MICRO_BATCHES * USUAL, rel=0.01)
    assert interruptions == pytest.approx(1001 * PREEMPTED, rel=1e-3)


def test_a_lap_four_times_as_long_stays():
    clocks = planted(0, timed=1000)
    add(clocks, clock.UPDATE, 0, 100_000, 99)
    add(clocks, clock.UPDATE, 0, 400_000, 1)
    clocks[0, clock.TOTAL] = 10_300_000 + 1000 * LAYERS * USUAL
    phases, interruptions = of_thread(clocks)
    assert (phases[clock.UPDATE, 0], interruptions) == (pytest.approx(10_300_000, rel=1e-12), 0)


def test_a_layer_that_is_slower_in_every_lap_stays_slower():
    """As an update may be whose memory lies badly in the cache."""
    clocks = planted(0, timed=1000)
    for layer, ticks in enumerate((1000, 2000, 1000)):
        add(clocks, clock.UPDATE, layer, ticks, 1000)
    add(clocks, clock.UPDATE, 2, PREEMPTED, 3)
    clocks[0, clock.TOTAL] = 4_003_000 + 3 * PREEMPTED + 1000 * LAYERS * USUAL
    phases, interruptions = of_thread(clocks)
    assert phases[clock.UPDATE] == pytest.approx([1e6, 2e6, 1.003e6], rel=1e-3)
    assert interruptions == pytest.approx(3 * PREEMPTED, rel=1e-3)


def test_the_first_micro_batches_are_not_multiplied():
    """Cold ones, three and ten times as long, are not scaled as later micro-batches are."""
    clocks = planted(0, timed=4 + TIMED, micro_batches=4 + 10 * TIMED, first=4)
    for layer in range(LAYERS):
        for times in (1, 1, 3, 10 if layer == 1 else 3):
            add(clocks, clock.FORWARD, layer, times * USUAL, stratum=FIRST)
    clocks[0, clock.TOTAL] = (LAYERS * 8 + 7 + LAYERS * 10 * TIMED) * USUAL
    phases, interruptions = of_thread(clocks)
    assert interruptions == pytest.approx(9 * USUAL, rel=0.01)  # the lap of ten times is cut to its phase's mean
    usual = (8 + 10 * TIMED) * USUAL
    assert phases[clock.FORWARD] == pytest.approx([usual, (6 + 10 * TIMED) * USUAL, usual], rel=1e-4)


def test_of_few_laps_none_is_cut():
    """Nine do not show what is usual. All micro-batches were timed, so nothing is multiplied either."""
    clocks = planted(0, timed=8, micro_batches=8)
    add(clocks, clock.FORWARD, 1, 20 * USUAL)
    clocks[0, clock.TOTAL] = (24 + 20) * USUAL
    phases, interruptions = of_thread(clocks)
    assert interruptions == 0
    assert phases[clock.FORWARD].tolist() == pytest.approx([8 * USUAL, 28 * USUAL, 8 * USUAL])


# Waiting.


def test_waiting_for_a_thread_that_has_more_to_do_is_waiting():
    """As long as that thread's whole work in a micro-batch, in each of them."""
    clocks = planted(TIMED * LAYERS * USUAL, threads=2, micro_batches=TIMED)
    counts, sums = clock.histograms(clocks)
    counts[1], sums[1] = 0, 0
    add(clocks, clock.WAIT, 0, LAYERS * USUAL, TIMED, thread=1)
    phases, interruptions = of_thread(clocks, 1)
    assert (phases[clock.WAIT, 0], interruptions) == (TIMED * LAYERS * USUAL, 0)


@pytest.mark.parametrize("hits", [1, TIMED // 2, TIMED])
def test_waiting_for_a_thread_that_was_interrupted_is_an_interruption(hits):
    """However often it happens: a wait is compared with the work, not with other waits."""
    clocks = planted(TIMED * (LAYERS * USUAL + 300) + hits * PREEMPTED, threads=2, micro_batches=TIMED)
    for thread in range(2):
        add(clocks, clock.WAIT, 0, 300, TIMED, thread=thread)
        add(clocks, clock.WAIT, 0, PREEMPTED, hits, thread=thread)
    for thread in range(2):
        phases, interruptions = of_thread(clocks, thread)
        assert phases[clock.WAIT, 0] == pytest.approx((TIMED + hits) * 300, rel=0.01)
        assert interruptions == pytest.approx(hits * PREEMPTED, rel=1e-3)


def test_waking_a_thread_is_waiting():
    """The work of a micro-batch is 7.5 us here; waking takes 50."""
    clocks = planted(TIMED * (LAYERS * USUAL + 50_000), threads=2, micro_batches=TIMED)
    for thread in range(2):
        add(clocks, clock.WAIT, 0, 50_000, TIMED, thread=thread)
    phases, interruptions = of_thread(clocks)
    assert (phases[clock.WAIT, 0], interruptions) == (pytest.approx(TIMED * 50_000), 0)


laps = st.tuples(
    st.sampled_from([clock.FORWARD, clock.LOSS, clock.WAIT]), st.integers(0, 2), st.integers(0, 2**40),
    st.integers(1, 50), st.integers(0, 1), st.sampled_from([FIRST, LATER]),
)  # fmt: skip


@given(st.lists(laps, max_size=30), st.integers(0, 2**45), st.integers(0, 40), st.integers(0, 500))
def test_whatever_was_timed_adds_up(found, total, timed, untimed):
    clocks = clock.new_clock(2, 3, clock.COUNTER, first=10)
    clocks[:, clock.TOTAL], clocks[:, clock.SAMPLED], clocks[:, clock.MICRO_BATCHES] = total, timed, timed + untimed
    for phase, layer, ticks, times, thread, stratum in found:
        add(clocks, phase, layer, ticks, times, thread, stratum)
    phases, interruptions = ticks_of_phases(clocks, RATE)
    assert np.isfinite(phases).all()
    assert (phases >= 0).all()
    assert ((interruptions >= 0) & (interruptions <= total)).all()
    for ticks, lost in zip(phases.sum(axis=(1, 2)), interruptions, strict=True):
        assert ticks == 0 or ticks + lost == pytest.approx(total)


# In a profile.

DEEP = (16, *[16] * 6)


def equal_layers(sizes=DEEP, rows_=320, **options):
    """Return the profile of a fit with layers that are equal in all phases, except the first's backward pass."""
    X = np.random.default_rng(0).normal(size=(rows_, sizes[0])).astype(np.float32)
    net = Network(sizes, "relu", output="relu", loss="mse", seed=0)
    with profile(snapshots=False) as prof:
        net.fit(X, X, **QUIET | {"batch_size": 8, "optimizer": SGD(1e-3, momentum=0.5)} | options)
    return prof


def seconds_of(prof, name):
    return [row["seconds"] for row in prof.rows if row["name"] == name]


@pytest.mark.parametrize("phase", [clock.FORWARD, clock.UPDATE])
def test_an_interruption_has_a_row_and_spoils_no_other(phase):
    """A lap of the third layer is made a hundred times as long as all that was timed."""
    prof = equal_layers(epochs=2)
    (clocks,) = prof.recording.clocks[0]._clocks.values()
    counts, sums = clock.histograms(clocks)
    laps = counts.sum(axis=-1)  # made equal, whatever else was running
    counts[:], sums[:] = 0, 0
    counts[..., USUAL.bit_length()], sums[..., USUAL.bit_length()] = laps, laps * USUAL
    clocks[0, clock.TOTAL] = clocks[0, clock.MICRO_BATCHES] * laps.sum() * USUAL // clocks[0, clock.SAMPLED]
    prof.recording.clocks[0]._walls[1] = clocks[0, clock.TOTAL] / prof.recording.calibration.rate
    name = {clock.FORWARD: "forward", clock.UPDATE: "update"}[phase]
    before = {row["name"]: row["seconds"] for row in prof.rows if row["layer"] in (None, 3)}
    assert clocks[0, clock.SAMPLED] >= 32
    longer = 100 * int(clock.histograms(clocks)[1].sum())
    add(clocks, phase, 2, longer, stratum=FIRST)
    clocks[0, clock.TOTAL] += longer
    prof.recording.clocks[0]._walls[1] += longer / prof.recording.calibration.rate
    prof.recording.__dict__.pop("_rows")
    (row,) = [row for row in prof.rows if row["kind"] == "interrupted"]
    assert (row["name"], row["layer"], row["calls"], row["bound_by"]) == ("interruptions", None, 0, "other load")
    seconds = longer / prof.recording.calibration.rate
    assert row["seconds"] == pytest.approx(before.get("interruptions", 0) + seconds, rel=0.05)
    after = {row["name"]: row["seconds"] for row in prof.rows if row["layer"] in (None, 3)}
    assert after[name] == pytest.approx(before[name], rel=0.1)  # it was one lap of 80
    assert {key: after[key] for key in before if key not in (name, "interruptions")} == pytest.approx(
        {key: value for key, value in before.items() if key not in (name, "interruptions")}, rel=0.05
    )


@pytest.mark.parametrize(("n_rows", "batch_size"), [(640, 8), (1100, 512), (256, 32)])
def test_each_micro_batch_of_an_epoch_is_timed_in_turn(n_rows, batch_size, monkeypatch):
    """The stride shares no divisor with the micro-batches of an epoch or a batch: else some are never timed."""
    monkeypatch.setattr(phase_clock, "SHARE", 0.001)
    prof = equal_layers(rows_=n_rows, batch_size=batch_size, epochs=1)
    (run,) = prof.recording.clocks
    epoch, batch = run.counts.micro_batches, -(-batch_size // run.work.micro_batch)
    assert run.stride(1) > 1
    assert len({run.stride(1) * turn % epoch for turn in range(epoch)}) == epoch
    assert len({run.stride(1) * turn % batch for turn in range(batch)}) == batch


def usual_seconds(prof, phase):
    """Return the seconds of a phase of each layer by its shorter laps, nine tenths, of which none was interrupted."""
    (clocks,) = prof.recording.clocks[0]._clocks.values()
    counts, sums = (part[0].sum(axis=0)[phase] for part in clock.histograms(clocks))
    shorter = counts.cumsum(axis=-1) - counts < 0.9 * counts.sum(axis=-1, keepdims=True)
    laps = np.where(shorter, sums, 0).sum(axis=-1) / np.where(shorter, counts, 0).sum(axis=-1)
    return laps * clocks[0, clock.MICRO_BATCHES] / prof.recording.calibration.rate


@needs_compiler
@alone
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="puts two processes on one core")
def test_a_busy_process_spoils_no_layer():
    """On the same core, of which it takes half: in at least two of three profiles, as one may have too few laps.

    Layers with equal products take equal time. Their updates need not, in any process: all laps of one may be twice as
    long as another's, as its memory happens to lie in the cache. So each is compared with its own usual laps.
    """
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        equal_layers((64, *[64] * 6), 2048, batch_size=32, epochs=1)
        found = [equal_layers((64, *[64] * 6), 2048, batch_size=32, epochs=20) for _ in range(3)]
    finally:
        busy.kill()
        busy.wait()
        os.sched_setaffinity(0, cores)
    even = 0
    for prof in found:
        layers = [seconds_of(prof, name) for name in ("forward", "weight gradient")]
        updates = {row["layer"]: row["seconds"] for row in prof.rows if row["name"] == "update"}
        ratios = [updates[layer] / usual for layer, usual in enumerate(usual_seconds(prof, clock.UPDATE), 1)]
        even += all(max(each) < 1.5 * min(each) for each in layers) and 1 / 1.5 < min(ratios) <= max(ratios) < 1.5
        assert next(row["percent"] for row in prof.rows if row["name"] == "interruptions") > 10
        assert sum(row["seconds"] for row in prof.rows) == pytest.approx(prof.seconds)
    assert even >= 2
