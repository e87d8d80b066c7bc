"""A profile as one HTML page: charts, table, diagnosis. It loads no other file."""

import html
import io
import re
from collections.abc import Callable
from typing import Any

from hotloop import __version__
from hotloop.network.plots.style import figure, styled
from hotloop.network.profiling.diagnosis.findings import Diagnosis
from hotloop.network.profiling.export import charts
from hotloop.network.profiling.recording import Recording
from hotloop.network.profiling.rows import arranged
from hotloop.network.profiling.table import COLUMNS, summary

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, sans-serif; color: #1b1b1b; background: #fff; margin: 2rem auto; max-width: 78rem;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
pre { font: 12px/1.4 ui-monospace, monospace; white-space: pre-wrap; }
table { border-collapse: collapse; font: 12.5px/1.3 ui-monospace, monospace; width: 100%; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #ddd; white-space: nowrap; }
th { position: sticky; top: 0; background: #f3f3f3; } th button { all: unset; cursor: pointer; font-weight: 600; }
th button:focus-visible { outline: 2px solid #0072B2; }
td:first-child, th:first-child { text-align: left; }
.bar { background: linear-gradient(#b9d9ee, #b9d9ee) no-repeat; }
.finding { border-left: 4px solid #D55E00; padding: .2rem 1rem; margin: 1rem 0; background: #fdf6f0; }
.finding h3 { margin: .3rem 0; font-size: 1rem; } .well { border-left-color: #009E73; background: #f1faf6; }
dl { display: grid; grid-template-columns: 6rem 1fr; margin: .3rem 0; } dd { margin: 0; } dt { color: #555; }
.pictures { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(30rem, 1fr)); }
.pictures svg { width: 100%; height: auto; } .scroll { overflow-x: auto; }
@media (max-width: 36rem) { .pictures { grid-template-columns: 1fr; } }
"""

SORTING = """
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, body = head.closest("table").tBodies[0], column = head.cellIndex;
    const up = head.getAttribute("aria-sort") === "descending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)], difference = parseFloat(x) - parseFloat(y);
      return Number.isNaN(difference) ? x.localeCompare(y) : difference;
    });
    body.append(...(up ? rows : rows.reverse()));
  });
}
"""
# The fields of a row that the columns of the table are sorted by.
SORTED_BY = {
    "Layer": "layer", "Self CPU %": "seconds", "Self CPU": "seconds", "CPU time avg": "seconds_per_call",
    "# of Calls": "calls", "GFLOP/s": "flops_per_second", "GB/s": "bytes_per_second", "FLOP/B": "flops_per_byte",
    "% of roof": "roof_percent",
}  # fmt: skip


def page(recording: Recording, diagnosis: Diagnosis) -> str:
    """Return the page."""
    draws = (charts.time_by_layer, charts.roofline, charts.gradient_flow, charts.losses)
    pictures = [_svg(draw, recording, number) for number, draw in enumerate(draws)]
    footer = summary(recording.seconds, recording.clocks, recording.calibration.name)
    networks = ", ".join(dict.fromkeys(clock.network for clock in recording.clocks)) or "no network was trained"
    return "\n".join([
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<link rel="icon" href="data:,">',
        f"<title>hotloop profile: {html.escape(networks)}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
        f"<h1>hotloop profile: {html.escape(networks)}</h1>",
        f"<pre>{html.escape(chr(10).join(footer))}</pre>",
        f"<h2>Diagnosis</h2>\n{_diagnosis(diagnosis)}",
        f'<h2>Pictures</h2>\n<div class="pictures">{"".join(filter(None, pictures))}</div>',
        f'<h2>Table</h2>\n<div class="scroll">{_table(recording)}</div>',
        f"<p>hotloop {html.escape(__version__)}. Times are wall time; {EXPLAINED}</p>",
        f"<script>{SORTING}</script>\n</body>\n</html>\n",
    ])  # fmt: skip


EXPLAINED = (
    "a roof is the least time that a core could take, by its measured arithmetic and by the measured "
    "bandwidth of the memory in which the data of a step lies."
)


def _svg(draw: Callable[[Recording, Any], Any], recording: Recording, number: int) -> str:
    """Return a chart as an element of the page; empty if there was nothing to draw."""
    with styled(**{"svg.fonttype": "none", "svg.hashsalt": "hotloop", "font.family": "sans-serif"}):
        drawn = figure(6.5, 4.2)
        if draw(recording, drawn.subplots()) is False:
            return ""
        text = io.StringIO()
        drawn.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()[text.getvalue().index("<svg") :]
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>picture{number}-", svg)  # names that are unique on the page


def _diagnosis(diagnosis: Diagnosis) -> str:
    parts = []
    for fit in diagnosis.fits:
        head = html.escape(f"{fit.network}, {fit.basis}")
        if not fit.findings:
            parts.append(f'<div class="finding well"><h3>{head}: nothing is wrong</h3></div>')
        for finding in fit.findings:
            entries = [("evidence", finding.evidence), ("remedy", finding.remedy), ("tried", finding.tried)]
            lines = "".join(f"<dt>{name}</dt><dd>{html.escape(text)}</dd>" for name, text in entries if text)
            parts.append(
                f'<div class="finding"><h3>{html.escape(finding.kind)}</h3><p>{head}</p><dl>{lines}</dl></div>'
            )
        parts.append(f"<pre>{html.escape(chr(10).join(fit.table()))}</pre>")
    return "\n".join(parts) or "<p>No fit was looked at.</p>"


def _table(recording: Recording) -> str:
    rows = arranged(recording.rows, "self_cpu_time_total")
    longest = max((row["percent"] for row in rows), default=1.0)
    lines = []
    for row in rows:
        cells = []
        for title, cell in COLUMNS:
            value = row.get(SORTED_BY.get(title, ""))
            plain = f' data-value="{0 if value is None else value}"' if title in SORTED_BY else ""
            bar = ""
            if title == "Self CPU %":
                bar = f' class="bar" style="background-size: {100 * row["percent"] / longest:.1f}% 100%"'
            cells.append(f"<td{plain}{bar}>{html.escape(cell(row))}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    heads = "".join(f'<th scope="col"><button type="button">{html.escape(title)}</button></th>' for title, _ in COLUMNS)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
