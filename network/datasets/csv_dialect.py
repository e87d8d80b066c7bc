"""How a CSV file is written: its encoding, separator, decimal sign, and whether its first line is a header.

What is not given is found from the first rows. Where two readings fit, hotloop takes one and says so, or asks.
"""

import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, TextIO

from hotloop.network.datasets.data_warning import note

SEPARATORS = "\t;|,"  # in order of preference: commas also occur in numbers and text
NAMED_SEPARATORS = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";"}
MISSING = frozenset({"", "?", "na", "n/a", "nan", "null"})
BOOLEANS = {"true": 1.0, "false": 0.0}
SAMPLE_ROWS, SAMPLE_SIZE, LONGEST_LINE = 200, 2**18, 2**25  # characters
FEWEST_ROWS = 5  # of a table whose first row of numbers may be a header
BYTE_ORDER_MARKS = {
    b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"
}  # fmt: skip
NOT_TEXT = {b"PK\3\4": "a zip archive, such as a spreadsheet", b"PAR1": "a Parquet file", b"\x93NUMPY": "an NPY file"}
DECIMAL_COMMA = re.compile(r"[+-]?(\d+,\d*|,\d+)([eE][+-]?\d+)?")
IN_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
EXCEL_HINT = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


@dataclass(frozen=True)
class Dialect:
    """What is known about how a file is written; None is unknown.

    Attributes
    ----------
    header : bool or None
        Whether the first line holds the names of the columns.
    separator, decimal : str or None
        The character between cells, and the decimal sign.
    """

    header: bool | None = None
    separator: str | None = None
    decimal: str | None = None

    @classmethod
    def of(cls, header: bool | None, separator: str | None, decimal: str | None) -> "Dialect":
        """Return what the caller knows about a file, checked."""
        if header not in (None, True, False):
            raise ValueError(f"header is {header!r}; wanted True, False or None")
        if separator is not None:
            separator = NAMED_SEPARATORS.get(separator, separator) if isinstance(separator, str) else separator
            if not isinstance(separator, str) or len(separator) != 1 or separator.isalnum() or separator in '\r\n"+-.':
                raise ValueError(f"separator is {separator!r}; wanted one character such as ',', ';' or '\\t'")
        if decimal not in (None, ".", ","):
            raise ValueError(f"decimal is {decimal!r}; wanted '.' or ','")
        return cls(header, separator, decimal)


def value_of(cell: str, decimal: str) -> float | None:
    """Return the number in a cell, with True as 1 and False as 0; None if it is not a number."""
    if decimal == ",":
        cell = cell.replace(",", ".") if "." not in cell else "."
    if "_" in cell:  # Python reads "1_000" as a number; in a table it is more likely a name
        return None
    try:
        return float(cell)
    except ValueError:
        return BOOLEANS.get(cell.strip().lower())


def is_missing(cell: str) -> bool:
    """Say whether a cell stands for a missing value."""
    return cell.strip().lower() in MISSING


def open_text(name: str, file: BinaryIO) -> TextIO:
    """Return the text of a file: UTF-8, or what its byte order mark says."""
    start = file.read(4)
    file.seek(0)
    for magic, what in NOT_TEXT.items():
        if start.startswith(magic):
            raise ValueError(f"{name} is {what}, not a CSV file: save it as CSV")
    encoding = next((name for mark, name in BYTE_ORDER_MARKS.items() if start.startswith(mark)), "utf-8-sig")
    return io.TextIOWrapper(file, encoding=encoding, newline="")


def lines_of(file: TextIO) -> Iterator[str]:
    """Yield the lines, none so long that a file without line ends would fill the memory."""
    read = file.readline
    while line := read(LONGEST_LINE):
        if len(line) == LONGEST_LINE and line[-1] not in "\r\n":
            raise csv.Error(f"the line is longer than {LONGEST_LINE} characters")
        yield line


