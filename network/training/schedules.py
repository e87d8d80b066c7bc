"""Schedules: hyper-parameters that change during a fit.

A schedule is a function ``schedule(step, steps) -> value``: steps are counted from 0 within one fit, and `steps` is how
many the fit takes, its epochs times the batches of an epoch. Any such function may be passed wherever a schedule may.
Those of this module are frozen dataclasses, whose values are computed for many steps in one pass; they compare equal if
their fields do, and are saved with a network. Those made of others are in `composed_schedules`, durations are described
in `schedule_values`.
"""

import math

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.training.schedule_values import Duration, Schedule, in_steps, schedule
from hotloop.network.validation import arguments
from hotloop.network.validation.arguments import Fraction, NotNegative, NotNegativeOrNone, Positive


@schedule
class Constant(Schedule):
    """alpha(t) = value.

    Parameters
    ----------
    value : float
        0 or above.

    Examples
    --------
    >>> from hotloop.schedules import Constant
    >>> Constant(0.1)(0, 100), Constant(0.1)(99, 100)
    (0.1, 0.1)
    """

    value: NotNegative

    def values(self, step: Array, steps: int, steps_per_epoch: int | None) -> Array:
        """Return the values for each step in `step`, of `steps` in all and `steps_per_epoch` in an epoch."""
        return np.full(len(step), self.value)


@schedule
class StepDecay(Schedule):
    """alpha(t) = start * factor^floor(t / every).  PyTorch's StepLR.

    Parameters
    ----------
    start : float
        The first value, 0 or above.
    every : duration
        ``"10 epochs"``, a number of steps, or a fraction of the run.
    factor : float, default 0.1
        Above 0.

    Examples
    --------
    >>> from hotloop.schedules import StepDecay
    >>> rate = StepDecay(0.5, every="10 epochs", factor=0.5)
    >>> [rate(epoch * 100, 3000, steps_per_epoch=100) for epoch in (0, 9, 10, 20)]
    [0.5, 0.5, 0.25, 0.125]
    """

    start: NotNegative
    every: Duration
    factor: Positive = 0.1

    def values(self, step: Array, steps: int, steps_per_epoch: int | None) -> Array:
        """Return the values for each step in `step`, of `steps` in all and `steps_per_epoch` in an epoch."""
        return self.start * self.factor ** np.floor(step / in_steps(self.every, steps, steps_per_epoch))


@schedule
class Exponential(Schedule):
    """alpha(t) = start * factor^(t / every).  Keras's ExponentialDecay; PyTorch's ExponentialLR with a step as `every`.

    Parameters
    ----------
    start : float
        The first value, 0 or above.
    factor : float
        Above 0.
    every : duration, default 1.0
        How long it takes to be multiplied by `factor`: by default the whole run.

    Examples
    --------
    >>> from hotloop.schedules import Exponential
    >>> rate = Exponential(0.1, factor=0.01)  # a hundredth at the end of the run
    >>> [round(rate(step, 100), 4) for step in (0, 50, 99)]
    [0.1, 0.01, 0.001]
    """

    start: NotNegative
    factor: Positive
    every: Duration = 1.0

    def values(self, step: Array, steps: int, steps_per_epoch: int | None) -> Array:
        """Return the values for each step in `step`, of `steps` in all and `steps_per_epoch` in an epoch."""
        return self.start * self.factor ** (step / in_steps(self.every, steps, steps_per_epoch))


@schedule
class InverseScaling(Schedule):
    """alpha(t) = start / (1 + growth * floor(t / every))^power.

    scikit-learn's "invscaling" counts rows, and changes the rate after each epoch:
    ``InverseScaling(learning_rate_init, power_t, every="1 epoch", growth=len(X))``.

    Parameters
    ----------
    start : float
        The first value, 0 or above.
    power : float, default 0.5
        Above 0.
    every : duration, default 1
        A step.
    growth : float, default 1
        Above 0.

    Examples
    --------
    >>> from hotloop.schedules import InverseScaling
    >>> rate = InverseScaling(0.1)
    >>> [round(rate(step, 100), 4) for step in (0, 3, 99)]
    [0.1, 0.05, 0.01]
    """

    start: NotNegative
    power: Positive = 0.5
    every: Duration = 1
    growth: Positive = 1.0

    def values(self, step: Array, steps: int, steps_per_epoch: int | None) -> Array:
        """Return the values for each step in `step`, of `steps` in all and `steps_per_epoch` in an epoch."""
        count = np.floor(step / in_steps(self.every, steps, steps_per_epoch))
        return self.start / (1 + self.growth * count) ** self.power


