"""A profile: where the time went, row by row, with none of it lost, also when something goes wrong."""

import threading
import time

import numba
import numpy as np
import pytest
from conftest import COMPILED, alone, needs_compiler, same_bits
from profiled_fits import QUIET, data, fitted, named

from hotloop import SGD, Callback, DivergenceError, Network, profile
from hotloop.kernels import accumulate_weight_gradient, clock, dense_forward, descent, matmul, sigmoid
from hotloop.network.profiling import calibration, recording, rows
from hotloop.network.training import fit as fitting
from hotloop.network.training import thread_choice
from hotloop.network.training.callbacks import MOMENTS

# All of the time, and no more.

NETWORKS = [
    ((64, 32, 10), 32, 4096, 40),
    ((784, 30, 10), 10, 4096, 5),
    ((784, 128, 10), 32, 4096, 5),
    ((64, *[64] * 8, 1), 64, 4096, 10),
    ((784, 512, 512, 10), 128, 1024, 4),
]


@needs_compiler
@pytest.mark.parametrize(("sizes", "batch_size", "n_rows", "epochs"), NETWORKS, ids=lambda value: str(value))
@alone
def test_rows_add_up_to_the_wall(sizes, batch_size, n_rows, epochs):
    """To another clock's time of the block, within 2 %, and little of it is in the row that is left over.

    The phases are ticks of the CPU's counter, made seconds by its measured rate: were that wrong, what is left of the
    calls, which `time.perf_counter` measures, would be below zero or large.
    """
    net, (X, y) = Network(sizes, loss="cross_entropy" if sizes[-1] > 1 else "mse", seed=0), data(sizes, n_rows)
    y = y if sizes[-1] > 1 else y.astype(np.float32)
    options = {"batch_size": batch_size, "optimizer": SGD(1e-3), **QUIET}
    with profile():
        net.fit(X, y, epochs=1, **options)
    with profile() as prof:
        began = time.perf_counter()
        net.fit(X, y, epochs=epochs, **options)
        wall = time.perf_counter() - began
    assert sum(row["seconds"] for row in prof.rows) == pytest.approx(wall, rel=0.02)
    assert sum(row["percent"] for row in prof.rows) == pytest.approx(100, abs=0.01)
    assert -0.005 < named(prof, rows.ENTER)["seconds"] / wall < 0.05
    phases = [row for row in prof.rows if row["kind"] == "kernel"]
    assert sum(row["seconds"] for row in prof.rows if row["kind"] in ("kernel", "interrupted")) > 0.5 * wall
    assert all(row["seconds"] > 0 for row in phases)
    assert {row["layer"] for row in phases if row["name"] == "forward"} == set(range(1, len(sizes)))


@needs_compiler
@alone
def test_a_wrong_rate_of_the_counter_is_seen(monkeypatch):
    """The test above can fail."""
    since = calibration.Calibration.since.__func__

    def wrong(cls, kind, first):
        return cls(kind, 0.9 * since(cls, kind, first).rate)

    monkeypatch.setattr(calibration.Calibration, "since", classmethod(wrong))
    prof = fitted((64, 64, 10), 4096, epochs=20, batch_size=32)
    assert named(prof, rows.ENTER)["seconds"] < -0.02 * prof.seconds


@needs_compiler
@alone
def test_the_clock_of_the_c_library_serves_as_well(monkeypatch):
    monkeypatch.setattr(recording, "clock_kind", lambda: clock.MONOTONIC)
    prof = fitted((64, 64, 10), 4096, epochs=20, batch_size=32)
    assert prof.recording.calibration.name.startswith("monotonic clock, 1000.")
    assert -0.005 < named(prof, rows.ENTER)["seconds"] / prof.seconds < 0.05
    assert named(prof, "forward", 1)["seconds"] > 0.01 * prof.seconds


@needs_compiler
@pytest.mark.parametrize("n_threads", [2, 3])
@alone
def test_threads_share_the_wall(n_threads):
    prof = fitted((64, 64, 10), 2048, epochs=4, batch_size=64, n_threads=n_threads)
    assert sum(row["seconds"] for row in prof.rows) == pytest.approx(prof.seconds, rel=1e-6)
    assert named(prof, "wait for other threads")["seconds"] > 0
    assert named(prof, rows.ENTER)["seconds"] > 0
    (run,) = prof.recording.clocks
    assert run.thread_seconds() / run.wall() > 1.5  # but for snapshots, which one thread takes


