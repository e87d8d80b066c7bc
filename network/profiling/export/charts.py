"""The charts of a profile, drawn with matplotlib: time by layer and phase, the roofline, gradients, losses."""

from typing import Any

import numpy as np

from hotloop.network.plots.gradient_flow import draw_gradient_flow
from hotloop.network.plots.history import draw_curves
from hotloop.network.plots.labels import ink, label_points, legend_below, ranges
from hotloop.network.plots.style import (
    BLUE,
    GREEN,
    ORANGE,
    PINK,
    RED,
    SKY,
    WIDTH,
    YELLOW,
    figure,
    new_axes,
    pyplot,
    styled,
)  # fmt: skip
from hotloop.network.profiling.diagnosis.snapshots import per_layer
from hotloop.network.profiling.recording import Recording
from hotloop.network.profiling.rows import PHASE_KINDS, PHASE_ORDER, Row, labels
from hotloop.network.validation.printable import shown

# By phase, in the order of a step.
COLOURS = ["#BBBBBB", SKY, YELLOW, ORANGE, BLUE, RED, BLUE, PINK, GREEN]
MARKERS = ["X", "o", "s", "^", "v", "D", "<", "P", "P"]
OUTSIDE = "#606060"
HATCHES = {"weight gradient + update": "//", "wait for other threads": "xx", "interruptions": "++"}
LOW_BYTES = 24_576  # in use together: they fit the first-level cache
TOGETHER = 8  # points: markers of a phase that are nearer share a label
BAR, TALL_BAR = 0.22, 0.34  # inches that a bar takes; one with two lines of text
ROOFLINE = 5.0  # inches that the roofline is high, with its legend


def overview(recording: Recording) -> Any:
    """Return the figure of `Profile.plot`."""
    pyplot()  # imported, it tells notebooks how to show a figure
    with styled():
        heights = time_height(recording), ROOFLINE
        drawn = figure(WIDTH, sum(heights))
        above, below = drawn.subplots(2, 1, height_ratios=heights)
        time_by_layer(recording, above)
        roofline(recording, below)
    return drawn


def plot_time_by_layer(profile: Any, *, axes: Any = None) -> Any:
    """Draw a bar of phases for each layer of a profile, one for the time outside the compiled loops.

    Parameters
    ----------
    profile : Profile
        One that has ended.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop import Network, profile
    >>> from hotloop.plots import plot_time_by_layer
    >>> with profile() as prof:
    ...     history = Network([4, 8, 1], seed=0).fit(np.ones((64, 4)), np.ones(64), progress=False)
    >>> axes = plot_time_by_layer(prof)
    >>> axes.get_xlabel()
    'milliseconds'
    """
    return _drawn(time_by_layer, time_height, profile, axes)


def plot_roofline(profile: Any, *, axes: Any = None) -> Any:
    """Draw the limits of a core, and each phase of each layer of a profile by its operations a byte and a second.

    A phase below the roof over it could be faster; on the sloped part memory holds it up, on the flat part arithmetic.
    Numbers are layers. Source: Williams, Waterman, Patterson (2009), Roofline.

    Parameters
    ----------
    profile : Profile
        One that has ended.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop import Network, profile
    >>> from hotloop.plots import plot_roofline
    >>> with profile() as prof:
    ...     history = Network([4, 8, 1], seed=0).fit(np.ones((64, 4)), np.ones(64), progress=False)
    >>> axes = plot_roofline(prof)
    >>> axes.figure.savefig("roofline.png")
    """
    return _drawn(roofline, lambda _: ROOFLINE, profile, axes)


def _drawn(draw: Any, height: Any, profile: Any, axes: Any) -> Any:
    if not hasattr(profile, "recording"):
        raise TypeError(f"this picture is of a profile, which hotloop.profile() makes; got {shown(profile)}")
    profile.rows  # noqa: B018 (raises unless it has ended)
    with styled():
        axes = new_axes(WIDTH, height(profile.recording)) if axes is None else axes
        draw(profile.recording, axes)
    return axes


def _style(name: str) -> tuple[str, str]:
    place = PHASE_ORDER.index(name)
    return COLOURS[place], MARKERS[place]


def _label(row: Row) -> str:
    where = "all layers" if row["layer"] is None else f"layer {row['layer']}"
    return where if row["network"] is None else f"{row['network']}\n{where}"


def bar_labels(recording: Recording) -> list[str]:
    """Return what `time_by_layer` draws a bar for: layers, what belongs to no layer, the time outside the loops."""
    phases = [row for row in recording.rows if row["kind"] in PHASE_KINDS]
    layers = sorted({row["layer"] for row in phases if row["layer"] is not None})
    found = dict.fromkeys(_label(row) for layer in layers for row in phases if row["layer"] == layer)
    return [*found, *dict.fromkeys(_label(row) for row in phases if row["layer"] is None), "outside the loops"]


def time_height(recording: Recording) -> float:
    """Return the inches that `time_by_layer` needs."""
    return 2.2 + sum(TALL_BAR if "\n" in label else BAR for label in bar_labels(recording))


