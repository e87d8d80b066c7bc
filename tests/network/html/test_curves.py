"""Curves as SVG: where the lines and ticks go, and what they are called."""

import math
import re

import pytest
from html_reader import HOSTILE, parsed

from hotloop.network.html.curves import BOTTOM, LEFT, MOST_POINTS, RIGHT, TOP, Axis, Curve, curves

MIDDLE = (LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2


def points(svg):
    """Return the points of each curve of a picture, its gaps left out."""
    paths = [path.attributes for path in svg.all("path") if path.attributes.get("stroke-width") == "2"]
    return [[tuple(map(float, pair)) for pair in re.findall(r"[ML]([\d.]+) ([\d.]+)", path["d"])] for path in paths]


def texts(svg):
    return [text.text.strip() for text in svg.all("text")]


def test_curves_fill_the_frame_and_are_told_apart_without_colours():
    lines = [Curve("training", [1, 2, 3], [3.0, 2.0, 1.0]), Curve("validation", [1, 2, 3], [3.0, 1.0, 2.0], 1)]
    svg = parsed(curves(lines, "epoch", title="loss")).one("svg")
    assert points(svg) == [
        [(LEFT, TOP), MIDDLE, (RIGHT, BOTTOM)],
        [(LEFT, TOP), (MIDDLE[0], BOTTOM), (RIGHT, MIDDLE[1])],
    ]
    assert len({path.attributes.get("stroke-dasharray") for path in svg.all("path")}) == 2
    assert texts(svg)[-3:] == ["loss", "━ training  ╍ validation", "epoch"]
    assert svg.attributes["aria-label"] == "loss by epoch, 1 to 3: training 3 to 1; validation 3 to 2"


def test_curves_of_one_name_share_their_key():
    lines = [Curve("loss", [1, 2], [1.0, 2.0]), Curve("loss", [1, 2, 3], [1.0, 2.0, 3.0]), Curve("loss", [], [])]
    svg = parsed(curves(lines, "epoch"))
    assert points(svg)[0] == [(LEFT, BOTTOM), MIDDLE]
    assert texts(svg)[-2] == "━ loss"


def test_a_wide_range_has_a_logarithmic_axis():
    svg = parsed(curves([Curve("loss", [1e-3, 1e-2, 1e-1], [100.0, 10.0, 1.0])], "rate", log_x=True))
    assert points(svg)[0][1] == MIDDLE
    assert "log scale" in svg.text
    assert texts(svg)[:6] == ["1", "10", "100", "0.001", "0.01", "0.1"]
    assert "log scale" not in curves([Curve("loss", [1, 2, 3], [100.0, 10.0, -1.0])], "epoch")


@pytest.mark.parametrize(
    ("low", "high", "log", "whole", "ticks"),
    [
        (1, 3, False, True, [1, 2, 3]),
        (1, 47, False, True, [10, 20, 30, 40]),
        (1, 2, False, True, [1, 2]),
        (1, 2, False, False, [1.0, 1.2, 1.4, 1.6, 1.8, 2.0]),
        (-0.3, 0.1, False, False, [-0.3, -0.2, -0.1, 0.0, 0.1]),
        (2, 2, False, False, [2]),
        (2, 8, True, False, [2, 8]),
        (0.05, 20, True, False, [0.1, 1, 10]),
        (1e-7, 1e7, True, False, [1e-7, 1e-4, 1e-1, 1e2, 1e5]),
    ],
)
def test_ticks_are_round_and_few(low, high, log, whole, ticks):
    assert Axis(low, high, 0, 1, log).ticks(whole) == pytest.approx(ticks)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, -1])
def test_ends_that_are_not_finite_are_named(value, place):
    """A validation loss that diverged is the last of a history."""
    losses = [3.0, 2.0, 1.0]
    losses[place] = value
    said = parsed(curves([Curve("loss", [1, 2, 3], losses)], "epoch")).one("svg").attributes["aria-label"]
    assert f"{value:.3g}" in said.partition("loss")[2]


def test_gaps_and_equal_values():
    made = curves([Curve("loss", [1, 2, 3, 4], [2.0, math.nan, math.inf, 2.0])], "epoch")
    (gap,) = points(parsed(made))
    assert gap == [(LEFT, MIDDLE[1]), (RIGHT, MIDDLE[1])]
    (path,) = [path for path in parsed(made).all("path") if "stroke-width" in path.attributes]
    assert path.attributes["d"].count("M") == 2


@pytest.mark.parametrize("values", [[], [1.0], [math.nan, math.nan]])
def test_nothing_is_drawn_of_nothing(values):
    assert curves([Curve("loss", range(len(values)), values)], "epoch") == ""


def test_a_long_curve_is_thinned_and_keeps_its_ends():
    (drawn,) = points(parsed(curves([Curve("loss", range(10_000), range(10_000))], "epoch")))
    assert (len(drawn), drawn[0], drawn[-1]) == (MOST_POINTS, (LEFT, BOTTOM), (RIGHT, TOP))


def test_names_are_escaped():
    tree = parsed(curves([Curve(HOSTILE, [1, 2], [1.0, 2.0])], HOSTILE, mark=(1, HOSTILE), title=HOSTILE))
    assert tree.all("img") == []
    assert tree.text.count(HOSTILE) == 4
    assert tree.one("svg").attributes["aria-label"].count(HOSTILE) == 3
