"""How large the gradient is in each layer."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.plots.labels import legend
from hotloop.network.plots.style import new_axes, series, styled, whole_decades
from hotloop.network.validation.printable import shown

QUANTITIES = {
    "delta": "dC/dz, root mean square",
    "dW": "dC/dW, root mean square",
}  # what may be drawn, and how the picture says it


def plot_gradient_flow(net: Any, X: Any, y: Any, *, of: str = "delta", axes: Any = None) -> Any:
    """Draw the root mean square of each layer's gradient, for one batch, on a logarithmic axis.

    Where it falls by orders of magnitude from the last layer to the first, gradients vanish, and the first layers learn
    little; where it grows, they explode. `Diagnosis.plot` and the page of `Profile.html` show it over a training run.

    Parameters
    ----------
    net : Network
    X, y : array-like (N, inputs), array-like (N,) or (N, outputs)
        The batch, as `Network.trace` takes it.
    of : {"delta", "dW"}, default "delta"
        dC/dz, of every row, or dC/dW.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If `net` is no Network.
    ValueError
        If `of` is neither, or X and y do not fit the network.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop import Network
    >>> from hotloop.plots import plot_gradient_flow
    >>> net = Network([4, *[8] * 6, 1], "sigmoid", seed=0)
    >>> axes = plot_gradient_flow(net, np.ones((2, 4)), [0.0, 1.0])
    >>> axes.get_ylabel()
    'dC/dz, root mean square'
    """
    if of not in QUANTITIES:
        raise ValueError(f"of must be one of {', '.join(QUANTITIES)}; got {shown(of)}")
    if not hasattr(net, "trace"):
        raise TypeError(f"the gradient's flow is that of a Network; got {shown(net)}")
    trace = net.trace(X, y)
    with styled():
        axes = new_axes() if axes is None else axes
        draw_gradient_flow(axes, {f"loss {trace.loss:.3g}": [_rms(getattr(layer, of)) for layer in trace]}, of)
    return axes


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def draw_gradient_flow(axes: Any, curves: Mapping[str, Sequence[float]], of: str) -> None:
    """Draw curves over the layers, by their labels: `of` says what they are. Zeros are marked at the bottom."""
    layers = np.arange(1, max(map(len, curves.values())) + 1)
    zeros = []
    for (label, sizes), (colour, marker, line) in zip(curves.items(), series(len(curves)), strict=True):
        values = np.asarray(sizes, np.float64)
        zeros += [(layer, colour) for layer, value in zip(layers, values, strict=False) if value == 0]
        drawn = np.where(values > 0, values, np.nan)
        axes.plot(layers[: len(values)], drawn, color=colour, marker=marker, linestyle=line, label=label)
    axes.set_yscale("log")
    whole_decades(axes)
    for number, (layer, colour) in enumerate(zeros):
        axes.plot(
            layer, 0.02, "x", color=colour, transform=axes.get_xaxis_transform(), markersize=7, clip_on=False,
            label=None if number else "zero",
        )  # fmt: skip
    axes.set_xlim(0.7, layers[-1] + 0.3)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if len(layers) <= 12:
        axes.set_xticks(layers)
    axes.set(xlabel="layer, from the input", ylabel=QUANTITIES[of], title="Gradient flow")
    legend(axes)
