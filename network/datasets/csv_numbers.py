"""The numbers in the rows of a CSV file, and one message for all columns that hold something else."""

import array
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt

from hotloop.network.datasets.csv_dialect import BOOLEANS, DECIMAL_COMMA, IN_THOUSANDS, is_missing, value_of
from hotloop.network.validation.memory import require
from hotloop.network.validation.printable import counted

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]

MANY = 12  # names that an error message lists at most
VALUES_BETWEEN_CHECKS = 2**20  # of the memory that is left
BYTES_OF_A_CELL = 100  # of the target, as text
FILL_IN = "fill it in or drop the row"


def fail(name: str, line: int, column: str, what: str, unit: str = "line") -> NoReturn:
    """Raise the ValueError for a cell: where, then what."""
    raise ValueError(f"{name}, {unit} {line}, {column}: {what}")


def misspelt(cell: str, decimal: str) -> str | None:
    """Return the remedy for a number that is written with another decimal sign, or with separators; None if it is not.

    The cell is not a number as it is.
    """
    if decimal == "," and value_of(cell, ".") is not None:
        return "commas are decimal signs here (--decimal . takes points)"
    if IN_THOUSANDS.fullmatch(cell.strip()) and cell.count(",") > 1:
        return "write numbers without thousands separators"
    if decimal == "." and DECIMAL_COMMA.fullmatch(cell.strip()):
        return "decimal=',' (--decimal ,) takes commas as decimal signs"
    return None


def column_name(names: Sequence[str] | None, index: int) -> str:
    """Return what messages call a column: its name where there is a header, else its index."""
    return f"column index {index}" if names is None else f"column {names[index]!r}"


@dataclass
class Fault:
    """The first fault of a column, and the number of rows that have one."""

    line: int
    what: str
    remedy: str
    rows: int = 0


@dataclass
class Numbers:
    """The inputs of the rows that were read, and what is wrong with them: the first fault of each column."""

    name: str  # of the file
    decimal: str
    first_line: int
    names: Sequence[str] | None
    places: Sequence[int]
    values: "array.array[float]" = field(default_factory=lambda: array.array("d"))
    faults: dict[int, Fault] = field(default_factory=dict)
    booleans: set[int] = field(default_factory=set)  # columns with True or False
    next_check: int = field(default_factory=lambda: VALUES_BETWEEN_CHECKS)

    def append(self, line: int, row: list[str]) -> None:
        """Add the cells of a row, or note what is wrong with them."""
        if len(self.values) >= self.next_check:
            self._check_memory()
        if not self.booleans:
            try:
                joined = "".join(row)
                if self.decimal == ".":
                    values = list(map(float, row))
                else:
                    values = [float(cell.replace(",", ".")) for cell in row] if "." not in joined else [math.nan]
                if all(map(math.isfinite, values)) and "_" not in joined:
                    self.values.extend(values)
                    return
            except ValueError:
                pass
        decimal = self.decimal
        for place, cell in zip(self.places, row, strict=True):
            value = value_of(cell, decimal)
            if value is None or not math.isfinite(value):
                fault = self.faults.setdefault(place, self._fault(line, cell, value, decimal))
                fault.rows += 1
                value = 0.0
            elif cell.strip().lower() in BOOLEANS:
                self.booleans.add(place)
            self.values.append(value)

    def _check_memory(self) -> None:
        """Raise a MemoryError if the array cannot grow: it is copied, and both copies exist for a while."""
        n_rows = len(self.values) // len(self.places)
        require(8 * len(self.values) + BYTES_OF_A_CELL * n_rows, f"a copy of the rows read from {self.name}")
        self.next_check = len(self.values) + VALUES_BETWEEN_CHECKS

    def array(self, n_rows: int, lines: Sequence[int]) -> FloatArray:
        """Return the inputs (rows, columns), or raise for all columns that have faults."""
        if n_rows == 0:
            raise ValueError(f"{self.name} holds a header and no rows")
        inputs = np.frombuffer(self.values, dtype=np.float64).reshape(n_rows, len(self.places))
        for index, place in enumerate(self.places):
            if place not in self.booleans or place in self.faults:
                continue
            others = ~np.isin(inputs[:, index], (0.0, 1.0))
            if others.any():
                what = "there are numbers beside True and False, which are read as 1 and 0"
                self.faults[place] = Fault(lines[int(others.argmax())], what, "use one or the other", int(others.sum()))
        if self.faults:
            raise ValueError(self._message())
        return inputs

    def _fault(self, line: int, cell: str, value: float | None, decimal: str) -> Fault:
        """Return what is wrong with a cell."""
        shown = repr(cell.strip())
        if is_missing(cell):
            return Fault(line, "the value is missing", FILL_IN)
        if value is not None:
            return Fault(line, f"{cell.strip()} is not finite", "fill in a number or drop the row")
        remedy = misspelt(cell, decimal) or "inputs must be numbers: encode the column as numbers or remove it"
        if self.names is None and line == self.first_line:
            remedy = f"line {line} was read as values, since it holds numbers; header=True (--header yes) overrides"
        return Fault(line, f"{shown} is not a number", remedy)

    def _message(self) -> str:
        """Return all faults in one line, in the order of the columns."""
        places = sorted(self.faults)
        if len(places) == 1:
            fault = self.faults[places[0]]
            more = f" (and in {counted(fault.rows - 1, 'more row')})" if fault.rows > 1 else ""
            column = column_name(self.names, places[0])
            return f"{self.name}, line {fault.line}, {column}: {fault.what}{more}: {fault.remedy}"
        shown = [
            f"{column_name(self.names, place)}: {fault.what} in line {fault.line}"
            + (f" and {fault.rows - 1} more" if fault.rows > 1 else "")
            for place, fault in ((place, self.faults[place]) for place in places[:MANY])
        ]
        if len(places) > MANY:
            shown.append(f"and {counted(len(places) - MANY, 'more column')}")
        remedies = dict.fromkeys(self.faults[place].remedy for place in places)
        return f"{self.name}, {len(places)} columns: {'; '.join(shown)}. Remedies: {'; '.join(remedies)}"
