"""The rows of a profile: their rates follow from their sums, and groups of rows are sums of rows."""

import numpy as np
import pytest

from hotloop import Network, profile
from hotloop.network.profiling import recording
from hotloop.network.profiling.roofline import Roof
from hotloop.network.profiling.rows import FIELDS, grouped

CORE = Roof(1e11, (1e4, 1e6, 1e8), (1e11, 5e10, 1e10))  # to measure one takes half a second
SUMMED = ("calls", "seconds", "flops", "bytes", "percent")
RATES = ("flops_per_second", "bytes_per_second", "flops_per_byte")


def rates(row):
    flops, moved, seconds = row["flops"], row["bytes"], row["seconds"]
    return [a / b if a and b else None for a, b in ((flops, seconds), (moved, seconds), (flops, moved))]


@pytest.fixture(scope="module")
def a_profile():
    """One of two networks, a part that states its work, and one that does not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "measured", lambda *_, **__: CORE)
        with profile() as prof:
            X = np.random.default_rng(30).normal(size=(30, 4))
            for sizes in ((4, 5, 6, 3), (4, 3)):
                Network(sizes, "tanh", seed=3).fit(X, X[:, :3], epochs=2, batch_size=8, progress=False)
            for name, work in (("stated", {"flops": 1e6, "bytes": 4e6}), ("unstated", {})):
                with prof.record(name, **work):
                    sum(range(1000))
        assert prof.rows
    return prof


def test_rates(a_profile):
    for row in a_profile.rows:
        assert tuple(row) == FIELDS
        assert row["percent"] == pytest.approx(100 * row["seconds"] / a_profile.seconds, rel=1e-12)
        each = row["seconds"] / row["calls"] if row["calls"] else None
        assert row["seconds_per_call"] == (each and pytest.approx(each, rel=1e-12))
        assert [row[rate] for rate in RATES] == rates(row)
    found = {row["name"]: (row["calls"], row["flops"], row["bytes"], row["kind"]) for row in a_profile.rows}
    assert (found["stated"], found["unstated"]) == ((1, 1e6, 4e6, "record"), (1, 0, 0, "record"))
    assert sum(row["seconds"] for row in a_profile.rows) == pytest.approx(a_profile.seconds, rel=1e-9)


def test_rows_are_plain_data(a_profile):
    assert {type(value) for row in a_profile.rows for value in row.values()} <= {str, int, float, type(None)}


@pytest.mark.parametrize("group_by", ["phase", "layer"])
def test_groups(group_by, a_profile):
    """Rows of a layer are added up, others stay, and rates are those of the sums."""
    sums = {}
    for row in a_profile.rows:
        name, layer = row["name"], row["layer"]
        if layer is not None:
            name, layer = (name, None) if group_by == "phase" else ("layer", layer)
        group = sums.setdefault((name, layer, row["network"], row["kind"]), dict.fromkeys(SUMMED, 0))
        for column in SUMMED:
            group[column] += row[column]
    found = grouped(a_profile.rows, group_by, a_profile.seconds)
    assert len(found) == len(sums) < len(a_profile.rows)
    for row in found:
        group = sums[row["name"], row["layer"], row["network"], row["kind"]]
        assert {column: row[column] for column in SUMMED} == pytest.approx(group, rel=1e-12)
        assert [row[rate] for rate in RATES] == rates(row)
    lines = len(a_profile.table().splitlines()) - len(a_profile.rows)
    assert len(a_profile.table(group_by=group_by).splitlines()) == lines + len(sums)