def examine(
    name: str, file: TextIO, known: Dialect, fits: Callable[[list[str]], bool], like: Dialect
) -> tuple[Dialect, list[list[str]], int]:
    """Find out how a file is written, and leave it where its table begins.

    Parameters
    ----------
    name : str
        Of the file, for messages.
    file : TextIO
        At its start.
    known : Dialect
        What was given; it is not questioned.
    fits : callable
        Says whether a first row has the wanted columns.
    like : Dialect
        Decides where several readings fit: how the training file was written.

    Returns
    -------
    dialect : Dialect
        Its separator and decimal sign are known; its header is as given.
    rows : list of list of str
        The first rows, for `has_header`.
    skipped : int
        Number of lines before the table: 1 for ``sep=;``, which spreadsheets write and read.
    """
    lines = _sample(name, file)
    file.seek(0)
    separator, other, skipped = known.separator, None, 0
    if lines and (hint := EXCEL_HINT.fullmatch(lines[0])):
        file.readline()
        separator, lines, skipped = separator or hint[1], lines[1:], 1
    if separator is not None:
        rows = _rows(lines, separator)[0]
    else:
        separator, rows, other = _separator(lines, known, fits, like)
    decimal = known.decimal or _decimal(name, rows, like)
    if other is not None:
        signs = " and commas are decimal signs" if decimal == "," else ""
        note(f"{name}: cells are separated by {separator!r}{signs}; {other!r} would also fit (--separator decides)")
    return Dialect(known.header, separator, decimal), rows, skipped


def has_header(name: str, rows: Sequence[list[str]], places: Sequence[int], decimal: str) -> bool:
    """Say whether the first row holds names: it has text above numbers, and no number above numbers.

    If numbers in the first row may be names, such as years or 0, 1, 2, ..., the error asks which they are.

    Parameters
    ----------
    name : str
        Of the file, for messages.
    rows : sequence of list of str
        The first rows.
    places : sequence of int
        Columns of the inputs.
    decimal : str
        The decimal sign.
    """
    first, names, values = rows[0], [], []
    for place, cell in enumerate(first):
        below = [row[place] for row in rows[1:] if len(row) == len(first) and not is_missing(row[place])]
        numbers = sum(value_of(other, decimal) is not None for other in below)
        is_value = value_of(cell, decimal) is not None
        if numbers > len(below) / 2:
            if is_value and not is_missing(cell):
                values.append(cell.strip())
            elif not is_missing(cell):
                names.append(cell.strip())
        elif cell in below:
            values.append(cell.strip())
    if names and values:
        raise ValueError(
            f"{name}: is the first row a header? {names[0]!r} stands above numbers, as a name does, but {values[0]!r} "
            f"is like the values below it: pass header=True or header=False (--header yes or no)"
        )
    if values and _may_number_columns(rows):
        raise ValueError(
            f"{name}: is the first row a header? Its numbers ({', '.join(values[:3])}, ...) are unlike the rows below: "
            "pass header=True or header=False (--header yes or no)"
        )
    if names or values:
        return bool(names)
    inputs = [first[place] for place in places]
    named = any(not is_missing(cell) for cell in inputs)
    return named and not any(value_of(cell, decimal) is not None and not is_missing(cell) for cell in inputs)


def _may_number_columns(rows: Sequence[list[str]]) -> bool:
    """Say whether the first row is all whole numbers, and the only row that counts up or has whole numbers at all."""
    if len(rows) < FEWEST_ROWS:
        return False
    first, *others = ([cell.strip() for cell in row if not is_missing(cell)] for row in rows)
    if len(first) < 2 or not all(cell.isdecimal() for cell in first):
        return False
    if _counts(first) and not any(map(_counts, others)):
        return True
    return not any(cell.isdecimal() for row in others for cell in row)


def _counts(cells: Sequence[str]) -> bool:
    """Say whether the cells are three or more whole numbers, each one more than the one before."""
    if len(cells) < 3 or not all(cell.isdecimal() for cell in cells):
        return False
    start = int(cells[0]) if len(cells[0]) < 19 else -1  # a longer number is no count
    return [str(start + index) for index in range(len(cells))] == list(cells)


