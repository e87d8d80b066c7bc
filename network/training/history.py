"""What a fit reports: a record for each epoch, why it stopped, and the warning and error of training."""

import math
import numbers
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import chain
from typing import TYPE_CHECKING, Any

from hotloop.network.display import text_table
from hotloop.network.display.terminal import Styled, styled
from hotloop.network.html.curves import Curve, curves
from hotloop.network.html.elements import note, representation, table
from hotloop.network.validation import arguments
from hotloop.network.validation.printable import counted, shown
from hotloop.network.validation.suggestions import KEYWORDS, METRICS

Record = dict[str, float]
UNSEEN = ("epoch", "learning_rate", "seconds")  # what a line about the last epoch leaves out of its record
FIRST_TO_GO = ("seconds", "learning rate")  # of the columns, where a terminal is too narrow for all
MOST_SHOWN = 30  # epochs in a notebook
BEST = "bold green"  # the style of the best epoch
# Why a fit ended; a callback that stops one may say something else.
EPOCHS = "epochs"  # all were trained
CONVERGED = "converged"  # the loss, within the tolerance
EARLY_STOPPING = "early stopping"  # `EarlyStopping` saw no improvement
TIME = "time"  # `max_seconds` were over
INTERRUPTED = "interrupted"  # by Ctrl-C
DIVERGED = "diverged"  # the loss or a parameter became infinite or NaN
FAILED = "failed"  # a callback raised an error
PATIENCE = 5  # epochs without an improvement, where a tolerance is given and nothing else


