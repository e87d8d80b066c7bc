"""The metrics by name, a row for each, and those that a fit or an evaluation computes."""

import inspect
import numbers
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.activations import Activation
from hotloop.network.losses import Loss
from hotloop.network.metrics.classification import (
    AVERAGES,
    accuracy,
    balanced_accuracy,
    f1,
    log_loss,
    precision,
    recall,
    top_k_accuracy,
)
from hotloop.network.metrics.ranking import roc_auc
from hotloop.network.metrics.regression import mae, mse, pinball, r2, rmse
from hotloop.network.validation import arguments
from hotloop.network.validation.array_like import numeric
from hotloop.network.validation.printable import shown
from hotloop.network.validation.targets import classes_of

OF_CLASSES, OF_VALUES = "classification", "regression"
WEIGHTS = "sample_weight"  # the argument of a function for the weights of the rows
EXCLUSIVE_OR_NOT = (accuracy, balanced_accuracy, f1, log_loss, precision, recall, roc_auc, top_k_accuracy)
TOP_K = re.compile(r"top_(\d{1,9})_accuracy")


@dataclass(frozen=True)
class Metric:
    """A metric that a network is evaluated by.

    Parameters
    ----------
    name : str
        What the history and `evaluate` call it.
    function : callable (y_true, outputs) -> float
    kind : str, optional
        What it is of, OF_CLASSES or OF_VALUES; a user's own may be of both.
    weighted : bool
        Whether the function has an argument `sample_weight`, for the weights of the rows.
    aliases : tuple of str
        Other names of exactly the same.
    """

    name: str
    function: Callable[..., Any] = field(repr=False)
    kind: str | None = None
    weighted: bool = True
    aliases: tuple[str, ...] = ()

    def __call__(
        self, y_true: Array, outputs: Array, weights: Array | None = None, *, exclusive: bool | None = None
    ) -> float:
        """Return the metric's value; `exclusive` is for those of hotloop, which otherwise look at the sums.

        The function is handed views that cannot be written to: what they show may be the user's own arrays.
        """
        given: dict[str, Any] = {WEIGHTS: _read_only(weights)} if self.weighted and weights is not None else {}
        whole = partial(self.function)  # of a partial: its function and keywords
        if "exclusive" not in whole.keywords and any(whole.func is one for one in EXCLUSIVE_OR_NOT):
            given["exclusive"] = exclusive
        value = self.function(_read_only(y_true), _read_only(outputs), **given)
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value[()]
        if not isinstance(value, numbers.Real):
            raise TypeError(f"the metric {self.name} returned {shown(value)}; wanted a number")
        return float(value)


def _read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True)
class TopK:
    """The metric "top_k_accuracy" for a k: ``metrics=[TopK(3)]``, also called "top_3_accuracy".

    Parameters
    ----------
    k : int
        At least 1.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.metrics import TopK
    >>> net = Network([2, 4], loss="cross_entropy", seed=0)
    >>> list(net.evaluate([[0.0, 1.0], [1.0, 0.0]], [0, 3], metrics=[TopK(3)]))
    ['loss', 'accuracy', 'top_3_accuracy']
    """

    k: int

    def __post_init__(self) -> None:
        """Check it."""
        object.__setattr__(self, "k", arguments.whole_number("k", self.k, 1))

    def metric(self) -> Metric:
        """Return the metric."""
        return Metric(f"top_{self.k}_accuracy", partial(top_k_accuracy, k=self.k), OF_CLASSES)


@dataclass(frozen=True)
class Pinball:
    """The metric "pinball" at levels of its own, one for all outputs or one for each: ``metrics=[Pinball(0.9)]``.

    Parameters
    ----------
    levels : float or sequence of float
        From 0 to 1.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.losses import Quantile
    >>> from hotloop.metrics import Pinball
    >>> net = Network([2, 1], loss=Quantile(0.9), seed=0)
    >>> list(net.evaluate([[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0], metrics=[Pinball(0.9)]))
    ['loss', 'r2', 'pinball_0.9']
    """

    levels: float | Sequence[float]

    def __post_init__(self) -> None:
        """Check them."""
        levels = numeric("levels", self.levels)
        if levels.ndim > 1 or not ((levels >= 0) & (levels <= 1)).all():
            raise ValueError(f"levels must be numbers from 0 to 1, got {shown(self.levels)}")

    def metric(self) -> Metric:
        """Return the metric, whose name has the level if it is one."""
        levels = np.asarray(self.levels, np.float64)
        name = "pinball" if levels.ndim else f"pinball_{float(levels):g}"
        return Metric(name, partial(pinball, levels=levels.tolist()), OF_VALUES)


