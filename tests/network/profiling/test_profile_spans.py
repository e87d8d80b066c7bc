"""What a profile makes of spans that do not nest, threads, and many kinds of runs."""

import contextvars
import json
import threading
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiled_fits import QUIET, data, named

from hotloop import SGD, Adam, Network, profile
from hotloop.network.profiling.calibration import Calibration
from hotloop.network.profiling.export import trace
from hotloop.network.profiling.spans import Event


def test_spans_that_cross_are_no_harm():
    """Two generators advance in turn, so that one ends within the other; a third ends after the block."""

    def parts(prof, name):
        for _ in range(3):
            with prof.record(name):
                yield

    with profile() as prof:
        for _ in zip(parts(prof, "a"), parts(prof, "b"), strict=False):
            pass
        late = parts(prof, "late")
        next(late)
    late.close()
    assert sum(row["seconds"] for row in prof.rows) == pytest.approx(prof.seconds)
    assert min(row["seconds"] for row in prof.rows) >= 0
    with profile():
        pass


def test_a_record_may_be_entered_again():
    with profile() as prof:
        part = prof.record("part")
        for _ in range(2):
            with part, prof.record("inner"):
                time.sleep(0.01)
        with part, pytest.raises(RuntimeError, match="'part' is already open"):
            part.__enter__()
    assert named(prof, "part")["calls"] == 3
    assert 0 <= named(prof, "part")["seconds"] < named(prof, "inner")["seconds"]
    with pytest.raises(RuntimeError, match="the profile has ended"):
        part.__enter__()


def test_a_context_that_is_copied_into_a_thread_is_not_profiled():
    """As asyncio.to_thread does."""
    net, (X, y) = Network([6, 5, 3], loss="cross_entropy", seed=0), data((6, 5, 3), 40)
    with profile() as prof:
        copied = contextvars.copy_context()
        thread = threading.Thread(target=copied.run, args=(lambda: net.fit(X, y, epochs=1, **QUIET),))
        thread.start()
        thread.join()
    assert net.steps == 2
    assert prof.recording.clocks == []


def test_kinds_of_runs_are_told_apart():
    with profile() as prof:
        for dtype, optimizer in (("float32", SGD(0.1)), ("float64", SGD(0.1)), ("float32", Adam())):
            net = Network([6, 5, 3], loss="cross_entropy", seed=0, dtype=dtype)
            net.fit(*data((6, 5, 3), 40), epochs=1, optimizer=optimizer, **QUIET)
    names = {row["network"] for row in prof.rows if row["kind"] == "kernel"}
    assert names == {"6-5-3 float32 SGD", "6-5-3 float64 SGD", "6-5-3 float32 Adam"}
    assert prof.table().count(" steps, 40 rows") == 3


def test_many_kinds_of_runs_do_not_fill_the_screen():
    with profile() as prof:
        for rows in range(8, 48, 2):
            Network([6, 5, 3], loss="cross_entropy", seed=0).fit(*data((6, 5, 3), rows), epochs=1, **QUIET)
        for width in range(4, 20):
            Network([6, width, 3], loss="cross_entropy", seed=0).fit(*data((6, 5, 3), 8), epochs=1, **QUIET)
    assert prof.table(row_limit=3).count("in the compiled loop") == 10
    assert "and 6 more kinds of runs" in prof.table()
    assert str(prof.diagnose(try_remedies=False)).count("diagnosis of") == 36


def test_a_name_of_any_characters_stays_on_its_line():
    with profile() as prof, prof.record("a\n\tb\x1b[31m"):
        pass
    (line,) = [line for line in prof.table().splitlines() if r"a\n\tb\x1b[31m" in line]
    assert line.endswith("yours")


@given(st.lists(st.floats(0, 1e5), min_size=2, max_size=8))
def test_sums_of_doubles_nest(moments):
    """Nested slices that end at the same moment, and siblings that meet, in a profile of up to a day."""
    prof = profile()
    prof.recording.began, prof.recording._calibration = 12345.678901, Calibration(0, 1e9)
    moments = [prof.recording.began + moment for moment in sorted(moments)]
    prof.recording.spans.kept("outer").add(Event("outer", moments[0], moments[-1], "python"))
    for begin, end in pairwise(moments):
        prof.recording.spans.kept("inner").add(Event("inner", begin, end, "python"))
    for begin in moments[1:-1]:
        prof.recording.spans.kept("late").add(Event("late", begin, moments[-1], "python"))
    events = trace.events(prof.recording)
    found = [json.loads(line) for line in events["X", "outer"] + events["X", "inner"]]
    ends = [event["ts"] + event["dur"] for event in found]
    assert ends[0] == ends[-1]
    assert ends[1:-1] == [event["ts"] for event in found[2:]]
    late = [json.loads(line) for line in events.get(("X", "late"), [])]
    assert {event["ts"] + event["dur"] for event in late} <= {ends[0]}
