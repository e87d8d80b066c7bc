"""What may be given as callbacks: each is checked before anything of the fit is changed."""

import inspect
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from hotloop.network.losses import Loss
from hotloop.network.metrics.named import Metric, default_metric
from hotloop.network.training.callbacks import MOMENTS, Callback, PlannedFit, methods_of
from hotloop.network.validation.printable import shown, with_article
from hotloop.network.validation.suggestions import moment_for

# What the methods of a callback are called with.
OTHERS = {"rows_of_call": "fit, rows", "state_dict": "", "load_state_dict": "state"}
CALLED_WITH = dict.fromkeys(MOMENTS, "fit") | OTHERS


def checked_callbacks(
    callbacks: Any, optimizer: Any, loss: Loss, metrics: Sequence[Metric], validates: bool, gradient_norm: bool
) -> tuple[Callback, ...]:
    """Return the argument `callbacks` as a tuple, checked.

    Parameters
    ----------
    callbacks : sequence of Callback, or None
    optimizer, loss, metrics, validates, gradient_norm
        Of the fit; the metrics are those beside the loss's own.

    Raises
    ------
    TypeError
        Unless it is a sequence of instances of `Callback`, each of whose methods ``on_...`` is one that is called.
    ValueError, OSError
        If the fit does not suit one of them.
    """
    if callbacks is None:
        return ()
    if isinstance(callbacks, Callback):
        raise TypeError(f"callbacks must be a sequence, got one {type(callbacks).__name__}: write callbacks=[it]")
    if not isinstance(callbacks, Sequence) or isinstance(callbacks, (str, bytes)):
        raise TypeError(f"callbacks must be a sequence of Callback instances, got {type(callbacks).__name__}")
    for index, callback in enumerate(callbacks):
        if isinstance(callback, type) and issubclass(callback, Callback):
            raise TypeError(
                f"callbacks[{index}] is the class {callback.__name__}, not an instance: write {callback.__name__}()"
            )
        if not isinstance(callback, Callback):
            is_class = isinstance(callback, type)
            found = f"the class {callback.__name__}" if is_class else with_article(type(callback).__name__)
            raise TypeError(f"callbacks[{index}] is {found}; wanted an instance of a subclass of hotloop.Callback")
        _check_moments(callback)
    record = ["epoch", "loss", *["gradient_norm"] * gradient_norm]
    if validates:
        record += [f"val_{name}" for name in ("loss", default_metric(loss).name, *(metric.name for metric in metrics))]
    record += ["learning_rate", "seconds"]
    add = [_may_add(callback) for callback in callbacks]
    for index, callback in enumerate(callbacks):
        callback._check_before_fit(
            PlannedFit(loss, optimizer, validates, record, any(add[:index]), any(add[index + 1 :]))
        )
    return tuple(callbacks)


def _may_add(callback: Callback) -> bool:
    """Return whether a callback may add numbers to the record: hotloop's own do not."""
    methods = methods_of([callback], "on_epoch_end")
    return not all(str(getattr(method, "__module__", None)).startswith("hotloop.") for method in methods)


def _check_moments(callback: Callback) -> None:
    """Raise a TypeError if a method seems meant for a moment but would never be called, or not as it expects."""
    kind = type(callback).__name__
    for name in {*dir(callback)} - {*dir(Callback)}:
        if not callable(getattr(callback, name, None)) or (ours := moment_for(name, MOMENTS)) is None:
            continue
        meant = f"Did you mean {ours}?" if ours else "Let the names of other methods not begin with on_."
        raise TypeError(f"{kind}.{name} would never be called: the moments are {', '.join(MOMENTS)}. {meant}")
    for name, wanted in CALLED_WITH.items():
        method = getattr(callback, name)
        if getattr(method, "__func__", None) is getattr(Callback, name):
            continue
        if not callable(method):
            raise TypeError(
                f"{kind}.{name} is {shown(method)}, where hotloop calls a method: give the attribute another name"
            )
        with suppress(ValueError):  # of a function written in C
            signature = inspect.signature(method)
            parameters = signature.parameters
            with suppress(TypeError):
                signature.bind(*filter(None, wanted.split(", ")))
                if "logs" not in parameters:
                    continue
            called = f"one argument, {wanted}" if wanted.count(",") == 0 else f"two arguments, {wanted}"
            more = ", which has the epoch as fit.epoch and its results as fit.record" if name in MOMENTS else ""
            raise TypeError(
                f"{kind}.{name} takes ({', '.join(parameters)}); it is called with "
                f"{called if wanted else 'no argument'}{more}"
            )
