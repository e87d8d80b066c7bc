"""How raw data becomes a network's inputs, and what its outputs stand for: kept in a saved model's file."""

import json
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hotloop.network.datasets import Dataset, Scaling, scale_inputs

Array: TypeAlias = npt.NDArray[Any]

KEY = "data"  # in the metadata of the model's file


@dataclass(frozen=True, eq=False)
class Preparation:
    """The scaling of the inputs, their names and place in a table, and the names of the classes.

    The default is that of a model saved without any: inputs as they are, no names.
    """

    offset: Scaling = 0.0
    scale: Scaling = 1.0
    columns: tuple[str, ...] | None = None
    target_column: int | None = None
    classes: tuple[str, ...] | None = None
    separator: str | None = None  # of the CSV file
    decimal: str | None = None

    @classmethod
    def of(cls, data: Dataset) -> "Preparation":
        """Return the preparation of a data set."""
        return cls(
            data.offset, data.scale, data.columns, data.target_column, data.classes, data.separator, data.decimal
        )

    @classmethod
    def from_metadata(cls, metadata: dict[str, str], n_inputs: int) -> "Preparation":
        """Return what `to_metadata` wrote, for a network with `n_inputs`.

        Raises
        ------
        ValueError
            If the metadata has been altered, or belongs to another network.
        """
        if KEY not in metadata:
            return cls()
        try:
            kept = json.loads(metadata[KEY])
            offset, scale = (np.asarray(kept.pop(name), dtype=np.float64) for name in ("offset", "scale"))
            names = {name: None if kept[name] is None else tuple(kept.pop(name)) for name in ("columns", "classes")}
            preparation = cls(offset, scale, **{**kept, **names})
            fits = all(array.shape in ((), (n_inputs,)) for array in (offset, scale))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"the model's metadata {KEY!r} is not what hotloop train writes ({error!r})") from None
        if not fits or not np.isfinite(offset).all() or not np.all(scale > 0):
            raise ValueError(f"the model's metadata {KEY!r} has a scaling that does not fit its {n_inputs} inputs")
        return preparation

    def to_metadata(self) -> dict[str, str]:
        """Return it as metadata of a model's file."""
        kept = asdict(self)
        for name in ("offset", "scale"):
            kept[name] = np.asarray(kept[name], dtype=np.float64).tolist()
        return {KEY: json.dumps(kept)}

    def apply(self, raw: Array, dtype: str) -> Array:
        """Return raw inputs, scaled as in training."""
        return scale_inputs(raw, self.offset, self.scale, dtype)
