"""A profile as plain data, for JSON: what was measured, on what, and what was seen of the training."""

import math
from typing import TYPE_CHECKING, Any

from hotloop import __version__
from hotloop.network.profiling.health import FitHealth, Look

if TYPE_CHECKING:
    from hotloop.network.profiling.profiler import Profile

FORMAT = 1


def as_dict(profile: "Profile") -> dict[str, Any]:
    """Return the profile, of types that JSON has; NaN and infinity are None."""
    return {
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
                "rows": clock.counts.rows, "seconds": clock.wall(), "timed_chunks": clock.sampled()[0],
                "chunks": clock.sampled()[1],
            }
            for clock in profile.clocks
        ],
        "rows": profile.rows,
        "fits": [_fit(fit) for fit in profile.fits],
        "diagnosis": None if profile.diagnosis is None else profile.diagnosis.to_list(),
    }  # fmt: skip


def _fit(fit: FitHealth) -> dict[str, Any]:
    records = [] if fit.history is None else fit.history.epochs
    return {
        "network": list(fit.sizes),
        "activations": list(fit.activations),
        "stop_reason": None if fit.history is None else fit.history.stop_reason,
        "epochs": [{name: _finite(value) for name, value in record.items()} for record in records],
        "looks": [_look(look) for look in fit.looks.items],
    }


def _look(look: Look) -> dict[str, Any]:
    lists = {name: [_finite(v) for v in getattr(look, name)] for name in ("gradient", "delta", "weight", "update")}
    return {
        "epoch": look.epoch, "step": look.step, "rows": look.rows, "loss": _finite(look.loss),
        "gradient_norm": _finite(look.gradient_norm), **lists,
        "saturated": look.saturated, "dead": look.dead,
    }  # fmt: skip


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
