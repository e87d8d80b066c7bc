"""HTML: nothing comes out unescaped, and elements are balanced."""

import pytest
from html_reader import HOSTILE, parsed

from hotloop.network.html.elements import (
    Cell,
    Html,
    bar,
    definitions,
    details,
    element,
    finding,
    joined,
    note,
    representation,
    table,
    text,
    title,
)


def test_a_table_has_its_cells_and_says_what_they_are():
    made = table(
        ["layer", "activation", "parameters"],
        [["1", "relu", "33"], ["2", "identity", Cell("9", {"data-value": 9.0})]],
        caption="network",
        left=["activation"],
        marked={1: "best"},
    )
    tree = parsed(made)
    assert tree.rows() == [["layer", "activation", "parameters"], ["1", "relu", "33"], ["best2", "identity", "9"]]
    assert tree.one("caption").text == "network"
    assert [cell.attributes.get("scope") for cell in tree.all("th")] == ["col", "col", "col", "row", "row"]
    assert ["hotloop-left" in cell.classes for cell in tree.all("td")] == [True, False, True, False]
    assert tree.one(kind="hotloop-marked").all()[0].text == "best2"
    assert tree.all("td")[-1].attributes["data-value"] == "9.0"


@pytest.mark.parametrize(
    "make",
    [
        text,
        title,
        note,
        finding,
        joined,
        lambda name: element("p", name, title=name),
        lambda name: table([name], [[name]], caption=name, left=[name], marked={0: name}),
        lambda name: table(["a"], [[Cell(name, {"data-value": name})]]),
        lambda name: definitions({name: name}),
        lambda name: details(name, name),
        lambda name: representation(name),
    ],
)
def test_text_is_never_a_tag(make):
    tree = parsed(make(HOSTILE))
    assert not tree.all("img")
    assert HOSTILE in tree.text


def test_attributes_hold_what_they_were_given():
    tree = parsed(element("p", "a", title=HOSTILE) + table(["a"], [[Cell("b", {"data-value": HOSTILE})]]))
    assert tree.one("p").attributes == {"title": HOSTILE}
    assert tree.one("tbody").all("th")[0].attributes["data-value"] == HOSTILE


def test_html_is_not_escaped_twice_but_what_is_made_of_it_is():
    inner = element("b", "a & b")
    assert element("p", inner, " < ", inner) == "<p><b>a &amp; b</b> &lt; <b>a &amp; b</b></p>"
    assert parsed(element("p", f"{inner}", inner + inner)).all("b") == []
    assert parsed(element("p", Html("<b>c</b>"))).one("b").text == "c"


def test_control_characters_are_visible_and_lone_surrogates_can_be_written():
    made = text("a\x1b[2Jb\nc\ud800")
    assert made == "a\\x1b[2Jb\nc\\ud800"
    made.encode()


def test_attributes():
    made = element("input", type="radio", checked=True, disabled=False, title=None, aria_label='a"b', for_="c")
    assert made == '<input type="radio" checked aria-label="a&quot;b" for="c">'


def test_a_bar_stays_within_its_room():
    widths = [parsed(bar(share)).all("span")[1].attributes["style"] for share in (-1.0, 0.25, 7.0)]
    assert widths == ["width: 0.0%", "width: 25.0%", "width: 100.0%"]
    assert parsed(bar(0.5)).all("span")[0].attributes["aria-hidden"] == "true"


def test_definitions_and_details():
    tree = parsed(definitions([("loss", "mse"), ("l1", 0.1)]))
    assert [(node.tag, node.text) for node in tree.all("dl")[0].all()] == [
        ("dt", "loss"), ("dd", "mse"), ("dt", "l1"), ("dd", "0.1"),
    ]  # fmt: skip
    folded, unfolded = details("more", note("text")), details("more", "text", shown=True)
    assert "open" not in parsed(folded).one("details").attributes
    assert "open" in parsed(unfolded).one("details").attributes
    assert parsed(folded).one("p").text == "text"


def test_a_representation_has_its_style_once_and_no_rule_for_the_page_around():
    tree = parsed(representation(title("a"), note("b")))
    rules = "".join(tree.one("style").children)
    assert rules.count("{") == rules.count("}") > 10
    selectors = [part.split("{")[0].strip() for part in rules.split("}")[:-1]]
    assert all(each.strip().startswith(".hotloop") for selector in selectors for each in selector.split(","))
