"""HTML whose texts are escaped: elements, tables, lists and notes, with a style that suits light and dark notebooks.

Whatever is not `Html` is text, and is escaped; so nothing that comes from data can become a tag.
"""

import html
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hotloop.network.validation.printable import printable

VOID = ("br", "col", "hr", "img", "input", "link", "meta")  # elements without an end
# The colours are mixed of the text's own, which the notebook sets, so that they suit its theme. The class stands twice
# in what a notebook's own rules for tables would win over.
STYLE = """
.hotloop { font-variant-numeric: tabular-nums; line-height: 1.45; max-width: 100%; margin: .3em 0 .6em;
  --hotloop-faint: color-mix(in srgb, currentColor 7%, transparent);
  --hotloop-line: color-mix(in srgb, currentColor 22%, transparent);
  --hotloop-soft: color-mix(in srgb, currentColor 75%, transparent);
  --hotloop-blue: color-mix(in srgb, #0072b2 80%, currentColor);
  --hotloop-red: color-mix(in srgb, #d55e00 85%, currentColor);
  --hotloop-green: color-mix(in srgb, #009e73 80%, currentColor); }
.hotloop-title { font-weight: 600; margin: .2em 0 .4em; }
.hotloop path.hotloop-pen0 { stroke: var(--hotloop-blue); } .hotloop tspan.hotloop-pen0 { fill: var(--hotloop-blue); }
.hotloop path.hotloop-pen1 { stroke: var(--hotloop-red); } .hotloop tspan.hotloop-pen1 { fill: var(--hotloop-red); }
.hotloop path.hotloop-pen2 { stroke: var(--hotloop-green); } .hotloop tspan.hotloop-pen2 { fill: var(--hotloop-green); }
.hotloop-row { display: flex; flex-wrap: wrap; gap: 0 1em; }
.hotloop-row > svg { flex: 1 1 20em; max-width: 33em; }
.hotloop-scroll { overflow-x: auto; max-width: 100%; }
.hotloop.hotloop table { border-collapse: collapse; border: none; margin: .2em 0 .4em; width: auto; font-size: inherit;
  color: inherit; background: none; }
.hotloop.hotloop caption { text-align: left; font-weight: 600; padding: 0 0 .3em; color: inherit; caption-side: top; }
.hotloop.hotloop tr:nth-child(n) { background: none; border: none; }
.hotloop.hotloop th, .hotloop.hotloop td { text-align: right; padding: .18em .8em .18em 0; border: none;
  border-bottom: 1px solid var(--hotloop-line); font-weight: inherit; vertical-align: baseline; white-space: nowrap;
  color: inherit; background: none; }
.hotloop.hotloop thead th { font-weight: 600; vertical-align: bottom; border-bottom-width: 2px; }
.hotloop.hotloop .hotloop-left { text-align: left; }
.hotloop.hotloop .hotloop-wrap { white-space: normal; min-width: 14em; overflow-wrap: anywhere; }
.hotloop.hotloop tbody tr:hover { background: var(--hotloop-faint); }
.hotloop.hotloop tr.hotloop-marked:nth-child(n) { font-weight: 600;
  background: color-mix(in srgb, #009e73 18%, transparent); }
.hotloop-badge { font-size: .8em; font-weight: 600; padding: 0 .45em; margin-right: .5em; border-radius: .7em;
  border: 1px solid var(--hotloop-green); color: var(--hotloop-green); }
.hotloop-bar { display: inline-block; width: 5em; height: .7em; margin-right: .7em; background: var(--hotloop-faint); }
.hotloop-bar > span { display: block; height: 100%; background: var(--hotloop-blue); }
.hotloop.hotloop dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .1em 1em; margin: .3em 0; }
.hotloop.hotloop dt { color: var(--hotloop-soft); font-weight: inherit; float: none; width: auto; }
.hotloop.hotloop dd { margin: 0; overflow-wrap: anywhere; }
.hotloop.hotloop .hotloop-note { margin: .2em 0; color: var(--hotloop-soft); }
.hotloop.hotloop .hotloop-finding { border-left: 4px solid var(--hotloop-red);
  padding: .1em 0 .1em .9em; margin: .6em 0; }
.hotloop.hotloop .hotloop-well { border-left-color: var(--hotloop-green); }
.hotloop.hotloop details { margin: .3em 0; }
.hotloop.hotloop summary { cursor: pointer; color: var(--hotloop-soft); }
"""


class Html(str):
    """A text that is HTML already. What it is joined to or formatted into is plain text again, and will be escaped."""

    __slots__ = ()


@dataclass(frozen=True)
class Cell:
    """A cell of a table with attributes, such as a value to sort by: ``Cell("1.2 ms", {"data-value": 1.2e-3})``."""

    content: Any
    attributes: Mapping[str, Any] = field(default_factory=dict)


