"""The checks of a diagnosis: each looks for one fault in a fit, and returns a finding if there is enough evidence.

What only looks wrong is not reported: where a trial can tell a fault from a harmless peculiarity (the scale of inputs,
the learning rate, dead units), the trial decides. Nothing is concluded about a healthy run.
"""

import math
from dataclasses import replace

import numpy as np

from hotloop.network.profiling.diagnosis.findings import Finding
from hotloop.network.profiling.diagnosis.layers import step_sizes
from hotloop.network.profiling.diagnosis.snapshots import FitSnapshots, per_layer
from hotloop.network.profiling.diagnosis.trials import Outcome, Trials, probe, twin

VANISHED, EXPLODED = 1e-3, 1e3  # dC/dz of the first layer over that of the last: ten halvings, or doublings
LARGE_COLUMN = 10.0  # root mean square of an input column: networks are initialised for 1
SMALL_INPUTS = 0.02  # root mean square of the largest input column
RESTLESS = 0.03  # root mean square of a step over that of the weights; 0.001 is usual
STANDSTILL = 0.9  # last loss over first loss
SMALLEST_FACTOR, LARGEST_FACTOR = 1e-14, 1e8  # of the learning rate: how far to try while nothing helps
BETTER = 0.8  # loss with a remedy over loss without it
DEAD, ALL_DEAD = 0.4, 0.9  # share of a layer's units
# The least validation loss of the last three epochs over the least of all, and how many epochs ago that was.
TURNED, EPOCHS_SINCE, LAST = 1.2, 5, 3


def inputs_not_scaled(fit: FitSnapshots, trials: Trials | None) -> Finding | None:
    """Columns too large or too small for the initial weights, if standardised columns train better."""
    X = (fit.X[:4096] if trials is None else trials.X).astype(np.float64) * fit.options["input_scale"]
    size, spread = np.sqrt(np.mean(X**2, axis=0)), X.std(axis=0)
    if size.max() <= LARGE_COLUMN and size.max() >= SMALL_INPUTS:
        return None
    worst = int(size.argmax())
    evidence = (
        f"column {worst} of X has mean {X[:, worst].mean():.3g} and standard deviation {spread[worst]:.3g}; the "
        f"standard deviations of the {X.shape[1]} columns range from {spread.min():.3g} to {spread.max():.3g}"
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
    remedy = "initial weights that suit the activation: omit initializer"
    return _with_new_weights(fit, trials, None, Finding("exploding gradients", evidence, remedy))


def vanishing(fit: FitSnapshots, trials: Trials | None) -> Finding | None:
    """A gradient that shrinks to a thousandth from the last layer to the first."""
    ratio = gradient_ratio(fit, trials)
    if ratio is None or ratio > VANISHED:
        return None
    hidden = dict.fromkeys(map(str, fit.activations[:-1]))
    evidence = (
        f"layer 1 gets {ratio:.2g} of layer {len(fit.sizes) - 1}'s gradient (dC/dz, root mean square): "
        f"{', '.join(hidden)}, {len(fit.sizes) - 2} hidden layers"
    )
    shares = [share for snapshot in fit.snapshots.items for share in snapshot.saturated if share is not None]
    if shares and max(shares) > 0.2:
        evidence += f"; up to {max(shares):.0%} of a layer's values are saturated"
    remedy = 'activation="relu" with its own initial weights (he_normal), or fewer layers'
    return _with_new_weights(fit, trials, "relu", Finding("vanishing gradients", evidence, remedy))


def _with_new_weights(
    fit: FitSnapshots, trials: Trials | None, activation: str | None, found: Finding
) -> Finding | None:
    """Try new weights of the default initializer, and an activation; None if the network learns as well without."""
    if trials is None:
        return found
    net = trials.twin(activation, initial=False)
    seen, unchanged = probe(net, trials.X, trials.y), trials.unchanged()
    outcome = trials.run(f"new weights, {activation}", net=net)
    if not better(outcome, unchanged) and unchanged.loss < BETTER * trials.start():
        return None
    name = "with ReLU and he_normal" if activation == "relu" else "with new weights"
    name += "" if seen is None else f" layer 1 gets {ratio_of(seen.delta):.2g} of it"
    return replace(found, tried=compared(trials, name, outcome, unchanged))


def rate_too_large(fit: FitSnapshots, trials: Trials | None) -> Finding | None:
    """Divergence, or steps that are large beside the weights, if smaller steps train better."""
    rate, first, last = fit.learning_rate, fit.first_loss, fit.last_loss
    # The largest of all, not the median: after one such step units may be dead, and later steps small.
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
        return Finding("divergence", evidence, "look for huge or infinite targets; scale inputs and targets", tried)
    if not better(outcome, unchanged):
        return None
    return Finding("learning rate too large", evidence, f"a learning rate of about {rate * factor:.2g}", tried)


def rate_too_small(fit: FitSnapshots, trials: Trials | None) -> Finding | None:
    """A loss that hardly falls, if larger steps train better."""
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
    """ReLU units that are zero for every row, if there are other ways that train better, or if nearly all are zero."""
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
        "new weights and biases": trials.run("new weights, None", net=trials.twin(initial=False)),
        f"learning rate {fit.learning_rate / 10:g}": trials.at_rate(0.1),
    }
    name, unchanged = min(outcomes, key=lambda name: outcomes[name].loss), trials.unchanged()
    if not better(outcomes[name], unchanged) and max(shares) < ALL_DEAD:
        return None
    return Finding("dead ReLUs", evidence, remedy, compared(trials, name, outcomes[name], unchanged))


