"""The callback that writes the record of each epoch into a CSV file."""

import csv
import os
from collections.abc import Mapping, Sequence
from typing import Any

from hotloop.network.training.callbacks import Callback, FitProgress, PlannedFit
from hotloop.network.validation import arguments
from hotloop.network.validation.paths import check_file, text_path
from hotloop.network.validation.suggestions import explains_its_keywords


@explains_its_keywords
class CSVLogger(Callback):
    """Writes each epoch's record as a line of a CSV file, as soon as the epoch ends.

    The columns are those of the first epoch, or of the file that is appended to: a number that a record lacks is an
    empty cell, and one that only later records have is left out. Numbers have all their digits.

    Parameters
    ----------
    path : str or path-like
    append : bool, default False
        Whether to go on with a file that exists, rather than replace it.

    Raises
    ------
    OSError
        Of the fit, before it trains, if the file cannot be written.
    ValueError
        Of the fit, if a file to append to has none of the columns.

    Examples
    --------
    >>> from pathlib import Path
    >>> from hotloop import Network
    >>> from hotloop.callbacks import CSVLogger
    >>> history = Network([1, 1], seed=0).fit([[0.0], [1.0]], [1.0, 0.0], epochs=3, callbacks=[CSVLogger("log.csv")])
    >>> Path("log.csv").read_text().splitlines()[0]
    'epoch,loss,learning_rate,seconds'
    """

    def __init__(self, path: str | os.PathLike[str], *, append: bool = False) -> None:
        self.path, self.append = text_path("path", path, "log.csv"), arguments.flag("append", append)
        self._columns: list[str] = []
        self._size: int | None = None  # of the file, if a resumed fit goes on with it

    def _check_before_fit(self, planned: PlannedFit) -> None:
        """Look whether the file can be written, without making it, and whether one to append to is a log."""
        check_file(self.path)
        if self.append and not planned.may_have_more and self._size_of_file() > 0:
            self._columns_of_file(planned.record)

    def on_fit_begin(self, fit: FitProgress) -> None:
        """Forget the fit before."""
        if self._size is None:
            self._columns = []

    def on_epoch_end(self, fit: FitProgress) -> None:
        """Write a line; the file is open only meanwhile."""
        if self._size is not None:
            if (there := self._size_of_file()) > 0:
                os.truncate(self.path, min(self._size, there))
            else:  # it was removed
                self._columns = []
            self._size = None
        if not self._columns:
            self._begin(fit)
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow([fit.record.get(name, "") for name in self._columns])

    def _begin(self, fit: FitProgress) -> None:
        """Choose the columns, and write them unless the file has them."""
        if self.append and self._size_of_file() > 0:
            self._columns = self._columns_of_file([*fit.record])
            with open(self.path, "rb+") as file:
                file.seek(-1, os.SEEK_END)
                if file.read() != b"\n":
                    file.write(b"\n")  # after a line that was cut short
            return
        self._columns = list(fit.record)
        with open(self.path, "w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(self._columns)

    def _size_of_file(self) -> int:
        return os.path.getsize(self.path) if os.path.exists(self.path) else 0

    def _columns_of_file(self, record: Sequence[str]) -> list[str]:
        with open(self.path, newline="", encoding="utf-8") as file:
            columns = next(csv.reader(file), [])
        if not {*columns} & {*record}:
            raise ValueError(f"{self.path} has none of the columns {', '.join(record)}: it is not a log of a fit")
        return columns

    def on_fit_end(self, fit: FitProgress) -> None:
        """Forget the last fit."""
        self._size = None

    def state_dict(self) -> dict[str, Any]:
        """Return the columns and the size of the file: what a stopped fit has written after that is cut off."""
        return {"columns": self._columns, "size": os.path.getsize(self.path)} if self._columns else {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state."""
        self._columns, self._size = list(state.get("columns", ())), state.get("size")
