"""A profile as stacks with their times: collapsed, for flamegraph.pl and its kin, or as JSON for speedscope.

Sources: B. Gregg's FlameGraph, stackcollapse; the file format of speedscope, version 0.0.1.
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hotloop.network.profiling.phase_clock import LAYERLESS, LOOP

if TYPE_CHECKING:
    from hotloop.network.profiling.profiler import Profile

Stack = tuple[str, ...]


def stacks(profile: "Profile") -> Iterator[tuple[Stack, float]]:
    """Yield each stack of names, the outermost first, and the seconds of the wall that it was the innermost."""
    clocks = profile.clocks
    for path, node in profile.spans.tree.items():
        yield path, node.own
    for clock in clocks:
        left = clock.wall()
        for phase in clock.phases(profile.calibration):
            layer = () if phase.phase in LAYERLESS else (f"{phase.name} {phase.layer + 1}",)
            yield (*clock.path, LOOP, phase.name, *layer), phase.seconds
            left -= phase.seconds
        yield (*clock.path, LOOP), max(left, 0.0)


def collapsed(profile: "Profile") -> str:
    """Return a line a stack: names joined by semicolons, a space, whole microseconds."""
    lines = []
    for stack, seconds in stacks(profile):
        names = ";".join(name.replace(";", ",").replace("\n", " ") for name in stack)
        if round(seconds * 1e6) > 0:
            lines.append(f"{names} {round(seconds * 1e6)}")
    return "\n".join(sorted(lines)) + "\n"


def speedscope(profile: "Profile") -> str:
    """Return the JSON of speedscope."""
    frames: dict[str, int] = {}
    samples, weights = [], []  # whole nanoseconds, of which a viewer's sums are exact
    for stack, seconds in sorted(stacks(profile)):
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
