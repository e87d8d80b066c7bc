"""The chart of the tabular benchmark: error over the time of a fit, for classes and for values."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tabular_peers import PEERS
from benchmarks.tabular_report import counted
from benchmarks.tabular_results import Means
from benchmarks.tabular_sets import CLASSES, VALUES

# Places in the palette; hotloop has the strongest colour.
PLACES = {
    "sklearn-mlp": 1, "hist-boosting": 3, "lightgbm": 2, "xgboost": 0, "catboost": 4, "realmlp": 6, "realmlp-8": 6,
    "realmlp-flushed": 6,
}  # fmt: skip
OURS = 5
CURVE = ("hotloop-fast", "hotloop", "hotloop-best")


def draw(results: dict[str, Any], path: Path) -> None:
    """Write the chart to `path`, a PNG."""
    picture(results).savefig(path, dpi=200, metadata={"Software": None})


def picture(results: dict[str, Any]) -> Any:
    """Return the figure: a panel for each task."""
    from hotloop.network.plots.style import WIDTH, figure, styled

    means, about = Means(results), results["about"]
    base = means.base
    panels = [(task, means.of_task(task)) for task in (CLASSES, VALUES) if means.of_task(task)]
    with styled():
        drawn = figure(WIDTH, 0.6 + 3.6 * len(panels))
        every = drawn.subplots(len(panels), 1, squeeze=False)
        drawn.suptitle(f"{counted(about['cores'], 'core')}, {about['cpu']}", fontsize=10)
        for axes, (task, tables) in zip(every[:, 0], panels, strict=True):
            measure = "error rate" if task == CLASSES else "RMSE"
            axes.set_title(f"{len(tables)} tables of {task}: {measure}")
            axes.set(xlabel="seconds of a fit for 1000 rows, geometric mean", ylabel=f"error / {PEERS[base].label}'s")
        every[-1, 0].set_xlabel(f"{every[-1, 0].get_xlabel()}\n({about['date']}, commit {about['commit']})")
        found = [
            {peer: place for peer in means.peers if (place := place_of(means, peer, base, tables))}
            for _, tables in panels
        ]
        for write in (panel, name):  # names when the layout is final
            for axes, places in zip(every[:, 0], found, strict=True):
                if places:
                    write(axes, places)
    return drawn


def place_of(means: Means, peer: str, base: str, tables: list[str]) -> tuple[float, float] | None:
    """Return seconds for 1000 rows and the ratio of errors, or None for a peer that lacks a table."""
    seconds, ratio = means.for_1000_rows(peer, tables), means.ratio(peer, base, tables)
    return (seconds, ratio[0]) if seconds and ratio and ratio[1] == len(tables) else None


def panel(axes: Any, places: dict[str, tuple[float, float]]) -> None:
    """Draw the estimators of a task: a point each, and a line through hotloop's presets."""
    from hotloop.network.plots.style import MARKERS, PALETTE

    curve = [places[peer] for peer in CURVE if peer in places]
    if curve:
        axes.plot(*zip(*curve, strict=True), color=PALETTE[OURS], linewidth=2, alpha=0.6)
    for peer, (x, y) in places.items():
        place = PLACES.get(peer, OURS)
        axes.plot([x], [y], MARKERS[place], markersize=8 if PEERS[peer].ours else 6, color=PALETTE[place],
                  markeredgecolor="black", markeredgewidth=0.4)  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.margins(x=0.2, y=0.2)


def name(axes: Any, places: dict[str, tuple[float, float]]) -> None:
    """Write each name near its point, hotloop's first."""
    from hotloop.network.plots.labels import label_points

    axes.figure.draw_without_rendering()  # for the layout
    ordered = sorted(places.items(), key=lambda item: (not PEERS[item[0]].ours, item[1]))
    labels = [(x, y, PEERS[peer].label, {"weight": "bold"} if PEERS[peer].ours else {}) for peer, (x, y) in ordered]
    label_points(axes, labels, np.concatenate([[*places.values()], along_curve(axes, places)]))


def along_curve(axes: Any, places: dict[str, tuple[float, float]]) -> Any:
    """Return points on the line through hotloop's presets: (N, 2)."""
    curve = [places[peer] for peer in CURVE if peer in places]
    if len(curve) < 2:
        return np.zeros((0, 2))
    corners = axes.transData.transform(curve)
    steps = np.linspace(0, len(corners) - 1, 40)
    line = np.stack([np.interp(steps, np.arange(len(corners)), corners[:, axis]) for axis in (0, 1)], 1)
    return axes.transData.inverted().transform(line)