def test_every_row_of_a_fit_with_validation():
    net, (X, y) = Network([6, 5, 3], loss="cross_entropy", seed=0), data((6, 5, 3), 40)
    with profile() as prof:
        net.fit(X, y, epochs=3, batch_size=8, validation_data=(X[:9], y[:9]), **QUIET)
    seen = [row for row in prof.rows if row["name"] not in (rows.COMPILE, "interruptions")]
    calls = {(row["name"], row["layer"]): row["calls"] for row in seen}
    steps = {("gather", None): 15, ("loss", None): 15}
    steps |= {(name, layer): 15 for name in ("forward", "backward", "weight gradient + update") for layer in (1, 2)}
    once = dict.fromkeys((rows.OUTSIDE, "fit", "check the data"), 1)
    assert calls.pop((rows.ENTER, None)) >= 3
    assert calls.pop(("take a snapshot", None)) >= 2
    assert calls.pop(("load kernels", None)) == 2  # of the fit, and of its snapshots
    expected = steps | {(name, None): count for name, count in once.items()}
    expected |= {(name, None): 3 for name in ("validation", "forward, all layers", "draw the order")}
    assert calls == expected


def test_predict_evaluate_and_gradient_have_rows():
    net, (X, y) = Network([6, 5, 3], loss="cross_entropy", seed=0), data((6, 5, 3), 40)
    with profile() as prof:
        net.predict(X)
        net.predict(X[:1])
        net.evaluate(X, y)
        net.gradient(X, y)
    assert [named(prof, name)["calls"] for name in ("predict", "evaluate", "gradient")] == [2, 1, 1]
    assert named(prof, "forward, all layers")["calls"] == 2  # a single row takes another path
    assert named(prof, "weight gradient", 1)["calls"] == 1
    assert not [row for row in prof.rows if row["name"] == "update"] or named(prof, "update", 1)["flops"] == 0


def test_networks_are_told_apart():
    with profile() as prof:
        for sizes in ((6, 5, 3), (6, 4, 3)):
            Network(sizes, loss="cross_entropy", seed=0).fit(*data(sizes, 16), epochs=1, **QUIET)
    assert {row["network"] for row in prof.rows if row["kind"] == "kernel"} == {"6-5-3", "6-4-3"}
    assert "6-4-3 forward" in prof.table()


# Parts of a program.


def test_a_loop_written_by_a_user():
    """Spans nest, each has its self time, and its rates follow from its work."""
    x, w, b = np.ones((4, 6), np.float32), np.ones((6, 5), np.float32), np.ones(5, np.float32)
    z, g = np.ones((4, 5), np.float32), np.zeros((6, 5), np.float32)
    dense_forward(x, w, b, z)  # compiled before
    with profile() as prof:
        for _ in range(3):
            with prof.record("step"):
                time.sleep(0.01)
                with prof.record("forward pass", flops=240, bytes=100):
                    dense_forward(x, w, b, z)
                    time.sleep(0.02)
                with prof.record("rest"):
                    sigmoid(z, z)
                    accumulate_weight_gradient(x, z, g, b)
    step, forward = named(prof, "step"), named(prof, "forward pass")
    assert (step["calls"], forward["calls"]) == (3, 3)
    assert step["seconds"] >= 0.03
    assert forward["seconds"] >= 0.06
    assert forward["flops"] == 720
    assert forward["flops_per_second"] == pytest.approx(720 / forward["seconds"])
    assert forward["bytes_per_second"] == pytest.approx(300 / forward["seconds"])
    assert (step["bound_by"], forward["bound_by"]) == ("yours", "overhead" if COMPILED else "yours")
    assert sum(row["seconds"] for row in prof.rows) == pytest.approx(prof.seconds)


@needs_compiler
def test_compiling_is_a_row():
    @numba.njit  # without a cache: each run compiles it
    def fresh(values):
        values += 1

    with profile() as prof, prof.record("first call"):
        fresh(np.ones(3))
    assert named(prof, rows.COMPILE)["calls"] >= 1
    assert named(prof, rows.COMPILE)["seconds"] > named(prof, "first call")["seconds"]


