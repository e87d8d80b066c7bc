"""The losses of a sweep of learning rates, and the rates that fastai's rules suggest from them.

Source: Smith (2017), the learning rate range test; the rules are those of fastai 2.8.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.training.callbacks import Callback, FitProgress

SMOOTHING = 0.98
TOO_HIGH = 4  # times the best smoothed loss, or as far above one below 0: the sweep ends
LAST_LEFT_OUT = 5
WINDOW, SAME_SLOPE = 15, 0.005  # of `slide`
RULES = ("steep", "minimum", "valley", "slide")


@dataclass(frozen=True)
class LearningRateSweep:
    """What `Network.find_learning_rate` returns: the loss of each step of a sweep, and four suggestions.

    The suggestions are computed from the smoothed losses, without the first tenth of the steps asked for and the last
    five, and without all from the first NaN on. One is NaN where the curve has too few points for it.

    Attributes
    ----------
    rates, losses : array (n,)
        Learning rate and loss of each step. If the training diverged, the losses from there on are NaN.
    smoothed : array (n,)
        The exponential mean of the losses, s(i) = m(i) / (1 - 0.98^i), m(i) = 0.98 m(i-1) + 0.02 loss(i), i from 1.
    steps : int
        How many were asked for.

    Examples
    --------
    >>> net.find_learning_rate(X, y).valley  # doctest: +SKIP
    0.0209
    """

    rates: Array
    losses: Array
    steps: int

    @property
    def smoothed(self) -> Array:
        """The exponential mean of the losses."""
        smoothed, mean = np.empty(len(self.losses)), 0.0
        for index, loss in enumerate(self.losses.tolist()):
            mean = mean - (mean - loss) * (1 - SMOOTHING)
            smoothed[index] = mean / (1 - SMOOTHING ** (index + 1))
        return smoothed

    @property
    def steep(self) -> float:
        """The rate at which the loss falls fastest: where d loss / d ln rate is least."""
        rates, losses = self._curve()
        if len(rates) < 2:
            return math.nan
        return float(rates[np.argmin(np.diff(losses) / np.diff(np.log(rates)))])

    @property
    def minimum(self) -> float:
        """A tenth of the rate with the least loss."""
        rates, losses = self._curve()
        return float(rates[np.argmin(losses)]) / 10 if len(rates) else math.nan

    @property
    def valley(self) -> float:
        """The rate half way down: at about half of the longest falling sequence of losses, which may have gaps."""
        rates, losses = self._curve()
        if not len(rates):
            return math.nan
        start, end = longest_descent(losses)
        third = (end - start) / 3
        return float(rates[start + int(third) + int(third / 2)])

    @property
    def slide(self) -> float:
        """Where a window of 15 steps stops that moves left from the end while the slopes at its ends differ."""
        rates, losses = self._curve()
        if len(rates) <= WINDOW:
            return math.nan
        slopes = np.gradient(losses)
        right = len(rates) - 1
        left = found = right - WINDOW
        while left >= 0 and abs(slopes[right] - slopes[left]) > SAME_SLOPE:
            found, left, right = left, left - 1, right - 1
        return float(rates[found])

    def plot(self) -> Any:
        """Return a matplotlib figure of the smoothed losses over the learning rates, with the suggestions.

        Raises
        ------
        ImportError
            If matplotlib is not installed, with what to do.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError("pictures need matplotlib: python -m pip install 'hotloop[plot]'") from error
        drawn = Figure(figsize=(7, 4.5), layout="constrained")
        axes = drawn.subplots()
        end = max(len(self.rates) - LAST_LEFT_OUT, 1)
        axes.plot(self.rates, self.losses, color="0.8", linewidth=1, label="loss of each step")
        rates, smoothed = self.rates[:end], self.smoothed[:end]
        axes.plot(rates, smoothed, color="black", label="smoothed")
        for rule, marker, colour in zip(RULES, "osD^", ("#E69F00", "#56B4E9", "#D55E00", "#009E73"), strict=True):
            rate = getattr(self, rule)
            if math.isfinite(rate):
                height = np.interp(math.log(rate), np.log(rates), smoothed)
                axes.plot(rate, height, marker, color=colour, markersize=8, label=f"{rule} {rate:.2g}")
        shown = smoothed[np.isfinite(smoothed)]
        if shown.size and shown.max() > shown.min():
            margin = (shown.max() - shown.min()) / 8
            axes.set_ylim(shown.min() - margin, shown.max() + margin)
        axes.set(xscale="log", xlabel="learning rate", ylabel="loss")
        axes.legend()
        return drawn

    def __str__(self) -> str:
        """Return the suggestions."""
        found = ", ".join(f"{rule} {getattr(self, rule):.3g}" for rule in RULES)
        return f"{len(self.rates)} steps, learning rate {self.rates[0]:.3g} to {self.rates[-1]:.3g}: {found}"

    def _curve(self) -> tuple[Array, Array]:
        """Return the rates and smoothed losses that count."""
        smoothed = self.smoothed
        stop = max(len(smoothed) - LAST_LEFT_OUT, 0)
        bad = np.flatnonzero(np.isnan(smoothed[:stop]))
        used = slice(self.steps // 10, bad[0] if bad.size else stop)
        return self.rates[used], smoothed[used]


def longest_descent(losses: Array) -> tuple[int, int]:
    """Return where the longest falling subsequence begins, counted back from its end by its length, and its end.

    The length is that at which it became the longest, as in fastai: the rule compares it at each point before `end`.
    """
    lengths, start, end = [1] * len(losses), 0, 0
    values = losses.tolist()
    for i, value in enumerate(values):
        for j in range(i):
            if value < values[j] and lengths[i] <= lengths[j]:
                lengths[i] = lengths[j] + 1
            if lengths[end] < lengths[i]:
                start, end = i - lengths[i], i
    return start, end


class Sweep(Callback):
    """Records the loss of each step, each its own compiled call, and ends the fit.

    It ends after `steps` steps, or if the smoothed loss is more than 4 times its best.
    """

    def __init__(self, steps: int, batch_size: int) -> None:
        self._steps, self._batch_size = steps, batch_size
        self._mean, self._best = 0.0, math.inf
        self.rates: list[float] = []
        self.losses: list[float] = []

    def limit(self, fit: FitProgress, rows: int) -> int:
        """Return the rows to the end of the batch."""
        return self._batch_size - fit.rows_done % self._batch_size

    def on_call_end(self, fit: FitProgress) -> None:
        """Record the batch."""
        self.rates.append(fit.learning_rate)
        self.losses.append(fit.batch_loss)
        count, loss = len(self.losses), self.losses[-1]
        self._mean -= (self._mean - loss) * (1 - SMOOTHING)
        smoothed = self._mean / (1 - SMOOTHING**count)
        self._best = min(self._best, smoothed)
        if count == self._steps or smoothed > self._best + (TOO_HIGH - 1) * abs(self._best):
            fit.stop("sweep ended")
