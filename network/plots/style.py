"""The style of all pictures: colours, line styles, markers and sizes, and the figures that they are drawn in.

matplotlib's global state is left as it is. The style holds within `styled`, and only for what the user has left at
matplotlib's defaults: their own ``rcParams`` and style sheets go first. What is drawn into Axes of theirs takes the
colour of its text from them.

Figures are about `WIDTH` wide, so that text of 10 points is still read at half a page (3.3 inches, 7 points) or in a
column of 400 pixels (11 pixels).
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from typing import Any

# Okabe and Ito (2008), distinct to colour-blind readers. Yellow is last: on white a line of it is hardly seen.
BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442",
)  # fmt: skip
PALETTE = (BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW)
GREY = "#808080"  # to be read on white and on black: what is not data, such as a limit or a mark
MARKERS = "os^Dvph"  # beside the colours, as are the line styles
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 1)))
WIDTH, HEIGHT = 4.8, 3.4  # inches, of a picture with one pair of axes
SMALL = 9  # points: the least size of a text
STYLE = {
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "legend.title_fontsize": SMALL,
    "legend.edgecolor": "none",
    "legend.handlelength": 2.6,  # so that line styles show
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "savefig.dpi": 150,
}


@contextmanager
def explained() -> Iterator[None]:
    """Say what to do if matplotlib is not installed."""
    try:
        yield
    except ImportError as error:
        raise ImportError("pictures need matplotlib: python -m pip install 'hotloop[plot]'") from error


@contextmanager
def styled(**options: Any) -> Iterator[None]:
    """Apply `STYLE` where the user has changed nothing, and other options of matplotlib; raise as `pyplot` does.

    A notebook's backend, which matplotlib loads with the first figure, makes it interactive: that stays, for otherwise
    no later picture would appear.
    """
    with explained():
        import matplotlib
    now, default = matplotlib.rcParams, matplotlib.rcParamsDefault
    untouched = {name: value for name, value in STYLE.items() if now[name] == default[name]}
    interactive = matplotlib.is_interactive()
    try:
        with matplotlib.rc_context(untouched | options):
            try:
                yield
            finally:
                interactive = matplotlib.is_interactive()
    finally:
        matplotlib.interactive(interactive)


def pyplot() -> Any:
    """Return the module ``matplotlib.pyplot``; raise an ImportError that says what to do if there is none."""
    with explained():
        from matplotlib import pyplot
    return pyplot


def figure(width: float = WIDTH, height: float = HEIGHT) -> Any:
    """Return an empty figure that belongs to no window; raise as `pyplot` does."""
    with explained():
        from matplotlib.figure import Figure
    return Figure(figsize=(width, height), layout="constrained")


def new_axes(width: float = WIDTH, height: float = HEIGHT) -> Any:
    """Return the Axes of a new figure, which pyplot shows."""
    return pyplot().subplots(figsize=(width, height), layout="constrained")[1]


def series(n: int) -> list[tuple[str, str, Any]]:
    """Return colour, marker and line style of `n` series. Beyond the palette, colours meet other markers and lines."""
    rounds = [(PALETTE[i % 7], MARKERS[(i + i // 7) % 7], LINES[(i + i // 7) % 7]) for i in range(min(n, 49))]
    return list(islice(cycle(rounds), n))


def whole_decades(axes: Any) -> None:
    """Let a logarithmic vertical axis begin and end at powers of ten, so that it has two labels at least."""
    low, high = axes.dataLim.intervaly
    if axes.dataLim.minposy > 0 and math.isfinite(high) and high > 0:
        low = max(low, axes.dataLim.minposy)
        bottom, top = math.floor(math.log10(low) + 0.02), math.ceil(math.log10(high) - 0.02)
        axes.set_ylim(10.0**bottom * 0.9, 10.0 ** max(top, bottom + 1) * 1.1)
