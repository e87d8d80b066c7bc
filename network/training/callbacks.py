"""Who watches a fit: callbacks, which are handed to `fit`, and observers, which a thread has open, as a profile is.

The loop in `fit.py` knows only the types of this file.
"""

import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from operator import index
from typing import Any, NoReturn

from hotloop.kernels.jit import Array
from hotloop.kernels.records import Training
from hotloop.network.losses import Loss
from hotloop.network.training.elsewhere import Elsewhere, NotHere
from hotloop.network.training.history import History, Record
from hotloop.network.training.loop_arguments import LoopArguments
from hotloop.network.validation import arguments
from hotloop.network.validation.printable import shown

MOMENTS = ("on_fit_begin", "on_epoch_begin", "on_call_begin", "on_call_end", "on_step", "on_epoch_end", "on_fit_end")


class FitProgress:
    """Where a fit stands: what each method of a `Callback` is handed.

    Attributes
    ----------
    network : Network
        May be read, copied and saved, and its parameters written. It cannot be fitted in the middle of a fit.
    epochs : int
        How many were asked for.
    epoch : int
        The present one, from 1; 0 before the first.
    rows, rows_done : int
        Samples in an epoch, and those of the present one that have been trained. Of data that come in parts, `rows` is
        None in the first epoch.
    rows_left : int
        Samples that are left of the epoch, or of the present one of its parts.
    step : int
        Steps of this fit so far.
    batch_loss : float
        Of the batch that the last compiled call ended with, penalties included; NaN before the first.
    history : History
        Of this fit, with a record for each finished epoch.
    stop_reason : str or None
        Why the fit is about to stop; None as long as it goes on.
    epoch_start : float
        When the epoch began, in seconds of `time.perf_counter`.
    callbacks : sequence of Callback
        All that follow the fit, in the order in which they are called.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.callbacks import FitProgress, LambdaCallback
    >>> def show(fit: FitProgress) -> None:
    ...     print(fit.epoch, "of", fit.epochs, "with", fit.rows, "rows")
    ...     fit.stop("seen enough")
    >>> net = Network([1, 1], seed=0)
    >>> net.fit([[0.0], [1.0]], [1.0, 0.0], epochs=5, callbacks=[LambdaCallback(on_epoch_end=show)]).stop_reason
    1 of 5 with 2 rows
    'seen enough'
    """

    # The loop sets some in each call, and another name is an error: a callback may have misspelt it.
    __slots__ = (
        "_data", "_learning_rate_factor", "callbacks", "epoch", "epoch_start", "epochs", "history", "network", "rows",
        "rows_done", "rows_left", "step", "stop_reason",
    )  # fmt: skip
    stop_training: Any = NotHere('call fit.stop("the reason")')
    should_stop: Any = NotHere('call fit.stop("the reason")')
    model: Any = NotHere("use fit.network")
    optimizer: Any = NotHere("use fit.network.optimizer")
    lr: Any = NotHere("read fit.learning_rate, and set fit.learning_rate_factor, which multiplies it")
    logs: Any = NotHere("use fit.record")
    metrics: Any = NotHere("use fit.record")

    def __init__(self, network: Any, epochs: int, data: LoopArguments) -> None:
        self.network, self.epochs, self._data = network, epochs, data
        self.rows: int | None = data.rows
        self.epoch = self.rows_done = self.step = 0
        self.rows_left = data.rows
        self.history = History()
        self.stop_reason: str | None = None
        self.epoch_start = 0.0
        self._learning_rate_factor = 1.0
        self.callbacks: Sequence[Callback] = ()

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        """Refuse to be copied or pickled, with the training data and the addresses of compiled loops."""
        raise TypeError("where a fit stands cannot be copied or pickled: take fit.network, fit.history or fit.record")

    @property
    def learning_rate(self) -> float:
        """Of the last step that was taken; before the first step that of the first."""
        return float(self._data.last_step["learning_rate"])

    @learning_rate.setter
    def learning_rate(self, value: float) -> NoReturn:
        raise AttributeError("fit.learning_rate cannot be set: set fit.learning_rate_factor, which multiplies it")

    @property
    def learning_rate_factor(self) -> float:
        """What the learning rates of all steps to come are multiplied by, 1 at first. May be set to 0 or above.

        It holds from the next compiled call on: set it in `on_epoch_end` or `on_epoch_begin`, for the same bits in
        every run.
        """
        return self._learning_rate_factor

    @learning_rate_factor.setter
    def learning_rate_factor(self, value: float) -> None:
        self._learning_rate_factor = arguments.real_number("learning_rate_factor", value)

    @property
    def batch_loss(self) -> float:
        """The loss of the last batch that was trained, or of as much of it as was; NaN before the first."""
        return float(self._data.progress["batch_loss"][0]) if self.step > 0 else math.nan

    @property
    def record(self) -> Record:
        """The record of the last finished epoch, empty before. Numbers that you add to it stay in the history."""
        return self.history.epochs[-1] if self.history.epochs else {}

    def stop(self, reason: str = "stopped") -> None:
        """Ask the fit to end; the first reason becomes `History.stop_reason`.

        Asked in `on_call_end` or `on_step`, it ends with this call, and an epoch that is not finished has no record.
        Asked in `on_epoch_end`, it ends with this epoch.
        """
        if not isinstance(reason, str) or not reason:
            raise TypeError(f"reason must be a text, got {reason!r}")
        self.stop_reason = self.stop_reason or reason


