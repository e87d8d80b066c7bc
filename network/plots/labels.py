"""Words in pictures: legends, and labels of points that keep clear of each other."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.plots.style import GREY, SMALL

LONGEST = 24  # characters of a name
STEPS = (-1, -0.5, 0, 0.5, 1)
DIRECTIONS = [way for way in itertools.product(STEPS, STEPS) if max(map(abs, way)) == 1]  # of a label from its point
DISTANCES = (4, 9, 15, 22, 30, 40)  # points between a point and its label
MARKER = 3  # points that a mark reaches from its middle
LEADER = 9  # beyond this, a line joins them


def ink(axes: Any) -> Any:
    """Return the colour of the text of given Axes."""
    return axes.xaxis.label.get_color()


def shortened(name: Any, most: int = LONGEST) -> str:
    """Return a name in one line of so many characters at most: its beginning and its end.

    >>> shortened("grade 4 of the second year", 16)
    'grade 4 of…year'
    """
    text = " ".join(str(name).split())
    if len(text) > most:
        end = most // 3
        text = f"{text[: most - 1 - end].rstrip()}…{text[-end:].lstrip()}"
    return text.replace("$", r"\$")


def brief(number: float) -> str:
    """Return a count in four characters.

    >>> [brief(n) for n in (7, 9999, 12_345, 123_456, 2_000_000)]
    ['7', '9999', '12k', '123k', '2.0M']
    """
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= 9999.5 and number >= size:
            return f"{number / size:.1f}{unit}" if number < 9.95 * size else f"{number / size:.0f}{unit}"
    return f"{number:.0f}"


def ranges(numbers: Iterable[int]) -> str:
    """Return numbers in a short form.

    >>> ranges([3, 1, 2, 7, 8, 5])
    '1-3, 5, 7, 8'
    """
    parts: list[list[int]] = []
    for number in sorted({*numbers}):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(f"{part[0]}-{part[-1]}" if len(part) > 2 else ", ".join(map(str, part)) for part in parts)


def contrasting(colour: Any) -> str:
    """Return black or white, whichever is easier to read on a colour (R, G, B, ...) of 0 to 1 (WCAG 2.2, luminance)."""
    rgb = np.asarray(colour[:3], np.float64)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return "black" if linear @ (0.2126, 0.7152, 0.0722) > 0.179 else "white"


def legend(axes: Any, **options: Any) -> Any:
    """Draw a legend in the colours of given Axes."""
    options = {"framealpha": 0.85, "facecolor": axes.get_facecolor(), "labelcolor": ink(axes), **options}
    found = axes.legend(**options)
    found.get_title().set_color(ink(axes))
    return found


def legend_below(axes: Any, *, grow: bool = False, **options: Any) -> Any:
    """Draw a legend below given Axes, in as many columns as fit; `grow` gives the figure the height that it takes.

    Names that come from data are given with their `handles` as `labels`: matplotlib leaves a label out that is empty
    or begins with an underscore.
    """
    names = options.get("labels") or axes.get_legend_handles_labels()[1]
    width = 1.15 * axes.get_window_extent().width * 72 / axes.figure.dpi
    columns = int(min(len(names), 5, max(1, width // (0.5 * SMALL * (7 + max(map(len, names)))))))
    rows = -(-len(names) // columns) + ("title" in options)
    if grow:
        axes.figure.set_figheight(axes.figure.get_figheight() + 0.19 * rows)
    below = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "borderaxespad": 4.0, "columnspacing": 1.2}
    return legend(axes, **{**below, "ncols": columns, "framealpha": 0, **options})


def label_points(axes: Any, labels: Sequence[tuple[Any, ...]], avoid: Array, **options: Any) -> None:
    """Write a text near each point (x, y, text), clear of the others and of the points `avoid` (N, 2), if it can be.

    A point may have a dict of options of its text, too, which go before `options`.
    The figure must have its layout, and the Axes their limits. A label that is moved away has a line to its point.
    """
    scale = axes.figure.dpi / 72
    window = axes.get_window_extent()
    points = axes.transData.transform(np.reshape(avoid, (-1, 2)))
    reach = MARKER * scale
    taken: list[tuple[float, float, float, float]] = []
    marks = axes.transData.transform(np.array([label[:2] for label in labels], np.float64).reshape(-1, 2))
    for number, (x, y, text, *own) in enumerate(labels):
        style = {"color": ink(axes), "fontsize": SMALL, "ha": "center", "va": "center", **options, **dict(*own)}
        measured = axes.text(x, y, text, **style)
        extent = measured.get_window_extent()
        measured.remove()
        half = np.array([extent.width / 2 + 1.5 * scale, extent.height / 2 + 0.5 * scale])
        here = marks[number]
        tries = []
        for distance, direction in itertools.product(DISTANCES, DIRECTIONS):
            away = np.multiply(direction, half + distance * scale)
            low, high = here + away - half, here + away + half
            covers = 4.0 * sum(overlap(box, (*low, *high)) for box in taken)
            covers += np.count_nonzero(((points > low - reach) & (points < high + reach)).all(axis=1))
            covers += 8 * bool((low < window.min).any() or (high > window.max).any())
            gaps = np.hypot(*np.maximum(np.maximum(low - marks, marks - high), 0).T)
            covers += 0.9 * bool((gaps < gaps[number] - scale).any())  # it would seem to be another's
            if distance > LEADER:  # the line must not cross another text
                along = here + np.linspace(0.1, 0.9, 9)[:, None] * away
                covers += sum(
                    ((along > box[:2]) & (along < box[2:])).all(axis=1).any() for box in np.array(taken).reshape(-1, 4)
                )
            tries.append((covers, distance, tuple(away / scale), (*low, *high)))
        _, distance, offset, box = min(tries)
        taken.append(box)
        if distance > LEADER:
            points = np.concatenate([points, here + np.linspace(0, 0.9, 9)[:, None] * np.multiply(offset, scale)])
        line = {"arrowstyle": "-", "linewidth": 0.5, "color": GREY, "shrinkA": 0, "shrinkB": 2}
        note = axes.annotate(
            text, (x, y), offset, textcoords="offset points", annotation_clip=False,
            arrowprops=line if distance > LEADER else None, **style,
        )  # fmt: skip
        note.set_in_layout(False)


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Return whether two boxes (left, bottom, right, top) overlap."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
