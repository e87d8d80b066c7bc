"""A profile as stacks with their times: collapsed, for flamegraph.pl, or as JSON for speedscope.

Sources: B. Gregg's FlameGraph, stackcollapse; the file format of speedscope, version 0.0.1.
"""

import json
from collections.abc import Iterator

from hotloop.network.profiling.phase_clock import LAYERLESS, LOOP
from hotloop.network.profiling.recording import Recording

Stack = tuple[str, ...]


def stacks(recording: Recording) -> Iterator[tuple[Stack, float]]:
    """Yield each stack of names, the outermost first, and its self time in seconds."""
    clocks = recording.clocks
    for path, node in recording.spans.tree.items():
        yield path, node.self_seconds
    for clock in clocks:
        left = clock.wall()
        for phase in clock.phases(recording.calibration):
            layer = () if phase.phase in LAYERLESS else (f"{phase.name} {phase.layer + 1}",)
            yield (*clock.path, LOOP, phase.name, *layer), phase.seconds
            left -= phase.seconds
        yield (*clock.path, LOOP), max(left, 0.0)


def collapsed(recording: Recording) -> str:
    """Return a line a stack: names joined by semicolons, a space, whole microseconds."""
    lines = []
    for stack, seconds in stacks(recording):
        names = ";".join(name.replace(";", ",").replace("\n", " ") for name in stack)
        if round(seconds * 1e6) > 0:
            lines.append(f"{names} {round(seconds * 1e6)}")
    return "\n".join(sorted(lines)) + "\n"


def speedscope(recording: Recording) -> str:
    """Return the JSON of speedscope."""
    frames: dict[str, int] = {}
    samples, weights = [], []  # whole nanoseconds: a viewer's sums of them are exact
    for stack, seconds in sorted(stacks(recording)):
        samples.append([frames.setdefault(name, len(frames)) for name in stack])
        weights.append(max(round(seconds * 1e9), 0))
    return json.dumps({
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": "hotloop",
        "name": "hotloop profile",
        "shared": {"frames": [{"name": name} for name in frames]},
        "profiles": [
            {
                "type": "sampled", "name": "wall time", "unit": "nanoseconds", "startValue": 0,
                "endValue": sum(weights), "samples": samples, "weights": weights,
            }
        ],
    })  # fmt: skip
