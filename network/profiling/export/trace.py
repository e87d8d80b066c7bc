"""A profile as a trace in the Trace Event Format, which Perfetto and chrome://tracing open.

Source: Trace Event Format (Google, 2016). Times are microseconds since the profile began, in multiples of 1/1024, about
a nanosecond: a double holds them and their sums exactly, so that slices also nest in viewers that add ts and dur.
Rounded to three decimals, one sum in nine lay beyond the end of the enclosing slice. Thread 0 opened the profile; the
others are the training loop's team.
"""

import json
import os
from collections.abc import Iterable
from typing import Any

from hotloop.network.profiling.phase_clock import LAYERLESS, LOOP, PHASE_NAMES, PhaseClock
from hotloop.network.profiling.recording import Recording

STEP, RATE = "step", "samples a second"
PARTS = 1024  # of a microsecond
Groups = dict[tuple[str, str], list[str]]  # lines of JSON by the format's "ph" and a name


def chrome_trace(recording: Recording, max_bytes: int) -> str:
    """Return the trace as JSON of at most `max_bytes` bytes: every other event of the largest kinds is dropped.

    Raises
    ------
    ValueError
        If one event of each kind takes more than that.
    """
    groups = events(recording)
    found = {name: len(lines) for name, lines in groups.items()}
    while (size := len(_file(groups, found))) > max_bytes:
        largest = max(groups, key=lambda name: sum(map(len, groups[name])) if len(groups[name]) > 1 else 0)
        if len(groups[largest]) < 2:
            raise ValueError(f"a trace of {max_bytes} bytes is too small: {size} is the least")
        groups[largest] = groups[largest][::2]
    return _file(groups, found)


def _file(groups: Groups, found: dict[tuple[str, str], int]) -> str:
    left_out = {key[1]: found[key] - len(lines) for key, lines in groups.items() if found[key] > len(lines)}
    head = {"displayTimeUnit": "ns", "otherData": {"left out": json.dumps(left_out)}}
    lines = [line for group in groups.values() for line in group]
    return json.dumps(head)[:-1] + ', "traceEvents": [\n' + ",\n".join(lines) + "\n]}\n"


def events(recording: Recording) -> Groups:
    """Return all events as lines of JSON, by kind; those of a kind are in order of time and may be thinned."""
    process, groups, clocks = os.getpid(), dict[tuple[str, str], list[str]](), recording.clocks

    def microseconds(moment: float) -> float:
        return round((moment - recording.began) * 1e6 * PARTS) / PARTS

    def add(group: str, phase: str, name: str, moment: float, stop: float | None = None, **more: Any) -> None:
        """Add an event; a slice ends at `stop`. Both ends are rounded, so that slices that meet still meet."""
        start = microseconds(moment)
        event = {"name": name, "ph": phase, "ts": start, "pid": process, "tid": 0} | more
        if stop is not None:
            event["dur"] = microseconds(stop) - start
        groups.setdefault((phase, group), []).append(json.dumps(event))

    for event in sorted(recording.spans.events(), key=lambda event: event.start):
        add(event.name, "X", event.name, event.start, event.stop, cat=event.category, args=event.arguments or {})
    threads = {0}
    for clock in clocks:
        for event in clock.events.items:
            given = event.arguments or {}
            add(LOOP, "X", LOOP, event.start, event.stop, cat=event.category, args=given)
            rate = given["rows"] / max(event.stop - event.start, 1e-9)
            add(RATE, "C", RATE, event.stop, args={"value": round(rate)})
        for name, moment, stop, thread in slices(clock, recording):
            threads.add(thread)
            add(STEP, "X", name, moment, stop, tid=thread, cat="step" if name == STEP else "phase")
    for name, track in recording.counters.items():
        for moment, value in track.items:
            if value == value and abs(value) != float("inf"):
                add(name, "C", name, moment, args={"value": value})
    for moment, name, arguments in recording.marks.items:
        title = f"epoch {arguments['epoch']}" if name == "epoch" else name
        add(name, "i", title, moment, s="p", args=arguments)
    names = {0: "main"} | {thread: f"hotloop-{thread}" for thread in sorted(threads - {0})}
    add("names", "M", "process_name", recording.began, args={"name": "hotloop"})
    for thread, name in names.items():
        add(f"name of {thread}", "M", "thread_name", recording.began, tid=thread, args={"name": name})
    return groups


def slices(clock: PhaseClock, recording: Recording) -> Iterable[tuple[str, float, float, int]]:
    """Yield name, start, stop and thread of each step that was logged in full, and of its phases."""
    for step in clock.steps(recording.calibration):
        yield STEP, step.begin, step.laps[-1][2], step.thread
        begin = step.begin
        for phase, layer, end in step.laps:
            name = PHASE_NAMES[phase] if phase in LAYERLESS else f"{PHASE_NAMES[phase]} {layer + 1}"
            yield name, begin, end, step.thread
            begin = end