class ConvergenceWarning(UserWarning):
    """A tolerance was given, and the epochs ended before the loss converged.

    Examples
    --------
    >>> import warnings
    >>> from hotloop import ConvergenceWarning, Network
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     history = Network([1, 1], seed=0).fit([[0.0], [1.0]], [1.0, 0.0], epochs=2, tolerance=1e-4)
    >>> caught[0].category is ConvergenceWarning, history.converged
    (True, False)
    """


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written; the fit went on.

    Examples
    --------
    >>> import warnings
    >>> from hotloop import CheckpointWarning, Network
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", CheckpointWarning)  # rather end the fit than go on without one
    ...     history = Network([1, 1], seed=0).fit([[0.0], [1.0]], [1.0, 0.0], checkpoint="run.safetensors")
    """


class DivergenceError(ArithmeticError):
    """The loss, the validation loss or a parameter became infinite or NaN.

    Parameters
    ----------
    message : str
    history : History
        The epochs before; for a validation loss its epoch too. An attribute.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop import SGD, DivergenceError, Network
    >>> x = np.linspace(0, 1000, 100).reshape(-1, 1)
    >>> try:
    ...     history = Network([1, 8, 1], seed=0).fit(x, x, optimizer=SGD(10.0))
    ... except DivergenceError as error:
    ...     print(error.history.stop_reason)
    diverged
    """

    def __init__(self, message: str, history: "History") -> None:
        super().__init__(message, history)  # both, so that it can be pickled
        self.history = history

    def __str__(self) -> str:
        """Return the message."""
        return str(self.args[0])


@dataclass(repr=False)
class History(Mapping[str, list[Any]]):
    """The course of one call of `Network.fit`: a mapping from the name of a column to a list with a value an epoch.

    Columns are "epoch" (counted over all fits of the network, from 1), "loss" (mean over the epoch, as the parameters
    moved), "gradient_norm" (mean over the epoch's steps) if it was asked for, with validation data "val_loss",
    "val_accuracy" or "val_r2", and "val_" and the name of each further metric, then "learning_rate" (of the epoch's
    last step), "seconds", and what callbacks added. An epoch that lacks a value has NaN there, so that all lists are
    equally long.

    Attributes
    ----------
    epochs : list of dict
        The same by epoch: for each finished one its record, with the values that it has.
    stop_reason : str
        "epochs" (all were trained), "converged" (within the tolerance), "early stopping", "time" (`max_seconds` were
        over), "interrupted" (by Ctrl-C), "diverged", "failed" (a callback raised an error), or what a callback said
        when it stopped the fit.
    seconds : float
        Time of the fit without compiling.
    compile_seconds : float
        Time before the first step for compiling kernels, or loading them from the cache.
    compiled : bool
        Whether kernels were compiled, not only loaded.
    n_threads : int
        How many threads trained; for "auto" the last choice.
    best_epoch : int or None
        The epoch whose parameters were the best, of a fit that keeps them: see `EarlyStopping`.

    Examples
    --------
    >>> from hotloop import Network
    >>> net = Network([1, 1], seed=0)
    >>> history = net.fit([[0.0], [1.0]], [1.0, 0.0], epochs=3, shuffle=False)
    >>> list(history)
    ['epoch', 'loss', 'learning_rate', 'seconds']
    >>> history["epoch"], history["learning_rate"]
    ([1, 2, 3], [0.01, 0.01, 0.01])
    """

    epochs: list[Record] = field(default_factory=list)
    stop_reason: str = EPOCHS
    seconds: float = 0.0
    compile_seconds: float = 0.0
    compiled: bool = False
    n_threads: int = 1
    best_epoch: int | None = None

    def _columns(self) -> dict[str, None]:
        """Return the names of the columns, in their order; a callback may add one in a later epoch."""
        return dict.fromkeys(chain(("epoch", "loss"), *self.epochs))

    def __getitem__(self, name: str) -> list[Any]:
        """Return a column: a value for each finished epoch."""
        columns = self._columns()
        if name not in columns:
            raise KeyError(f"the history has no column {shown(name)}, only {', '.join(columns)}{_hint(name, columns)}")
        return [record.get(name, math.nan) for record in self.epochs]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the columns."""
        return iter(self._columns())

    def __len__(self) -> int:
        """Return the number of columns. That of the finished epochs is ``len(history.epochs)``."""
        return len(self._columns())

    if not TYPE_CHECKING:  # for it, any attribute would be known

        def __getattr__(self, name: str) -> Any:
            """Say where columns are."""
            text = f"'History' object has no attribute {name!r}"
            if name == "history":
                text = "a History is itself what Keras has as history.history: write history['loss']"
            elif name in chain(("epoch", "loss"), *vars(self).get("epochs", ())):
                text += f": write history[{name!r}]"
            raise AttributeError(text, name=name, obj=self)

    @property
    def converged(self) -> bool:
        """Whether the loss converged within the tolerance."""
        return self.stop_reason == CONVERGED

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the fit."""
        return self.stop_reason == INTERRUPTED

    def to_pandas(self) -> Any:
        """Return the columns as a ``pandas.DataFrame``, a row an epoch.

        Raises
        ------
        ImportError
            If pandas is not installed.

        Examples
        --------
        >>> from hotloop import Network
        >>> history = Network([1, 1], seed=0).fit([[0.0], [1.0]], [1.0, 0.0], epochs=3)
        >>> history.to_pandas()[["epoch", "learning_rate"]]
           epoch  learning_rate
        0      1           0.01
        1      2           0.01
        2      3           0.01
        """
        try:
            from pandas import DataFrame
        except ImportError as error:
            raise ImportError("to_pandas needs pandas: python -m pip install pandas (or 'hotloop[pandas]')") from error
        return DataFrame(dict(self))

    def plot(self) -> Any:
        """Draw losses, metrics and learning rate by epoch, with `hotloop.plots.plot_history`; return its Axes.

        Returns
        -------
        array of matplotlib.axes.Axes
            One for each picture.

        Examples
        --------
        >>> from hotloop import Network
        >>> history = Network([1, 1], seed=0).fit([[0.0], [1.0]], [1.0, 0.0], epochs=3)
        >>> axes = history.plot()
        >>> axes[0].get_xlabel()
        'epoch'
        """
        from hotloop.network.plots.history import plot_history  # which imports NumPy

        return plot_history(self)

    def __str__(self) -> str:
        """Return a table, a line an epoch, as wide as the terminal at most."""
        if not self.epochs:
            return f"no epoch finished ({self.stop_reason})"
        best = best_epoch(self)
        lines = text_table.table(*table_of(self.epochs, list(self), best=best), first_to_go=FIRST_TO_GO)
        return Styled.joined("\n", [*lines, *legend(self, best), f"stopped: {self.stop_reason}"])

    def __repr__(self) -> str:
        """Return how many epochs there are and the last one's values; `print` shows all."""
        last = "".join(f", {name}={short(value)}" for name, value in (self.epochs or [{}])[-1].items())
        return f"<History of {counted(len(self.epochs), 'epoch')}{last}, stop_reason={self.stop_reason!r}>"

    def _repr_html_(self) -> str:
        """Return a curve and a table for notebooks, of 30 epochs at most: first, best and last are among them."""
        found = self.epochs
        best = place_of(self, best_epoch(self))
        places = spread(len(found), MOST_SHOWN, best)
        names, rows = table_of([found[place] for place in places], list(self))
        mark = None if best is None else (found[best]["epoch"], f"best epoch, {found[best]['epoch']:.0f}")
        notes = [f"{len(rows)} of {counted(len(found), 'epoch')} shown"] * (len(rows) < len(found))
        return representation(
            curves(curves_of(self, "loss"), "epoch", mark=mark, title="loss"),
            table(names, rows, marked={} if best is None else {places.index(best): "best"}) if rows else "",
            note("; ".join([*notes, *self._ending()] if rows else [str(self)])),
        )

    def _ending(self) -> list[str]:
        return [*(line.removeprefix("* ") for line in legend(self, best_epoch(self))), f"stopped: {self.stop_reason}"]


def curves_of(history: History, name: str) -> list[Curve]:
    """Return the column of a name, and that of its validation, as far as they are there and are numbers."""
    found = []
    for pen, (column, label) in enumerate(((name, "training"), (f"val_{name}", "validation"))):
        if column in history and all(isinstance(value, numbers.Real) for value in history[column]):
            found.append(Curve(label, history["epoch"], history[column], pen))
    return found


def table_of(
    records: Iterable[Record],
    names: Sequence[str],
    head: Callable[[str], str] = lambda name: name.replace("_", " "),
    cell: Callable[[str, Any], str] = lambda name, value: short(value),
    best: int | None = None,
) -> tuple[list[str], list[list[str]]]:
    """Return the heads of a table of epochs, and for each record its cells, "-" for what it lacks.

    The number of the epoch `best` is marked by an asterisk.
    """
    rows = []
    for each in records:
        row = ["-" if name not in each else cell(name, each[name]) for name in names]
        if "epoch" in each and "epoch" in names:
            number = f"{each['epoch']:.0f}"
            row[names.index("epoch")] = f"* {number}" if each["epoch"] == best else number
            row = [styled(text, BEST) for text in row] if each["epoch"] == best else row
        rows.append(row)
    return [head(name) for name in names], rows


def best_epoch(history: History) -> int | None:
    """Return the number of the epoch to mark: the best as the fit judged it, or that of the lowest validation loss."""
    if history.best_epoch is not None or "val_loss" not in history:
        return history.best_epoch
    losses = [record for record in history.epochs if math.isfinite(record.get("val_loss", math.nan))]
    return int(min(losses, key=lambda record: record["val_loss"])["epoch"]) if len(losses) > 1 else None


def legend(history: History, best: int | None) -> list[str]:
    """Return the line that explains the mark of the best epoch, if there is one."""
    why = "" if history.best_epoch is not None else ", by validation loss"
    return [] if best is None else [styled(f"* best epoch: {best}{why}", BEST)]


def place_of(history: History, epoch: int | None) -> int | None:
    """Return where an epoch is in the history, None if it is not: it may be of an earlier fit."""
    return next((place for place, record in enumerate(history.epochs) if record.get("epoch") == epoch), None)


def _hint(name: Any, columns: Iterable[str]) -> str:
    """Return ". Did you mean ...?" for a name that no column has, or "" if nothing comes near."""
    folded = str(name).lower().replace(" ", "_").replace("-", "_")
    bare = folded.removeprefix("val_")
    ours = METRICS.get(bare) or KEYWORDS.get(bare) or bare
    ways = (ours, f"val_{ours}") if bare == folded else (f"val_{ours}", ours)
    found = [way for way in ways if way in columns] or get_close_matches(folded, columns, 1)
    return f". Did you mean {found[0]!r}?" if found else ""


def spread(n: int, most: int, among: int | None = None) -> list[int]:
    """Return at most `most` of the numbers 0 to n - 1, evenly spaced: the first and the last, and `among` too.

    >>> spread(101, 5), spread(3, 5), spread(101, 5, among=60)
    ([0, 25, 50, 75, 100], [0, 1, 2], [0, 25, 60, 75, 100])
    """
    if n <= most:
        return list(range(n))
    found = [round(place * (n - 1) / (most - 1)) for place in range(most)]
    if among is not None and among not in found:
        found[min(range(1, most - 1), key=lambda place: abs(found[place] - among))] = among
    return found


def stopping(tolerance: Any, patience: Any) -> tuple[float | None, int]:
    """Return when a fit counts as converged: the tolerance, None for never, and the patience."""
    epochs = arguments.whole_number("patience", PATIENCE if patience is None else patience, 1, arguments.LARGEST)
    if tolerance is None and patience is not None:
        raise ValueError(
            f"patience={shown(patience)} has no effect without a tolerance: give one too, such as tolerance=1e-4, or 0 "
            "for any improvement"
        )
    return None if tolerance is None else arguments.real_number("tolerance", tolerance), epochs


def short(value: Any) -> str:
    """Return a number of a record in four digits. Whatever else a callback has added is shown as it is."""
    return f"{value:.4g}" if isinstance(value, numbers.Real) else str(value)
