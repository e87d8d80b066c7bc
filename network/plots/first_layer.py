"""The weights of a first layer as images."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.plots.labels import ink
from hotloop.network.plots.style import SMALL, WIDTH, new_axes, styled
from hotloop.network.validation import arguments
from hotloop.network.validation.printable import shown

GAP = 0.3  # of an image's height, for the number of its unit


def plot_first_layer(net: Any, *, shape: Sequence[int] | None = None, units: int = 16, axes: Any = None) -> Any:
    """Draw the weights that lead into each unit of the first layer as an image, the most important units first.

    A unit's importance is the product of two norms, of the weights into it and of those out of it: times the size of
    the input, it bounds what the unit adds to the next layer, where ``|f(z)| <= |z|``. Without a next layer it is the
    norm of the weights into it.

    Parameters
    ----------
    net : Network, or a fitted estimator with ``coefs_``
    shape : (int, int), optional
        Height and width of an input, in this order, rows of pixels one after the other; by default a square.
    units : int, default 16
        How many to draw, at most.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        One image of all, with a bar of its colours: blue below 0, red above, as strong for both.

    Raises
    ------
    TypeError
        If `net` has no weights.
    ValueError
        If the inputs do not fill the shape, or are no square.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.plots import plot_first_layer
    >>> net = Network([64, 32, 10], loss="cross_entropy", seed=0)
    >>> axes = plot_first_layer(net, shape=(8, 8), units=9)
    >>> axes.get_title()
    '9 of 32 units of the first layer, by importance'
    """
    weights = _weights(net)
    height, width = _shape(shape, len(weights[0]))
    units = arguments.whole_number("units", units, 1)
    importance = np.linalg.norm(weights[0], axis=0)
    if len(weights) > 1:
        importance = importance * np.linalg.norm(weights[1], axis=1)
    order = np.argsort(-importance, kind="stable")[:units]
    across = math.ceil(math.sqrt(len(order) * height / width))
    down = math.ceil(len(order) / across)
    gap = max(1, math.ceil(GAP * max(height, 0.7 * width)))
    tall, wide = height + gap, width + max(1, width // 8)
    picture = np.full((down * tall, across * wide), np.nan)
    with styled():
        if axes is None:
            axes = new_axes(WIDTH, 0.8 + (WIDTH - 0.9) * min(1.6, picture.shape[0] / picture.shape[1]))
        for place, unit in enumerate(order):
            top, left = place // across * tall + gap, place % across * wide
            picture[top : top + height, left : left + width] = weights[0][:, unit].reshape(height, width)
            axes.text(left + width / 2 - 0.5, top - 0.5 - gap * 0.1, str(unit), ha="center", va="bottom",
                      color=ink(axes), fontsize=SMALL)  # fmt: skip
        largest = float(np.abs(picture[np.isfinite(picture)]).max(initial=0.0)) or 1.0
        image = axes.imshow(picture, cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest")
        axes.figure.colorbar(image, ax=axes, label="weight", shrink=0.8)
        axes.set_axis_off()
        many = weights[0].shape[1]
        axes.set_title(f"{len(order)} of {many} units of the first layer, by importance")
    return axes


def _weights(net: Any) -> list[Array]:
    """Return the weights of the layers, each (fan_in, fan_out)."""
    found = getattr(net, "weights", None) if hasattr(net, "sizes") else getattr(net, "coefs_", None)
    if found is None:
        raise TypeError(f"wanted a Network or a fitted estimator with coefs_, got {shown(net)}")
    return [np.asarray(each, np.float64) for each in found]


def _shape(shape: Sequence[int] | None, inputs: int) -> tuple[int, int]:
    """Return height and width of an input's image."""
    if shape is None:
        side = math.isqrt(inputs)
        if side * side != inputs:
            raise ValueError(f"{inputs} inputs make no square: give their shape=(height, width)")
        return side, side
    if not isinstance(shape, Sequence) or len(shape) != 2:
        raise ValueError(f"shape must be (height, width), got {shown(shape)}")
    height, width = (arguments.whole_number("shape", side, 1) for side in shape)
    if height * width != inputs:
        raise ValueError(f"shape {(height, width)} has {height * width} pixels; the network has {inputs} inputs")
    return height, width
