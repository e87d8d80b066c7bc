"""The charts of a profile, drawn with matplotlib: time by layer and phase, the roofline, gradients, losses."""

from typing import Any

import numpy as np

from hotloop.network.plots.history import draw_curves
from hotloop.network.plots.style import figure, styled
from hotloop.network.profiling.diagnosis.snapshots import per_layer
from hotloop.network.profiling.recording import Recording
from hotloop.network.profiling.rows import PHASE_KINDS, PHASE_ORDER, Row, labels

# By phase, in the order of a step: Okabe and Ito's palette, distinct to colour-blind readers.
COLOURS = ["#999999", "#56B4E9", "#F0E442", "#E69F00", "#0072B2", "#D55E00", "#0072B2", "#CC79A7", "#000000"]
MARKERS = ["x", "o", "s", "^", "v", "D", "v", "x", "x"]
LOW_BYTES = 24_576  # in use together: they fit the first-level cache


def overview(recording: Recording) -> Any:
    """Return the figure of `Profile.plot`."""
    with styled():
        drawn = figure(13, 5)
        left, right = drawn.subplots(1, 2)
        time_by_layer(recording, left)
        roofline(recording, right)
    return drawn


def _style(name: str) -> tuple[str, str]:
    place = PHASE_ORDER.index(name)
    return COLOURS[place], MARKERS[place]


def _label(row: Row) -> str:
    where = "all layers" if row["layer"] is None else f"layer {row['layer']}"
    return where if row["network"] is None else f"{row['network']}\n{where}"


def time_by_layer(recording: Recording, axes: Any) -> None:
    """Draw a bar of phases for each layer, one for what belongs to no layer, and one for the time outside the loops."""
    rows = recording.rows
    phases = [row for row in rows if row["kind"] in PHASE_KINDS]
    layers = sorted({row["layer"] for row in phases if row["layer"] is not None})
    labels = list(dict.fromkeys(_label(row) for layer in layers for row in phases if row["layer"] == layer))
    labels += list(dict.fromkeys(_label(row) for row in phases if row["layer"] is None))
    outside = [row for row in rows if row["kind"] not in PHASE_KINDS]
    bars = {label: place for place, label in enumerate([*labels, "outside the loops"])}
    left = np.zeros(len(bars))
    for name in PHASE_ORDER:
        colour, _ = _style(name)
        for number, row in enumerate(row for row in phases if row["name"] == name):
            place = bars[_label(row)]
            hatch = "//" if name == "weight gradient + update" else None
            axes.barh(
                place, 1e3 * row["seconds"], left=left[place], color=colour, label=None if number else name,
                edgecolor="white", linewidth=0.5, hatch=hatch,
            )  # fmt: skip
            left[place] += 1e3 * row["seconds"]
    axes.barh(
        bars["outside the loops"], 1e3 * sum(row["seconds"] for row in outside), color="#444444", label="outside",
    )  # fmt: skip
    axes.set_yticks(list(bars.values()), list(bars))
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds")
    axes.set_title(f"Where {1e3 * recording.seconds:.0f} ms went")
    axes.legend(fontsize="small", framealpha=0.9)


def roofline(recording: Recording, axes: Any) -> None:
    """Draw the limits of a core, and each phase of each layer by its operations a byte and, in a thread, a second."""
    if not recording.roofs:
        axes.set_title("No roofline: the loops ran as plain Python")
        return
    rows = [row for row in recording.rows if row["kind"] == "kernel" and row["flops_per_second"]]
    dtype, roof = next(iter(recording.roofs.items()))
    names = labels(recording.clocks)
    threads = {names[clock.kind]: clock.thread_seconds() / clock.wall() for clock in recording.clocks}
    found = [(row["flops_per_byte"], row["flops_per_second"] / threads[row["network"]], row) for row in rows]
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
            axes.loglog(intensities, limit, style, color="black", linewidth=1, label=f"{label}, {width}")
    seen: set[str] = set()
    for intensity, rate, row in found:
        colour, marker = _style(row["name"])
        named = row["name"] if row["name"] not in seen else None
        seen.add(row["name"])
        axes.loglog(intensity, rate / 1e9, marker, color=colour, label=named, markersize=7, markeredgecolor="black",
                    markeredgewidth=0.4 if marker != "x" else 1.5)  # fmt: skip
        if row["layer"] is not None:
            axes.annotate(str(row["layer"]), (intensity, rate / 1e9), textcoords="offset points", xytext=(6, 3),
                          fontsize=7)  # fmt: skip
    axes.set_xlabel("floating-point operations a byte")
    axes.set_ylabel("GFLOP/s of a thread")
    axes.set_title(f"Roofline of a core: {roof.peak / 1e9:.0f} GFLOP/s in {dtype}; numbers are layers")
    axes.legend(fontsize="small", loc="lower right", framealpha=0.9)
    axes.grid(True, which="major", alpha=0.3)


def gradient_flow(recording: Recording, axes: Any) -> bool:
    """Draw each layer's gradient in the first, a middle and the last snapshot of the last fit; False without any."""
    fits = [fit for fit in recording.fits if fit.snapshots.items]
    if not fits:
        return False
    snapshots = fits[-1].snapshots.items
    chosen = sorted({0, len(snapshots) // 2, len(snapshots) - 1})
    deltas = per_layer(snapshots, "delta")
    for place, shade in zip(chosen, np.linspace(0.35, 0.9, len(chosen)), strict=True):
        layers = np.arange(1, deltas.shape[1] + 1)
        axes.semilogy(
            layers, np.maximum(deltas[place], 1e-30), "o-", color=(0.0, 0.3, shade),
            label=f"epoch {snapshots[place].epoch}, step {snapshots[place].step}",
        )  # fmt: skip
    axes.set_xticks(range(1, deltas.shape[1] + 1))
    axes.set_xlabel("layer")
    axes.set_ylabel("dC/dz, root mean square")
    axes.set_title("Gradient flow")
    axes.grid(True, alpha=0.3)
    axes.legend(fontsize="small")
    return True


def losses(recording: Recording, axes: Any) -> bool:
    """Draw the losses of the last fit by epoch; False if there are none."""
    histories = [fit.history for fit in recording.fits if fit.history is not None and fit.history.epochs]
    if not histories:
        return False
    draw_curves(histories[-1], "loss", axes)
    return True
