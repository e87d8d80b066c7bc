"""The chart: time of a training step by width, hotloop and peers, with the floor that the CPU sets."""

from pathlib import Path
from typing import Any

# Okabe and Ito's colours, which colour-blind readers can tell apart; hotloop has the strongest and thickest line.
STYLES = {
    "hotloop": ("#D55E00", 3.0), "JAX": ("#0072B2", 1.6), "PyTorch eager": ("#009E73", 1.6),
    "torch.compile": ("#56B4E9", 1.6), "NumPy": ("#8C6BB1", 1.6), "scikit-learn": ("#B8860B", 1.6),
}  # fmt: skip
FLOOR = "#555555"


def draw(rows: list[dict[str, Any]], about: dict[str, Any], path: Path) -> None:
    """Write the chart to `path`, a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8.6, 5.6), dpi=150)
    ends = []
    for label, (colour, thickness) in STYLES.items():
        points = [(row["width"], row["microseconds"][label]["median"]) for row in rows if label in row["microseconds"]]
        if points:
            axes.plot(*zip(*points, strict=True), color=colour, linewidth=thickness, marker="o", markersize=4)
            ends.append((*points[0], label, colour))
    floor = [(row["width"], row["floor"]) for row in rows if row["floor"]]
    if floor:
        axes.plot(*zip(*floor, strict=True), color=FLOOR, linestyle="--", linewidth=1.2)
        ends.append((*floor[0], f"floor: {about['peak_gflops']:.0f} GF/s", FLOOR))
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    shown = [row["width"] for row in rows]
    axes.set_xticks(shown, [str(width) for width in shown])
    axes.set_xlim(shown[0] / 4.5, shown[-1] * 1.15)  # room for the labels at the left, where the lines stand apart
    label_lines(axes, ends)
    axes.set_xlabel("width N of the network N-N-N-10")
    axes.set_ylabel("time of a training step, batch 128 (µs)")
    axes.set_title(f"One core, float32, plain SGD: {about['cpu']}", loc="left", fontsize=11)
    axes.grid(True, which="major", color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.text(
        1, -0.13, f"{about['date']}, commit {about['commit']}", transform=axes.transAxes, ha="right", fontsize=7,
        color=FLOOR,
    )  # fmt: skip
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})
    pyplot.close(figure)


def label_lines(axes: Any, ends: list[tuple[float, float, str, str]]) -> None:
    """Write each line's name beside its first point, moved up where two would overlap."""
    lowest, highest = axes.get_ylim()
    gap = (highest / lowest) ** (1 / 24)
    y = 0.0
    for x, value, label, colour in sorted(ends, key=lambda end: end[1]):
        y = max(value, y * gap)
        axes.text(
            x * 0.85, y, label, color=colour, ha="right", va="center", fontsize=9,
            weight="bold" if label == "hotloop" else "normal",
        )  # fmt: skip
