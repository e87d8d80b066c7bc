"""A page that needs only a browser: it loads nothing, suits light and dark, and can be used with a keyboard."""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from hotloop import __version__
from hotloop.network.html import elements
from hotloop.network.html.elements import Html, element, joined


@dataclass(frozen=True)
class Section:
    """A part of a page, under a heading.

    Attributes
    ----------
    name : str
        Its id: lower-case letters and hyphens.
    title : str
    content : Html
    """

    name: str
    title: str
    content: Html


def page(title: str, lead: Any, sections: Iterable[Section]) -> str:
    """Return a page.

    Parameters
    ----------
    title : str
    lead : str or Html
        What the reader sees first, under the title.
    sections : iterable of Section
    """
    found = list(sections)
    script = _file("page.js")
    head = joined(
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_policy(script)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("link", rel="icon", href="data:,"),
        element("title", title),
        element("style", Html(elements.STYLE + _file("page.css"))),
    )
    links = (element("li", element("a", each.title, href=f"#{each.name}")) for each in found)
    body = joined(
        element("a", "Skip to the content", href="#content", class_="skip"),
        element("header", element("h1", title), lead),
        element("nav", element("ul", *links), aria_label="On this page"),
        element("main", *map(_section, found), id="content", tabindex="-1"),
        element("footer", element("p", f"Made by hotloop {__version__}. This file loads nothing from anywhere.")),
        element("p", role="status", class_="unseen"),
        element("script", Html(script)),
    )
    html = element("html", element("head", head), element("body", body, class_="hotloop"), lang="en")
    return f"<!DOCTYPE html>\n{html}\n"


def region(label: str, *contents: Any) -> Html:
    """Return contents that may be wider than the page: they scroll in a region of their own, also by keyboard."""
    return element("div", *contents, class_="region", role="region", tabindex="0", aria_label=label)


def sortable(head: str, direction: str | None = None) -> Html:
    """Return the head of a column by which a table can be sorted.

    Parameters
    ----------
    head : str
    direction : {"ascending", "descending"}, optional
        How the table is sorted by this column already.
    """
    return element("button", head, type="button", data_sorted=direction)


def _section(section: Section) -> Html:
    heading = element("h2", section.title, id=f"{section.name}-title")
    return element("section", heading, section.content, id=section.name, aria_labelledby=f"{section.name}-title")


def _policy(script: str) -> str:
    """Return the policy that forbids whatever is not in the page, for the browser to keep."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _file(name: str) -> str:
    return (files("hotloop.network.html") / name).read_text(encoding="utf-8")
