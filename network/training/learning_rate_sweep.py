"""The losses of a sweep of learning rates, and the rates that fastai's rules suggest from them.

Source: Smith (2017), the learning rate range test; the rules are those of fastai 2.8.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.html.curves import Curve, curves
from hotloop.network.html.elements import note, representation, table
from hotloop.network.training.callbacks import Callback, FitProgress
from hotloop.network.validation.printable import counted

SMOOTHING = 0.98
TOO_HIGH = 4  # times the best smoothed loss, or as far above one below 0: the sweep ends
LAST_LEFT_OUT = 5
WINDOW, SAME_SLOPE = 15, 0.005  # of `slide`
MEANINGS = {
    "steep": "the loss falls fastest",
    "minimum": "a tenth of the rate with the least loss",
    "valley": "half way down the longest descent",
    "slide": "before the slope changes, seen from the end",
}  # of the suggestions
RULES = tuple(MEANINGS)


@dataclass(frozen=True, repr=False, eq=False)
class LearningRateSweep:
    """What `Network.find_learning_rate` returns: the loss of each step of a sweep, and four suggestions.

    The suggestions are computed from the smoothed losses, without the first tenth of the steps asked for and the last
    five, and without all from the first NaN on. One is NaN where the curve has too few points for it, or where it would
    be below the first rate of the sweep.

    Attributes
    ----------
    rates, losses : array (n,)
        Learning rate and loss of each step. If the training diverged, the losses from there on are NaN.
    smoothed : array (n,)
        The exponential mean of the losses, s(i) = m(i) / (1 - 0.98^i), m(i) = 0.98 m(i-1) + 0.02 loss(i), i from 1.
    steps : int
        How many were asked for.
    suggestions : dict of str to float
        "steep", "minimum", "valley" and "slide", which are attributes too.
    usable : bool
        Whether the loss fell, over enough steps, so that these mean something.
    remark : str
        What is wrong, or at what rate the loss diverged; "" for nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop import Network
    >>> x = np.linspace(0, 1, 64).reshape(-1, 1)
    >>> found = Network([1, 8, 1], "tanh", seed=0).find_learning_rate(x, np.sin(9 * x))
    >>> 0 < found.valley < 10
    True
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
    def counted(self) -> int:
        """How many steps count, from the first: all but the last five."""
        return max(len(self.losses) - LAST_LEFT_OUT, 0)

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
        rate = float(rates[np.argmin(losses)]) / 10 if len(rates) else math.nan
        return rate if rate >= self.rates[0] else math.nan

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

    @property
    def suggestions(self) -> dict[str, float]:
        """The rates by rule."""
        return {rule: getattr(self, rule) for rule in RULES}

    @property
    def usable(self) -> bool:
        """Whether the loss fell, over enough steps."""
        losses = self._curve()[1]
        return len(losses) > 0 and int(np.argmin(losses)) > 0

    @property
    def remark(self) -> str:
        """What is wrong with the sweep, or where it diverged."""
        lost = self.rates[np.isnan(self.losses)].tolist()
        found = [f"the loss diverged at learning rate {rate:.3g}" for rate in lost[:1]]
        if not len(self._curve()[0]):
            if len(self.losses) == self.steps and not found:
                return f"{self.steps} steps are too few for a suggestion: give more"
            return f"{(found or ['the loss rose'])[0]}, too early for a suggestion: start lower"
        if not self.usable:
            return f"{', and '.join([*found, 'never fell'] if found else ['the loss never fell'])}: start lower"
        found += ["start lower for minimum"] * math.isnan(self.minimum)
        found += ["too few steps for slide"] * math.isnan(self.slide)
        return ", ".join(found)

    def plot(self) -> Any:
        """Draw the losses and the suggestions, with `hotloop.plots.plot_learning_rates`; return its Axes."""
        from hotloop.network.plots.learning_rates import plot_learning_rates  # which few sweeps need

        return plot_learning_rates(self)

    def __str__(self) -> str:
        """Return the suggestions, and the remark."""
        found = ", ".join(f"{rule} {rate:.3g}" for rule, rate in self.suggestions.items())
        remark = f"; {self.remark}" if self.remark else ""
        return f"{len(self.rates)} steps, learning rate {self.rates[0]:.3g} to {self.rates[-1]:.3g}: {found}{remark}"

    def __repr__(self) -> str:
        """Return what `print` shows, not the arrays."""
        return f"<LearningRateSweep of {self}>"

    def _repr_html_(self) -> str:
        """Return the smoothed losses and the suggestions for notebooks."""
        rows = [[rule, f"{rate:.3g}", MEANINGS[rule]] for rule, rate in self.suggestions.items()]
        n = self.counted
        best = (self.valley, f"valley, {self.valley:.2g}") if math.isfinite(self.valley) else None
        said = f"{counted(len(self.rates), 'step')}, learning rate {self.rates[0]:.3g} to {self.rates[-1]:.3g}"
        return representation(
            curves([Curve("smoothed loss", self.rates[:n], self.smoothed[:n])], "learning rate", log_x=True, mark=best),
            table(["suggestion", "learning rate", "where"], rows, left=["suggestion"], wrapped=["where"]),
            note("; ".join(filter(None, [said, self.remark]))),
        )

    def _curve(self) -> tuple[Array, Array]:
        """Return the rates and smoothed losses that count: none if there is but one."""
        smoothed, stop = self.smoothed, self.counted
        bad = np.flatnonzero(np.isnan(smoothed[:stop]))
        start, stop = self.steps // 10, int(bad[0]) if bad.size else stop
        used = slice(start, stop if stop - start > 1 else start)
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
    """Records the loss of each step, and ends the fit.

    It ends after `steps` steps, or if the smoothed loss is more than 4 times its best.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._mean, self._best = 0.0, math.inf
        self.interrupted = False
        self.rates: list[float] = []
        self.losses: list[float] = []

    def on_step(self, fit: FitProgress) -> None:
        """Record the step."""
        self.rates.append(fit.learning_rate)
        self.losses.append(fit.batch_loss)
        count, loss = len(self.losses), self.losses[-1]
        self._mean -= (self._mean - loss) * (1 - SMOOTHING)
        smoothed = self._mean / (1 - SMOOTHING**count)
        self._best = min(self._best, smoothed)
        if count == self._steps or smoothed > self._best + (TOO_HIGH - 1) * abs(self._best):
            fit.stop("sweep ended")

    def on_fit_end(self, fit: FitProgress) -> None:
        """Note a Ctrl-C, after which `fit` returns."""
        self.interrupted = fit.history.interrupted