@schedule
class Cosine(Schedule):
    """alpha(t) = end + (start - end) (1 + cos(pi t / T)) / 2.  T is the whole run; PyTorch's CosineAnnealingLR.

    For a part of the run use it in `Piecewise` or `LinearWarmup`.

    Parameters
    ----------
    start : float
        0 or above.
    end : float, default 0
        0 or above.

    Examples
    --------
    >>> from hotloop.schedules import Cosine
    >>> rate = Cosine(0.1)
    >>> [round(rate(step, 100), 4) for step in (0, 25, 50, 75, 99)]
    [0.1, 0.0854, 0.05, 0.0146, 0.0]
    """

    start: NotNegative
    end: NotNegative = 0.0

    def values(self, step: Array, steps: int, steps_per_epoch: int | None) -> Array:
        """Return the values for each step in `step`, of `steps` in all and `steps_per_epoch` in an epoch."""
        return cosine(self.start, self.end, step / steps)


@schedule
class CosineWarmRestarts(Schedule):
    """alpha(t) = minimum + (start - minimum) (1 + cos(pi t_cur / T_i)) / 2, t_cur steps after the last restart.

    T_(i+1) = T_i T_mult. PyTorch's CosineAnnealingWarmRestarts, called for each step with t in epochs. Source:
    Loshchilov and Hutter (2017), equation (5).

    Parameters
    ----------
    start : float
        0 or above.
    T_0 : duration
        Until the first restart: ``"10 epochs"``, a number of steps, or a fraction of the run.
    T_mult : int, default 1
        At least 1.
    minimum : float, default 0
        0 or above.

    Examples
    --------
    >>> from hotloop.schedules import CosineWarmRestarts
    >>> rate = CosineWarmRestarts(0.1, T_0=20, T_mult=2)
    >>> [round(rate(step, 100), 4) for step in (0, 10, 19, 20, 40, 60)]
    [0.1, 0.05, 0.0006, 0.1, 0.05, 0.1]
    """

    start: NotNegative
    T_0: Duration
    T_mult: int = 1
    minimum: NotNegative = 0.0

    def values(self, step: Array, steps: int, steps_per_epoch: int | None) -> Array:
        """Return the values for each step in `step`, of `steps` in all and `steps_per_epoch` in an epoch."""
        first = in_steps(self.T_0, steps, steps_per_epoch)
        if self.T_mult == 1:
            return cosine(self.start, self.minimum, np.fmod(step, first) / first)
        restarts, length = [0.0], first
        while restarts[-1] + length <= step.max(initial=0):
            restarts.append(restarts[-1] + length)
            length *= self.T_mult
        place = np.searchsorted(restarts, step, "right") - 1
        return cosine(self.start, self.minimum, (step - np.take(restarts, place)) / (first * self.T_mult**place))


