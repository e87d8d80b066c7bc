"""A profile as stacks, JSON, a data frame and charts: complete, well formed, and never half written."""

import json
import os
import re
import sys
import tomllib
from collections import Counter
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from recorded_profile import CORE, HOSTILE, QUIET, RECORDS, fitted, recorded

from hotloop import SGD, Callback, DivergenceError, Network, __version__, profile
from hotloop.network.persistence import atomic_write as files
from hotloop.network.profiling import recording
from hotloop.network.profiling.export import html_page
from hotloop.network.profiling.rows import FIELDS


@pytest.fixture(autouse=True)
def roof(monkeypatch):
    monkeypatch.setattr(recording, "measured", lambda *_, **__: CORE)


@pytest.fixture(scope="module")
def prof():
    return recorded()


def strictly(text):
    """Return what a JSON text says; NaN and infinity are not JSON."""

    def refuse(name):
        raise ValueError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def innermost(prof):
    """Return the microseconds of each row by its name at the end of a stack, where layers have numbers."""
    names, found = {"enter the compiled loop": "compiled loop", "outside hotloop": "profile"}, Counter()
    for row in prof.rows:
        name = names.get(row["name"], row["name"])
        found[f"{name} {row['layer']}" if row["layer"] else name] += 1e6 * row["seconds"]
    return found


# Stacks.


def test_collapsed_stacks(prof, tmp_path):
    """A line a stack: names between semicolons, a space, whole microseconds. All of the time is in them, once."""
    prof.flamegraph(tmp_path / "stacks.txt")
    lines = (tmp_path / "stacks.txt").read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    stacks = {}
    for line in lines:
        stack, microseconds = re.fullmatch(r"(profile(?:;[^;]+)*) ([1-9][0-9]*)", line).groups()
        assert stack not in stacks
        stacks[tuple(stack.split(";"))] = int(microseconds)
    unseen = 0.5 * len(prof.recording.spans.tree) + 0.5 * 50  # by rounding, half a microsecond each
    assert sum(stacks.values()) == pytest.approx(1e6 * prof.seconds, rel=0.01, abs=unseen)
    assert set(stacks) >= {("profile",), ("profile", "mine", "fit"), ("profile", "a,b"), ("profile", "c d")}
    assert set(stacks) >= {("profile", HOSTILE.replace(";", ",")), ("profile", "a b", "inner"), ("profile", "µs")}
    assert ("profile", "mine", "fit", "compiled loop", "forward", "forward 1") in stacks
    assert ("profile", "fit", "compiled loop", "weight gradient + update", "weight gradient + update 3") in stacks
    leaves = Counter()
    for stack, microseconds in stacks.items():
        leaves[stack[-1]] += microseconds
    expected = {name.replace(";", ",").replace("\n", " "): value for name, value in innermost(prof).items()}
    assert {name: leaves[name] for name in expected} == pytest.approx(expected, abs=4)  # a stack is rounded by a half


