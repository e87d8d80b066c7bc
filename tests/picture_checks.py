"""What is wrong with a picture: texts that overlap, are cut off, or cannot be read; axes without labels or ticks.

`problems` draws a figure of matplotlib and looks at the boxes of its texts and at the colours below them.
"""

import math

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, NullFormatter

HALF_A_PAGE = 3.3  # inches
SMALLEST = 6.0  # points, of a picture that is shown so wide
LEAST_CONTRAST = 3.0  # of a text with the pixels below it, but for a few of them (a line of the grid, of data)
TOUCH = 1.0  # pixels that boxes may overlap: they have room for letters that the text lacks
# Machado, Oliveira, Fernandes (2009), severity 1, on linear RGB.
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
)


def problems(figure, *, legible=True, one_value=()):
    """Return what is wrong, a line each.

    `legible`: texts must be so large that they can be read at half a page. `one_value`: axes ("x", "y") whose data have
    one value, so that one tick is enough.
    """
    if not hasattr(figure.canvas, "buffer_rgba"):
        FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # it stays as it is, and the next drawings are quick
    found = texts(figure)
    return [*cut_off(figure, found), *overlaps(found), *(small(figure, found) if legible else ()),
            *faint(figure, found), *bare(figure, one_value)]  # fmt: skip


def texts(figure):
    """Return all texts that are seen."""
    axes = [*figure.axes, *(child for each in figure.axes for child in each.child_axes)]
    hidden = {id(text) for each in axes for axis in (each.xaxis, each.yaxis) for text in unseen(each, axis)}
    shown = [text for text in figure.findobj(Text) if text.get_text().strip() and id(text) not in hidden]
    return [text for text in dict.fromkeys(shown) if all(part.get_visible() for part in (text, *parents(text)))]


def parents(artist):
    """Return the Axes of an artist, if they may be hidden."""
    return [artist.axes] if artist.axes is not None else []


def unseen(axes, axis):
    """Return the texts of an axis that are not drawn: all, or those of ticks outside the limits."""
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    if not (axes.axison and axis.get_visible()):
        return [axis.label, axis.offsetText, *(text for tick in ticks for text in (tick.label1, tick.label2))]
    drawn = {id(tick) for tick in axis._update_ticks()}
    return [text for tick in ticks if id(tick) not in drawn for text in (tick.label1, tick.label2)]


def corners(text):
    """Return the corners of a text, (4, 2) pixels, turned as it is."""
    around = Text.get_window_extent(text)  # of an annotation without its arrow
    turn = text.get_rotation()
    if turn % 90:
        text.set_rotation(0)
        flat = Text.get_window_extent(text)
        text.set_rotation(turn)
        width, height = flat.width, flat.height
    else:
        width, height, turn = around.width, around.height, 0
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    middle = np.array([around.x0 + around.x1, around.y0 + around.y1]) / 2
    half = np.array([max(width - TOUCH, 1), max(height - TOUCH, 1)]) / 2
    return middle + (half * [[-1, -1], [1, -1], [1, 1], [-1, 1]]) @ [[c, s], [-s, c]]


def meet(one, other):
    """Return whether two rectangles overlap: no side of either parts them."""
    for shape in (one, other):
        for side in np.diff(shape[[0, 1, 2]], axis=0):
            normal = np.array([-side[1], side[0]])
            a, b = one @ normal, other @ normal
            if a.max() <= b.min() or b.max() <= a.min():
                return False
    return True


def overlaps(found):
    """Name the texts that overlap."""
    boxes = np.array([corners(text) for text in found]).reshape(-1, 4, 2)
    low, high = boxes.min(axis=1), boxes.max(axis=1)
    near = ((low[:, None] < high) & (low < high[:, None])).all(axis=-1)
    return [
        f"{found[one].get_text()!r} overlaps {found[other].get_text()!r}"
        for one, other in np.argwhere(np.triu(near, 1))
        if meet(boxes[one], boxes[other])
    ]


def cut_off(figure, found):
    """Name the texts that are not within the figure."""
    low, high = figure.bbox.min, figure.bbox.max
    boxes = [(text.get_text(), corners(text)) for text in found]
    return [f"{name!r} is cut off" for name, box in boxes if (box < low).any() or (box > high).any()]


