"""A profile as one HTML page: well formed, complete, and without other files."""

import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from recorded_profile import HOSTILE, recorded

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
LOADING = {"src", "href", "xlink:href", "srcset", "data", "poster", "action", "formaction", "background", "ping"}


class Page(HTMLParser):
    """A parsed page: elements with their attributes, rows of tables, text, and the text of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.rows, self.text, self.code = [], [], [], "", ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("script", "style"):
            self.code += data
            return
        self.text += data
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def prof():
    return recorded()


@pytest.fixture(scope="module")
def page(prof, tmp_path_factory):
    pytest.importorskip("matplotlib")
    path = tmp_path_factory.mktemp("page") / "profile.html"
    prof.html(path)
    return path.read_text(encoding="utf-8")


def test_the_page_is_well_formed(page):
    found = Page(page)
    assert page.startswith("<!DOCTYPE html>")
    counts = Counter(tag for tag, _ in found.elements)
    assert [counts[tag] for tag in ("html", "head", "body", "title", "table", "thead", "tbody", "h1")] == [1] * 8
    assert counts["svg"] == 4
    assert "6-5-3" in found.text


def test_the_page_loads_nothing(page):
    """Neither elements nor styles nor the script do; charts refer only to parts of themselves."""
    found = Page(page)
    loading = {"iframe", "object", "embed", "img", "base", "image", "audio", "video"}
    assert not loading & {tag for tag, _ in found.elements}
    for tag, attributes in found.elements:
        for name in LOADING & set(attributes):
            assert attributes[name].startswith(("#", "data:")), (tag, attributes)
        assert not [name for name in attributes if name.startswith("on")]
        assert "http-equiv" not in attributes
    assert {attributes.get("href", "") for tag, attributes in found.elements if tag == "link"} == {"data:,"}
    everywhere = found.code + " ".join(str(value) for _, attributes in found.elements for value in attributes.values())
    assert [url for url in re.findall(r"url\(\s*[\"']?([^)]*)", everywhere) if not url.startswith("#")] == []
    assert re.search(r"@import|@font-face|https?:", found.code) is None
    assert re.search(r"\b(fetch|XMLHttpRequest|import|WebSocket|sendBeacon|eval)\b", found.code) is None


def test_every_row_is_in_the_table_of_the_page(page, prof):
    head, *rows = Page(page).rows
    assert head[:2] == ["Name", "Layer"]
    calls = head.index("# of Calls")
    expected = Counter()
    for row in prof.rows:
        name = f"{row['network'] or ''} {row['name']}".lstrip().replace("\n", r"\n")
        name = name if len(name) <= 40 else f"{name[:37]}..."
        expected[name, str(row["layer"] or "-"), str(row["calls"])] += 1
    assert Counter((row[0], row[1], row[calls]) for row in rows) == expected


def test_the_page_escapes_text(page):
    """A name is shown as it is: it becomes no element and no entity."""
    found = Page(page)
    assert HOSTILE in found.text
    assert not [tag for tag, _ in found.elements if tag == "b"]
    assert [tag for tag, _ in found.elements].count("script") == 1
