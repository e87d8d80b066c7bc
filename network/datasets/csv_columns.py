"""The columns of a CSV file of mixed kinds: numbers where every cell is one, else the cells as they are written."""

import re
from collections.abc import Collection, Sequence
from typing import Any, TypeAlias

import numpy as np

from hotloop.network.datasets.csv_dialect import DECIMAL_COMMA, is_missing, value_of
from hotloop.network.datasets.csv_numbers import (
    BYTES_OF_A_CELL,
    VALUES_BETWEEN_CHECKS,
    FloatArray,
    column_name,
    fail,
    misspelt,
)
from hotloop.network.validation.memory import require

CellsOfColumn: TypeAlias = FloatArray | list[Any]  # numbers, NaN where one is missing; or texts, whole numbers, None

CELLS_OF_A_BLOCK, FEWEST_ROWS = 2**15, 16
BETWEEN = "\0"  # the cells of a column while they are kept
ZERO_PADDED = re.compile(r"\0[+-]?0\d+\0")  # as 007 is: a code, not a number
EXACT = 2**53  # float64 has all whole numbers up to here


class _Cells:
    """The cells of one column, as numbers as long as all are, and as text."""

    def __init__(self) -> None:
        self.floats: list[FloatArray] | None = []
        self.texts: list[str] = []

    def append(self, joined: str, numbers: FloatArray | None) -> None:
        self.texts.append(joined)
        if numbers is None:
            self.floats = None
        elif self.floats is not None:
            self.floats.append(numbers)


class Columns:
    """Takes the rows of a file one by one, and gives its columns.

    Rows are turned into columns block by block, so that no more than a block is there as rows of text.
    """

    def __init__(self, name: str, decimal: str, missing: Collection[str] = ()) -> None:
        self.name, self.decimal = name, decimal
        self._words = frozenset(word.strip() for word in missing)
        self._rows: list[list[str]] = []
        self._cells: list[_Cells] = []
        self._n_rows, self._next_check = 0, VALUES_BETWEEN_CHECKS

    def is_missing(self, cell: str) -> bool:
        """Say whether a cell stands for a missing value."""
        return is_missing(cell) or cell.strip() in self._words

    def append(self, row: list[str]) -> None:
        """Add a row."""
        self._rows.append(row)
        if len(self._rows) * len(row) >= CELLS_OF_A_BLOCK and len(self._rows) >= FEWEST_ROWS:
            self._flush()

    def columns(self, lines: Sequence[int], names: Sequence[str] | None) -> list[CellsOfColumn]:
        """Return the columns of all rows, which end on these lines."""
        self._flush()
        if self._n_rows == 0:
            raise ValueError(f"{self.name} holds a header and no rows")
        return [self._column(cells, lines, column_name(names, index)) for index, cells in enumerate(self._cells)]

    def _flush(self) -> None:
        if not self._rows:
            return
        if not self._cells:
            self._cells = [_Cells() for _ in self._rows[0]]
        for cells, column in zip(self._cells, zip(*self._rows, strict=True), strict=True):
            joined = BETWEEN.join(column)
            if joined.count(BETWEEN) != len(column) - 1:
                raise ValueError(f"{self.name} holds NUL bytes: it is not text")
            cells.append(joined, None if cells.floats is None else self._numbers(column, joined))
        self._n_rows += len(self._rows)
        self._rows = []
        if (n_cells := self._n_rows * len(self._cells)) >= self._next_check:
            require(8 * n_cells + BYTES_OF_A_CELL * self._n_rows, f"the columns read from {self.name}")
            self._next_check = n_cells + VALUES_BETWEEN_CHECKS

    def _numbers(self, cells: Sequence[str], joined: str) -> FloatArray | None:
        """Return the cells as numbers, NaN where they are missing; None if one is something else."""
        if "_" in joined or ZERO_PADDED.search(f"\0{joined}\0"):  # Python takes 1_000 for a number
            return None
        if self.decimal == ",":
            if "." in joined:
                return None
            cells = joined.replace(",", ".").split(BETWEEN)
        try:
            return np.array(list(map(float, cells)))
        except ValueError:
            pass
        try:
            return np.array([np.nan if self.is_missing(cell) else float(cell) for cell in cells])
        except ValueError:
            return None

    def _column(self, cells: _Cells, lines: Sequence[int], label: str) -> CellsOfColumn:
        if cells.floats is not None:
            numbers = np.concatenate(cells.floats)
            for word in self._words:
                if value_of(word, self.decimal) is not None:  # such as -999
                    numbers[np.array([cell.strip() == word for cell in self._texts(cells)])] = np.nan
            if not (np.abs(numbers) > EXACT).any() or np.isinf(numbers).any():
                return numbers
        texts = self._texts(cells)
        distinct = dict.fromkeys(texts)
        if cells.floats is not None:
            try:
                values = {text: None if self.is_missing(text) else int(text) for text in distinct}
            except ValueError:
                return numbers
            return [values[text] for text in texts]
        read = {text: None if self.is_missing(text) else self._as_points(text) for text in distinct}
        self._check_spelling(texts, read, lines, label)
        return [read[text] for text in texts]

    def _texts(self, cells: _Cells) -> list[str]:
        return [text.strip() for block in cells.texts for text in block.split(BETWEEN)]

    def _as_points(self, text: str) -> str:
        """Return a number with a decimal point, other text as it is."""
        return text.replace(",", ".") if self.decimal == "," and DECIMAL_COMMA.fullmatch(text) else text

    def _check_spelling(
        self, texts: Sequence[str], read: dict[str, str | None], lines: Sequence[int], label: str
    ) -> None:
        """Raise a ValueError if most cells are numbers, some of them with a decimal sign that is not the file's."""
        remedies = {
            text: misspelt(text, self.decimal)
            for text, value in read.items()
            if value is not None and value_of(text, self.decimal) is None
        }
        if not any(remedies.values()):
            return
        present = [text for text in texts if read[text] is not None]
        if 2 * sum(text not in remedies or remedies[text] is not None for text in present) > len(present):
            row = next(row for row, text in enumerate(texts) if remedies.get(text))
            fail(self.name, lines[row], label, f"{texts[row]!r} is not a number: {remedies[texts[row]]}")
