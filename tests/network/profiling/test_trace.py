"""The trace of a profile: slices nest to the last bit, each level shows what it should, and it stays small."""

import json
import re
import time
from itertools import pairwise

import numba
import numpy as np
import pytest
from conftest import COMPILED, needs_compiler
from hypothesis import given
from hypothesis import strategies as st

from hotloop import SGD, Adam, DivergenceError, Network, profile
from hotloop.network.profiling import phase_clock, recording
from hotloop.network.profiling.diagnosis import snapshots
from hotloop.network.profiling.spans import MOST, Thinned
from hotloop.network.training import thread_choice, thread_tuner

QUIET = {"progress": False}


@pytest.fixture
def every_step_timed(monkeypatch):
    monkeypatch.setattr(phase_clock, "SHARE", 1e9)


def build(sizes=(6, 5, 3), **options):
    return Network(sizes, "tanh", **{"loss": "cross_entropy", "seed": 0} | options)


def data(rows=60, sizes=(6, 5, 3)):
    return np.random.default_rng(rows).normal(size=(rows, sizes[0])), np.arange(rows) % sizes[-1]


def fitted(rows=60, *, sizes=(6, 5, 3), **options):
    """Return the profile of a fit, and its history."""
    with profile() as prof:
        history = build(sizes).fit(
            *data(rows, sizes), **QUIET | {"epochs": 3, "batch_size": 8, "n_threads": 1} | options
        )
    return prof, history


def no_constant(name):
    raise ValueError(f"{name} is no JSON")


def traced(prof, tmp_path, **options):
    """Return the events of a profile's trace, and what else is in its file."""
    path = tmp_path / "trace.json"
    prof.chrome_trace(path, **options)
    found = json.loads(path.read_bytes(), parse_constant=no_constant)
    return found.pop("traceEvents"), found


def nested(events, thread=0):
    """Return the slices of a thread as (name, parent's index, start, stop) in microseconds; demand that they nest.

    Each lies within the one that is open when it begins, or after it, with no tolerance at all: of the doubles that a
    viewer reads and adds.
    """
    slices = [event for event in events if event["ph"] == "X" and event["tid"] == thread]
    times = [(e["ts"], e["dur"], e["name"]) for e in slices]
    assert all(start >= 0 <= duration for start, duration, _ in times)
    times.sort(key=lambda each: (each[0], each[1] > 0, -each[1]))  # an empty lap comes before the one after it
    found, open_ = [], []
    for start, duration, name in times:
        while open_ and found[open_[-1]][3] <= start:
            open_.pop()
        assert not open_ or start + duration <= found[open_[-1]][3], f"{name} ends after {found[open_[-1]][0]}"
        found.append((name, open_[-1] if open_ else None, start, start + duration))
        open_.append(len(found) - 1)
    return found


def parents(found):
    """Return {name: names of what it lies in}."""
    names = {}
    for name, parent, *_ in found:
        names.setdefault(name, set()).add(None if parent is None else found[parent][0])
    return names


def named(events, name, kind=None):
    return [event for event in events if event["name"] == name and kind in (None, event["ph"])]


def values(events, name):
    """Return the values of a counter track, by time."""
    return [e["args"]["value"] for e in sorted(named(events, name, "C"), key=lambda e: e["ts"])]


# Slices.

