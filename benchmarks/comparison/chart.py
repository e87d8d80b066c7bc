"""The chart: time of a training step by width, hotloop and peers, with the floor that the CPU sets."""

from pathlib import Path
from typing import Any

# Place in the palette and thickness; hotloop has the strongest colour and the thickest line.
LINES = {
    "hotloop": (5, 3.0), "JAX": (0, 1.6), "PyTorch eager": (2, 1.6), "torch.compile": (4, 1.6), "NumPy": (3, 1.6),
    "scikit-learn": (1, 1.6),
}  # fmt: skip


def draw(rows: list[dict[str, Any]], about: dict[str, Any], path: Path) -> None:
    """Write the chart to `path`, a PNG."""
    picture(rows, about).savefig(path, dpi=200, metadata={"Software": None})


def picture(rows: list[dict[str, Any]], about: dict[str, Any]) -> Any:
    """Return the figure."""
    from hotloop.network.plots.labels import ink
    from hotloop.network.plots.style import GREY, MARKERS, PALETTE, WIDTH, figure, styled

    with styled():
        drawn = figure(WIDTH, 4.6)
        axes = drawn.subplots()
        ends = []
        for label, (place, thickness) in LINES.items():
            times = {row["width"]: row["microseconds"].get(label) for row in rows}
            points = [(width, time["median"]) for width, time in times.items() if time]
            if points:
                axes.plot(*zip(*points, strict=True), color=PALETTE[place], linewidth=thickness, marker=MARKERS[place])
                ends.append((*points[0], label))
        floor = [(row["width"], row["floor"]) for row in rows if row["floor"]]
        if floor:
            axes.plot(*zip(*floor, strict=True), color=GREY, linestyle="--", linewidth=1.2)
            ends.append((*floor[0], f"floor: {about['peak_gflops']:.0f} GF/s"))
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
        shown = [row["width"] for row in rows]
        axes.set_xticks(shown, [str(width) for width in shown])
        axes.set_xlim(shown[0] / 9, shown[-1] * 1.3)  # room for the labels at the left, where the lines stand apart
        label_lines(axes, ends, ink(axes))
        axes.set_xlabel(f"width N of the network N-N-N-10\n({about['date']}, commit {about['commit']})")
        axes.set_ylabel("microseconds of a training step")
        axes.set_title(f"One core, float32, plain SGD, batch 128\n{about['cpu']}")
    return drawn


def label_lines(axes: Any, ends: list[tuple[float, float, str]], colour: Any = "black") -> None:
    """Write each line's name beside its first point, moved up where two would overlap."""
    lowest, highest = axes.get_ylim()
    gap = (highest / lowest) ** (1 / 20)
    y = 0.0
    for x, value, label in sorted(ends, key=lambda end: end[1]):
        y = max(value, y * gap)
        axes.text(
            x * 0.8, y, label, color=colour, ha="right", va="center", fontsize=9,
            weight="bold" if label == "hotloop" else "normal",
        )  # fmt: skip
