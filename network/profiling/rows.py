"""The rows of a profile: one for each phase of each layer, and for each part of the time outside the compiled loops."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from hotloop.kernels.clock import WAIT
from hotloop.network.profiling.calibration import Calibration
from hotloop.network.profiling.phase_clock import INTERRUPTED, LAYERLESS, PHASE_NAMES, PhaseClock
from hotloop.network.profiling.roofline import Roof
from hotloop.network.profiling.sort_orders import SORTS
from hotloop.network.profiling.spans import Spans

Row = dict[str, Any]
ENTER = "enter the compiled loop"
OUTSIDE = "outside hotloop"
COMPILE = "compile"
FIELDS = (
    "name", "layer", "network", "kind", "calls", "seconds", "percent", "seconds_per_call", "flops", "bytes",
    "flops_per_second", "bytes_per_second", "flops_per_byte", "roof_percent", "bound_by",
)  # fmt: skip
GROUPS = ("phase", "layer")
WAITING = {WAIT: "wait", INTERRUPTED: "interrupted"}  # kinds of rows in which a thread computes nothing
PHASE_KINDS = ("kernel", *WAITING.values())  # of rows
PHASE_ORDER = [PHASE_NAMES[phase] for phase in sorted(PHASE_NAMES)]


class Sums:
    """Sums of rows by name, layer, network and kind."""

    def __init__(self) -> None:
        self._rows: dict[tuple[Any, ...], Row] = {}

    def add(
        self, name: str, layer: int | None, network: str | None, kind: str, calls: int, seconds: float,
        flops: float = 0.0, moved: float = 0.0, ideal: tuple[float, str] | None = None,
    ) -> None:  # fmt: skip
        """Add to a row; `ideal` is the least share of its seconds that it could take, and what bounds it."""
        row = self._rows.setdefault(
            (name, layer, network, kind),
            {"name": name, "layer": layer, "network": network, "kind": kind, "calls": 0, "seconds": 0.0, "flops": 0.0,
             "bytes": 0.0, "ideal": 0.0, "bounds": {}},
        )  # fmt: skip
        row["calls"] += calls
        row["seconds"] += seconds
        row["flops"] += flops
        row["bytes"] += moved
        if ideal is not None:
            row["ideal"] += ideal[0] * seconds
            row["bounds"][ideal[1]] = row["bounds"].get(ideal[1], 0.0) + seconds

    def finished(self, total: float) -> list[Row]:
        """Return the rows, the longest first."""
        return sorted((finish(row, total) for row in self._rows.values()), key=lambda row: -row["seconds"])


def finish(row: Row, total: float) -> Row:
    """Return a row with the rates and shares that follow from its sums."""
    seconds, flops, moved = row["seconds"], row["flops"], row["bytes"]
    timed = seconds > 0
    bounds = row["bounds"]
    kinds = {
        "python": "Python", "compile": "compiling", "record": "yours", "wait": "waiting", "interrupted": "other load",
    }  # fmt: skip
    row = row | {
        "percent": 100 * seconds / total,
        "seconds_per_call": seconds / row["calls"] if row["calls"] else None,
        "flops_per_second": flops / seconds if flops and timed else None,
        "bytes_per_second": moved / seconds if moved and timed else None,
        "flops_per_byte": flops / moved if flops and moved else None,
        "roof_percent": 100 * row["ideal"] / seconds if bounds and timed else None,
        "bound_by": max(bounds, key=bounds.__getitem__) if bounds else kinds.get(row["kind"], "overhead"),
    }
    return {name: float(row[name]) if isinstance(row[name], np.floating) else row[name] for name in FIELDS}


def labels(clocks: Iterable[PhaseClock]) -> dict[tuple[str, str, str], str | None]:
    """Return a label for each kind of run: none if there is one kind, the network, or also its dtype and method."""
    kinds = list(dict.fromkeys(clock.kind for clock in clocks))
    if len(kinds) == 1:
        return {kinds[0]: None}
    sizes = [network for network, *_ in kinds]
    return {kind: kind[0] if sizes.count(kind[0]) == 1 else " ".join(kind) for kind in kinds}


def rows(spans: Spans, clocks: Iterable[PhaseClock], calibration: Calibration, roof_of: Mapping[str, Roof],
         total: float) -> list[Row]:  # fmt: skip
    """Return the rows of a profile.

    Parameters
    ----------
    spans : Spans
    clocks : iterable of PhaseClock
    calibration : Calibration
        Of the clocks' ticks.
    roof_of : mapping of str to Roof
        By dtype.
    total : float
        Seconds of the whole profile.

    Returns
    -------
    list of dict
        Their seconds add up to `total`.
    """
    clocks, sums = list(clocks), Sums()
    names = labels(clocks)
    dtype = str(clocks[0].dtype) if clocks else "float32"
    for clock in clocks:
        network, threads = names[clock.kind], clock.thread_seconds() / clock.wall()
        in_use = clock.bytes_in_use()
        left = clock.wall()
        for phase in clock.phases(calibration):
            name, kind, ideal = phase.name, WAITING.get(phase.phase, "kernel"), None
            if kind == "kernel" and (phase.flops or phase.bytes):
                used = clock.work.data_bytes + in_use if name == "gather" else in_use
                roof = roof_of.get(str(clock.dtype))
                if roof is not None:
                    ideal = roof.share(phase.seconds, phase.flops / threads, phase.bytes / threads, used)
            layer = None if phase.phase in LAYERLESS else phase.layer + 1
            sums.add(name, layer, network, kind, phase.calls, phase.seconds, phase.flops, phase.bytes, ideal)
            left -= phase.seconds
        sums.add(ENTER, None, network, "python", clock.calls, left)
    for path, node in spans.tree.items():
        name, kind = path[-1], node.category
        if len(path) == 1:
            name = OUTSIDE
        elif kind == "compile":
            name = COMPILE
        ideal = None
        if (node.flops or node.bytes) and dtype in roof_of:
            seconds, each = max(node.self_seconds, 1e-9), node.bytes / node.calls / node.threads
            ideal = roof_of[dtype].share(seconds, node.flops / node.threads, node.bytes / node.threads, each)
        sums.add(name, None, None, kind, node.calls, node.self_seconds, node.flops, node.bytes, ideal)
    return sums.finished(total)


def grouped(found: Iterable[Row], group_by: str, total: float) -> list[Row]:
    """Return sums of rows by phase (all layers) or by layer (all phases); rows without a layer stay as they are."""
    sums = Sums()
    for row in found:
        name, layer = row["name"], row["layer"]
        if layer is not None:
            name, layer = (name, None) if group_by == "phase" else ("layer", layer)
        share = row["roof_percent"]
        ideal = None if share is None else (share / 100, row["bound_by"])
        sums.add(
            name, layer, row["network"], row["kind"], row["calls"], row["seconds"], row["flops"], row["bytes"], ideal
        )
    return sums.finished(total)


def arranged(found: list[Row], sort_by: str) -> list[Row]:
    """Return rows sorted by one of `SORTS`: the largest first, or in the order of a training step."""
    key = SORTS[sort_by]
    if key is None:
        last = len(PHASE_ORDER)
        order = {name: place for place, name in enumerate(PHASE_ORDER)}
        return sorted(
            found,
            key=lambda row: (
                order[row["name"]] if row["kind"] in PHASE_KINDS else last, row["network"] or "", row["layer"] or 0
            ),
        )  # fmt: skip
    return sorted(found, key=lambda row: -(row[key] or 0.0))
