"""The report of the tabular benchmark, in Markdown: what was found, what was to be reached, and where hotloop loses."""

from math import log, sqrt
from statistics import geometric_mean, stdev
from typing import Any

from benchmarks.comparison.report import table
from benchmarks.tabular_peers import EXTRA, PEERS
from benchmarks.tabular_results import Means
from benchmarks.tabular_sets import CLASSES, MOST_ROWS, SETS, VALUES

DEFAULT = "hotloop"
TARGETS = [  # what, whose, of whom, at most
    ("error", "hotloop", "realmlp", 1.02),
    ("error", "hotloop", "sklearn-mlp", 0.90),
    ("error", "hotloop-best", "lightgbm", 1.03),
    ("fit_seconds", "hotloop", "realmlp", 0.20),
    ("fit_seconds", "hotloop-realmlp", "realmlp", 0.20),  # at the same number of epochs
    ("fit_seconds", "hotloop-fast", "hotloop", 0.20),
]
SAID = {"error": "error", "fit_seconds": "fit seconds"}


def markdown(results: dict[str, Any]) -> str:
    """Return the report."""
    means = Means(results)
    lines = [*head(results, means), "", "## Summary", "", *summary(means)]
    sections = {
        "Targets": targets(means), "What each part gains": parts(means), "Where hotloop loses": losses(means),
        "Errors": errors(means), "Fit seconds": seconds(means), "The tables": tables(means),
        "How each was used": used(means), "Left out": left_out(results, means),
    }  # fmt: skip
    for title, found in sections.items():
        if found:
            lines += ["", f"## {title}", "", *found]
    return "\n".join(lines) + "\n"


def head(results: dict[str, Any], means: Means) -> list[str]:
    """Return title, machine and versions."""
    about = results["about"]
    ours = sorted({cell["commit"] for key, cell in means.cells.items() if PEERS[key.split("/")[2]].ours})
    threads = ", each one of two hyper-threads of a core" if about["siblings"] == 2 else ""
    at_a_time = f", {about['jobs']} cells at a time on cores of their own" if about["jobs"] > 1 else ""
    versions = {PEERS[key.split("/")[2]].package: cell["version"] for key, cell in means.cells.items()}
    versions = {"python": about["python"]} | {name: what for name, what in versions.items() if name != "hotloop"}
    return [
        f"# Tabular estimators beside others: {about['cpu']}",
        "",
        f"{about['date']}, commit {about['commit']}, {counted(about['cores'], 'core')} and "
        f"{counted(about['cores'], 'thread')} for each fit{threads}, of {about['cores_of_machine']}{at_a_time}.",
        *([f"hotloop's cells are of the commits {', '.join(ours)}."] if len(ours) > 1 else []),
        f"{', '.join(f'{name} {version}' for name, version in versions.items())}.",
        f"{counted(len(means.sets), 'table')}, splits {', '.join(map(str, means.splits))} (three quarters of the rows "
        f"train, a quarter tests), {counted(len(means.cells), 'cell')}, from `{about['command']}`.",
        "",
        "Error: the error rate for classes, the root of the mean squared error for values; means over the splits. Each "
        "cell is a process of its own with the same cores. An untimed, short fit on a few rows comes first, so that "
        "nothing is loaded, started or compiled in the timed one. Preparation that an estimator needs is part of its "
        "fit.",
    ]


