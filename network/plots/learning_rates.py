"""A sweep of learning rates, with the rates that its rules suggest."""

import math
from typing import Any

import numpy as np

from hotloop.network.plots.labels import ink, legend_below
from hotloop.network.plots.style import GREY, MARKERS, PALETTE, new_axes, styled


def plot_learning_rates(sweep: Any, *, axes: Any = None) -> Any:
    """Draw the losses of a sweep over the learning rates, with the suggestions.

    Parameters
    ----------
    sweep : LearningRateSweep
        What `Network.find_learning_rate` returned.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop import Network
    >>> from hotloop.plots import plot_learning_rates
    >>> x = np.linspace(-1, 1, 200).reshape(-1, 1)
    >>> sweep = Network([1, 8, 1], seed=0).find_learning_rate(x, x**2)
    >>> plot_learning_rates(sweep).get_xscale()
    'log'
    """
    with styled():
        own, axes = axes is None, new_axes() if axes is None else axes
        count = max(sweep.counted, 1)
        axes.plot(sweep.rates, sweep.losses, color=GREY, alpha=0.5, linewidth=1, label="loss of each step")
        rates, smoothed = sweep.rates[:count], sweep.smoothed[:count]
        axes.plot(rates, smoothed, color=ink(axes), label="smoothed")
        marks = zip(sweep.suggestions.items(), MARKERS, PALETTE, (11, 9.5, 8, 6), strict=False)
        for (rule, rate), marker, colour, size in marks:  # smaller and smaller: some lie on each other
            if math.isfinite(rate):
                height = np.interp(math.log(rate), np.log(rates), smoothed)
                axes.plot(rate, height, marker, color=colour, markersize=size, label=f"{rule} {rate:.2g}")
        drawn = smoothed[np.isfinite(smoothed)]
        if drawn.size and drawn.max() > drawn.min():
            margin = (drawn.max() - drawn.min()) / 8
            axes.set_ylim(drawn.min() - margin, drawn.max() + margin)
        axes.set(xscale="log", xlabel="learning rate", ylabel="loss")
        legend_below(axes, grow=own)
    return axes
