"""What the snapshots of a fit say about each of its layers."""

from collections.abc import Callable
from typing import Any

import numpy as np

from hotloop.network.profiling.diagnosis.snapshots import FitSnapshots, per_layer


def layers_of(fit: FitSnapshots) -> list[dict[str, Any]]:
    """Return the medians of the snapshots for each layer: see `findings.FitDiagnosis`."""
    snapshots = fit.snapshots.items
    if not snapshots:
        return []
    gradient, delta = np.median(per_layer(snapshots, "gradient"), axis=0), per_layer(snapshots, "delta")
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.median(delta[:, :-1] / delta[:, 1:], axis=0)
    steps, found = step_sizes(fit), []
    for index in range(len(fit.sizes) - 1):
        shares = {
            name: None if getattr(snapshots[0], name)[index] is None
            else float(np.median([getattr(snapshot, name)[index] for snapshot in snapshots]))
            for name in ("saturated", "dead")
        }  # fmt: skip
        ratio = float(growth[index]) if index < len(growth) and np.isfinite(growth[index]) else None
        layer = {"layer": index + 1, "gradient": float(gradient[index]), "growth": ratio, "step": steps[index]}
        found.append(layer | shares)
    return found


def step_sizes(fit: FitSnapshots, summarize: Callable[..., Any] = np.median) -> list[float]:
    """Return, by layer, the root mean square of a step over that of the weights: the median of the snapshots."""
    if not fit.snapshots.items:
        return []
    updates, weights = per_layer(fit.snapshots.items, "update"), per_layer(fit.snapshots.items, "weight")
    return list(summarize(updates / np.maximum(weights, np.finfo(np.float64).tiny), axis=0))