@dataclass(frozen=True)
class PlannedFit:
    """What is known of a fit before it begins.

    Parameters
    ----------
    loss : Loss
        Of the network.
    optimizer : Optimizer
    validates : bool
        Whether there is validation data.
    record : sequence of str
        The numbers that each epoch will have.
    may_have_more : bool
        Whether a callback before may add others to the record.
    may_come_late : bool
        Whether one after it may.
    """

    loss: Loss
    optimizer: Any
    validates: bool
    record: Sequence[str]
    may_have_more: bool
    may_come_late: bool


class Callback:
    """Watches a fit: subclass it, define the methods that you need, and pass an instance to `Network.fit`.

    Their argument `fit` is a `FitProgress`: where the fit stands, and how to end it.

    A compiled call trains for about 30 ms, or to the end of the epoch; one epoch may be many calls, or one. If any
    callback defines `on_step`, each call is one step.

    An error that a method raises ends the fit, and comes out of it; the network keeps its last finite parameters.
    `on_fit_end` is called however the fit ends, also after an error or Ctrl-C.

    At each moment hotloop's check for divergence is first, then come the callbacks in the order of the list, then those
    that other arguments of `fit` ask for: `max_seconds`, `tolerance`, `progress`, `checkpoint`.

    Examples
    --------
    >>> from hotloop import Callback, Network
    >>> class StopBelow(Callback):
    ...     def on_epoch_end(self, fit):
    ...         if fit.record["loss"] < 0.2:
    ...             fit.stop("low enough")
    >>> net = Network([2, 8, 1], seed=0)
    >>> net.fit([[0.0, 1.0], [1.0, 0.0]], [1.0, 0.0], epochs=500, callbacks=[StopBelow()]).stop_reason
    'low enough'
    """

    model: Any = Elsewhere("its methods are handed fit: use fit.network")
    trainer: Any = Elsewhere("its methods are handed fit: use fit, and fit.network")
    learn: Any = Elsewhere("its methods are handed fit: use fit, and fit.network")

    def on_fit_begin(self, fit: FitProgress) -> None:
        """Before anything is trained, or compiled."""

    def on_epoch_begin(self, fit: FitProgress) -> None:
        """Before the first step of an epoch."""

    def on_call_begin(self, fit: FitProgress) -> None:
        """Before a compiled call."""

    def rows_of_call(self, fit: FitProgress, rows: int) -> int:
        """Return how many of `rows` rows the next compiled call may train, at least 1; it ends with a micro-batch."""
        return rows

    def on_call_end(self, fit: FitProgress) -> None:
        """After a compiled call, with finite parameters if it was the last of its epoch."""

    def on_step(self, fit: FitProgress) -> None:
        """After each step, and after its `on_call_end`: slow, since each step is then a compiled call.

        That costs about 4 us, and what the method itself takes: steps of 64-32-10 in batches of 32 take twice as long.
        """

    def on_epoch_end(self, fit: FitProgress) -> None:
        """When the epoch has its record, validation included."""

    def on_fit_end(self, fit: FitProgress) -> None:
        """When the fit has ended; `fit.history` is what it returns."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed fit needs to go on the same: a dict of JSON values and NumPy arrays, {} for nothing."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned: called after `on_fit_begin` of a fit that is resumed.

        In the middle of an epoch it comes after `on_epoch_begin`, which a resumed fit repeats; or before `on_fit_end`,
        if Ctrl-C has ended the fit before.
        """

    # hotloop's own. Their names are long, for those of a user's methods not to meet them.

    def _check_before_fit(self, planned: PlannedFit) -> None:
        """Raise an error, before anything is changed, if the fit does not suit it."""

    def _for_networks(self, count: int) -> "Callback":
        """Return what is copied for each of several networks that are trained side by side."""
        return self

    def _at_end_of_call(self, fit: FitProgress) -> None:
        """After `on_call_end` and `on_step` of all callbacks."""

    def _compared_settings(self) -> dict[str, Any]:
        """Return, as JSON, what it was made with that a resumed fit must have in common with the one before."""
        return {}