FORWARDS = ["gather", "forward 1", "forward 2", "loss", "backward 2", "backward 1", "loss"]
IN_PLACE = [*FORWARDS, "weight gradient + update 1", "weight gradient + update 2"]
APART = [*FORWARDS, *(f"{phase} {layer}" for layer in (1, 2) for phase in ("weight gradient", "update"))]


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(("optimizer", "phases"), [(SGD(0.1), IN_PLACE), (Adam(), APART)], ids=["SGD", "Adam"])
def test_levels(optimizer, phases, n_threads, every_step_timed, monkeypatch, tmp_path):
    """Profile, fit, compiled loop, step, phases; thread 1 has only steps. The phases of a step follow each other.

    Threads share the weights in blocks as high as the micro-kernel: 17 rows, with the bias's, are two blocks even of
    the tallest, 16 rows.
    """
    monkeypatch.setattr(thread_choice, "SLICE_SECONDS", 0.0)  # a call is a batch
    prof, _ = fitted(64, sizes=(16, 16, 3), optimizer=optimizer, n_threads=n_threads)
    events, _ = traced(prof, tmp_path)
    assert {event["tid"] for event in events if event["ph"] == "X"} == set(range(n_threads))
    for thread in range(n_threads):
        found = nested(events, thread)
        levels, steps = parents(found), [index for index, (name, *_) in enumerate(found) if name == "step"]
        assert len(steps) > 20 if thread == 0 else len(steps) > 10
        if thread == 0:
            assert (levels["profile"], levels["fit"]) == ({None}, {"profile"})
            assert (levels["compiled loop"], levels["step"]) == ({"fit"}, {"compiled loop"})
        else:
            assert set(levels) == {"step", "wait for other threads", *phases}
        assert all(levels[phase] == {"step"} for phase in phases)
        for step in steps:
            _, _, start, stop = found[step]
            laps = [(name, begin, end) for name, parent, begin, end in found if parent == step]
            assert [start, *(end for _, _, end in laps)] == [*(begin for _, begin, _ in laps), stop]
            names = [name for name, _, _ in laps if name != "wait for other threads"]
            assert names == phases


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("batch_size", [100, 300, 700])
@pytest.mark.parametrize("sizes", [(6, 5, 3), (64, 192, 10)] if COMPILED else [(6, 5, 3)], ids=str)
def test_slices_nest(sizes, batch_size, n_threads, tmp_path):
    """Of batches in several micro-batches too, and where a thread has columns, not rows. All steps lie in the loop."""
    prof, _ = fitted(700, sizes=sizes, batch_size=batch_size, n_threads=n_threads)
    events, _ = traced(prof, tmp_path)
    for thread in range(n_threads):
        found = nested(events, thread)
    levels = parents(nested(events))
    assert (levels["step"], levels["compiled loop"]) == ({"compiled loop"}, {"fit"})
    assert "take a snapshot" in levels
    assert found


def test_parts_of_a_program(tmp_path):
    """Fits, and their parts in Python, lie within the records around them, also where one raised."""
    net, (X, y) = build(), data()
    with profile() as prof:
        with prof.record("mine"), prof.record("inner"):
            net.fit(X, y, epochs=2, validation_data=(X, y), **QUIET)
        with prof.record("other"):
            net.predict(X)
            net.gradient(X, y)
        with pytest.raises(ZeroDivisionError), prof.record("failed"), prof.record("culprit"):
            raise ZeroDivisionError
    levels = parents(nested(traced(prof, tmp_path)[0]))
    expected = {
        "profile": None, "mine": "profile", "inner": "mine", "fit": "inner", "validation": "fit",
        "draw the order": "fit", "load kernels": "fit", "check the data": "fit", "other": "profile", "predict": "other",
        "gradient": "other", "failed": "profile", "culprit": "failed",
    }  # fmt: skip
    assert {name: levels[name] for name in expected} == {name: {parent} for name, parent in expected.items()}
    assert levels["forward, all layers"] == {"validation", "predict"}
    assert levels["compiled loop"] == {"fit", "gradient"}


def test_times_are_those_of_perf_counter(tmp_path):
    """Spans begin and end between the moments read before, in and after them."""
    moments = []
    with profile() as prof:
        for name in "abc":
            before = time.perf_counter()
            with prof.record(name):
                began = time.perf_counter()
                time.sleep(0.002)
                stops = time.perf_counter()
            moments.append((name, before, began, stops, time.perf_counter()))
    found = {name: (start, stop) for name, _, start, stop in nested(traced(prof, tmp_path)[0])}
    for name, *times in moments:
        before, began, stops, after = ((moment - prof.recording.began) * 1e6 for moment in times)
        start, stop = found[name]
        assert before - 1e-3 <= start <= began + 1e-3
        assert stops - 1e-3 <= stop <= after + 1e-3
    assert found["profile"] == (0, pytest.approx(prof.seconds * 1e6, abs=1e-3))


@needs_compiler
def test_compiling_is_a_slice(tmp_path):
    """Of a user's function, within what was open; a function that it calls lies within it."""

    @numba.njit
    def inner(x):
        return x + 1

    @numba.njit
    def outer(x):
        return 2 * inner(x)

    with profile() as prof, prof.record("mine"):
        assert outer(3) == 8
        assert outer(4) == 10
    found = nested(traced(prof, tmp_path)[0])
    assert [name for name, *_ in found] == ["profile", "mine", "compile outer", "compile inner"]
    assert parents(found) == {
        "profile": {None}, "mine": {"profile"}, "compile outer": {"mine"}, "compile inner": {"compile outer"},
    }  # fmt: skip


