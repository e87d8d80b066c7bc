"""The progress bar of a fit: at the bottom of the terminal, or below the cell of a notebook."""

import html
import itertools
import time

from hotloop.network.display.live_text import MARGIN, LiveText
from hotloop.network.display.terminal import Styled, styled
from hotloop.network.display.text_table import GAP, width_of
from hotloop.network.training.callbacks import Callback, FitProgress, span
from hotloop.network.training.history import UNSEEN, short
from hotloop.network.validation.printable import printable

# Ranks of what the line may show: where not all has room, the highest goes first. Further metrics come after LEFT.
HEAD, LEFT, BAR, RATE, PERCENT, COUNT = 0, 3, 1000, 1001, 1002, 1003
FIRST = {"loss": 1, "val_loss": 2}
REDRAWN = 0.25  # seconds: training waits while the bar is drawn
NARROWEST, WIDEST = 5, 30  # columns of the bar
SHOWING = "show the progress"  # a row of a profile


class Bar:
    """A progress bar in one line, which shows what has room: no number is cut, and no line wraps.

    Parameters
    ----------
    total : int or None
        None if it is not known.
    unit : str
        What is counted.
    done : int, default 0
        How many were done before.
    head : str
        The beginning of the line.
    """

    def __init__(self, total: int | None, unit: str, done: int = 0, head: str = "") -> None:
        self.head, self.values = head, dict[str, str]()
        self._total, self._unit, self._done, self._before = total, unit, done, done
        self._ended, self._began = False, time.perf_counter()
        self._drawn = self._began
        with span(SHOWING):
            self._live = LiveText(self)

    def is_due(self) -> bool:
        """Whether `update` will show the line: `head` and `values` need be right only then."""
        return time.perf_counter() - self._drawn >= REDRAWN

    def update(self, done: int) -> None:
        """Note how many are done, and show it, if the last time is a while ago."""
        self._done = done
        if self.is_due():
            self._drawn = time.perf_counter()
            with span(SHOWING):
                self._live.draw()

    def close(self) -> None:
        """Leave the last state on the screen."""
        self._ended = True
        with span(SHOWING):
            self._live.close()

    def text(self, columns: int) -> Styled:
        """Return the line: of what there is to say, what has room, the most important first."""
        room, parts = columns - MARGIN, self._parts()
        chosen: dict[int, str] = {}
        for rank in sorted(parts):
            if sum(map(width_of, chosen.values())) + width_of(parts[rank]) <= room:
                chosen[rank] = parts[rank]
        if BAR in chosen:
            chosen[BAR] = self._bar(min(WIDEST, NARROWEST + room - sum(map(width_of, chosen.values()))))
        line = Styled.joined("", [chosen[rank] for rank in parts if rank in chosen])
        return line if line else Styled(self.head[: max(room, 0)])

    def html(self) -> str:
        """Return the line for a notebook, with the browser's own bar."""
        parts = [html.escape(part.strip()) for rank, part in self._parts().items() if rank not in (BAR, PERCENT)]
        bar = "" if self._total is None else f'<progress value="{self._share():.4f}" style="width: 12em"></progress> '
        return f'{bar}<span style="font-family: monospace">{" &nbsp;".join(parts)}</span>'

    def _parts(self) -> dict[int, str]:
        """Return all that could be shown, in the order of the line, by rank: the lowest is the most important.

        Each part begins with the space that separates it from the one before.
        """
        seconds, done, total = time.perf_counter() - self._began, self._done - self._before, self._total
        rate = done / seconds if seconds > 0 else 0.0
        parts: dict[int, str] = {HEAD: styled(self.head, "bold")}
        if total is not None:
            parts |= {PERCENT: f" {100 * self._share():3.0f}%", BAR: self._bar(NARROWEST)}
        if self._ended:
            parts[LEFT] = f" {clock(seconds)} in all"
        elif total is not None and rate > 0:
            parts[LEFT] = f" {clock((total - self._done) / rate)} left"
        parts[COUNT] = f"{GAP}{prefixed(self._done)}{'' if total is None else f'/{prefixed(total)}'} {self._unit}"
        if rate > 0:
            parts[RATE] = f"{GAP}{prefixed(rate)} {self._unit}/s"
        others = itertools.count(LEFT + 1)
        for name, value in self.values.items():
            rank = FIRST.get(name) or next(others)
            parts[rank] = Styled.joined("", [GAP, styled(printable(name), "dim"), f" {printable(value)}"])
        return parts

    def _share(self) -> float:
        return min(self._done / self._total, 1.0) if self._total else 0.0

    def _bar(self, width: int) -> Styled:
        """Return a bar: what is done is a heavy line, what is left a light one."""
        heavy = int(self._share() * width)
        return Styled.joined("", [" ", styled("━" * heavy, "green"), styled("─" * (width - heavy), "dim")])


def clock(seconds: float) -> str:
    """Return a time as a clock shows it.

    >>> clock(7.4), clock(83), clock(3723)
    ('0:07', '1:23', '1:02:03')
    """
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def prefixed(number: float) -> str:
    """Return a number in three digits and a prefix.

    >>> prefixed(7), prefixed(1234), prefixed(999999), prefixed(0.25)
    ('7', '1.23k', '1M', '0.25')
    """
    for prefix in ("", "k", "M", "G"):
        text = f"{number:.3g}"
        if abs(float(text)) < 1000:
            return f"{text}{prefix}"
        number /= 1000
    return f"{number:.3g}T"


class ProgressBar(Callback):
    """Shows the epoch, the time left, the samples a second, and the last epoch's record."""

    def __init__(self) -> None:
        self._bar: Bar | None = None

    def on_epoch_begin(self, fit: FitProgress) -> None:
        """Show a bar, whose time begins with the first epoch, after compiling."""
        if self._bar is None:
            total = None if fit.rows is None else fit.epochs * fit.rows
            self._bar = Bar(total, "samples", self._done(fit), self._head(fit))

    def on_call_end(self, fit: FitProgress) -> None:
        """Count the samples. The words are made only if they are shown: an epoch may take 20 us."""
        if self._bar is not None:
            if self._bar.is_due():
                self._describe(self._bar, fit)
            self._bar.update(self._done(fit))

    def on_fit_end(self, fit: FitProgress) -> None:
        """Close the bar, which leaves it on the screen."""
        if self._bar is not None:
            self._describe(self._bar, fit)
            self._bar.close()

    def _describe(self, bar: Bar, fit: FitProgress) -> None:
        """Give the bar the number of the epoch, and the last record."""
        bar.head = self._head(fit)
        bar.values = {name: short(value) for name, value in fit.record.items() if name not in UNSEEN}

    @staticmethod
    def _head(fit: FitProgress) -> str:
        return f"epoch {fit.epoch}/{fit.epochs}"

    @staticmethod
    def _done(fit: FitProgress) -> int:
        """Return how many samples have been trained, also where the rows of an epoch are not known yet."""
        return (fit.epoch - 1) * (fit.rows or 0) + fit.rows_done
