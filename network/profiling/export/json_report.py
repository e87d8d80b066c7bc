"""A profile as plain data, for JSON: what was measured, and what was seen of the training."""

import math
import numbers
from typing import Any

from hotloop import __version__
from hotloop.network.profiling.diagnosis.findings import Diagnosis
from hotloop.network.profiling.diagnosis.snapshots import FitSnapshots
from hotloop.network.profiling.recording import Recording

FORMAT = 1


def as_dict(recording: Recording, diagnosis: Diagnosis | None) -> dict[str, Any]:
    """Return the profile in types that JSON has; NaN and infinity become None."""
    found = {
        "format": FORMAT,
        "hotloop": __version__,
        "seconds": recording.seconds,
        "clock": {"name": recording.calibration.name, "ticks_per_second": recording.calibration.rate},
        "roofs": {
            dtype: {"peak_flops": roof.peak, "bytes_in_use": roof.sizes, "bandwidth": roof.bandwidths}
            for dtype, roof in recording.roofs.items()
        },
        "runs": [
            {
                "network": clock.network, "dtype": str(clock.dtype), "steps": clock.counts.updates,
                "rows": clock.counts.rows, "seconds": clock.wall(), "timed_micro_batches": clock.sampled()[0],
                "micro_batches": clock.sampled()[1],
            }
            for clock in recording.clocks
        ],
        "rows": recording.rows,
        "fits": [_fit(fit) for fit in recording.fits],
        "diagnosis": None if diagnosis is None else diagnosis.to_list(),
    }  # fmt: skip
    plain: dict[str, Any] = _plain(found)
    return plain


def _fit(fit: FitSnapshots) -> dict[str, Any]:
    return {
        "network": list(fit.sizes),
        "activations": [str(activation) for activation in fit.activations],
        "stop_reason": None if fit.history is None else fit.history.stop_reason,
        "epochs": [] if fit.history is None else fit.history.epochs,
        "snapshots": [vars(snapshot) for snapshot in fit.snapshots.items],
    }


def _plain(value: Any) -> Any:
    """Return data as JSON has it: None in place of numbers that are not finite, the text of what is no number."""
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, numbers.Integral):  # of NumPy, which a callback may add to a record
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    return str(value)