METRICS = {
    row.name: row
    for row in (
        Metric("accuracy", accuracy, OF_CLASSES),
        Metric("balanced_accuracy", balanced_accuracy, OF_CLASSES),
        Metric("precision", precision, OF_CLASSES),
        Metric("recall", recall, OF_CLASSES),
        Metric("f1", f1, OF_CLASSES),
        *(
            Metric(f"{function.__name__}_{average}", partial(function, average=average), OF_CLASSES)
            for function in (precision, recall, f1)
            for average in AVERAGES
        ),
        TopK(5).metric(),
        Metric("roc_auc", roc_auc, OF_CLASSES),
        Metric("log_loss", log_loss, OF_CLASSES),
        Metric("mae", mae, OF_VALUES, aliases=("mean_absolute_error",)),
        Metric("mse", mse, OF_VALUES, aliases=("mean_squared_error",)),
        Metric("rmse", rmse, OF_VALUES, aliases=("root_mean_squared_error",)),
        Metric("r2", r2, OF_VALUES),
        Metric("pinball", pinball, OF_VALUES),
    )
}


def checked_metrics(metrics: Any, loss: Loss, outputs: int) -> tuple[Metric, ...]:
    """Return the argument `metrics` of a network with this loss and so many outputs; raise unless each can be computed.

    The metric that goes with the loss is left out, for it is always computed.
    """
    if metrics is None:
        return ()
    if isinstance(metrics, (str, Metric)) or callable(metrics):
        raise TypeError(f"metrics must be a sequence, got {shown(metrics)}: write metrics=[it]")
    if not isinstance(metrics, (Sequence, set, frozenset)):
        raise TypeError(f"metrics must be a sequence of names and functions, got {shown(metrics)}")
    default = default_metric(loss)
    names, found = {"loss", default.name}, []
    for given in metrics:
        metric = _metric(given)
        if metric == default:
            continue
        if metric.name in names:
            raise ValueError(f"two metrics are called {metric.name}: define a function of another name")
        kind = OF_CLASSES if loss.classifies else OF_VALUES
        if metric.kind not in (None, kind):
            known = [row.name for row in METRICS.values() if row.kind == kind]
            plain = [name for name in known if not name.endswith(AVERAGES)]
            raise ValueError(
                f"{metric.name} is a metric of {metric.kind}, and the loss {loss.name} is for {kind}: metrics for it "
                f"are {', '.join(plain)}"
            )
        if metric.kind is not None:
            _rehearse(metric, loss, outputs)
        names.add(metric.name)
        found.append(metric)
    return tuple(found)


def default_metric(loss: Loss) -> Metric:
    """Return the metric that goes with a loss."""
    return METRICS["accuracy" if loss.classifies else "r2"]


def _metric(given: Any) -> Metric:
    """Return a metric by its name, or that of a function."""
    if isinstance(given, Metric):
        return given
    if isinstance(given, (TopK, Pinball)):
        return given.metric()
    if isinstance(given, str):
        match = TOP_K.fullmatch(given)
        return TopK(int(match[1])).metric() if match else arguments.choose("metric", given, METRICS)
    if isinstance(given, type) or not callable(given):
        raise TypeError(f"a metric must be a name, or a function (y_true, outputs) -> float; got {shown(given)}")
    for row in METRICS.values():
        if row.function is given:
            return row
    named = given.func if isinstance(given, partial) else given
    try:
        names = inspect.signature(given).parameters
    except (TypeError, ValueError):  # some functions of C have none
        names = {}  # type: ignore[assignment]
    name = getattr(named, "__name__", type(named).__name__)
    return Metric(name, given, None, WEIGHTS in names)


