"""scikit-learn's callbacks, which follow the epochs of a fit: `sklearn.callback`, since its release 1.9."""

from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin as CallbackSupportMixin
except ImportError:  # an older release

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nobody sets callbacks."""


class Tasks:
    """The tasks of a fit, of which scikit-learn's callbacks are told: the whole, and one for each epoch.

    Parameters
    ----------
    estimator : estimator
        With `CallbackSupportMixin`, in the middle of its `fit`, under scikit-learn's `_fit_context`.
    most : int
        How many epochs there will be at most.
    X, y, sample_weight
        What is trained on, y with its own classes.
    """

    def __init__(self, estimator: Any, most: int, X: Any, y: Any, sample_weight: Any) -> None:
        self._estimator = estimator
        self._told = {"X": X, "y": y, "metadata": {"sample_weight": sample_weight}}
        self._root: Any = None
        self._epoch: Any = None
        if hasattr(estimator, "_init_callback_context"):
            self._root = estimator._init_callback_context(max_subtasks=most)
            self._root.call_on_fit_task_begin(estimator=estimator, **self._told)
        self.told = self._root is not None and bool(getattr(estimator, "_skl_callbacks", None))

    def begin(self, what: str = "epoch") -> None:
        """Begin an epoch, or whatever else the steps are."""
        if self.told:
            self._epoch = self._root.subcontext(task_name=what)
            self._epoch.call_on_fit_task_begin(estimator=self._estimator, **self._told)

    def end(self, fitted: Any) -> bool:
        """End an epoch, and return whether a callback asks for an end.

        `fitted` returns the attributes of an estimator that is ready to predict, as if it had stopped here.
        """
        if self._epoch is None:
            return False
        epoch, self._epoch = self._epoch, None
        stops = epoch.call_on_fit_task_end(estimator=self._estimator, **self._told, reconstruction_attributes=fitted)
        return bool(stops)

    def close(self, fitted: Any) -> None:
        """End the whole."""
        if self._root is not None:
            self._root.call_on_fit_task_end(estimator=self._estimator, **self._told, reconstruction_attributes=fitted)
