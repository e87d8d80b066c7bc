"""A page: it loads nothing, its pictures suit light and dark, and the rules that say so can fail."""

import pytest
from html_reader import HOSTILE, parsed
from page_rules import breaches

from hotloop.network.html.elements import Cell, Html, element, joined, table
from hotloop.network.html.page import Section, page, region, sortable
from hotloop.network.html.picture import PAPERS, contrast, matplotlib_defaults, picture, themed


def made(*sections):
    heads = [sortable("name", "ascending"), sortable("time")]
    numbers = table(heads, [[HOSTILE, Cell("1 ms", {"data-value": 1e-3})]], left=heads[:1])
    return page(f"about {HOSTILE}", element("p", "lead"), [
        Section("numbers", "Numbers", region("Times", numbers)), *sections,
    ])  # fmt: skip


def drawn(name="picture", **options):
    figure = pytest.importorskip("matplotlib.figure")
    with matplotlib_defaults():
        empty = figure.Figure(figsize=(4, 3))
        axes = empty.subplots()
        axes.plot([1, 2], [3, 4], color="#F0E442", label=HOSTILE)
        axes.bar([1], [2], color="#cccccc", edgecolor="white")
        axes.legend()
        return picture(empty, name, "A line", f"It rises: {HOSTILE}", **options)


def test_a_page_keeps_the_rules():
    figure = drawn(numbers=region("Heights", table(["x"], [["1"]])))
    text = made(Section("drawn", "Drawn", joined(figure, drawn("other"))))
    assert breaches(text) == []
    tree = parsed(text.removeprefix("<!DOCTYPE html>\n"))
    assert not tree.all("img")
    assert HOSTILE in tree.one("h1").text
    assert [link.attributes["href"] for link in tree.one("nav").all("a")] == ["#numbers", "#drawn"]
    assert {"#numbers", "#drawn"} <= {f"#{section.attributes['id']}" for section in tree.all("section")}


@pytest.mark.parametrize("breach", [
    Html('<p><a href="https://example.org">x</a></p>'),
    Html('<p style="background: url(x.png)"></p>'),
    Html("<style>@import 'x.css';</style>"),
    Html("<script>fetch('x')</script>"),
    Html("<script>1</script>"),
    Html('<p onclick="1"></p>'),
    Html('<img src="data:,">'),
    Html("<iframe></iframe>"),
    Html('<p id="numbers"></p>'),
    Html("<h4>too deep</h4>"),
    Html("<h1>again</h1>"),
    Html("<svg></svg>"),
    Html('<svg role="img" aria-labelledby="a b"><title id="a"></title><desc id="b">b</desc></svg>'),
    Html("<main></main>"),
    Html("<section></section>"),
    Html('<p aria-labelledby="nowhere"></p>'),
    Html('<div role="region"></div>'),
    Html('<div role="region" aria-label="x"></div>'),
    Html("<table><tr><th scope='col'>x</th></tr></table>"),
    Html('<div role="region" aria-label="x" tabindex="0"><table><tr><td>x</td></tr></table></div>'),
    Html("<th>x</th>"),
    Html('<th scope="col"></th>'),
    Html('<div role="region" aria-label="Times" tabindex="0"></div>'),
    Html('<div role="region" aria-label="Numbers" tabindex="0"></div>'),
    Html("<button></button>"),
])  # fmt: skip
def test_a_planted_breach_is_seen(breach):
    assert breaches(made(Section("breach", "Breach", breach))) != []


@pytest.mark.parametrize("part", ['lang="en"', "default-src ", 'href="#content"', "<!DOCTYPE html>", "use strict"])
def test_what_a_page_lacks_is_seen(part):
    """The script without a word is another than the one that the policy allows."""
    assert part in made()
    assert breaches(made().replace(part, "")) != []


def test_an_element_that_is_not_closed_is_seen():
    with pytest.raises(AssertionError, match="ends"):
        breaches(made(Section("breach", "Breach", Html("<p>"))))


def test_the_colours_of_a_picture_are_those_of_the_page():
    """Black and greys are mixtures of ink and paper, colours have one for each paper."""
    svg = drawn()
    assert "#000000" not in svg
    assert "#ffffff" not in svg
    assert "fill: var(--paper)" in svg
    assert "stroke: var(--ink)" in svg
    assert "fill: color-mix(in srgb, var(--ink) 20%, var(--paper))" in svg
    assert "light-dark(#" in svg
    assert "DejaVu" not in svg
    assert parsed(svg).one("desc").text == f"It rises: {HOSTILE}"
    assert not parsed(svg).all("img")


@pytest.mark.parametrize(
    "colour", ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#00004d"]
)
def test_a_line_is_told_from_either_paper(colour):
    both = themed(colour, "stroke").removeprefix("light-dark(").removesuffix(")").split(", ")
    for given, paper in zip(both, PAPERS.values(), strict=True):
        assert contrast(tuple(bytes.fromhex(given[1:])), paper) >= 3


def test_contrast_is_that_of_wcag():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((0x77, 0x77, 0x77), (255, 255, 255)) == pytest.approx(
        4.478, abs=1e-3
    )  # the well-known failing grey


def test_a_user_s_style_does_not_change_a_picture():
    matplotlib = pytest.importorskip("matplotlib")
    plain = drawn()
    with matplotlib.rc_context({"axes.facecolor": "black", "font.size": 30}):
        assert drawn() == plain
        assert matplotlib.rcParams["font.size"] == 30
