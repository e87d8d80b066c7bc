"""Conclusions about a training run, in words: each with its evidence, and a remedy that was tried on a twin.

What only looks wrong is not reported: where a fault can be told from a harmless peculiarity by a trial (the scale of
inputs, the learning rate, dead units), the trial decides. Nothing is concluded about a healthy run.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hotloop.network.profiling.diagnosis.snapshots import FitSnapshots, per_layer
from hotloop.network.profiling.diagnosis.trials import Outcome, Trials, probe, twin
from hotloop.network.profiling.phase_clock import described

if TYPE_CHECKING:
    from hotloop.network.profiling.profiler import Profile

VANISHED, EXPLODED = 1e-3, 1e3  # of dC/dz, from the last layer to the first: ten halvings, or doublings
LARGE_COLUMN = 10.0  # root mean square of an input column: networks are initialised for 1
SMALL_INPUTS = 0.02  # of all columns
RESTLESS = 0.03  # root mean square of a step over that of the weights; a sound step is some thousandth
STANDSTILL = 0.9  # of the first loss
SMALLEST_FACTOR, LARGEST_FACTOR = 1e-14, 1e8  # of the learning rate that are tried, as long as none helps
BETTER = 0.8  # loss after a remedy over the loss without it
DEAD, ALL_DEAD = 0.4, 0.9  # share of a layer's units
# The least validation loss of the last three epochs over the least of all, and how many epochs ago that was.
TURNED, EPOCHS_SINCE, LAST = 1.2, 5, 3


@dataclass(frozen=True)
class Finding:
    """One conclusion.

    Attributes
    ----------
    kind : str
        "vanishing gradients", "exploding gradients", "dead ReLUs", "learning rate too large", "learning rate too
        small", "overfitting", "inputs not scaled" or, where no trial ended well, "divergence".
    evidence, remedy : str
        What was seen, and what to do.
    tried : str
        What the remedy gave when it was tried; empty if it was not.
    """

    kind: str
    evidence: str
    remedy: str
    tried: str = ""

    def __str__(self) -> str:
        """Return it in three or four lines."""
        lines = [self.kind, f"  evidence: {self.evidence}", f"  remedy:   {self.remedy}"]
        return "\n".join([*lines, f"  tried:    {self.tried}"] if self.tried else lines)


@dataclass(frozen=True)
class FitDiagnosis:
    """What was found in one fit.

    Attributes
    ----------
    network : str
        Sizes and activations.
    looks, steps : int
        At how many steps it was looked at, of how many.
    findings : list of Finding
    layers : list of dict
        For each layer what was seen, the medians of the looks: "layer", "gradient" (dC/dW, root mean square), "growth"
        (dC/dz over that of the next layer), "step" (of the weights over the weights), "saturated", "dead" (shares).
    """

    network: str
    looks: int
    steps: int
    findings: list[Finding]
    layers: list[dict[str, Any]] = field(default_factory=list)

    @property
    def basis(self) -> str:
        """On what the conclusions rest."""
        return f"looked at in {self.looks} of {self.steps} step" + ("" if self.steps == 1 else "s")

    def table(self) -> list[str]:
        """Return the layers as lines of text."""
        heads = ("layer", "gradient", "growth", "step", "saturated", "dead")
        cells = [[_cell(name, layer[name]) for name in heads] for layer in self.layers]
        widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
        lines = [heads, *cells] if cells else []
        return ["  " + "  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)) for line in lines]


@dataclass(frozen=True)
class Diagnosis:
    """What was found in each fit of a profile, and how many fits more were not looked at."""

    fits: list[FitDiagnosis] = field(default_factory=list)
    left_out: int = 0

    @property
    def findings(self) -> list[Finding]:
        """The conclusions about all fits."""
        return [finding for fit in self.fits for finding in fit.findings]

    def __str__(self) -> str:
        """Return it as text."""
        if not self.fits:
            return "diagnosis: no fit was looked at"
        parts = []
        for number, fit in enumerate(self.fits, 1):
            name = f"fit {number} of {len(self.fits)}" if len(self.fits) > 1 else "fit"
            found = f"{len(fit.findings)} found" if fit.findings else "nothing is wrong"
            parts.append(f"diagnosis of the {name}, {fit.network}, {fit.basis}: {found}")
            parts += [*(str(finding) for finding in fit.findings), *fit.table()]
        more = [f"{self.left_out} more fits were not looked at"] if self.left_out else []
        return "\n".join([*parts, *more])

    def to_list(self) -> list[dict[str, Any]]:
        """Return it as plain data."""
        return [
            {
                "network": fit.network, "looks": fit.looks, "steps": fit.steps,
                "findings": [vars(finding) for finding in fit.findings], "layers": fit.layers,
            }
            for fit in self.fits
        ]  # fmt: skip


def diagnose(profile: "Profile", *, try_remedies: bool) -> Diagnosis:
    """Return what is wrong with the fits of a profile."""
    profile.calibration  # noqa: B018 (raises if the profile has not ended)
    left_out = profile.n_fits - len(profile.fits) if profile.fits else 0
    return Diagnosis([_diagnosed(fit, try_remedies) for fit in profile.fits], left_out)


def _diagnosed(fit: FitSnapshots, try_remedies: bool) -> FitDiagnosis:
    trials = Trials(fit) if try_remedies else None
    checks: list[tuple[Callable[[FitSnapshots, Trials | None], Finding | None], set[str]]] = [
        # Each with the conclusions that would explain what it looks for.
        (inputs_not_scaled, set()),
        (exploding, {"inputs not scaled"}),
        (rate_too_large, {"inputs not scaled", "exploding gradients"}),
        (dead_units, {"inputs not scaled", "exploding gradients", "learning rate too large"}),
        (vanishing, {"inputs not scaled", "learning rate too large", "dead ReLUs"}),
        (rate_too_small, {"inputs not scaled", "vanishing gradients", "dead ReLUs", "learning rate too large"}),
        (overfitting, {"learning rate too large"}),
    ]
    findings: list[Finding] = []
    for check, causes in checks:
        if not causes & {finding.kind for finding in findings}:
            found = check(fit, trials)
            findings += [] if found is None else [found]
    activations = dict.fromkeys(fit.activations)
    name = f"{described(fit)} {', '.join(activations)}"
    return FitDiagnosis(name, len(fit.looks.items), fit.steps, findings, layers_of(fit))


def layers_of(fit: FitSnapshots) -> list[dict[str, Any]]:
    """Return what was seen of each layer: the medians of the looks."""
    looks = fit.looks.items
    if not looks:
        return []
    gradient, delta = np.median(per_layer(looks, "gradient"), axis=0), per_layer(looks, "delta")
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.median(delta[:, :-1] / delta[:, 1:], axis=0)
    steps, found = step_sizes(fit), []
    for index in range(len(fit.sizes) - 1):
        shares = {
            name: None if getattr(looks[0], name)[index] is None
            else float(np.median([getattr(look, name)[index] for look in looks]))
            for name in ("saturated", "dead")
        }  # fmt: skip
        ratio = float(growth[index]) if index < len(growth) and np.isfinite(growth[index]) else None
        layer = {"layer": index + 1, "gradient": float(gradient[index]), "growth": ratio, "step": steps[index]}
        found.append(layer | shares)
    return found


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0%}" if name in ("saturated", "dead") else f"{value:.3g}"


def inputs_not_scaled(fit: FitSnapshots, trials: Trials | None) -> Finding | None:
    """Columns of a size that the initial weights are not made for, if standardised ones train better."""
    X = (fit.X[:4096] if trials is None else trials.X).astype(np.float64) * fit.options["input_scale"]
    size, spread = np.sqrt(np.mean(X**2, axis=0)), X.std(axis=0)
    if size.max() <= LARGE_COLUMN and size.max() >= SMALL_INPUTS:
        return None
    worst = int(size.argmax())
    evidence = (
        f"column {worst} of X has mean {X[:, worst].mean():.3g} and standard deviation {spread[worst]:.3g}; the "
        f"standard deviations of the {X.shape[1]} columns go from {spread.min():.3g} to {spread.max():.3g}"
    )
    remedy = "standardise each column, (X - X.mean(axis=0)) / X.std(axis=0); bytes: Network(..., input_scale=1 / 255)"
    tried = ""
    if trials is not None:
        scaled = ((X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0)).astype(fit.options["dtype"])
        outcome, unchanged = trials.run("scaled", net=trials.twin(input_scale=1.0), X=scaled), trials.unchanged()
        if not better(outcome, unchanged):
            return None
        tried = compared(trials, "standardised", outcome, unchanged)
    return Finding("inputs not scaled", evidence, remedy, tried)


def exploding(fit: FitSnapshots, trials: Trials | None) -> Finding | None:
    """A gradient that grows a thousandfold from the last layer to the first."""
    ratio = gradient_ratio(fit, trials)
    if ratio is None or ratio < EXPLODED:
        return None
    evidence = f"layer 1 gets {ratio:.2g} times the gradient of layer {len(fit.sizes) - 1} (dC/dz, root mean square)"
    remedy = "the initial weights that suit the activation: leave the argument initializer out"
    return _with_new_weights(fit, trials, None, Finding("exploding gradients", evidence, remedy))


def vanishing(fit: FitSnapshots, trials: Trials | None) -> Finding | None:
    """A gradient that shrinks to a thousandth from the last layer to the first."""
    ratio = gradient_ratio(fit, trials)
    if ratio is None or ratio > VANISHED:
        return None
    hidden = list(dict.fromkeys(fit.activations[:-1]))
    evidence = (
        f"layer 1 gets {ratio:.2g} of layer {len(fit.sizes) - 1}'s gradient (dC/dz, root mean square): "
        f"{', '.join(hidden)}, {len(fit.sizes) - 2} hidden layers"
    )
    shares = [share for look in fit.looks.items for share in look.saturated if share is not None]
    if shares and max(shares) > 0.2:
        evidence += f"; up to {max(shares):.0%} of a layer's values are saturated"
    remedy = 'activation="relu" with its own initial weights (he_normal), or fewer layers'
    return _with_new_weights(fit, trials, "relu", Finding("vanishing gradients", evidence, remedy))


def _with_new_weights(
    fit: FitSnapshots, trials: Trials | None, activation: str | None, found: Finding
) -> Finding | None:
    """Try weights of the default initializer, and an activation; None if the network learns, and no better so."""
    if trials is None:
        return found
    net = trials.twin(activation, initial=False)
    seen, unchanged = probe(net, trials.X, trials.y), trials.unchanged()
    outcome = trials.run(f"new weights, {activation}", net=net)
    if not better(outcome, unchanged) and unchanged.loss < BETTER * trials.start():
        return None
    name = "with ReLU and He's weights" if activation == "relu" else "with them"
    name += "" if seen is None else f" layer 1 gets {ratio_of(seen.delta):.2g} of it"
    return replace(found, tried=compared(trials, name, outcome, unchanged))


def rate_too_large(fit: FitSnapshots, trials: Trials | None) -> Finding | None:
    """Divergence, or steps that are large beside the weights, if smaller steps do better."""
    rate, first, last = fit.learning_rate, fit.first_loss, fit.last_loss
    # The largest: after one such step units may be dead, and the later ones small.
    large = max(steps := step_sizes(fit, np.max), default=0.0)
    if not (fit.diverged or large > RESTLESS):
        return None
    if fit.diverged:
        evidence = "the training diverged: its loss or a parameter became infinite or NaN"
    else:
        layer = steps.index(large) + 1
        evidence = f"a step changes the weights of layer {layer} by {large:.2g} of their size (0.001 is usual)"
        evidence += f"; the loss went from {first:.4g} to {last:.4g}" if first is not None else ""
    evidence += f"; learning rate {rate:g}"
    if trials is None:
        stands = first is not None and last is not None and last >= STANDSTILL * first
        found = Finding("learning rate too large", evidence, "a learning rate a tenth or a hundredth as large")
        return found if fit.diverged or stands else None
    unchanged, start, factors = trials.unchanged(), trials.start(), [0.1, 0.01]
    while factors[-1] > SMALLEST_FACTOR and not trials.at_rate(factors[-1]).loss < start:
        factors.append(factors[-1] / 100)
    factor = min(factors, key=lambda factor: trials.at_rate(factor).loss)
    outcome = trials.at_rate(factor)
    tried = compared(trials, f"learning rate {rate * factor:.2g}", outcome, unchanged)
    if fit.diverged and not math.isfinite(outcome.loss):
        return Finding("divergence", evidence, "look for infinite or huge targets; scale inputs and targets", tried)
    if not better(outcome, unchanged):
        return None
    return Finding("learning rate too large", evidence, f"a learning rate of about {rate * factor:.2g}", tried)


def rate_too_small(fit: FitSnapshots, trials: Trials | None) -> Finding | None:
    """A loss that hardly falls, if larger steps do better."""
    rate, first, last = fit.learning_rate, fit.first_loss, fit.last_loss
    if fit.diverged or fit.resumed or first is None or last is None or last < STANDSTILL * first:
        return None
    large = max(step_sizes(fit), default=0.0)
    if large > RESTLESS:
        return None
    evidence = (
        f"the loss went from {first:.4g} to {last:.4g} in {fit.steps} steps; a step changes the weights by {large:.2g} "
        f"of their size (0.001 is usual); learning rate {rate:g}"
    )
    if trials is None:
        return Finding("learning rate too small", evidence, "a learning rate ten or a hundred times as large")
    unchanged = trials.unchanged()
    factors = [10.0, 100.0]
    while factors[-1] < LARGEST_FACTOR and large * factors[-1] < RESTLESS:
        if any(better(trials.at_rate(factor), unchanged) for factor in factors):
            break
        factors.append(factors[-1] * 100)
    factor = min(factors, key=lambda factor: trials.at_rate(factor).loss)
    if not better(trials.at_rate(factor), unchanged):
        return None
    tried = compared(trials, f"learning rate {rate * factor:.2g}", trials.at_rate(factor), unchanged)
    return Finding("learning rate too small", evidence, f"a learning rate of about {rate * factor:.2g}", tried)


def dead_units(fit: FitSnapshots, trials: Trials | None) -> Finding | None:
    """ReLU units that are zero for every row, if a leaky ReLU learns better, or if nearly all are."""
    if "relu" not in fit.activations[:-1] or fit.diverged:
        return None
    net = twin(fit)
    net.parameters[:] = fit.final
    rows = np.sort(np.random.default_rng(0).permutation(len(fit.X))[:1024])
    seen = probe(net, fit.X[rows], fit.y[rows])
    shares = [] if seen is None else [share or 0.0 for share in seen.dead]
    if seen is None or max(shares) < DEAD:
        return None
    layer = shares.index(max(shares))
    evidence = (
        f"{shares[layer]:.0%} of the {fit.sizes[layer + 1]} units of layer {layer + 1} are zero for all of {len(rows)} "
        "rows: no gradient reaches their weights"
    )
    remedy = 'biases that do not start far below zero, activation="leaky_relu", or a smaller learning rate'
    if trials is None:
        return Finding("dead ReLUs", evidence, remedy)
    hidden = ["leaky_relu" if name == "relu" else name for name in fit.activations[:-1]]
    outcomes = {
        "leaky_relu, from the same weights": trials.run("leaky", net=trials.twin(hidden)),
        "weights and biases drawn anew": trials.run("new weights, None", net=trials.twin(initial=False)),
        f"learning rate {fit.learning_rate / 10:g}": trials.at_rate(0.1),
    }
    name, unchanged = min(outcomes, key=lambda name: outcomes[name].loss), trials.unchanged()
    if not better(outcomes[name], unchanged) and max(shares) < ALL_DEAD:
        return None
    return Finding("dead ReLUs", evidence, remedy, compared(trials, name, outcomes[name], unchanged))


def overfitting(fit: FitSnapshots, trials: Trials | None) -> Finding | None:
    """A validation loss that has turned while the training loss went on falling."""
    records = [] if fit.history is None else fit.history.epochs
    losses = [record["validation_loss"] for record in records if "validation_loss" in record]
    if len(losses) < EPOCHS_SINCE + 1 or fit.diverged:
        return None
    best = int(np.argmin(losses))
    if len(losses) - 1 - best < EPOCHS_SINCE or min(losses[-LAST:]) < TURNED * losses[best]:
        return None
    if records[-1]["loss"] >= records[best]["loss"]:
        return None
    evidence = (
        f"the validation loss turns at epoch {int(records[best]['epoch'])}: {losses[best]:.4g} there, {losses[-1]:.4g} "
        f"in the end, while the training loss falls from {records[best]['loss']:.4g} to {records[-1]['loss']:.4g}"
    )
    remedy = "stop there (tolerance and patience do), or use dropout, l2, fewer units, more data"
    tried = f"this run itself, stopped after epoch {int(records[best]['epoch'])}: validation loss {losses[best]:.4g}"
    return Finding("overfitting", evidence, remedy, tried)


# What they share.


def gradient_ratio(fit: FitSnapshots, trials: Trials | None) -> float | None:
    """Return dC/dz of the first layer over that of the last, the median of the looks; None for a shallow network."""
    if len(fit.sizes) < 4:
        return None
    if fit.looks.items:
        deltas = per_layer(fit.looks.items, "delta")
        deltas = deltas[deltas[:, -1] > 0]  # of a perfect fit there is no gradient at all
        return float(np.median(deltas[:, 0] / deltas[:, -1])) if len(deltas) else None
    if trials is None:
        return None
    seen = probe(trials.twin(), trials.X, trials.y)
    return None if seen is None else ratio_of(seen.delta)


def ratio_of(deltas: list[float]) -> float:
    """Return the first over the last."""
    return deltas[0] / deltas[-1] if deltas[-1] > 0 else math.nan


def step_sizes(fit: FitSnapshots, of_looks: Callable[..., Any] = np.median) -> list[float]:
    """Return, by layer, the root mean square of a step over that of the weights: the median of the looks."""
    if not fit.looks.items:
        return []
    updates, weights = per_layer(fit.looks.items, "update"), per_layer(fit.looks.items, "weight")
    return list(of_looks(updates / np.maximum(weights, np.finfo(np.float64).tiny), axis=0))


def better(outcome: Outcome, unchanged: Outcome) -> bool:
    """Return whether a remedy helped beyond doubt."""
    return math.isfinite(outcome.loss) and outcome.loss < BETTER * unchanged.loss


def compared(trials: Trials, name: str, outcome: Outcome, unchanged: Outcome) -> str:
    """Return the losses of two trials as words."""
    without = f"{unchanged.loss:.4g}" if math.isfinite(unchanged.loss) else "diverged"
    with_it = f"loss {outcome.loss:.4g}" if math.isfinite(outcome.loss) else "diverged too"
    return f"{name}: {with_it} after {trials.steps} steps of {trials.batch_size} rows; unchanged: {without}"
