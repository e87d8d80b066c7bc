"""The table of a profile: its look, its order, and what it refuses."""

import pytest
from profiled_fits import fitted

from hotloop import Adam, profile
from hotloop.network.profiling import rows
from hotloop.network.profiling.roofline import Roof
from hotloop.network.profiling.table import duration, number, table


@pytest.mark.parametrize(("seconds", "text"), [
    (None, "-"), (0.0, "0.000us"), (1.5e-6, "1.500us"), (9.999e-4, "999.900us"), (1.5e-3, "1.500ms"), (2.0, "2.000s"),
    (-1e-3, "-1.000ms"),
])  # fmt: skip
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.123, "0.12"), (9.99, "9.99"), (12.34, "12.3"), (1234.5, "1234")]
)
def test_numbers(value, text):
    assert number(value) == text


def test_the_table_shows_the_rows_as_pytorch_does(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    prof = fitted()
    lines = prof.table().splitlines()
    heads = [head.strip() for head in lines[1].split("  ") if head.strip()]
    assert heads[:7] == ["Name", "Layer", "Self CPU %", "Self CPU", "CPU time avg", "# of Calls", "GFLOP/s"]
    assert set(lines[0]) == {"-", " "}
    body = lines[3 : lines.index(lines[0], 3)]
    assert len(body) == len(prof.rows)
    assert {len(line) for line in lines[: len(body) + 4]} == {len(lines[0])}
    assert [line.split("  ")[0] for line in body] == [row["name"] for row in prof.rows]
    assert [line.split("  ")[-1].strip() for line in body] == [row["bound_by"] for row in prof.rows]
    assert f"Self CPU time total: {duration(prof.seconds)}" in lines
    assert [line.split() for line in prof.table(row_limit=2).splitlines()[3:5]] == [line.split() for line in body[:2]]
    assert f"{len(body) - 2} more rows: row_limit is 2" in prof.table(row_limit=2)


def test_the_table_fits_the_terminal(monkeypatch):
    """The name and what took how long stay the longest."""
    prof = fitted()
    for width in (40, 60, 80, 100):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = prof.table().splitlines()
        assert max(map(len, lines)) <= width
        assert any(line.startswith("no room for: ") for line in lines)
        assert "Name" in lines[2]
        assert "CPU %" in lines[2]
    monkeypatch.delenv("COLUMNS")
    monkeypatch.setenv("TERM", "xterm")
    assert "no room for: CPU time avg, # of Calls, GB/s, FLOP/B" in prof.table()  # in a pipe: 80 columns


def test_a_phase_near_its_roof_is_green_and_one_far_from_it_is_red():
    row = dict.fromkeys(rows.FIELDS, 0.0) | {"name": "forward", "network": None, "layer": 1, "bound_by": "compute"}
    for percent, style in (75.0, "green"), (40.0, None), (12.5, "red"):
        text = table([row | {"roof_percent": percent}], -1, [])
        wanted = set() if style is None else {style}
        assert {span[2] for span in text.spans} - {"bold", "dim"} == wanted


@pytest.mark.parametrize(("sort_by", "key"), [
    ("self_cpu_time_total", "seconds"), ("cpu_time", "seconds_per_call"), ("count", "calls"), ("flops", "flops"),
    ("bytes", "bytes"), ("roof_percent", "roof_percent"), ("cpu_time_total", "seconds"),
])  # fmt: skip
def test_sorting(sort_by, key):
    prof = fitted()
    values = [row[key] or 0 for row in rows.arranged(prof.rows, sort_by)]
    assert values == sorted(values, reverse=True)


def test_the_order_of_a_step():
    prof = fitted(optimizer=Adam())
    found = [(row["name"], row["layer"]) for row in rows.arranged(prof.rows, "order") if row["kind"] == "kernel"]
    assert found == [
        ("gather", None), ("forward", 1), ("forward", 2), ("loss", None), ("backward", 1), ("backward", 2),
        ("weight gradient", 1), ("weight gradient", 2), ("update", 1), ("update", 2),
    ]  # fmt: skip


@pytest.mark.parametrize(("given", "error", "message"), [
    ({"sort_by": "speed"}, ValueError, "sort_by 'speed' is not known. Known: self_cpu_time_total, cpu_time"),
    ({"group_by": "stack"}, ValueError, "group_by 'stack' is not known. Known: phase, layer"),
    ({"row_limit": 2.5}, TypeError, "row_limit must be a whole number, got 2.5"),
    ({"row_limit": True}, TypeError, "row_limit must be a whole number, got True"),
])  # fmt: skip
def test_what_a_table_refuses(given, error, message):
    with profile() as prof:
        pass
    with pytest.raises(error, match=message):
        prof.table(**given)


def test_a_roof_is_drawn_and_held_against_each_phase():
    """Also where plain Python has none of its own."""
    prof = fitted()
    prof.recording.roofs = {"float32": Roof(1e15, (1e4, 1e8), (1e15, 1e14))}
    phases = [row for row in prof.rows if row["kind"] == "kernel"]
    assert all(0 < row["roof_percent"] < 1 for row in phases)
    assert {row["bound_by"] for row in phases} == {"overhead"}
    axes = prof.plot().axes[1]
    assert "Roofline of a core: 1000000 GFLOP/s in float32" in axes.get_title()
    assert len(axes.lines) == 3 + len(phases)
    assert "layer" in prof.table(group_by="layer", sort_by="roof_percent")