def methods_of(callbacks: Iterable[Callback], moment: str) -> list[Callable[..., Any]]:
    """Return the methods for a moment, in order: of the callbacks that define one, so that the others cost nothing."""
    ours, found = getattr(Callback, moment), []
    for callback in callbacks:
        method = getattr(callback, moment)
        if getattr(method, "__func__", None) is not ours:
            found.append(method)
    return found


def rows_of(method: Callable[[FitProgress, int], Any], fit: FitProgress, rows: int) -> int:
    """Return how many of `rows` rows a callback's `rows_of_call` leaves for the next call."""
    found = method(fit, rows)
    try:
        wanted = index(found)
    except TypeError:
        wanted = 0
    if wanted < 1:
        kind = type(getattr(method, "__self__", method)).__name__
        raise ValueError(f"{kind}.rows_of_call must return a whole number of rows, at least 1, got {shown(found)}")
    return min(rows, wanted)


def call_all(methods: Iterable[Callable[[FitProgress], object]], fit: FitProgress) -> None:
    """Call all methods, also when one raises, and raise the first error."""
    errors: list[BaseException] = []
    for method in methods:
        try:
            method(fit)
        except BaseException as error:
            errors.append(error)
    if errors:
        raise errors[0]


# Observers: what a profile needs beside the moments of a callback. Not for users.


class CallObserver:
    """Watches calls of the compiled training loop."""

    def clocks(self, n_threads: int) -> Array | None:
        """Return the clocks for the next call, of `hotloop.kernels.clock`, or None for a loop without a clock."""

    def called(self, n_threads: int, start: float, row: int, rows: int) -> None:
        """Note a call that began at the second `start` and has just ended, after `rows` rows from `row` on.

        It is also noted when Ctrl-C ended it.
        """


class FitObserver(CallObserver, Callback):
    """Watches one fit; it is called before all callbacks."""

    def take_batch(self, run: Training) -> bool:
        """Train the next batch of this run of `train_slice`, or return False for the loop to go on."""
        return False


class Observer:
    """Watches all that networks do in one thread, while it is among those of `active`.

    Parameters
    ----------
    thread : int
        The identity of the thread.
    """

    def __init__(self, thread: int) -> None:
        self.thread = thread

    def span(self, name: str) -> AbstractContextManager[Any]:
        """Return a context around a part of the work."""
        return nullcontext()

    def forward(self, data: LoopArguments, n_threads: int) -> AbstractContextManager[Any]:
        """Return a context around the calls that compute outputs."""
        return nullcontext()

    def of_gradient(self, network: Any, data: LoopArguments) -> CallObserver:
        """Return what watches the calls that compute one gradient."""
        return CallObserver()

    def of_fit(self, fit: FitProgress, data: LoopArguments) -> FitObserver:
        """Return what watches one fit."""
        return FitObserver()


# `predict` of one row takes 3 us: it reads ACTIVE, and calls `active` only if there is something.
ACTIVE: ContextVar[tuple[Observer, ...]] = ContextVar("hotloop.observers", default=())
UNOBSERVED: AbstractContextManager[Any] = nullcontext()


def active() -> tuple[Observer, ...]:
    """Return the observers that this thread has opened; not those of a thread whose context was copied."""
    observers = ACTIVE.get()
    return tuple(o for o in observers if o.thread == threading.get_ident()) if observers else ()


def activate(observer: Observer) -> None:
    """Let an observer watch from now on."""
    ACTIVE.set((*ACTIVE.get(), observer))


def deactivate(observer: Observer) -> None:
    """Let it watch no more."""
    ACTIVE.set(tuple(other for other in ACTIVE.get() if other is not observer))


def observed(context: Callable[[Observer], AbstractContextManager[Any]]) -> AbstractContextManager[Any]:
    """Return the contexts that the active observers give, as one."""
    observers = active()
    if not observers:
        return UNOBSERVED
    if len(observers) == 1:
        return context(observers[0])
    stack = ExitStack()
    for observer in observers:
        stack.enter_context(context(observer))
    return stack


def span(name: str) -> AbstractContextManager[Any]:
    """Return a context around a part of the work, for the active observers."""
    return observed(lambda observer: observer.span(name)) if ACTIVE.get() else UNOBSERVED


def clocks_of(observers: Iterable[CallObserver], n_threads: int) -> Array | None:
    """Return the clocks for the next call: the first that an observer gives."""
    return next((clocks for o in observers if (clocks := o.clocks(n_threads)) is not None), None)