def overfitting(fit: FitSnapshots, trials: Trials | None) -> Finding | None:
    """A validation loss that has risen again while the training loss went on falling."""
    records = [] if fit.history is None else fit.history.epochs
    losses = [record["val_loss"] for record in records if "val_loss" in record]
    if len(losses) < EPOCHS_SINCE + 1 or fit.diverged:
        return None
    best = int(np.argmin(losses))
    if len(losses) - 1 - best < EPOCHS_SINCE or min(losses[-LAST:]) < TURNED * losses[best]:
        return None
    if records[-1]["loss"] >= records[best]["loss"]:
        return None
    evidence = (
        f"the validation loss turns at epoch {int(records[best]['epoch'])}: {losses[best]:.4g} there, {losses[-1]:.4g} "
        f"at the end, while the training loss falls from {records[best]['loss']:.4g} to {records[-1]['loss']:.4g}"
    )
    remedy = "stop there (tolerance and patience), or use dropout, l2, fewer units or more data"
    tried = f"this run, stopped after epoch {int(records[best]['epoch'])}: validation loss {losses[best]:.4g}"
    return Finding("overfitting", evidence, remedy, tried)


# What the checks share.


def gradient_ratio(fit: FitSnapshots, trials: Trials | None) -> float | None:
    """Return dC/dz of the first layer over that of the last, a median; None for a shallow network."""
    if len(fit.sizes) < 4:
        return None
    if fit.snapshots.items:
        deltas = per_layer(fit.snapshots.items, "delta")
        deltas = deltas[deltas[:, -1] > 0]  # a perfect fit has no gradient
        return float(np.median(deltas[:, 0] / deltas[:, -1])) if len(deltas) else None
    if trials is None:
        return None
    seen = probe(trials.twin(), trials.X, trials.y)
    return None if seen is None else ratio_of(seen.delta)


def ratio_of(deltas: list[float]) -> float:
    """Return the first over the last."""
    return deltas[0] / deltas[-1] if deltas[-1] > 0 else math.nan


def better(outcome: Outcome, unchanged: Outcome) -> bool:
    """Return whether a remedy clearly helped."""
    return math.isfinite(outcome.loss) and outcome.loss < BETTER * unchanged.loss


def compared(trials: Trials, name: str, outcome: Outcome, unchanged: Outcome) -> str:
    """Return a sentence with the losses of two trials."""
    without = f"{unchanged.loss:.4g}" if math.isfinite(unchanged.loss) else "diverged"
    with_it = f"loss {outcome.loss:.4g}" if math.isfinite(outcome.loss) else "diverged too"
    return f"{name}: {with_it} after {trials.steps} steps of {trials.batch_size} rows; unchanged: {without}"