def time_by_layer(recording: Recording, axes: Any) -> None:
    """Draw a bar of phases for each layer, one for what belongs to no layer, and one for the time outside the loops."""
    rows = recording.rows
    phases = [row for row in rows if row["kind"] in PHASE_KINDS]
    outside = [row for row in rows if row["kind"] not in PHASE_KINDS]
    bars = {label: place for place, label in enumerate(bar_labels(recording))}
    left = np.zeros(len(bars))
    between = {"edgecolor": axes.get_facecolor(), "linewidth": 0.5}
    for name in PHASE_ORDER:
        for number, row in enumerate(row for row in phases if row["name"] == name):
            place, width = bars[_label(row)], 1e3 * row["seconds"]
            axes.barh(
                place, width, left=left[place], color=_style(name)[0], label=None if number else name,
                hatch=HATCHES.get(name), **between,
            )  # fmt: skip
            left[place] += width
    width = 1e3 * sum(row["seconds"] for row in outside)
    axes.barh(bars["outside the loops"], width, color=OUTSIDE, hatch="..", label="outside", **between)
    axes.set_yticks(list(bars.values()), list(bars))
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.set_xlabel("milliseconds")
    axes.set_title(f"Where {1e3 * recording.seconds:.0f} ms went")
    legend_below(axes)


def roofline(recording: Recording, axes: Any) -> None:
    """Draw the limits of a core, and each phase of each layer by its operations a byte and, in a thread, a second."""
    if not recording.roofs:
        axes.set_title("No roofline: the loops ran as plain Python")
        axes.set_axis_off()
        return
    found = placed(recording)
    dtype, roof = next(iter(recording.roofs.items()))
    intensities = np.geomspace(
        min([0.05, *(i / 2 for i, _, _ in found)]), max([200.0, *(2 * i for i, _, _ in found)]), 200
    )
    in_use = max((clock.work.step_bytes for clock in recording.clocks), default=0)
    for label, size, style in (
        ("first-level cache", LOW_BYTES, ":"),
        ("a step's data", in_use, "-"),
        ("main memory", roof.sizes[-1], "--"),
    ):
        if size:
            limit = np.minimum(roof.peak, intensities * roof.bandwidth(size)) / 1e9
            width = f"{roof.bandwidth(size) / 1e9:.0f} GB/s"
            axes.loglog(intensities, limit, style, color=ink(axes), linewidth=1, label=f"{label}, {width}")
    seen: set[str] = set()
    for intensity, rate, row in found:
        colour, marker = _style(row["name"])
        named = row["name"] if row["name"] not in seen else None
        seen.add(row["name"])
        axes.loglog(
            intensity, rate, marker, color=colour, label=named, markersize=7, markeredgecolor=ink(axes),
            markeredgewidth=0.5,
        )  # fmt: skip
    axes.set_xlabel("floating-point operations a byte (FLOP/B)")
    axes.set_ylabel("GFLOP/s of a thread")
    axes.set_title(f"Roofline of a core: {roof.peak / 1e9:.0f} GFLOP/s in {dtype}\n(numbers are layers)")
    axes.set_xlim(intensities[0], intensities[-1])
    axes.set_ylim(*axes.get_ylim())
    legend_below(axes)
    whole = axes.get_figure(root=True)
    if (layout := whole.get_layout_engine()) is not None:
        layout.execute(whole)  # labels are placed by pixels
    roofs = [line.get_xydata()[::4] for line in axes.lines if len(line.get_xydata()) > 1]
    points = [(intensity, rate) for intensity, rate, _ in found]
    label_points(axes, layer_labels(axes, found), np.concatenate([*roofs, np.reshape(points, (-1, 2))]))


def placed(recording: Recording) -> list[tuple[float, float, Row]]:
    """Return the phases that compute, each with its operations a byte and GFLOP/s of a thread."""
    names = labels(recording.clocks)
    threads = {names[clock.kind]: clock.thread_seconds() / clock.wall() for clock in recording.clocks}
    rows = [row for row in recording.rows if row["kind"] == "kernel" and row["flops_per_second"]]
    return [(row["flops_per_byte"], row["flops_per_second"] / threads[row["network"]] / 1e9, row) for row in rows]


def layer_labels(axes: Any, found: list[tuple[float, float, Row]]) -> list[tuple[float, float, str]]:
    """Return where to write which layers: one text for the points of a phase that lie together."""
    near = TOGETHER * axes.figure.dpi / 72
    groups: list[tuple[float, float, str, list[int]]] = []
    for x, y, row in sorted(found, key=lambda one: (one[2]["name"], one[0], one[1])):
        if row["layer"] is None:
            continue
        here = axes.transData.transform((x, y))
        for left, up, name, layers in groups:
            there = axes.transData.transform((left, up))
            if name == row["name"] and np.hypot(*(here - there)) < near:
                layers.append(row["layer"])
                break
        else:
            groups.append((x, y, row["name"], [row["layer"]]))
    return [(x, y, ranges(layers)) for x, y, _, layers in groups]


def gradient_flow(recording: Recording, axes: Any) -> bool:
    """Draw each layer's gradient in the first, a middle and the last snapshot of the last fit; False without any."""
    fits = [fit for fit in recording.fits if fit.snapshots.items]
    if not fits:
        return False
    snapshots = fits[-1].snapshots.items
    deltas = per_layer(snapshots, "delta")
    chosen = sorted({0, len(snapshots) // 2, len(snapshots) - 1})
    curves = {f"epoch {snapshots[at].epoch}, step {snapshots[at].step}": deltas[at] for at in chosen}
    draw_gradient_flow(axes, curves, "delta")
    return True


def losses(recording: Recording, axes: Any) -> bool:
    """Draw the losses of the last fit by epoch; False if there are none."""
    histories = [fit.history for fit in recording.fits if fit.history is not None and fit.history.epochs]
    if not histories:
        return False
    draw_curves(histories[-1], "loss", axes)
    return True