def _rehearse(metric: Metric, loss: Loss, outputs: int) -> None:
    """Compute a metric of two made-up rows: it raises if it does not suit so many outputs."""
    y: Array = np.zeros(2, np.int64) if loss.takes_labels else np.zeros((2, loss.target_columns(outputs)))
    a = np.full((2, outputs), 1 / max(outputs, 2))  # probabilities, of classes too
    try:
        metric(y, a, exclusive=loss.takes_labels)
    except ValueError as error:
        raise ValueError(f"the metric {metric.name} does not suit this network: {error}") from error


def score(
    loss: Loss,
    output: str | Activation,
    outputs: Array,
    targets: Array,
    labels: Array,
    metrics: Sequence[Metric] = (),
    weights: Array | None = None,
) -> dict[str, float]:
    """Return the metric that goes with a loss, and then the others, under their names.

    Parameters
    ----------
    loss : Loss
    output : str or Activation
        Of the last layer.
    outputs : array (rows, outputs)
    targets, labels : array (rows, outputs), array (rows,)
        One of them is empty.
    metrics : sequence of Metric, default ()
    weights : array (rows,), optional
        Of the rows; None or empty for equal ones.
    """
    weights = weights if weights is not None and weights.size else None
    truth: Array = np.asarray(classes_of(targets, labels, loss)) if loss.takes_labels else targets
    logits = loss.classifies and output == "identity"
    decided = outputs > threshold(output) if logits and not loss.takes_labels else outputs
    if not loss.classifies:
        decided = predicted_values(loss, output, outputs, targets)
    default = default_metric(loss)
    found = {default.name: default(truth, decided, weights, exclusive=loss.takes_labels)}
    if metrics:
        if logits:
            outputs = probabilities(outputs, loss.takes_labels)
        if outputs.shape[1] == 1:
            truth, outputs = truth.reshape(-1), outputs[:, 0]
        for metric in metrics:
            whole = metric.kind != OF_VALUES or isinstance(metric.function, partial) or metric.function is pinball
            found[metric.name] = metric(truth, outputs if whole else decided, weights, exclusive=loss.takes_labels)
    return found


def probabilities(logits: Array, exclusive: bool) -> Array:
    """Return the softmax of logits, or the sigmoid of each if they do not exclude each other, in float64."""
    z = logits.astype(np.float64)
    if exclusive:
        z = np.exp(z - z.max(axis=1, keepdims=True))
        return np.asarray(z / z.sum(axis=1, keepdims=True))
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-z)))


def predicted_values(loss: Loss, output: str | Activation, outputs: Array, targets: Array) -> Array:
    """Return the value that the outputs predict for each target: the quantile nearest the median, the mean count."""
    levels = outputs.shape[1] // targets.shape[1]
    if levels > 1:  # an output for each
        outputs = outputs[:, int(np.argmin(np.abs(np.array(loss.parameters) - 0.5))) :: levels]
    if loss.name == "poisson" and output == "identity":
        with np.errstate(over="ignore"):
            outputs = np.exp(outputs)
    return outputs


def predicted_classes(output: str | Activation, outputs: Array) -> Array:
    """Return the class that each row of outputs means: the largest, or of a single output 1 above the threshold."""
    if outputs.shape[1] > 1:
        return np.asarray(np.argmax(outputs, axis=1))
    return np.asarray(outputs[:, 0] > threshold(output), np.intp)


def class_shares(loss: Loss, output: str | Activation, outputs: Array) -> Array:
    """Return what outputs give each class, (rows, classes), also if there is one output; of logits, probabilities."""
    if loss.classifies and output == "identity":
        outputs = probabilities(outputs, loss.takes_labels)
    return outputs if outputs.shape[1] > 1 else np.hstack([1 - outputs, outputs])


def threshold(output: str | Activation) -> float:
    """Return the output above which a class is more likely than not: probability 1/2, which is logit 0."""
    return 0.0 if output == "identity" else 0.5