@schedule
class OneCycle(Schedule):
    """A cosine from start to peak in the first `pct_start` of the run, and one from peak to end in the rest.

    Source: Smith and Topin (2018). With u = t / T, p = pct_start, c(a, b, v) = b + (a - b) (1 + cos(pi v)) / 2:
    alpha(t) = c(start, peak, u / p) for u < p, c(peak, end, (u - p) / (1 - p)) from there on.

    The defaults are fastai's `fit_one_cycle`; `OneCycle.pytorch` has those of PyTorch's OneCycleLR. Momentum, or beta1,
    goes the other way: ``OneCycle(0.85, start=0.95, end=0.95)``.

    Parameters
    ----------
    peak : float
        The highest learning rate, or the lowest momentum; 0 or above.
    start, end : float, default peak / 25 and peak / 100000
        0 or above.
    pct_start : float, default 0.25
        Fraction of the run until the peak, from 0 to below 1.
    inclusive : bool, default False
        Whether the last step has the value `end`, and the step before pct_start T the peak, as in PyTorch; by default
        both would come a step later.

    Examples
    --------
    >>> from hotloop.schedules import OneCycle
    >>> rate = OneCycle(0.1)
    >>> [round(rate(step, 100), 4) for step in (0, 12, 25, 60, 99)]
    [0.004, 0.049, 0.1, 0.0552, 0.0]
    """

    peak: NotNegative
    start: NotNegativeOrNone = None
    end: NotNegativeOrNone = None
    pct_start: Fraction = 0.25
    inclusive: bool = False

    def __post_init__(self) -> None:
        """Check every field, and fill in the defaults."""
        super().__post_init__()
        for name, default in (("start", self.peak / 25), ("end", self.peak / 1e5)):
            if getattr(self, name) is None:
                object.__setattr__(self, name, default)

    @classmethod
    def pytorch(
        cls, max_lr: float, pct_start: float = 0.3, div_factor: float = 25.0, final_div_factor: float = 1e4
    ) -> "OneCycle":
        """Return the learning rates of PyTorch's OneCycleLR with these arguments, from which the names are.

        Its momentum is ``OneCycle(0.85, 0.95, 0.95, pct_start=0.3, inclusive=True)``.

        Parameters
        ----------
        max_lr : float
            The peak, 0 or above.
        pct_start : float, default 0.3
            Fraction of the run until the peak, from 0 to below 1.
        div_factor, final_div_factor : float, default 25 and 10000
            Above 0: the first rate is max_lr / div_factor, the last is the first / final_div_factor.

        Returns
        -------
        OneCycle

        Examples
        --------
        >>> from hotloop.schedules import OneCycle
        >>> rate = OneCycle.pytorch(0.1)
        >>> [round(rate(step, 100), 4) for step in (0, 29, 99)]
        [0.004, 0.1, 0.0]
        """
        peak = arguments.real_number("max_lr", max_lr)
        start = peak / arguments.real_number("div_factor", div_factor, open=True)
        end = start / arguments.real_number("final_div_factor", final_div_factor, open=True)
        return cls(peak, start, end, pct_start, inclusive=True)

    def values(self, step: Array, steps: int, steps_per_epoch: int | None) -> Array:
        """Return the values for each step in `step`, of `steps` in all and `steps_per_epoch` in an epoch."""
        top, last = self.pct_start * steps - self.inclusive, steps - self.inclusive
        rising = step < top if top > 0 else step < 0
        return np.where(
            rising,
            cosine(self.start or 0.0, self.peak, step / (top if top > 0 else 1)),
            cosine(self.peak, self.end or 0.0, (step - top) / (last - top)),
        )


@schedule
class FlatCosine(Schedule):
    """alpha(t) = start for t < flat T, then a cosine to end: end + (start - end) (1 + cos(pi v)) / 2.

    v = (t / T - flat) / (1 - flat). The defaults are fastai's `fit_flat_cos`. RealMLP's dropout and decay:
    ``FlatCosine(1, end=0, flat=0.5)``.

    Parameters
    ----------
    start : float
        0 or above.
    end : float, default start / 100000
        0 or above.
    flat : float, default 0.75
        Fraction of the run, from 0 to below 1.

    Examples
    --------
    >>> from hotloop.schedules import FlatCosine
    >>> rate = FlatCosine(0.1)
    >>> [round(rate(step, 100), 4) for step in (0, 74, 87, 99)]
    [0.1, 0.1, 0.0531, 0.0004]
    """

    start: NotNegative
    end: NotNegativeOrNone = None
    flat: Fraction = 0.75

    def __post_init__(self) -> None:
        """Check every field, and fill in the default."""
        super().__post_init__()
        if self.end is None:
            object.__setattr__(self, "end", self.start / 1e5)

    def values(self, step: Array, steps: int, steps_per_epoch: int | None) -> Array:
        """Return the values for each step in `step`, of `steps` in all and `steps_per_epoch` in an epoch."""
        return cosine(self.start, self.end or 0.0, np.maximum(step / steps - self.flat, 0) / (1 - self.flat))


@schedule
class CosLog4(Schedule):
    """alpha(t) = peak (1 - cos(2 pi log2(1 + 15 t / T))) / 2: four cycles, each twice as long as the one before.

    Source: RealMLP, Holzmüller, Grinsztajn and Steinwart (2024), "coslog4".

    Parameters
    ----------
    peak : float
        0 or above.

    Examples
    --------
    >>> from hotloop.schedules import CosLog4
    >>> rate = CosLog4(0.1)
    >>> [round(rate(step, 150), 4) for step in (0, 3, 10, 20, 30)]
    [0.0, 0.0861, 0.0, 0.093, 0.0]
    """

    peak: NotNegative

    def values(self, step: Array, steps: int, steps_per_epoch: int | None) -> Array:
        """Return the values for each step in `step`, of `steps` in all and `steps_per_epoch` in an epoch."""
        return self.peak * (1 - np.cos(2 * math.pi * np.log2(1 + 15 * step / steps))) / 2


def cosine(start: float, end: float, place: Array) -> Array:
    """Return the half wave from start, at place 0, to end, at place 1, both to the bit."""
    wave = np.cos(math.pi * place)
    return (start * (1 + wave) + end * (1 - wave)) / 2
