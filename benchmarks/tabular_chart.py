"""The chart of the tabular benchmark: error over the time of a fit, for classes and for values."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tabular_peers import PEERS
from benchmarks.tabular_report import counted
from benchmarks.tabular_results import Means
from benchmarks.tabular_sets import CLASSES, VALUES

# Okabe and Ito's colours, which colour-blind readers can tell apart; hotloop has the strongest one.
OURS, GREY = "#D55E00", "#555555"
COLOURS = {
    "sklearn-mlp": "#B8860B", "hist-boosting": "#8C6BB1", "lightgbm": "#009E73", "xgboost": "#0072B2",
    "catboost": "#56B4E9", "realmlp": "#000000", "realmlp-8": "#555555", "realmlp-flushed": "#777777",
}  # fmt: skip
CURVE = ("hotloop-fast", "hotloop", "hotloop-best")


def draw(results: dict[str, Any], path: Path) -> None:
    """Write the chart to `path`, a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    means, about = Means(results), results["about"]
    base = means.base
    panels = [(task, means.of_task(task)) for task in (CLASSES, VALUES) if means.of_task(task)]
    figure, every = pyplot.subplots(1, len(panels), figsize=(5.6 * len(panels), 4.8), dpi=150, squeeze=False)
    for axes, (task, tables) in zip(every[0], panels, strict=True):
        places = {peer: place for peer in means.peers if (place := place_of(means, peer, base, tables))}
        if places:
            panel(axes, places)
        measure = "error rate" if task == CLASSES else "RMSE"
        axes.set_title(f"{len(tables)} tables of {task}: {measure}", loc="left", fontsize=10)
        axes.set_ylabel(f"error / {PEERS[base].label}'s")
    figure.suptitle(f"{counted(about['cores'], 'core')}, {about['cpu']}", x=0.01, ha="left", fontsize=11)
    figure.text(0.99, 0.01, f"{about['date']}, commit {about['commit']}", ha="right", fontsize=7, color=GREY)
    figure.tight_layout(rect=(0, 0.02, 1, 1))
    figure.savefig(path, metadata={"Software": None})
    pyplot.close(figure)


def place_of(means: Means, peer: str, base: str, tables: list[str]) -> tuple[float, float] | None:
    """Return seconds for 1000 rows and the ratio of errors, or None for a peer that lacks a table."""
    seconds, ratio = means.for_1000_rows(peer, tables), means.ratio(peer, base, tables)
    return (seconds, ratio[0]) if seconds and ratio and ratio[1] == len(tables) else None


def panel(axes: Any, places: dict[str, tuple[float, float]]) -> None:
    """Draw the estimators of a task: a point each, and a line through hotloop's presets."""
    curve = [places[peer] for peer in CURVE if peer in places]
    if curve:
        axes.plot(*zip(*curve, strict=True), color=OURS, linewidth=2, alpha=0.6)
    for peer, (x, y) in places.items():
        colour = COLOURS.get(peer, OURS)
        axes.plot([x], [y], marker="o", markersize=8 if PEERS[peer].ours else 6, color=colour)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.margins(x=0.18, y=0.12)
    axes.set_xlabel("seconds of a fit for 1000 rows (geometric mean, log scale)")
    axes.grid(True, which="major", color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    label_points(axes, places)


def along_curve(axes: Any, places: dict[str, tuple[float, float]]) -> Any:
    """Return points on the line through hotloop's presets, in pixels: (N, 2)."""
    curve = [places[peer] for peer in CURVE if peer in places]
    if len(curve) < 2:
        return np.zeros((0, 2))
    corners = axes.transData.transform(curve)
    steps = np.linspace(0, len(corners) - 1, 40)
    return np.stack([np.interp(steps, np.arange(len(corners)), corners[:, axis]) for axis in (0, 1)], 1)


def label_points(axes: Any, places: dict[str, tuple[float, float]]) -> None:
    """Write each name near its point, where it covers least of the points and of the other names."""
    figure = axes.figure
    figure.canvas.draw()
    inside = axes.get_window_extent()
    points = np.concatenate([axes.transData.transform(list(places.values())), along_curve(axes, places)])
    taken: list[Any] = []
    for peer, (x, y) in sorted(places.items(), key=lambda item: (not PEERS[item[0]].ours, item[1])):
        text = axes.annotate(
            PEERS[peer].label, (x, y), (0, 0), textcoords="offset points", fontsize=8, va="center", ha="center",
            color=COLOURS.get(peer, OURS), weight="bold" if PEERS[peer].ours else "normal",
        )  # fmt: skip
        width = text.get_window_extent().width * 72 / figure.dpi
        tries = []
        for away in (11, 20, 30):
            beside = width / 2 + away - 3
            sides = [(along, up) for along in (-beside, beside) for up in (0, -away / 2, away / 2)]
            for offset in ((0, away), (0, -away), *sides):
                text.set_position(offset)
                box = text.get_window_extent().expanded(1.0, 1.15)
                covers = sum(box.overlaps(other) for other in taken)
                covers += any(box.expanded(1.02, 1.3).contains(*point) for point in points)
                outside = not (inside.x0 < box.x0 and box.x1 < inside.x1 and inside.y0 < box.y0 and box.y1 < inside.y1)
                tries.append((covers + 2 * outside, away, offset))
        text.set_position(min(tries)[2])
        taken.append(text.get_window_extent())
