"""What a profile costs, counted, since times depend on the machine: readings of the clock, and calls of functions."""

import math
import sys

import numpy as np
import pytest
from conftest import needs_compiler

from hotloop import SGD, Adam, Network, profile
from hotloop.kernels import clock
from hotloop.network.profiling import phase_clock, recording
from hotloop.network.profiling.diagnosis import snapshots

READ_SECONDS = 2e-10  # so that in the small network of these tests about one step in twenty is timed
MOST_FUNCTIONS = 35  # of Python and C, in each compiled call: 10 to 20 us


def fit(net, epochs, rows, optimizer):
    X, y = np.ones((rows, 8), np.float32), np.zeros(rows, np.int64)
    net.fit(X, y, epochs=epochs, batch_size=8, optimizer=optimizer, n_threads=1, progress=False)


@pytest.mark.parametrize("optimizer", [SGD(), Adam()], ids=["sgd", "adam"])
@pytest.mark.parametrize("sizes", [(8, 3), (8, 8, 3), (8, 8, 8, 3)], ids=str)
def test_reading_the_clock_takes_a_small_share_of_a_step(sizes, optimizer, monkeypatch):
    """Of a step that runs at 200 GFLOP/s, and after the first micro-batches: 0.4 %."""
    monkeypatch.setattr(recording, "seconds_of_a_read", lambda kind: READ_SECONDS)
    with profile(snapshots=False) as prof:
        fit(Network(sizes, loss="cross_entropy", seed=0), 1, 8 * 600, optimizer)
    (found,) = prof.recording.clocks
    assert 5 <= found.stride(1) < 100
    (row,) = found._clocks[1]
    steps = int(row[clock.MICRO_BATCHES]) - phase_clock.FIRST_MICRO_BATCHES
    timed = int(row[clock.SAMPLED]) - phase_clock.FIRST_MICRO_BATCHES
    assert (int(row[clock.MICRO_BATCHES]), timed) == (600, -(-steps // found.stride(1)))
    readings = timed + clock.histograms(found._clocks[1])[0][0, 1].sum()  # at the beginning, and at the end of each lap
    share = readings / timed / found.stride(1) * READ_SECONDS / (found.work.step_flops() / phase_clock.QUICKEST)
    assert 0.5 * phase_clock.SHARE < share <= phase_clock.SHARE


@pytest.mark.parametrize("n_threads", [2, 8])
def test_a_team_reads_its_clocks_less_often(n_threads):
    """A step is n times as short, and threads may wait eight times more in each layer."""
    with profile(snapshots=False) as prof:
        fit(Network((8, 8, 3), loss="cross_entropy", seed=0), 1, 16, SGD())
    (found,) = prof.recording.clocks
    found._read_seconds = READ_SECONDS
    laps = {1: 3 * 2 + 5, n_threads: 3 * 2 + 5 + 8 * 2}
    assert found.stride(n_threads) >= n_threads * laps[n_threads] / laps[1] * (found.stride(1) - 2)


@needs_compiler  # in plain Python the loop itself calls functions
@pytest.mark.parametrize("takes_snapshots", [False, True])
def test_a_compiled_call_costs_few_calls_of_functions(takes_snapshots, monkeypatch):
    """An epoch of a small network is one compiled call, of less than a millisecond."""
    monkeypatch.setattr(snapshots, "SHARE", 0.0)  # five, however long it takes
    monkeypatch.setattr(snapshots, "BRIEF", math.inf)

    def functions(epochs, profiled):
        count, net = 0, Network([8, 8, 3], loss="cross_entropy", seed=0)

        def called(frame, event, argument):
            nonlocal count
            count += event in ("call", "c_call")

        with profile(snapshots=takes_snapshots) if profiled else np.errstate():
            before = sys.getprofile()
            sys.setprofile(called)
            try:
                fit(net, epochs, 16, SGD())
            finally:
                sys.setprofile(before)
        return count

    for profiled in (False, True):
        functions(1, profiled)  # loads the kernels
    more = [functions(epochs, True) - functions(epochs, False) for epochs in (100, 1100)]
    assert 10 < (more[1] - more[0]) / 1000 < MOST_FUNCTIONS
