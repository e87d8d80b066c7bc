"""A profile as one HTML page that loads nothing else: diagnosis, charts, table."""

from collections.abc import Callable
from typing import Any

from hotloop.network.html.elements import Cell, Html, bar, element, finding, joined, note, table
from hotloop.network.html.page import Section, page, region, sortable
from hotloop.network.html.picture import matplotlib_defaults, picture
from hotloop.network.plots.style import HEIGHT, figure, styled
from hotloop.network.profiling.diagnosis.findings import Diagnosis
from hotloop.network.profiling.diagnosis.snapshots import per_layer
from hotloop.network.profiling.export import charts
from hotloop.network.profiling.recording import Recording
from hotloop.network.profiling.rows import Row, arranged
from hotloop.network.profiling.table import COLUMNS, summary

# The fields of a row that the columns of the table are sorted by.
SORTED_BY = {
    "Layer": "layer", "Self CPU %": "seconds", "Self CPU": "seconds", "CPU time avg": "seconds_per_call",
    "# of Calls": "calls", "GFLOP/s": "flops_per_second", "GB/s": "bytes_per_second", "FLOP/B": "flops_per_byte",
    "% of roof": "roof_percent",
}  # fmt: skip
EXPLAINED = (
    "Times are wall time. A roof is the least time that a core could take, by its measured arithmetic and by the "
    "measured bandwidth of the memory in which the data of a step lies."
)


def profile_page(recording: Recording, diagnosis: Diagnosis) -> str:
    """Return the page."""
    networks = ", ".join(dict.fromkeys(clock.network for clock in recording.clocks)) or "no network was trained"
    losses = _chart(charts.losses, recording, "losses", "Losses", "The losses of the last fit, by epoch.")
    found = [
        Section("diagnosis", "Diagnosis", diagnosis_part(recording, diagnosis)),
        *([Section("curves", "Losses", element("div", losses, class_="pictures"))] if losses else []),
        Section("profile", "Where the time went", profile_part(recording)),
    ]
    return page(f"hotloop profile: {networks}", totals(recording), found)


def totals(recording: Recording) -> Html:
    """Return the time in all, and for each kind of run what was timed."""
    lines = summary(recording.seconds, recording.clocks, recording.calibration.name)
    return element("ul", *(element("li", line) for line in lines))


def profile_part(recording: Recording) -> Html:
    """Return the charts of the time, and the table."""
    drawn = [
        _chart(charts.time_by_layer, recording, "time", "Time by layer and phase",
               "A bar for each layer, divided into the phases of a training step. The table below has the numbers.",
               charts.time_height(recording)),
        None if not recording.roofs else _chart(charts.roofline, recording, "roofline", "Roofline of a core",
               "Each phase of each layer by its operations a byte and the operations a second that it reached, under "
               "the limits of a core. The table below has the numbers.", charts.ROOFLINE),
    ]  # fmt: skip
    return joined(element("div", *filter(None, drawn), class_="pictures"), _table(recording), note(EXPLAINED))


def diagnosis_part(recording: Recording, diagnosis: Diagnosis) -> Html:
    """Return what was found, the gradients of the last fit, and what the snapshots say about each layer."""
    parts: list[Html] = []
    for fit in diagnosis.fits:
        head = f"{fit.network}, {fit.basis}"
        if not fit.findings:
            verdict = element("h3", f"{head}: {fit.verdict}")
            parts.append(finding(verdict, well=True) if fit.snapshots else verdict)
        for each in fit.findings:
            parts.append(finding(element("h3", each.kind), element("p", head), each.as_html()))
        heads, rows = fit.cells()
        if rows:
            layers = table(heads, rows, caption="What the snapshots say about each layer: medians")
            parts.append(region(f"Layers of {fit.network}", layers))
    if flow := _gradients(recording):
        parts.append(element("div", flow, class_="pictures"))
    return joined(*parts) if parts else element("p", "No fit was looked at.")


def _chart(
    draw: Callable[[Recording, Any], Any], recording: Recording, name: str, title: str, description: str,
    height: float = HEIGHT, numbers: Html | None = None,
) -> Html | None:  # fmt: skip
    """Return a chart as an element; None if there was nothing to draw."""
    with matplotlib_defaults(), styled():
        drawn = figure(height=height)
        if draw(recording, drawn.subplots()) is False:
            return None
        return picture(drawn, name, title, description, numbers)


def _gradients(recording: Recording) -> Html | None:
    fits = [fit for fit in recording.fits if fit.snapshots.items]
    if not fits:
        return None
    snapshots = fits[-1].snapshots.items
    chosen = sorted({0, len(snapshots) // 2, len(snapshots) - 1})
    deltas = per_layer(snapshots, "delta")
    heads = ["layer", *(f"epoch {snapshots[at].epoch}, step {snapshots[at].step}" for at in chosen)]
    rows = [[str(layer + 1), *(f"{deltas[at, layer]:.3g}" for at in chosen)] for layer in range(deltas.shape[1])]
    return _chart(
        charts.gradient_flow, recording, "gradients", "Gradient flow",
        "The root mean square of dC/dz in each layer, in the first, a middle and the last snapshot.",
        numbers=region("Gradient flow", table(heads, rows)),
    )  # fmt: skip


def _table(recording: Recording) -> Html:
    rows = arranged(recording.rows, "self_cpu_time_total")
    longest = max((row["percent"] for row in rows), default=1.0)
    heads = {title: sortable(title, "descending" if title == "Self CPU %" else None) for title, _ in COLUMNS}

    def cell(title: str, text: str, row: Row) -> Any:
        shown = joined(bar(row["percent"] / longest), text) if title == "Self CPU %" else text
        if title not in SORTED_BY:
            return shown
        value = row.get(SORTED_BY[title])
        return Cell(shown, {"data-value": 0 if value is None else value})

    cells = [[cell(title, text(row), row) for title, text in COLUMNS] for row in rows]
    left = (heads["Name"], heads["Bound by"])
    found = table(list(heads.values()), cells, left=left, caption="Time of each phase; the heads sort")
    return region("Time of each phase", found)
