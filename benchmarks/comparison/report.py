"""The report: machine and versions, the tables in Markdown, and the file with every number."""

import datetime
import importlib.metadata
import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.comparison.measure import PEERS, TOLERANCE, Session, cpu_flags
from benchmarks.comparison.scaling import AUTO_SLOWER, labelled
from benchmarks.comparison.worker import ROOT

FORMAT = 2  # of the JSON file
LIBRARIES = ("numba", "llvmlite", "numpy", "torch", "jax", "jaxlib", "scikit-learn", "onnxruntime")
TITLES = {
    "networks": "Training on one core: microseconds a step",
    "threads": "Over the number of threads, a core for each: microseconds a step or a prediction",
    "kernels": "The products of a layer alone, one core: GF/s",
    "one_row": "Predicting one row of 784-128-10, one core",
    "mnist": "MNIST: 784-512-512-10, ReLU, dropout 0.2, RMSprop, batch 128",
    "widths": "Over the width: N-N-N-10, batch 128, one core, microseconds a step",
}
PRODUCTS = {"forward": "x W", "weight_gradient": "x.T delta", "input_gradient": "delta W.T"}


def describe(session: Session, command: Sequence[str]) -> dict[str, Any]:
    """Return what a reader needs to compare with another machine or another day."""
    versions = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "cpu": cpu(), "avx512": "avx512f" in cpu_flags(), "cores": os.cpu_count(), "cores_used": list(session.cores),
        "system": f"{platform.system()} {platform.machine()}", "versions": versions, "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"), "command": " ".join(command),
        "rounds": session.rounds, "seconds_a_round": session.seconds, "quick": session.quick,
        "peak_gflops": session.peak and session.peak / 1e9,
    }  # fmt: skip


def cpu() -> str:
    """Return the CPU's name, with family and model if known: the name says little."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = facts.get("model name", platform.machine())
    return f"{name} (family {facts['cpu family']}, model {facts['model']})" if "cpu family" in facts else name


def slug(name: str) -> str:
    """Return a CPU's name in a form that suits a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"\b(family|model|cpu|processor)\b", "", name.lower())).strip("-")


