"""What networks have for the learning rate, a line each to users: a sweep that finds one, and the one-cycle policy."""

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hotloop.network.training.composed_schedules import Piecewise
from hotloop.network.training.history import DivergenceError, History
from hotloop.network.training.learning_rate_sweep import LearningRateSweep, Sweep
from hotloop.network.training.optimizers import Optimizer, optimizer_of
from hotloop.network.training.schedules import Exponential, OneCycle
from hotloop.network.validation import arguments
from hotloop.network.validation.arguments import ScheduleFunction
from hotloop.network.validation.caller import warn
from hotloop.network.validation.printable import shown
from hotloop.network.validation.suggestions import explains_keywords

FEWEST_STEPS = 6  # of a sweep


class LearningRateMethods:
    """What a network inherits beside `fit`."""

    sizes: tuple[int, ...]
    dtype: "np.dtype[Any]"

    @explains_keywords(owner="Network")
    def find_learning_rate(
        self,
        X: Any,
        y: Any = None,
        *,
        start: float = 1e-7,
        end: float = 10.0,
        steps: int = 100,
        batch_size: int | None = None,
        optimizer: Optimizer | str | None = None,
        dropout_schedule: float | ScheduleFunction | None = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        positive_weight: Any = None,
        shuffle: bool = True,
        n_threads: int | str = "auto",
    ) -> LearningRateSweep:
        """Train a copy with rising learning rates, one a step, and suggest one. The network is not changed.

        alpha(i) = start (end / start)^(i / steps), i from 0. The sweep ends early where the smoothed loss is more than
        4 times its best, or not finite.

        Parameters
        ----------
        X, y
            As in `fit`: arrays, or an iterable of batches, which is read on, and from the beginning where it runs out.
        start, end : float, default 1e-7 and 10
            Learning rates, start below end.
        steps : int, default 100
            At least 6. Of about 20 or fewer, some suggestions are NaN.
        batch_size : int, optional
            As in `fit`, and in the training to come.
        optimizer : Optimizer or str, default SGD
            As in the training to come; its learning rate is not used. Its moments are the network's, if `fit` would
            keep them.
        dropout_schedule, sample_weight, class_weight, positive_weight, shuffle, n_threads
            As in `fit`.

        Returns
        -------
        LearningRateSweep
            With ``steep``, ``minimum``, ``valley`` and ``slide``, the losses, and ``plot()``.

        Raises
        ------
        TypeError, ValueError
            As `fit` does, and unless 0 < start < end.
        KeyboardInterrupt
            After Ctrl-C.

        Warns
        -----
        UserWarning
            If the loss never fell, or over too few steps, so that the suggestions are NaN or mean nothing.

        Examples
        --------
        >>> import numpy as np
        >>> from hotloop import Network
        >>> X = np.linspace(-1, 1, 200).reshape(-1, 1)
        >>> net = Network([1, 16, 1], activation="tanh", seed=0)
        >>> sweep = net.find_learning_rate(X, X**2)
        >>> 0.001 < sweep.valley < 10
        True
        """
        start, end = arguments.real_number("start", start, open=True), arguments.real_number("end", end, open=True)
        if not start < end:
            raise ValueError(f"start must be below end, got start={start:g} and end={end:g}")
        steps = arguments.whole_number("steps", steps, FEWEST_STEPS)
        # Of an iterable an epoch is all steps; another, which is not begun, ends the schedule.
        length = {"epochs": 2, "steps_per_epoch": steps} if y is None else {"epochs": steps + 1}
        rates = Piecewise([(steps, Exponential(start, end / start)), (1.0, end)])
        net: Any = copy.copy(self)
        sweep = Sweep(steps)
        given = replace(optimizer_of(optimizer, self.dtype, len(self.sizes) - 1), learning_rate=rates)
        try:
            net.fit(
                X, y, **length, batch_size=batch_size, optimizer=given, dropout_schedule=dropout_schedule,
                sample_weight=sample_weight, class_weight=class_weight, positive_weight=positive_weight,
                shuffle=shuffle, n_threads=n_threads, progress=False, callbacks=[sweep],
            )  # fmt: skip
        except DivergenceError:
            missing = range(len(sweep.losses), steps)
            sweep.losses += [math.nan] * len(missing)
            sweep.rates += [rates(i, steps + 1) for i in missing]
        if sweep.interrupted:
            raise KeyboardInterrupt
        found = LearningRateSweep(np.array(sweep.rates), np.array(sweep.losses), steps)
        if not found.usable:
            warn(f"find_learning_rate: {found.remark}", UserWarning)
        return found

    @explains_keywords(owner="Network")
    def fit_one_cycle(
        self,
        X: Any,
        y: Any = None,
        epochs: int = 10,
        max_learning_rate: float | None = None,
        *,
        optimizer: Optimizer | str = "adam",
        div: float = 25.0,
        div_final: float = 1e5,
        pct_start: float = 0.25,
        momentum: Sequence[float] = (0.95, 0.85, 0.95),
        **options: Any,
    ) -> History:
        """Train by the one-cycle policy: `fit` with a learning rate that rises and falls once, momentum against it.

        The learning rate goes from max_learning_rate / div to max_learning_rate and down to max_learning_rate /
        div_final; see `hotloop.schedules.OneCycle`. The defaults are fastai's.

        Parameters
        ----------
        X, y, epochs
            As in `fit`: arrays, or an iterable of batches and no y.
        max_learning_rate : float
            Required. A tenth of the rate at which training diverges, or what `find_learning_rate` suggests.
        optimizer : Optimizer or str, default "adam"
            Its learning rate is not used, nor its beta1, or momentum if it has some. SGD without momentum gets none.
        div, div_final : float, default 25 and 1e5
            Above 0.
        pct_start : float, default 0.25
            Fraction of the run until the peak, from 0 to below 1.
        momentum : (float, float, float), default (0.95, 0.85, 0.95)
            Of momentum, or beta1: at the start, at the peak, at the end.
        **options
            All other arguments of `fit`.

        Returns
        -------
        History

        Raises
        ------
        TypeError, ValueError, RuntimeError, DivergenceError
            As `fit` does.

        Examples
        --------
        >>> import numpy as np
        >>> from hotloop import Network
        >>> X = np.linspace(-1, 1, 200).reshape(-1, 1)
        >>> net = Network([1, 16, 1], activation="tanh", seed=0)
        >>> history = net.fit_one_cycle(X, X**2, epochs=4, max_learning_rate=0.01)
        >>> [round(rate, 5) for rate in history["learning_rate"]]  # of each epoch's last step
        [0.00952, 0.00812, 0.00317, 6e-05]
        """
        if max_learning_rate is None:
            raise TypeError("max_learning_rate is missing: net.find_learning_rate(X, y) suggests one")
        peak = arguments.real_number("max_learning_rate", max_learning_rate, open=True)
        div = arguments.real_number("div", div, open=True)
        div_final = arguments.real_number("div_final", div_final, open=True)
        if not isinstance(momentum, (tuple, list)) or len(momentum) != 3:
            raise TypeError(f"momentum must be three numbers, such as (0.95, 0.85, 0.95), got {shown(momentum)}")
        changed: dict[str, Any] = {"learning_rate": OneCycle(peak, peak / div, peak / div_final, pct_start)}
        given = optimizer_of(optimizer, self.dtype, len(self.sizes) - 1)
        for name in ("momentum", "beta1"):
            if getattr(given, name, 0) != 0:
                first, middle, last = (arguments.real_number("momentum", value, 0, 1) for value in momentum)
                changed[name] = OneCycle(middle, first, last, pct_start)
        trained: Any = self
        history: History = trained.fit(X, y, epochs=epochs, optimizer=replace(given, **changed), **options)
        return history
