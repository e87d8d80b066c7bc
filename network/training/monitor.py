"""The monitored quantity: its name, and whether higher or lower is better."""

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from hotloop.network.metrics.named import METRICS, OF_CLASSES, OF_VALUES, default_metric
from hotloop.network.training.callbacks import Callback, FitProgress, PlannedFit
from hotloop.network.validation import arguments
from hotloop.network.validation.caller import warn
from hotloop.network.validation.printable import shown

# Words of the names of metrics.
MORE_IS_BETTER = frozenset({"accuracy", "acc", "top", "precision", "recall", "f1", "auc", "r2"})
LESS_IS_BETTER = frozenset({"loss", "error", "mse", "mae", "rmse", "msle", "pinball", "deviance", "norm"})
MODES = {"auto": None, "min": False, "max": True}


def absent(name: str, record: Sequence[str], planned: PlannedFit | None = None) -> str:
    """Return what to say of a name that no record has, or in a planned fit will have."""
    if planned is not None and name.startswith("val_") and not planned.validates:
        return (
            f"{name!r}, and the fit has no validation data: pass validation_split=0.1 or validation_data=(X, y), or "
            "use 'loss'"
        )
    hint, plain, kind = "", name.removeprefix("val_"), None
    if planned is not None:
        kind = OF_CLASSES if planned.loss.classifies else OF_VALUES
        if planned.may_come_late:
            hint = " A callback that adds it must stand before this one."
    close = [f"val_{name}"] if f"val_{name}" in record else difflib.get_close_matches(name, record, 1, 0.7)
    if name == "gradient_norm":
        hint = " Pass gradient_norm=True to fit."
    elif planned is not None and f"val_{plain}" not in record and plain in METRICS and METRICS[plain].kind == kind:
        needed = [] if METRICS[plain] == default_metric(planned.loss) else [f"metrics=[{plain!r}]"]
        needed += [] if planned.validates else ["validation_split=0.1"]
        hint = f" Pass {' and '.join(needed)} to fit: it is then 'val_{plain}'."
    elif close:
        hint = f" Did you mean {close[0]!r}?"
    return f"{name!r}, which no epoch has; it has {', '.join(record)}.{hint}"


def more_is_better(monitor: str, mode: Any) -> bool:
    """Return whether more of a metric is better, by its name if `mode` is "auto"."""
    wanted = arguments.choose("mode", mode, MODES)
    if wanted is not None:
        return wanted
    words = {*monitor.split("_")}
    more, less = bool(words & MORE_IS_BETTER), bool(words & LESS_IS_BETTER)
    if more == less:
        close = difflib.get_close_matches(monitor, ["loss", "val_loss", *(f"val_{name}" for name in METRICS)], 1, 0.8)
        hint = f". Did you mean {close[0]!r}?" if close else ""
        raise ValueError(
            f"cannot tell whether higher or lower {monitor!r} is better: pass mode='min' or mode='max'{hint}"
        )
    return more


class Monitor(Callback):
    """What callbacks share that follow one number of the record, and remember the best.

    The state is new at the beginning of a fit, unless it was loaded for one that is resumed.

    Parameters
    ----------
    monitor : str
        Its name in the record: "loss", "val_loss", "val_accuracy" ...
    mode : {"auto", "min", "max"}
    min_delta : float
        How much better than the best it must be, to count as better.

    Attributes
    ----------
    best : float
        So far in the fit; before its first epoch infinity, or for a metric of which more is better minus infinity.
    """

    def __init__(self, monitor: str, mode: str = "auto", min_delta: float = 0.0) -> None:
        if not isinstance(monitor, str) or not monitor:
            raise TypeError(
                f"monitor must be the name of a number in the record, such as 'val_loss', got {shown(monitor)}"
            )
        self.monitor = monitor
        self._more = more_is_better(monitor, mode)
        self.min_delta = arguments.real_number("min_delta", min_delta)
        self._loaded = False
        self._begin()

    def _begin(self) -> None:
        """Forget what an earlier fit left."""
        self.best = -math.inf if self._more else math.inf
        self._all_nan: bool | None = None  # of the epochs so far; None before the first

    def on_fit_begin(self, fit: FitProgress) -> None:
        """Forget the fit before."""
        if not self._loaded:
            self._begin()

    def on_fit_end(self, fit: FitProgress) -> None:
        """Forget the last fit, and warn if it had no number to compare."""
        self._loaded = False
        if self._all_nan and math.isinf(self.best):
            warn(f"{self.monitor} was NaN after every epoch, so {type(self).__name__} found no best one", UserWarning)

    def _value(self, fit: FitProgress) -> float:
        """Return the number in the last epoch's record.

        Raises
        ------
        ValueError
            If the record has none of that name.
        """
        if self.monitor not in fit.record:
            raise ValueError(f"{type(self).__name__} monitors {absent(self.monitor, [*fit.record])}")
        value = float(fit.record[self.monitor])
        self._all_nan = math.isnan(value) and self._all_nan is not False
        return value

    def _better(self, value: float, reference: float) -> bool:
        """Return whether a value is better than another by more than `min_delta`; NaN never is."""
        return value - self.min_delta > reference if self._more else value + self.min_delta < reference

    def state_dict(self) -> dict[str, Any]:
        """Return the best value, None before the first epoch."""
        return {"best": self.best if math.isfinite(self.best) else None}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state."""
        self._begin()
        self._loaded = True
        if state["best"] is not None:
            self.best = float(state["best"])

    def _compared_settings(self) -> dict[str, Any]:
        return {"monitor": self.monitor, "mode": "max" if self._more else "min", "min_delta": self.min_delta}

    def _check_before_fit(self, planned: PlannedFit) -> None:
        """Raise an error if no epoch will have the number, unless a callback before this one may add it."""
        if self.monitor not in planned.record and (self.monitor == "val_loss" or not planned.may_have_more):
            raise ValueError(f"{type(self).__name__} monitors {absent(self.monitor, planned.record, planned)}")