def commit() -> str:
    """Return the commit of the checkout, marked if files differ from it."""
    command = ["git", "describe", "--always", "--abbrev=10", "--dirty", "--exclude=*"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def write(results: dict[str, Any], folder: Path) -> tuple[Path, Path]:
    """Write the results as JSON and as Markdown, and return both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"peers-{slug(results['about']['cpu'])}"
    paths = folder / f"{name}.json", folder / f"{name}.md"
    paths[0].write_text(json.dumps(results, indent=1, allow_nan=False) + "\n")
    paths[1].write_text(markdown(results))
    return paths


def markdown(results: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    about = results["about"]
    peak = f"{about['peak_gflops']:.0f} GF/s" if about["peak_gflops"] else "not measured"
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    lines = [
        f"# hotloop beside its peers: {about['cpu']}",
        "",
        f"{about['date']}, commit {about['commit']}, {about['cores']} cores, "
        f"AVX-512: {'yes' if about['avx512'] else 'no'}.",
        f"FMA peak of one core, float32, measured: {peak}.",
        f"{versions}.",
        f"Medians of {about['rounds']} rounds in turn, from `{about['command']}`.",
        *(["A quick run: too short for firm figures."] if about["quick"] else []),
    ]
    writers = {
        "networks": network_lines, "threads": thread_lines, "kernels": kernel_lines, "one_row": one_row_lines,
        "mnist": mnist_lines, "widths": width_lines,
    }  # fmt: skip
    for name, rows in results["tables"].items():
        lines += ["", f"## {TITLES[name]}", "", *writers[name](rows)]
    if results["absent"]:
        lines += ["", "## Left out", "", *absent_lines(results["absent"])]
    return "\n".join(lines) + "\n"


def absent_lines(absent: dict[str, str]) -> list[str]:
    """Return what was left out and why, one line a reason: a library that is not installed is missing in many rows."""
    places: dict[tuple[str, str], list[str]] = {}
    for what, why in absent.items():
        label, _, place = what.partition(" (")
        places.setdefault((label, why), []).append(place.removesuffix(")"))
    lines = []
    for (label, why), found in places.items():
        where = found[0] if len(found) == 1 else f"{len(found)} rows"
        lines.append(f"- {label} ({where}): {why}" if where else f"- {label}: {why}")
    return lines


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Return a table; its first `left` columns and the last one are aligned left, the others right."""
    marks = ["---" if number < left or number == len(header) - 1 else "---:" for number in range(len(header))]
    return ["| " + " | ".join(row) + " |" for row in [header, marks, *rows]]


def columns(rows: Sequence[dict[str, Any]], key: str = "microseconds") -> list[str]:
    """Return the labels that occur in the rows: hotloop's first, then the peers' in their order, then others."""
    found = dict.fromkeys(label for row in rows for label in row[key])
    ours = [label for label in found if label.startswith("hotloop")]
    known = ours + [label for label, _ in PEERS.values() if label in found and label not in ours]
    return known + [label for label in found if label not in known]


def number(value: float | None, digits: int = 3) -> str:
    """Return a value with at least `digits` significant digits, or a dash."""
    if value is None:
        return "-"
    places = digits - 1
    while places and abs(value) >= 10 ** (digits - places):
        places -= 1
    return f"{value:.{places}f}"


def against(value: float | None, wanted: float | None) -> str:
    """Return a ratio and its target."""
    return number(value) + (f" ({wanted:g})" if wanted else "")


def verdict(row: dict[str, Any]) -> str:
    """Return what is wrong with a row, or an empty string."""
    if row.get("loses"):
        return "**we lose**"
    return "below target" if row.get("misses") or row.get("too_slow") else ""


def network_lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return the table of training on one core."""
    labels = columns(rows)
    header = ["network", *labels, "fastest peer / ours (target)", "eager / ours (target)", "share of peak", ""]
    body = [
        [
            row["network"],
            *(number(row["microseconds"].get(label, {}).get("median")) for label in labels),
            against(row["fastest"], row["targets"]["fastest"]) + (f", {row['fastest_peer']}" if row["fastest"] else ""),
            against(row["eager"], row["targets"]["eager"]),
            f"{row['share_of_peak']:.0%}" if row["share_of_peak"] else "-",
            verdict(row),
        ]
        for row in rows
    ]
    notes: dict[str, list[str]] = {}
    for row in rows:
        for label, note in row["notes"].items():
            notes.setdefault(f"{label}: {note}", []).append(row["network"])
    every = f"All reached the same loss before they were timed, within {TOLERANCE:g} of how far it fell."
    return [*table(header, body), "", every, *(f"{note} ({'; '.join(where)})." for note, where in notes.items())]


def thread_lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return the table over the number of threads: a line for each program, the times that we lose in bold."""
    counts, most = rows[0]["threads"], rows[0]["threads"][-1]
    header = ["network", "", *map(str, counts), "auto", "it chose", f"1 / {most} threads (target)"]
    body = []
    for row in rows:
        name, lost = row["network"], {count for found in row["slower_at"].values() for count in found}
        for peer in ("hotloop", "PyTorch eager", "JAX"):
            medians = [row["microseconds"].get(labelled(peer, count), {}).get("median") for count in (*counts, "auto")]
            if not any(medians):
                continue
            ours = peer == "hotloop"
            times = [
                f"**{number(median)}**" if ours and count in lost else number(median)
                for count, median in zip((*counts, "auto"), medians, strict=True)
            ]
            ratio = against(row["speed_up"].get(peer), row["speed_up_wanted"] if ours else None)
            shown = [str(row["chosen"] or "-"), ratio, thread_verdict(row)] if ours else ["-", ratio, ""]
            body.append([name, peer, *times, *shown])
            name = ""
    return table([*header, ""], body, left=2)


def thread_verdict(row: dict[str, Any]) -> str:
    """Return what is wrong with a row of the table over the number of threads, or an empty string."""
    lost = [f"{peer} at {', '.join(map(str, at))}" for peer, at in row["slower_at"].items()]
    found = [f"**we lose** to {', '.join(lost)}"] if lost else []
    wanted = row["speed_up_wanted"]
    if wanted and row["speed_up"].get("hotloop", wanted) < wanted:
        found.append("speed-up below target")
    if (row["auto_over_best"] or 0) > AUTO_SLOWER:
        found.append(f"auto takes {number(row['auto_over_best'])} times the best (target: {AUTO_SLOWER:g})")
    return "; ".join(found)


def kernel_lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return the table of the products."""
    labels = columns(rows, "gflops")
    header = ["product", "rows, inputs, outputs", *labels, "ours / fastest BLAS (target)", "share of peak (target)", ""]
    body = [
        [
            PRODUCTS[row["product"]],
            ", ".join(map(str, row["shape"])),
            *(number(row["gflops"].get(label)) for label in labels),
            against(row["ratio"], row["wanted"]) + (f", {row['fastest_peer']}" if row["ratio"] else ""),
            against(row["share_of_peak"], row["share_wanted"]),
            verdict(row),
        ]
        for row in rows
    ]
    notes = dict.fromkeys(f"{label}: {note}" for row in rows for label, note in row["notes"].items())
    return [*table(header, body, left=2), *(["", f"{'; '.join(notes)}."] if notes else [])]


def one_row_lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return the table of the prediction of one row."""
    body = [
        [row["way"], number(row["microseconds"]["median"]), f"{row['wanted']:g}" if row["wanted"] else "", verdict(row)]
        for row in rows
    ]
    return table(["", "microseconds", "at most", ""], body)


def mnist_lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return the table of MNIST."""
    header = ["", "seconds an epoch", "peak memory, MB", "loss in the first epoch", ""]
    ours = next((row for row in rows if row["peer"] == "hotloop"), None)
    body = []
    for row in rows:
        slow = row is ours and row["seconds"]["median"] > row["wanted"]
        numbers = [number(row["seconds"]["median"]), number(row["peak_memory"] / 1e6), f"{row['first_epoch_loss']:.3f}"]
        body.append([row["peer"], *numbers, f"above {row['wanted']} s" if slow else ""])
    found = ours and ours["accuracy"]
    text = f"hotloop: {found['test_accuracy']:.2%} of the test images after {found['epochs']} epochs." if found else ""
    return [*table(header, body), *(["", text] if text else [])]


def width_lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return the numbers of the chart."""
    labels = columns(rows)
    body = [
        [
            str(row["width"]),
            *(number(row["microseconds"].get(label, {}).get("median")) for label in labels),
            number(row["floor"]),
        ]
        for row in rows
    ]
    return table(["width", *labels, "floor"], body)
