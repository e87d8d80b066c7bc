"""A profile as plain data, for JSON: what was measured, on what, and what was seen of the training."""

import math
from typing import TYPE_CHECKING, Any

from hotloop import __version__
from hotloop.network.profiling.diagnosis.snapshots import FitSnapshots

if TYPE_CHECKING:
    from hotloop.network.profiling.profiler import Profile

FORMAT = 1


def as_dict(profile: "Profile") -> dict[str, Any]:
    """Return the profile, of types that JSON has; NaN and infinity are None."""
    found = {
        "format": FORMAT,
        "hotloop": __version__,
        "seconds": profile.seconds,
        "clock": {"name": profile.calibration.name, "ticks_per_second": profile.calibration.rate},
        "roofs": {
            dtype: {"peak_flops": roof.peak, "bytes_in_use": roof.sizes, "bandwidth": roof.bandwidths}
            for dtype, roof in profile.roofs.items()
        },
        "runs": [
            {
                "network": clock.network, "dtype": str(clock.dtype), "steps": clock.counts.updates,
                "rows": clock.counts.rows, "seconds": clock.wall(), "timed_micro_batches": clock.sampled()[0],
                "micro_batches": clock.sampled()[1],
            }
            for clock in profile.clocks
        ],
        "rows": profile.rows,
        "fits": [_fit(fit) for fit in profile.fits],
        "diagnosis": None if profile.diagnosis is None else profile.diagnosis.to_list(),
    }  # fmt: skip
    plain: dict[str, Any] = _finite(found)
    return plain


def _fit(fit: FitSnapshots) -> dict[str, Any]:
    return {
        "network": list(fit.sizes),
        "activations": list(fit.activations),
        "stop_reason": None if fit.history is None else fit.history.stop_reason,
        "epochs": [] if fit.history is None else fit.history.epochs,
        "looks": [vars(look) for look in fit.looks.items],
    }


def _finite(value: Any) -> Any:
    """Return plain data with None for what JSON has no number for."""
    if isinstance(value, dict):
        return {name: _finite(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
