"""Curves as SVG: where the lines go, and what they are called."""

import math
import re

import pytest
from html_reader import HOSTILE, parsed

from hotloop.network.html.curves import BOTTOM, LEFT, MOST_POINTS, RIGHT, TOP, curves


def points(svg):
    """Return the points of each curve of a picture, its gaps left out."""
    paths = [path.attributes for path in svg.all("path") if path.attributes.get("stroke-width") == "2"]
    return [[tuple(map(float, pair)) for pair in re.findall(r"[ML]([\d.]+) ([\d.]+)", path["d"])] for path in paths]


def test_curves_fill_the_frame_and_are_told_apart_without_colours():
    tree = parsed(curves([1, 2, 3], {"training loss": [3.0, 2.0, 1.0], "validation loss": [3.0, 1.0, 2.0]}, "epoch"))
    svg = tree.one("svg")
    middle = (LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2
    assert points(svg) == [
        [(LEFT, TOP), middle, (RIGHT, BOTTOM)],
        [(LEFT, TOP), (middle[0], BOTTOM), (RIGHT, middle[1])],
    ]
    assert len({path.attributes.get("stroke-dasharray") for path in svg.all("path")}) == 2
    assert [text.text.strip() for text in svg.all("text")] == [
        "━ training loss  ╍ validation loss", "3", "1", "1", "epoch", "3",
    ]  # fmt: skip
    assert svg.attributes["aria-label"] == (
        "curves by epoch, from 1 to 3: training loss 3 to 1; validation loss 3 to 2"
    )


def test_a_wide_range_has_a_logarithmic_axis():
    tree = parsed(curves([1e-3, 1e-2, 1e-1], {"loss": [100.0, 10.0, 1.0]}, "rate", log_x=True))
    assert points(tree)[0][1] == ((LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2)
    assert "log scale" in tree.text
    negative = parsed(curves([1, 2, 3], {"loss": [100.0, 10.0, -1.0]}, "epoch"))
    assert "log scale" not in negative.text


def test_gaps_and_equal_values():
    (gap,) = points(parsed(curves([1, 2, 3, 4], {"loss": [2.0, math.nan, math.inf, 2.0]}, "epoch")))
    assert gap == [(LEFT, (TOP + BOTTOM) / 2), (RIGHT, (TOP + BOTTOM) / 2)]
    made = curves([1, 2, 3, 4], {"loss": [2.0, math.nan, math.inf, 2.0]}, "epoch")
    assert made.count("M") == 3  # the frame, and the curve twice


@pytest.mark.parametrize("values", [[], [1.0], [math.nan, math.nan]])
def test_nothing_is_drawn_of_nothing(values):
    assert curves(range(len(values)), {"loss": values}, "epoch") == ""


def test_a_long_curve_is_thinned_and_keeps_its_ends():
    (drawn,) = points(parsed(curves(range(10_000), {"loss": range(10_000)}, "epoch")))
    assert (len(drawn), drawn[0], drawn[-1]) == (MOST_POINTS, (LEFT, BOTTOM), (RIGHT, TOP))


def test_names_are_escaped():
    tree = parsed(curves([1, 2], {HOSTILE: [1.0, 2.0]}, HOSTILE, mark=(1, HOSTILE)))
    assert tree.all("img") == []
    assert tree.text.count(HOSTILE) == 3
    assert HOSTILE in tree.one("svg").attributes["aria-label"]