@pytest.mark.parametrize("name", [
    "compiled loop", "step", "gather", "fit", "profile", "loss", "epoch", "samples a second", "names", "name of 0",
    "...", 'a "quoted" \\ name', "µ\n;",
])  # fmt: skip
def test_any_name_of_a_record(name, tmp_path):
    """It may be one that the trace uses too."""
    with profile() as prof, prof.record(name):
        build().fit(*data(), epochs=1, **QUIET)
    events, _ = traced(prof, tmp_path)
    assert [event["name"] for event in events if event.get("cat") == "record"] == [name]
    assert name in parents(nested(events))["fit"]
    assert named(events, "thread_name")
    assert len(values(events, "loss")) == len(named(events, "epoch 1", "i")) == 1


# Counters, instants, names.


def test_counters(monkeypatch, tmp_path):
    monkeypatch.setattr(snapshots, "SHARE", 1e9)  # one of each step
    net, (X, y) = build(), data()
    with profile() as prof:
        history = net.fit(X, y, epochs=4, batch_size=8, optimizer=SGD(0.25), validation_data=(X[:20], y[:20]), **QUIET)
    events, _ = traced(prof, tmp_path)
    assert values(events, "loss") == history["loss"]
    assert values(events, "val loss") == history["val_loss"]
    assert values(events, "val accuracy") == [record["val_accuracy"] for record in history.epochs]
    assert values(events, "learning rate") == [0.25, 0.25]  # when the fit began and ended
    for layer in (1, 2):
        gradients = values(events, f"gradient, layer {layer} (rms)")
        assert len(gradients) == 4 * 8
        assert all(0 < gradient < 10 for gradient in gradients)
    loops, rates = named(events, "compiled loop", "X"), named(events, "samples a second", "C")
    assert len(loops) == len(rates) == 4 * 8
    for loop, rate in zip(loops, rates, strict=True):
        assert rate["args"]["value"] == pytest.approx(1e6 * loop["args"]["rows"] / loop["dur"], rel=0.01, abs=1)
        assert rate["ts"] == pytest.approx(loop["ts"] + loop["dur"], abs=2e-3)
    assert sum(loop["args"]["rows"] for loop in loops) == 4 * 60


def test_the_gradient_of_a_snapshot(tmp_path):
    """The first is of the first batch, in the order that the fit drew."""
    net, (X, y) = build(dtype="float64"), data(8)
    _, gradient = net.gradient(X, y)
    expected = [np.sqrt(np.mean(g**2)) for g in net.split(gradient)[0]]
    with profile() as prof:
        net.fit(X, y, epochs=1, batch_size=8, optimizer=Adam(), **QUIET)
    events, _ = traced(prof, tmp_path)
    found = [values(events, f"gradient, layer {layer} (rms)") for layer in (1, 2)]
    assert found == [[pytest.approx(value, rel=1e-9)] for value in expected]
    norm = np.sqrt(sum(np.sum(g**2) for g in net.split(gradient)[0]))
    assert values(events, "gradient norm") == [pytest.approx(norm, rel=1e-9)]


def test_an_instant_for_each_epoch(tmp_path):
    """At its end, with its loss; epochs are counted over all fits of a network."""
    net, (X, y) = build(), data()
    net.fit(X, y, epochs=2, **QUIET)
    with profile() as prof:
        history = net.fit(X, y, epochs=3, **QUIET)
    events, _ = traced(prof, tmp_path)
    marks = [event for event in events if event["ph"] == "i"]
    assert [(mark["name"], mark["s"]) for mark in marks] == [(f"epoch {n}", "p") for n in (3, 4, 5)]
    assert [mark["args"] for mark in marks] == [{"epoch": n, "loss": loss} for n, loss in enumerate(history["loss"], 3)]
    (fit,) = named(events, "fit")
    assert all(fit["ts"] < a["ts"] < b["ts"] < fit["ts"] + fit["dur"] for a, b in pairwise(marks))