def small(figure, found):
    """Name the texts that cannot be read at half a page."""
    scale = min(1.0, HALF_A_PAGE / figure.get_figwidth())
    return [
        f"{text.get_text()!r} has {scale * text.get_fontsize():.1f} points at half a page"
        for text in found
        if scale * text.get_fontsize() < SMALLEST
    ]


def bare(figure, one_value=()):
    """Name the axes without a label (a title will do for the vertical one), and those with fewer than two ticks."""
    found = []
    for axes in [*figure.axes, *(child for each in figure.axes for child in each.child_axes)]:
        if not (axes.axison and axes.get_visible()):
            continue
        for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
            labels = [tick.label1.get_text() or tick.label2.get_text() for tick in axis._update_ticks()]
            on = [tick.label1.get_visible() or tick.label2.get_visible() for tick in axis._update_ticks()]
            labels = [label for label, seen in zip(labels, on, strict=True) if label and seen]
            formatter = axis.get_major_formatter()
            if not any(on) or isinstance(formatter, NullFormatter) or not labels:
                if axis.get_visible() and len(axis.get_majorticklocs()) and any(on):
                    found.append(f"the {name} axis of {axes.get_title()!r} has no labelled tick")
                continue
            if isinstance(formatter, FixedFormatter):
                continue  # names
            if len({*labels}) < (1 if name in one_value else 2):
                found.append(f"the {name} axis of {axes.get_title()!r} has the ticks {labels}")
            if not axis.label.get_text() and not (name == "y" and axes.get_title()):
                found.append(f"the {name} axis of {axes.get_title()!r} has no label")
    return found


def luminance(colours):
    """Return the relative luminance of colours (..., 3), 0 to 1 (WCAG 2.2)."""
    return linear(colours) @ (0.2126, 0.7152, 0.0722)


def linear(colours):
    """Return linear RGB."""
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


def faint(figure, found):
    """Name the texts that hardly differ from what is below them."""
    for text in found:
        text.set_visible(False)
    figure.canvas.draw()
    picture = np.asarray(figure.canvas.buffer_rgba())[::-1, :, :3] / 255.0  # from the bottom
    named = []
    for text in found:
        text.set_visible(True)
        (left, bottom), (right, top) = corners(text).min(axis=0), corners(text).max(axis=0)
        below = picture[max(0, int(bottom)) : int(top) + 1, max(0, int(left)) : int(right) + 1].reshape(-1, 3)
        if len(below):
            *own, alpha = to_rgba(text.get_color(), text.get_alpha())
            seen = luminance(alpha * np.array(own) + (1 - alpha) * below)
            light, dark = np.maximum(seen, luminance(below)), np.minimum(seen, luminance(below))
            contrast = np.quantile((light + 0.05) / (dark + 0.05), 0.15)
            if contrast < LEAST_CONTRAST:
                named.append(f"{text.get_text()!r} has a contrast of {contrast:.1f}")
    return named


def apart(one, other):
    """Return how far two colours are apart for a reader without green cones, in CIELAB (CIE 1976): 10 is clear."""
    return float(np.linalg.norm(np.subtract(*(lab(DEUTERANOPIA @ linear(np.array(to_rgb(c)))) for c in (one, other)))))


def lab(rgb):
    """Return CIELAB of linear RGB, under D65."""
    xyz = np.clip(rgb, 0, 1) @ np.array([
        [0.4124564, 0.2126729, 0.0193339], [0.3575761, 0.7151522, 0.119192], [0.1804375, 0.072175, 0.9503041],
    ]) / (0.95047, 1.0, 1.08883)  # fmt: skip
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def points_below(figure, found=None):
    """Name the texts that cover a marker of a line or of a scatter, in a figure that `problems` has drawn."""
    named = []
    for text in texts(figure) if found is None else found:
        if text.axes is None:
            continue
        low, high = corners(text).min(axis=0), corners(text).max(axis=0)
        markers = [
            text.axes.transData.transform(line.get_xydata())
            for line in text.axes.lines
            if line.get_marker() not in ("None", "", None)
        ]
        markers += [text.axes.transData.transform(each.get_offsets()) for each in text.axes.collections]
        points = np.concatenate([np.zeros((0, 2)), *(np.reshape(each, (-1, 2)) for each in markers)])
        if ((points > low) & (points < high)).all(axis=1).any():
            named.append(f"{text.get_text()!r} covers a point")
    return named
