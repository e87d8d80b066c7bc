"""What a trained network's inputs and outputs are called in its data, kept in the metadata of a model file."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from hotloop.network.datasets.csv_dialect import Dialect
from hotloop.network.datasets.dataset import Dataset

KEY = "data"  # in the metadata
CHECKPOINT = {"checkpoint of": "hotloop train"}  # the metadata of a network that takes inputs as they were scaled


@dataclass(frozen=True)
class Schema:
    """The names of inputs and classes, and how their CSV file was laid out.

    The default is for a network that was saved without names.
    """

    columns: tuple[str, ...] | None = None
    target_column: int | None = None
    classes: tuple[str, ...] | None = None
    separator: str | None = None  # of the CSV file
    decimal: str | None = None
    missing: tuple[str, ...] = ()  # further words for a missing value

    @classmethod
    def of(cls, data: Dataset) -> "Schema":
        """Return the schema of a data set."""
        return cls(data.columns, data.target_column, data.classes, data.separator, data.decimal)

    @classmethod
    def of_table(cls, data: Dataset, missing: tuple[str, ...]) -> "Schema":
        """Return the schema of a table whose columns a preparation knows."""
        return cls(None, data.target_column, data.classes, data.separator, data.decimal, missing)

    @classmethod
    def from_metadata(cls, metadata: dict[str, str], n_inputs: int, n_outputs: int) -> "Schema":
        """Return what `to_metadata` wrote, for a network with this many inputs and outputs.

        Raises
        ------
        ValueError
            If the metadata has been altered, or belongs to another network, or to a checkpoint.
        """
        if metadata.items() >= CHECKPOINT.items():
            raise ValueError("a checkpoint cannot predict from raw data: resume it, and use what --save writes")
        if KEY not in metadata:
            return cls()
        try:
            found = json.loads(metadata[KEY])
        except (ValueError, RecursionError) as error:
            raise ValueError(f"metadata {KEY!r} is not what hotloop train writes ({error})") from None
        return cls.of_plain(found, n_inputs, n_outputs)

    @classmethod
    def of_plain(cls, found: Any, n_inputs: int | None, n_outputs: int) -> "Schema":
        """Return what `plain` returned, checked."""
        try:
            kept = cls(**found)
        except TypeError as error:
            raise ValueError(f"metadata {KEY!r} is not what hotloop train writes ({error})") from None
        columns, classes = _names("columns", kept.columns), _names("classes", kept.classes)
        if columns is not None and len(columns) != n_inputs:
            raise ValueError(f"metadata {KEY!r} names {len(columns)} columns; the network has {n_inputs} inputs")
        if classes is not None and len(classes) != max(n_outputs, 2):  # one output tells two classes apart
            raise ValueError(f"metadata {KEY!r} names {len(classes)} classes; the network has {n_outputs} outputs")
        place = kept.target_column
        if place is not None and (type(place) is not int or place < 0):
            raise ValueError(f"metadata {KEY!r} has the target column {place!r}; wanted a whole number, 0 or above")
        try:
            dialect = Dialect.of(None, kept.separator, kept.decimal)
        except ValueError as error:
            raise ValueError(f"metadata {KEY!r}: {error}") from None
        missing = _names("words for missing", list(kept.missing)) or ()
        return cls(columns, place, classes, dialect.separator, dialect.decimal, missing)

    def plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)

    def to_metadata(self) -> dict[str, str]:
        """Return it as the metadata of a model file."""
        return {KEY: json.dumps(self.plain())}


def _names(what: str, value: Any) -> tuple[str, ...] | None:
    if value is not None and not (isinstance(value, list) and all(isinstance(name, str) for name in value)):
        raise ValueError(f"metadata {KEY!r} has {what} that are not a list of names")
    return None if value is None else tuple(value)