def number(value: float | None, digits: int = 3) -> str:
    """Return a value with `digits` significant digits, or more before the point, or a dash."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 10**digits else f"{value:#.{digits}g}".rstrip(".")


def counted(number: int, name: str) -> str:
    """Return a number and a name, in the plural unless the number is 1."""
    return f"{number} {name}" + ("s" if number != 1 else "")


def summary(means: Means) -> list[str]:
    """Return geometric means over the tables, as ratios of the base's."""
    base = means.base
    classes, values = means.of_task(CLASSES), means.of_task(VALUES)
    header = [
        "estimator", f"error, classes ({len(classes)})", f"error, values ({len(values)})", "error, all",
        "log loss, classes", "fit seconds", "processor seconds", "seconds for 1000 rows", "",
    ]  # fmt: skip
    body = []
    for peer in means.peers:
        found = means.ratio(peer, base, means.sets)
        missing = len(means.sets) - (found[1] if found else 0)
        body.append([
            PEERS[peer].label,
            of(means.ratio(peer, base, classes)), of(means.ratio(peer, base, values)), of(found),
            of(means.ratio(peer, base, classes, "log_loss")),
            of(means.ratio(peer, base, means.sets, "fit_seconds")),
            of(means.ratio(peer, base, means.sets, "fit_processor_seconds")),
            number(means.for_1000_rows(peer, means.sets)),
            f"without {counted(missing, 'table')}" if missing else "",
        ])  # fmt: skip
    text = f"Geometric means over the tables of the ratio to {PEERS[base].label}; below 1 is better or faster."
    return [text, "", *table(header, body)]


def of(ratio: tuple[float, int] | None) -> str:
    """Return a ratio as text."""
    return number(ratio[0]) if ratio else "-"


def targets(means: Means) -> list[str]:
    """Return what was to be reached, and what was."""
    body = []
    for what, peer, other, most in TARGETS:
        found = means.ratio(peer, other, means.sets, what)
        if found:
            verdict = "met" if found[0] <= most else "**missed**"
            text = f"{PEERS[peer].label}: {SAID[what]} / {PEERS[other].label}'s"
            body.append([text, number(found[0]), f"at most {most:.2f}", str(found[1]), verdict])
    return table(["geometric mean", "found", "wanted", "tables", ""], body) if body else []


def parts(means: Means) -> list[str]:
    """Return what becomes of the default's error and time without a part of its recipe, or with another in its place.

    The standard error over the tables shows how far a mean can be chance.
    """
    body = []
    for peer in means.parts:
        row = [PEERS[peer].label]
        for task in (CLASSES, VALUES):
            found = [means.ratio(peer, DEFAULT, [name]) for name in means.of_task(task)]
            ratios = [ratio[0] for ratio in found if ratio]
            row.append(with_error(ratios) if ratios else "-")
        seconds = means.ratio(peer, DEFAULT, means.sets, "fit_seconds")
        body.append([*row, of(seconds), str(seconds[1] if seconds else 0), ""])
    if not body:
        return []
    text = (
        f"Geometric means of the ratio to {PEERS[DEFAULT].label}: above 1 the part is worth having, or what takes its "
        "place is worse. ± is the standard error over the tables."
    )
    return [text, "", *table(["changed", "error, classes", "error, values", "fit seconds", "tables", ""], body)]


def with_error(ratios: list[float]) -> str:
    """Return the geometric mean of ratios, and its standard error."""
    mean = geometric_mean(ratios)
    if len(ratios) == 1:
        return number(mean)
    return f"{number(mean)} ± {number(mean * stdev(map(log, ratios)) / sqrt(len(ratios)), 2)}"


def losses(means: Means) -> list[str]:
    """Return where another estimator has less error than hotloop's or is faster."""
    ours = [peer for peer in means.peers if PEERS[peer].ours]
    others = [peer for peer in means.peers if not PEERS[peer].ours and peer not in EXTRA]
    if not ours or not others:
        return []
    cells = {(name, peer): better(means, name, peer, others) for name in means.sets for peer in ours}
    lines = []
    for peer in ours:
        lost = sum(bool(cells[name, peer]) for name in means.sets)
        compared = sum(any(means.ratio(peer, other, [name]) for other in others) for name in means.sets)
        faster = ", ".join(text for other in others if (text := times_faster(means, peer, other))) or "none"
        lines.append(
            f"- {PEERS[peer].label}: on {lost} of {counted(compared, 'table')} another one has less error; "
            f"faster, by the geometric mean: {faster}."
        )
    body = [[name, *(cells[name, peer] or "" for peer in ours), ""] for name in means.sets]
    text = "Who has least error where it is not hotloop's, how much less, and in how many of the splits:"
    shown = [row for row in body if any(row[1:])]
    header = ["table", *(PEERS[peer].label for peer in ours), ""]
    return [*lines, *(["", text, "", *table(header, shown, left=len(header))] if shown else [])]