def line_that_is_not_utf8(file: BinaryIO) -> int:
    """Return the first line of a file that does not decode, counted from 1."""
    file.seek(0)
    for number, line in enumerate(file, 1):
        try:
            line.decode()
        except UnicodeDecodeError:
            return number
    return 1


def _sample(name: str, file: TextIO) -> list[str]:
    """Return the first lines, complete, at least two if the file has them."""
    text, size = "", SAMPLE_SIZE
    while len(text) < LONGEST_LINE and (more := file.read(size)):
        text, size = text + more, 4 * size
        lines = list(io.StringIO(text, newline=""))
        if len(lines) > 3:
            break
    if "\0" in text:
        raise ValueError(
            f"{name} holds NUL bytes: it is not text, or UTF-16 without a byte order mark; save it as UTF-8"
        )
    if not text:
        return []
    return lines[:-1] if len(lines) > 1 and file.read(1) else lines


def _rows(lines: Sequence[str], separator: str) -> tuple[list[list[str]], bool]:
    """Return the first rows that are not blank, and whether all that were read are well formed."""
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=separator != "\t", strict=True)
    rows: list[list[str]] = []
    try:
        for row in reader:
            if len(row) > 1 or (row and row[0].strip()):
                rows.append(row)
                if len(rows) == SAMPLE_ROWS:
                    break
    except csv.Error:  # also raised if the sample ends within a quoted cell
        return rows, reader.line_num == len(lines) and len(rows) > 1
    return rows, True


def _separator(
    lines: Sequence[str], known: Dialect, fits: Callable[[list[str]], bool], like: Dialect
) -> tuple[str, list[list[str]], str | None]:
    """Return the separator that splits all rows into equally many cells, the rows, and another that fits, if any."""
    found: dict[str, list[list[str]]] = {}
    readings = []
    candidates = [*SEPARATORS] if like.separator in (None, *SEPARATORS) else [like.separator, *SEPARATORS]
    for rank, separator in enumerate(candidates):
        rows, well_formed = _rows(lines, separator)
        found[separator] = rows
        if rows and len(rows[0]) == 1 and separator != (like.separator or ","):
            continue  # a separator that does not occur is not another reading
        if rows and well_formed and fits(rows[0]) and len({len(row) for row in rows}) == 1:
            preferred = separator == like.separator
            readings.append((preferred, _share_of_numbers(rows, known.decimal), -rank, separator))
    if not readings:
        best = max(found, key=lambda separator: len(found[separator][0]) if found[separator] else 0)
        return best, found[best], None
    *others, best = (reading[-1] for reading in sorted(readings))
    return best, found[best], others[-1] if others and best != like.separator else None


def _share_of_numbers(rows: Sequence[list[str]], decimal: str | None) -> float:
    """Return the share of cells below the first row that are numbers, with either decimal sign."""
    cells = [cell for row in rows[1:] or rows for cell in row]
    signs = (".", ",") if decimal is None else (decimal,)
    numbers = sum(any(value_of(cell, sign) is not None for sign in signs) for cell in cells)
    return numbers / len(cells)


def _decimal(name: str, rows: Sequence[list[str]], like: Dialect) -> str:
    """Return the decimal sign: a comma if there are numbers with a comma, and none with a point."""
    cells = [cell.strip() for row in rows for cell in row]
    commas = [cell for cell in cells if DECIMAL_COMMA.fullmatch(cell) or IN_THOUSANDS.fullmatch(cell)]
    if not commas or any("." in cell and _is_finite(cell) for cell in cells):
        return "."
    if all(IN_THOUSANDS.fullmatch(cell) for cell in commas):
        if any(cell.count(",") > 1 for cell in commas):
            return "."  # then they are not numbers, and the error says so
        if like.decimal is None:
            whole = commas[0].replace(",", "")
            raise ValueError(
                f"{name}: {commas[0]!r} is {commas[0].replace(',', '.')} or {whole}: pass decimal=',' (--decimal ,), "
                "or write numbers without thousands separators"
            )
        return like.decimal
    return ","


def _is_finite(cell: str) -> bool:
    value = value_of(cell, ".")
    return value is not None and math.isfinite(value)
