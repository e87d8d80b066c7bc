"""Model files of format 1: their configuration brought to format 2.

In format 1 a network had one `input_scale` and no offset. `hotloop train` kept the standardisation of the inputs in the
metadata, among the names of `schema.py`, and divided by its scale; that of a constant column was infinite.
"""

import json
from typing import Any

import numpy as np

from hotloop.network.persistence import schema


def upgraded(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration of format 1 with the scaling of format 2."""
    factor = config.get("input_scale", 1.0)  # the first files had none
    scaling = {"input_offset": 0.0, "input_scale": factor}
    metadata = config["metadata"]
    try:
        kept = json.loads(metadata[schema.KEY])
        offset, divisor = kept.pop("offset"), kept.pop("scale")
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return config | scaling  # no scaling, or a text of the user's under the same key
    divisor = np.asarray(divisor, np.float64)
    if np.isnan(divisor).any() or np.any(divisor <= 0):
        raise ValueError(f"metadata {schema.KEY!r} divides inputs by a number that is not above 0")
    scaling = {"input_offset": np.asarray(offset, np.float64)[()], "input_scale": factor / divisor}
    return config | scaling | {"metadata": {**metadata, schema.KEY: json.dumps(kept)}}
