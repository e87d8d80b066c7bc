"""Curves as inline SVG, drawn without matplotlib in about a millisecond, in the colours of the page around them."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hotloop.network.html.elements import Html, element

if TYPE_CHECKING:  # the command line needs no NumPy for its help
    from hotloop.kernels.jit import Array

WIDTH, HEIGHT = 460, 190
LEFT, RIGHT, TOP, BOTTOM = 52, WIDTH - 12, 26, HEIGHT - 36  # of the area that the curves fill
MOST_POINTS = 200  # of a curve: more would be narrower than a pixel
MOST_TICKS = 5
# Colour, dashes and sign of each curve, told apart without colours, too. The style of `elements` makes the colours
# lighter on a dark page; where a notebook drops styles, these are seen on white and on black.
PENS = (("#0072b2", None, "━"), ("#d55e00", "6 3", "╍"), ("#009e73", "2 2", "┅"))
DECADES = 1.5  # from this range on, positive values have a logarithmic axis


class Curve(NamedTuple):
    """Values over x, which increases; what is not finite is a gap.

    The pen is its place in `PENS`. Curves of one name have one pen, and one entry in the legend.
    """

    name: str
    x: "Sequence[float] | Array"
    y: "Sequence[float] | Array"
    pen: int = 0


class Axis(NamedTuple):
    """From the values on an axis to places in the picture."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    def place(self, value: float) -> float:
        """Return where a value is, NaN if nowhere; the middle if all values are equal."""
        if not math.isfinite(value) or (self.log and value <= 0):
            return math.nan
        scaled: Callable[[float], float] = math.log if self.log else float
        low, high = scaled(self.low), scaled(self.high)
        return self.start + (self.end - self.start) * ((scaled(value) - low) / (high - low) if high > low else 0.5)

    def ticks(self, whole: bool = False) -> list[float]:
        """Return round values on the axis, or its ends where there are fewer than two; `whole` numbers if asked for."""
        if self.high <= self.low:
            return [self.low]
        found = _decades(self.low, self.high) if self.log else _multiples(self.low, self.high, 1 if whole else 0)
        return found if len(found) > 1 else [self.low, self.high]


def curves(
    lines: Sequence[Curve], x_name: str, *, log_x: bool = False, mark: tuple[float, str] | None = None, title: str = ""
) -> Html:
    """Return curves with axes and legend; nothing if no curve has two points.

    Parameters
    ----------
    lines : sequence of Curve
    x_name : str
        What x is, below the axis.
    log_x : bool, default False
        Whether the axis of x is logarithmic; all x are then above 0.
    mark : (float, str), optional
        An x with a vertical line, and what it is.
    title : str, optional
    """
    lines = [Curve(name, *_thinned(x, y), pen) for name, x, y, pen in lines]
    heights = [value for line in lines for value in line.y if math.isfinite(value)]
    if not heights or max(len(line.x) for line in lines) < 2:
        return Html("")
    low, high = min(heights), max(heights)
    ends = [each for line in lines if len(line.x) for each in (line.x[0], line.x[-1])]
    across = Axis(min(ends), max(ends), LEFT, RIGHT, log_x)
    up = Axis(low, high, BOTTOM, TOP, low > 0 and math.log10(high / low) > DECADES)
    shapes = [*_grid(across, up, all(float(end).is_integer() for end in ends))]
    for line in lines:
        colour, dashes, _ = PENS[line.pen]
        path = _path([across.place(x) for x in line.x], [up.place(y) for y in line.y])
        stroke = {"stroke": colour, "stroke_width": 2, "stroke_linejoin": "round", "stroke_dasharray": dashes}
        shapes.append(element("path", d=path, fill="none", class_=f"hotloop-pen{line.pen}", **stroke))
    keys: list[Any] = []
    for name, pen in dict.fromkeys((line.name, line.pen) for line in lines):
        keys += [element("tspan", f" {PENS[pen][2]} ", fill=PENS[pen][0], class_=f"hotloop-pen{pen}"), f"{name} "]
    if mark is not None:
        place = f"M{across.place(mark[0]):.1f} {TOP}V{BOTTOM}"
        shapes.append(element("path", d=place, stroke="currentColor", opacity=0.7, stroke_dasharray="1 3", fill="none"))
        keys.append(f" ┊ {mark[1]} ")
    said = "; ".join(f"{line.name} {_number(line.y[0])} to {_number(line.y[-1])}" for line in lines if len(line.y))
    return element(
        "svg", *shapes,
        _text(LEFT, 14, "start", title), _text(RIGHT, 14, "end", *keys, "· log scale" if up.log else ""),
        _text((LEFT + RIGHT) / 2, HEIGHT - 5, "middle", x_name),
        viewBox=f"0 0 {WIDTH} {HEIGHT}", width=WIDTH, style="max-width: 100%; height: auto", role="img",
        aria_label=f"{title or 'curves'} by {x_name}, {_number(across.low)} to {_number(across.high)}: {said}",
    )  # fmt: skip


def _thinned(x: "Sequence[float] | Array", y: "Sequence[float] | Array") -> tuple[list[float], list[float]]:
    """Return at most `MOST_POINTS` of the points, evenly spread, the first and the last among them."""
    points = min(len(x), MOST_POINTS)
    places = [round(place * (len(x) - 1) / max(points - 1, 1)) for place in range(points)]
    return [float(x[place]) for place in places], [float(y[place]) for place in places]


def _grid(across: Axis, up: Axis, whole: bool) -> list[Html]:
    """Return the axes, with a faint line and a number for each tick."""
    found = [element("path", d=f"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}", stroke="currentColor", opacity=0.4, fill="none")]
    for value in up.ticks():
        height = up.place(value)
        found.append(element("path", d=f"M{LEFT} {height:.1f}H{RIGHT}", stroke="currentColor", opacity=0.12))
        found.append(_text(LEFT - 6, height + 4, "end", _number(value)))
    for value in across.ticks(whole):
        place = across.place(value)
        found.append(element("path", d=f"M{place:.1f} {BOTTOM}v4", stroke="currentColor", opacity=0.4))
        found.append(_text(place, BOTTOM + 15, "middle", _number(value)))
    return found


def _multiples(low: float, high: float, least: float) -> list[float]:
    """Return the multiples of 1, 2 or 5 times a power of ten, at least `least`, from low to high; only a few."""
    power = 10.0 ** math.floor(math.log10((high - low) / MOST_TICKS))
    step = next(step for times in (1, 2, 5, 10) if (high - low) / (step := times * power) <= MOST_TICKS)
    step = max(step, least)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Return the powers of ten from low to high, as many as there is room for."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    return [10.0**power for power in range(first, last + 1, max(1, math.ceil((last - first) / MOST_TICKS)))]


def _path(across: Sequence[float], up: Sequence[float]) -> str:
    """Return the path of a curve, which begins anew after each gap."""
    parts, begun = [], False
    for left, height in zip(across, up, strict=True):
        if math.isfinite(height):
            parts.append(f"{'L' if begun else 'M'}{left:.1f} {height:.1f}")
        begun = math.isfinite(height)
    return "".join(parts)


def _text(x: float, y: float, anchor: str, *contents: str) -> Html:
    return element("text", *contents, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, font_size=11, fill="currentColor")


def _number(value: float) -> str:
    return f"{value:.3g}" if not 1000 <= abs(value) < math.inf or value != round(value) else f"{value:.0f}"