def test_stacks_for_speedscope(prof, tmp_path):
    """By its schema, version 0.0.1: a profile of the type "sampled" has a stack of frames and a weight a sample."""
    prof.flamegraph(str(tmp_path / "stacks.json"))
    found = strictly((tmp_path / "stacks.json").read_bytes())
    assert found["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    (sampled,), frames = found["profiles"], [frame["name"] for frame in found["shared"]["frames"]]
    assert (sampled["type"], sampled["unit"], sampled["startValue"]) == ("sampled", "nanoseconds", 0)
    assert isinstance(sampled["name"], str)
    samples, weights = sampled["samples"], sampled["weights"]
    assert len(samples) == len(weights) > 20
    assert all(weight >= 0 for weight in weights)
    assert all(weight == int(weight) for weight in weights)  # sums of whole numbers are exact in doubles
    assert sum(map(float, weights)) == sampled["endValue"]
    assert sum(weights) == pytest.approx(1e9 * prof.seconds, rel=0.01)
    assert {index for stack in samples for index in stack} == set(range(len(frames)))
    assert len(set(frames)) == len(frames)
    assert set(frames) > {"profile", *RECORDS}
    stacks = [tuple(frames[index] for index in stack) for stack in samples]
    assert len(set(stacks)) == len(stacks)
    assert all(stack[0] == "profile" for stack in stacks)
    leaves = Counter()
    for stack, weight in zip(stacks, weights, strict=True):
        leaves[stack[-1]] += weight / 1000
    assert leaves == pytest.approx(innermost(prof), abs=2)


# Plain data.


def test_json(prof, tmp_path):
    """What is written is also returned, and says what the profile says."""
    text = prof.to_json(tmp_path / "profile.json")
    assert (tmp_path / "profile.json").read_text(encoding="utf-8") == text == prof.to_json()
    found = strictly(text)
    assert list(found) == ["format", "hotloop", "seconds", "clock", "roofs", "runs", "rows", "fits", "diagnosis"]
    assert (found["format"], found["hotloop"], found["seconds"]) == (1, __version__, prof.seconds)
    assert found["clock"]["ticks_per_second"] > 1e6
    assert found["rows"] == prof.rows
    assert [(run["network"], run["dtype"], run["steps"], run["rows"]) for run in found["runs"]] == [
        ("6-5-3", "float32", 24, 180), ("4-9-8-2", "float32", 24, 180),
    ]  # fmt: skip
    assert all(
        1 <= run["timed_micro_batches"] <= run["micro_batches"] == 24 and run["seconds"] > 0 for run in found["runs"]
    )
    assert [fit["network"] for fit in found["fits"]] == [[6, 5, 3], [4, 9, 8, 2]]
    for fit in found["fits"]:
        assert fit["stop_reason"] == "epochs"
        assert [set(epoch) for epoch in fit["epochs"]] == [{"epoch", "loss", "learning_rate", "seconds"}] * 3
        assert all(len(each["gradient"]) == len(fit["network"]) - 1 for each in fit["snapshots"])
        assert fit["snapshots"]
    assert [fit["network"].split()[0].rstrip(",") for fit in found["diagnosis"]] == ["6-5-3", "4-9-8-2"]


@pytest.mark.parametrize("rate", [1e30, 1e38])
def test_json_of_a_run_that_diverged(rate, tmp_path):
    """What is not finite is null."""
    net, X = Network((6, 5, 1), seed=0), 1e3 * np.random.default_rng(0).normal(size=(60, 6))
    with profile() as prof, pytest.raises(DivergenceError):
        net.fit(X, X[:, 0], epochs=3, batch_size=8, optimizer=SGD(rate), **QUIET)
    prof.diagnose(try_remedies=False)
    found = strictly(prof.to_json())
    assert found["fits"][0]["stop_reason"] == "diverged"
    prof.chrome_trace(tmp_path / "trace.json")
    assert strictly((tmp_path / "trace.json").read_bytes())


def test_records_to_which_a_callback_added(tmp_path, without_charts):
    """Numbers of NumPy, and what is no number."""

    class Adds(Callback):
        def on_epoch_end(self, fit):
            fit.record.update(rate=np.float32(0.5), rank=np.int64(3), note="warm", nothing=None, bad=np.float32("inf"))

    net = Network([2, 3, 1], seed=0)
    with profile() as prof:
        net.fit(np.ones((8, 2)), np.ones(8), epochs=2, callbacks=[Adds()], **QUIET)
    added = {"rate": 0.5, "rank": 3, "note": "warm", "nothing": None, "bad": None}
    prof.to_json(tmp_path / "profile.json")
    for record in strictly((tmp_path / "profile.json").read_text())["fits"][0]["epochs"]:
        assert {name: record[name] for name in added} == added
    assert [value for _, value in prof.recording.counters["rate"].items] == [0.5, 0.5]
    assert "note" not in prof.recording.counters
    prof.chrome_trace(tmp_path / "trace.json")
    prof.html(tmp_path / "profile.html")


def test_json_of_work_that_numpy_counted():
    with profile() as prof, prof.record("mine", flops=np.float32(3), bytes=np.int64(4)):
        pass
    assert [(row["flops"], row["bytes"]) for row in strictly(prof.to_json())["rows"] if row["flops"]] == [(3, 4)]


@pytest.mark.parametrize("argument", ["flops", "bytes"])
def test_infinite_work_is_refused(argument):
    """JSON has no number for it."""
    with profile() as prof, pytest.raises(ValueError, match=f"{argument} must be finite, at least 0, got inf"):
        prof.record("mine", **{argument: np.inf})


def test_a_data_frame(prof):
    pytest.importorskip("pandas")
    frame = prof.to_pandas()
    assert tuple(frame.columns) == FIELDS
    assert len(frame) == len(prof.rows)
    for name in ("name", "kind", "calls", "seconds", "flops", "bytes"):
        assert list(frame[name]) == [row[name] for row in prof.rows]
    assert frame["layer"].isna().sum() == sum(row["layer"] is None for row in prof.rows)


# Files.

WRITERS = {
    "trace.json": lambda prof, path: prof.chrome_trace(path),
    "stacks.txt": lambda prof, path: prof.flamegraph(path),
    "stacks.json": lambda prof, path: prof.flamegraph(path),
    "profile.json": lambda prof, path: prof.to_json(path),
    "profile.html": lambda prof, path: prof.html(path),
}
writers = pytest.mark.parametrize("name", WRITERS)


@pytest.fixture
def without_charts(monkeypatch):
    """They take two seconds to draw."""
    monkeypatch.setattr(html_page, "_chart", lambda *_, **__: None)


def written(prof, name, path):
    if name.endswith("html"):
        pytest.importorskip("matplotlib")
    WRITERS[name](prof, path)


@writers
@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_takes_the_place_of_another(kind, name, prof, tmp_path, without_charts):
    path = tmp_path / name
    path.write_text("old " * 1_000_000)
    written(prof, name, kind(path))
    assert not path.read_text(encoding="utf-8").startswith("old")
    assert os.listdir(tmp_path) == [name]


@writers
def test_a_file_that_cannot_be_finished(name, prof, monkeypatch, tmp_path, without_charts):
    """The old one stays, and no other file is left."""
    path, full = tmp_path / name, mock.Mock(side_effect=OSError("no space left on device"))
    path.write_text("old")
    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        written(prof, name, path)
    assert (path.read_text(), os.listdir(tmp_path)) == ("old", [name])


@writers
def test_no_such_folder(name, prof, tmp_path, without_charts):
    with pytest.raises(FileNotFoundError, match="there is no"):
        written(prof, name, tmp_path / "missing" / name)
    assert os.listdir(tmp_path) == []


@writers
def test_an_open_profile(name, tmp_path):
    """There is nothing to write before it has ended."""
    with profile() as prof:
        with pytest.raises(RuntimeError, match="the profile has not ended"):
            written(prof, name, tmp_path / name)
        fitted(epochs=1)
        with pytest.raises(RuntimeError, match="the profile has not ended"):
            written(prof, name, tmp_path / name)
    assert os.listdir(tmp_path) == []


@writers
def test_a_profile_of_nothing(name, tmp_path):
    with profile() as prof:
        pass
    written(prof, name, tmp_path / name)
    assert (tmp_path / name).stat().st_size > 0


# Charts.


@pytest.mark.filterwarnings("error")
def test_the_figure(prof, tmp_path):
    """Time by layer and phase; roofline. It can be saved."""
    figure = pytest.importorskip("matplotlib.figure")
    drawn = prof.plot()
    assert isinstance(drawn, figure.Figure)
    assert len(drawn.axes) == 2
    bars = {tuple(label.get_text().split("\n")) for label in drawn.axes[0].get_yticklabels()}
    layers = {("6-5-3", f"layer {n}") for n in (1, 2)} | {("4-9-8-2", f"layer {n}") for n in (1, 2, 3)}
    assert bars == layers | {(name, "all layers") for name in ("6-5-3", "4-9-8-2")} | {("outside the loops",)}
    found, expected = Counter(), Counter()
    for bar in drawn.axes[0].patches:
        found[drawn.axes[0].get_yticklabels()[round(bar.get_y() + bar.get_height() / 2)].get_text()] += bar.get_width()
    for row in prof.rows:
        layer = f"layer {row['layer']}" if row["layer"] else "all layers"
        inside = row["kind"] in ("kernel", "wait", "interrupted")
        expected[f"{row['network']}\n{layer}" if inside else "outside the loops"] += 1e3 * row["seconds"]
    assert found == pytest.approx(expected, rel=1e-9)
    drawn.savefig(tmp_path / "profile.png")
    assert (tmp_path / "profile.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "make", [lambda prof, _: prof.plot(), lambda prof, path: prof.html(path)], ids=["plot", "html"]
)
def test_without_matplotlib(make, prof, monkeypatch, tmp_path):
    """The error says which extra to install, and the project declares it."""
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="pictures need matplotlib: python -m pip install 'hotloop") as caught:
        make(prof, tmp_path / "profile.html")
    assert os.listdir(tmp_path) == []
    extra = re.search(r"hotloop\[(\w+)\]", str(caught.value))[1]
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert any(each.startswith("matplotlib") for each in project["optional-dependencies"].get(extra, []))
