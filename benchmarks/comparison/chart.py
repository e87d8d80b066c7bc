"""The charts: time of a training step by width, and speed by the number of threads, of hotloop and its peers."""

from pathlib import Path
from typing import Any

from benchmarks.comparison.scaling import labelled

# Place in the palette and thickness; hotloop has the strongest colour and the thickest line.
LINES = {
    "hotloop": (5, 3.0), "JAX": (0, 1.6), "PyTorch eager": (2, 1.6), "torch.compile": (4, 1.6), "NumPy": (3, 1.6),
    "scikit-learn": (1, 1.6),
}  # fmt: skip
COLUMNS = 2  # of the chart over threads


def draw(results: dict[str, Any], stem: Path) -> list[Path]:
    """Write the charts that the results have data for, as PNGs whose names begin with `stem`; return their paths."""
    drawn = {}
    if rows := results["tables"].get("widths"):
        drawn[stem.with_name(f"{stem.name}.png")] = over_widths(rows, results["about"])
    if rows := with_speed_up(results["tables"].get("threads", [])):
        drawn[stem.with_name(f"{stem.name}-threads.png")] = over_threads(rows, results["about"])
    for path, figure in drawn.items():
        figure.savefig(path, dpi=200, metadata={"Software": None})
    return list(drawn)


def over_widths(rows: list[dict[str, Any]], about: dict[str, Any]) -> Any:
    """Return the figure of the time by width, with the floor that the CPU sets."""
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


def with_speed_up(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows in which hotloop has one thread, which is the unit of the chart, and more."""
    return [row for row in rows if "hotloop" in row["speed_up"]]


def over_threads(rows: list[dict[str, Any]], about: dict[str, Any]) -> Any:
    """Return the figure of the speed by the number of threads: a panel for each network, all to one scale."""
    from hotloop.network.plots.style import WIDTH, figure, styled

    counts, columns = rows[0]["threads"], min(COLUMNS, len(rows))
    height = -(-len(rows) // columns)
    with styled():
        drawn = figure(WIDTH, 1.2 + 1.7 * height)
        grid = drawn.subplots(height, columns, sharex=True, sharey=True, squeeze=False)
        for axes, row in zip(grid.flat, rows, strict=False):
            speed_panel(axes, row)
        first = grid[0, 0]
        first.set_xscale("log", base=2)
        first.set_yscale("log", base=2)
        low, high = first.get_ylim()
        if high > 16 * low:
            first.set_yscale("log", base=4)  # for fewer ticks
        first.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        first.set_xticks(counts, [str(count) for count in counts], minor=False)
        first.minorticks_off()
        for axes in grid.flat[len(rows) :]:
            axes.set_visible(False)
        for column in range(columns):
            below = grid[(len(rows) - 1 - column) // columns, column]
            below.set_xlabel("threads")
            below.tick_params(labelbottom=True)
        drawn.supylabel("speed: 1 is hotloop with one thread", fontsize=10)
        drawn.suptitle(f"float32, plain SGD\n{about['cpu']}\n({about['date']}, commit {about['commit']})", fontsize=10)
        drawn.legend(*legend_of(grid.flat[: len(rows)]), loc="outside lower center", ncols=3)
    return drawn


def speed_panel(axes: Any, row: dict[str, Any]) -> None:
    """Draw the lines of a network: how many times as fast as hotloop with one thread."""
    from hotloop.network.plots.style import GREY, MARKERS, PALETTE

    medians = {label: found["median"] for label, found in row["microseconds"].items()}
    unit, counts = medians[labelled("hotloop", 1)], row["threads"]
    axes.plot(counts, counts, color=GREY, linestyle="--", linewidth=1.2, label="ideal")
    for peer in ("PyTorch eager", "JAX", "hotloop"):
        place, thickness = LINES[peer]
        points = [(n, unit / medians[label]) for n in counts if (label := labelled(peer, n)) in medians]
        if points:
            axes.plot(
                *zip(*points, strict=True), color=PALETTE[place], linewidth=thickness, marker=MARKERS[place], label=peer
            )
    if (auto := labelled("hotloop", "auto")) in medians:
        axes.plot(
            [counts[-1]], [unit / medians[auto]], MARKERS[LINES["hotloop"][0]], markersize=8, color=PALETTE[5],
            markerfacecolor="none", label=auto,
        )  # fmt: skip
    axes.set_title(row["network"].replace(", ", "\n", 1), fontsize=9)


def legend_of(panels: Any) -> tuple[list[Any], list[str]]:
    """Return the lines of several Axes, one of each name, and their names."""
    found = {}
    for axes in panels:
        for line, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, line)
    return list(found.values()), list(found)
