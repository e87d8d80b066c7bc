"""The callback whose moments are functions."""

from collections.abc import Callable

from hotloop.network.training.callbacks import Callback, FitProgress
from hotloop.network.validation.printable import shown
from hotloop.network.validation.suggestions import explains_its_keywords

Moment = Callable[[FitProgress], object]


@explains_its_keywords
class LambdaCallback(Callback):
    """A callback made of functions of the fit, each under the name of its moment.

    Parameters
    ----------
    on_fit_begin, on_epoch_begin, on_call_begin, on_call_end, on_step, on_epoch_end, on_fit_end : callable, optional
        See `Callback`.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.callbacks import LambdaCallback
    >>> shout = LambdaCallback(on_epoch_end=lambda fit: print("epoch", fit.epoch))
    >>> history = Network([1, 1], seed=0).fit([[0.0], [1.0]], [1.0, 0.0], epochs=2, callbacks=[shout])
    epoch 1
    epoch 2
    """

    def __init__(
        self,
        *,
        on_fit_begin: Moment | None = None,
        on_epoch_begin: Moment | None = None,
        on_call_begin: Moment | None = None,
        on_call_end: Moment | None = None,
        on_step: Moment | None = None,
        on_epoch_end: Moment | None = None,
        on_fit_end: Moment | None = None,
    ) -> None:
        given = {
            "on_fit_begin": on_fit_begin, "on_epoch_begin": on_epoch_begin, "on_call_begin": on_call_begin,
            "on_call_end": on_call_end, "on_step": on_step, "on_epoch_end": on_epoch_end, "on_fit_end": on_fit_end,
        }  # fmt: skip
        for moment, function in given.items():
            if function is not None:
                if not callable(function):
                    raise TypeError(f"{moment} must be a function of one argument, fit, got {shown(function)}")
                setattr(self, moment, function)
