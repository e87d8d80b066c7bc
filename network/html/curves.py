"""Curves as inline SVG, drawn without matplotlib: small enough for the representation of an object."""

import math
from collections.abc import Callable, Mapping, Sequence

from hotloop.kernels.jit import Array
from hotloop.network.html.elements import Html, element

WIDTH, HEIGHT = 460, 160
LEFT, RIGHT, TOP, BOTTOM = 52, WIDTH - 10, 26, HEIGHT - 24  # of the area that the curves fill
MOST_POINTS = 200  # of a curve: more would be narrower than a pixel
# Colour, dashes and sign of each curve: told apart without colours, too, and seen on white and on black.
PENS = (("#0072b2", None, "━"), ("#d55e00", "6 3", "╍"), ("#009e73", "2 2", "┅"))
DECADES = 1.5  # from this range on, positive values have a logarithmic axis


def curves(
    x: Sequence[float] | Array,
    lines: Mapping[str, Sequence[float] | Array],
    x_name: str,
    *,
    log_x: bool = False,
    mark: tuple[float, str] | None = None,
) -> Html:
    """Return curves over a common x, with their legend; nothing if there are fewer than two points.

    Parameters
    ----------
    x : sequence of float (n,)
        Increasing; above 0 if `log_x`.
    lines : mapping of str to sequence of float (n,)
        At most three. What is not finite is a gap.
    x_name : str
        What x is, below the axis.
    log_x : bool, default False
        Whether the axis of x is logarithmic.
    mark : (float, str), optional
        An x with a vertical line, and what it is.
    """
    points = min(len(x), MOST_POINTS)
    places = [round(place * (len(x) - 1) / max(points - 1, 1)) for place in range(points)]
    drawn = {name: [float(values[i]) for i in places] for name, values in lines.items()}
    finite = [value for values in drawn.values() for value in values if math.isfinite(value)]
    if len(x) < 2 or not finite:
        return Html("")
    low, high = min(finite), max(finite)
    log_y = low > 0 and math.log10(high / low) > DECADES
    across, up = _scale(x[0], x[-1], LEFT, RIGHT, log_x), _scale(low, high, BOTTOM, TOP, log_y)
    frame = element("path", d=f"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}", stroke="currentColor", opacity=0.35, fill="none")
    shapes, keys = [frame], []
    for (name, values), (colour, dashes, sign) in zip(drawn.items(), PENS, strict=False):
        path = _path([across(x[i]) for i in places], [up(value) for value in values])
        pen = {"stroke": colour, "stroke_width": 2, "stroke_linejoin": "round", "stroke_dasharray": dashes}
        shapes.append(element("path", d=path, fill="none", **pen))
        keys += [element("tspan", f" {sign} ", fill=colour), f"{name} "]
    if mark is not None:
        place, name = across(mark[0]), mark[1]
        line = f"M{place:.1f} {TOP}V{BOTTOM}"
        shapes.append(element("path", d=line, stroke="currentColor", opacity=0.7, stroke_dasharray="1 3", fill="none"))
        keys.append(f" ┊ {name} ")
    said = "; ".join(f"{name} {_number(values[0])} to {_number(values[-1])}" for name, values in drawn.items())
    return element(
        "svg", *shapes,
        _text(RIGHT, 14, "end", *keys, "· log scale" if log_y else ""),
        _text(LEFT - 6, TOP + 9, "end", _number(high)), _text(LEFT - 6, BOTTOM, "end", _number(low)),
        _text(LEFT, HEIGHT - 6, "start", _number(x[0])), _text((LEFT + RIGHT) / 2, HEIGHT - 6, "middle", x_name),
        _text(RIGHT, HEIGHT - 6, "end", _number(x[-1])),
        viewBox=f"0 0 {WIDTH} {HEIGHT}", width=WIDTH, style="max-width: 100%; height: auto", role="img",
        aria_label=f"curves by {x_name}, from {_number(x[0])} to {_number(x[-1])}: {said}",
    )  # fmt: skip


def _scale(low: float, high: float, start: float, end: float, log: bool) -> Callable[[float], float]:
    """Return the place on an axis of a value, NaN if it has none; the middle if all values are equal."""

    def place(value: float) -> float:
        if not math.isfinite(value):
            return math.nan
        first, last, value = (math.log(each) for each in (low, high, value)) if log else (low, high, value)
        return start + (end - start) * ((value - first) / (last - first) if last > first else 0.5)

    return place


def _path(across: Sequence[float], up: Sequence[float]) -> str:
    """Return the path of a curve, which begins anew behind each gap."""
    parts, begun = [], False
    for left, height in zip(across, up, strict=True):
        if math.isfinite(height):
            parts.append(f"{'L' if begun else 'M'}{left:.1f} {height:.1f}")
        begun = math.isfinite(height)
    return "".join(parts)


def _text(x: float, y: float, anchor: str, *contents: str) -> Html:
    return element("text", *contents, x=x, y=y, text_anchor=anchor, font_size=11, fill="currentColor")


def _number(value: float) -> str:
    return f"{value:.3g}"
