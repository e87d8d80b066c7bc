"""A figure of matplotlib as an element of a page: an SVG whose colours follow the reader's preference.

Black, white and the greys between become mixtures of the page's ink and paper. A colour of the data becomes two, one
for light paper and one for dark, each with enough contrast to be told from the paper.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hotloop.network.html.elements import Html, details, element

SVG = {"svg.fonttype": "none", "svg.hashsalt": "hotloop"}  # text as text, and the same names in each run
PAPERS = {"light": (255, 255, 255), "dark": (0x15, 0x18, 0x1C)}  # of page.css
CONTRAST = {"stroke": 3.0, "fill": 1.8}  # at least, with the paper; surfaces are also bounded by lines


@contextmanager
def matplotlib_defaults() -> Iterator[None]:
    """Set matplotlib's settings aside that the user has changed: a page has colours of its own."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SVG)
        yield


def picture(figure: Any, name: str, title: str, description: str, numbers: Any = None) -> Html:
    """Return a figure as an element.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Drawn within `matplotlib_defaults`, as this function is called.
    name : str
        What the ids of its parts begin with: unique on the page.
    title, description : str
        What it is, and what it shows: for those who do not see it. The description is also its caption.
    numbers : Html, optional
        The same as a table, which is folded under it.
    """
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    found = re.search(r'<svg[^>]*viewBox="([^"]*)"[^>]*>(.*)</svg>', file.getvalue(), re.S)
    assert found is not None  # it is how matplotlib writes
    box, drawing = found.groups()
    drawing = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", drawing, flags=re.S)
    drawing = re.sub(r";? ?font-family: [^;\"]*", "", drawing)  # the page's own
    drawing = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", drawing)
    drawing = re.sub(
        r"\b(fill|stroke): (#[0-9a-f]{6})\b", lambda part: f"{part[1]}: {themed(part[2], part[1])}", drawing
    )
    labels = f"{name}-title", f"{name}-desc"
    svg = element(
        "svg",
        element("title", title, id=labels[0]),
        element("desc", description, id=labels[1]),
        Html(drawing.strip()),
        role="img",
        aria_labelledby=" ".join(labels),
        viewBox=box,
    )
    below = [] if numbers is None else [details("The numbers", numbers)]
    return element("figure", svg, element("figcaption", element("p", description), *below))


def themed(colour: str, of: str) -> str:
    """Return a colour, "#rrggbb", as one of CSS that suits light paper and dark; `of` is "stroke" or "fill".

    >>> themed("#000000", "stroke"), themed("#cccccc", "stroke"), themed("#0072b2", "stroke")
    ('var(--ink)', 'color-mix(in srgb, var(--ink) 20%, var(--paper))', 'light-dark(#0072b2, #0072b2)')
    """
    rgb = tuple(bytes.fromhex(colour[1:]))
    if max(rgb) - min(rgb) <= 2:
        share = round(100 * (1 - sum(rgb) / 765))
        if share in (0, 100):
            return "var(--ink)" if share else "var(--paper)"
        return f"color-mix(in srgb, var(--ink) {share}%, var(--paper))"
    return "light-dark({}, {})".format(*(_told_from(paper, rgb, CONTRAST[of]) for paper in PAPERS.values()))


def _told_from(paper: tuple[int, ...], colour: tuple[int, ...], wanted: float) -> str:
    """Return the colour, mixed with black or white until it has the contrast with the paper."""
    end = 0 if luminance(paper) > 0.5 else 255
    mixed = colour
    for share in range(1, 100):
        if contrast(mixed, paper) >= wanted:
            break
        mixed = tuple(round(c + (end - c) * share / 100) for c in colour)
    return "#" + bytes(mixed).hex()


def luminance(colour: tuple[int, ...]) -> float:
    """Return the relative luminance of a colour of sRGB, 0 to 1, as WCAG 2 defines it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (part / 255 for part in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """Return the contrast ratio of two colours, 1 to 21, as WCAG 2 defines it."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