def better(means: Means, name: str, ours: str, others: list[str]) -> str:
    """Return who has least error on a table, and how many more have less than hotloop's, or nothing."""
    ratios = {other: found[0] for other in others if (found := means.ratio(other, ours, [name]))}
    less = sorted((ratio, other) for other, ratio in ratios.items() if ratio < 1)
    if not less:
        return ""
    ratio, best = less[0]
    splits, of_splits = means.better_splits(best, ours, name)
    more = f", and {len(less) - 1} more" if len(less) > 1 else ""
    return f"{PEERS[best].label} {100 * (1 - ratio):.1f} % ({splits} of {of_splits}){more}"


def times_faster(means: Means, ours: str, other: str) -> str:
    """Return a peer's name and how many times faster it is, or nothing if it is not."""
    found = means.ratio(ours, other, means.sets, "fit_seconds")
    return f"{PEERS[other].label} ({number(found[0], 2)} times)" if found and found[0] > 1 else ""


def errors(means: Means) -> list[str]:
    """Return the mean errors by table and estimator, the least of a row in bold, with their spread over the splits."""
    body = []
    for name in means.sets:
        found = {peer: means.mean(peer, name) for peer in means.peers}
        least = min(value for value in found.values() if value is not None)
        row = [name]
        for peer, value in found.items():
            several = len(means.of(peer, name)) > 1
            text = number(value) + (f" ± {number(means.spread(peer, name), 2)}" if several else "")
            row.append(f"**{text}**" if value == least else text)
        body.append([*row, ""])
    text = "Mean and standard deviation over the splits, which have different rows to test: compare within a row."
    return [text, "", *table(["table", *(PEERS[peer].label for peer in means.peers), ""], body)]


def seconds(means: Means) -> list[str]:
    """Return the mean fit seconds by table and estimator."""
    body = [[name, *(number(means.mean(peer, name, "fit_seconds")) for peer in means.peers), ""] for name in means.sets]
    return table(["table", *(PEERS[peer].label for peer in means.peers), ""], body)


def tables(means: Means) -> list[str]:
    """Return what each table is."""
    body = []
    for name in means.sets:
        source = SETS[name]
        cell = next(cell for key, cell in means.cells.items() if key.startswith(f"{name}/"))
        facts = cell["table"]
        task = f"{facts['classes']} classes" if source.task == CLASSES else "values"
        rows = f"{facts['rows']}" + (f" of {facts['of']}" if facts["of"] > facts["rows"] else "")
        body.append([
            name, f"{source.package}: {source.item}", task, rows, str(facts["columns"]), str(facts["categories"]),
            str(facts["missing"]), source.about,
        ])  # fmt: skip
    header = ["table", "from", "task", "rows", "columns", "of categories", "missing values", ""]
    text = (
        f"Of tables with more than {MOST_ROWS} rows so many are drawn with a fixed seed. Left out are rows without "
        "the target, identifiers, and columns that are known only together with the target "
        "(`benchmarks/tabular_sets.py`)."
    )
    return [text, "", *table(header, body, left=3)]


def used(means: Means) -> list[str]:
    """Return what was decided for each estimator."""
    return [f"- {PEERS[peer].label}: {PEERS[peer].note}" for peer in means.peers]


def left_out(results: dict[str, Any], means: Means) -> list[str]:
    """Return what was not measured, and which cells failed."""
    found = dict(results["absent"])
    for peer, about in PEERS.items():
        if peer not in means.peers and peer not in EXTRA:
            found.setdefault(about.label, "not measured")
    for name in SETS:
        if name not in means.sets:
            found.setdefault(f"the table {name}", "not measured")
    lines = [f"- {what}: {why}" for what, why in found.items()]
    failed = {key: cell["failed"] for key, cell in results["cells"].items() if "failed" in cell}
    return lines + [f"- {key} failed: {why}" for key, why in failed.items()]