@pytest.mark.parametrize(("given", "error", "message"), [
    (("",), TypeError, "record takes a name, got ''"),
    ((3,), TypeError, "record takes a name, got 3"),
    (("a", -1), ValueError, "flops must be finite, at least 0, got -1"),
    (("a", float("nan")), ValueError, "flops must be finite, at least 0, got nan"),
    (("\udc80",), ValueError, "record takes a name that files can hold"),
    (("a", "3"), TypeError, "flops must be a number, got '3'"),
])  # fmt: skip
def test_what_record_refuses(given, error, message):
    with profile() as prof:
        with pytest.raises(error, match=message):
            prof.record(given[0], flops=given[1] if len(given) > 1 else 0)
        with prof.record("sound"):
            pass
    assert named(prof, "sound")["calls"] == 1


# The profile itself.


def test_without_a_fit():
    with profile() as prof:
        time.sleep(0.01)
    (row,) = [row for row in prof.rows if row["name"] != rows.COMPILE]
    assert (row["name"], row["calls"], row["bound_by"]) == (rows.OUTSIDE, 1, "Python")
    assert "Self CPU time total" in str(prof)
    assert str(prof.diagnose()) == "diagnosis: no fit was looked at"


def test_one_at_a_time_in_a_thread():
    with profile() as prof:
        with pytest.raises(RuntimeError, match="a profile is already open in this thread"), profile():
            pass
        with pytest.raises(RuntimeError, match="read it after the with block"):
            prof.rows  # noqa: B018
        assert str(prof) == "a profile that has not ended"
    with pytest.raises(RuntimeError, match="this profile has been used"), prof:
        pass
    with pytest.raises(RuntimeError, match="call record inside its with block"):
        prof.record("late")
    with profile() as other:
        pass
    assert other.rows


def test_each_thread_has_its_own_profile():
    """What another thread does is not in it; that thread may have a profile at the same time."""
    found, X, y = {}, *data((6, 5, 3), 40)

    def other(watched):
        net = Network([6, 4, 3], loss="cross_entropy", seed=0)
        if not watched:
            return net.fit(X, y, epochs=1, **QUIET)
        with profile() as mine:
            net.fit(X, y, epochs=1, **QUIET)
        found["mine"] = mine

    with profile() as prof:
        for watched in (False, True):
            thread = threading.Thread(target=other, args=(watched,))
            thread.start()
            thread.join()
        Network([6, 5, 3], loss="cross_entropy", seed=0).fit(X, y, epochs=1, **QUIET)
    assert [clock.network for clock in prof.recording.clocks] == ["6-5-3"]
    assert [clock.network for clock in found["mine"].recording.clocks] == ["6-4-3"]


def test_record_belongs_to_the_thread_that_opened_it():
    errors = []

    def other():
        try:
            prof.record("elsewhere")
        except RuntimeError as error:
            errors.append(str(error))

    with profile() as prof:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert errors == ["record must be called in the thread that opened the profile"]


@needs_compiler  # plain Python warns of the overflow
def test_a_fit_that_raises_is_in_it():
    X = np.random.default_rng(0).normal(size=(64, 3)) * 1e4
    with profile() as prof, pytest.raises(DivergenceError):
        Network([3, 4, 1], seed=0).fit(X, X @ np.ones(3), optimizer=SGD(10.0), **QUIET)
    assert prof.recording.fits[0].diverged
    assert named(prof, "forward", 1)["calls"] >= 1
    assert sum(row["seconds"] for row in prof.rows) == pytest.approx(prof.seconds)


def test_an_error_in_the_block_ends_the_profile():
    prof = profile()
    with pytest.raises(KeyError), prof, prof.record("open"), prof.record("deeper"):
        raise KeyError("mine")
    assert named(prof, "deeper")["calls"] == 1
    with profile():
        pass


def test_snapshots_is_a_flag():
    with pytest.raises(TypeError, match="snapshots must be True or False, got 1"):
        profile(snapshots=1)
    net, (X, y) = Network([6, 5, 3], loss="cross_entropy", seed=0), data((6, 5, 3), 40)
    with profile(snapshots=False) as prof:
        net.fit(X, y, epochs=1, **QUIET)
    assert prof.recording.fits == []


# A slow phase.