def interrupted(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("reason", ["early stop", "NaN or infinity", "interrupted"])
def test_an_instant_for_an_early_end(reason, monkeypatch, tmp_path):
    (X, y), optimizer = data(), SGD(1e37 if reason == "NaN or infinity" else 1e-9)
    if reason == "interrupted":
        monkeypatch.setattr(thread_tuner.ThreadTuner, "call", interrupted)
    with profile() as prof:
        try:
            net = Network((6, 5, 1), loss="mse", seed=0)
            net.fit(1e3 * X, y, epochs=9, batch_size=8, optimizer=optimizer, tolerance=1e9, patience=2, **QUIET)
        except DivergenceError:
            assert reason == "NaN or infinity"
    events, _ = traced(prof, tmp_path)
    marks = [event["name"] for event in events if event["ph"] == "i"]
    epochs = [f"epoch {n}" for n in (1, 2, 3)] if reason == "early stop" else []
    assert sorted(marks) == sorted([*epochs, reason])
    assert nested(events)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_threads_have_names(n_threads, tmp_path):
    prof, _ = fitted(n_threads=n_threads, batch_size=20)
    events, rest = traced(prof, tmp_path)
    names = {event["tid"]: event["args"]["name"] for event in named(events, "thread_name", "M")}
    assert names == {0: "main"} | {thread: f"hotloop-{thread}" for thread in range(1, n_threads)}
    assert [event["args"] for event in named(events, "process_name", "M")] == [{"name": "hotloop"}]
    assert len({event["pid"] for event in events}) == 1
    assert {event["ph"] for event in events} == {"X", "C", "i", "M"}
    assert all({"name", "ph", "pid", "tid"} <= set(event) for event in events)
    assert rest["otherData"] == {"left out": "{}"}


def test_a_profile_of_nothing(tmp_path):
    with profile() as prof:
        pass
    events, _ = traced(prof, tmp_path)
    assert [name for name, *_ in nested(events)] == ["profile"]


# Size.


@pytest.fixture(scope="module")
def long_run():
    """The profile of many epochs."""
    return fitted(10, epochs=400 if COMPILED else 150, batch_size=5)[0]


@pytest.mark.parametrize("most", [50_000, 20_000, 8_000])
def test_a_trace_of_so_many_bytes(most, long_run, tmp_path):
    """What is left still nests and is spread over the run, and the file says how much was left out."""
    everything, _ = traced(long_run, tmp_path)
    assert (tmp_path / "trace.json").stat().st_size > 50_000
    events, rest = traced(long_run, tmp_path, max_bytes=most)
    assert most / 3 < (tmp_path / "trace.json").stat().st_size <= most
    assert nested(events)
    left_out = json.loads(rest["otherData"]["left out"])
    assert all(count > 0 for count in left_out.values())
    assert sum(left_out.values()) == len(everything) - len(events)
    kept = {json.dumps(event, sort_keys=True) for event in events}
    assert kept <= {json.dumps(event, sort_keys=True) for event in everything}
    assert left_out["epoch"] == sum(e["ph"] == "i" for e in everything) - sum(e["ph"] == "i" for e in events)
    assert left_out["loss"] == len(values(everything, "loss")) - len(values(events, "loss"))
    places = [values(everything, "loss").index(value) for value in values(events, "loss")]
    assert places == list(range(0, len(values(everything, "loss")), places[1]))


def test_a_trace_of_too_few_bytes(long_run, tmp_path):
    """The error names the least size that is enough."""
    path = tmp_path / "trace.json"
    for few in (0, 100):
        with pytest.raises(ValueError, match=f"a trace of {few} bytes is too small: [0-9]+ is the least") as caught:
            long_run.chrome_trace(path, max_bytes=few)
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="max_bytes must be at least 0, got -1"):
        long_run.chrome_trace(path, max_bytes=-1)
    least = int(re.search(r"([0-9]+) is the least", str(caught.value))[1])
    with pytest.raises(ValueError, match="too small"):
        long_run.chrome_trace(path, max_bytes=least - 1)
    events, _ = traced(long_run, tmp_path, max_bytes=least)
    assert nested(events)
    assert path.stat().st_size == least


def test_spans_beyond_the_most_are_thinned(monkeypatch, tmp_path):
    """The rows still count each; names beyond the most share what room there is."""
    monkeypatch.setattr(recording, "measured", lambda *_, **__: None)  # a roof, which takes half a second to measure
    with profile() as prof:
        for _ in range(3 * MOST):
            with prof.record("tick"):
                pass
        for number in range(1000):
            with prof.record(f"part {number}"):
                pass
    events, _ = traced(prof, tmp_path)
    nested(events)
    ticks = [event["ts"] for event in named(events, "tick")]
    assert MOST / 2 <= len(ticks) <= MOST
    calls = {row["name"]: row["calls"] for row in prof.rows}
    assert calls["tick"] == 3 * MOST
    assert sum(calls[f"part {number}"] for number in range(1000)) == 1000
    first, last = (named(events, f"part {number}") for number in (0, 999))
    assert len(first) == 1
    assert len(last) <= 1


@given(st.integers(1, 40), st.integers(0, 1000))
def test_thinned(most, added):
    """Never more than the most, never less than half of it: the first, and then others at equal distances."""
    kept = Thinned(most)
    for item in range(added):
        kept.add(item)
        assert len(kept.items) <= most
    assert kept.added == added
    assert kept.items == list(range(0, added, kept.stride))
    assert len(kept.items) >= min(added, most / 2)
    assert kept.stride & (kept.stride - 1) == 0