def text(content: Any) -> Html:
    r"""Return text as HTML. Control characters become visible, as `printable` shows them; line ends stay.

    >>> text("a < b"), text(Html("<b>a</b>"))
    ('a &lt; b', '<b>a</b>')
    """
    if isinstance(content, Html):
        return content
    return Html(html.escape("\n".join(map(printable, str(content).split("\n")))))


def joined(*contents: Any) -> Html:
    """Return contents one after another, escaped unless they are `Html`."""
    return Html("".join(map(text, contents)))


def element(tag: str, *contents: Any, **attributes: Any) -> Html:
    """Return an element. Of its attributes, None and False are left out, and True has no value.

    A trailing underscore of a name is dropped, and others become hyphens.

    >>> element("td", "a < b", class_="wide", data_value=1, hidden=None)
    '<td class="wide" data-value="1">a &lt; b</td>'
    """
    names = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
    return _element(tag, names, contents)


def _element(tag: str, attributes: Mapping[str, Any], contents: Iterable[Any]) -> Html:
    given = "".join(
        f" {name}" if value is True else f' {name}="{text(str(value))}"'
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(f"<{tag}{given}>" if tag in VOID else f"<{tag}{given}>{joined(*contents)}</{tag}>")


def table(
    heads: Sequence[Any],
    rows: Iterable[Sequence[Any]],
    *,
    caption: str = "",
    left: Collection[str] = (),
    wrapped: Collection[str] = (),
    marked: Mapping[int, str] | None = None,
) -> Html:
    """Return a table, which scrolls sideways where it is too wide. The first cell of a row is its head.

    Parameters
    ----------
    heads : sequence
        Texts, or `Html`.
    rows : iterable of sequences
        A cell for each head: a text, `Html` or a `Cell`.
    caption : str, optional
    left : collection of str
        The heads of the columns that are aligned to the left; the others are numbers.
    wrapped : collection of str
        Those whose long texts are broken into lines; they are aligned to the left.
    marked : mapping of int to str, optional
        Rows that stand out, by their place, each with the word that says why, such as "best".
    """
    classes = [
        "hotloop-left hotloop-wrap" if head in wrapped else "hotloop-left" if head in left else None for head in heads
    ]
    lines = []
    for place, row in enumerate(rows):
        why = (marked or {}).get(place)
        cells = []
        for column, (content, kind) in enumerate(zip(row, classes, strict=True)):
            cell = content if isinstance(content, Cell) else Cell(content)
            given = {"class": kind, **({"scope": "row"} if column == 0 else {}), **cell.attributes}
            badge = element("span", why, class_="hotloop-badge") if why and column == 0 else ""
            cells.append(_element("th" if column == 0 else "td", given, (badge, cell.content)))
        lines.append(element("tr", *cells, class_=why and "hotloop-marked"))
    head = element(
        "tr", *(element("th", each, scope="col", class_=kind) for each, kind in zip(heads, classes, strict=True))
    )
    parts = [element("caption", caption)] if caption else []
    whole = element("table", *parts, element("thead", head), element("tbody", *lines))
    return element("div", whole, class_="hotloop-scroll")


def bar(share: float) -> Html:
    """Return a horizontal bar for a share from 0 to 1, to be put beside its number. Screen readers leave it out."""
    width = f"width: {100 * min(max(share, 0.0), 1.0):.1f}%"
    return element("span", element("span", style=width), class_="hotloop-bar", aria_hidden="true")


def definitions(pairs: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Html:
    """Return a list of names and what belongs to them."""
    found = pairs.items() if isinstance(pairs, Mapping) else pairs
    return element("dl", *(joined(element("dt", name), element("dd", value)) for name, value in found))


def title(*contents: Any) -> Html:
    """Return the title of a representation: not a heading, which a notebook would list in its contents."""
    return element("div", *contents, class_="hotloop-title")


def note(*contents: Any) -> Html:
    """Return a short paragraph."""
    return element("p", *contents, class_="hotloop-note")


def finding(*contents: Any, well: bool = False) -> Html:
    """Return what was found, with a red line beside it, or a green one if all is well."""
    return element("div", *contents, class_="hotloop-finding hotloop-well" if well else "hotloop-finding")


def details(summary: Any, *contents: Any, shown: bool = False) -> Html:
    """Return contents that the reader unfolds by a click on their summary."""
    return element("details", element("summary", summary), *contents, open=shown)


def representation(*contents: Any) -> Html:
    """Return what an object's ``_repr_html_`` returns: the contents, with the style that they need."""
    return element("div", element("style", Html(STYLE)), *contents, class_="hotloop")