@pytest.mark.skipif(COMPILED, reason="in plain Python a phase can be made slow, and time be made of work")
def test_a_planted_slow_phase_is_named(monkeypatch):
    """The weight gradient of the second layer is computed twenty times: the first row says so.

    The clock counts the micro-kernels' multiply-adds, and a little for each look at it: no load of the machine shows.
    """
    ticks, micro_kernel, gradient = [0], matmul.micro_kernel_up_to, descent.weight_gradient

    def read():
        ticks[0] += 100
        return ticks[0]

    def counted(most, vectors, rows, *given):
        ticks[0] += rows * vectors * given[2]
        micro_kernel(most, vectors, rows, *given)

    def slow(layer, *given):
        for _ in range(20 if layer["first_unit"] == 32 else 1):
            gradient(layer, *given)

    monkeypatch.setattr(matmul, "micro_kernel_up_to", counted)
    monkeypatch.setattr(descent, "weight_gradient", slow)
    monkeypatch.setattr(time, "perf_counter_ns", read)
    monkeypatch.setattr(time, "perf_counter", lambda: read() / 1e9)
    net, (X, y) = Network([32, 32, 32, 32, 10], loss="cross_entropy", seed=0), data((32, 10), 96)
    with profile(snapshots=False) as prof:
        net.fit(X, y, epochs=2, batch_size=32, optimizer=SGD(1e-3, momentum=0.5), **QUIET)
    slowest = next(row for row in prof.rows if row["kind"] == "kernel")
    twin = named(prof, "weight gradient", 3)
    assert (slowest["name"], slowest["layer"]) == ("weight gradient", 2)
    assert slowest["percent"] > 40
    assert 18 < slowest["seconds_per_call"] / twin["seconds_per_call"] < 20
    assert slowest["flops_per_second"] < 0.1 * twin["flops_per_second"]


@needs_compiler
@alone
def test_the_largest_layer_is_named():
    """Sixteen times the work of the first, in each of its phases."""
    prof = fitted((64, 64, 1024, 10), 2048, epochs=10, batch_size=64, optimizer=SGD(1e-3, momentum=0.5))
    assert next(row for row in prof.rows if row["kind"] == "kernel")["layer"] == 2


def test_in_plain_python_too():
    """Without the compiler each clock is perf_counter, and no roof is worth measuring."""
    if COMPILED:
        pytest.skip("about plain Python")
    prof = fitted()
    assert named(prof, "forward", 1)["seconds"] > 0
    assert named(prof, "forward", 1)["roof_percent"] is None


def test_a_call_that_ctrl_c_interrupts_is_in_it(monkeypatch):
    """What it has trained counts; the fit ends, and so does the block."""
    real, calls = fitting.train_slice, []

    def interrupted(*given):
        real(*given)
        calls.append(given)
        if len(calls) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "train_slice", interrupted)
    monkeypatch.setattr(fitting, "LOADED", set())
    monkeypatch.setattr(thread_choice, "SLICE_SECONDS", 0.0)  # a call is a batch
    net, (X, y) = Network([6, 5, 3], loss="cross_entropy", seed=0), data((6, 5, 3), 80)
    with profile(snapshots=False) as prof:
        history = net.fit(X, y, epochs=9, batch_size=8, **QUIET)
    assert history.interrupted
    (run,) = prof.recording.clocks
    assert (named(prof, "gather")["calls"], run.counts.rows) == (3, 24)  # the first call trains nothing
    assert named(prof, rows.ENTER)["seconds"] >= 0
    assert prof.recording.marks.items[-1][1] == "interrupted"


# In the middle of a fit.


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_callback_ends_the_profile(moment, n_threads):
    """The fit goes on unobserved, and the profile keeps what it had."""

    class Ends(Callback):
        def end(self, fit):
            if not prof.recording.has_ended and fit.epoch != 1:
                prof.__exit__()
                self.table = prof.table()

    setattr(Ends, moment, Ends.end)
    ends, net, twin = Ends(), Network([3, 5, 1], seed=0), Network([3, 5, 1], seed=0)
    X, y = data((3, 5, 1), 64)
    prof = profile()
    prof.__enter__()
    history = net.fit(X, y, epochs=3, callbacks=[ends], progress=False, n_threads=n_threads)
    twin.fit(X, y, epochs=3, **QUIET)
    assert (history.stop_reason, len(history.epochs)) == ("epochs", 3)
    assert prof.table() == ends.table
    assert same_bits(net.parameters, twin.parameters)
