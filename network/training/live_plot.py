"""The callback that draws the losses of a fit while it trains."""

import math
import threading
import time
from collections.abc import Sequence
from copy import copy
from typing import Any, Protocol, Self

from hotloop.network.display.terminal import in_notebook
from hotloop.network.html.curves import curves
from hotloop.network.html.elements import element, note, representation
from hotloop.network.plots.history import draw_curves
from hotloop.network.plots.style import HEIGHT, WIDTH, pyplot, styled
from hotloop.network.training.callbacks import Callback, FitProgress, PlannedFit
from hotloop.network.training.history import UNSEEN, curves_of, short
from hotloop.network.training.monitor import absent
from hotloop.network.validation.caller import warn
from hotloop.network.validation.printable import counted, shown
from hotloop.network.validation.suggestions import explains_its_keywords

REDRAWN = 0.5  # seconds between two pictures, at least
SHARE = 0.05  # of the fit's time that drawing may take


@explains_its_keywords
class LivePlot(Callback):
    """Draws the losses by epoch while a fit trains, and other numbers if asked for.

    In a notebook the curves appear below the cell, are replaced at most twice a second, and stay when the fit has
    ended. Elsewhere they appear in a window of matplotlib; where it has no windows, a warning says so. Training waits
    for a picture, so they are drawn the less often the longer it takes: for 5 % of the time at most. If drawing fails,
    a warning says so and the fit goes on.

    Parameters
    ----------
    names : str or sequence of str, default "loss"
        What to draw: of the record of each epoch "loss", "accuracy", "r2", ..., each a picture with the values of
        training and validation, as far as there are.

    Raises
    ------
    ImportError
        Outside a notebook, if matplotlib is not installed: ``pip install "hotloop[plot]"``.
    ValueError
        Of the fit, before it trains, if no epoch will have one of the numbers.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.callbacks import LivePlot
    >>> net = Network([1, 8, 1], "tanh", seed=0)
    >>> history = net.fit([[0.0], [1.0]], [1.0, 0.0], callbacks=[LivePlot()])  # doctest: +SKIP
    """

    def __init__(self, names: str | Sequence[str] = "loss") -> None:
        given = [names] if isinstance(names, str) else names
        if not isinstance(given, Sequence) or not given or not all(isinstance(name, str) and name for name in given):
            raise TypeError(f'names must be texts, such as "loss" or ["loss", "accuracy"], got {shown(names)}')
        self.names = tuple(dict.fromkeys(name.removeprefix("val_") for name in given))
        self._board: _Board | None = None  # of the fit that runs
        if not in_notebook():
            pyplot()  # so that a missing matplotlib is no surprise in the middle of a program

    def _check_before_fit(self, planned: PlannedFit) -> None:
        for name in self.names:
            if not {name, f"val_{name}"} & {*planned.record} and not planned.may_have_more:
                raise ValueError(f"LivePlot draws {absent(name, planned.record, planned)}")

    def _for_networks(self, count: int) -> Callback:
        """Return a copy whose copies draw into one picture."""
        found = copy(self)
        found._board = _Board(self.names, count)
        return found

    def on_fit_begin(self, fit: FitProgress) -> None:
        """Begin a picture."""
        if self._board is None:
            self._board = _Board(self.names)
        self._board.fits.append(fit)

    def on_epoch_end(self, fit: FitProgress) -> None:
        """Draw the epoch, or leave that to a later call."""
        for name in self.names if len(fit.history.epochs) == 1 else ():
            if not curves_of(fit.history, name):
                raise ValueError(f"LivePlot draws {absent(name, [*fit.record])}")
        if self._board is not None:
            self._board.note_epoch()
            self._board.draw_if_due()

    def on_call_end(self, fit: FitProgress) -> None:
        """Draw an epoch that ended too soon after the last picture."""
        if self._board is not None and self._board.has_news:
            self._board.draw_if_due()

    def on_fit_end(self, fit: FitProgress) -> None:
        """Draw the last picture."""
        board, self._board = self._board, None
        if board is not None and fit.history.epochs:
            board.draw_last()


class _Screen(Protocol):
    """Where pictures are shown."""

    def show(self, fits: Sequence[FitProgress], ended: bool) -> None:
        """Replace the picture."""


