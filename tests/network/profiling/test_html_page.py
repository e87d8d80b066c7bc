"""A profile as one HTML page: well formed, complete, readable for everyone, and without other files."""

from collections import Counter
from copy import copy

import pytest
from html_reader import parsed
from numba import config
from page_rules import breaches
from recorded_profile import HOSTILE, recorded

from hotloop.network.profiling.export import html_page


@pytest.fixture(scope="module")
def prof():
    return recorded()


@pytest.fixture(scope="module")
def page(prof, tmp_path_factory):
    pytest.importorskip("matplotlib")
    path = tmp_path_factory.mktemp("page") / "profile.html"
    prof.html(path)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tree(page):
    return parsed(page.removeprefix("<!DOCTYPE html>\n"))


def table(tree):
    (found,) = (each for each in tree.all("table") if each.rows()[0][0] == "Name")
    return found


def test_the_page_keeps_the_rules(page):
    assert breaches(page) == []


def test_the_page_has_its_parts(tree):
    assert "6-5-3" in tree.one("h1").text
    assert [section.attributes["id"] for section in tree.all("section")] == ["diagnosis", "curves", "profile"]
    titles = ["Gradient flow", "Losses", "Time by layer and phase"] + ["Roofline of a core"] * (not config.DISABLE_JIT)
    assert [svg.all("title")[0].text for svg in tree.all("svg")] == titles
    assert not tree.all("img")


def test_plain_python_has_no_roofline(prof):
    recording = copy(prof.recording)
    recording.roofs = {}
    pictures = [svg.all("title")[0].text for svg in parsed(html_page.profile_part(recording)).all("svg")]
    assert pictures == ["Time by layer and phase"]


def test_every_row_is_in_the_table_of_the_page(tree, prof):
    head, *rows = table(tree).rows()
    assert head[:2] == ["Name", "Layer"]
    calls = head.index("# of Calls")
    expected = Counter()
    for row in prof.rows:
        name = f"{row['network'] or ''} {row['name']}".lstrip().replace("\n", r"\n")
        name = name if len(name) <= 40 else f"{name[:37]}..."
        expected[name, str(row["layer"] or "-"), str(row["calls"])] += 1
    assert Counter((row[0], row[1], row[calls]) for row in rows) == expected


def test_what_the_table_is_sorted_by_are_numbers(tree, prof):
    """The script sorts by them, not by the texts, which have units."""
    head, *rows = table(tree).all("tr")
    place = [cell.text for cell in head.all("th")].index("Self CPU")
    seconds = [
        float([cell for cell in row.all() if cell.tag in ("th", "td")][place].attributes["data-value"]) for row in rows
    ]
    assert seconds == sorted((row["seconds"] for row in prof.rows), reverse=True)
    sorted_by = [button.text for button in head.all("button") if "data-sorted" in button.attributes]
    assert sorted_by == ["Self CPU %"]


def test_the_gradients_are_also_numbers(tree, prof):
    figure = next(each for each in tree.all("figure") if each.all("title")[0].text == "Gradient flow")
    head, *rows = figure.one("table").rows()
    snapshots = prof.recording.fits[-1].snapshots.items
    assert head[-1] == f"epoch {snapshots[-1].epoch}, step {snapshots[-1].step}"
    assert [row[-1] for row in rows] == [f"{value:.3g}" for value in snapshots[-1].delta]


def test_the_page_escapes_text(tree):
    """A name is shown as it is: it becomes no element and no entity."""
    assert HOSTILE in tree.text
    assert not tree.all("b")
    assert len(tree.all("script")) == 1
