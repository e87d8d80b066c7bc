"""The diagnosis of a training run: all checks on each of its fits."""

from collections.abc import Callable, Sequence

from hotloop.network.profiling.diagnosis import checks
from hotloop.network.profiling.diagnosis.findings import Diagnosis, Finding, FitDiagnosis
from hotloop.network.profiling.diagnosis.layers import layers_of
from hotloop.network.profiling.diagnosis.snapshots import FitSnapshots
from hotloop.network.profiling.diagnosis.trials import Runner, Trials
from hotloop.network.validation.printable import sizes_as_word

# In this order, each with the kinds of findings that would explain what it looks for.
CHECKS: list[tuple[Callable[[FitSnapshots, Trials | None], Finding | None], set[str]]] = [
    (checks.inputs_not_scaled, set()),
    (checks.exploding, {"inputs not scaled"}),
    (checks.rate_too_large, {"inputs not scaled", "exploding gradients"}),
    (checks.dead_units, {"inputs not scaled", "exploding gradients", "learning rate too large"}),
    (checks.vanishing, {"inputs not scaled", "learning rate too large", "dead ReLUs"}),
    (checks.rate_too_small, {"inputs not scaled", "vanishing gradients", "dead ReLUs", "learning rate too large"}),
    (checks.overfitting, {"learning rate too large"}),
]


def diagnose(fits: Sequence[FitSnapshots], left_out: int, runner: Runner | None) -> Diagnosis:
    """Return what is wrong with the training itself.

    Parameters
    ----------
    fits : sequence of FitSnapshots
    left_out : int
        How many more fits there were.
    runner : callable, optional
        Calls the trials of remedies; None tries nothing.
    """
    return Diagnosis([diagnosis_of(fit, None if runner is None else Trials(fit, runner)) for fit in fits], left_out)


def diagnosis_of(fit: FitSnapshots, trials: Trials | None) -> FitDiagnosis:
    """Return the diagnosis of one fit."""
    findings: list[Finding] = []
    for check, causes in CHECKS:
        if not causes & {finding.kind for finding in findings}:
            found = check(fit, trials)
            findings += [] if found is None else [found]
    network = f"{sizes_as_word(fit.sizes)} {', '.join(dict.fromkeys(map(str, fit.activations)))}"
    return FitDiagnosis(network, len(fit.snapshots.items), fit.steps, findings, layers_of(fit))