class _Board:
    """The picture of one fit, or of several networks that are trained together."""

    def __init__(self, names: Sequence[str], networks: int = 1) -> None:
        self.fits: list[FitProgress] = []
        self.has_news = False
        self._screen = _screen(names, networks)
        self._due = math.inf
        self._lock = threading.Lock()

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    def note_epoch(self) -> None:
        """Note that there is something new to draw; the first picture is not of the first epoch, which says little."""
        self.has_news = True
        if math.isinf(self._due):
            self._due = time.perf_counter() + REDRAWN

    def draw_if_due(self) -> None:
        """Draw unless the last picture is too recent, or another network draws."""
        if time.perf_counter() >= self._due and self._lock.acquire(blocking=False):
            try:
                self._draw()
            finally:
                self._lock.release()

    def draw_last(self) -> None:
        """Draw the end of a fit."""
        with self._lock:
            self._draw(ended=True)

    def _draw(self, ended: bool = False) -> None:
        start, self.has_news = time.thread_time(), False  # not of the wall: other programs may have the processor
        try:
            self._screen.show(self.fits, ended)
        except Exception as error:  # whatever a notebook or a window may raise, it is no reason to lose a fit
            self._screen = _Nowhere()
            warn(f"LivePlot draws no more, the fit goes on: {type(error).__name__}: {error}", UserWarning)
        self._due = time.perf_counter() + max(REDRAWN, (time.thread_time() - start) / SHARE)


def _screen(names: Sequence[str], networks: int) -> _Screen:
    """Return where pictures can be shown here; if nowhere, a warning says so."""
    if in_notebook():
        return _Output(names, networks)
    if networks > 1:
        warn("LivePlot draws several networks only in a notebook: history_[0].plot() draws one afterwards", UserWarning)
    elif not _has_windows():
        warn(
            "LivePlot shows nothing: this is not a notebook, and matplotlib has no window here (its backend is "
            f"{str(pyplot().get_backend()).lower()}). history.plot() draws the curves afterwards",
            UserWarning,
        )
    else:
        return _Window(names)
    return _Nowhere()


def _has_windows() -> bool:
    """Whether matplotlib can open one; only the main thread can draw into it."""
    from matplotlib.backends.registry import backend_registry

    in_main = threading.current_thread() is threading.main_thread()
    return in_main and backend_registry.resolve_backend(pyplot().get_backend())[1] not in (None, "headless")


class _Nowhere:
    def show(self, fits: Sequence[FitProgress], ended: bool) -> None:
        """Show nothing."""


class _Output:
    """Below the cell of a notebook: SVG, which is drawn in a few milliseconds and takes the colours of the notebook."""

    def __init__(self, names: Sequence[str], networks: int) -> None:
        self._names, self._networks = names, networks
        self._output: Any = None

    def show(self, fits: Sequence[FitProgress], ended: bool) -> None:
        """Replace the picture."""
        from IPython.display import display

        best, status = None, f"{counted(self._networks, 'network')}, {len(fits)} begun"
        if self._networks == 1:
            best, status = fits[0].history.best_epoch, _status(fits[0], ended)
        mark = None if best is None else (float(best), f"best epoch, {best}")
        lines = {name: [line for fit in fits for line in curves_of(fit.history, name)] for name in self._names}
        pictures = [curves(found, "epoch", mark=mark, title=name.replace("_", " ")) for name, found in lines.items()]
        html = representation(element("div", *pictures, class_="hotloop-row"), note(status))
        data = {"text/html": html, "text/plain": status}
        if self._output is None:
            self._output = display(data, raw=True, display_id=True)
        else:
            self._output.update(data, raw=True)


class _Window:
    """A window of matplotlib."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        with styled():
            size = (WIDTH * len(names), HEIGHT)
            self._figure, axes = pyplot().subplots(1, len(names), figsize=size, squeeze=False, layout="constrained")
            self._axes = axes[0]
            pyplot().show(block=False)
            self._draw()  # the first takes longest: it loads fonts

    def show(self, fits: Sequence[FitProgress], ended: bool) -> None:
        """Draw anew, unless the window was closed."""
        if pyplot().fignum_exists(self._figure.number):
            with styled():
                for axes, name in zip(self._axes, self._names, strict=True):
                    axes.clear()
                    draw_curves(fits[0].history, name, axes)
                self._draw()

    def _draw(self) -> None:
        self._figure.canvas.draw()
        self._figure.canvas.flush_events()


def _status(fit: FitProgress, ended: bool) -> str:
    """Return the epoch and its numbers, and why the fit has stopped if it has."""
    numbers = ", ".join(f"{n.replace('_', ' ')} {short(fit.record[n])}" for n in fit.record if n not in UNSEEN)
    stopped = [f"stopped: {fit.history.stop_reason}"] if ended else []
    return "; ".join([f"epoch {len(fit.history.epochs)} of {fit.epochs}", numbers, *stopped])
